//! Invalid, replayed and foreign datagrams in each phase are dropped and counted.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use str0m_netem::NetemConfig;
use testkit::session::cameras::TestCamera;
use testkit::session::datagram::{cc51_discovery, descramble, iotc_layout, keepalive, scramble};
use testkit::session::machine::StateMachine as _;
use testkit::session::script::CameraScript;
use testkit::session::{Simulation, camera_address, client_address, clip, credentials};
use tutk_session::av_login::Status as LoginStatus;
use tutk_session::tutk_frame::{
    Direction, DiscoveryRequest, Probe, SessionId, SessionRequest, Stage,
};
use tutk_session::{Dialect, Error, Phase, Status, Uid};
use tutk_simulator::{LeaveReason, SessionIdRule, SimulatorEvent};

const MS: fn(u64) -> Duration = Duration::from_millis;
const FRAMES: usize = 20;

fn short_delay(config: NetemConfig) -> NetemConfig {
    config.latency(MS(2))
}

fn elsewhere() -> SocketAddr {
    "198.51.100.7:32761".parse().unwrap()
}

fn other_port(of: SocketAddr) -> SocketAddr {
    SocketAddr::new(of.ip(), of.port() + 1)
}

/// Makes datagrams from one that was sent before.
type Mutation = fn(&mut StdRng, &[u8]) -> Vec<Vec<u8>>;

/// Runs a session. Every millisecond, passes mutations of the newest datagrams to both sides, from
/// the right address, another port and another address. `wanted` selects the phases.
fn run_with(camera: &TestCamera, mutate: Mutation, wanted: fn(Phase) -> bool) -> Simulation {
    let (mut client, mut config) = camera.pair(clip(5, FRAMES, 10));
    // Otherwise, some phases take no time.
    client.fast_connect = false;
    config.frames = Some(FRAMES as u64);
    config.personality.cookie_exchange = true;
    let mut simulation = Simulation::new(client, config, 5, short_delay);
    simulation.tap = Some(Vec::new());
    let mut rng = StdRng::seed_from_u64(9);
    let mut tried = BTreeSet::new();
    while simulation.record.ended.is_none() {
        simulation.run_until(MS(1), |record| record.ended.is_some());
        let Status::In(phase) = simulation.client.status() else {
            break;
        };
        if !wanted(phase) {
            continue;
        }
        tried.insert(phase);
        let tap = simulation.tap.as_mut().unwrap();
        // Not the camera's datagrams to other addresses.
        tap.retain(|tapped| tapped.to_camera || tapped.to == client_address());
        let recent: Vec<_> = tap[tap.len().saturating_sub(3)..].to_vec();
        tap.truncate(if phase == Phase::Stream { 6 } else { tap.len() });
        for tapped in recent {
            for bytes in mutate(&mut rng, &tapped.bytes) {
                for from in [camera_address(), other_port(camera_address()), elsewhere()] {
                    simulation.inject_to_client(from, &bytes);
                    // A copy may arrive before its original and complete a phase.
                    if let Status::In(phase) = simulation.client.status() {
                        tried.insert(phase);
                    }
                }
                for from in [client_address(), other_port(client_address()), elsewhere()] {
                    simulation.inject_to_camera(from, &bytes);
                }
            }
        }
    }
    let untried: Vec<_> = Phase::ALL
        .into_iter()
        .filter(|&phase| wanted(phase) && !tried.contains(&phase))
        .collect();
    assert!(
        untried.is_empty(),
        "{camera}: {untried:?}, {:?}",
        simulation.record.ended
    );
    simulation
}

fn check(camera: &TestCamera, simulation: &Simulation) {
    let record = &simulation.record;
    assert_eq!(record.phases, Phase::ALL, "{camera}: {:?}", record.ended);
    assert_eq!(record.frames.len(), FRAMES, "{camera}");
    assert!(record.lost.is_empty(), "{camera}");
    let phase = Phase::Stream;
    assert_eq!(*record.error(), Error::ClosedByCamera { phase }, "{camera}");
    let stats = simulation.client.stats();
    assert!(stats.foreign > 0, "{camera}: {stats:?}");
    assert!(
        stats.malformed + stats.records_dropped > 0,
        "{camera}: {stats:?}"
    );
    assert!(simulation.camera.dropped() > 0, "{camera}");
    assert_eq!(stats.unsent, 0);
}

