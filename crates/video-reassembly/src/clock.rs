//! The camera's clock, converted to time since the first frame.

use core::time::Duration;

use crate::StreamKind;

/// The longest step between two frames of a stream that counts as elapsed time. A longer step, or a
/// step back, is a jump of the camera's clock.
pub const MAX_CLOCK_STEP: Duration = Duration::from_micros(MAX_STEP_MICROS.unsigned_abs());

const MAX_STEP_MICROS: i64 = 60 * SECOND;

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// A frame's timestamp on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Timestamp {
    /// The timestamp of a frame info (docs/protocol.md, section 15).
    Unix {
        /// Unix seconds, or a constant.
        seconds: u32,
        /// Microseconds within the second. Read modulo 1,000,000.
        micros: u32,
    },
    /// The milliseconds of a fragment header, wrapping at 2^32. The unit is not verified.
    Millis(u32),
}

/// Converts the [`Timestamp`]s of audio and video, which share a clock, to one monotonic time line.
///
/// Each stream advances from its own last timestamp, so one stream can lag behind the other. The
/// first frame of either stream is at time zero. The first frame of the other stream is placed by
/// the difference of the two timestamps.
///
/// - **Unix time.** A camera whose seconds change sends Unix time.
/// - **Constant seconds.** If the seconds never changed and the microseconds decrease, they wrapped
///   at 1,000,000. This needs no setting. A gap of more than a second is read modulo one second.
/// - **Jumps.** A step back, or of more than [`MAX_CLOCK_STEP`], means that the camera's clock was
///   set. The stream repeats its last step instead. If the other stream has already jumped, the two
///   streams are aligned again by their timestamps.
///
/// ```
/// use std::time::Duration;
/// use video_reassembly::{MediaClock, StreamKind, Timestamp};
///
/// let mut clock = MediaClock::new();
/// let mut media_time = |micros| {
///     let timestamp = Timestamp::Unix { seconds: 1_700_000_000, micros };
///     clock.media_time(StreamKind::Video, Some(timestamp))
/// };
/// assert_eq!(media_time(950_000), Duration::ZERO);
/// assert_eq!(media_time(0), Duration::from_millis(50)); // constant seconds
/// assert_eq!(media_time(50_000), Duration::from_millis(100));
/// ```
#[derive(Debug, Clone, Default)]
pub struct MediaClock {
    video: Option<StreamClock>,
    audio: Option<StreamClock>,
    /// `true` once a stream's seconds changed.
    seconds_run: bool,
    jumps: u64,
}

/// The last frame of a stream.
#[derive(Debug, Clone, Copy)]
struct StreamClock {
    timestamp: Timestamp,
    /// Its media time in microseconds.
    at: i64,
    /// The last step without a jump, in microseconds.
    step: i64,
}

impl MediaClock {
    /// Creates a clock without a frame.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the media time of the stream's next frame. It never decreases within a stream.
    ///
    /// A frame without a timestamp has the media time of the previous one.
    pub fn media_time(&mut self, stream: StreamKind, timestamp: Option<Timestamp>) -> Duration {
        let (own, other) = match stream {
            StreamKind::Video => (self.video, self.audio),
            StreamKind::Audio => (self.audio, self.video),
        };
        let Some(timestamp) = timestamp else {
            return micros(own.or(other).map_or(0, |last| last.at));
        };
        let next = match own {
            Some(own) => self.advance(own, other, timestamp),
            None => StreamClock {
                timestamp,
                at: other.map_or(0, |other| {
                    align(other, timestamp).unwrap_or(other.at).max(0)
                }),
                step: 0,
            },
        };
        match stream {
            StreamKind::Video => self.video = Some(next),
            StreamKind::Audio => self.audio = Some(next),
        }
        micros(next.at)
    }

    /// Returns the number of clock jumps in both streams.
    #[must_use]
    pub fn jumps(&self) -> u64 {
        self.jumps
    }

    fn advance(
        &mut self,
        own: StreamClock,
        other: Option<StreamClock>,
        timestamp: Timestamp,
    ) -> StreamClock {
        if let Some(step) = self.step(own.timestamp, timestamp) {
            return StreamClock {
                timestamp,
                at: own.at.saturating_add(step),
                step,
            };
        }
        self.jumps += 1;
        let aligned = other
            .and_then(|other| align(other, timestamp))
            .filter(|&at| (own.at..=own.at.saturating_add(MAX_STEP_MICROS)).contains(&at));
        StreamClock {
            timestamp,
            at: aligned.unwrap_or(own.at.saturating_add(own.step)),
            step: own.step,
        }
    }

    /// Returns the microseconds between two frames of a stream, `None` if the clock jumped.
    fn step(&mut self, from: Timestamp, to: Timestamp) -> Option<i64> {
        let mut step = difference(from, to)?;
        if same_second(from, to) {
            if step < 0 && !self.seconds_run {
                step += SECOND;
            }
        } else {
            self.seconds_run |= matches!(to, Timestamp::Unix { .. });
        }
        (0..=MAX_STEP_MICROS).contains(&step).then_some(step)
    }
}

/// Returns the media time of `timestamp` relative to the other stream, `None` if the two are too
/// far apart to be of one setting of the clock. Can be negative.
fn align(other: StreamClock, timestamp: Timestamp) -> Option<i64> {
    let mut apart = difference(other.timestamp, timestamp)?;
    if same_second(other.timestamp, timestamp) {
        // The streams are close to each other. More than half a second apart within one second, the
        // seconds are constant and the microseconds of one stream wrapped.
        if apart > SECOND / 2 {
            apart -= SECOND;
        } else if apart < -SECOND / 2 {
            apart += SECOND;
        }
    }
    (apart.abs() <= MAX_STEP_MICROS).then(|| other.at.saturating_add(apart))
}

