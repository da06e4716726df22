//! Which slices are missing, by their counters, and when to ask for them (wire.md section 12).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use tutk_frame::ResendRequest;

use crate::FrameNumber::Short;
use crate::number;

/// How far a counter may be ahead of one that was too far away, and confirm it.
const NEAR: i64 = 64;

/// When a [`ResendTracker`] asks, and how often. Times are in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackerConfig {
    /// How far behind the newest counter a slice may be and still be asked for; from 1 to 16,384. What is
    /// farther behind is given up.
    pub window: u16,
    /// By how many places a slice may be late: it is asked for when so many counters after it are known.
    pub reorder: u16,
    /// Or when it has been missing for so long, however few came after it.
    pub reorder_micros: u64,
    /// How often a slice is asked for. A round trip after the last time it is given up.
    pub asks: u8,
    /// The least time between two requests.
    pub spacing_micros: u64,
}

/// What a [`ResendTracker`] has seen, since it was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrackerStats {
    /// Counters that were passed over by a newer one.
    pub missing: u64,
    /// Of them, those that came after all: late, sent again or recovered.
    pub filled: u64,
    /// Of them, those that are not waited for any more.
    pub given_up: u64,
    /// Requests for a slice. One that is asked for twice counts twice.
    pub asked: u64,
    /// Slices whose counter was known already, or given up.
    pub known: u64,
    /// Counters too far away to believe.
    pub far: u64,
    /// Times that the count jumped, and was followed.
    pub jumps: u64,
}

/// What to ask the camera for, now: for [`ResendRequest::write`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The acknowledged base: nothing before it is wanted any more.
    pub base: u16,
    /// Counters of the missing slices, oldest first.
    pub missing: &'a [u16],
}

/// Finds out which slices are missing, and says when to ask for which.
///
/// It keeps no clock: `now` is microseconds since any moment, always the same one, and never goes back.
/// The contract: tell it the counter of each slice that came, whichever way
/// ([`received`](Self::received)); then, and at [`deadline`](Self::deadline), send what
/// [`request`](Self::request) has.
///
/// A gap is asked for at once when it is more than slices a few places late
/// ([`TrackerConfig::reorder`]), then again after every round trip, [`TrackerConfig::asks`] times in all.
/// Nothing before the first counter that came is missing, unless it was [expected](Self::expect).
///
/// ```
/// use video_reassembly::{ResendTracker, TrackerConfig};
///
/// let config = TrackerConfig { reorder: 2, ..TrackerConfig::default() };
/// let mut tracker = ResendTracker::new(config);
/// let round_trip = 4_000;
/// for counter in [65_534, 65_535, 1] {
///     tracker.received(counter, 0); // 0 is missing, or late
/// }
/// assert_eq!(tracker.request(0, round_trip), None);
/// tracker.received(2, 100);
/// assert_eq!(tracker.request(100, round_trip).unwrap().missing, [0]);
/// assert_eq!(tracker.base(), Some(0));
/// assert_eq!(tracker.received(0, 3_000), Some(2_900)); // sent again
/// assert_eq!(tracker.request(9_000, round_trip), None);
/// assert_eq!(tracker.base(), Some(3));
/// ```
#[derive(Debug)]
pub struct ResendTracker {
    config: TrackerConfig,
    stats: TrackerStats,
    /// The newest counter, unwrapped.
    newest: Option<u64>,
    /// Lowest first, all below the newest, and within the window.
    missing: VecDeque<Missing>,
    /// A counter too far away to believe, until a second one near it comes.
    suspect: Option<u16>,
    /// When the last request was made.
    requested_at: Option<u64>,
    /// What the last request asked for.
    list: Vec<u16>,
}

#[derive(Debug, Clone, Copy)]
struct Missing {
    counter: u64,
    /// When it was found out, or asked for last.
    since: u64,
    asks: u8,
}

impl ResendTracker {
    /// A tracker that has seen nothing.
    #[must_use]
    pub fn new(config: TrackerConfig) -> Self {
        Self {
            config: TrackerConfig {
                window: config.window.clamp(1, 0x4000),
                ..config
            },
            stats: TrackerStats::default(),
            newest: None,
            missing: VecDeque::new(),
            suspect: None,
            requested_at: None,
            list: Vec::new(),
        }
    }

    /// The first slice that is wanted is thought to have that counter, so that those before the first one
    /// that comes are missed as well. Changes nothing once one came.
    ///
    /// A slice's counter less its index is that of its frame's first slice, as far as no slices of other
    /// frames were sent in between.
    pub fn expect(&mut self, counter: u16) {
        if self.newest.is_none() {
            self.newest = Some(number::first(Short(counter)) - 1);
        }
    }

