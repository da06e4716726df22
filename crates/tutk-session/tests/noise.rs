//! Bad input at every phase and from everywhere: it is dropped and counted, and the session goes
//! on.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use str0m_netem::NetemConfig;
use testkit::session::scripted::{Scripted, cc51_discovery, hide, layout};
use testkit::session::{Simulation, camera_address, client_address, clip, credentials};
use tutk_session::av_login::Status as LoginStatus;
use tutk_session::tutk_frame::{
    Cc51Keepalive, Direction, DiscoveryRequest, Keepalive, Probe, SessionId, SessionRequest,
    SessionStamp, SessionTrailer, Stage,
};
use tutk_session::{Dialect, Error, Output, Phase, Status, Uid};
use tutk_simulator::{LeaveReason, SimulatorEvent};

const EACH: [&Dialect; 3] = Dialect::ALL;
const MS: fn(u64) -> Duration = Duration::from_millis;
const FRAMES: usize = 20;

fn near(config: NetemConfig) -> NetemConfig {
    config.latency(MS(2))
}

fn elsewhere() -> SocketAddr {
    "198.51.100.7:32761".parse().unwrap()
}

fn other_port(of: SocketAddr) -> SocketAddr {
    SocketAddr::new(of.ip(), of.port() + 1)
}

/// What is made of a datagram that was sent before.
type Spoil = fn(&mut StdRng, &[u8]) -> Vec<Vec<u8>>;

