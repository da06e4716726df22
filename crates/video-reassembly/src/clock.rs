//! The camera's clock, made into time since the first frame.

use core::time::Duration;

use crate::StreamKind;

/// The longest step from one frame of a stream to the next that counts as time that passed. A longer
/// one, and any step back, is a jump of the camera's clock.
pub const MAX_CLOCK_STEP: Duration = Duration::from_secs(60);

/// [`MAX_CLOCK_STEP`] in microseconds.
const MAX_STEP_MICROS: i64 = 60_000_000;

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;

/// A frame's time, as the camera wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Timestamp {
    /// From the frame info (wire.md section 10).
    Unix {
        /// Unix seconds, or a constant.
        seconds: u32,
        /// Microseconds within the second. Beyond 999,999 they are taken modulo 1,000,000.
        micros: u32,
    },
    /// From the summary's header: milliseconds, wrapping at 2^32 (this project's choice).
    Millis(u32),
}

/// Reads [`Timestamp`]s of audio and video, which share one clock, into one monotone time line.
///
/// Each stream is read in the order of its frames and counts on from its own last stamp, so that it
/// does not matter how far one is held back behind the other. The first frame of all is time zero;
/// the first of the other stream is placed by how far the two stamps are apart.
///
/// - Seconds that change are Unix time.
/// - **Constant seconds:** microseconds that go back while the seconds stay, and never changed
///   before, have wrapped at 1,000,000. No setting is needed, and no second is lost to find out. A
///   gap of more than a second cannot be seen then: it counts modulo one second.
/// - **Jumps:** a step back, or of more than [`MAX_CLOCK_STEP`], is the camera setting its clock. The
///   time line goes on with the stream's last step instead; if the other stream jumped already, the
///   two are aligned again by their stamps.
///
/// ```
/// use std::time::Duration;
/// use video_reassembly::{MediaClock, Timestamp, StreamKind};
///
/// let mut clock = MediaClock::new();
/// let mut read = |micros| {
///     let stamp = Timestamp::Unix { seconds: 1_700_000_000, micros };
///     clock.media_time(StreamKind::Video, Some(stamp))
/// };
/// assert_eq!(read(950_000), Duration::ZERO);
/// assert_eq!(read(0), Duration::from_millis(50)); // the seconds stand still
/// assert_eq!(read(50_000), Duration::from_millis(100));
/// ```
#[derive(Debug, Clone, Default)]
pub struct MediaClock {
    video: Option<Hand>,
    audio: Option<Hand>,
    /// Whether a stream's seconds were seen to change.
    seconds_run: bool,
    jumps: u64,
}

/// Where one stream stands.
#[derive(Debug, Clone, Copy)]
struct Hand {
    /// The last stamp.
    stamp: Timestamp,
    /// Its place on the time line, in microseconds.
    at: i64,
    /// The last step that was believed, in microseconds.
    step: i64,
}

impl MediaClock {
    /// A clock that has read nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The place of the stream's next frame on the time line. Within a stream it never goes back.
    ///
    /// A frame without a stamp has the time of the one before it.
    pub fn media_time(&mut self, stream: StreamKind, stamp: Option<Timestamp>) -> Duration {
        let (own, other) = match stream {
            StreamKind::Video => (self.video, self.audio),
            StreamKind::Audio => (self.audio, self.video),
        };
        let Some(stamp) = stamp else {
            return micros(own.or(other).map_or(0, |hand| hand.at));
        };
        let hand = match own {
            Some(hand) => self.advance(hand, other, stamp),
            None => Hand {
                stamp,
                at: other.map_or(0, |other| place_by(other, stamp).unwrap_or(other.at).max(0)),
                step: 0,
            },
        };
        match stream {
            StreamKind::Video => self.video = Some(hand),
            StreamKind::Audio => self.audio = Some(hand),
        }
        micros(hand.at)
    }

    /// Steps of the camera's clock that were taken out of the time line, in both streams together.
    #[must_use]
    pub fn jumps(&self) -> u64 {
        self.jumps
    }

