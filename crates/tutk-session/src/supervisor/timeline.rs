//! One time line for the frames of all sessions.

use core::mem;
use core::time::Duration;

use tutk_time::Instant;
use video_reassembly::{Frame, StreamKind};

/// A frame on the time line of all sessions of a [`Supervisor`](super::Supervisor).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContinuousFrame {
    /// The frame. Its timestamp continues over sessions and never decreases within a stream. Its
    /// number is the session's own, and starts over with each session.
    pub frame: Frame,
    /// The wall-clock time of the timestamp, since 1970-01-01 00:00 UTC. It is the local time at
    /// which the very first frame arrived, plus the difference of the timestamps.
    pub unix: Duration,
    /// `true` for the first frame of a stream after a time without a session.
    pub discontinuity: bool,
}

impl ContinuousFrame {
    /// A frame as a supervisor reports it. For tests and fuzz targets.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(frame: Frame, unix: Duration, discontinuity: bool) -> Self {
        Self {
            frame,
            unix,
            discontinuity,
        }
    }
}

/// How far a timestamp can be ahead of the arrival of its frame, measured from the very first
/// frame. It covers frames that a camera has buffered, and the drift of its clock.
const MAX_AHEAD: Duration = Duration::from_secs(5);

/// How far a timestamp can be behind the arrival of its frame.
const MAX_BEHIND: Duration = Duration::from_secs(10);

/// Continues the timestamps of each session where the one before ended, and drops delta frames
/// until the session's first key frame.
///
/// Within a session time follows the camera's clock. The first frame of a session is placed at the
/// newest frame before it plus the time between the two arrivals, so a recording is as long as it
/// took. Timestamps stay within [`MAX_AHEAD`] and [`MAX_BEHIND`] of the arrival.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// Timestamp and arrival of the newest frame.
    newest: Option<(Duration, Instant)>,
    /// The newest timestamp before this session. No frame of this session is placed before it.
    floor: Duration,
    /// The timestamp of this session's first frame, on the time line and by the camera.
    anchor: Option<(Duration, Duration)>,
    /// The wall-clock time of timestamp 0.
    unix_zero: Option<Duration>,
    /// Timestamp and arrival of the very first frame.
    origin: Option<(Duration, Instant)>,
    video: Gate,
    audio: Gate,
    dropped: u64,
    corrected: u64,
}

/// What the next frame of a stream must be or report.
#[derive(Debug, Default)]
struct Gate {
    discontinuity: bool,
    awaiting_key_frame: bool,
    /// The newest timestamp of the stream.
    newest: Duration,
}

impl Timeline {
    /// A new session starts.
    pub(super) fn start_session(&mut self) {
        let newest = self.newest.map(|(timestamp, _)| timestamp);
        self.floor = newest.unwrap_or_default();
        self.anchor = None;
        self.video.awaiting_key_frame = true;
        for gate in [&mut self.video, &mut self.audio] {
            gate.discontinuity |= newest.is_some();
        }
    }

    /// Video continues with a key frame.
    pub(super) fn await_key_frame(&mut self) {
        self.video.awaiting_key_frame = true;
    }

    /// Places a frame that arrived at `now`, which is `unix` on the wall clock. Returns `None` for
    /// a delta frame before the awaited key frame.
    pub(super) fn place(
        &mut self,
        now: Instant,
        unix: Duration,
        mut frame: Frame,
    ) -> Option<ContinuousFrame> {
        let timestamp = self.timestamp(now, frame.timestamp);
        let zero = *(self.unix_zero).get_or_insert_with(|| unix.saturating_sub(timestamp));
        let gate = match frame.stream() {
            StreamKind::Video => &mut self.video,
            StreamKind::Audio => &mut self.audio,
        };
        let timestamp = timestamp.max(gate.newest);
        gate.newest = timestamp;
        frame.timestamp = timestamp;
        if gate.awaiting_key_frame && !frame.is_key() {
            self.dropped += 1;
            return None;
        }
        gate.awaiting_key_frame = false;
        Some(ContinuousFrame {
            frame,
            unix: zero.saturating_add(timestamp),
            discontinuity: mem::take(&mut gate.discontinuity),
        })
    }

    /// Returns the number of delta frames dropped before an awaited key frame.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Returns the number of timestamps that were too far from the arrival of their frame.
    pub(super) fn corrected(&self) -> u64 {
        self.corrected
    }

    fn timestamp(&mut self, now: Instant, by_camera: Duration) -> Duration {
        let newest = self.newest;
        let (placed, own) = *self.anchor.get_or_insert_with(|| {
            let placed = newest.map_or(by_camera, |(timestamp, arrived)| {
                timestamp.saturating_add(now.duration_since(arrived))
            });
            (placed, by_camera)
        });
        let timestamp = placed
            .saturating_add(by_camera)
            .saturating_sub(own)
            .max(self.floor);
        let timestamp = self.hold(now, timestamp, by_camera);
        if newest.is_none_or(|(newest, _)| newest <= timestamp) {
            self.newest = Some((timestamp, now));
        }
        timestamp
    }
}

