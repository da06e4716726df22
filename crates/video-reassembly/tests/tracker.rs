//! Which slices are asked for, when, and how often.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use video_reassembly::{ResendTracker, TrackerConfig};

const ROUND_TRIP: u64 = 10_000;

/// A gap of one place is late, not lost; nothing else holds a request back.
const CONFIG: TrackerConfig = TrackerConfig {
    window: 100,
    max_gap: 100,
    reorder_slices: 2,
    reorder_micros: 20_000,
    max_requests: 3,
    min_interval_micros: 0,
};

fn tracker(config: TrackerConfig, counters: impl IntoIterator<Item = u16>) -> ResendTracker {
    let mut tracker = ResendTracker::new(config);
    for counter in counters {
        tracker.received(counter, 0);
    }
    tracker
}

fn ask(tracker: &mut ResendTracker, now: u64) -> Vec<u16> {
    tracker
        .request(now, ROUND_TRIP)
        .map_or(Vec::new(), |request| request.missing.to_vec())
}

#[test]
fn nothing_is_missing_before_the_first_and_between_neighbours() {
    let mut tracker = ResendTracker::new(CONFIG);
    assert_eq!((tracker.base(), tracker.newest()), (None, None));
    assert_eq!(tracker.request(0, ROUND_TRIP), None);
    for counter in 700..800 {
        tracker.received(counter, 0);
        assert_eq!(tracker.request(1 << 40, ROUND_TRIP), None);
        assert_eq!(tracker.base(), Some(counter + 1));
        assert_eq!(tracker.newest(), Some(counter));
        assert_eq!(tracker.deadline(ROUND_TRIP), None);
    }
}

#[test]
fn what_was_expected_before_the_first_is_missing() {
    let mut tracker = ResendTracker::new(CONFIG);
    tracker.expect_first(0);
    assert_eq!((tracker.base(), tracker.newest()), (Some(0), Some(65_535)));
    assert_eq!(tracker.request(1 << 40, ROUND_TRIP), None);
    tracker.received(3, 0);
    tracker.expect_first(9); // too late to expect anything
    assert_eq!(ask(&mut tracker, 0), [0, 1]);
    assert_eq!(tracker.base(), Some(0));
}

#[test]
fn a_gap_is_asked_for_once_enough_came_after_it() {
    let mut tracker = tracker(CONFIG, [10, 13]);
    // 12 may be late still; 11 is two places behind.
    assert_eq!(tracker.deadline(ROUND_TRIP), Some(0));
    assert_eq!(ask(&mut tracker, 0), [11]);
    tracker.received(14, 0);
    assert_eq!(ask(&mut tracker, 0), [12]);
    assert_eq!(ask(&mut tracker, 0), [0; 0]);
    assert_eq!(tracker.base(), Some(11));
}

#[test]
fn a_packet_that_is_a_little_late_is_not_asked_for_unless_nothing_more_comes() {
    let mut tracker = tracker(CONFIG, [10, 12, 11, 13, 15, 14, 17]);
    assert_eq!(ask(&mut tracker, 19_999), [0; 0]);
    assert_eq!(tracker.deadline(ROUND_TRIP), Some(20_000));
    assert_eq!(ask(&mut tracker, 20_000), [16]);
    assert_eq!(tracker.stats().filled, 2);
}

/// Asks whenever it is due, for so long; if something `comes`, it does so each millisecond. What was asked for, and when.
fn ask_on(tracker: &mut ResendTracker, end: u64, comes: bool) -> Vec<(u64, Vec<u16>)> {
    let mut asked = Vec::new();
    let mut now = 0;
    while let Some(at) = tracker.deadline(ROUND_TRIP).filter(|at| *at <= end) {
        assert!(at >= now, "{at} after {now}");
        while comes && now < at {
            now += 1_000;
            tracker.received(tracker.newest().unwrap(), now);
            if now < at {
                assert_eq!(ask(tracker, now), [0; 0], "at {now}");
            }
        }
        now = at;
        asked.push((now, ask(tracker, now)));
    }
    asked
}

