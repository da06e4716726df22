//! The packets of cc51, byte by byte (docs/protocol.md, section "cc51").
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use testkit::session::bytes::table;
use testkit::session::datagram::{cc51_discovery, keepalive, records, tagger};
use testkit::session::script::{ASSIGNED, CameraScript, ClientScript, REQUESTED, Sent, TICKET};
use testkit::session::{Simulation, camera_address, client_address, clip, credentials};
use tutk_session::tutk_frame::{Direction, SessionId};
use tutk_session::{Deviation, Dialect, Phase, Status};
use tutk_simulator::SimulatorConfig;

const MS: fn(u64) -> Duration = Duration::from_millis;
const CC51: &Dialect = &Dialect::CC51;

/// A packet as in the tables of the document, with its tag.
fn tagged(len: usize, pieces: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = table(len - 20, pieces);
    let tag = tagger().tag(&bytes);
    bytes.extend_from_slice(&tag);
    bytes
}

fn discovery(direction: u8, sequence: u8, ticket: u16, session: &[u8]) -> Vec<u8> {
    tagged(
        52,
        &[
            (0, &[0x51, 0xcc, 0, 0, 0x02, 0x10, 0x28]),
            (8, &[direction, direction, 0, 0, sequence]),
            (14, &ticket.to_le_bytes()),
            (16, session),
            (24, &[0, 8, 3, 4, 0x1d]),
        ],
    )
}

fn client_script() -> ClientScript {
    ClientScript::new(CC51, SimulatorConfig::new(credentials(), clip(1, 20, 10)))
}

#[test]
fn client_repeats_requests_and_uses_the_assigned_session() {
    let mut script = CameraScript::new(CC51);
    script.advance(MS(250));
    let own_id = script.datagrams[0].bytes[16..24].to_vec();
    assert_ne!(own_id, ASSIGNED.0);
    script.answer_discovery();
    assert_eq!(script.peer.status(), Status::In(Phase::Session));
    script.advance(MS(250));
    let first = discovery(0, 0, 0, &own_id);
    let third = discovery(0, 2, TICKET, &ASSIGNED.0);
    let expected = [
        (0, &first),
        (100, &first),
        (200, &first),
        (250, &third),
        (350, &third),
        (450, &third),
    ];
    let sent = |sent: &Sent| (sent.at.as_millis(), sent.bytes.clone());
    let sent: Vec<_> = script.datagrams.iter().map(sent).collect();
    assert_eq!(sent, expected.map(|(at, bytes)| (at, bytes.clone())));
    script.answer_session();
    assert_eq!(script.peer.status(), Status::In(Phase::Login));
}

#[test]
fn camera_assigns_a_session_and_stores_nothing_before_the_ticket_returns() {
    let mut script = client_script();
    let first = discovery(0, 0, 0, &REQUESTED.0);
    for _ in 0..2 {
        script.send_datagram(|out| out.extend_from_slice(&first));
    }
    let answer = script.datagrams[0].bytes.clone();
    assert_eq!(script.datagrams[1].bytes, answer);
    let ticket = u16::from_le_bytes([answer[14], answer[15]]);
    let assigned = answer[16..24].to_vec();
    assert_ne!(assigned, REQUESTED.0);
    assert_ne!(ticket, 0);
    assert_eq!(answer, discovery(0xff, 1, ticket, &assigned));
    assert_eq!(script.peer.clients().count(), 0);

    // Wrong ticket, the session id of the request, no ticket, the camera's own sequence numbers.
    for wrong in [
        discovery(0, 2, ticket ^ 1, &assigned),
        discovery(0, 2, ticket, &REQUESTED.0),
        discovery(0, 2, 0, &assigned),
        discovery(0, 1, ticket, &assigned),
        discovery(0, 3, ticket, &assigned),
    ] {
        script.send_datagram(|out| out.extend_from_slice(&wrong));
    }
    // The right packet from another address.
    let third = discovery(0, 2, ticket, &assigned);
    let elsewhere = "192.0.2.2:50001".parse().unwrap();
    script
        .peer
        .handle_datagram(script.now, elsewhere, &mut third.clone());
    assert_eq!(script.datagrams.len(), 2);
    assert_eq!(script.peer.clients().count(), 0);
    assert_eq!(script.peer.dropped(), 6);

    script.send_datagram(|out| out.extend_from_slice(&third));
    assert_eq!(
        script.datagrams[2].bytes,
        discovery(0xff, 3, ticket, &assigned)
    );
    let client = script.peer.clients().next().unwrap();
    assert_eq!(client.session.0[..], assigned);
    assert_eq!(client.address, client_address());
}