    /// The stream's hand, moved to `stamp`.
    fn advance(&mut self, own: Hand, other: Option<Hand>, stamp: Timestamp) -> Hand {
        if let Some(step) = self.step(own.stamp, stamp) {
            return Hand {
                stamp,
                at: own.at.saturating_add(step),
                step,
            };
        }
        self.jumps += 1;
        let aligned = other
            .and_then(|other| place_by(other, stamp))
            .filter(|&at| (own.at..=own.at.saturating_add(MAX_STEP_MICROS)).contains(&at));
        Hand {
            stamp,
            at: aligned.unwrap_or(own.at.saturating_add(own.step)),
            step: own.step,
        }
    }

    /// The microseconds from one frame of a stream to the next, `None` if the clock jumped.
    fn step(&mut self, from: Timestamp, to: Timestamp) -> Option<i64> {
        let step = match (from, to) {
            (Timestamp::Unix { seconds: a, .. }, Timestamp::Unix { seconds: b, .. }) if a == b => {
                let step = difference(from, to)?;
                if step < 0 && !self.seconds_run {
                    step + SECOND
                } else {
                    step
                }
            }
            _ => {
                let step = difference(from, to)?;
                self.seconds_run |= matches!(to, Timestamp::Unix { .. });
                step
            }
        };
        (0..=MAX_STEP_MICROS).contains(&step).then_some(step)
    }
}

/// The place of `stamp` by the other stream's hand, `None` if they are too far apart to share one
/// setting of the clock. It may be before the time line's beginning.
fn place_by(other: Hand, stamp: Timestamp) -> Option<i64> {
    let mut apart = difference(other.stamp, stamp)?;
    if let (Timestamp::Unix { seconds: a, .. }, Timestamp::Unix { seconds: b, .. }) =
        (other.stamp, stamp)
        && a == b
    {
        // Audio and video of one moment lie close together: more than half a second apart within
        // one second, the second is a constant and one of the two has wrapped.
        if apart > SECOND / 2 {
            apart -= SECOND;
        } else if apart < -SECOND / 2 {
            apart += SECOND;
        }
    }
    (apart.abs() <= MAX_STEP_MICROS).then(|| other.at.saturating_add(apart))
}