impl Timeline {
    /// Holds a timestamp near the arrival of its frame. If it has to, later frames follow it.
    fn hold(&mut self, now: Instant, timestamp: Duration, by_camera: Duration) -> Duration {
        let (zero, first) = *self.origin.get_or_insert((timestamp, now));
        let expected = zero.saturating_add(now.duration_since(first));
        let max = expected.saturating_add(MAX_AHEAD);
        let held = timestamp.clamp(expected.saturating_sub(MAX_BEHIND), max);
        if held != timestamp {
            self.anchor = Some((held, by_camera));
            self.corrected = self.corrected.saturating_add(1);
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;
    use proptest::prelude::*;
    use tutk_frame::MediaKind;

    use super::*;

    const UNIX: Duration = Duration::from_secs(1_760_000_000);

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

    /// Places frames of a session, given as arrival, kind and timestamp in milliseconds. The wall
    /// clock is one second wrong after the first frame.
    fn push(
        timeline: &mut Timeline,
        start: Instant,
        frames: &[(u64, MediaKind, u64)],
    ) -> Vec<Option<(u128, bool)>> {
        let mut one = |&(at, kind, timestamp)| {
            let at = Duration::from_millis(at);
            let wrong = Duration::from_secs(timeline.newest.is_some().into());
            let placed = timeline.place(start + at, UNIX + at + wrong, frame(kind, timestamp))?;
            assert_eq!(placed.unix, UNIX + placed.frame.timestamp);
            Some((placed.frame.timestamp.as_millis(), placed.discontinuity))
        };
        frames.iter().map(&mut one).collect()
    }

    #[test]
    fn gap_is_as_long_as_the_monotonic_clock_measured() {
        use MediaKind::{Audio, Delta, Key};
        let start = Instant::ZERO;
        let mut timeline = Timeline::default();
        timeline.start_session();
        let first = [(0, Key, 0), (60, Delta, 50), (70, Audio, 20)];
        assert_eq!(
            push(&mut timeline, start, &first),
            [Some((0, false)), Some((50, false)), Some((20, false))]
        );
        // The newest timestamp is 50 and arrived at 60. The next session's first frame arrives 3 s
        // later.
        timeline.start_session();
        let second = [
            (3060, Delta, 0),
            (3090, Audio, 30),
            (3110, Key, 50),
            (3160, Delta, 100),
            (3190, Audio, 130),
        ];
        assert_eq!(
            push(&mut timeline, start, &second),
            [
                None,
                Some((3080, true)),
                Some((3100, true)),
                Some((3150, false)),
                Some((3180, false))
            ]
        );
        assert_eq!(timeline.dropped(), 1);
    }

    #[test]
    fn session_without_frames_makes_no_gap() {
        let start = Instant::ZERO;
        let mut timeline = Timeline::default();
        timeline.start_session();
        timeline.start_session();
        let frames = [(0, MediaKind::Key, 0)];
        assert_eq!(push(&mut timeline, start, &frames), [Some((0, false))]);
        timeline.start_session();
        timeline.start_session();
        let frames = [(1000, MediaKind::Key, 0)];
        assert_eq!(push(&mut timeline, start, &frames), [Some((1000, true))]);
    }

    #[test]
    fn fast_camera_clock_is_held_near_the_arrival() {
        use MediaKind::{Audio, Key};
        let start = Instant::ZERO;
        let mut timeline = Timeline::default();
        timeline.start_session();
        let fast = [(0, Key, 0), (0, Audio, 20), (5000, Key, 14_000)];
        let placed = push(&mut timeline, start, &fast);
        assert_eq!(placed[2], Some((10_000, false)));
        assert_eq!(timeline.corrected(), 1);
        timeline.start_session();
        let next = [(5000, Key, 0), (5010, Audio, 10)];
        assert_eq!(
            push(&mut timeline, start, &next),
            [Some((10_000, true)), Some((10_010, true))]
        );
    }

    proptest! {
        /// For any clocks, time never decreases within a stream, a recording is as long as it took,
        /// and the video of each session starts with a key frame.
        #[test]
        fn time_never_decreases(
            sessions in prop::collection::vec(
                prop::collection::vec((0..5000_u64, 0..3_u8, 0..5000_u64), 0..20),
                1..6,
            ),
        ) {
            let start = Instant::ZERO;
            let mut timeline = Timeline::default();
            let mut last = [Duration::ZERO; 2];
            let mut now = 0;
            let mut before = false;
            for session in sessions {
                timeline.start_session();
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
                    let at = Duration::from_millis(now);
                    let placed = timeline.place(start + at, UNIX + at, frame(kind, own[stream]));
                    let Some(placed) = placed else {
                        prop_assert!(first[1] && kind == MediaKind::Delta);
                        continue;
                    };
                    prop_assert!(placed.frame.timestamp >= last[stream]);
                    let first_at = timeline.origin.unwrap().1.duration_since(start);
                    let elapsed = at - first_at;
                    let zero = timeline.origin.unwrap().0;
                    prop_assert!(placed.frame.timestamp <= zero + elapsed + MAX_AHEAD);
                    prop_assert!(placed.frame.timestamp + MAX_BEHIND >= zero + elapsed);
                    last[stream] = placed.frame.timestamp;
                    prop_assert!(!placed.discontinuity || before);
                    prop_assert!(!placed.discontinuity || first[stream]);
                    prop_assert!(stream == 0 || !first[1] || kind == MediaKind::Key);
                    first[stream] = false;
                }
                before |= !first[0] || !first[1] || timeline.dropped() > 0;
            }
        }
    }
}
