use std::fmt;
use std::sync::Arc;

use crate::{AudioCodec, AudioFormat, Codec};

/// An error of this crate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input is empty.
    #[error("expected a bare H.264 or H.265 stream, found an empty file")]
    Empty,

    /// The input is a known format other than an Annex B stream.
    #[error(
        "expected a bare H.264 or H.265 stream (Annex B), found {found}: convert it with \
         `ffmpeg -i FILE -c:v copy -an out.h264`"
    )]
    Container {
        /// The format.
        found: &'static str,
    },

    /// The input does not start with an Annex B start code.
    #[error(
        "expected a bare H.264 or H.265 stream (Annex B), which starts with 00 00 01 or \
         00 00 00 01, found {found}"
    )]
    NoStartCode {
        /// The first bytes of the input in hexadecimal, at most eight.
        found: String,
    },

    /// None of the NAL units is a sequence parameter set of H.264 or H.265.
    #[error(
        "expected a sequence parameter set of H.264 or H.265, found none in {nal_units} NAL units"
    )]
    NoParameterSets {
        /// The number of NAL units.
        nal_units: usize,
    },

    /// There are parameter sets but no pictures.
    #[error("expected pictures, found parameter sets of {codec} and no slice of a picture")]
    NoPicture {
        /// The codec of the parameter sets.
        codec: Codec,
    },

    /// No key frame with known parameter sets was found.
    #[error(
        "expected a {codec} key frame with its parameter sets, found none in {units} access units"
    )]
    NoKeyFrame {
        /// The codec of the track.
        codec: Codec,
        /// The number of access units.
        units: u64,
    },

    /// There is no decoder for this codec.
    #[error("expected H.264 for a snapshot, found {codec}, for which there is no decoder")]
    SnapshotCodec {
        /// The codec of the stream.
        codec: Codec,
    },

    /// A picture is too large for a snapshot.
    #[error("expected a picture of at most {max} pixels for a snapshot, found {found}")]
    SnapshotTooLarge {
        /// The limit.
        max: u32,
        /// The number of pixels.
        found: u32,
    },

    /// A key frame cannot be decoded or encoded.
    #[error("expected a key frame that can be decoded, found {why}")]
    Snapshot {
        /// The message of the decoder or encoder.
        why: String,
    },

    /// A parameter set ends before its last needed field.
    #[error("{codec} sequence parameter set: expected {field}, found its end at bit {bit}")]
    Truncated {
        /// The codec of the parameter set.
        codec: Codec,
        /// The field as the standard names it.
        field: &'static str,
        /// The size of the parameter set in bits, NAL unit header included, without emulation
        /// prevention bytes.
        bit: usize,
    },

    /// The value of a field of a parameter set is not allowed by the standard.
    #[error("{codec} sequence parameter set: expected {field} of at most {max}, found {found}")]
    OutOfRange {
        /// The codec of the parameter set.
        codec: Codec,
        /// The field as the standard names it.
        field: &'static str,
        /// The largest value allowed.
        max: u32,
        /// The value.
        found: u32,
    },

    /// A NAL unit is not a sequence parameter set.
    #[error("expected a {codec} sequence parameter set, found another NAL unit")]
    NotSequenceParameters {
        /// The expected codec.
        codec: Codec,
    },

    /// An access unit is too large.
    #[error("expected an access unit of at most {max} bytes, found {found}")]
    UnitTooLarge {
        /// The largest size in bytes: [`MAX_UNIT_BYTES`](crate::MAX_UNIT_BYTES).
        max: usize,
        /// The size in bytes.
        found: usize,
    },

    /// An access unit has another codec than the stream.
    #[error("expected {expected}, found {found}: the camera changed its video codec")]
    VideoChanged {
        /// The codec of the stream.
        expected: Codec,
        /// The codec of the access unit.
        found: Codec,
    },

    /// A sample is not a sequence of length-prefixed NAL units.
    #[error("length-prefixed NAL units, byte {at}: expected {expected}, found {found}")]
    LengthPrefixed {
        /// The offset in bytes.
        at: usize,
        /// The expected contents.
        expected: &'static str,
        /// The contents.
        found: String,
    },

    /// The rate or the number of channels of an audio stream is not supported.
    #[error("{codec}: expected {field} from {min} to {max}, found {found}")]
    AudioFormat {
        /// The codec.
        codec: AudioCodec,
        /// The field: the rate in hertz or the number of channels.
        field: &'static str,
        /// The smallest supported value.
        min: u32,
        /// The largest supported value.
        max: u32,
        /// The value.
        found: u32,
    },

    /// MP4 cannot hold this codec.
    #[error("{codec} cannot be stored in MP4: {why}")]
    AudioNotInMp4 {
        /// The codec.
        codec: AudioCodec,
        /// The reason.
        why: &'static str,
    },

    /// A format cannot carry this codec.
    #[error("{codec} cannot be carried by {by}: {why}")]
    AudioNotCarried {
        /// The codec.
        codec: AudioCodec,
        /// The format, for example `RTP`.
        by: &'static str,
        /// The reason.
        why: &'static str,
    },

    /// The file has no audio track, and it is too late to add one.
    #[error("the MP4 file has no audio track: none was requested, or no audio came in time")]
    NoAudioTrack,

    /// An audio frame has another format than the track.
    #[error("expected audio as {expected}, found {found}")]
    AudioChanged {
        /// The format of the track.
        expected: AudioFormat,
        /// The format of the frame.
        found: AudioFormat,
    },

    /// An audio frame is not valid for its codec.
    #[error("expected a frame of {codec} with {expected}, found {found}")]
    AudioFrame {
        /// The codec.
        codec: AudioCodec,
        /// The property of a valid frame.
        expected: &'static str,
        /// The property of this one.
        found: String,
    },

    /// Linear samples can be encoded as PCM, PCMU and PCMA only.
    #[error("expected PCM, PCMU or PCMA to encode samples as, found {codec}")]
    AudioEncode {
        /// The requested codec.
        codec: AudioCodec,
    },

    /// FLAC can be encoded from PCM, PCMU and PCMA only.
    #[error("expected PCM, PCMU or PCMA to encode as FLAC, found {codec}")]
    FlacSource {
        /// The codec of the source.
        codec: AudioCodec,
    },

    /// An AAC stream is not valid ADTS.
    #[error("AAC stream (ADTS), byte {at}: expected {expected}, found {found}")]
    Adts {
        /// The offset of the frame in bytes.
        at: usize,
        /// The expected contents.
        expected: &'static str,
        /// The contents.
        found: String,
    },

    /// A file is not a supported WAV file.
    #[error("expected {expected}, found {found}")]
    Wav {
        /// The expected contents.
        expected: &'static str,
        /// The contents.
        found: String,
    },

    /// A parameter of an RTP stream is out of range.
    #[error("RTP: expected a {field} from {min} to {max}, found {found}")]
    RtpConfig {
        /// The parameter.
        field: &'static str,
        /// The smallest value.
        min: usize,
        /// The largest value.
        max: usize,
        /// The value.
        found: usize,
    },

    /// A packet is not valid RTP, or its payload is not valid for the codec.
    #[error("RTP packet: expected {expected}, found {found}")]
    RtpPacket {
        /// The expected contents.
        expected: &'static str,
        /// The contents.
        found: String,
    },

    /// A box could not be written.
    #[error("cannot write an MP4 box: {0}")]
    Mp4(#[source] Mp4Error),
}

/// The error of the MP4 writer. Errors with the same text are equal.
#[derive(Debug, Clone)]
pub struct Mp4Error(Arc<mp4_atom::Error>);

impl fmt::Display for Mp4Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Mp4Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&*self.0)
    }
}

impl PartialEq for Mp4Error {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for Mp4Error {}

impl From<mp4_atom::Error> for Error {
    fn from(error: mp4_atom::Error) -> Self {
        Self::Mp4(Mp4Error(Arc::new(error)))
    }
}