#[test]
fn it_is_asked_for_again_after_a_round_trip_and_given_up_in_the_end() {
    let mut tracker = tracker(CONFIG, [0, 5]);
    assert_eq!(
        ask_on(&mut tracker, u64::MAX, true),
        [
            (0, vec![1, 2, 3]),
            (10_000, vec![1, 2, 3]),
            // 4 was not more than late until then; the second answer that is missing makes the wait longer.
            (20_000, vec![1, 2, 3, 4]),
            (40_000, vec![4]), // and the others are given up
            (80_000, vec![4]),
            (160_000, vec![]),
        ]
    );
    assert_eq!(tracker.base(), Some(6));
    let stats = tracker.stats();
    assert_eq!(
        (stats.missing, stats.requested, stats.abandoned),
        (4, 12, 4)
    );
    // What comes then is no news.
    tracker.received(2, 160_000);
    assert_eq!(tracker.stats().filled, 0);
}

#[test]
fn requests_that_meet_an_outage_do_not_count() {
    let mut tracker = tracker(CONFIG, [0, 3, 4]);
    let asked = ask_on(&mut tracker, 1_000_000, false);
    let times: Vec<u64> = asked.iter().map(|(at, _)| *at).collect();
    // Less and less often, as nothing comes at all.
    assert_eq!(times[..6], [0, 10_000, 30_000, 70_000, 150_000, 230_000]);
    assert!(asked.iter().all(|(_, missing)| *missing == [1, 2]));
    assert_eq!(tracker.stats().abandoned, 0);
    // It is over: they are asked for at once, and as often as ever.
    let end = times[times.len() - 1] + 15_000;
    assert_eq!(ask(&mut tracker, end), [0; 0]);
    tracker.received(5, end);
    assert_eq!(ask(&mut tracker, end), [1, 2]);
    assert_eq!(
        tracker.received(1, end + 9_000),
        None,
        "which request was answered is not known"
    );
    assert_eq!(tracker.base(), Some(2));
}

#[test]
fn the_end_of_an_outage_is_a_time_to_ask_though_it_be_a_little_later() {
    let mut tracker = tracker(CONFIG, [0, 3, 4]);
    let asked = ask_on(&mut tracker, 100_000, false);
    let (last, _) = asked[asked.len() - 1];
    let end = last + 15_000;
    assert!(tracker.deadline(ROUND_TRIP) > Some(end));
    tracker.received(5, end);
    assert!(tracker.deadline(ROUND_TRIP) <= Some(end));
    assert_eq!(ask(&mut tracker, end + 1), [1, 2]);
}

#[test]
fn nobody_is_asked_for_ever() {
    let mut tracker = tracker(CONFIG, [0, 2]);
    let asked = ask_on(&mut tracker, u64::MAX, false);
    assert_eq!((asked.len(), tracker.stats().requested), (33, 32));
    assert_eq!((tracker.base(), tracker.stats().abandoned), (Some(3), 1));
}

#[test]
fn the_end_of_a_frame_is_missed_when_nothing_comes_after_it() {
    let mut tracker = tracker(CONFIG, [10]);
    tracker.expect_through(13, 0); // three more slices
    assert_eq!(tracker.deadline(ROUND_TRIP), Some(20_000));
    tracker.received(11, 5_000);
    tracker.expect_through(13, 5_000);
    assert_eq!(tracker.deadline(ROUND_TRIP), Some(25_000));
    assert_eq!(ask(&mut tracker, 24_999), [0; 0]);
    assert_eq!((tracker.newest(), tracker.base()), (Some(11), Some(12)));
    assert_eq!(ask(&mut tracker, 25_000), [12, 13]);
    assert_eq!((tracker.newest(), tracker.stats().missing), (Some(13), 2));
    // They come, the first one a moment later and the last one because it was asked for.
    assert_eq!(tracker.received(12, 26_000), Some(1_000));
    assert_eq!(tracker.received(13, 36_000), Some(11_000));
    assert_eq!(
        (tracker.base(), tracker.deadline(ROUND_TRIP)),
        (Some(14), None)
    );
    tracker.expect_through(13, 36_000); // says nothing new
    tracker.expect_through(9, 36_000);
    tracker.expect_through(5_000, 36_000); // cannot be
    assert_eq!(tracker.deadline(ROUND_TRIP), None);
}

