//! Fragmented MP4 (ISO/IEC 14496-12) with a video track (ISO/IEC 14496-15) and an audio track.

mod audio_entry;
mod audio_track;
mod fragment;
mod header;
mod live;
mod muxer;
mod writer;

pub use self::audio_track::MAX_EARLY_AUDIO_FRAMES;
pub use self::header::{InitSegment, TIMESCALE};
pub use self::live::{LiveMp4, Segment};
pub use self::muxer::{AUDIO_WAIT, FRAGMENT_DURATION, MAX_FRAGMENT_BYTES, Mp4Audio};
pub use self::writer::{MAX_INDEX_ENTRIES, Mp4Writer};
