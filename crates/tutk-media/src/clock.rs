//! Where pictures and sound stand in time, by clocks that cameras set and stamp loosely.

use std::time::Duration;

use crate::audio_frame::AudioFrame;

/// Ticks a second of the times of pictures, in files and streams alike.
pub(crate) const PICTURE_TICKS: u32 = 90_000;

/// How far sound may be off the clock before it is brought back into step: about where lips and
/// voice begin to part (ITU-R BT.1359 has 45 ms for sound that comes early).
pub const AUDIO_TOLERANCE: Duration = Duration::from_millis(40);

/// A frame this far ahead of both picture and sound is not believed: a camera's clock was set, and
/// the frame is of the time before.
const MAX_LEAD: Duration = Duration::from_secs(10);

/// Pictures further apart than this, in ticks, are a pause: no measure for what comes after it.
const PAUSE: u32 = 5 * PICTURE_TICKS;

/// Ticks of a picture that there is nothing to measure by. 20 frames a second.
pub(crate) const UNKNOWN_TICKS: u32 = PICTURE_TICKS / 20;

/// The pictures' clock: each stands where its time says, counted from the first, as long as their times
/// grow. Where a time does not (a camera's clock that was set back), the picture comes as long after
/// the one before as that came after its own predecessor, and the clock goes on from there. (A pause of
/// more than 5 s between those is passed over.)
#[derive(Debug, Default)]
pub(crate) struct PictureClock {
    /// Time of the newest picture as it was given.
    newest: Option<Duration>,
    /// Ticks from the first picture to the newest.
    start: u64,
    /// Ticks between the newest two that there was no pause between.
    interval: Option<u32>,
}

impl PictureClock {
    /// Goes on to the next picture, and returns how many ticks it comes after the one before it, if
    /// there is one.
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

    /// Ticks between the newest two pictures that there was no pause between, or what stands for it.
    pub(crate) fn interval(&self) -> u32 {
        self.interval.unwrap_or(UNKNOWN_TICKS)
    }

    /// Where a time stands, in nanoseconds from the first picture; `None` as long as there is none.
    pub(crate) fn place(&self, time: Duration) -> Option<Place> {
        let picture = i128::from(self.start) * 1_000_000_000 / i128::from(PICTURE_TICKS);
        Some(Place {
            time: picture + nanos(time) - nanos(self.newest?),
            picture,
        })
    }
}

/// A time of sound, in nanoseconds from the first picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    time: i128,
    /// That of the newest picture.
    picture: i128,
}

/// The clock of the sound. Its frames follow each other without a gap as long as the time given agrees
/// within [`AUDIO_TOLERANCE`]. Where that is further ahead, there is a gap; where it is behind by more
/// than that, and by more than a frame, there is no place for the frame.
#[derive(Debug)]
pub(crate) struct AudioClock {
    /// Ticks a second.
    timescale: u32,
    /// Where the newest frame ends, in ticks from the first picture.
    end: Option<u64>,
}

impl AudioClock {
    pub(crate) const fn new(timescale: u32) -> Self {
        Self {
            timescale,
            end: None,
        }
    }

    /// Where a frame begins, in ticks; never before the end of the one before it, which is
    /// [`end`](Self::end) as long as this has not been called.
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
            // What was heard before the first picture is left out.
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

    /// Nanoseconds as ticks of this clock, rounded to the nearest.
    fn to_ticks(&self, nanos: i128) -> i128 {
        let ticks = nanos * i128::from(self.timescale);
        (ticks + 500_000_000).div_euclid(1_000_000_000)
    }
}

/// Rounded to the nearest tick of pictures; a pause of more than 13 hours counts as that.
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
    fn a_clock_that_is_set_goes_on() {
        let mut clock = PictureClock::default();
        let mut advance = |ms| clock.advance(Duration::from_millis(ms));
        assert_eq!(advance(1_000_000), None);
        assert_eq!(advance(1_000_040), Some(3_600));
        // Back by far, and standing still.
        assert_eq!(advance(500), Some(3_600));
        assert_eq!(advance(500), Some(3_600));
        assert_eq!(advance(560), Some(5_400));
        assert_eq!(advance(10_560), Some(900_000));
        assert_eq!(advance(0), Some(5_400));
        assert_eq!((clock.start(), clock.interval()), (921_600, 5_400));
    }
}
