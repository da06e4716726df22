//! Formats of recordings.

use clap::ValueEnum;

/// Format of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Bare H.264 (Annex B)
    H264,
    /// Bare H.265 (Annex B)
    H265,
    /// Fragmented MP4
    Mp4,
    /// MPEG transport stream
    Ts,
}
