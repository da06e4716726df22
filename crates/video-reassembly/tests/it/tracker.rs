//! Which slices are requested, when, and how often.

use std::collections::{BTreeMap, BTreeSet};

use std::time::Duration;

use proptest::prelude::*;
use video_reassembly::TrackerConfig;

use crate::micros::Tracker;

const RTT: u64 = 10_000;

const CONFIG: TrackerConfig = TrackerConfig {
    window: 100,
    max_missing: 100,
    give_up_after: Duration::from_micros(10_000_000),
    reorder_slices: 2,
    reorder_time: Duration::from_micros(20_000),
    max_requests: 3,
    min_interval: Duration::ZERO,
};

fn tracker(config: TrackerConfig, counters: impl IntoIterator<Item = u16>) -> Tracker {
    let mut tracker = Tracker::new(config);
    for counter in counters {
        tracker.received(counter, 0);
    }
    tracker
}

/// The slices requested at `now`.
fn request(tracker: &mut Tracker, now: u64) -> Vec<u16> {
    let request = tracker.request(now, RTT);
    request.map_or(Vec::new(), |request| request.missing.to_vec())
}

/// The requests at each deadline until `end`. With `traffic`, a packet arrives each millisecond.
fn request_until(tracker: &mut Tracker, end: u64, traffic: bool) -> Vec<(u64, Vec<u16>)> {
    let mut requests = Vec::new();
    let mut now = 0;
    while let Some(at) = tracker.deadline(RTT).filter(|at| *at <= end) {
        assert!(at >= now, "{at} after {now}");
        while traffic && now < at {
            now += 1_000;
            tracker.received(tracker.newest().unwrap(), now);
            if now < at {
                assert_eq!(request(tracker, now), [0; 0], "at {now}");
            }
        }
        now = at;
        requests.push((now, request(tracker, now)));
    }
    requests
}

#[test]
fn expected_slices_before_the_first_received_one_are_missing() {
    let mut tracker = Tracker::new(CONFIG);
    tracker.expect_first(0);
    assert_eq!((tracker.base(), tracker.newest()), (Some(0), Some(65_535)));
    assert_eq!(tracker.request(1 << 40, RTT), None);
    tracker.received(3, 0);
    tracker.expect_first(9); // no effect
    assert_eq!(request(&mut tracker, 0), [0, 1]);
    assert_eq!(tracker.base(), Some(0));
}

