//! Detection of missing slices by their counters, and the schedule of retransmission requests
//! (docs/protocol.md, section 17).

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use tutk_frame::MediaAck;
use tutk_time::Instant;

use crate::FrameNumber::Short;
use crate::congestion::CongestionControl;
use crate::sequence;
use crate::tracker_config::{TrackerConfig, TrackerStats};

/// How far a second counter may be ahead of a counter out of range, and confirm a jump.
const MAX_MISORDER: i64 = 64;

/// The limit of requests for a slice, including those that met an outage.
const MAX_REQUESTS: u8 = 32;

/// The time without any slice that counts as an outage. It does not count for
/// [`TrackerConfig::give_up_after`].
const OUTAGE: Duration = Duration::from_millis(100);

/// How far a jump may go ahead and count as an outage. Beyond it, or backwards, it is a new
/// sequence.
const MAX_OUTAGE: u64 = 0x4000;

/// An acknowledgement with a list of missing slices, for [`MediaAck`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The acknowledged base. Slices before it are not needed.
    pub base: u16,
    /// The newest counter that was received, or expected and is missing.
    pub newest: u16,
    /// The counters of the missing slices, oldest first.
    pub missing: &'a [u16],
}

/// Detects missing slices and decides when to request which.
///
/// The tracker has no clock. `now` never decreases. Pass each slice's counter to
/// [`received`](Self::received). Then, and at each [`deadline`](Self::deadline), send what
/// [`request`](Self::request) returns.
///
/// A gap is requested once it is wider than the expected reordering
/// ([`TrackerConfig::reorder_slices`]), and again after each round trip, up to
/// [`TrackerConfig::max_requests`] times. This includes the end of a frame if it is passed to
/// [`expect_through`](Self::expect_through). If answers are late, the tracker backs off to up to 8
/// round trips, and has no more than 32 to 128 requested slices outstanding. Slices before the
/// first received counter are not missing unless [`expect_first`](Self::expect_first) is called.
///
/// ```
/// use core::time::Duration;
/// use video_reassembly::{Instant, ResendTracker, TrackerConfig};
///
/// let config = TrackerConfig { reorder_slices: 2, ..TrackerConfig::default() };
/// let mut tracker = ResendTracker::new(config);
/// let rtt = Duration::from_millis(4);
/// let at = Instant::from_micros;
/// for counter in [65_534, 65_535, 1] {
///     tracker.received(at(0), counter); // 0 is missing, or late
/// }
/// assert_eq!(tracker.request(at(0), rtt), None);
/// tracker.received(at(100), 2);
/// assert_eq!(tracker.request(at(100), rtt).unwrap().missing, [0]);
/// assert_eq!(tracker.base(), Some(0));
/// assert_eq!(tracker.received(at(3_000), 0), Some(Duration::from_micros(2_900))); // retransmitted
/// assert_eq!(tracker.request(at(9_000), rtt), None);
/// assert_eq!(tracker.base(), Some(3));
/// ```
#[derive(Debug)]
pub struct ResendTracker {
    config: TrackerConfig,
    stats: TrackerStats,
    /// The newest counter, unwrapped.
    newest: Option<u64>,
    /// Missing slices in the window, oldest first, all before `newest`.
    missing: VecDeque<Missing>,
    /// The last expected counter if it is after `newest`, and since when it is expected.
    tail: Option<(u64, Instant)>,
    /// A counter out of range. A second counter close to it confirms a jump.
    jump_candidate: Option<u16>,
    congestion: CongestionControl,
    /// The times of the last two distinct arrivals, newest first.
    arrivals: [Instant; 2],
    requested_at: Option<Instant>,
    /// The counters of the last request.
    request: Vec<u16>,
}

#[derive(Debug, Clone, Copy)]
struct Missing {
    counter: u64,
    /// When it was detected. Moved by the length of each outage.
    detected: Instant,
    /// When it was detected or last requested.
    since: Instant,
    requests: u8,
    /// Requests that met an outage.
    in_outage: u8,
    /// `true` while an answer to the last request can arrive.
    is_pending: bool,
}

/// The times that determine if a request has timed out.
#[derive(Debug, Clone, Copy)]
struct Timing {
    arrivals: [Instant; 2],
    rtt: Duration,
    timeout: Duration,
}

