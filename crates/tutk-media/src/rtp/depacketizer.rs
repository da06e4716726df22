//! RTP packets to access units and audio frames.

mod nals;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use rtp_types::RtpPacket;

use self::nals::{Nals, append_nals, error};
use super::audio::{self, not_carried};
use crate::adts::AAC_SAMPLES;
use crate::{AudioCodec, AudioConfig, Codec, Error, MAX_UNIT_BYTES};

/// Half of all sequence numbers. A packet that seems further ahead is late.
const LATE: u16 = 1 << 15;

/// A frame received by RTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpFrame {
    /// An access unit (Annex B, start codes of four bytes), or an audio frame as a camera sends it:
    /// AAC without a header, PCM little-endian.
    pub data: Bytes,
    /// The timestamp in ticks of the clock, modulo 2^32.
    pub timestamp: u32,
}

/// Assembles access units or audio frames from RTP packets: the counterpart of
/// [`RtpPayloads`](super::RtpPayloads), and the receiver of two-way audio.
///
/// Packets must come in order. Late and repeated packets are dropped and counted. A frame with a
/// missing packet is dropped, and so is the frame of the first packet after a gap, because its
/// start may be missing. Padding, contributing sources and header extensions are skipped. The
/// caller must check payload type and source.
#[derive(Debug)]
pub struct RtpDepacketizer {
    media: Media,
    /// The sequence number of the next packet. `None` before the first.
    expected: Option<u16>,
    /// The access unit or fragmented AAC frame being assembled.
    frame: BytesMut,
    timestamp: u32,
    state: State,
    frames: VecDeque<RtpFrame>,
    lost: u64,
    late: u64,
    dropped: u64,
}

#[derive(Debug, Clone, Copy)]
enum Media {
    Video(Codec),
    Audio(AudioConfig),
}

/// The state of the frame being assembled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Nothing,
    /// It may continue.
    Open,
    /// It ends with a fragment of a NAL unit, which continues in the next packet.
    InFragment,
    /// A part is missing. The rest of its packets are dropped.
    Broken,
}

impl RtpDepacketizer {
    /// Starts a video stream.
    #[must_use]
    pub fn video(codec: Codec) -> Self {
        Self::new(Media::Video(codec))
    }

    /// Starts an audio stream.
    ///
    /// # Errors
    ///
    /// [`Error::AudioNotCarried`] if RTP cannot carry the codec, and for MP3.
    pub fn audio(config: AudioConfig) -> Result<Self, Error> {
        audio::check(config.format())?;
        if config.codec == AudioCodec::Mp3 {
            let why = "fragments of its frames are not assembled";
            return Err(not_carried(config.format(), why));
        }
        Ok(Self::new(Media::Audio(config)))
    }

    fn new(media: Media) -> Self {
        Self {
            media,
            expected: None,
            frame: BytesMut::new(),
            timestamp: 0,
            state: State::Nothing,
            frames: VecDeque::new(),
            lost: 0,
            late: 0,
            dropped: 0,
        }
    }

    /// Handles the next packet. Then call [`poll`](Self::poll) until it returns `None`.
    ///
    /// # Errors
    ///
    /// [`Error::RtpPacket`], [`Error::UnitTooLarge`]: the packet and its frame are dropped, and
    /// receiving can continue.
    pub fn handle_packet(&mut self, packet: &[u8]) -> Result<(), Error> {
        let packet = RtpPacket::parse(packet).map_err(|error| Error::RtpPacket {
            expected: "a whole RTP packet",
            found: error.to_string(),
        })?;
        let sequence = packet.sequence_number();
        let ahead = sequence.wrapping_sub(self.expected.unwrap_or(sequence));
        if ahead >= LATE {
            self.late += 1;
            return Ok(());
        }
        self.expected = Some(sequence.wrapping_add(1));
        let same_frame = self.state != State::Nothing && self.timestamp == packet.timestamp();
        if ahead > 0 {
            self.lost += u64::from(ahead);
            // The end of the frame may be missing.
            if self.state == State::Open {
                self.state = State::InFragment;
            }
        }
        if !same_frame {
            self.finish();
        }
        if ahead > 0 && (same_frame || matches!(self.media, Media::Video(_))) {
            self.drop_frame();
        }
        self.timestamp = packet.timestamp();
        let result = match self.media {
            Media::Video(codec) => self.handle_video(codec, &packet),
            Media::Audio(config) => self.handle_audio(config, &packet),
        };
        if result.is_err() {
            self.drop_frame();
        }
        result
    }

    /// Returns the next complete frame.
    pub fn poll(&mut self) -> Option<RtpFrame> {
        self.frames.pop_front()
    }