#[test]
fn truncated_datagrams_are_dropped() {
    // Every length up to the headers, and some of the others.
    let truncated: Mutation = |rng, bytes| {
        (0..bytes.len())
            .filter(|&len| len < 64 || rng.random_ratio(1, 40))
            .map(|len| bytes[..len].to_vec())
            .collect()
    };
    // Only the client uses the session's id here, so that only reflected datagrams have it.
    let foreign = TestCamera::new(&Dialect::CC51, "foreign-tags", 0);
    let strict = Dialect::ALL.each_ref().map(TestCamera::strict);
    for camera in strict.into_iter().chain([foreign]) {
        let simulation = run_with(&camera, truncated, |_| true);
        check(&camera, &simulation);
    }
}

#[test]
fn oversized_datagrams_are_dropped() {
    let oversized: Mutation = |rng, bytes| {
        [1, 16, 1500, 65_507]
            .into_iter()
            .filter(|_| rng.random_ratio(1, 2))
            .map(|more| {
                let mut longer = bytes.to_vec();
                longer.resize((bytes.len() + more).min(65_507), 0x5a);
                longer
            })
            .collect()
    };
    for camera in Dialect::ALL.each_ref().map(TestCamera::strict) {
        check(&camera, &run_with(&camera, oversized, |_| true));
    }
}

#[test]
fn random_datagrams_are_dropped() {
    let random: Mutation = |rng, _| {
        (0..4)
            .map(|_| {
                let mut bytes = vec![0; rng.random_range(0..1500)];
                rng.fill_bytes(&mut bytes);
                bytes
            })
            .collect()
    };
    for camera in Dialect::ALL.each_ref().map(TestCamera::strict) {
        check(&camera, &run_with(&camera, random, |_| true));
    }
}

/// These reach DTLS.
#[test]
fn random_records_after_a_valid_header_are_dropped() {
    for camera in Dialect::ALL.each_ref().map(TestCamera::strict) {
        let dialect = &camera.dialect;
        let mut simulation = streaming(&camera);
        simulation.tap = Some(Vec::new());
        simulation.run_until(MS(300), |_| false);
        let samples = simulation.tap.take().unwrap();
        let mut rng = StdRng::seed_from_u64(4);
        let dropped = simulation.client.stats().records_dropped;
        for tapped in &samples {
            let mut plain = tapped.bytes.clone();
            descramble(dialect, &mut plain);
            let header = dialect.wrapper().header_len();
            let end = plain.len() - dialect.wrapper().tag_len();
            // A keepalive can be shorter than header and tag.
            if header < end {
                rng.fill_bytes(&mut plain[header..end]);
            }
            scramble(dialect, &mut plain);
            simulation.inject_to_client(camera_address(), &plain);
            simulation.inject_to_camera(client_address(), &plain);
        }
        assert!(
            simulation.client.stats().records_dropped > dropped,
            "{camera}"
        );
        let frames = simulation.record.frames.len();
        simulation.run_until(MS(1000), |_| false);
        assert!(simulation.record.frames.len() >= frames + 15, "{camera}");
    }
}

#[test]
fn replayed_datagrams_are_dropped() {
    let replay: Mutation = |_, bytes| vec![bytes.to_vec(); 2];
    for camera in TestCamera::in_turn() {
        let simulation = run_with(&camera, replay, |_| true);
        check(&camera, &simulation);
        let record = &simulation.record;
        assert!(
            record
                .frames
                .windows(2)
                .all(|two| two[0].number < two[1].number)
        );
    }
}

fn flip_bit(rng: &mut StdRng, bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut copy = bytes.to_vec();
    let at = rng.random_range(0..copy.len());
    copy[at] ^= 1 << rng.random_range(0..8);
    vec![copy]
}

/// A session of three frames at the start of the handshake, with recorded datagrams.
fn in_handshake(camera: &TestCamera, seed: u64) -> Simulation {
    let (client, mut config) = camera.pair(clip(5, FRAMES, 10));
    config.frames = Some(3);
    let mut simulation = Simulation::new(client, config, seed, short_delay);
    simulation.tap = Some(Vec::new());
    while simulation.client.status() != Status::In(Phase::Dtls) {
        simulation.run_until(MS(1), |_| false);
    }
    simulation
}