#[test]
fn data_has_a_header_and_a_tag_over_it() {
    let (client, camera) = Simulation::pair(CC51, clip(1, 20, 10));
    let mut simulation = Simulation::new(client, camera, 1, |net| net.latency(MS(2)));
    simulation.tap = Some(Vec::new());
    simulation.run_until(Duration::from_secs(5), |record| record.frames.len() >= 5);
    assert!(simulation.record.frames.len() >= 5);
    let tap = simulation.tap.unwrap();
    let answer = tap.iter().find(|tapped| !tapped.to_camera).unwrap();
    let (ticket, session) = (&answer.bytes[14..16], &answer.bytes[16..24]);
    let mut seen = [0, 0];
    for tapped in &tap {
        let bytes = &tapped.bytes;
        if records(CC51, bytes).is_none() {
            continue;
        }
        seen[usize::from(tapped.to_camera)] += 1;
        let size = u16::try_from(bytes.len() - 12).unwrap().to_le_bytes();
        let direction: &[u8] = if tapped.to_camera {
            &[0; 2]
        } else {
            &[0xff; 2]
        };
        let header = table(
            28,
            &[
                (0, &[0x51, 0xcc, 0, 0, 0x02, 0x15, size[0], size[1]]),
                (8, direction),
                (12, &[0x10, 0]),
                (14, ticket),
                (16, session),
                (24, &[1]),
            ],
        );
        assert_eq!(bytes[..28], header);
        assert_eq!(bytes[bytes.len() - 20..], tagger().tag(&header));
        assert_eq!(bytes[29..31], [0xfe, 0xfd], "DTLS 1.2");
    }
    assert!(seen[0] > 20 && seen[1] > 4, "{seen:?}");
}

#[test]
fn keepalives_have_odd_counters_and_answers_even_ones() {
    let mut script = CameraScript::new(CC51);
    script.log_in();
    let before = script.datagrams.len();
    for counter in [1, 3, 77] {
        let keepalive = keepalive(CC51, Direction::FromCamera, ASSIGNED, counter);
        script.send_datagram(|out| out.extend_from_slice(&keepalive));
        script.advance(MS(300));
    }
    let head: (usize, &[u8]) = (0, &[0x51, 0xcc, 0, 0, 0x02, 0x12, 0x24]);
    let sent = script.datagrams[before..].iter();
    let sent: Vec<_> = sent
        .filter(|sent| sent.bytes[4..6] == [0x02, 0x12])
        .collect();
    assert_eq!(sent.len(), 3);
    for (sent, counter) in sent.iter().zip([2, 4, 6]) {
        let expected = tagged(48, &[head, (16, &[counter]), (20, &ASSIGNED.0)]);
        assert_eq!(sent.bytes, expected);
    }

    let mut script = client_script();
    script.log_in();
    script.datagrams.clear();
    script.advance(MS(2500));
    let sent = script.control_datagrams();
    assert_eq!(sent.len(), 2);
    for (sent, counter) in sent.into_iter().zip([1, 3]) {
        let direction: (usize, &[u8]) = (8, &[0xff; 2]);
        let session = script.session.0;
        let expected = tagged(48, &[head, direction, (16, &[counter]), (20, &session)]);
        assert_eq!(sent.bytes, expected);
    }
}

/// A client accepts a camera's wrong tag, see `deviations.rs`, but not in the place of a right one.
#[test]
fn wrong_tag_does_not_replace_the_assigned_session() {
    let mut script = CameraScript::new(CC51);
    script.answer_discovery();
    let mut other = Vec::new();
    cc51_discovery(1, 7, SessionId(*b"another!")).write(&mut other);
    script.send_raw(camera_address(), &other);
    script.answer_session();
    assert_eq!(script.peer.status(), Status::In(Phase::Login));
    assert_eq!(script.peer.stats().tolerated.count(Deviation::Tag), 1);
}

/// Flips each bit of the packet and the tag.
#[test]
fn camera_drops_and_counts_wrong_tags() {
    let mut script = client_script();
    script.log_in();
    let before = script.peer.dropped();
    let sent = script.datagrams.len();
    let request = discovery(0, 0, 0, &REQUESTED.0);
    for at in 0..request.len() {
        let mut wrong = request.clone();
        wrong[at] ^= 0x80;
        script
            .peer
            .handle_datagram(script.now, client_address(), &mut wrong);
    }
    script.advance(MS(1));
    assert_eq!(script.peer.dropped(), before + 52);
    assert_eq!(script.datagrams.len(), sent);
}

#[test]
fn restarted_handshake_requests_another_session() {
    let mut script = CameraScript::new(CC51);
    script.answer_discovery();
    script.grant_session();
    let sent = script.datagrams.len();
    script.advance(MS(3500));
    assert_eq!(script.peer.stats().restarts, 1);
    let request = script.datagrams[sent..]
        .iter()
        .find(|sent| sent.bytes[4..6] == [0x02, 0x10])
        .unwrap();
    let own_id = request.bytes[16..24].to_vec();
    assert_eq!(request.bytes, discovery(0, 0, 0, &own_id));
    assert_ne!(own_id, ASSIGNED.0);
    // The abandoned session is not accepted again.
    script.answer_discovery();
    assert_eq!(script.datagrams.last().unwrap().bytes[12], 0);
    let other = SessionId(*b"another!");
    script.send_datagram(|out| cc51_discovery(1, 7, other).write(out));
    assert_eq!(
        script.datagrams.last().unwrap().bytes,
        discovery(0, 2, 7, &other.0)
    );
}
