//! Which slices are missing, by their counters, and when to ask for them (wire.md section 12).

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;

use tutk_frame::ResendRequest;

use crate::FrameNumber::Short;
use crate::congestion::CongestionControl;
use crate::sequence;

/// How far a counter may be ahead of one that was too far away, and confirm it.
const NEAR: i64 = 64;

/// How often a slice is asked for at most, with requests that do not count.
const MOST_ASKS: u8 = 32;

/// How far ahead of the newest a counter may be for the slices before it to be lost. Farther, or behind, it is
/// another count.
const MAX_OUTAGE: u64 = 0x4000;

/// When a [`ResendTracker`] asks, and how often. Times are in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrackerConfig {
    /// How far behind the newest counter a slice may be and still be asked for; from 1 to 16,384. What is
    /// farther behind is given up.
    pub window: u16,
    /// How many of the slices that are missing at once are asked for, the newest: as many as a camera may be thought
    /// to keep. To ask for others first would be in vain, and take the time in which these can be had.
    pub max_gap: u16,
    /// By how many places a slice may be late: it is asked for when so many counters after it are known.
    pub reorder_slices: u16,
    /// Or when it has been missing for so long, however few came after it.
    pub reorder_micros: u64,
    /// How often a slice is asked for. When it has not come after the last time, it is given up. Requests that nothing at
    /// all came after do not count, up to 32 in all: they, or what they asked for, have likely met an outage.
    pub max_requests: u8,
    /// The least time between two requests.
    pub min_interval_micros: u64,
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
    pub abandoned: u64,
    /// Requests for a slice. One that is asked for twice counts twice.
    pub requested: u64,
    /// Slices whose counter was known already, or given up.
    pub duplicates: u64,
    /// Counters too far away to believe.
    pub out_of_range: u64,
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
/// ([`TrackerConfig::reorder_slices`]), then again after every round trip, [`TrackerConfig::max_requests`] times in all. So is the end
/// of a frame after which nothing comes, if it is [metadata](Self::expect_through). While answers do not come in time it
/// asks less often, up to 8 round trips apart, and for less: for 32 to 128 slices at a time that have not come yet.
/// Nothing before the first counter that came is missing, unless it was [expected](Self::expect_first).
///
/// ```
/// use video_reassembly::{ResendTracker, TrackerConfig};
///
/// let config = TrackerConfig { reorder_slices: 2, ..TrackerConfig::default() };
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
    /// Lowest first, none above the newest, and within the window.
    missing: VecDeque<Missing>,
    /// The last counter that is known to be under way, if it is newer than the newest, and since when.
    tail: Option<(u64, u64)>,
    /// A counter too far away to believe, until a second one near it comes.
    suspect: Option<u16>,
    pace: CongestionControl,
    /// When anything came last, and before that.
    heard: [u64; 2],
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
    /// The requests among them that nothing at all came after in time.
    in_silence: u8,
    /// Whether it was asked for, and may still come for that.
    is_asked: bool,
}