/// Runs a session and hands both ends spoilt copies of what was sent last, each millisecond, from
/// the right address and from two others.
fn run_spoilt(dialect: &'static Dialect, spoil: Spoil, wanted: fn(Phase) -> bool) -> Simulation {
    let (client, mut camera) = Simulation::pair(dialect, clip(5, FRAMES, 10), 5);
    camera.frames = Some(FRAMES as u64);
    camera.cookie_exchange = true;
    let mut simulation = Simulation::new(client, camera, 5, near);
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
        // What the camera says to strangers is not for the client's ears.
        tap.retain(|tapped| tapped.to_camera || tapped.to == client_address());
        let recent: Vec<_> = tap[tap.len().saturating_sub(3)..].to_vec();
        tap.truncate(if phase == Phase::Stream { 6 } else { tap.len() });
        for tapped in recent {
            for bytes in spoil(&mut rng, &tapped.bytes) {
                for from in [camera_address(), other_port(camera_address()), elsewhere()] {
                    simulation.inject_to_client(from, &bytes);
                    // A copy may overtake its original, and with it a whole phase.
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
        "{dialect}: {untried:?}, {:?}",
        simulation.record.ended
    );
    simulation
}

fn check(dialect: &Dialect, simulation: &Simulation) {
    let record = &simulation.record;
    assert_eq!(record.phases, Phase::ALL, "{dialect}: {:?}", record.ended);
    assert_eq!(record.frames.len(), FRAMES, "{dialect}");
    assert!(record.lost.is_empty(), "{dialect}");
    let phase = Phase::Stream;
    assert_eq!(
        *record.error(),
        Error::ClosedByCamera { phase },
        "{dialect}: the clip's end"
    );
    let stats = simulation.client.stats();
    assert!(stats.foreign > 0, "{dialect}: {stats:?}");
    assert!(
        stats.malformed + stats.records_dropped > 0,
        "{dialect}: {stats:?}"
    );
    assert!(simulation.camera.dropped() > 0, "{dialect}");
    assert_eq!(stats.unsent, 0);
}

#[test]
fn truncated_datagrams_are_dropped() {
    // Every length at and around the headers, and a spread of those behind.
    let truncated: Spoil = |rng, bytes| {
        (0..bytes.len())
            .filter(|&len| len < 64 || rng.random_ratio(1, 40))
            .map(|len| bytes[..len].to_vec())
            .collect()
    };
    for dialect in EACH {
        let simulation = run_spoilt(dialect, truncated, |_| true);
        check(dialect, &simulation);
    }
}

#[test]
fn oversized_datagrams_are_dropped() {
    let oversized: Spoil = |rng, bytes| {
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
    for dialect in EACH {
        check(dialect, &run_spoilt(dialect, oversized, |_| true));
    }
}

#[test]
fn random_datagrams_are_dropped() {
    let random: Spoil = |rng, _| {
        (0..4)
            .map(|_| {
                let mut bytes = vec![0; rng.random_range(0..1500)];
                rng.fill_bytes(&mut bytes);
                bytes
            })
            .collect()
    };
    for dialect in EACH {
        check(dialect, &run_spoilt(dialect, random, |_| true));
    }
}

/// Random bytes behind a header that is right, so that they get as far as DTLS and the parsers
/// behind.
#[test]
fn random_bodies_behind_right_headers_are_dropped() {
    for dialect in EACH {
        let mut simulation = streaming(dialect);
        simulation.tap = Some(Vec::new());
        simulation.run_until(MS(300), |_| false);
        let samples = simulation.tap.take().unwrap();
        let mut rng = StdRng::seed_from_u64(4);
        let dropped = simulation.client.stats().records_dropped;
        for tapped in &samples {
            let mut plain = tapped.bytes.clone();
            testkit::session::scripted::reveal(dialect, &mut plain);
            let header = dialect.wrapper().header_len();
            let end = plain.len() - dialect.wrapper().tag_len();
            // A keepalive is shorter than header and tag.
            if header < end {
                rng.fill_bytes(&mut plain[header..end]);
            }
            hide(dialect, &mut plain);
            simulation.inject_to_client(camera_address(), &plain);
            simulation.inject_to_camera(client_address(), &plain);
        }
        assert!(
            simulation.client.stats().records_dropped > dropped,
            "{dialect}"
        );
        let frames = simulation.record.frames.len();
        simulation.run_until(MS(1000), |_| false);
        assert!(simulation.record.frames.len() >= frames + 15, "{dialect}");
    }
}

#[test]
fn replayed_datagrams_are_dropped() {
    let same: Spoil = |_, bytes| vec![bytes.to_vec(); 2];
    for dialect in EACH {
        let simulation = run_spoilt(dialect, same, |_| true);
        check(dialect, &simulation);
        let record = &simulation.record;
        assert!(
            record
                .frames
                .windows(2)
                .all(|two| two[0].number < two[1].number)
        );
    }
}

fn flipped(rng: &mut StdRng, bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut copy = bytes.to_vec();
    let at = rng.random_range(0..copy.len());
    copy[at] ^= 1 << rng.random_range(0..8);
    vec![copy]
}

/// In the handshake messages are in the clear, and TLS believes them: there a forger can end it.
#[test]
fn flipped_bits_are_dropped_outside_the_handshake() {
    for dialect in EACH {
        check(
            dialect,
            &run_spoilt(dialect, flipped, |phase| phase != Phase::Dtls),
        );
    }
}

#[test]
fn flipped_bits_in_the_handshake_end_it_in_its_own_phase_or_do_nothing() {
    for dialect in EACH {
        for seed in 0..60 {
            let (client, mut camera) = Simulation::pair(dialect, clip(5, FRAMES, 10), seed);
            camera.frames = Some(3);
            let mut simulation = Simulation::new(client, camera, seed, near);
            simulation.tap = Some(Vec::new());
            let mut rng = StdRng::seed_from_u64(seed);
            while simulation.client.status() != Status::In(Phase::Dtls) {
                simulation.run_until(MS(1), |_| false);
            }
            for _ in 0..20 {
                simulation.run_until(MS(1), |_| false);
                let last = simulation.tap.as_ref().unwrap().last().unwrap().clone();
                let bytes = flipped(&mut rng, &last.bytes).remove(0);
                match last.to_camera {
                    true => simulation.inject_to_camera(client_address(), &bytes),
                    false => simulation.inject_to_client(camera_address(), &bytes),
                }
            }
            simulation.run(Duration::from_secs(60));
            let record = &simulation.record;
            let error = record.error();
            match record.phases.len() {
                2 => assert_eq!(error.phase(), Phase::Dtls, "{dialect} {seed}: {error:?}"),
                _ => assert_eq!(record.frames.len(), 3, "{dialect} {seed}: {error:?}"),
            }
        }
    }
}

/// As above, but once: then the handshake is begun anew where it has to be, and the session goes
/// on.
#[test]
fn one_flipped_packet_in_the_handshake_costs_no_session() {
    let mut restarts = 0;
    for dialect in EACH {
        for seed in 0..60 {
            let (client, mut camera) = Simulation::pair(dialect, clip(5, FRAMES, 10), seed);
            camera.frames = Some(3);
            let mut simulation = Simulation::new(client, camera, seed, near);
            simulation.tap = Some(Vec::new());
            let mut rng = StdRng::seed_from_u64(seed);
            while simulation.client.status() != Status::In(Phase::Dtls) {
                simulation.run_until(MS(1), |_| false);
            }
            simulation.run_until(MS(seed % 8), |_| false);
            let last = simulation.tap.as_ref().unwrap().last().unwrap().clone();
            let bytes = flipped(&mut rng, &last.bytes).remove(0);
            match last.to_camera {
                true => simulation.inject_to_camera(client_address(), &bytes),
                false => simulation.inject_to_client(camera_address(), &bytes),
            }
            simulation.run(Duration::from_secs(60));
            let record = &simulation.record;
            assert_eq!(
                record.phases,
                Phase::ALL,
                "{dialect} {seed}: {:?}",
                record.ended
            );
            assert_eq!(
                record.frames.len(),
                3,
                "{dialect} {seed}: {:?}",
                record.ended
            );
            restarts += simulation.client.stats().restarts;
        }
    }
    assert!(restarts > 0, "no flip of this test ever did harm");
}

/// A session whose frames flow, without end.
fn streaming(dialect: &'static Dialect) -> Simulation {
    let (client, camera) = Simulation::pair(dialect, clip(5, FRAMES, 10), 5);
    let mut simulation = Simulation::new(client, camera, 5, near);
    simulation.run_until(Duration::from_secs(10), |record| record.frames.len() >= 5);
    assert!(simulation.record.frames.len() >= 5, "{dialect}");
    simulation
}

#[test]
fn the_cameras_port_is_followed_mid_stream() {
    for dialect in EACH {
        let mut simulation = streaming(dialect);
        simulation.camera_at = other_port(camera_address());
        // Longer than the camera would go on without hearing anything at its new port.
        simulation.run_until(Duration::from_secs(15), |record| record.ended.is_some());
        let record = &simulation.record;
        assert!(record.ended.is_none(), "{dialect}: {:?}", record.ended);
        assert!(
            record.frames.len() >= 300,
            "{dialect}: {}",
            record.frames.len()
        );
        assert!(record.lost.is_empty(), "{dialect}");
    }
}

#[test]
fn the_cameras_port_is_followed_in_the_handshake() {
    for dialect in EACH {
        let (client, camera) = Simulation::pair(dialect, clip(5, FRAMES, 10), 5);
        let mut simulation = Simulation::new(client, camera, 5, near);
        simulation.tap = Some(Vec::new());
        // The camera's first flight is on its way when the port changes.
        while simulation.client.status() != Status::In(Phase::Dtls) {
            simulation.run_until(MS(1), |_| false);
        }
        simulation.run_until(MS(3), |_| false);
        simulation.camera_at = other_port(camera_address());
        simulation.run_until(Duration::from_secs(5), |record| record.frames.len() == 3);
        assert_eq!(simulation.record.frames.len(), 3, "{dialect}");
    }
}

#[test]
fn another_address_is_never_followed_whatever_it_says() {
    for dialect in EACH {
        let mut script = Scripted::new(dialect);
        script.camera_at = elsewhere();
        script.answer_discovery();
        assert_eq!(
            script.client.status(),
            Status::In(Phase::Discovery),
            "{dialect}"
        );
        script.camera_at = camera_address();
        script.answer_discovery();
        script.camera_at = elsewhere();
        script.answer_session();
        assert_eq!(
            script.client.status(),
            Status::In(Phase::Session),
            "{dialect}"
        );
        script.camera_at = camera_address();
        script.answer_session();
        script.answer_login(LoginStatus::SUCCESS);

        // Valid in every byte, and from the wrong place.
        let foreign = script.client.stats().foreign;
        let said = script.datagrams.len();
        script.camera_at = elsewhere();
        let stamp = script.stamp();
        script.packet(|out| {
            Probe {
                stamp,
                clock: Default::default(),
            }
            .write(out);
        });
        let mut keepalive = Vec::new();
        match layout(dialect) {
            Some(_) => Keepalive {
                answer: false,
                body: [1; 8],
            }
            .write(&mut keepalive),
            None => Cc51Keepalive {
                direction: Direction::FromCamera,
                sequence: 0,
                ticket: 0,
                counter: 1,
                session: script.session(),
                tag: [0; 20],
            }
            .write(&mut keepalive),
        }
        script.datagram(|out| out.extend_from_slice(&keepalive));
        assert_eq!(script.client.stats().foreign, foreign + 2, "{dialect}");
        assert_eq!(script.datagrams.len(), said, "{dialect}: it was answered");
        script.advance(MS(1000));
        let to_camera = |(_, to, _): &(Duration, SocketAddr, Vec<u8>)| *to == camera_address();
        assert!(script.datagrams.iter().all(to_camera), "{dialect}");
    }
}

#[test]
fn mapped_addresses_are_the_addresses_they_map() {
    let SocketAddr::V4(v4) = camera_address() else {
        panic!("an IPv4 address");
    };
    let mapped = SocketAddr::new(IpAddr::V6(v4.ip().to_ipv6_mapped()), v4.port());
    for (asked, answers) in [(mapped, camera_address()), (camera_address(), mapped)] {
        let mut script = Scripted::with(&Dialect::TRANSCODE, |config| config.camera = asked);
        script.camera_at = answers;
        script.answer_discovery();
        assert_eq!(script.client.status(), Status::In(Phase::Session));
        assert_eq!(script.client.stats().foreign, 0);
    }
}

#[test]
fn a_broadcast_is_answered_by_whoever_has_the_uid() {
    let broadcast = SocketAddr::new(IpAddr::V4(Ipv4Addr::BROADCAST), 32761);
    for dialect in EACH {
        let mut script = Scripted::with(dialect, |config| {
            *config = tutk_session::ClientConfig::new(broadcast, credentials());
            config.dialects = vec![dialect];
        });
        assert_eq!(script.datagrams[0].1, broadcast);
        let other = tutk_session::tutk_frame::DiscoveryAnswer {
            uid: "AAAAAAAAAAAAAAAAAAAA".parse::<Uid>().unwrap(),
            session: None,
            address: None,
        };
        match layout(dialect) {
            Some(layout) => script.datagram(|out| other.write(layout.discovery, out)),
            // Another camera's answer has another tag: here, none.
            None => {
                let mut bytes = Vec::new();
                cc51_discovery(1, 1, SessionId([1; 8])).write(&mut bytes);
                script.raw(camera_address(), &bytes);
            }
        }
        assert_eq!(script.client.status(), Status::In(Phase::Discovery));
        let stats = script.client.stats();
        assert_eq!(stats.foreign + stats.malformed, 1);
        script.camera_at = elsewhere();
        script.answer_discovery();
        assert_eq!(script.datagrams.last().unwrap().1, elsewhere());
        // From now on it is that one, and nobody else.
        script.camera_at = camera_address();
        script.answer_session();
        assert_eq!(
            script.client.status(),
            Status::In(Phase::Session),
            "{dialect}"
        );
    }
}

#[test]
fn what_is_not_authentic_keeps_no_stream_alive() {
    for dialect in EACH {
        let mut simulation = streaming(dialect);
        simulation.tap = Some(Vec::new());
        simulation.run_until(MS(500), |_| false);
        let sent = simulation.tap.take().unwrap();
        simulation.camera_gone = true;
        // The client: nothing but repeats of what the camera said.
        let began = simulation.now;
        let mut at = 0;
        while simulation.record.ended.is_none() {
            simulation.run_until(MS(50), |record| record.ended.is_some());
            at = (at + 1) % sent.len();
            let bytes = &sent[at].bytes;
            simulation.inject_to_client(camera_address(), bytes);
        }
        assert!(matches!(simulation.record.error(), Error::Stalled { .. }));
        assert!(
            simulation.now - began <= Duration::from_secs(11),
            "{dialect}"
        );
    }
}

#[test]
fn what_is_not_authentic_keeps_no_client_alive() {
    for dialect in EACH {
        let mut simulation = streaming(dialect);
        simulation.tap = Some(Vec::new());
        simulation.run_until(MS(1500), |_| false);
        let sent = simulation.tap.take().unwrap();
        let client = simulation.camera.clients().next().unwrap();
        let mut keepalive = Vec::new();
        match layout(dialect) {
            Some(_) => Keepalive {
                answer: true,
                body: client.session.0,
            }
            .write(&mut keepalive),
            None => Cc51Keepalive {
                direction: Direction::ToCamera,
                sequence: 0,
                ticket: 0,
                counter: 2,
                session: client.session,
                tag: [0; 20],
            }
            .write(&mut keepalive),
        }
        hide(dialect, &mut keepalive);
        let mut now = simulation.now;
        let mut gone = None;
        for round in 0..120 {
            now += MS(100);
            simulation.camera.handle_timeout(now);
            for bytes in [&keepalive, &sent[round % sent.len()].bytes] {
                simulation
                    .camera
                    .handle_datagram(now, client_address(), &mut bytes.clone());
            }
            loop {
                match simulation.camera.poll_output() {
                    Output::Event(SimulatorEvent::Left { reason, .. }) => {
                        gone.get_or_insert((reason, now - simulation.now));
                    }
                    Output::Timeout(_) => break,
                    _ => {}
                }
            }
        }
        let (reason, after) = gone.unwrap();
        assert_eq!(reason, LeaveReason::Silent, "{dialect}");
        assert!(after <= Duration::from_secs(11), "{dialect}: {after:?}");
    }
}

#[test]
fn a_flood_of_strangers_costs_no_client_its_place() {
    for dialect in EACH {
        let (client, mut camera) = Simulation::pair(dialect, clip(5, FRAMES, 10), 5);
        camera.frames = Some(60);
        camera.max_clients = 4;
        let mut simulation = Simulation::new(client, camera, 5, near);
        simulation.tap = Some(Vec::new());
        simulation.run_until(Duration::from_secs(10), |record| record.frames.len() >= 5);
        let tap = simulation.tap.take().unwrap();
        let proven = simulation.camera.clients().next().unwrap();
        // Strangers ask for sessions in their own name, and say hello in that of ours.
        for number in 0..3000_u32 {
            let from = SocketAddr::new(IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + number)), 1000);
            let mut id = [0; 8];
            id[..4].copy_from_slice(&number.to_le_bytes());
            let mut request = Vec::new();
            match layout(dialect) {
                Some(layout) => SessionRequest {
                    uid: credentials().uid,
                    session: SessionId(id),
                    stamp: match layout.session {
                        SessionTrailer::Crc32 => SessionStamp::Crc32,
                        SessionTrailer::UnixSeconds => SessionStamp::UnixSeconds(number),
                    },
                }
                .write(&mut request),
                // Whoever does not hear what is answered has no ticket.
                None => {
                    let ticket = u16::try_from(number).unwrap();
                    cc51_discovery(2, ticket, SessionId(id)).write(&mut request);
                }
            }
            hide(dialect, &mut request);
            simulation.inject_to_camera(from, &request);
            for tapped in tap.iter().filter(|tapped| tapped.to_camera).take(8) {
                simulation.inject_to_camera(from, &tapped.bytes);
            }
            assert!(simulation.camera.clients().count() <= 4, "{dialect}");
            assert!(simulation.camera.clients().any(|client| client == proven));
            if number % 30 == 0 {
                simulation.run_until(MS(20), |_| false);
            }
        }
        simulation.run(Duration::from_secs(10));
        assert_eq!(simulation.record.frames.len(), 60, "{dialect}");
        assert!(simulation.record.lost.is_empty(), "{dialect}");
    }
}

/// One address that asks in many names is no more than many that ask in one.
#[test]
fn questions_are_answered_one_for_one() {
    for dialect in EACH {
        let mut simulation = streaming(dialect);
        simulation.tap = Some(Vec::new());
        let mut request = Vec::new();
        match layout(dialect) {
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
        hide(dialect, &mut request);
        for _ in 0..100 {
            simulation.inject_to_camera(elsewhere(), &request);
        }
        assert_eq!(simulation.tap.as_ref().unwrap().len(), 100, "{dialect}");
    }
}