/// `to` − `from` in microseconds, both wraps of 2^32 undone; `None` for stamps of two kinds.
fn difference(from: Timestamp, to: Timestamp) -> Option<i64> {
    match (from, to) {
        (
            Timestamp::Unix {
                seconds: s0,
                micros: m0,
            },
            Timestamp::Unix {
                seconds: s1,
                micros: m1,
            },
        ) => {
            let seconds = i64::from(s1.wrapping_sub(s0).cast_signed());
            let micros = i64::from(m1 % 1_000_000) - i64::from(m0 % 1_000_000);
            Some(seconds * SECOND + micros)
        }
        (Timestamp::Millis(from), Timestamp::Millis(to)) => {
            Some(i64::from(to.wrapping_sub(from).cast_signed()) * 1000)
        }
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

    #[test]
    fn unix_time_across_seconds_and_gaps() {
        let mut clock = MediaClock::new();
        assert_eq!(clock.media_time(Video, unix(S, 900_000)), ms(0));
        assert_eq!(clock.media_time(Video, unix(S + 1, 0)), ms(100));
        assert_eq!(clock.media_time(Video, unix(S + 1, 50_000)), ms(150));
        assert_eq!(clock.media_time(Video, unix(S + 31, 50_000)), ms(30_150));
        assert_eq!(clock.jumps(), 0);
    }

    #[test]
    fn constant_seconds_count_on_across_every_wrap() {
        let mut clock = MediaClock::new();
        for i in 0..100_u32 {
            let stamp = unix(7, (990_000 + i * 50_000) % 1_000_000);
            assert_eq!(clock.media_time(Video, stamp), ms(u64::from(i) * 50));
        }
        assert_eq!(clock.jumps(), 0);
    }

    #[test]
    fn milliseconds_across_the_wrap() {
        let mut clock = MediaClock::new();
        let start = u32::MAX - 120;
        for i in 0..10_u32 {
            let stamp = Some(Timestamp::Millis(start.wrapping_add(i * 50)));
            assert_eq!(clock.media_time(Video, stamp), ms(u64::from(i) * 50));
        }
        assert_eq!(clock.jumps(), 0);
    }

    #[test]
    fn seconds_across_their_own_wrap() {
        let mut clock = MediaClock::new();
        assert_eq!(clock.media_time(Video, unix(u32::MAX, 950_000)), ms(0));
        assert_eq!(clock.media_time(Video, unix(0, 0)), ms(50));
    }

    #[test]
    fn audio_and_video_share_the_line_however_far_one_lags() {
        let mut clock = MediaClock::new();
        assert_eq!(clock.media_time(Video, unix(S, 500_000)), ms(0));
        assert_eq!(clock.media_time(Video, unix(S, 550_000)), ms(50));
        // Before the first frame of all there is no time.
        assert_eq!(clock.media_time(Audio, unix(S, 480_000)), ms(0));
        assert_eq!(clock.media_time(Audio, unix(S, 560_000)), ms(80));
        // Video is held back for a while; audio goes on.
        for i in 1..=30_u32 {
            let at = 560_000 + i * 40_000;
            let stamp = unix(S + at / 1_000_000, at % 1_000_000);
            assert_eq!(clock.media_time(Audio, stamp), ms(80 + u64::from(i) * 40));
        }
        assert_eq!(clock.media_time(Video, unix(S, 600_000)), ms(100));
        assert_eq!(clock.jumps(), 0);
    }

    #[test]
    fn the_second_stream_finds_its_place_across_a_wrap_of_constant_seconds() {
        let mut clock = MediaClock::new();
        assert_eq!(clock.media_time(Video, unix(7, 950_000)), ms(0));
        assert_eq!(clock.media_time(Audio, unix(7, 30_000)), ms(80));
        assert_eq!(clock.media_time(Video, unix(7, 50_000)), ms(100));
        assert_eq!(clock.media_time(Audio, unix(7, 90_000)), ms(140));
    }

    #[test]
    fn a_jump_is_taken_out_and_both_streams_stay_together() {
        let mut clock = MediaClock::new();
        clock.media_time(Video, unix(10, 0));
        clock.media_time(Audio, unix(10, 10_000));
        clock.media_time(Video, unix(10, 999_000));
        assert_eq!(clock.media_time(Video, unix(11, 49_000)), ms(1049));
        assert_eq!(clock.media_time(Audio, unix(11, 10_000)), ms(1010));
        // The camera learns what year it is.
        assert_eq!(clock.media_time(Video, unix(S, 0)), ms(1099));
        assert_eq!(clock.media_time(Audio, unix(S, 5_000)), ms(1104));
        assert_eq!(clock.jumps(), 2);
        // And it is corrected backwards, within one second.
        assert_eq!(clock.media_time(Video, unix(S, 50_000)), ms(1149));
        assert_eq!(clock.media_time(Video, unix(S, 20_000)), ms(1199));
        assert_eq!(clock.jumps(), 3);
    }

    #[test]
    fn nothing_a_peer_writes_overflows_or_goes_back() {
        let mut clock = MediaClock::new();
        let mut last = Duration::ZERO;
        let stamps = [
            unix(u32::MAX, u32::MAX),
            unix(0, u32::MAX),
            Some(Timestamp::Millis(u32::MAX)),
            None,
            Some(Timestamp::Millis(0)),
            unix(1 << 31, 0),
            unix(0, 0),
            Some(Timestamp::Millis(1 << 31)),
        ];
        for _ in 0..3 {
            for stamp in stamps {
                let at = clock.media_time(Video, stamp);
                assert!(at >= last);
                last = at;
            }
        }
    }
}
