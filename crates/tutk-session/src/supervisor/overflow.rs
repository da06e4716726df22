//! Dropping frames when a queue is full.

use core::mem;

use video_reassembly::StreamKind;

use super::output::SupervisorEvent;
use super::timeline::ContinuousFrame;

/// Places in a queue of events that frames do not use, so that there is room for other events. The
/// very last one is for [`SupervisorEvent::Ended`].
const RESERVED: usize = 64;

/// Selects the frames to drop while a queue of frames is full. Video is dropped up to the next key
/// frame, so that a decoder never gets a frame without the frames that it refers to.
#[derive(Debug, Default)]
pub struct OverflowFilter {
    awaiting_key_frame: bool,
    /// For video and audio: a frame with the mark was dropped, and the next one gets it.
    discontinuity: [bool; 2],
}

impl OverflowFilter {
    /// Returns `false` if the event must be dropped, because a queue of events has only `free`
    /// places.
    pub fn admits(&mut self, event: &mut SupervisorEvent, free: usize) -> bool {
        match event {
            SupervisorEvent::Frame(frame) => self.accepts(frame, free <= RESERVED),
            SupervisorEvent::Ended(_) => true,
            _ => free > 1,
        }
    }

    /// Returns `false` if the frame must be dropped: the queue is `full`, or was full and the frame
    /// depends on dropped frames. The mark [`ContinuousFrame::discontinuity`] of a dropped frame is
    /// moved to the next accepted one.
    pub fn accepts(&mut self, next: &mut ContinuousFrame, full: bool) -> bool {
        let [of_video, of_audio] = &mut self.discontinuity;
        let video = next.frame.stream() == StreamKind::Video;
        let discontinuity = if video { of_video } else { of_audio };
        *discontinuity |= next.discontinuity;
        if full || (video && self.awaiting_key_frame && !next.frame.is_key()) {
            self.awaiting_key_frame |= video;
            return false;
        }
        self.awaiting_key_frame &= !video;
        next.discontinuity = mem::take(discontinuity);
        true
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use tutk_frame::MediaKind::{self, Audio, Delta, Key};
    use video_reassembly::Frame;

    use super::*;

    #[test]
    fn drops_video_up_to_a_key_frame_and_keeps_the_mark() {
        let mut filter = OverflowFilter::default();
        let mut accepts = |kind: MediaKind, discontinuity, full| {
            let frame = Frame {
                kind,
                codec: None,
                audio: None,
                number: 1,
                timestamp: Duration::ZERO,
                info: None,
                resolution_changed: false,
                data: [0; 4].as_slice().into(),
            };
            let mut next = ContinuousFrame {
                frame,
                unix: Duration::ZERO,
                discontinuity,
            };
            (filter.accepts(&mut next, full)).then_some(next.discontinuity)
        };
        assert_eq!(accepts(Key, false, false), Some(false));
        assert_eq!(accepts(Audio, true, true), None);
        assert_eq!(
            accepts(Delta, false, false),
            Some(false),
            "audio was dropped"
        );
        assert_eq!(accepts(Audio, false, false), Some(true));
        assert_eq!(accepts(Audio, false, false), Some(false));
        assert_eq!(accepts(Key, true, true), None);
        assert_eq!(
            accepts(Delta, false, false),
            None,
            "its key frame was dropped"
        );
        assert_eq!(accepts(Key, false, false), Some(true));
        assert_eq!(accepts(Delta, false, false), Some(false));
        assert_eq!(accepts(Delta, false, true), None);
        assert_eq!(accepts(Audio, false, false), Some(false));
        assert_eq!(accepts(Delta, false, false), None);
        assert_eq!(accepts(Key, false, false), Some(false));
    }
}