    /// A slice with that counter came: for the first time or again, in its packet or recovered. Returns how
    /// long ago it was asked for, microseconds, if that was just once: where it was sent again, a round trip.
    pub fn received(&mut self, counter: u16, now: u64) -> Option<u64> {
        let Some(newest) = self.newest else {
            self.newest = Some(number::first(Short(counter)));
            return None;
        };
        let unwrapped = number::nearest(newest, Short(counter));
        if unwrapped.abs_diff(newest) > self.config.window.into() {
            self.jump(counter, unwrapped);
            return None;
        }
        self.suspect = None;
        if unwrapped <= newest {
            let found = self.missing.binary_search_by_key(&unwrapped, |m| m.counter);
            let Ok(at) = found else {
                self.stats.known += 1;
                return None;
            };
            self.stats.filled += 1;
            let was = self.missing.remove(at)?;
            return (was.asks == 1).then(|| now.saturating_sub(was.since));
        }
        self.missing
            .extend((newest + 1..unwrapped).map(|counter| Missing {
                counter,
                since: now,
                asks: 0,
            }));
        self.stats.missing += unwrapped - newest - 1;
        self.newest = Some(unwrapped);
        let window = u64::from(self.config.window);
        while self
            .missing
            .front()
            .is_some_and(|oldest| unwrapped - oldest.counter > window)
        {
            self.missing.pop_front();
            self.stats.given_up += 1;
        }
        None
    }

    /// What to ask for now, `None` if nothing. `round_trip` is the time in which a slice that was asked for
    /// can be expected, its variation with it; what did not come in that time is asked for again.
    ///
    /// At most [`ResendRequest::MAX`] slices at a time, and not more often than
    /// [`TrackerConfig::spacing_micros`] lets.
    pub fn request(&mut self, now: u64, round_trip: u64) -> Option<Request<'_>> {
        if self.spaced(0) > now {
            return None;
        }
        self.list.clear();
        let newest = self.newest?;
        let (list, stats, config) = (&mut self.list, &mut self.stats, self.config);
        self.missing.retain_mut(|missing| {
            if missing.due(newest, &config, round_trip) > now {
                return true;
            }
            if missing.asks >= config.asks {
                stats.given_up += 1;
                return false;
            }
            if list.len() < ResendRequest::MAX {
                list.push(number::low_16_bits(missing.counter));
                missing.asks += 1;
                missing.since = now;
            }
            true
        });
        if self.list.is_empty() {
            return None;
        }
        self.stats.asked += u64::try_from(self.list.len()).unwrap_or(u64::MAX);
        self.requested_at = Some(now);
        Some(Request {
            base: self.base()?,
            missing: &self.list,
        })
    }

    /// When [`request`](Self::request) should be called next, with the same round trip: it may be in the
    /// past. `None` while nothing is missing.
    #[must_use]
    pub fn deadline(&self, round_trip: u64) -> Option<u64> {
        let newest = self.newest?;
        let due = self.missing.iter();
        due.map(|missing| missing.due(newest, &self.config, round_trip))
            .min()
            .map(|due| self.spaced(due))
    }

    /// The acknowledged base: every counter before it came or was given up. `None` before any came.
    #[must_use]
    pub fn base(&self) -> Option<u16> {
        let oldest = self.missing.front().map(|missing| missing.counter);
        let base = oldest.or(self.newest.map(|newest| newest + 1))?;
        Some(number::low_16_bits(base))
    }

    /// The newest counter that came.
    #[must_use]
    pub fn newest(&self) -> Option<u16> {
        self.newest.map(number::low_16_bits)
    }

    /// What was seen so far.
    #[must_use]
    pub fn stats(&self) -> TrackerStats {
        self.stats
    }

    /// A counter that is too far away: it is followed if it goes on from the last such one.
    fn jump(&mut self, counter: u16, unwrapped: u64) {
        let is_confirmed = self.suspect.is_some_and(|suspect| {
            (1..=NEAR).contains(&number::distance(suspect.into(), Short(counter)))
        });
        if !is_confirmed {
            self.stats.far += 1;
            self.suspect = Some(counter);
            return;
        }
        self.stats.jumps += 1;
        self.stats.given_up += u64::try_from(self.missing.len()).unwrap_or(u64::MAX);
        self.missing.clear();
        self.suspect = None;
        self.newest = Some(unwrapped);
    }

    /// That moment, or the first one at which there may be another request.
    fn spaced(&self, moment: u64) -> u64 {
        let next = self.requested_at.map_or(0, |requested| {
            requested.saturating_add(self.config.spacing_micros)
        });
        moment.max(next)
    }
}

impl Missing {
    /// When it is to be asked for, or to be given up.
    fn due(&self, newest: u64, config: &TrackerConfig, round_trip: u64) -> u64 {
        let wait = match self.asks {
            0 if newest - self.counter >= config.reorder.into() => 0,
            0 => config.reorder_micros,
            _ => round_trip,
        };
        self.since.saturating_add(wait)
    }
}

impl Default for TrackerConfig {
    /// 1024 counters, slices up to 8 places or 20 ms late, 4 requests for a slice, 5 ms between two.
    fn default() -> Self {
        Self {
            window: 1024,
            reorder: 8,
            reorder_micros: 20_000,
            asks: 4,
            spacing_micros: 5_000,
        }
    }
}
