//! RTP packets (RFC 3550) of access units and frames of sound, and the way back.

mod audio;
mod depacketizer;
mod video;

use std::time::Duration;

use bytes::BufMut;
use rtp_types::{RtpPacket, RtpPacketBuilder};

use self::audio::AudioPayloads;
pub(crate) use self::audio::check as check_audio;
pub use self::depacketizer::{RtpDepacketizer, RtpFrame};
use self::video::NalPayloads;
use crate::{AudioConfig, AudioFormat, Codec, Error, MAX_UNIT_BYTES, ParameterSets};

/// Ticks a second of the timestamps of video (RFC 6184 and RFC 7798, section 5.1 and 4.1).
const VIDEO_CLOCK: u32 = 90_000;

/// Bytes of the header of each packet: without contributing sources and extensions.
pub const RTP_HEADER_BYTES: usize = RtpPacket::MIN_RTP_PACKET_LEN;

/// The smallest limit for packets in bytes. RTP could do with less, but no network asks for it.
pub const MIN_RTP_PACKET_BYTES: usize = 64;

/// The largest limit for packets in bytes: what one UDP datagram, and one frame of RTSP's
/// interleaving, could name as their length.
pub const MAX_RTP_PACKET_BYTES: usize = 65_535;

/// A limit that suits most networks: Ethernet's 1500 bytes without the headers of IPv6 and UDP.
pub const RTP_PACKET_BYTES: usize = 1_452;

/// What the packets of a stream have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpConfig {
    /// The payload type, at most 127, by the session description
    /// ([`MediaDescription`](crate::MediaDescription)).
    pub payload_type: u8,
    /// The synchronization source: anything, but another one for each stream.
    pub ssrc: u32,
    /// The sequence number of the first packet: random, by RFC 3550.
    pub sequence: u16,
    /// Bytes that no packet exceeds, its header included: [`MIN_RTP_PACKET_BYTES`] to
    /// [`MAX_RTP_PACKET_BYTES`]; [`RTP_PACKET_BYTES`] suits most networks.
    pub packet_bytes: usize,
}

/// Cuts access units, or frames of sound, into RTP packets.
///
/// | codec | payload | timestamps a second | marker |
/// |---|---|---|---|
/// | H.264 | RFC 6184, `packetization-mode` 1: NAL units whole, several in a STAP-A, parts in FU-As | 90000 | on the last packet of the access unit |
/// | H.265 | RFC 7798 without DONL: whole, several in an aggregation packet, parts in fragmentation units | 90000 | likewise |
/// | AAC | RFC 3640, mode `AAC-hbr`: one frame in a packet, or a part of one | the rate | on the last packet of the frame |
/// | PCMU, PCMA, PCM | RFC 3551: the samples, those of PCM big-endian (L16); cut between samples | the rate | never |
/// | Opus | RFC 7587: one packet in each | 48000 | never |
/// | MP3 | RFC 2250: one frame, or a part of one | 90000 | never |
/// | AAC in LATM, ADPCM, Speex, G.726 | refused: [`Error::AudioNotCarried`] says why | | |
///
/// NAL units leave as they came, byte for byte, but for those that RTP has no way to send: of a
/// type that it gives another meaning to (H.264 0 and 24 to 31, H.265 48 to 63), or cut off within
/// their header. They are left out and counted in [`skipped`](Self::skipped).
///
/// Parameter sets are kept as they come. Where a key frame lacks any kind of them, all that are known
/// go out before it, so that a viewer can begin there.
///
/// ```
/// use tutk_media::{Codec, RTP_PACKET_BYTES, RtpConfig, RtpPacketizer};
///
/// let config = RtpConfig { payload_type: 96, ssrc: 7, sequence: 0, packet_bytes: RTP_PACKET_BYTES };
/// let mut rtp = RtpPacketizer::video(Codec::H264, config)?;
/// let unit = [0, 0, 0, 1, 0x67, 0x42, 0, 0, 1, 0x68, 0xce, 0, 0, 1, 0x65, 0x88];
/// let mut packets = rtp.packets(&unit, 90_000)?;
/// let mut packet = Vec::new();
/// while packets.write_next(&mut packet) {
///     assert_eq!(packet.len(), 12 + 1 + 3 * (2 + 2));
///     packet.clear();
/// }
/// # Ok::<(), tutk_media::Error>(())
/// ```
#[derive(Debug)]
pub struct RtpPacketizer {
    config: RtpConfig,
    media: Media,
    skipped: u64,
}

