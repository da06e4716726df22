use crate::Codec;

/// Why a buffer is not the video it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input has no bytes.
    #[error("expected a bare H.264 or H.265 stream, found an empty file")]
    Empty,

    /// The input does not begin with an Annex B start code, but with something that is known.
    #[error(
        "expected a bare H.264 or H.265 stream (Annex B), found {found}: convert it with \
         `ffmpeg -i FILE -c:v copy -an out.h264`"
    )]
    Container {
        /// What the first bytes say that it is.
        found: &'static str,
    },

    /// The input does not begin with an Annex B start code.
    #[error(
        "expected a bare H.264 or H.265 stream (Annex B), which begins with 00 00 01 or \
         00 00 00 01, found {found}"
    )]
    NoStartCode {
        /// The first bytes of the input in hexadecimal, at most eight.
        found: String,
    },

    /// There are NAL units, but no sequence parameter set of H.264 or of H.265 among them.
    #[error(
        "expected a sequence parameter set of H.264 or H.265, found none in {nal_units} NAL units"
    )]
    NoParameterSets {
        /// How many NAL units the input has.
        nal_units: usize,
    },

    /// There are parameter sets, but no picture.
    #[error("expected pictures, found parameter sets of {codec} and no slice of a picture")]
    NoPicture {
        /// The codec that the parameter sets are of.
        codec: Codec,
    },

    /// No access unit began with a key frame while its parameter sets were known, so that there
    /// is nothing that an MP4 file could hold.
    #[error(
        "expected a {codec} key frame with its parameter sets, found none in {units} access units"
    )]
    NoKeyFrame {
        /// The codec of the track.
        codec: Codec,
        /// How many access units there were.
        units: u64,
    },

    /// A parameter set ends before its last needed field.
    #[error("{codec} sequence parameter set: expected {field}, found its end at bit {bit}")]
    Truncated {
        /// The codec of the parameter set.
        codec: Codec,
        /// The field, as the standard names it.
        field: &'static str,
        /// How many bits the parameter set has, NAL unit header included, emulation
        /// prevention bytes not counted.
        bit: usize,
    },

    /// A field of a parameter set has a value that the standard does not allow.
    #[error("{codec} sequence parameter set: expected {field} of at most {max}, found {found}")]
    OutOfRange {
        /// The codec of the parameter set.
        codec: Codec,
        /// The field, as the standard names it.
        field: &'static str,
        /// The largest value allowed.
        max: u32,
        /// The value that was read.
        found: u32,
    },

    /// A NAL unit was expected to be a sequence parameter set and is not one.
    #[error("expected a {codec} sequence parameter set, found another NAL unit")]
    NotSequenceParameters {
        /// The codec that was asked for.
        codec: Codec,
    },

    /// An access unit is larger than this crate writes.
    #[error("expected an access unit of at most {max} bytes, found {found}")]
    UnitTooLarge {
        /// The largest access unit in bytes: [`MAX_UNIT_BYTES`](crate::MAX_UNIT_BYTES).
        max: usize,
        /// The bytes that came.
        found: usize,
    },

    /// A box could not be written: mp4-atom's own message.
    #[error("MP4 box not written: {0}")]
    Mp4(String),
}

impl From<mp4_atom::Error> for Error {
    fn from(error: mp4_atom::Error) -> Self {
        Self::Mp4(error.to_string())
    }
}
