//! The discoverer, with a simulated camera.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use testkit::session::datagram::{descramble, iotc_dialects, scramble};
use testkit::session::machine::StateMachine as _;
use testkit::session::{
    UID, camera_address, client_address, clip, credentials, epoch, seed, start,
};
use tutk_session::tutk_frame::{DiscoveryAnswer, SessionId};
use tutk_session::{
    AuthKey, Dialect, Discoverer, DiscoveryPlan, DiscoveryScope, Interface, Search, Target, Uid,
};
use tutk_simulator::{Simulator, SimulatorConfig};
use tutk_time::Instant;

const MS: fn(u64) -> Duration = Duration::from_millis;

fn discoverer(uid: Uid, auth_key: Option<AuthKey>, now: Instant) -> Discoverer {
    let target = Target {
        address: camera_address(),
        uid,
        auth_key,
    };
    let plan = DiscoveryPlan::new([DiscoveryScope::At(target)], &[]);
    Discoverer::new(&plan, seed(1), now)
}

fn camera(now: Instant, dialects: &[Dialect]) -> Simulator {
    let mut config = SimulatorConfig::new(credentials(), clip(1, 1, 1));
    config.dialects = dialects.iter().cloned().map(Arc::new).collect();
    Simulator::new(config, camera_address(), seed(2), epoch(now, now)).unwrap()
}

#[test]
fn camera_is_reported_once_per_dialect() {
    let uid: Uid = UID.parse().unwrap();
    let key = Some(credentials().auth_key);
    for (requested, key) in [(uid, key.clone()), (uid, None), (Uid::default(), key)] {
        // `cc51` needs UID and AuthKey.
        let with_cc51 = requested == uid && key.is_some();
        for dialects in [&Dialect::ALL[..], &[Dialect::SUMMARY]] {
            let mut now = start();
            let mut camera = camera(now, dialects);
            let mut discoverer = discoverer(requested, key.clone(), now);
            let mut found = Vec::new();
            for _ in 0..3 {
                let requests = discoverer.drain().datagrams;
                assert_eq!(requests.len(), 2 + usize::from(with_cc51));
                now += MS(3);
                for (to, mut request) in requests {
                    assert_eq!(to, camera_address());
                    camera.handle_datagram(now, client_address(), &mut request);
                }
                for (_, mut answer) in camera.drain().datagrams {
                    discoverer.handle_datagram(now, camera_address(), &mut answer);
                }
                let output = discoverer.drain();
                assert!(output.datagrams.is_empty());
                found.extend(output.events);
                assert_eq!(output.deadline, now - MS(3) + MS(500));
                now = output.deadline;
                discoverer.handle_timeout(now);
            }
            let answered: Vec<_> = found.iter().map(|found| &*found.dialect).collect();
            let expected: Vec<_> = dialects
                .iter()
                .filter(|&dialect| with_cc51 || *dialect != Dialect::CC51)
                .collect();
            assert_eq!(answered, expected);
            for found in found {
                assert_eq!((found.uid, found.address), (uid, camera_address()));
                assert_eq!(found.round_trip, MS(3));
            }
        }
    }
}

/// The bytes after the UID in a real camera's answer are not known.
#[test]
fn bytes_after_the_uid_in_an_answer_are_ignored() {
    let now = start();
    for (dialect, layout) in iotc_dialects() {
        let mut discoverer = discoverer(Uid::default(), None, now);
        let answer = DiscoveryAnswer {
            uid: UID.parse().unwrap(),
            session: Some(SessionId([0xee; 8])),
            address: None,
        };
        let mut bytes = Vec::new();
        answer.write(layout.discovery, &mut bytes);
        scramble(dialect, &mut bytes);
        discoverer.handle_datagram(now, camera_address(), &mut bytes);
        assert_eq!(discoverer.drain().events.len(), 1, "{dialect}");
    }
}

#[test]
fn datagrams_other_than_answers_are_dropped() {
    let now = start();
    let mut discoverer = discoverer(Uid::default(), None, now);
    for (_, request) in discoverer.drain().datagrams {
        for len in 0..=request.len() {
            let mut bytes = request[..len].to_vec();
            discoverer.handle_datagram(now, camera_address(), &mut bytes);
        }
    }
    assert!(discoverer.drain().is_empty());
}

#[test]
fn requests_contain_the_auth_key() {
    let auth_key = credentials().auth_key;
    let mut discoverer = discoverer(UID.parse().unwrap(), Some(auth_key.clone()), start());
    let sent = discoverer.drain().datagrams;
    assert_eq!(sent.len(), 3);
    let offsets = [Some(74), None, Some(72)];
    for (((_, mut datagram), dialect), offset) in sent.into_iter().zip(Dialect::ALL).zip(offsets) {
        // Checks the tag, whose key contains the AuthKey.
        descramble(&dialect, &mut datagram);
        let Some(at) = offset else { continue };
        assert_eq!(datagram[at..at + 8], auth_key.0, "{dialect}");
    }
}

/// The sweep starts after two rounds, asks each host once, and sends at most 100 datagrams a
/// second.
#[test]
fn sweep_asks_each_host_once_and_slowly() {
    let interface = Interface::new([192, 0, 2, 7].into(), 24, None);
    let search = Search {
        uid: UID.parse().unwrap(),
        auth_key: credentials().auth_key,
        dialects: Dialect::DETECTED.map(Arc::new).into(),
        known: None,
        port: 32761,
        sweep: true,
    };
    let plan = DiscoveryPlan::search(&search, &[interface]);
    let end = plan.time();
    assert_eq!(end, MS(2000) + MS(10) * 254 * 2);
    let start = start();
    let mut now = start;
    let mut discoverer = Discoverer::new(&plan, seed(1), now);
    let broadcast = |to: &SocketAddr| plan.targets.iter().any(|target| target.address == *to);
    let mut asked = BTreeMap::<SocketAddr, u32>::new();
    let mut sent = Vec::new();
    while now < start + end {
        let output = discoverer.drain();
        for (to, _) in output.datagrams {
            if !broadcast(&to) {
                assert!(now >= start + MS(1000), "{to} before the broadcasts");
                *asked.entry(to).or_default() += 1;
                sent.push(now);
            }
        }
        now = output.deadline;
        discoverer.handle_timeout(now);
    }
    assert_eq!(asked.len(), 254);
    assert!(
        asked.values().all(|&times| times == 2),
        "once in each dialect"
    );
    for window in sent.windows(102) {
        assert!(
            window[101] - window[0] >= MS(1000),
            "more than 100 in a second"
        );
    }
    // The last hosts have time to answer.
    assert!(sent.last().unwrap() <= &(start + end - MS(900)));
}