    /// The number of missing packets, by sequence numbers.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// The number of late and repeated packets.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// The number of frames dropped because a part was missing.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn handle_video(&mut self, codec: Codec, packet: &RtpPacket<'_>) -> Result<(), Error> {
        if self.state != State::Broken {
            let in_fragment = self.state == State::InFragment;
            match append_nals(codec, packet.payload(), in_fragment, &mut self.frame)? {
                Nals::Whole => self.state = State::Open,
                Nals::InFragment => self.state = State::InFragment,
                Nals::MissingStart => self.drop_frame(),
            }
            if self.frame.len() > MAX_UNIT_BYTES {
                return Err(Error::UnitTooLarge {
                    max: MAX_UNIT_BYTES,
                    found: self.frame.len(),
                });
            }
        }
        if packet.marker_bit() {
            self.finish();
        }
        Ok(())
    }

    fn handle_audio(&mut self, config: AudioConfig, packet: &RtpPacket<'_>) -> Result<(), Error> {
        let payload = packet.payload();
        if config.codec == AudioCodec::Aac {
            return self.handle_aac(payload);
        }
        let sample = config.codec.sample_bytes();
        let unit = sample.map_or(1, |bytes| bytes * usize::from(config.channels));
        if payload.is_empty() || !payload.len().is_multiple_of(unit) {
            let found = format!("{} bytes", payload.len());
            return error("whole samples of every channel", found);
        }
        let data = match config.codec {
            AudioCodec::Pcm => {
                let samples = payload.as_chunks::<2>().0.iter();
                samples.flat_map(|[high, low]| [*low, *high]).collect()
            }
            _ => Bytes::copy_from_slice(payload),
        };
        let timestamp = self.timestamp;
        self.frames.push_back(RtpFrame { data, timestamp });
        Ok(())
    }

    /// Handles several AAC frames, or a fragment of one (RFC 3640 sections 3.2 and 3.3.6).
    fn handle_aac(&mut self, payload: &[u8]) -> Result<(), Error> {
        let Some((bits, rest)) = payload.split_first_chunk::<2>() else {
            return error("AU headers", format!("{} bytes", payload.len()));
        };
        let bits = usize::from(u16::from_be_bytes(*bits));
        let (headers, mut data) = match rest.split_at_checked(bits / 8) {
            Some(parts) if bits > 0 && bits.is_multiple_of(16) => parts,
            _ => return error("AU headers of 16 bits each", format!("{bits} bits")),
        };
        let headers = headers.as_chunks::<2>().0.iter();
        let mut timestamp = self.timestamp;
        for header in headers.clone() {
            let header = u16::from_be_bytes(*header);
            let size = usize::from(header >> 3);
            if size == 0 || header & 7 != 0 {
                return error("frames in their order", format!("{header:04x}"));
            }
            if headers.len() == 1 && (size > data.len() || self.state == State::InFragment) {
                return self.handle_aac_fragment(size, data);
            }
            let Some((frame, rest)) = data.split_at_checked(size) else {
                let found = format!("{} of {size} bytes", data.len());
                return error("whole AAC frames", found);
            };
            self.frames.push_back(RtpFrame {
                data: Bytes::copy_from_slice(frame),
                timestamp,
            });
            timestamp = timestamp.wrapping_add(AAC_SAMPLES);
            data = rest;
        }
        Ok(())
    }

    /// Handles a fragment, which states the size of the frame.
    fn handle_aac_fragment(&mut self, size: usize, data: &[u8]) -> Result<(), Error> {
        self.frame.extend_from_slice(data);
        self.state = State::InFragment;
        if self.frame.len() >= size {
            if self.frame.len() > size {
                let found = format!("{} bytes", self.frame.len());
                return error("fragments of the stated size of an AAC frame", found);
            }
            self.state = State::Open;
            self.finish();
        }
        Ok(())
    }

    /// Ends the frame, complete or not.
    fn finish(&mut self) {
        match self.state {
            State::Open => self.frames.push_back(RtpFrame {
                data: self.frame.split().freeze(),
                timestamp: self.timestamp,
            }),
            State::InFragment => self.dropped += 1,
            State::Nothing | State::Broken => {}
        }
        self.frame.clear();
        self.state = State::Nothing;
    }

    /// Drops the frame because a part is missing. The rest of a picture is dropped too. Audio
    /// frames are seldom fragmented and state their size.
    fn drop_frame(&mut self) {
        if self.state != State::Broken {
            self.dropped += 1;
        }
        self.frame.clear();
        self.state = match self.media {
            Media::Video(_) => State::Broken,
            Media::Audio(_) => State::Nothing,
        };
    }
}
