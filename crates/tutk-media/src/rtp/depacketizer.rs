//! The way back: from packets to access units and frames of sound.

mod nals;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use rtp_types::RtpPacket;

use self::nals::{Nals, append_nals, error};
use super::audio::{self, not_carried};
use crate::adts::AAC_SAMPLES;
use crate::{AudioCodec, AudioConfig, Codec, Error, MAX_UNIT_BYTES};

/// Half of all sequence numbers: what seems further ahead than that came late.
const LATE: u16 = 1 << 15;

/// A frame that came by RTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpFrame {
    /// An access unit (Annex B, start codes of four bytes), or a frame of sound as a camera sends it:
    /// AAC without a header, PCM little-endian.
    pub data: Bytes,
    /// Its timestamp, in ticks of the stream's clock, modulo 2^32.
    pub timestamp: u32,
}

/// Puts access units, or frames of sound, together from RTP packets: the counterpart of
/// [`RtpPayloads`](super::RtpPayloads), and the receiver of two-way audio.
///
/// Packets have to come in order: one that is late, or comes twice, is dropped and counted. A frame of
/// which a packet is missing is dropped, and so is one that the first packet after a gap belongs to: it
/// may lack its beginning. Padding, contributing sources and header extensions are skipped; the
/// payload type and the source are for the caller to look at.
#[derive(Debug)]
pub struct RtpDepacketizer {
    media: Media,
    /// The sequence number that comes next, once there was a packet.
    expected: Option<u16>,
    /// The access unit, or the AAC frame in parts, that is being put together.
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

/// What there is of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Nothing,
    /// It may go on.
    Open,
    /// Its last bytes are a part of a NAL unit, which goes on in the next packet.
    InPart,
    /// Some of it is missing: the rest of its packets are of no use.
    Broken,
}

impl RtpDepacketizer {
    /// Begins a stream of pictures.
    #[must_use]
    pub fn video(codec: Codec) -> Self {
        Self::new(Media::Video(codec))
    }

    /// Begins a stream of sound.
    ///
    /// # Errors
    ///
    /// [`Error::AudioNotCarried`] names what is not read here: MP3, besides what RTP has no place for.
    pub fn audio(config: AudioConfig) -> Result<Self, Error> {
        audio::check(config.format())?;
        if config.codec == AudioCodec::Mp3 {
            let why = "its frames are not put together here";
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

    /// Takes the next packet. Then call [`poll`](Self::poll) until it says `None`.
    ///
    /// # Errors
    ///
    /// [`Error::RtpPacket`], [`Error::UnitTooLarge`]: the packet was dropped, and with it the frame that
    /// it belongs to; later ones may be good.
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
            // The end of a frame may be among what is missing.
            if self.state == State::Open {
                self.state = State::InPart;
            }
        }
        if !same_frame {
            self.finish();
        }
        if ahead > 0 && (same_frame || matches!(self.media, Media::Video(_))) {
            self.spoil();
        }
        self.timestamp = packet.timestamp();
        let result = match self.media {
            Media::Video(codec) => self.handle_video(codec, &packet),
            Media::Audio(config) => self.handle_audio(config, &packet),
        };
        if result.is_err() {
            self.spoil();
        }
        result
    }

    /// The next frame that is whole.
    pub fn poll(&mut self) -> Option<RtpFrame> {
        self.frames.pop_front()
    }

    /// Packets missing so far, by their sequence numbers.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Packets that came too late, or twice, so far.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// Frames dropped so far of which there was something, but not all of it.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    fn handle_video(&mut self, codec: Codec, packet: &RtpPacket<'_>) -> Result<(), Error> {
        if self.state != State::Broken {
            let in_part = self.state == State::InPart;
            match append_nals(codec, packet.payload(), in_part, &mut self.frame)? {
                Nals::Whole => self.state = State::Open,
                Nals::InPart => self.state = State::InPart,
                Nals::MissingStart => self.spoil(),
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

    /// RFC 3640 sections 3.2 and 3.3.6: several frames, or a part of one.
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
            if headers.len() == 1 && (size > data.len() || self.state == State::InPart) {
                return self.handle_aac_part(size, data);
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

    /// Each part states the size of the whole.
    fn handle_aac_part(&mut self, size: usize, data: &[u8]) -> Result<(), Error> {
        self.frame.extend_from_slice(data);
        self.state = State::InPart;
        if self.frame.len() >= size {
            if self.frame.len() > size {
                let found = format!("{} bytes", self.frame.len());
                return error("parts of an AAC frame of the size that it states", found);
            }
            self.state = State::Open;
            self.finish();
        }
        Ok(())
    }

    /// There is no more of this frame: it is whole, or will never be.
    fn finish(&mut self) {
        match self.state {
            State::Open => self.frames.push_back(RtpFrame {
                data: self.frame.split().freeze(),
                timestamp: self.timestamp,
            }),
            State::InPart => self.dropped += 1,
            State::Nothing | State::Broken => {}
        }
        self.frame.clear();
        self.state = State::Nothing;
    }

    /// Some of this frame is missing. Of pictures, what is to come of it is dropped too; frames of
    /// sound are seldom in parts, and state how long they are.
    fn spoil(&mut self) {
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
