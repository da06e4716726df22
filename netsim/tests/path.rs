//! Paths follow their conditions.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "tests fail by panicking; simulated time must start somewhere; counts far below 2^52"
)]

use std::time::{Duration, Instant};

use netsim::path::{Bottleneck, Conditions, Loss, MAX_REORDER_PLACES, Outage, Path};

const MS: fn(u64) -> Duration = Duration::from_millis;
const LATENCY: Duration = Duration::from_millis(10);

/// The interval of packets.
const INTERVAL: Duration = Duration::from_micros(500);
const BYTES: usize = 1000;

/// Sends packets. Returns the number and time of each arrival, in order.
fn arrivals(conditions: Conditions, packets: u64) -> Vec<(u64, Duration)> {
    let start = Instant::now();
    let mut path = Path::new(conditions, start, Duration::ZERO, 7);
    let mut arrived = Vec::new();
    let mut take = |path: &mut Path, now: Instant| {
        while let Some(packet) = path.receive(now) {
            assert_eq!(packet.bytes, [packet.number.to_le_bytes()[0]; BYTES]);
            arrived.push((packet.number, now - start));
        }
    };
    let mut now = start;
    for number in 0..packets {
        while let Some(next) = path.next().filter(|next| *next <= now) {
            take(&mut path, next);
        }
        assert_eq!(path.send(now, &[number.to_le_bytes()[0]; BYTES]), number);
        now += INTERVAL;
    }
    while let Some(next) = path.next() {
        take(&mut path, next);
    }
    arrived
}

fn sent(number: u64) -> Duration {
    INTERVAL * u32::try_from(number).unwrap()
}

fn assert_near(share: f64, goal: f64) {
    assert!(
        (share / goal - 1.0).abs() < 0.1,
        "{share}, not about {goal}"
    );
}

/// Returns the lengths of the runs of lost packets.
fn gaps(arrived: &[(u64, Duration)]) -> Vec<u64> {
    let pairs = arrived.windows(2);
    let gaps = pairs.map(|pair| pair[1].0 - pair[0].0 - 1);
    gaps.filter(|gap| *gap > 0).collect()
}

#[test]
fn clean_paths_have_only_latency() {
    let arrived = arrivals(Conditions::clean(LATENCY), 1000);
    let expected = (0..1000).map(|number| (number, sent(number) + LATENCY));
    assert!(arrived.into_iter().eq(expected));
}

#[test]
fn loss_has_the_configured_share_and_burst_length() {
    let lossy = |loss| {
        let clean = Conditions::clean(LATENCY);
        gaps(&arrivals(Conditions { loss, ..clean }, 200_000))
    };
    let share = |gaps: &[u64]| gaps.iter().sum::<u64>() as f64 / 200_000.0;
    let mean = |gaps: &[u64]| gaps.iter().sum::<u64>() as f64 / gaps.len() as f64;

    let uniform = lossy(Loss::Uniform(0.05));
    assert_near(share(&uniform), 0.05);
    assert_near(mean(&uniform), 1.0 / 0.95);

    let bursts = lossy(Loss::Bursts(0.01, 8.0));
    assert_near(share(&bursts), 0.01);
    assert_near(mean(&bursts), 8.0);
}

#[test]
fn reordered_packets_are_overtaken_by_up_to_8_others() {
    let conditions = Conditions {
        reordered: 0.05,
        ..Conditions::clean(LATENCY)
    };
    let arrived = arrivals(conditions, 100_000);
    assert_eq!(arrived.len(), 100_000);
    let mut newest = 0;
    let mut overtaken = [0_u64; MAX_REORDER_PLACES as usize + 1];
    for (at, (number, _)) in arrived.iter().enumerate() {
        newest = newest.max(*number);
        if *number < newest {
            let by = arrived[..at].iter().rev().take(64);
            let by = by.filter(|(other, _)| other > number).count();
            overtaken[by.min(MAX_REORDER_PLACES.into())] += 1;
            // Packets that are reordered at the same time do not count as places.
            assert!(by <= 3 * usize::from(MAX_REORDER_PLACES));
        }
    }
    assert_near(overtaken.iter().sum::<u64>() as f64 / 100_000.0, 0.05);
    assert!(
        overtaken[1..].iter().all(|count| *count > 300),
        "{overtaken:?}"
    );
}

#[test]
fn duplicates_the_configured_share() {
    let conditions = Conditions {
        duplicated: 0.05,
        ..Conditions::clean(LATENCY)
    };
    let arrived = arrivals(conditions, 100_000);
    assert_near((arrived.len() - 100_000) as f64 / 100_000.0, 0.05);
}

#[test]
fn jitter_preserves_order_and_stays_in_range() {
    let conditions = Conditions {
        jitter: MS(4),
        ..Conditions::clean(LATENCY)
    };
    let arrived = arrivals(conditions, 10_000);
    assert!(arrived.is_sorted_by_key(|(number, _)| *number));
    let took = arrived.iter().map(|(number, at)| *at - sent(*number));
    let (least, most) = (took.clone().min().unwrap(), took.max().unwrap());
    assert!(
        least >= MS(6) && most <= MS(14) && most - least > MS(4),
        "{least:?} {most:?}"
    );
}

#[test]
fn a_bottleneck_limits_rate_and_queue() {
    // Packets are sent at 16 Mbit/s.
    let conditions = Conditions {
        bottleneck: Some(Bottleneck {
            rate: 8_000_000,
            queue: 100_000,
        }),
        ..Conditions::clean(LATENCY)
    };
    let arrived = arrivals(conditions, 10_000);
    let (first, last) = (arrived.first().unwrap(), arrived.last().unwrap());
    let bits = arrived.len() as f64 * BYTES as f64 * 8.0;
    assert_near(bits / (last.1 - first.1).as_secs_f64(), 8e6);
    assert_near(arrived.len() as f64, 5_000.0);
    // A full queue delays packets by 100 ms.
    let took = arrived.iter().map(|(number, at)| *at - sent(*number));
    assert_near(took.max().unwrap().as_secs_f64(), 0.11);
}

#[test]
fn loses_all_packets_in_an_outage() {
    let conditions = Conditions {
        outage: Some(Outage {
            every: MS(400),
            length: MS(100),
        }),
        ..Conditions::clean(LATENCY)
    };
    let arrived = arrivals(conditions, 2_000);
    assert_eq!(gaps(&arrived), [200, 200], "at 400 and 800 ms");
    assert_eq!(arrived.len(), 1_600);
}
