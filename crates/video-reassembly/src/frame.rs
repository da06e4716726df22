//! The reassembler's output: frames and losses.

use core::time::Duration;

use bytes::Bytes;
use tutk_frame::{AudioFlags, Codec, FrameInfo, MediaKind};

/// An output of [`Reassembler::poll_output`](crate::Reassembler::poll_output).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A complete frame. The frames of a stream are in the order of their numbers.
    Frame(Frame),
    /// One or more frames that are not delivered.
    Lost(Lost),
}

/// A complete frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Audio, key frame or delta frame.
    pub kind: MediaKind,
    /// The codec, from the frame info or the fragment header.
    pub codec: Option<Codec>,
    /// Sample rate, sample width and channels of audio. `None` for video, or if not announced.
    pub audio: Option<AudioFlags>,
    /// The frame number on the wire. It wraps at 2^32, in the fragment layout at 2^16.
    pub number: u32,
    /// Time since the first frame of either stream, by the camera's clock. Never decreases within a
    /// stream. See [`MediaClock`](crate::MediaClock).
    pub timestamp: Duration,
    /// The frame info, if the layout has one.
    pub info: Option<FrameInfo>,
    /// `true` if the resolution code of the frame info differs from that of the previous delivered
    /// video frame with a frame info. Always `false` for audio and for the first frame.
    pub resolution_changed: bool,
    /// The frame's bytes, without the frame info. Video is Annex B.
    pub data: Bytes,
}

/// A frame, or a run of consecutive frames, that is not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// The stream of the lost frames.
    pub stream: StreamKind,
    /// The first lost frame number.
    pub first: u32,
    /// The last lost frame number, equal to `first` for a single frame. The camera may have skipped
    /// numbers of which no slice was received, so a run can overstate the loss.
    pub last: u32,
    /// Slices received. 0 if none was.
    pub received: u32,
    /// Slices in the frame. 0 if no slice was received.
    pub total: u32,
    /// `true` for a complete frame that [`FramePolicy::Decodable`] drops.
    pub undecodable: bool,
    /// `true` if the stream's next frame with any received slice is a key frame. `None` if no later
    /// slice was received yet. That frame can still be lost, with an event of its own.
    pub next_is_key: Option<bool>,
}

/// Which complete video frames are delivered. Audio frames always are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FramePolicy {
    /// All of them.
    #[default]
    All,
    /// Key frames, and delta frames that follow a delivered key frame without a loss in between.
    /// The others are reported as [`Lost`], with [`undecodable`](Lost::undecodable) set.
    Decodable,
}

/// A sequence of frames with its own frame numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// Key and delta frames.
    Video,
    /// Audio frames.
    Audio,
}

impl Frame {
    /// Returns `true` for a key frame.
    #[must_use]
    pub fn is_key(&self) -> bool {
        self.kind == MediaKind::Key
    }

    /// Returns the stream of the frame.
    #[must_use]
    pub fn stream(&self) -> StreamKind {
        StreamKind::of(self.kind)
    }
}

impl StreamKind {
    /// Returns the stream of frames of this kind.
    #[must_use]
    pub fn of(kind: MediaKind) -> Self {
        match kind {
            MediaKind::Audio => Self::Audio,
            _ => Self::Video,
        }
    }
}
