//! Asking who is there.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use testkit::session::scripted::{hide, iotc, reveal};
use testkit::session::{UID, camera_address, client_address, clip, credentials};
use tutk_session::AuthKey;
use tutk_session::tutk_frame::{DiscoveryAnswer, SessionId};
use tutk_session::{Dialect, Discoverer, Epoch, Found, Output, Target, Uid};
use tutk_simulator::{Simulator, SimulatorConfig};

const MS: fn(u64) -> Duration = Duration::from_millis;

fn discoverer(uid: Uid, auth_key: Option<AuthKey>, now: Instant) -> Discoverer {
    let target = Target {
        address: camera_address(),
        uid,
        auth_key,
    };
    Discoverer::new(vec![target], &mut StdRng::seed_from_u64(1), now)
}

#[allow(
    clippy::disallowed_methods,
    reason = "simulated time must begin somewhere"
)]
fn start() -> Instant {
    Instant::now()
}

fn camera(now: Instant, dialects: &[&'static Dialect]) -> Simulator {
    let mut config = SimulatorConfig::new(credentials(), clip(1, 1, 1));
    config.dialects = dialects.to_vec();
    let epoch = Epoch {
        instant: now,
        unix: Duration::ZERO,
    };
    let rng = Box::new(StdRng::seed_from_u64(2));
    Simulator::new(config, camera_address(), rng, epoch).unwrap()
}

type Drained = (Vec<(SocketAddr, Vec<u8>)>, Vec<Found>, Instant);

fn drain(discoverer: &mut Discoverer) -> Drained {
    let (mut sent, mut found) = (Vec::new(), Vec::new());
    loop {
        match discoverer.poll_output() {
            Output::Transmit(datagram) => sent.push((datagram.to, datagram.payload.to_vec())),
            Output::Event(event) => found.push(event),
            Output::Timeout(at) => return (sent, found, at),
        }
    }
}

#[test]
fn a_camera_is_found_once_in_each_dialect_that_it_answers_in() {
    let uid: Uid = UID.parse().unwrap();
    // A UID of zeros asks any camera.
    let key = Some(credentials().auth_key);
    for (asked, key) in [(uid, key.clone()), (uid, None), (Uid::default(), key)] {
        // Without both there is no tag, and nothing to ask in cc51.
        let all = asked == uid && key.is_some();
        for dialects in [&Dialect::ALL[..], &[&Dialect::SUMMARY]] {
            let mut now = start();
            let mut camera = camera(now, dialects);
            let mut discoverer = discoverer(asked, key.clone(), now);
            let mut found = Vec::new();
            for _ in 0..3 {
                let (sent, ..) = drain(&mut discoverer);
                assert_eq!(
                    sent.len(),
                    2 + usize::from(all),
                    "one question in each dialect"
                );
                now += MS(3);
                for (to, mut datagram) in sent {
                    assert_eq!(to, camera_address());
                    camera.handle_datagram(now, client_address(), &mut datagram);
                }
                while let Output::Transmit(answer) = camera.poll_output() {
                    let mut answer = answer.payload.to_vec();
                    discoverer.handle_datagram(now, camera_address(), &mut answer);
                }
                let (sent, new, at) = drain(&mut discoverer);
                assert!(sent.is_empty());
                found.extend(new);
                assert_eq!(at, now - MS(3) + MS(500));
                now = at;
                discoverer.handle_timeout(now);
            }
            let names: Vec<_> = found.iter().map(|found| found.dialect.name).collect();
            let expected: Vec<_> = dialects
                .iter()
                .map(|dialect| dialect.name)
                .filter(|&name| all || name != "cc51")
                .collect();
            assert_eq!(names, expected);
            for found in found {
                assert_eq!((found.uid, found.address), (uid, camera_address()));
                assert_eq!(found.round_trip, MS(3));
            }
        }
    }
}

/// Only the UID's place in an answer is sure: real cameras may have anything where ours echo the
/// session id.
#[test]
fn an_answer_counts_whatever_follows_the_uid() {
    let now = start();
    for (dialect, layout) in iotc() {
        let mut discoverer = discoverer(Uid::default(), None, now);
        let answer = DiscoveryAnswer {
            uid: UID.parse().unwrap(),
            session: Some(SessionId([0xee; 8])),
            address: None,
        };
        let mut bytes = Vec::new();
        answer.write(layout.discovery, &mut bytes);
        hide(dialect, &mut bytes);
        discoverer.handle_datagram(now, camera_address(), &mut bytes);
        assert_eq!(drain(&mut discoverer).1.len(), 1, "{dialect}");
    }
}

#[test]
fn what_is_no_answer_is_dropped() {
    let now = start();
    let mut discoverer = discoverer(Uid::default(), None, now);
    let (questions, ..) = drain(&mut discoverer);
    for (_, question) in &questions {
        for len in 0..=question.len() {
            let mut bytes = question[..len].to_vec();
            discoverer.handle_datagram(now, camera_address(), &mut bytes);
        }
    }
    let (sent, found, _) = drain(&mut discoverer);
    assert!(sent.is_empty() && found.is_empty());
}

#[test]
fn the_auth_key_is_sent_where_it_is_known() {
    let now = start();
    let target = Target {
        address: camera_address(),
        uid: UID.parse().unwrap(),
        auth_key: Some(credentials().auth_key),
    };
    let mut discoverer = Discoverer::new(vec![target], &mut StdRng::seed_from_u64(1), now);
    let (sent, ..) = drain(&mut discoverer);
    assert_eq!(sent.len(), 3);
    for ((_, mut datagram), (dialect, at)) in
        sent.into_iter()
            .zip(Dialect::ALL.into_iter().zip([Some(74), None, Some(72)]))
    {
        // Fails if the tag, of which it is the key, is wrong.
        reveal(dialect, &mut datagram);
        let Some(at) = at else { continue };
        assert_eq!(datagram[at..at + 8], credentials().auth_key.0, "{dialect}");
    }
}