#[test]
fn the_end_of_a_frame_is_not_missed_when_it_comes() {
    let mut tracker = tracker(CONFIG, [10]);
    tracker.expect_through(12, 0);
    tracker.received(12, 3_000);
    // 11 is missing as any other is.
    assert_eq!(tracker.deadline(ROUND_TRIP), Some(23_000));
    tracker.received(11, 4_000);
    assert_eq!(tracker.deadline(ROUND_TRIP), None);
    assert_eq!(tracker.stats().missing, 1);
}

/// At first 64 at a time: half of them the oldest, for which frames wait, and half those that are kept longest.
#[test]
fn no_more_is_asked_for_than_comes() {
    let config = TrackerConfig {
        window: 1000,
        max_gap: 400,
        ..CONFIG
    };
    let mut tracker = tracker(config, [0, 501]);
    assert_eq!(
        (tracker.base(), tracker.stats().abandoned),
        (Some(101), 100)
    );
    let first = ask(&mut tracker, 0);
    assert!(
        first.iter().copied().eq((101..133).chain(468..500)),
        "{first:?}"
    );
    // Nothing came of them yet. Their time is all that is waited for.
    assert_eq!(ask(&mut tracker, 5_000), [0; 0]);
    assert_eq!(tracker.deadline(ROUND_TRIP), Some(10_000));
    // Each that comes makes room for two.
    for counter in 101..117 {
        tracker.received(counter, 6_000);
    }
    let next = ask(&mut tracker, 6_000);
    assert!(
        next.iter().copied().eq((133..149).chain(452..468)),
        "{next:?}"
    );
    // What did not come leaves less room, and others come first.
    let again = ask(&mut tracker, 11_000);
    assert!(again.len() < 32 && again.iter().all(|counter| (149..452).contains(counter)));
}

#[test]
fn what_came_is_not_asked_for_and_moves_the_base() {
    let mut tracker = tracker(CONFIG, [65_533, 65_535, 2]);
    let request = tracker.request(0, ROUND_TRIP).unwrap();
    assert_eq!((request.base, request.missing), (65_534, &[65_534, 0][..]));
    tracker.received(65_534, 5_000);
    assert_eq!(tracker.base(), Some(0));
    tracker.received(65_534, 5_000);
    tracker.received(1, 5_000);
    let request = tracker.request(10_000, ROUND_TRIP).unwrap();
    assert_eq!((request.base, request.missing), (0, &[0][..]));
    tracker.received(0, 12_000);
    assert_eq!(tracker.base(), Some(3));
    assert_eq!(tracker.stats().duplicates, 1);
}

#[test]
fn requests_are_spaced() {
    let config = TrackerConfig {
        reorder_slices: 0,
        min_interval_micros: 5_000,
        ..CONFIG
    };
    let mut tracker = tracker(config, [0]);
    let mut requests = Vec::new();
    // Every other one is lost, one each millisecond.
    for (now, counter) in (1_000..).step_by(1_000).zip((2..60).step_by(2)) {
        tracker.received(counter, now);
        let due = tracker.deadline(ROUND_TRIP).unwrap() <= now;
        let asked = ask(&mut tracker, now);
        assert_eq!(due, !asked.is_empty());
        if !asked.is_empty() {
            requests.push(now);
        }
    }
    assert_eq!(requests, [1_000, 6_000, 11_000, 16_000, 21_000, 26_000]);
}

#[test]
fn no_more_than_the_window_is_missing() {
    let mut tracker = tracker(CONFIG, [0]);
    // Half of all is lost, and nobody asks.
    for counter in (2..10_000).step_by(2) {
        tracker.received(counter, 0);
        let newest = tracker.newest().unwrap();
        assert!(newest - tracker.base().unwrap() <= 100);
    }
    let asked = ask(&mut tracker, 0);
    // All of them are due but for the last one, which may be late.
    assert_eq!((asked.len(), asked[0], asked[48]), (49, 9_899, 9_995));
    let stats = tracker.stats();
    assert_eq!(stats.missing, 4999);
    assert_eq!(stats.abandoned, 4999 - 50);
}

