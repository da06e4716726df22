//! Frames of one session after another, on one time line.

use std::time::{Duration, Instant};

use tutk_session::Frame;
use tutk_session::video_reassembly::StreamKind;

/// A frame on a time line that goes on over all sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContinuousFrame {
    /// The frame. Its timestamp counts from the first frame of the first session, and is never less than that
    /// of the frame before in its stream: see [`Reconnecting`](crate::Reconnecting). Its number is the
    /// session's own, and begins anew with each.
    pub frame: Frame,
    /// Whether this is its stream's first frame after a gap: between it and the frame before, a session fell.
    pub discontinuity: bool,
}

/// Puts the frames of each session behind those of the one before.
#[derive(Debug, Default)]
pub(super) struct Splice {
    /// Place on the line and arrival of the newest frame.
    newest: Option<(Duration, Instant)>,
    /// Where the newest frame before this session stands. Nothing of this session stands before it.
    floor: Duration,
    /// Place on the line and timestamp of this session's first frame.
    anchor: Option<(Duration, Duration)>,
    video: Gap,
    audio: Gap,
    headless: u64,
}

/// What the next frame of a stream has to be, or to say.
#[derive(Debug, Default)]
struct Gap {
    /// It comes after a gap.
    discontinuity: bool,
    /// It has to be a key frame.
    headless: bool,
}

impl Splice {
    /// A session begins: what comes from now on is its.
    pub(super) fn begin(&mut self) {
        let newest = self.newest.map(|(place, _)| place);
        self.floor = newest.unwrap_or_default();
        self.anchor = None;
        self.video.headless = true;
        for gap in [&mut self.video, &mut self.audio] {
            gap.discontinuity |= newest.is_some();
        }
    }

    /// A frame that arrived at `at`, put in its place; `None` if nothing can be done with it, because no key
    /// frame came before.
    pub(super) fn frame(&mut self, at: Instant, mut frame: Frame) -> Option<ContinuousFrame> {
        frame.timestamp = self.place(at, frame.timestamp);
        let gap = match frame.stream() {
            StreamKind::Video => &mut self.video,
            StreamKind::Audio => &mut self.audio,
        };
        if gap.headless && !frame.is_key() {
            self.headless += 1;
            return None;
        }
        gap.headless = false;
        let discontinuity = std::mem::take(&mut gap.discontinuity);
        Some(ContinuousFrame {
            frame,
            discontinuity,
        })
    }

    /// Delta frames dropped because no key frame had come before them.
    pub(super) fn headless(&self) -> u64 {
        self.headless
    }

