/// Counters of a writer: [`Mp4Writer`](crate::Mp4Writer), [`LiveMp4`](crate::LiveMp4) or
/// [`TsWriter`](crate::TsWriter).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MuxerStats {
    /// Pictures written, including those of the fragment being collected.
    pub frames: u64,
    /// Access units skipped: before the first key frame, without a picture, of another codec, or
    /// too large.
    pub skipped: u64,
    /// Audio frames written, including those of the fragment being collected.
    pub audio_frames: u64,
    /// Audio frames skipped: before the first picture, behind the audio already written, or refused
    /// with an error.
    pub audio_skipped: u64,
}