#[derive(Debug)]
enum Media {
    Video(ParameterSets),
    Audio(AudioConfig),
}

/// The packets of one access unit, or of one frame of sound.
#[derive(Debug)]
pub struct RtpPackets<'a> {
    config: &'a mut RtpConfig,
    timestamp: u32,
    payloads: Payloads<'a>,
}

#[derive(Debug)]
enum Payloads<'a> {
    Video(NalPayloads<'a>),
    Audio(AudioPayloads<'a>),
}

impl RtpConfig {
    fn check(self) -> Result<Self, Error> {
        for (field, found, min, max) in [
            ("payload type", self.payload_type.into(), 0, 127),
            (
                "packet size in bytes",
                self.packet_bytes,
                MIN_RTP_PACKET_BYTES,
                MAX_RTP_PACKET_BYTES,
            ),
        ] {
            if !(min..=max).contains(&found) {
                return Err(Error::RtpConfig {
                    field,
                    min,
                    max,
                    found,
                });
            }
        }
        Ok(self)
    }

    /// Writes a header and goes on to the next sequence number.
    fn write_header(&mut self, marker: bool, timestamp: u32, out: &mut impl BufMut) {
        let builder: RtpPacketBuilder<&[u8], &[u8]> = RtpPacketBuilder::new()
            .payload_type(self.payload_type)
            .marker_bit(marker)
            .sequence_number(self.sequence)
            .timestamp(timestamp)
            .ssrc(self.ssrc);
        let mut header = [0; RTP_HEADER_BYTES];
        builder.write_into_unchecked(&mut header);
        out.put_slice(&header);
        self.sequence = self.sequence.wrapping_add(1);
    }
}

impl RtpPacketizer {
    /// Begins a stream of pictures.
    ///
    /// # Errors
    ///
    /// [`Error::RtpConfig`].
    pub fn video(codec: Codec, config: RtpConfig) -> Result<Self, Error> {
        Self::video_with_sets(ParameterSets::new(codec), config)
    }

    /// Begins a stream of pictures whose parameter sets are known already, as they are to who has
    /// written a session description.
    ///
    /// # Errors
    ///
    /// [`Error::RtpConfig`].
    pub fn video_with_sets(sets: ParameterSets, config: RtpConfig) -> Result<Self, Error> {
        Ok(Self {
            config: config.check()?,
            media: Media::Video(sets),
            skipped: 0,
        })
    }

    /// Begins a stream of sound.
    ///
    /// # Errors
    ///
    /// [`Error::RtpConfig`]; [`Error::AudioNotCarried`] names what RTP has no place for.
    pub fn audio(audio: AudioConfig, config: RtpConfig) -> Result<Self, Error> {
        audio::check(audio.format())?;
        Ok(Self {
            config: config.check()?,
            media: Media::Audio(audio),
            skipped: 0,
        })
    }

    /// Timestamps a second.
    #[must_use]
    pub const fn clock_rate(&self) -> u32 {
        match &self.media {
            Media::Video(_) => VIDEO_CLOCK,
            Media::Audio(audio) => audio::clock_rate(*audio),
        }
    }

    /// The sequence number of the next packet.
    #[must_use]
    pub const fn sequence(&self) -> u16 {
        self.config.sequence
    }

    /// NAL units left out so far.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Takes the next access unit (Annex B), or the next frame of sound as the camera sent it, with
    /// its timestamp ([`rtp_timestamp`]): what is returned writes its packets. Those that are not
    /// written are not sent; the sequence numbers go on without a gap.
    ///
    /// # Errors
    ///
    /// The frame was left out, and more may be sent: [`Error::UnitTooLarge`]; of sound
    /// [`Error::AudioFrame`], [`Error::Adts`], and [`Error::AudioChanged`] where the frame's own
    /// header states another format than that of the stream.
    pub fn packets<'a>(
        &'a mut self,
        frame: &'a [u8],
        timestamp: u32,
    ) -> Result<RtpPackets<'a>, Error> {
        let payloads = match &mut self.media {
            Media::Video(sets) => {
                if frame.len() > MAX_UNIT_BYTES {
                    return Err(Error::UnitTooLarge {
                        max: MAX_UNIT_BYTES,
                        found: frame.len(),
                    });
                }
                let (payloads, skipped) = NalPayloads::new(sets, frame);
                self.skipped += skipped;
                Payloads::Video(payloads)
            }
            Media::Audio(audio) => {
                let room = self.config.packet_bytes - RTP_HEADER_BYTES;
                Payloads::Audio(AudioPayloads::new(*audio, frame, room)?)
            }
        };
        Ok(RtpPackets {
            config: &mut self.config,
            timestamp,
            payloads,
        })
    }
}