/// When answers may be thought of as late.
#[derive(Debug, Clone, Copy)]
struct Answers {
    /// When anything came last, and before that.
    heard: [u64; 2],
    /// In which one can be expected.
    round_trip: u64,
    /// For how long one is waited for.
    wait: u64,
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
            tail: None,
            suspect: None,
            pace: CongestionControl::new(),
            heard: [0; 2],
            requested_at: None,
            list: Vec::new(),
        }
    }

    /// The first slice that is wanted is thought to have that counter, so that those before the first one
    /// that comes are missed as well. Changes nothing once one came.
    ///
    /// A slice's counter less its index is that of its frame's first slice, as far as no slices of other
    /// frames were sent in between.
    pub fn expect_first(&mut self, counter: u16) {
        if self.newest.is_none() {
            self.newest = Some(sequence::first(Short(counter)) - 1);
        }
    }

    /// A slice with that counter came: for the first time or again, in its packet or recovered. Returns how
    /// long ago it was asked for, microseconds, if that was just once: where it was sent again, a round trip.
    pub fn received(&mut self, counter: u16, now: u64) -> Option<u64> {
        let [heard, _] = self.heard;
        if now != heard {
            self.heard = [now, heard];
        }
        let Some(newest) = self.newest else {
            self.newest = Some(sequence::first(Short(counter)));
            return None;
        };
        let unwrapped = sequence::nearest(newest, Short(counter));
        if unwrapped.abs_diff(newest) > self.config.window.into() {
            self.jump(counter, unwrapped, now);
            return None;
        }
        self.suspect = None;
        if unwrapped <= newest {
            let found = self.missing.binary_search_by_key(&unwrapped, |m| m.counter);
            let Ok(at) = found else {
                self.stats.duplicates += 1;
                return None;
            };
            self.stats.filled += 1;
            let was = self.missing.remove(at)?;
            if was.asks > 0 {
                self.pace.answered(was.asks);
            }
            return (was.asks == 1).then(|| now.saturating_sub(was.since));
        }
        self.pass_over(newest + 1..unwrapped, now);
        self.move_to(unwrapped);
        None
    }

    /// Slices up to `last` are on their way: as a slice of a frame says how many more its frame has. If nothing
    /// newer is metadata or comes for [`TrackerConfig::reorder_micros`], those that did not come are missing, though
    /// nothing came after them.
    ///
    /// To be told after [`received`](Self::received); it makes no difference if `last` is not newer than what came.
    pub fn expect_through(&mut self, last: u16, now: u64) {
        let Some(newest) = self.newest else { return };
        let ahead = sequence::distance(sequence::low_bits(newest), Short(last));
        if (1..=self.config.window.into()).contains(&ahead) {
            self.tail = Some((newest.saturating_add_signed(ahead), now));
        }
    }

    /// What to ask for now, `None` if nothing. `round_trip` is the time in which a slice that was asked for
    /// can be expected, its variation with it; what did not come in that time is asked for again.
    ///
    /// At most [`ResendRequest::MAX`] slices at a time, and not more often than
    /// [`TrackerConfig::min_interval_micros`] lets.
    pub fn request(&mut self, now: u64, round_trip: u64) -> Option<Request<'_>> {
        if self.spaced(0) > now {
            return None;
        }
        self.list.clear();
        if let Some((last, since)) = self.tail
            && self.tail_due(since) <= now
        {
            self.pass_over(self.newest? + 1..last + 1, since);
            self.move_to(last);
        }
        self.time_out(now, round_trip)?;
        self.ask(now, round_trip)?;
        if self.list.is_empty() {
            return None;
        }
        self.stats.requested += u64::try_from(self.list.len()).unwrap_or(u64::MAX);
        self.requested_at = Some(now);
        let base = self.base()?;
        let missing = &mut self.list;
        missing.sort_unstable_by_key(|counter| counter.wrapping_sub(base));
        Some(Request { base, missing })
    }

    /// When [`request`](Self::request) should be called next, with the same round trip: it may be in the
    /// past. `None` while nothing is missing and nothing more is metadata.
    #[must_use]
    pub fn deadline(&self, round_trip: u64) -> Option<u64> {
        let newest = self.newest?;
        let answers = self.answers(round_trip);
        // While there is no room for others, only those count that were asked for.
        let is_full = self.asked() >= self.pace.room();
        let due = (self.missing.iter()).filter(|missing| !is_full || missing.is_asked);
        due.map(|missing| missing.due(newest, &self.config, answers))
            .chain(self.tail.map(|(_, since)| self.tail_due(since)))
            .min()
            .map(|due| self.spaced(due))
    }

    /// The acknowledged base: every counter before it came or was given up. `None` before any came.
    #[must_use]
    pub fn base(&self) -> Option<u16> {
        let oldest = self.missing.front().map(|missing| missing.counter);
        let base = oldest.or(self.newest.map(|newest| newest + 1))?;
        Some(sequence::low_16_bits(base))
    }

    /// The newest counter that came, or was metadata and is missing.
    #[must_use]
    pub fn newest(&self) -> Option<u16> {
        self.newest.map(sequence::low_16_bits)
    }

    /// Bytes of memory that the lists of missing slices take now.
    #[must_use]
    pub fn memory_usage(&self) -> usize {
        self.missing.capacity() * size_of::<Missing>() + self.list.capacity() * size_of::<u16>()
    }

    /// What was seen so far.
    #[must_use]
    pub fn stats(&self) -> TrackerStats {
        self.stats
    }

    /// Finds out which slices did not come in time that were asked for, and gives up those that were often enough.
    fn time_out(&mut self, now: u64, round_trip: u64) -> Option<()> {
        let (newest, config, answers) = (self.newest?, self.config, self.answers(round_trip));
        let (mut late, mut silent, mut has_ended) = (false, false, false);
        self.missing.retain_mut(|missing| {
            if missing.is_asked && missing.due(newest, &config, answers) <= now {
                let met_outage = missing.met_outage(answers);
                let in_silence = met_outage || missing.since >= answers.heard[0];
                missing.is_asked = false;
                missing.in_silence += u8::from(in_silence);
                late |= !in_silence;
                silent |= in_silence;
                has_ended |= met_outage;
            }
            let is_given_up = !missing.is_asked && missing.is_asked_enough(config.max_requests);
            self.stats.abandoned += u64::from(is_given_up);
            !is_given_up
        });
        if late {
            self.pace.timed_out(now, answers.wait);
        }
        if silent {
            self.pace.silent(has_ended);
        }
        Some(())
    }

    /// Lists what is to be asked for.
    ///
    /// Slices that were not asked for before come first: others may be some that the camera does not keep. If there is
    /// not room for all, half are the oldest, for which frames wait, and half the newest, which are kept for longest.
    fn ask(&mut self, now: u64, round_trip: u64) -> Option<()> {
        let (newest, config, answers) = (self.newest?, self.config, self.answers(round_trip));
        let room = self.pace.room().saturating_sub(self.asked());
        let room = room.min(ResendRequest::MAX);
        for (is_first, is_oldest) in [(true, true), (true, false), (false, true), (false, false)] {
            let left = room.saturating_sub(self.list.len());
            let is_wanted = |missing: &&mut Missing| {
                !missing.is_asked
                    && (missing.asks == 0) == is_first
                    && missing.due(newest, &config, answers) <= now
            };
            let mut ask = |missing: &mut Missing| {
                self.list.push(sequence::low_16_bits(missing.counter));
                missing.since = now;
                missing.asks = missing.asks.saturating_add(1);
                missing.is_asked = true;
            };
            let due = self.missing.iter_mut();
            match is_oldest {
                true => due
                    .filter(is_wanted)
                    .take(left.div_ceil(2))
                    .for_each(&mut ask),
                false => due.rev().filter(is_wanted).take(left).for_each(&mut ask),
            }
        }
        Some(())
    }

    /// What there is to know of answers, of which one takes so long.
    fn answers(&self, round_trip: u64) -> Answers {
        Answers {
            heard: self.heard,
            round_trip,
            wait: self.pace.wait(round_trip),
        }
    }

    /// Slices that were asked for and may still come for that.
    fn asked(&self) -> usize {
        let asked = self.missing.iter().filter(|missing| missing.is_asked);
        asked.count()
    }

    /// Those counters are missing since then.
    fn pass_over(&mut self, counters: Range<u64>, since: u64) {
        let outage = u64::from(self.config.max_gap);
        let first = counters.end.saturating_sub(outage).max(counters.start);
        self.stats.missing += counters.end.saturating_sub(counters.start);
        self.stats.abandoned += first - counters.start;
        self.missing
            .extend((first..counters.end).map(|counter| Missing {
                counter,
                since,
                asks: 0,
                in_silence: 0,
                is_asked: false,
            }));
    }

    /// That counter is the newest.
    fn move_to(&mut self, newest: u64) {
        self.newest = Some(newest);
        self.tail = self.tail.filter(|(last, _)| *last > newest);
        let window = u64::from(self.config.window);
        while self
            .missing
            .front()
            .is_some_and(|oldest| newest - oldest.counter > window)
        {
            self.missing.pop_front();
            self.stats.abandoned += 1;
        }
    }

    /// A counter that is too far away: it is followed if it goes on from the last such one. If it is ahead, there
    /// was an max_gap: the last slices that were lost in it may still be had.
    fn jump(&mut self, counter: u16, unwrapped: u64, now: u64) {
        let confirmed = self.suspect.filter(|suspect| {
            (1..=NEAR).contains(&sequence::distance((*suspect).into(), Short(counter)))
        });
        let Some(suspect) = confirmed else {
            self.stats.out_of_range += 1;
            self.suspect = Some(counter);
            return;
        };
        self.stats.jumps += 1;
        self.stats.abandoned += u64::try_from(self.missing.len()).unwrap_or(u64::MAX);
        self.missing.clear();
        self.suspect = None;
        self.tail = None;
        let newest = self.newest.unwrap_or(unwrapped);
        if (newest..newest + MAX_OUTAGE).contains(&unwrapped) {
            let suspect = sequence::nearest(unwrapped, Short(suspect));
            self.pass_over(newest + 1..suspect, now);
            self.pass_over(suspect + 1..unwrapped, now);
        }
        self.move_to(unwrapped);
    }

    /// When slices that were metadata then are missing.
    fn tail_due(&self, since: u64) -> u64 {
        since.saturating_add(self.config.reorder_micros)
    }

    /// That moment, or the first one at which there may be another request.
    fn spaced(&self, moment: u64) -> u64 {
        let next = self.requested_at.map_or(0, |requested| {
            requested.saturating_add(self.config.min_interval_micros)
        });
        moment.max(next)
    }
}