    fn place(&mut self, at: Instant, timestamp: Duration) -> Duration {
        let newest = self.newest;
        let (line, own) = *self.anchor.get_or_insert_with(|| {
            let line = newest.map_or(timestamp, |(place, arrived)| {
                place.saturating_add(at.saturating_duration_since(arrived))
            });
            (line, timestamp)
        });
        let place = line
            .saturating_add(timestamp)
            .saturating_sub(own)
            .max(self.floor);
        if newest.is_none_or(|(newest, _)| newest <= place) {
            self.newest = Some((place, at));
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tutk_session::MediaKind;

    use super::*;

    fn frame(kind: MediaKind, timestamp: u64) -> Frame {
        Frame {
            kind,
            codec: None,
            audio: None,
            number: 1,
            timestamp: Duration::from_millis(timestamp),
            info: None,
            resolution_changed: false,
            data: [0; 4].as_slice().into(),
        }
    }

    /// Frames of a session in milliseconds of arrival and timestamp, and what became of them.
    fn push(
        splice: &mut Splice,
        start: Instant,
        frames: &[(u64, MediaKind, u64)],
    ) -> Vec<Option<(u128, bool)>> {
        let mut one = |&(at, kind, timestamp)| {
            let at = start + Duration::from_millis(at);
            let placed = splice.frame(at, frame(kind, timestamp))?;
            Some((placed.frame.timestamp.as_millis(), placed.discontinuity))
        };
        frames.iter().map(&mut one).collect()
    }

    #[test]
    fn a_gap_is_as_long_as_the_wall_clock_says() {
        use MediaKind::{Audio, Delta, Key};
        let start = Instant::now();
        let mut splice = Splice::default();
        splice.begin();
        let first = [(0, Key, 0), (60, Delta, 50), (70, Audio, 20)];
        assert_eq!(
            push(&mut splice, start, &first),
            [Some((0, false)), Some((50, false)), Some((20, false))]
        );
        // The newest frame stands at 50 and came at 60: the first of the next session came 3 s later.
        splice.begin();
        let second = [
            (3060, Delta, 0),
            (3090, Audio, 30),
            (3110, Key, 50),
            (3160, Delta, 100),
            (3190, Audio, 130),
        ];
        assert_eq!(
            push(&mut splice, start, &second),
            [
                None,
                Some((3080, true)),
                Some((3100, true)),
                Some((3150, false)),
                Some((3180, false))
            ]
        );
        assert_eq!(splice.headless(), 1);
    }

    #[test]
    fn a_session_without_frames_leaves_no_trace() {
        let start = Instant::now();
        let mut splice = Splice::default();
        // Nothing before: no gap.
        splice.begin();
        splice.begin();
        let frames = [(9000, MediaKind::Key, 0)];
        assert_eq!(push(&mut splice, start, &frames), [Some((0, false))]);
        splice.begin();
        splice.begin();
        let frames = [(10_000, MediaKind::Key, 0)];
        assert_eq!(push(&mut splice, start, &frames), [Some((1000, true))]);
    }

    #[test]
    fn what_only_a_slow_consumer_missed_is_no_time_lost() {
        let start = Instant::now();
        let mut splice = Splice::default();
        splice.begin();
        push(&mut splice, start, &[(0, MediaKind::Key, 0)]);
        splice.begin();
        // The session's first frames were dropped on their way here: the first to come is 2 s old already.
        let frames = [(5000, MediaKind::Key, 2000), (5050, MediaKind::Delta, 2050)];
        assert_eq!(
            push(&mut splice, start, &frames),
            [Some((5000, true)), Some((5050, false))]
        );
    }

    proptest! {
        /// Whatever the clocks do: on each stream time never goes back, and each session's video begins with a
        /// key frame.
        #[test]
        fn time_never_goes_back(
            sessions in prop::collection::vec(
                prop::collection::vec((0..5000_u64, 0..3_u8, 0..5000_u64), 0..20),
                1..6,
            ),
        ) {
            let start = Instant::now();
            let mut splice = Splice::default();
            let mut last = [Duration::ZERO; 2];
            let mut now = 0;
            let mut before = false;
            for session in sessions {
                splice.begin();
                let mut own = [0; 2];
                let mut first = [true; 2];
                for (arrives, kind, step) in session {
                    now += arrives;
                    let (stream, kind) = match kind {
                        0 => (0, MediaKind::Audio),
                        1 => (1, MediaKind::Key),
                        _ => (1, MediaKind::Delta),
                    };
                    own[stream] += step;
                    let at = start + Duration::from_millis(now);
                    let Some(placed) = splice.frame(at, frame(kind, own[stream])) else {
                        prop_assert!(first[1] && kind == MediaKind::Delta);
                        continue;
                    };
                    prop_assert!(placed.frame.timestamp >= last[stream]);
                    last[stream] = placed.frame.timestamp;
                    prop_assert!(!placed.discontinuity || before);
                    prop_assert!(!placed.discontinuity || first[stream]);
                    prop_assert!(stream == 0 || !first[1] || kind == MediaKind::Key);
                    first[stream] = false;
                }
                before |= !first[0] || !first[1] || splice.headless() > 0;
            }
        }
    }
}