impl ResendTracker {
    /// Creates a tracker without a counter.
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
            jump_candidate: None,
            congestion: CongestionControl::new(),
            arrivals: [Instant::ZERO; 2],
            requested_at: None,
            request: Vec::new(),
        }
    }

    /// Sets the counter of the first slice, so that slices before the first received one are
    /// missing. Has no effect once a slice was received.
    ///
    /// A slice's counter minus its index is the counter of its frame's first slice, unless slices
    /// of another frame were sent in between.
    pub fn expect_first(&mut self, counter: u16) {
        if self.newest.is_none() {
            self.newest = Some(sequence::first(Short(counter)) - 1);
        }
    }

    /// Handles a slice: sent, retransmitted or recovered.
    ///
    /// If the slice was requested exactly once, returns the time since then. For a
    /// retransmission, this is a sample of the round-trip time.
    pub fn received(&mut self, now: Instant, counter: u16) -> Option<Duration> {
        self.slice_arrived(now);
        let Some(newest) = self.newest else {
            self.newest = Some(sequence::first(Short(counter)));
            return None;
        };
        let unwrapped = sequence::nearest(newest, Short(counter));
        if unwrapped.abs_diff(newest) > self.config.window.into() {
            self.jump(counter, unwrapped, now);
            return None;
        }
        self.jump_candidate = None;
        if unwrapped <= newest {
            let found = self.missing.binary_search_by_key(&unwrapped, |m| m.counter);
            let Ok(at) = found else {
                self.stats.duplicates += 1;
                return None;
            };
            self.stats.filled += 1;
            let filled = self.missing.remove(at)?;
            if filled.requests > 0 {
                self.congestion.on_answer(filled.requests);
            }
            return (filled.requests == 1).then(|| now - filled.since);
        }
        self.mark_missing(newest + 1..unwrapped, now);
        self.advance_to(unwrapped);
        None
    }

    /// Expects the slices up to the counter `last`, such as the other slices of a received slice's
    /// frame.
    ///
    /// If no newer slice is expected or received for [`TrackerConfig::reorder_time`], those not
    /// received are missing, even though nothing arrived after them. Call this after
    /// [`received`](Self::received). A `last` that is not newer than the received slices has no
    /// effect.
    pub fn expect_through(&mut self, now: Instant, last: u16) {
        let Some(newest) = self.newest else { return };
        let ahead = sequence::distance(sequence::low_bits(newest), Short(last));
        if (1..=self.config.window.into()).contains(&ahead) {
            self.tail = Some((newest.saturating_add_signed(ahead), now));
        }
    }

    /// Returns the request to send now, if any.
    ///
    /// `rtt` is the time in which a retransmission can be expected: the round-trip time with its
    /// variation. A slice that does not arrive in that time is requested again. A request contains
    /// at most [`MediaAck::MAX`] slices. Requests are at least
    /// [`TrackerConfig::min_interval`] apart.
    pub fn request(&mut self, now: Instant, rtt: Duration) -> Option<Request<'_>> {
        if self.after_interval(Instant::ZERO) > now {
            return None;
        }
        self.update_request(now, rtt);
        if self.request.is_empty() {
            return None;
        }
        self.view_request()
    }

    /// Returns an acknowledgement to send now, which lists the slices that
    /// [`request`](Self::request) would return, or none. Returns `None` before the first slice.
    pub fn acknowledge(&mut self, now: Instant, rtt: Duration) -> Option<Request<'_>> {
        match self.after_interval(Instant::ZERO) > now {
            true => self.request.clear(),
            false => self.update_request(now, rtt),
        }
        self.view_request()
    }

    /// Returns when to call [`request`](Self::request) next with the same `rtt`, possibly in the
    /// past. `None` if no slice is missing or expected.
    #[must_use]
    pub fn deadline(&self, rtt: Duration) -> Option<Instant> {
        let newest = self.newest?;
        let timing = self.timing(rtt);
        // With a full window, only pending requests can make progress.
        let is_full = self.pending() >= self.congestion.window();
        let due = self.missing.iter().filter_map(|missing| {
            // A slice to give up makes room for others.
            if missing.is_expired(&self.config, timing) {
                return Some(Instant::ZERO);
            }
            (!is_full || missing.is_pending).then(|| missing.due(newest, &self.config, timing))
        });
        due.chain(self.tail.map(|(_, since)| self.tail_due(since)))
            .min()
            .map(|due| self.after_interval(due))
    }

    /// Returns the acknowledged base: all slices before it were received or given up. `None` before
    /// the first slice.
    #[must_use]
    pub fn base(&self) -> Option<u16> {
        let oldest = self.missing.front().map(|missing| missing.counter);
        let base = oldest.or(self.newest.map(|newest| newest + 1))?;
        Some(sequence::low_16_bits(base))
    }

    /// Returns the newest counter that was received, or expected and is missing.
    #[must_use]
    pub fn newest(&self) -> Option<u16> {
        self.newest.map(sequence::low_16_bits)
    }

    /// Returns the memory in bytes that the lists of missing slices occupy.
    #[must_use]
    pub fn memory_usage(&self) -> usize {
        self.missing.capacity() * size_of::<Missing>() + self.request.capacity() * size_of::<u16>()
    }

    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> TrackerStats {
        self.stats
    }

    /// Gives up the slices that are not requested any longer, and selects those to request now.
    fn update_request(&mut self, now: Instant, rtt: Duration) {
        self.request.clear();
        if let Some((last, since)) = self.tail
            && let Some(newest) = self.newest
            && self.tail_due(since) <= now
        {
            self.mark_missing(newest + 1..last + 1, since);
            self.advance_to(last);
        }
        let Some(newest) = self.newest else { return };
        self.handle_timeouts(newest, now, self.timing(rtt));
        self.fill_request(newest, now, self.timing(rtt));
        if !self.request.is_empty() {
            self.stats.requested += u64::try_from(self.request.len()).unwrap_or(u64::MAX);
            self.requested_at = Some(now);
        }
    }

    fn view_request(&mut self) -> Option<Request<'_>> {
        let (base, newest) = (self.base()?, self.newest()?);
        let missing = &mut self.request;
        missing.sort_unstable_by_key(|counter| counter.wrapping_sub(base));
        Some(Request {
            base,
            newest,
            missing,
        })
    }

    fn slice_arrived(&mut self, now: Instant) {
        let [last, _] = self.arrivals;
        if now == last {
            return;
        }
        self.arrivals = [now, last];
        let silence = now - last;
        if silence >= OUTAGE {
            for missing in &mut self.missing {
                missing.detected += silence;
            }
        }
    }

    /// Ends the pending requests that have timed out, and gives up slices requested often enough.
    fn handle_timeouts(&mut self, newest: u64, now: Instant, timing: Timing) {
        let config = self.config;
        let (mut late, mut outage, mut has_ended) = (false, false, false);
        self.missing.retain_mut(|missing| {
            if missing.is_expired(&config, timing) {
                self.stats.expired += 1;
                self.stats.abandoned += 1;
                return false;
            }
            if missing.is_pending && missing.due(newest, &config, timing) <= now {
                let met_outage = missing.met_outage(timing);
                let in_outage = met_outage || missing.since >= timing.arrivals[0];
                missing.is_pending = false;
                missing.in_outage += u8::from(in_outage);
                late |= !in_outage;
                outage |= in_outage;
                has_ended |= met_outage;
            }
            let is_exhausted = !missing.is_pending && missing.is_exhausted(config.max_requests);
            self.stats.abandoned += u64::from(is_exhausted);
            !is_exhausted
        });
        if late {
            self.congestion.on_timeout(now, timing.timeout);
        }
        if outage {
            self.congestion.on_outage(has_ended);
        }
    }

    /// Fills the request with the slices that are due, as far as the congestion window allows.
    ///
    /// Slices that were not requested yet come first, because the camera may not have the others.
    /// If the window is too small for all, half are the oldest, which block frames, and half the
    /// newest, which the camera keeps longest.
    fn fill_request(&mut self, newest: u64, now: Instant, timing: Timing) {
        let config = self.config;
        let limit = self.congestion.window().saturating_sub(self.pending());
        let limit = limit.min(MediaAck::MAX);
        for (is_first, is_oldest) in [(true, true), (true, false), (false, true), (false, false)] {
            let left = limit.saturating_sub(self.request.len());
            let is_due = |missing: &&mut Missing| {
                !missing.is_pending
                    && (missing.requests == 0) == is_first
                    && missing.due(newest, &config, timing) <= now
            };
            let mut add = |missing: &mut Missing| {
                self.request.push(sequence::low_16_bits(missing.counter));
                missing.since = now;
                missing.requests = missing.requests.saturating_add(1);
                missing.is_pending = true;
            };
            let missing = self.missing.iter_mut();
            if is_oldest {
                let oldest = missing.filter(is_due).take(left.div_ceil(2));
                oldest.for_each(&mut add);
            } else {
                missing.rev().filter(is_due).take(left).for_each(&mut add);
            }
        }
    }

    fn timing(&self, rtt: Duration) -> Timing {
        Timing {
            arrivals: self.arrivals,
            rtt,
            timeout: self.congestion.timeout(rtt),
        }
    }

    /// Returns the number of requested slices that are outstanding.
    fn pending(&self) -> usize {
        let pending = self.missing.iter().filter(|missing| missing.is_pending);
        pending.count()
    }

    fn mark_missing(&mut self, counters: Range<u64>, since: Instant) {
        let max_missing = u64::from(self.config.max_missing);
        let first = counters.end.saturating_sub(max_missing).max(counters.start);
        self.stats.missing += counters.end.saturating_sub(counters.start);
        let mut over_limit = first - counters.start;
        self.missing
            .extend((first..counters.end).map(|counter| Missing {
                counter,
                detected: since,
                since,
                requests: 0,
                in_outage: 0,
                is_pending: false,
            }));
        while self.missing.len() > self.config.max_missing.into() {
            self.missing.pop_front();
            over_limit += 1;
        }
        self.stats.over_limit += over_limit;
        self.stats.abandoned += over_limit;
    }

    /// Sets the newest counter, and gives up the slices that leave the window.
    fn advance_to(&mut self, newest: u64) {
        self.newest = Some(newest);
        self.tail = self.tail.filter(|(last, _)| *last > newest);
        let window = u64::from(self.config.window);
        let is_outside = |oldest: &Missing| newest - oldest.counter > window;
        while self.missing.front().is_some_and(is_outside) {
            self.missing.pop_front();
            self.stats.abandoned += 1;
        }
    }

    /// Handles a counter out of range. Follows the jump if the counter confirms the last candidate.
    /// After an outage, requests the last slices lost in it.
    fn jump(&mut self, counter: u16, unwrapped: u64, now: Instant) {
        let confirmed = self.jump_candidate.filter(|candidate| {
            let ahead = sequence::distance((*candidate).into(), Short(counter));
            (1..=MAX_MISORDER).contains(&ahead)
        });
        let Some(candidate) = confirmed else {
            self.stats.out_of_range += 1;
            self.jump_candidate = Some(counter);
            return;
        };
        self.stats.jumps += 1;
        self.stats.abandoned += u64::try_from(self.missing.len()).unwrap_or(u64::MAX);
        self.missing.clear();
        self.jump_candidate = None;
        self.tail = None;
        let newest = self.newest.unwrap_or(unwrapped);
        if (newest..newest + MAX_OUTAGE).contains(&unwrapped) {
            let candidate = sequence::nearest(unwrapped, Short(candidate));
            self.mark_missing(newest + 1..candidate, now);
            self.mark_missing(candidate + 1..unwrapped, now);
        }
        self.advance_to(unwrapped);
    }

    /// Returns when expected slices are missing.
    fn tail_due(&self, since: Instant) -> Instant {
        since + self.config.reorder_time
    }

    /// Returns `moment`, or when the interval since the last request ends if that is later.
    fn after_interval(&self, moment: Instant) -> Instant {
        let next = (self.requested_at).map(|requested| requested + self.config.min_interval);
        next.map_or(moment, |next| moment.max(next))
    }
}