impl Missing {
    /// Whether it was asked for in vain for so many times that count.
    fn is_asked_enough(&self, asks: u8) -> bool {
        self.asks - self.in_silence >= asks || self.asks >= asks.max(MOST_ASKS)
    }

    /// Whether it was asked for in a silence that has ended since then, a round trip later or more: there was an outage,
    /// and the request has met it.
    fn met_outage(&self, answers: Answers) -> bool {
        let [heard, before] = answers.heard;
        let in_time = self.since.saturating_add(answers.round_trip);
        self.is_asked && self.since >= before && in_time <= heard
    }

    /// When it is to be asked for, or to be given up.
    fn due(&self, newest: u64, config: &TrackerConfig, answers: Answers) -> u64 {
        let wait = match self.asks {
            0 if newest - self.counter >= config.reorder_slices.into() => 0,
            0 => config.reorder_micros,
            _ if !self.is_asked => 0,
            _ if self.met_outage(answers) => answers.round_trip,
            _ => answers.wait,
        };
        self.since.saturating_add(wait)
    }
}

impl Default for TrackerConfig {
    /// 1024 counters, 512 after an outage, slices up to 8 places or 20 ms late, 6 requests for a slice, 5 ms between two.
    fn default() -> Self {
        Self {
            window: 1024,
            max_gap: 512,
            reorder_slices: 8,
            reorder_micros: 20_000,
            max_requests: 6,
            min_interval_micros: 5_000,
        }
    }
}
