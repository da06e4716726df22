//! Frames of video and audio.

use std::ptr;

use tutk_bindings::tutk_session::{self, MediaKind};

/// H.264 in Annex B, in `tutk_frame.codec`.
pub const TUTK_CODEC_H264: u16 = 0x4e;
/// H.265 in Annex B.
pub const TUTK_CODEC_H265: u16 = 0x50;
/// AAC without a header.
pub const TUTK_CODEC_AAC_RAW: u16 = 0x86;
/// AAC with ADTS headers.
pub const TUTK_CODEC_AAC_ADTS: u16 = 0x87;
/// G.711 µ-law.
pub const TUTK_CODEC_PCMU: u16 = 0x89;
/// G.711 A-law.
pub const TUTK_CODEC_PCMA: u16 = 0x8a;
/// PCM, 16 bits, little endian.
pub const TUTK_CODEC_PCM: u16 = 0x8c;
/// AAC as Wyze cameras send it.
pub const TUTK_CODEC_AAC_WYZE: u16 = 0x90;
/// Opus.
pub const TUTK_CODEC_OPUS: u16 = 0x92;

/// The kind of a frame. Ignore frames of other kinds: later versions can add some.
#[repr(i32)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameKind {
    /// A video frame that can be decoded without others.
    Key = 0,
    /// A video frame that depends on those before it.
    Delta = 1,
    /// Audio.
    Audio = 2,
}

/// A frame of video or audio. The bytes belong to the library.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// The bytes of the frame.
    pub data: *const u8,
    /// The number of bytes.
    pub len: usize,
    /// The time in microseconds since the first frame. It never decreases within a stream.
    pub timestamp_us: u64,
    /// The time in microseconds since 1970, or 0 if it is not known.
    pub unix_us: u64,
    /// The number of the frame in its session.
    pub number: u32,
    /// Audio: samples a second, or 0 if they are not known.
    pub sample_rate: u32,
    /// The kind.
    pub kind: FrameKind,
    /// The codec, one of TUTK_CODEC_… or another one of the protocol; 0 if it is not known.
    pub codec: u16,
    /// Audio: the number of channels, or 0 if it is not known.
    pub channels: u8,
    /// Audio: bits per sample, or 0 if they are not known.
    pub bits: u8,
    /// The first frame of its stream after an interruption.
    pub discontinuity: bool,
}

impl Frame {
    pub(crate) const NONE: Self = Self {
        data: ptr::null(),
        len: 0,
        timestamp_us: 0,
        unix_us: 0,
        number: 0,
        sample_rate: 0,
        kind: FrameKind::Key,
        codec: 0,
        channels: 0,
        bits: 0,
        discontinuity: false,
    };
}

/// The data of the result is borrowed from `frame`.
impl From<&tutk_session::Frame> for Frame {
    fn from(frame: &tutk_session::Frame) -> Self {
        let audio = frame.audio;
        Self {
            data: frame.data.as_ptr(),
            len: frame.data.len(),
            timestamp_us: micros(frame.timestamp),
            number: frame.number,
            sample_rate: audio.and_then(|audio| audio.rate_hz()).unwrap_or(0),
            kind: match frame.kind {
                MediaKind::Key => FrameKind::Key,
                MediaKind::Audio => FrameKind::Audio,
                _ => FrameKind::Delta,
            },
            codec: frame.codec.map_or(0, tutk_session::Codec::id),
            channels: audio.map_or(0, |audio| audio.channels()),
            bits: audio.map_or(0, |audio| audio.bits()),
            ..Self::NONE
        }
    }
}

pub(crate) fn micros(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
