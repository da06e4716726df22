//! What is cc51's own: its four packets, tags, tickets, wrapper and keepalives, byte by byte
//! (wire.md section 6).
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use str0m_netem::NetemConfig;
use testkit::session::bytes::table;
use testkit::session::hub::Hub;
use testkit::session::raw::{Raw, SESSION};
use testkit::session::scripted::{GIVEN, Scripted, TICKET, cc51_discovery, hide, records, tagger};
use testkit::session::{Simulation, camera_address, client_address, clip, credentials};
use tutk_session::tutk_frame::{Cc51Keepalive, Direction, SessionId};
use tutk_session::{ClientConfig, Dialect, Phase, Status};
use tutk_simulator::SimulatorConfig;

const MS: fn(u64) -> Duration = Duration::from_millis;
const CC51: &Dialect = &Dialect::CC51;

/// A packet as the document has it, and its tag.
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

fn raw() -> Raw {
    Raw::new(CC51, SimulatorConfig::new(credentials(), clip(1, 20, 10)))
}

#[test]
fn the_client_asks_each_100_ms_and_goes_on_with_what_it_is_given() {
    let mut script = Scripted::new(CC51);
    script.advance(MS(250));
    let drawn = script.datagrams[0].2[16..24].to_vec();
    assert_ne!(drawn, GIVEN.0);
    script.answer_discovery();
    assert_eq!(script.client.status(), Status::In(Phase::Session));
    script.advance(MS(250));
    let (times, sent): (Vec<_>, Vec<_>) = script
        .datagrams
        .iter()
        .map(|(at, _, bytes)| (at.as_millis(), bytes.clone()))
        .unzip();
    assert_eq!(times, [0, 100, 200, 250, 350, 450]);
    let (first, third) = (
        discovery(0, 0, 0, &drawn),
        discovery(0, 2, TICKET, &GIVEN.0),
    );
    for (at, bytes) in sent.iter().enumerate() {
        assert_eq!(*bytes, if at < 3 { &first[..] } else { &third[..] }, "{at}");
    }
    // A grant of another session is none.
    script.datagram(|out| cc51_discovery(3, TICKET, SessionId([9; 8])).write(out));
    assert_eq!(script.client.status(), Status::In(Phase::Session));
    script.answer_session();
    assert_eq!(script.client.status(), Status::In(Phase::Login));
}

#[test]
fn the_camera_gives_a_session_of_its_own_and_keeps_nothing_before_its_ticket_comes_back() {
    let mut raw = raw();
    let first = discovery(0, 0, 0, &SESSION.0);
    for _ in 0..2 {
        raw.datagram(|out| out.extend_from_slice(&first));
    }
    let offer = raw.datagrams[0].1.clone();
    assert_eq!(raw.datagrams[1].1, offer, "the same to the same");
    let ticket = u16::from_le_bytes([offer[14], offer[15]]);
    let given = offer[16..24].to_vec();
    assert_ne!(given, SESSION.0);
    assert_ne!(ticket, 0);
    assert_eq!(offer, discovery(0xff, 1, ticket, &given));
    assert_eq!(raw.camera.clients().count(), 0);

    // Neither another ticket, nor the session that the client drew, nor another address.
    for wrong in [
        discovery(0, 2, ticket ^ 1, &given),
        discovery(0, 2, ticket, &SESSION.0),
        discovery(0, 2, 0, &given),
        discovery(0, 1, ticket, &given),
        discovery(0, 3, ticket, &given),
    ] {
        raw.datagram(|out| out.extend_from_slice(&wrong));
    }
    let third = discovery(0, 2, ticket, &given);
    let elsewhere = "192.0.2.2:50001".parse().unwrap();
    raw.camera
        .handle_datagram(raw.now, elsewhere, &mut third.clone());
    assert_eq!(raw.datagrams.len(), 2);
    assert_eq!(raw.camera.clients().count(), 0);
    assert_eq!(raw.camera.dropped(), 6);

    raw.datagram(|out| out.extend_from_slice(&third));
    assert_eq!(raw.datagrams[2].1, discovery(0xff, 3, ticket, &given));
    let client = raw.camera.clients().next().unwrap();
    assert_eq!(client.session.0[..], given);
    assert_eq!(client.address, client_address());
}