impl Missing {
    /// Returns `true` if no further request is allowed.
    fn is_exhausted(&self, max_requests: u8) -> bool {
        self.requests - self.in_outage >= max_requests
            || self.requests >= max_requests.max(MAX_REQUESTS)
    }

    /// Returns `true` if the slice is missing for too long, by the last arrival, because nothing
    /// can arrive during an outage.
    fn is_expired(&self, config: &TrackerConfig, timing: Timing) -> bool {
        let [last, _] = timing.arrivals;
        last - self.detected >= config.give_up_after
    }

    /// Returns `true` if no slice arrived after the request for at least a round trip, and one did
    /// after that: the request met an outage that has ended.
    fn met_outage(&self, timing: Timing) -> bool {
        let [last, before] = timing.arrivals;
        let expected = self.since + timing.rtt;
        self.is_pending && self.since >= before && expected <= last
    }

    /// Returns when to request the slice or to give it up.
    fn due(&self, newest: u64, config: &TrackerConfig, timing: Timing) -> Instant {
        let wait = match self.requests {
            0 if newest - self.counter >= config.reorder_slices.into() => Duration::ZERO,
            0 => config.reorder_time,
            _ if !self.is_pending => Duration::ZERO,
            _ if self.met_outage(timing) => timing.rtt,
            _ => timing.timeout,
        };
        self.since + wait
    }
}
