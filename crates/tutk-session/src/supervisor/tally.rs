//! Counters summed over sessions.

use core::time::Duration;

use crate::deviation::Tolerated;
use crate::event::Stats;

/// The sums of the counters of all sessions of a [`Supervisor`](super::Supervisor), for a line of
/// statistics.
///
/// To get a rate, divide the difference of two tallies, [`since`](Self::since), by the time between
/// them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tally {
    /// Complete frames, video and audio.
    pub frames: u64,
    /// Bytes of these frames.
    pub bytes: u64,
    /// Frames that the network lost, whole or in part.
    pub lost: u64,
    /// Slices that were retransmitted, in resend mode.
    pub resent: u64,
    /// Slices that were recovered from parity, in resend mode.
    pub recovered: u64,
    /// Frames dropped because the event queue was full. Counted by the driver.
    pub overrun: u64,
    /// Datagrams that the kernel dropped. Counted by the driver; `None` if it cannot.
    pub kernel_drops: Option<u64>,
    /// Datagrams dropped unread because this machine was too slow. Counted by the driver.
    pub overload_drops: u64,
    /// Delta frames dropped because no key frame of their session, or since the last drop because
    /// of overload, had come before them.
    pub awaiting_key_frame: u64,
    /// Timestamps that were too far from the arrival of their frame, and were corrected.
    pub clock_corrections: u64,
    /// What the client accepted although it is not as in docs/protocol.md.
    pub tolerated: Tolerated,
    /// The number of sessions after the first.
    pub reconnects: u64,
    /// The smoothed round-trip time; `None` before the first sample and without a session.
    pub round_trip: Option<Duration>,
}

impl Tally {
    /// The counters of one session.
    pub(super) fn of_session(stats: &Stats) -> Self {
        let media = &stats.media;
        Self {
            frames: media.frames,
            bytes: media.bytes,
            lost: media.incomplete.saturating_add(media.missing),
            resent: media.resent,
            recovered: media.recovered,
            tolerated: stats.tolerated,
            round_trip: stats.round_trip,
            ..Self::default()
        }
    }

    /// Returns what was counted after `earlier`. The round-trip time is the newest.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        self.with(earlier, u64::saturating_sub)
    }

    /// Returns the sum of both, with the round-trip time of `newer`.
    pub(super) fn plus(&self, newer: &Self) -> Self {
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
            // `None` beside a number counts as 0.
            kernel_drops: self.kernel_drops.or(other.kernel_drops).map(|_| {
                let [own, other] = [self, other].map(|tally| tally.kernel_drops.unwrap_or(0));
                each(own, other)
            }),
            overload_drops: each(self.overload_drops, other.overload_drops),
            awaiting_key_frame: each(self.awaiting_key_frame, other.awaiting_key_frame),
            clock_corrections: each(self.clock_corrections, other.clock_corrections),
            tolerated: self.tolerated.with(&other.tolerated, &each),
            reconnects: each(self.reconnects, other.reconnects),
            round_trip: self.round_trip,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_differences() {
        let tally = |frames, kernel_drops, millis: Option<u64>| Tally {
            frames,
            kernel_drops,
            round_trip: millis.map(Duration::from_millis),
            ..Tally::default()
        };
        let past = tally(100, Some(3), Some(7));
        let both = past.plus(&tally(20, Some(1), Some(9)));
        assert_eq!(both, tally(120, Some(4), Some(9)));
        assert_eq!(past.plus(&Tally::default()), tally(100, Some(3), None));
        assert_eq!(Tally::default().plus(&past), past);

        assert_eq!(both.since(&past), tally(20, Some(1), Some(9)));
        assert_eq!(past.since(&Tally::default()), past);
        let uncounted = tally(5, None, None).since(&Tally::default());
        assert_eq!(uncounted.kernel_drops, None);
    }
}