#[test]
fn a_slice_is_asked_for_as_long_as_it_is_in_the_window() {
    for (newest, expected) in [(101, vec![1]), (102, vec![])] {
        let mut tracker = tracker(CONFIG, std::iter::once(0).chain(2..=newest));
        assert_eq!(ask(&mut tracker, 0), expected, "1 of {newest}");
    }
}

#[test]
fn one_counter_far_away_moves_nothing_and_two_are_followed() {
    let mut tracker = tracker(CONFIG, [0, 1, 40_000, 2, 40_001, 3, 5]);
    assert_eq!((tracker.base(), tracker.newest()), (Some(4), Some(5)));
    // An outage of a few seconds: the count has gone on.
    tracker.received(900, 0);
    assert_eq!(tracker.newest(), Some(5));
    tracker.received(903, 0);
    // What was lost in it is missing, as far as it may be kept: here a hundred before.
    assert_eq!((tracker.base(), tracker.newest()), (Some(803), Some(903)));
    let asked = ask(&mut tracker, 0);
    assert_eq!((asked.len(), asked[0], asked[63]), (64, 803, 901));
    assert!(!asked.contains(&900));
    // And back: that is another count.
    tracker.received(20, 0);
    tracker.received(21, 0);
    assert_eq!((tracker.base(), tracker.newest()), (Some(22), Some(21)));
    let stats = tracker.stats();
    assert_eq!((stats.out_of_range, stats.jumps), (4, 2));
    assert_eq!(
        stats.abandoned, stats.missing,
        "with it all that was missing"
    );
}

#[test]
fn any_config_does() {
    for (window, reorder, asks) in [(0, 0, 0), (u16::MAX, u16::MAX, u8::MAX), (1, 0, 1)] {
        let config = TrackerConfig {
            window,
            max_gap: window,
            reorder_slices: reorder,
            max_requests: asks,
            reorder_micros: u64::MAX,
            min_interval_micros: u64::MAX,
        };
        let mut tracker = ResendTracker::new(config);
        for counter in (0..u16::MAX).step_by(7) {
            tracker.received(counter, u64::MAX);
            let _ = tracker.request(u64::MAX, u64::MAX);
            let _ = tracker.deadline(u64::MAX);
        }
        let stats = tracker.stats();
        assert!(stats.missing <= stats.abandoned + 0x4000);
    }
}

/// What is missing, by counter: since when, and how often and when it was asked for.
#[derive(Default)]
struct Model {
    newest: i64,
    missing: BTreeMap<i64, Lost>,
}

#[derive(Clone, Copy)]
struct Lost {
    since: u64,
    asks: u64,
    asked_at: u64,
}

impl Model {
    fn received(&mut self, counter: i64, now: u64) {
        self.missing.remove(&counter);
        let lost = Lost {
            since: now,
            asks: 0,
            asked_at: 0,
        };
        self.missing
            .extend((self.newest + 1..counter).map(|counter| (counter, lost)));
        self.newest = self.newest.max(counter);
        let oldest = self.newest - i64::from(CONFIG.window);
        self.missing.retain(|counter, _| *counter >= oldest);
    }

    /// What was not asked for yet and is more than late.
    fn fresh(&self, now: u64) -> BTreeSet<i64> {
        let is_due = |(counter, lost): &(&i64, &Lost)| {
            let is_late = self.newest - **counter < CONFIG.reorder_slices.into();
            lost.asks == 0 && (!is_late || now >= lost.since + CONFIG.reorder_micros)
        };
        self.missing
            .iter()
            .filter(is_due)
            .map(|(counter, _)| *counter)
            .collect()
    }