#[test]
fn requests_a_slice_after_each_round_trip_until_it_is_given_up() {
    let mut tracker = tracker(CONFIG, [0, 5]);
    assert_eq!(
        request_until(&mut tracker, u64::MAX, true),
        [
            (0, vec![1, 2, 3]),
            (10_000, vec![1, 2, 3]),
            // 4 may have been reordered until now. The second timeout starts the back-off.
            (20_000, vec![1, 2, 3, 4]),
            (40_000, vec![4]), // the others are given up
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
    tracker.received(2, 160_000);
    assert_eq!(tracker.stats().filled, 0);
}

#[test]
fn requests_during_an_outage_do_not_count() {
    let mut tracker = tracker(CONFIG, [0, 3, 4]);
    let requests = request_until(&mut tracker, 1_000_000, false);
    let times: Vec<u64> = requests.iter().map(|(at, _)| *at).collect();
    assert_eq!(times[..6], [0, 10_000, 30_000, 70_000, 150_000, 230_000]);
    assert!(requests.iter().all(|(_, missing)| *missing == [1, 2]));
    assert_eq!(tracker.stats().abandoned, 0);
    // The first packet after the outage resets the back-off.
    let end = times[times.len() - 1] + 15_000;
    assert_eq!(request(&mut tracker, end), [0; 0]);
    tracker.received(5, end);
    assert_eq!(request(&mut tracker, end), [1, 2]);
    // No round-trip sample after several requests.
    assert_eq!(tracker.received(1, end + 9_000), None);
    assert_eq!(tracker.base(), Some(2));
}

#[test]
fn requests_again_when_the_end_of_an_outage_is_noticed_late() {
    let mut tracker = tracker(CONFIG, [0, 3, 4]);
    let requests = request_until(&mut tracker, 100_000, false);
    let end = requests[requests.len() - 1].0 + 15_000;
    assert!(tracker.deadline(RTT) > Some(end));
    tracker.received(5, end);
    assert!(tracker.deadline(RTT) <= Some(end));
    assert_eq!(request(&mut tracker, end + 1), [1, 2]);
}

#[test]
fn limits_requests_during_an_endless_outage() {
    let mut tracker = tracker(CONFIG, [0, 2]);
    let requests = request_until(&mut tracker, u64::MAX, false);
    assert_eq!((requests.len(), tracker.stats().requested), (33, 32));
    assert_eq!((tracker.base(), tracker.stats().abandoned), (Some(3), 1));
}

#[test]
fn requests_the_end_of_a_frame_after_which_nothing_arrives() {
    let mut tracker = tracker(CONFIG, [10]);
    tracker.expect_through(13, 0);
    assert_eq!(tracker.deadline(RTT), Some(20_000));
    tracker.received(11, 5_000);
    tracker.expect_through(13, 5_000);
    assert_eq!(tracker.deadline(RTT), Some(25_000));
    assert_eq!(request(&mut tracker, 24_999), [0; 0]);
    assert_eq!((tracker.newest(), tracker.base()), (Some(11), Some(12)));
    assert_eq!(request(&mut tracker, 25_000), [12, 13]);
    assert_eq!((tracker.newest(), tracker.stats().missing), (Some(13), 2));
    assert_eq!(tracker.received(12, 26_000), Some(1_000));
    assert_eq!(tracker.received(13, 36_000), Some(11_000));
    assert_eq!((tracker.base(), tracker.deadline(RTT)), (Some(14), None));
    for last in [13, 9, 5_000] {
        tracker.expect_through(last, 36_000); // received, or out of range
    }
    assert_eq!(tracker.deadline(RTT), None);
}

#[test]
fn does_not_request_the_end_of_a_frame_that_arrives() {
    let mut tracker = tracker(CONFIG, [10]);
    tracker.expect_through(12, 0);
    tracker.received(12, 3_000);
    assert_eq!(tracker.deadline(RTT), Some(23_000));
    tracker.received(11, 4_000);
    assert_eq!(tracker.deadline(RTT), None);
    assert_eq!(tracker.stats().missing, 1);
}

#[test]
fn limits_outstanding_requests_to_the_congestion_window() {
    let config = TrackerConfig {
        window: 1000,
        max_missing: 400,
        ..CONFIG
    };
    let mut tracker = tracker(config, [0, 501]);
    assert_eq!(
        (tracker.base(), tracker.stats().abandoned),
        (Some(101), 100)
    );
    // The oldest half and the newest half.
    let first = request(&mut tracker, 0);
    let expected = (101..133).chain(468..500);
    assert!(first.iter().copied().eq(expected), "{first:?}");
    assert_eq!(request(&mut tracker, 5_000), [0; 0]);
    assert_eq!(tracker.deadline(RTT), Some(10_000));
    // Slow start: each answer makes room for two requests.
    for counter in 101..117 {
        tracker.received(counter, 6_000);
    }
    let next = request(&mut tracker, 6_000);
    let expected = (133..149).chain(452..468);
    assert!(next.iter().copied().eq(expected), "{next:?}");
    // A timeout reduces the window. Slices not requested yet come first.
    let again = request(&mut tracker, 11_000);
    assert!(again.len() < 32 && again.iter().all(|counter| (149..452).contains(counter)));
}

#[test]
fn keeps_the_minimum_interval_between_requests() {
    let config = TrackerConfig {
        reorder_slices: 0,
        min_interval: Duration::from_micros(5_000),
        ..CONFIG
    };
    let mut tracker = tracker(config, [0]);
    let mut requests = Vec::new();
    // Every other slice is lost.
    for (now, counter) in (1_000..).step_by(1_000).zip((2..60).step_by(2)) {
        tracker.received(counter, now);
        let due = tracker.deadline(RTT).unwrap() <= now;
        let missing = request(&mut tracker, now);
        assert_eq!(due, !missing.is_empty());
        if !missing.is_empty() {
            requests.push(now);
        }
    }
    assert_eq!(requests, [1_000, 6_000, 11_000, 16_000, 21_000, 26_000]);
}

#[test]
fn gives_up_slices_that_leave_the_window() {
    let mut tracker = tracker(CONFIG, [0]);
    for counter in (2..10_000).step_by(2) {
        tracker.received(counter, 0);
        let newest = tracker.newest().unwrap();
        assert!(newest - tracker.base().unwrap() <= 100);
    }
    // The last missing slice may be reordered.
    let missing = request(&mut tracker, 0);
    assert_eq!((missing.len(), missing[0], missing[48]), (49, 9_899, 9_995));
    let stats = tracker.stats();
    assert_eq!((stats.missing, stats.abandoned), (4999, 4999 - 50));
}

#[test]
fn limits_the_missing_slices() {
    let config = TrackerConfig {
        window: 1000,
        max_missing: 10,
        ..CONFIG
    };
    // The oldest of a gap, and the oldest of several gaps.
    let mut tracker = tracker(config, [0, 21]);
    assert_eq!(tracker.base(), Some(11));
    for counter in [23, 25, 27] {
        tracker.received(counter, 0);
    }
    assert_eq!(tracker.base(), Some(14));
    let stats = tracker.stats();
    assert_eq!(
        (stats.missing, stats.abandoned, stats.over_limit),
        (23, 13, 13)
    );
}

#[test]
fn gives_up_slices_after_a_time() {
    let config = TrackerConfig {
        max_requests: 30,
        give_up_after: Duration::from_micros(200_000),
        ..CONFIG
    };
    let mut tracker = tracker(config, [0, 5]);
    let traffic = |tracker: &mut Tracker, times: std::ops::Range<u64>| {
        for now in times.step_by(1_000) {
            tracker.received(5, now);
            let _ = tracker.request(now, RTT);
        }
    };
    traffic(&mut tracker, 0..150_000);
    assert_eq!(tracker.base(), Some(1));
    // The time of an outage does not count.
    traffic(&mut tracker, 400_000..449_000);
    assert_eq!((tracker.base(), tracker.stats().expired), (Some(1), 0));
    traffic(&mut tracker, 449_000..452_000);
    assert_eq!(tracker.base(), Some(6));
    let stats = tracker.stats();
    assert_eq!((stats.abandoned, stats.expired), (4, 4));
}

#[test]
fn slices_given_up_make_room_for_requests() {
    let config = TrackerConfig {
        window: 1000,
        max_missing: 400,
        give_up_after: Duration::from_micros(5_000),
        ..CONFIG
    };
    let mut tracker = tracker(config, [0, 301]);
    assert_eq!(request(&mut tracker, 0).len(), 64);
    tracker.received(305, 6_000);
    assert!(tracker.deadline(RTT) <= Some(6_000));
    assert_eq!(request(&mut tracker, 6_000), [302, 303]);
    assert_eq!(tracker.stats().expired, 300);
}

#[test]
fn acknowledges_without_a_missing_slice() {
    let mut tracker = Tracker::new(TrackerConfig {
        min_interval: Duration::from_micros(5_000),
        ..CONFIG
    });
    assert_eq!(tracker.acknowledge(0, RTT), None);
    tracker.received(7, 0);
    let ack = tracker.acknowledge(0, RTT).unwrap();
    assert_eq!((ack.base, ack.newest, ack.missing), (8, 7, &[][..]));
    tracker.received(11, 0);
    let ack = tracker.acknowledge(0, RTT).unwrap();
    assert_eq!((ack.base, ack.newest, ack.missing), (8, 11, &[8, 9][..]));
    // The slices are not listed again before they can arrive.
    for now in [1_000, 6_000] {
        let ack = tracker.acknowledge(now, RTT).unwrap();
        assert_eq!((ack.base, ack.missing), (8, &[][..]), "at {now}");
    }
    let ack = tracker.acknowledge(10_000, RTT).unwrap();
    assert_eq!(ack.missing, [8, 9]);
    assert_eq!(tracker.stats().requested, 4);
}

#[test]
fn follows_a_jump_when_a_second_counter_confirms_it() {
    let mut tracker = tracker(CONFIG, [0, 1, 40_000, 2, 40_001, 3, 5]);
    assert_eq!((tracker.base(), tracker.newest()), (Some(4), Some(5)));
    tracker.received(900, 0);
    assert_eq!(tracker.newest(), Some(5));
    tracker.received(903, 0);
    // A jump ahead is an outage. The last slices lost in it are requested.
    assert_eq!((tracker.base(), tracker.newest()), (Some(803), Some(903)));
    let missing = request(&mut tracker, 0);
    assert_eq!((missing.len(), missing[0], missing[63]), (64, 803, 901));
    assert!(!missing.contains(&900));
    // A jump back is a new sequence.
    tracker.received(20, 0);
    tracker.received(21, 0);
    assert_eq!((tracker.base(), tracker.newest()), (Some(22), Some(21)));
    let stats = tracker.stats();
    assert_eq!((stats.out_of_range, stats.jumps), (4, 2));
    assert_eq!(stats.abandoned, stats.missing);
}

#[test]
fn accepts_any_config() {
    for (window, reorder_slices, max_requests) in
        [(0, 0, 0), (u16::MAX, u16::MAX, u8::MAX), (1, 0, 1)]
    {
        let mut tracker = Tracker::new(TrackerConfig {
            window,
            max_missing: window,
            give_up_after: Duration::from_micros(max_requests.into()),
            reorder_slices,
            max_requests,
            reorder_time: Duration::MAX,
            min_interval: Duration::MAX,
        });
        for counter in (0..u16::MAX).step_by(7) {
            tracker.received(counter, u64::MAX);
            let _ = tracker.request(u64::MAX, u64::MAX);
            let _ = tracker.deadline(u64::MAX);
        }
        let stats = tracker.stats();
        assert!(stats.missing <= stats.abandoned + 0x4000);
    }
}

/// The missing slices, by unwrapped counter.
#[derive(Default)]
struct Model {
    newest: i64,
    missing: BTreeMap<i64, Missing>,
}

#[derive(Clone, Copy)]
struct Missing {
    since: u64,
    requests: u64,
    requested_at: u64,
}

impl Model {
    fn received(&mut self, counter: i64, now: u64) {
        self.missing.remove(&counter);
        let missing = Missing {
            since: now,
            requests: 0,
            requested_at: 0,
        };
        let passed = self.newest + 1..counter;
        self.missing
            .extend(passed.map(|counter| (counter, missing)));
        self.newest = self.newest.max(counter);
        let oldest = self.newest - i64::from(CONFIG.window);
        self.missing.retain(|counter, _| *counter >= oldest);
    }

    /// The slices that are due for their first request.
    fn due(&self, now: u64) -> BTreeSet<i64> {
        let is_due = |(counter, missing): &(&i64, &Missing)| {
            let may_be_late = self.newest - **counter < CONFIG.reorder_slices.into();
            let is_old = now >= missing.since + 20_000;
            missing.requests == 0 && (!may_be_late || is_old)
        };
        let due = self.missing.iter().filter(is_due);
        due.map(|(counter, _)| *counter).collect()
    }

    /// Checks a request.
    fn requested(&mut self, list: &[i64], now: u64) {
        // The back-off is at most 8 round trips.
        let pending = self.missing.values();
        let pending = pending.filter(|m| m.requests > 0 && now < m.requested_at + 8 * RTT);
        let due = self.due(now);
        if pending.count() + due.len() <= 32 {
            assert!(
                due.iter().all(|counter| list.contains(counter)),
                "{due:?} in {list:?}"
            );
        }
        for counter in list {
            let missing = self.missing.get_mut(counter).unwrap();
            let again = missing.requests > 0 && now >= missing.requested_at + RTT;
            assert!(due.contains(counter) || again, "{counter} too early");
            missing.requests += 1;
            missing.requested_at = now;
            assert!(missing.requests <= 32);
        }
    }

    /// Checks that the slices before `base` were received, or requested often enough.
    fn acknowledged(&mut self, base: i64) {
        let kept = self.missing.split_off(&base);
        for (counter, missing) in std::mem::replace(&mut self.missing, kept) {
            let requests = missing.requests;
            assert!(
                requests >= CONFIG.max_requests.into(),
                "{counter} after {requests}"
            );
        }
        assert!(base == self.newest + 1 || self.missing.contains_key(&base));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn requests_all_missing_slices_in_time_and_no_others(
        start in any::<u16>(),
        steps in proptest::collection::vec((0..6_i64, -40..3_i64, 0..3_u8, 0..9_000_u64), 0..200),
    ) {
        let wire = |counter: i64| {
            start.wrapping_add(u16::try_from(counter.rem_euclid(0x1_0000)).unwrap())
        };
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
            let unwrap = |counter: u16| {
                model.newest - i64::from(wire(model.newest).wrapping_sub(counter).cast_signed())
            };
            if what < 2 {
                let list: Vec<i64> =
                    request(&mut tracker, now).into_iter().map(unwrap).collect();
                prop_assert!(list.is_sorted());
                let base = unwrap(tracker.base().unwrap());
                model.requested(&list, now);
                model.acknowledged(base);
            }
            prop_assert_eq!(tracker.newest(), Some(wire(model.newest)));
            let stats = tracker.stats();
            let open = stats.missing - stats.filled - stats.abandoned;
            prop_assert!(open <= model.missing.len() as u64);
            prop_assert_eq!(tracker.deadline(RTT).is_none(), open == 0);
        }
    }

    /// Slices up to three places late are not requested.
    #[test]
    fn requests_lost_slices_and_not_reordered_ones(
        start in any::<u16>(),
        fates in proptest::collection::vec(
            prop_oneof![9 => (0..4_usize).prop_map(Some), 1 => Just(None)], 1..300),
    ) {
        // Others may be as much early, so a gap can look six places old.
        let config = TrackerConfig {
            reorder_slices: 7,
            reorder_time: Duration::MAX,
            window: 1024,
            ..CONFIG
        };
        let mut tracker = tracker(config, [start]);
        let counter = |at: usize| start.wrapping_add(u16::try_from(at + 1).unwrap());
        let mut arrivals: Vec<(usize, usize)> =
            fates.iter().enumerate().filter_map(|(at, late)| Some((at + (*late)?, at))).collect();
        arrivals.sort_unstable();
        let mut requested = BTreeSet::new();
        for (_, at) in &arrivals {
            tracker.received(counter(*at), 0);
            requested.extend(request(&mut tracker, 0));
        }
        let newest = arrivals.iter().map(|(_, at)| *at).max().unwrap_or(0);
        let lost: BTreeSet<u16> = (0..newest)
            .filter(|at| fates[*at].is_none() && newest - at >= 7)
            .map(counter)
            .collect();
        prop_assert_eq!(requested, lost);
    }
}