/// Passes a copy of the newest datagram with one flipped bit to its receiver.
fn inject_flipped(simulation: &mut Simulation, rng: &mut StdRng) {
    let last = simulation.tap.as_ref().unwrap().last().unwrap().clone();
    let bytes = flip_bit(rng, &last.bytes).remove(0);
    match last.to_camera {
        true => simulation.inject_to_camera(client_address(), &bytes),
        false => simulation.inject_to_client(camera_address(), &bytes),
    }
}

/// Handshake messages are not authenticated.
#[test]
fn flipped_bits_are_dropped_outside_the_handshake() {
    for camera in TestCamera::all() {
        check(
            &camera,
            &run_with(&camera, flip_bit, |phase| phase != Phase::Dtls),
        );
    }
}

#[test]
fn flipped_bits_in_the_handshake_fail_only_the_handshake() {
    for dialect in &Dialect::ALL {
        let cameras: Vec<_> = TestCamera::of(dialect).collect();
        for (camera, seed) in cameras.iter().cycle().zip(0..60) {
            let mut simulation = in_handshake(camera, seed);
            let mut rng = StdRng::seed_from_u64(seed);
            for _ in 0..20 {
                simulation.run_until(MS(1), |_| false);
                inject_flipped(&mut simulation, &mut rng);
            }
            simulation.run(Duration::from_secs(60));
            let record = &simulation.record;
            let error = record.error();
            match record.phases.len() {
                2 => assert_eq!(error.phase(), Phase::Dtls, "{camera} {seed}: {error:?}"),
                _ => assert_eq!(record.frames.len(), 3, "{camera} {seed}: {error:?}"),
            }
        }
    }
}

#[test]
fn one_flipped_bit_in_the_handshake_restarts_it() {
    let mut restarts = 0;
    for dialect in &Dialect::ALL {
        let cameras: Vec<_> = TestCamera::of(dialect).collect();
        for (camera, seed) in cameras.iter().cycle().zip(0..60) {
            let mut simulation = in_handshake(camera, seed);
            let mut rng = StdRng::seed_from_u64(seed);
            simulation.run_until(MS(seed % 8), |_| false);
            inject_flipped(&mut simulation, &mut rng);
            simulation.run(Duration::from_secs(60));
            let record = &simulation.record;
            assert_eq!(
                record.phases,
                Phase::ALL,
                "{camera} {seed}: {:?}",
                record.ended
            );
            assert_eq!(
                record.frames.len(),
                3,
                "{camera} {seed}: {:?}",
                record.ended
            );
            restarts += simulation.client.stats().restarts;
        }
    }
    assert!(restarts > 0);
}

/// A session in the stream phase.
fn streaming(camera: &TestCamera) -> Simulation {
    let (client, config) = camera.pair(clip(5, FRAMES, 10));
    let mut simulation = Simulation::new(client, config, 5, short_delay);
    simulation.run_until(Duration::from_secs(10), |record| record.frames.len() >= 5);
    assert!(simulation.record.frames.len() >= 5, "{camera}");
    simulation
}

#[test]
fn changed_camera_port_is_followed_in_the_stream() {
    for camera in TestCamera::all() {
        let mut simulation = streaming(&camera);
        simulation.camera_at = other_port(camera_address());
        // Longer than the camera keeps a silent client.
        simulation.run_until(Duration::from_secs(15), |record| record.ended.is_some());
        let record = &simulation.record;
        assert!(record.ended.is_none(), "{camera}: {:?}", record.ended);
        assert!(
            record.frames.len() >= 300,
            "{camera}: {}",
            record.frames.len()
        );
        assert!(record.lost.is_empty(), "{camera}");
    }
}

#[test]
fn changed_camera_port_is_followed_in_the_handshake() {
    // In the handshake, only a datagram with the assigned session id changes the port.
    let is_named = |camera: &TestCamera| {
        *camera.dialect != Dialect::CC51
            || camera.personality.session_ids == SessionIdRule::Assigned
    };
    let cameras = TestCamera::all().filter(TestCamera::connects_directly);
    for camera in cameras.filter(is_named) {
        let mut simulation = in_handshake(&camera, 5);
        // The camera's first flight is in flight when the port changes.
        simulation.run_until(MS(3), |_| false);
        simulation.camera_at = other_port(camera_address());
        simulation.run_until(Duration::from_secs(5), |record| record.frames.len() == 3);
        assert_eq!(simulation.record.frames.len(), 3, "{camera}");
    }
}

