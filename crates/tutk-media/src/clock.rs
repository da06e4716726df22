//! The positions of pictures and audio in time. The time stamps of cameras are inexact, and their
//! clocks can be set.

use std::time::Duration;

use crate::audio_frame::AudioFrame;

/// Ticks per second of the times of pictures.
pub(crate) const PICTURE_TICKS: u32 = 90_000;

/// The tolerated deviation of audio from the clock. It is close to the threshold at which viewers
/// notice (45 ms for early audio in ITU-R BT.1359).
pub const AUDIO_TOLERANCE: Duration = Duration::from_millis(40);

/// The time of an audio frame this far ahead of video and audio is ignored: the camera set its
/// clock back, and the frame is from before.
const MAX_LEAD: Duration = Duration::from_secs(10);

/// An interval of pictures longer than this, in ticks, is a pause and not a frame interval.
const PAUSE: u32 = 5 * PICTURE_TICKS;

/// The frame interval before one is known, in ticks: 20 frames per second.
pub(crate) const UNKNOWN_TICKS: u32 = PICTURE_TICKS / 20;

/// The clock of the pictures. While their times increase, each picture is at its time, counted from
/// the first. If a time does not increase (a camera set its clock back), the picture follows the
/// previous one after the newest frame interval, and the clock continues from there. (Pauses of
/// more than 5 s are not frame intervals.)
#[derive(Debug, Default)]
pub(crate) struct PictureClock {
    /// The time of the newest picture as given.
    newest: Option<Duration>,
    /// Ticks from the first picture to the newest.
    start: u64,
    /// The newest frame interval, in ticks.
    interval: Option<u32>,
}

impl PictureClock {
    /// Advances to the next picture. Returns the ticks since the previous one.
    pub(crate) fn advance(&mut self, time: Duration) -> Option<u32> {
        let newest = self.newest.replace(time)?;
        let ticks = time.checked_sub(newest).map_or(0, to_ticks);
        let ticks = if ticks == 0 { self.interval() } else { ticks };
        self.start += u64::from(ticks);
        if ticks <= PAUSE {
            self.interval = Some(ticks);
        }
        Some(ticks)
    }

    /// Ticks from the first picture to the newest.
    pub(crate) const fn start(&self) -> u64 {
        self.start
    }

    /// The newest frame interval in ticks, or the default.
    pub(crate) fn interval(&self) -> u32 {
        self.interval.unwrap_or(UNKNOWN_TICKS)
    }

    /// The position of a time. `None` before the first picture.
    pub(crate) fn place(&self, time: Duration) -> Option<Place> {
        let picture = i128::from(self.start) * 1_000_000_000 / i128::from(PICTURE_TICKS);
        Some(Place {
            time: picture + nanos(time) - nanos(self.newest?),
            picture,
        })
    }
}

/// The position of an audio frame, in nanoseconds from the first picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    time: i128,
    /// The position of the newest picture.
    picture: i128,
}

/// The clock of the audio. Frames follow each other without a gap while the given time agrees
/// within [`AUDIO_TOLERANCE`]. If the time is further ahead, there is a gap. If it is behind by
/// more than the tolerance and by more than a frame, there is no room for the frame.
#[derive(Debug)]
pub(crate) struct AudioClock {
    /// Ticks per second.
    timescale: u32,
    /// The end of the newest frame, in ticks from the first picture.
    end: Option<u64>,
}

impl AudioClock {
    pub(crate) const fn new(timescale: u32) -> Self {
        Self {
            timescale,
            end: None,
        }
    }

    /// Returns the start of the next frame in ticks, never before the [`end`](Self::end) of the
    /// previous one.
    pub(crate) fn advance(&mut self, frame: AudioFrame<'_>, place: Place) -> Option<u64> {
        let start = self.start(frame, place)?;
        self.end = Some(start + u64::from(frame.ticks));
        Some(start)
    }

    pub(crate) const fn end(&self) -> Option<u64> {
        self.end
    }

    fn start(&self, frame: AudioFrame<'_>, place: Place) -> Option<u64> {
        let clock = self.to_ticks(place.time);
        let Some(end) = self.end else {
            // Audio before the first picture is skipped.
            return u64::try_from(clock).ok();
        };
        let ahead = clock - i128::from(end);
        let tolerance = self.to_ticks(nanos(AUDIO_TOLERANCE));
        let lead = self.to_ticks(nanos(MAX_LEAD));
        if ahead > lead && clock - self.to_ticks(place.picture) > lead {
            Some(end)
        } else if ahead > tolerance {
            u64::try_from(clock).ok()
        } else if -ahead > tolerance.max(frame.ticks.into()) {
            None
        } else {
            Some(end)
        }
    }

    /// Converts nanoseconds to ticks, rounded to the nearest.
    fn to_ticks(&self, nanos: i128) -> i128 {
        let ticks = nanos * i128::from(self.timescale);
        (ticks + 500_000_000).div_euclid(1_000_000_000)
    }
}

/// Converts to ticks of pictures, rounded to the nearest. Saturates at 13 hours.
pub(crate) fn to_ticks(duration: Duration) -> u32 {
    let nanos = duration.as_nanos() * u128::from(PICTURE_TICKS) + 500_000_000;
    u32::try_from(nanos / 1_000_000_000).unwrap_or(u32::MAX)
}

const fn nanos(duration: Duration) -> i128 {
    // A Duration has fewer than 2^94 nanoseconds.
    duration.as_nanos().cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_rounded() {
        assert_eq!(to_ticks(Duration::from_millis(50)), 4_500);
        assert_eq!(to_ticks(Duration::from_nanos(33_366_667)), 3_003);
        assert_eq!(to_ticks(Duration::from_secs(1_000_000)), u32::MAX);
    }

    #[test]
    fn clock_continues_when_time_goes_back() {
        let mut clock = PictureClock::default();
        let mut advance = |ms| clock.advance(Duration::from_millis(ms));
        assert_eq!(advance(1_000_000), None);
        assert_eq!(advance(1_000_040), Some(3_600));
        // Far back, and unchanged.
        assert_eq!(advance(500), Some(3_600));
        assert_eq!(advance(500), Some(3_600));
        assert_eq!(advance(560), Some(5_400));
        assert_eq!(advance(10_560), Some(900_000));
        assert_eq!(advance(0), Some(5_400));
        assert_eq!((clock.start(), clock.interval()), (921_600, 5_400));
    }
}
