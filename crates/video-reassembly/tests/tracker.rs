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
    reorder: 2,
    reorder_micros: 20_000,
    asks: 3,
    spacing_micros: 0,
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
    tracker.expect(0);
    assert_eq!((tracker.base(), tracker.newest()), (Some(0), Some(65_535)));
    assert_eq!(tracker.request(1 << 40, ROUND_TRIP), None);
    tracker.received(3, 0);
    tracker.expect(9); // too late to expect anything
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

#[test]
fn it_is_asked_for_again_after_a_round_trip_and_given_up_in_the_end() {
    let mut tracker = tracker(CONFIG, [0, 5]);
    let mut asked = Vec::new();
    let mut now = 0;
    while let Some(at) = tracker.deadline(ROUND_TRIP) {
        assert!(at >= now && at <= 100_000, "{at} after {now}");
        now = at;
        asked.push((now, ask(&mut tracker, now)));
    }
    assert_eq!(
        asked,
        [
            (0, vec![1, 2, 3]),
            (10_000, vec![1, 2, 3]),
            (20_000, vec![1, 2, 3, 4]), // 4 was not more than late until then
            (30_000, vec![4]),          // and the others are given up
            (40_000, vec![4]),
            (50_000, vec![]),
        ]
    );
    assert_eq!(tracker.base(), Some(6));
    let stats = tracker.stats();
    assert_eq!((stats.missing, stats.asked, stats.given_up), (4, 12, 4));
    // What comes then is no news.
    tracker.received(2, now);
    assert_eq!((tracker.stats().filled, tracker.stats().known), (0, 1));
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
    assert_eq!(tracker.stats().known, 1);
}

#[test]
fn requests_are_spaced() {
    let config = TrackerConfig {
        reorder: 0,
        spacing_micros: 5_000,
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
fn a_request_lists_so_many_and_the_next_one_the_others() {
    let config = TrackerConfig {
        window: 1000,
        ..CONFIG
    };
    let mut tracker = tracker(config, [0, 600]);
    let (first, second, third) = (
        ask(&mut tracker, 0),
        ask(&mut tracker, 0),
        ask(&mut tracker, 0),
    );
    let all = [&first[..], &second, &third].concat();
    assert_eq!((first.len(), second.len(), third.len()), (256, 256, 86));
    assert!(all.iter().copied().eq(1..599));
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
    assert_eq!(ask(&mut tracker, 0).len(), 49); // of the last hundred, but for the one that may be late
    let stats = tracker.stats();
    assert_eq!(stats.missing, 4999);
    assert_eq!(stats.given_up, 4999 - 50);
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
    assert_eq!((tracker.base(), tracker.newest()), (Some(904), Some(903)));
    tracker.received(906, 0);
    assert_eq!(
        ask(&mut tracker, 0),
        [904],
        "and what is missing there is found"
    );
    // And back.
    tracker.received(20, 0);
    tracker.received(21, 0);
    assert_eq!((tracker.base(), tracker.newest()), (Some(22), Some(21)));
    let stats = tracker.stats();
    assert_eq!((stats.far, stats.jumps, stats.given_up), (4, 2, 3));
}

#[test]
fn any_config_does() {
    for (window, reorder, asks) in [(0, 0, 0), (u16::MAX, u16::MAX, u8::MAX), (1, 0, 1)] {
        let config = TrackerConfig {
            window,
            reorder,
            asks,
            reorder_micros: u64::MAX,
            spacing_micros: u64::MAX,
        };
        let mut tracker = ResendTracker::new(config);
        for counter in (0..u16::MAX).step_by(7) {
            tracker.received(counter, u64::MAX);
            let _ = tracker.request(u64::MAX, u64::MAX);
            let _ = tracker.deadline(u64::MAX);
        }
        let stats = tracker.stats();
        assert!(stats.missing <= stats.given_up + 0x4000);
    }
}

/// The same rules as a list of what is missing, without any memory of how it was found.
#[derive(Default)]
struct Model {
    newest: i64,
    /// By counter: since when, and how often it was asked for.
    missing: BTreeMap<i64, (u64, u8)>,
}

impl Model {
    fn received(&mut self, counter: i64, now: u64) {
        self.missing.remove(&counter);
        for lost in self.newest + 1..counter {
            self.missing.insert(lost, (now, 0));
        }
        self.newest = self.newest.max(counter);
        let oldest = self.newest - i64::from(CONFIG.window);
        self.missing.retain(|counter, _| *counter >= oldest);
    }

    fn request(&mut self, now: u64) -> Vec<i64> {
        let newest = self.newest;
        let is_due = |counter: i64, since: u64, asks: u8| match asks {
            0 => newest - counter >= CONFIG.reorder.into() || now >= since + CONFIG.reorder_micros,
            _ => now >= since + ROUND_TRIP,
        };
        self.missing.retain(|counter, (since, asks)| {
            *asks < CONFIG.asks || !is_due(*counter, *since, *asks)
        });
        let mut list = Vec::new();
        for (counter, (since, asks)) in &mut self.missing {
            if is_due(*counter, *since, *asks) {
                (*since, *asks) = (now, *asks + 1);
                list.push(*counter);
            }
        }
        list
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever comes, in whatever order, the tracker asks for what the model asks for.
    #[test]
    fn the_model_asks_for_the_same(
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
            if what < 2 {
                let expected: Vec<u16> = model.request(now).into_iter().map(wire).collect();
                prop_assert_eq!(ask(&mut tracker, now), expected);
            }
            let base = model.missing.keys().next().copied().unwrap_or(model.newest + 1);
            prop_assert_eq!(tracker.base(), Some(wire(base)));
            prop_assert_eq!(tracker.newest(), Some(wire(model.newest)));
            prop_assert_eq!(tracker.deadline(ROUND_TRIP).is_none(), model.missing.is_empty());
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
        let config = TrackerConfig { reorder: 7, reorder_micros: u64::MAX, window: 1024, ..CONFIG };
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