    /// Checks what was asked for at `now`.
    fn asked(&mut self, list: &[i64], now: u64) {
        // An answer may be waited for up to eight times as long.
        let under_way = self.missing.values();
        let under_way =
            under_way.filter(|lost| lost.asks > 0 && now < lost.asked_at + 8 * ROUND_TRIP);
        let fresh = self.fresh(now);
        if under_way.count() + fresh.len() <= 32 {
            assert!(
                fresh.iter().all(|counter| list.contains(counter)),
                "{fresh:?} in {list:?}"
            );
        }
        for counter in list {
            let lost = self.missing.get_mut(counter).unwrap(); // only what is missing
            let again = lost.asks > 0 && now >= lost.asked_at + ROUND_TRIP;
            assert!(fresh.contains(counter) || again, "{counter} too early");
            *lost = Lost {
                asks: lost.asks + 1,
                asked_at: now,
                ..*lost
            };
            assert!(lost.asks <= 32);
        }
    }

    /// Checks that what is before `base` came, or was asked for often enough.
    fn skip_to(&mut self, base: i64) {
        let kept = self.missing.split_off(&base);
        for (counter, lost) in std::mem::replace(&mut self.missing, kept) {
            assert!(
                lost.asks >= CONFIG.max_requests.into(),
                "{counter} given up after {}",
                lost.asks
            );
        }
        assert!(base == self.newest + 1 || self.missing.contains_key(&base));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever comes, in whatever order: all that is missing is asked for, in its time, and nothing else; and it is
    /// given up when it was asked for often enough.
    #[test]
    fn what_is_missing_is_asked_for(
        start in any::<u16>(),
        steps in proptest::collection::vec((0..6_i64, -40..3_i64, 0..3_u8, 0..9_000_u64), 0..200),
    ) {
        let wire = |counter: i64| start.wrapping_add(u16::try_from(counter.rem_euclid(0x1_0000)).unwrap());
        let mut tracker = tracker(CONFIG, [start]);
        let mut model = Model::default();
        let (mut now, mut head) = (0, 0);
        for (ahead, behind, what, later) in steps {
            now += later;
            let counter = match what {
                0 => (head + behind).max(0),
                _ => head + ahead,
            };
            head = head.max(counter);
            tracker.received(wire(counter), now);
            model.received(counter, now);
            let number = |counter: u16| {
                model.newest - i64::from(wire(model.newest).wrapping_sub(counter).cast_signed())
            };
            if what < 2 {
                let list: Vec<i64> = ask(&mut tracker, now).into_iter().map(number).collect();
                prop_assert!(list.is_sorted());
                let base = number(tracker.base().unwrap());
                model.asked(&list, now);
                model.skip_to(base);
            }
            prop_assert_eq!(tracker.newest(), Some(wire(model.newest)));
            let stats = tracker.stats();
            let open = stats.missing - stats.filled - stats.abandoned;
            prop_assert!(open <= model.missing.len() as u64);
            prop_assert_eq!(tracker.deadline(ROUND_TRIP).is_none(), open == 0);
        }
    }

    /// Packets that are late by no more than is tolerated cause no request; what is lost is asked for, and
    /// nothing else.
    #[test]
    fn what_is_lost_is_asked_for_and_nothing_else(
        start in any::<u16>(),
        fates in proptest::collection::vec(prop_oneof![9 => (0..4_usize).prop_map(Some), 1 => Just(None)], 1..300),
    ) {
        // Up to 3 places late: others may be as much early, so a gap may look 6 places old.
        let config = TrackerConfig { reorder_slices: 7, reorder_micros: u64::MAX, window: 1024, ..CONFIG };
        let mut tracker = tracker(config, [start]);
        let mut arrivals: Vec<(usize, usize)> =
            fates.iter().enumerate().filter_map(|(at, late)| Some((at + (*late)?, at))).collect();
        arrivals.sort_unstable();
        let mut asked = BTreeSet::new();
        for (_, at) in &arrivals {
            tracker.received(start.wrapping_add(u16::try_from(at + 1).unwrap()), 0);
            asked.extend(ask(&mut tracker, 0));
        }
        let newest = arrivals.iter().map(|(_, at)| *at).max().unwrap_or(0);
        let lost: BTreeSet<u16> = (0..newest)
            .filter(|at| fates[*at].is_none() && newest - at >= 7)
            .map(|at| start.wrapping_add(u16::try_from(at + 1).unwrap()))
            .collect();
        prop_assert_eq!(asked, lost);
    }
}