#[test]
fn another_address_is_never_followed() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.address = elsewhere();
        script.answer_discovery();
        assert_eq!(
            script.peer.status(),
            Status::In(Phase::Discovery),
            "{dialect}"
        );
        script.address = camera_address();
        script.answer_discovery();
        script.address = elsewhere();
        script.answer_session();
        assert_eq!(
            script.peer.status(),
            Status::In(Phase::Session),
            "{dialect}"
        );
        script.address = camera_address();
        script.answer_session();
        script.answer_login(LoginStatus::SUCCESS);

        // Valid datagrams from a wrong address.
        let foreign = script.peer.stats().foreign;
        let sent = script.datagrams.len();
        script.address = elsewhere();
        let stamp = script.stamp();
        script.send_packet(|out| {
            Probe {
                stamp,
                clock: Default::default(),
            }
            .write(out);
        });
        let keepalive = keepalive(dialect, Direction::FromCamera, script.session, 1);
        script.send_datagram(|out| out.extend_from_slice(&keepalive));
        assert_eq!(script.peer.stats().foreign, foreign + 2, "{dialect}");
        assert_eq!(script.datagrams.len(), sent, "{dialect}: answered");
        script.advance(MS(1000));
        let destinations = script.datagrams.iter().map(|sent| sent.to);
        assert!(
            destinations.eq(vec![camera_address(); script.datagrams.len()]),
            "{dialect}"
        );
    }
}

#[test]
fn ipv4_mapped_address_equals_the_ipv4_address() {
    let SocketAddr::V4(v4) = camera_address() else {
        panic!("an IPv4 address");
    };
    let mapped = SocketAddr::new(IpAddr::V6(v4.ip().to_ipv6_mapped()), v4.port());
    for (configured, source) in [(mapped, camera_address()), (camera_address(), mapped)] {
        let mut script =
            CameraScript::with_config(&Dialect::TRANSCODE, |config| config.camera = configured);
        script.address = source;
        script.answer_discovery();
        assert_eq!(script.peer.status(), Status::In(Phase::Session));
        assert_eq!(script.peer.stats().foreign, 0);
    }
}

#[test]
fn broadcast_accepts_the_address_of_the_right_uid() {
    let broadcast = SocketAddr::new(IpAddr::V4(Ipv4Addr::BROADCAST), 32761);
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::with_config(dialect, |config| {
            *config = tutk_session::ClientConfig::new(broadcast, credentials());
            config.dialects = vec![Arc::new(dialect.clone())];
        });
        assert_eq!(script.datagrams[0].to, broadcast);
        let other = tutk_session::tutk_frame::DiscoveryAnswer {
            uid: "AAAAAAAAAAAAAAAAAAAA".parse::<Uid>().unwrap(),
            session: None,
            address: None,
        };
        match iotc_layout(dialect) {
            Some(layout) => script.send_datagram(|out| other.write(layout.discovery, out)),
            // Another camera's answer has another tag: here, none.
            None => {
                let mut bytes = Vec::new();
                cc51_discovery(1, 1, SessionId([1; 8])).write(&mut bytes);
                script.send_raw(camera_address(), &bytes);
            }
        }
        assert_eq!(script.peer.status(), Status::In(Phase::Discovery));
        let stats = script.peer.stats();
        assert_eq!(stats.foreign + stats.malformed, 1);
        script.address = elsewhere();
        script.answer_discovery();
        assert_eq!(script.datagrams.last().unwrap().to, elsewhere());
        // From now on, other addresses are ignored.
        script.address = camera_address();
        script.answer_session();
        assert_eq!(
            script.peer.status(),
            Status::In(Phase::Session),
            "{dialect}"
        );
    }
}

#[test]
fn replays_do_not_prevent_the_stall_timeout() {
    for camera in TestCamera::all() {
        let mut simulation = streaming(&camera);
        simulation.tap = Some(Vec::new());
        simulation.run_until(MS(500), |_| false);
        let sent = simulation.tap.take().unwrap();
        simulation.camera_off = true;
        let start = simulation.now;
        let mut at = 0;
        while simulation.record.ended.is_none() {
            simulation.run_until(MS(50), |record| record.ended.is_some());
            at = (at + 1) % sent.len();
            let bytes = &sent[at].bytes;
            simulation.inject_to_client(camera_address(), bytes);
        }
        assert!(matches!(simulation.record.error(), Error::Stalled { .. }));
        assert!(
            simulation.now - start <= Duration::from_secs(11),
            "{camera}"
        );
    }
}