fn same_second(from: Timestamp, to: Timestamp) -> bool {
    match (from, to) {
        (Timestamp::Unix { seconds: a, .. }, Timestamp::Unix { seconds: b, .. }) => a == b,
        _ => false,
    }
}

/// Returns `to` − `from` in microseconds, across a wrap at 2^32. `None` for different variants.
fn difference(from: Timestamp, to: Timestamp) -> Option<i64> {
    use Timestamp::{Millis, Unix};
    let apart = |from: u32, to: u32| i64::from(to.wrapping_sub(from).cast_signed());
    let micros = |micros: u32| i64::from(micros) % SECOND;
    match (from, to) {
        (
            Unix {
                seconds: s0,
                micros: m0,
            },
            Unix {
                seconds: s1,
                micros: m1,
            },
        ) => Some(apart(s0, s1) * SECOND + micros(m1) - micros(m0)),
        (Millis(from), Millis(to)) => Some(apart(from, to) * 1000),
        _ => None,
    }
}

fn micros(at: i64) -> Duration {
    Duration::from_micros(u64::try_from(at).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use StreamKind::{Audio, Video};

    use super::*;

    const S: u32 = 1_764_000_000;

    fn unix(seconds: u32, micros: u32) -> Option<Timestamp> {
        Some(Timestamp::Unix { seconds, micros })
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Checks the media time of each timestamp of a video stream, and that the clock never jumped.
    fn check(timestamps: impl IntoIterator<Item = (Option<Timestamp>, u64)>) {
        let mut clock = MediaClock::new();
        for (timestamp, millis) in timestamps {
            assert_eq!(clock.media_time(Video, timestamp), ms(millis));
        }
        assert_eq!(clock.jumps(), 0);
    }

    #[test]
    fn converts_unix_time() {
        check([
            (unix(S, 900_000), 0),
            (unix(S + 1, 0), 100),
            (unix(S + 1, 50_000), 150),
            (unix(S + 31, 50_000), 30_150),
        ]);
    }

    #[test]
    fn unwraps_microseconds_of_constant_seconds() {
        check((0..100).map(|i| {
            (
                unix(7, (990_000 + i * 50_000) % 1_000_000),
                u64::from(i) * 50,
            )
        }));
    }

    #[test]
    fn unwraps_milliseconds_and_seconds() {
        let millis = |i: u32| Some(Timestamp::Millis((u32::MAX - 120).wrapping_add(i * 50)));
        check((0..10).map(|i| (millis(i), u64::from(i) * 50)));
        check([(unix(u32::MAX, 950_000), 0), (unix(0, 0), 50)]);
    }

    #[test]
    fn streams_share_a_time_line_while_one_lags() {
        let mut clock = MediaClock::new();
        assert_eq!(clock.media_time(Video, unix(S, 500_000)), ms(0));
        assert_eq!(clock.media_time(Video, unix(S, 550_000)), ms(50));
        // Media time is never negative.
        assert_eq!(clock.media_time(Audio, unix(S, 480_000)), ms(0));
        assert_eq!(clock.media_time(Audio, unix(S, 560_000)), ms(80));
        // Video waits while audio continues.
        for i in 1..=30_u32 {
            let at = 560_000 + i * 40_000;
            let timestamp = unix(S + at / 1_000_000, at % 1_000_000);
            let media_time = clock.media_time(Audio, timestamp);
            assert_eq!(media_time, ms(80 + u64::from(i) * 40));
        }
        assert_eq!(clock.media_time(Video, unix(S, 600_000)), ms(100));
        assert_eq!(clock.jumps(), 0);
    }

    #[test]
    fn aligns_the_second_stream_across_a_wrap_of_constant_seconds() {
        let mut clock = MediaClock::new();
        assert_eq!(clock.media_time(Video, unix(7, 950_000)), ms(0));
        assert_eq!(clock.media_time(Audio, unix(7, 30_000)), ms(80));
        assert_eq!(clock.media_time(Video, unix(7, 50_000)), ms(100));
        assert_eq!(clock.media_time(Audio, unix(7, 90_000)), ms(140));
    }

    #[test]
    fn removes_jumps_and_keeps_the_streams_aligned() {
        let mut clock = MediaClock::new();
        clock.media_time(Video, unix(10, 0));
        clock.media_time(Audio, unix(10, 10_000));
        clock.media_time(Video, unix(10, 999_000));
        assert_eq!(clock.media_time(Video, unix(11, 49_000)), ms(1049));
        assert_eq!(clock.media_time(Audio, unix(11, 10_000)), ms(1010));
        // The camera sets its clock.
        assert_eq!(clock.media_time(Video, unix(S, 0)), ms(1099));
        assert_eq!(clock.media_time(Audio, unix(S, 5_000)), ms(1104));
        assert_eq!(clock.jumps(), 2);
        // It steps back within a second.
        assert_eq!(clock.media_time(Video, unix(S, 50_000)), ms(1149));
        assert_eq!(clock.media_time(Video, unix(S, 20_000)), ms(1199));
        assert_eq!(clock.jumps(), 3);
    }

    #[test]
    fn never_overflows_or_decreases() {
        let mut clock = MediaClock::new();
        let mut last = Duration::ZERO;
        let timestamps = [
            unix(u32::MAX, u32::MAX),
            unix(0, u32::MAX),
            Some(Timestamp::Millis(u32::MAX)),
            None,
            Some(Timestamp::Millis(0)),
            unix(1 << 31, 0),
            unix(0, 0),
            Some(Timestamp::Millis(1 << 31)),
        ];
        for timestamp in timestamps.into_iter().cycle().take(24) {
            let at = clock.media_time(Video, timestamp);
            assert!(at >= last);
            last = at;
        }
    }
}
