//! Data that is derived from a frame once and shared by all viewers.

use std::sync::{Arc, OnceLock};

use tutk_media::{Error, RtpPayloads};

#[cfg(feature = "http")]
pub(crate) use self::muxed::{MuxedForms, MuxedFrame};

/// RTP payloads and muxed forms of a frame. Each is created by the first viewer that needs it.
#[derive(Default)]
pub(crate) struct Derived {
    /// The payloads, and the packet size for which they were planned.
    pub(super) rtp: OnceLock<(usize, Result<Arc<RtpPayloads>, Error>)>,
    #[cfg(feature = "http")]
    pub(super) muxed: MuxedForms,
}

#[cfg(feature = "http")]
mod muxed {
    use std::sync::{Arc, Mutex, PoisonError};

    use bytes::Bytes;
    use tutk_media::{InitSegment, Segment};

    /// The muxed form of one frame.
    #[derive(Debug, Clone)]
    pub(crate) enum MuxedFrame {
        Mp4 {
            segment: Arc<Segment>,
            /// The initialization segment of the segment.
            init: Arc<InitSegment>,
        },
        Ts {
            /// A viewer can start here.
            key: bool,
            data: Bytes,
        },
    }

    /// The muxed forms of a frame, by the ids of their muxers. `None` if a muxer omits the frame.
    #[derive(Default)]
    pub(crate) struct MuxedForms(Mutex<Vec<(u64, Option<MuxedFrame>)>>);

    impl MuxedForms {
        /// Returns the form of a muxer, or `None` if the muxer has not processed the frame.
        #[expect(clippy::option_option, reason = "a muxer can omit a frame")]
        pub(crate) fn get(&self, muxer: u64) -> Option<Option<MuxedFrame>> {
            let forms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let form = forms.iter().find(|(id, _)| *id == muxer);
            form.map(|(_, muxed)| muxed.clone())
        }

        pub(crate) fn insert(&self, muxer: u64, muxed: Option<MuxedFrame>) {
            let mut forms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            forms.push((muxer, muxed));
        }
    }
}
