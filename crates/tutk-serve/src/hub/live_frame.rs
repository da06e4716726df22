//! A frame that all viewers of a camera share.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tutk_media::{AccessUnit, Error, RtpPayloads};
use tutk_session::{Codec, MediaKind};

use super::derived::Derived;
use super::description::StreamDescription;

/// A frame of a camera's stream. Clones share it.
#[derive(Clone)]
pub struct LiveFrame {
    frame: Arc<SharedFrame>,
    /// The number of the frame. Assigned by the buffer.
    pub(super) number: u64,
}

struct SharedFrame {
    content: FrameContent,
    derived: Derived,
}

/// The contents of a [`LiveFrame`].
#[derive(Clone, PartialEq, Eq)]
pub struct FrameContent {
    /// The kind: audio, key frame or delta frame.
    pub kind: MediaKind,
    /// The bytes. Video is an Annex B byte stream.
    pub data: Bytes,
    /// The access unit, with its NAL units located. `None` for audio and for other video codecs.
    pub unit: Option<AccessUnit>,
    /// The codec, if the camera reports it.
    pub codec: Option<Codec>,
    /// The presentation time on the camera's time line. Video and audio share it, it continues over
    /// all sessions, and it never goes back within a stream. It starts with the first session's
    /// stream.
    pub timestamp: Duration,
    /// The presentation time as a time of day, based on this machine's clock when the first frame
    /// arrived. It advances exactly like `timestamp`.
    pub wall: SystemTime,
    /// This is the first frame of its stream after a time without a session.
    pub discontinuity: bool,
    /// The description of the stream from this frame on.
    pub description: Arc<StreamDescription>,
}

impl FrameContent {
    /// Returns `true` for a key frame, at which decoding can start.
    #[must_use]
    pub fn is_key(&self) -> bool {
        self.kind == MediaKind::Key
    }
}

impl From<FrameContent> for LiveFrame {
    fn from(content: FrameContent) -> Self {
        let derived = Derived::default();
        Self {
            frame: Arc::new(SharedFrame { content, derived }),
            number: 0,
        }
    }
}

impl Deref for LiveFrame {
    type Target = FrameContent;

    fn deref(&self) -> &FrameContent {
        &self.frame.content
    }
}

impl LiveFrame {
    /// Returns what was derived from the frame for all viewers.
    pub(super) fn derived(&self) -> &Derived {
        &self.frame.derived
    }

    /// Returns the RTP payloads of the frame. They are planned once for all viewers.
    pub(crate) fn rtp_payloads(&self, packet_bytes: usize) -> Result<Arc<RtpPayloads>, Error> {
        let (planned_bytes, planned) = self
            .derived()
            .rtp
            .get_or_init(|| (packet_bytes, self.plan_rtp(packet_bytes)));
        match *planned_bytes == packet_bytes {
            true => planned.clone(),
            false => self.plan_rtp(packet_bytes),
        }
    }

    fn plan_rtp(&self, packet_bytes: usize) -> Result<Arc<RtpPayloads>, Error> {
        let payloads = match (&self.unit, &self.description.video) {
            (Some(unit), Some(sets)) if unit.is_key() => {
                RtpPayloads::video(&sets.clone().complete(unit), packet_bytes)
            }
            (Some(unit), _) => RtpPayloads::video(unit, packet_bytes),
            (None, _) => {
                let audio = self.description.sound.ok_or(Error::NoAudioTrack)?;
                RtpPayloads::audio(audio.config, &self.data, packet_bytes)
            }
        };
        payloads.map(Arc::new)
    }
}

/// Compares the contents.
impl PartialEq for LiveFrame {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for LiveFrame {}

/// Omits the bytes.
impl fmt::Debug for FrameContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameContent")
            .field("kind", &self.kind)
            .field("bytes", &self.data.len())
            .field("timestamp", &self.timestamp)
            .field("discontinuity", &self.discontinuity)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for LiveFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