#[test]
fn replays_and_keepalives_do_not_prevent_the_camera_timeout() {
    for camera in TestCamera::all() {
        let dialect = &camera.dialect;
        let mut simulation = streaming(&camera);
        simulation.tap = Some(Vec::new());
        simulation.run_until(MS(1500), |_| false);
        let sent = simulation.tap.take().unwrap();
        let client = simulation.camera.clients().next().unwrap();
        let mut keepalive = keepalive(dialect, Direction::ToCamera, client.session, 2);
        scramble(dialect, &mut keepalive);
        let mut now = simulation.now;
        let mut left = None;
        for round in 0..120 {
            now += MS(100);
            simulation.camera.handle_timeout(now);
            for bytes in [&keepalive, &sent[round % sent.len()].bytes] {
                simulation
                    .camera
                    .handle_datagram(now, client_address(), &mut bytes.clone());
            }
            for event in simulation.camera.drain().events {
                if let SimulatorEvent::Left { reason, .. } = event {
                    left.get_or_insert((reason, now - simulation.now));
                }
            }
        }
        let (reason, after) = left.unwrap();
        assert_eq!(reason, LeaveReason::Silent, "{camera}");
        assert!(after <= Duration::from_secs(11), "{camera}: {after:?}");
    }
}

#[test]
fn flood_of_session_requests_does_not_evict_a_client() {
    for dialect in &Dialect::ALL {
        let (client, mut camera) = Simulation::pair(dialect, clip(5, FRAMES, 10));
        camera.frames = Some(60);
        camera.personality.max_clients = 4;
        let mut simulation = Simulation::new(client, camera, 5, short_delay);
        simulation.tap = Some(Vec::new());
        simulation.run_until(Duration::from_secs(10), |record| record.frames.len() >= 5);
        let tap = simulation.tap.take().unwrap();
        let client = simulation.camera.clients().next().unwrap();
        // Each address requests its own session, and replays the client's datagrams.
        for number in 0..3000_u32 {
            let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number)), 1000);
            let mut id = [0; 8];
            id[..4].copy_from_slice(&number.to_le_bytes());
            let mut request = Vec::new();
            match iotc_layout(dialect) {
                Some(layout) => SessionRequest {
                    uid: credentials().uid,
                    session: SessionId(id),
                    stamp: layout.session.stamp(number),
                }
                .write(&mut request),
                // A wrong ticket, because a forged source address receives no answer.
                None => {
                    let ticket = u16::try_from(number).unwrap();
                    cc51_discovery(2, ticket, SessionId(id)).write(&mut request);
                }
            }
            scramble(dialect, &mut request);
            simulation.inject_to_camera(from, &request);
            for tapped in tap.iter().filter(|tapped| tapped.to_camera).take(8) {
                simulation.inject_to_camera(from, &tapped.bytes);
            }
            assert!(simulation.camera.clients().count() <= 4, "{dialect}");
            assert!(simulation.camera.clients().any(|other| other == client));
            if number % 30 == 0 {
                simulation.run_until(MS(20), |_| false);
            }
        }
        simulation.run(Duration::from_secs(10));
        assert_eq!(simulation.record.frames.len(), 60, "{dialect}");
        assert!(simulation.record.lost.is_empty(), "{dialect}");
    }
}

/// No amplification.
#[test]
fn each_discovery_request_gets_one_answer() {
    // The requests have the keys of a camera without a base station.
    for camera in TestCamera::all().filter(|camera| !camera.personality.needs_wake_up) {
        let dialect = &camera.dialect;
        let mut simulation = streaming(&camera);
        simulation.tap = Some(Vec::new());
        let mut request = Vec::new();
        match iotc_layout(dialect) {
            Some(layout) => DiscoveryRequest {
                uid: credentials().uid,
                version: DiscoveryRequest::SDK_VERSION,
                session: SessionId([1; 8]),
                stage: Stage::Broadcast,
                auth_key: None,
            }
            .write(layout.discovery, &mut request),
            None => cc51_discovery(0, 0, SessionId([1; 8])).write(&mut request),
        }
        scramble(dialect, &mut request);
        for _ in 0..100 {
            simulation.inject_to_camera(elsewhere(), &request);
            simulation.camera.handle_timeout(simulation.now);
        }
        simulation.settle();
        assert_eq!(simulation.tap.as_ref().unwrap().len(), 100, "{camera}");
    }
}