#[test]
fn data_has_its_header_and_a_tag_over_it() {
    let (client, camera) = Simulation::pair(CC51, clip(1, 20, 10), 1);
    let mut simulation = Simulation::new(client, camera, 1, |net: NetemConfig| net.latency(MS(2)));
    simulation.tap = Some(Vec::new());
    simulation.run_until(Duration::from_secs(5), |record| record.frames.len() >= 5);
    assert!(simulation.record.frames.len() >= 5);
    let tap = simulation.tap.unwrap();
    let offer = tap.iter().find(|tapped| !tapped.to_camera).unwrap();
    let (ticket, session) = (&offer.bytes[14..16], &offer.bytes[16..24]);
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
fn keepalives_are_answered_with_even_counters() {
    let mut script = Scripted::new(CC51);
    script.log_in();
    let before = script.datagrams.len();
    for counter in [1, 3, 77] {
        script.datagram(|out| {
            Cc51Keepalive {
                direction: Direction::FromCamera,
                sequence: 0,
                ticket: 0,
                counter,
                session: GIVEN,
                tag: [0; 20],
            }
            .write(out);
        });
    }
    let head: (usize, &[u8]) = (0, &[0x51, 0xcc, 0, 0, 0x02, 0x12, 0x24]);
    let sent = &script.datagrams[before..];
    assert_eq!(sent.len(), 3);
    for ((_, _, bytes), counter) in sent.iter().zip([2, 4, 6]) {
        let expected = tagged(48, &[head, (16, &[counter]), (20, &GIVEN.0)]);
        assert_eq!(*bytes, expected);
    }

    let mut raw = raw();
    raw.arrive();
    raw.datagrams.clear();
    raw.advance(MS(2500));
    assert_eq!(raw.datagrams.len(), 2);
    for ((_, bytes), counter) in raw.datagrams.iter().zip([1, 3]) {
        let direction: (usize, &[u8]) = (8, &[0xff; 2]);
        let session = raw.session.0;
        let expected = tagged(48, &[head, direction, (16, &[counter]), (20, &session)]);
        assert_eq!(*bytes, expected);
    }
}

/// Each bit of a tag, and each byte that it covers.
#[test]
fn a_wrong_tag_is_dropped_and_counted() {
    let mut script = Scripted::new(CC51);
    let mut offer = Vec::new();
    cc51_discovery(1, TICKET, GIVEN).write(&mut offer);
    hide(CC51, &mut offer);
    for bit in 0..offer.len() * 8 {
        let mut wrong = offer.clone();
        wrong[bit / 8] ^= 1 << (bit % 8);
        script.raw(camera_address(), &wrong);
    }
    assert_eq!(script.client.stats().malformed, 52 * 8);
    assert_eq!(script.client.status(), Status::In(Phase::Discovery));

    let mut raw = raw();
    raw.arrive();
    let before = raw.camera.dropped();
    let said = raw.datagrams.len() + raw.packets.len();
    let question = discovery(0, 0, 0, &SESSION.0);
    for at in 0..question.len() {
        let mut wrong = question.clone();
        wrong[at] ^= 0x80;
        raw.camera
            .handle_datagram(raw.now, client_address(), &mut wrong);
    }
    raw.advance(MS(1));
    assert_eq!(raw.camera.dropped(), before + 52);
    assert_eq!(raw.datagrams.len() + raw.packets.len(), said);
}

#[test]
fn a_client_that_knows_no_dialect_finds_either() {
    for dialect in Dialect::DETECTED {
        let mut config = SimulatorConfig::new(credentials(), clip(2, 20, 10));
        config.dialects = vec![dialect];
        let mut hub = Hub::new(config);
        hub.join(ClientConfig::new(camera_address(), credentials()));
        assert!(hub.run_until(Duration::from_secs(5), |hub| {
            !hub.clients[0].frames.is_empty()
        }));
        assert_eq!(hub.clients[0].client.dialect(), Some(dialect));
    }
}

/// A handshake that is begun anew is one in another session, which must be asked for from the first
/// packet.
#[test]
fn a_handshake_begun_anew_asks_for_another_session() {
    let mut script = Scripted::new(CC51);
    script.answer_discovery();
    script.grant();
    let said = script.datagrams.len();
    script.advance(MS(3500));
    assert_eq!(script.client.stats().restarts, 1);
    let again = script.datagrams[said..]
        .iter()
        .find(|(_, _, bytes)| bytes[4..6] == [0x02, 0x10])
        .unwrap();
    let name = again.2[16..24].to_vec();
    assert_eq!(again.2, discovery(0, 0, 0, &name));
    assert_ne!(name, GIVEN.0);
    // What the camera gave before is not taken again.
    script.answer_discovery();
    assert_eq!(script.datagrams.last().unwrap().2[12], 0);
    let other = SessionId(*b"another!");
    script.datagram(|out| cc51_discovery(1, 7, other).write(out));
    assert_eq!(
        script.datagrams.last().unwrap().2,
        discovery(0, 2, 7, &other.0)
    );
}
