use crate::{AudioCodec, AudioFormat, Codec};

/// Why a buffer is not the video or the sound that it should be.
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

    /// There is no decoder for pictures of this codec here.
    #[error("expected H.264 for a snapshot, found {codec}: nothing here decodes that")]
    SnapshotCodec {
        /// The codec of the stream.
        codec: Codec,
    },

    /// A picture is too large to be decoded for a snapshot.
    #[error("expected a picture of at most {max} pixels for a snapshot, found {found}")]
    SnapshotTooLarge {
        /// The limit.
        max: u32,
        /// Pixels of the picture.
        found: u32,
    },

    /// A key frame could not be made a JPEG file.
    #[error("expected a key frame that can be decoded, found {why}")]
    Snapshot {
        /// What the decoder or the encoder says.
        why: String,
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
        /// Where, in bytes.
        at: usize,
        /// What should be there.
        expected: &'static str,
        /// What is.
        found: String,
    },

    /// The rate or the channels of a stream of sound are none that this crate takes.
    #[error("{codec}: expected {field} from {min} to {max}, found {found}")]
    AudioFormat {
        /// The codec.
        codec: AudioCodec,
        /// What is out of range: the rate in hertz, or the number of channels.
        field: &'static str,
        /// The smallest value taken.
        min: u32,
        /// The largest value taken.
        max: u32,
        /// The value that came.
        found: u32,
    },

    /// MP4 has no place for this codec.
    #[error("{codec} cannot be put into an MP4 file: {why}")]
    AudioNotInMp4 {
        /// The codec.
        codec: AudioCodec,
        /// What is in the way.
        why: &'static str,
    },

    /// What was asked for has no place for this codec.
    #[error("{codec} cannot be carried by {by}: {why}")]
    AudioNotCarried {
        /// The codec.
        codec: AudioCodec,
        /// What has no place for it, as `RTP`.
        by: &'static str,
        /// What is in the way.
        why: &'static str,
    },

    /// The file has no track for the sound, and it is too late to begin one.
    #[error("the MP4 file has no track for sound: none was asked for, or none came in time")]
    NoAudioTrack,

    /// A frame of sound has another format than those before; one track holds one format.
    #[error("expected sound as {expected}, found {found}")]
    AudioChanged {
        /// The format of the track.
        expected: AudioFormat,
        /// That of the frame, by its own header where it has one.
        found: AudioFormat,
    },

    /// A frame of sound is not what its codec says.
    #[error("expected a frame of {codec} with {expected}, found {found}")]
    AudioFrame {
        /// The codec.
        codec: AudioCodec,
        /// What a frame has.
        expected: &'static str,
        /// What this one has.
        found: String,
    },

    /// This crate encodes linear samples as PCM, PCMU and PCMA, and as nothing else.
    #[error("expected PCM, PCMU or PCMA to encode samples as, found {codec}")]
    AudioEncode {
        /// The codec that was asked for.
        codec: AudioCodec,
    },

    /// This crate makes FLAC of sound that comes uncompressed, and of nothing else.
    #[error("expected PCM, PCMU or PCMA to make FLAC of, found {codec}")]
    FlacSource {
        /// The codec that was given.
        codec: AudioCodec,
    },

    /// An AAC stream is not the ADTS that it should be.
    #[error("AAC stream (ADTS), byte {at}: expected {expected}, found {found}")]
    Adts {
        /// Where the frame begins, in bytes.
        at: usize,
        /// What ADTS has there.
        expected: &'static str,
        /// What came.
        found: String,
    },

    /// A file is not a WAV file that can be taken.
    #[error("expected {expected}, found {found}")]
    Wav {
        /// What the file should have.
        expected: &'static str,
        /// What it has.
        found: String,
    },

    /// An RTP stream cannot be as it was asked for.
    #[error("RTP: expected a {field} from {min} to {max}, found {found}")]
    RtpConfig {
        /// What is out of range.
        field: &'static str,
        /// The smallest value.
        min: usize,
        /// The largest value.
        max: usize,
        /// The value that was asked for.
        found: usize,
    },

    /// A packet is not RTP, or its payload is not what the stream is of.
    #[error("RTP packet: expected {expected}, found {found}")]
    RtpPacket {
        /// What a packet has.
        expected: &'static str,
        /// What this one has.
        found: String,
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