impl RtpPackets<'_> {
    /// Appends the next packet to `out`; `false`, and nothing written, when there is none left.
    /// Nothing is allocated.
    ///
    /// # Panics
    /// If `out` is a fixed buffer with less room than [`RtpConfig::packet_bytes`].
    pub fn write_next(&mut self, out: &mut impl BufMut) -> bool {
        let room = self.config.packet_bytes - RTP_HEADER_BYTES;
        match &mut self.payloads {
            Payloads::Video(payloads) => {
                let Some(piece) = payloads.next(room) else {
                    return false;
                };
                let marker = payloads.is_done();
                self.config.write_header(marker, self.timestamp, out);
                payloads.write(&piece, out);
            }
            Payloads::Audio(payloads) => {
                let Some(piece) = payloads.next(room) else {
                    return false;
                };
                let timestamp = self.timestamp.wrapping_add(piece.ticks);
                self.config.write_header(piece.marker, timestamp, out);
                payloads.write(&piece, out);
            }
        }
        true
    }
}

/// A time as RTP stamps it: ticks of a clock of so many a second, rounded to the nearest, modulo 2^32.
///
/// RFC 3550 wants a random offset added to all timestamps of a stream; that is for the caller.
#[must_use]
pub fn rtp_timestamp(time: Duration, clock_rate: u32) -> u32 {
    let rate = u64::from(clock_rate);
    // Seconds wrap as the timestamps do, and a second of nanoseconds times 2^32 fits.
    let whole = time.as_secs().wrapping_mul(rate);
    let part = (u64::from(time.subsec_nanos()) * rate + 500_000_000) / 1_000_000_000;
    let [_, _, _, _, low @ ..] = whole.wrapping_add(part).to_be_bytes();
    u32::from_be_bytes(low)
}

/// What an error names as the place that has no room for a codec.
const RTP: &str = "RTP";

const fn not_carried(format: AudioFormat, why: &'static str) -> Error {
    Error::AudioNotCarried {
        codec: format.codec,
        by: RTP,
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_rounded_and_wrap() {
        assert_eq!(rtp_timestamp(Duration::from_millis(50), 90_000), 4_500);
        assert_eq!(
            rtp_timestamp(Duration::from_nanos(33_366_667), 90_000),
            3_003
        );
        // 47722 s are 2^32 + 12704 ticks.
        assert_eq!(rtp_timestamp(Duration::from_secs(47_722), 90_000), 12_704);
        let _ = rtp_timestamp(Duration::MAX, u32::MAX);
    }

    #[test]
    fn what_cannot_be_is_named() {
        let config = RtpConfig {
            payload_type: 96,
            ssrc: 1,
            sequence: 2,
            packet_bytes: RTP_PACKET_BYTES,
        };
        let error = |config| {
            let error = RtpPacketizer::video(Codec::H264, config).unwrap_err();
            error.to_string()
        };
        assert_eq!(
            error(RtpConfig {
                payload_type: 128,
                ..config
            }),
            "RTP: expected a payload type from 0 to 127, found 128"
        );
        assert_eq!(
            error(RtpConfig {
                packet_bytes: 63,
                ..config
            }),
            "RTP: expected a packet size in bytes from 64 to 65535, found 63"
        );
    }
}
