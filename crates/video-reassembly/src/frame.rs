//! What the reassembler hands out.

use core::time::Duration;

use bytes::Bytes;
use tutk_frame::{AudioFlags, Codec, FrameInfo, MediaKind};

/// The two sequences of frames. Each has its own numbers and its own order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// Key and delta frames.
    Video,
    /// Audio frames.
    Audio,
}

/// What [`Reassembler::poll`](crate::Reassembler::poll) hands out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A frame whose slices all came. Those of one stream come in the order of their numbers.
    Frame(Frame),
    /// A frame, or a run of them, is given up, or held back by the [`FramePolicy`].
    Lost(Lost),
}

/// Which whole video frames are handed out. Audio frames all are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FramePolicy {
    /// All of them.
    #[default]
    All,
    /// Those that can be decoded: a delta frame only if no frame was lost since the last key frame
    /// that was handed out. The others are reported as [`Lost`], with
    /// [`undecodable`](Lost::undecodable).
    Decodable,
}

/// A frame, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Audio, key frame or delta frame.
    pub kind: MediaKind,
    /// The codec, from the frame info or the summary's header.
    pub codec: Option<Codec>,
    /// Rate, sample width and channels of audio; `None` for video, and where the camera does not say.
    pub audio: Option<AudioFlags>,
    /// The number on the wire; it wraps at 2^32, in the summary's layout at 2^16.
    pub number: u32,
    /// Time since the first frame of either stream, by the camera's clock; see
    /// [`MediaClock`](crate::MediaClock). Never less than that of the frame before in its stream.
    pub timestamp: Duration,
    /// The frame info, where the layout has one.
    pub info: Option<FrameInfo>,
    /// Whether the frame info names another resolution code (byte 6, wire.md section 10) than that of
    /// the last video frame handed out that had one. Never on audio, and not on the first frame.
    pub resolution_changed: bool,
    /// The frame's bytes, without the frame info. Video is Annex B.
    pub data: Bytes,
}

/// A frame, or a run of frames, that will not be handed out any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// Which stream lost it.
    pub stream: StreamKind,
    /// The first number that is lost.
    pub first: u32,
    /// The last one; the same as the first for a single frame. Of numbers of which nothing came, it
    /// cannot be told which ever were frames, so a run may be shorter than it looks.
    pub last: u32,
    /// Slices that came: 0 if nothing did.
    pub received: u32,
    /// Slices that the frame has: 0 if none came to say it.
    pub total: u32,
    /// Whether it is a whole frame that [`FramePolicy::Decodable`] holds back. Then all of its slices
    /// came.
    pub undecodable: bool,
    /// Whether the next frame of the stream of which anything came is a key frame; `None` if nothing
    /// has come of any yet. That frame may be lost as well: then another such event follows.
    pub next_is_key: Option<bool>,
}

impl StreamKind {
    /// The stream that frames of that kind belong to.
    #[must_use]
    pub fn of(kind: MediaKind) -> Self {
        match kind {
            MediaKind::Audio => Self::Audio,
            MediaKind::Key | MediaKind::Delta => Self::Video,
        }
    }
}

impl Frame {
    /// Whether decoding can begin here.
    #[must_use]
    pub fn is_key(&self) -> bool {
        self.kind == MediaKind::Key
    }

    /// The stream that the frame belongs to.
    #[must_use]
    pub fn stream(&self) -> StreamKind {
        StreamKind::of(self.kind)
    }
}
