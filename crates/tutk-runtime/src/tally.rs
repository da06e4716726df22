//! Sums for people: what a line of statistics shows every few seconds.

use std::time::Duration;

use tutk_session::Stats;

/// The sums of what a session counted, or of all sessions of a [`Reconnecting`](crate::Reconnecting) one.
///
/// The rate of something is the difference of two of these, [`since`](Self::since), by the time between.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Whole frames, video and audio.
    pub frames: u64,
    /// Bytes of these frames.
    pub bytes: u64,
    /// Frames that the network lost, whole or in part.
    pub lost: u64,
    /// Slices that came because they were asked for again, in resend mode.
    pub resent: u64,
    /// Slices that were made again from parity, in resend mode.
    pub recovered: u64,
    /// Frames dropped because nobody took them: see [`EVENT_QUEUE`](crate::EVENT_QUEUE).
    pub overrun: u64,
    /// Datagrams that the kernel dropped: see [`SocketStats::kernel_drops`](crate::SocketStats::kernel_drops).
    pub kernel_drops: Option<u64>,
    /// Delta frames dropped because no key frame had come before them. Only
    /// [`Reconnecting`](crate::Reconnecting) drops such.
    pub headless: u64,
    /// How often a session was there again after it had fallen.
    pub reconnects: u64,
    /// Round trip, smoothed; `None` before the first, and while
    /// there is no session.
    pub round_trip: Option<Duration>,
}

impl Tally {
    pub(crate) fn new(stats: &Stats, overrun: u64, kernel_drops: Option<u64>) -> Self {
        let media = &stats.media;
        Self {
            frames: media.frames,
            bytes: media.bytes,
            lost: media.incomplete.saturating_add(media.missing),
            resent: media.resent,
            recovered: media.recovered,
            overrun,
            kernel_drops,
            headless: 0,
            reconnects: 0,
            round_trip: stats.round_trip,
        }
    }

    /// What was counted since `earlier`. The round trip stays the newest.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        self.with(earlier, u64::saturating_sub)
    }

    /// Both together, with the round trip of `newer`.
    pub(crate) fn and(&self, newer: &Self) -> Self {
        newer.with(self, u64::saturating_add)
    }

    fn with(&self, other: &Self, each: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            frames: each(self.frames, other.frames),
            bytes: each(self.bytes, other.bytes),
            lost: each(self.lost, other.lost),
            resent: each(self.resent, other.resent),
            recovered: each(self.recovered, other.recovered),
            overrun: each(self.overrun, other.overrun),
            // Where there is no session, nothing was counted: `None` is a 0 beside a number.
            kernel_drops: self.kernel_drops.or(other.kernel_drops).map(|_| {
                let [own, other] = [self, other].map(|tally| tally.kernel_drops.unwrap_or(0));
                each(own, other)
            }),
            headless: each(self.headless, other.headless),
            reconnects: each(self.reconnects, other.reconnects),
            round_trip: self.round_trip,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_sessions_and_what_came_between() {
        let tally = |frames, kernel_drops, millis: Option<u64>| Tally {
            frames,
            kernel_drops,
            round_trip: millis.map(Duration::from_millis),
            ..Tally::default()
        };
        // The sessions before, the one of now, and the time without one.
        let past = tally(100, Some(3), Some(7));
        let both = past.and(&tally(20, Some(1), Some(9)));
        assert_eq!(both, tally(120, Some(4), Some(9)));
        assert_eq!(past.and(&Tally::default()), tally(100, Some(3), None));
        assert_eq!(Tally::default().and(&past), past);

        assert_eq!(both.since(&past), tally(20, Some(1), Some(9)));
        assert_eq!(past.since(&Tally::default()), past);
        assert_eq!(
            tally(5, None, None).since(&Tally::default()).kernel_drops,
            None
        );
    }
}
