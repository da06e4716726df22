//! Tests that need access to the internals: protected records that a conforming peer never sends.

use std::sync::Arc;

use tutk_time::Instant;

use super::*;
use crate::Psk;
use crate::alert::{AlertDescription, AlertLevel};
use crate::event::Event;
use crate::messages::{handshake_header, handshake_type};
use crate::record::RecordId;
use crate::record_layer::RecordLayer;

fn drain(connection: &mut Connection) -> (Vec<Vec<u8>>, Vec<Event>) {
    let (mut datagrams, mut events) = (Vec::new(), Vec::new());
    loop {
        match connection.poll_output() {
            Output::Transmit(datagram) => datagrams.push(datagram.to_vec()),
            Output::Event(event) => events.push(event),
            Output::Timeout(_) => return (datagrams, events),
        }
    }
}

fn pair() -> (Connection, Connection, Instant) {
    let now = Instant::ZERO;
    let psk = || Psk::new([9; 32]);
    let client = Arc::new(Config::client("x", psk()));
    let server = Arc::new(Config::server(move |_: &[u8]| Some(psk())));
    let client = Connection::client(client, [5; 32], now).unwrap();
    let server = Connection::server(server, b"", [6; 32], now).unwrap();
    (client, server, now)
}

fn connected() -> (Connection, Connection, Instant) {
    let (mut client, mut server, now) = pair();
    while !client.is_connected() {
        for mut datagram in drain(&mut client).0 {
            server.handle_datagram(now, &mut datagram, |_| {}).unwrap();
        }
        for mut datagram in drain(&mut server).0 {
            client.handle_datagram(now, &mut datagram, |_| {}).unwrap();
        }
    }
    drain(&mut client);
    drain(&mut server);
    (client, server, now)
}

fn seal(records: &mut RecordLayer, content_type: ContentType, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    records
        .append(Epoch::Protected, content_type, content, &mut out)
        .unwrap();
    out
}

#[test]
fn renegotiation_is_refused_and_the_connection_continues() {
    for server_asks in [false, true] {
        let (mut client, mut server, now) = connected();
        let (asks, refuses, message) = if server_asks {
            (&mut server, &mut client, handshake_type::HELLO_REQUEST)
        } else {
            (&mut client, &mut server, handshake_type::CLIENT_HELLO)
        };
        let content = handshake_header(message, 0, 0, 0, 0).unwrap();
        let mut datagram = seal(&mut asks.engine.records, ContentType::Handshake, &content);
        refuses
            .handle_datagram(now, &mut datagram, |_| panic!("data"))
            .unwrap();
        assert_eq!(refuses.stats().renegotiations_refused, 1);
        let (mut answers, events) = drain(refuses);
        assert_eq!((answers.len(), events.len()), (1, 0));
        asks.handle_datagram(now, &mut answers[0], |_| panic!("data"))
            .unwrap();
        assert_eq!(asks.stats().alerts_ignored, 1, "the warning is ignored");
        assert!(asks.is_connected() && refuses.is_connected());
    }
}

#[test]
fn authenticated_fatal_alert_closes_the_connection() {
    let (mut client, mut server, now) = connected();
    let content = Alert::fatal(AlertDescription::INTERNAL_ERROR).to_wire();
    let mut datagram = seal(&mut client.engine.records, ContentType::Alert, &content);
    assert_eq!(
        server.handle_datagram(now, &mut datagram, |_| {}),
        Err(Error::PeerAlert {
            level: AlertLevel::Fatal,
            description: AlertDescription::INTERNAL_ERROR,
            authenticated: true
        })
    );
    assert!(server.is_closed());
    assert!(drain(&mut server).0.is_empty(), "alerts are not answered");
}

#[test]
fn retransmitted_finished_is_answered_with_the_last_flight() {
    let (mut client, mut server, now) = connected();
    // The client's Finished in a new record.
    let Some(crate::flight::FlightItem::Handshake(Epoch::Protected, finished)) =
        client.engine.flight.items.last()
    else {
        panic!("a client's last flight ends with Finished");
    };
    let len = finished.body.len();
    let header =
        handshake_header(handshake_type::FINISHED, len, finished.sequence, 0, len).unwrap();
    let content = [&header[..], &finished.body].concat();
    let mut datagram = seal(&mut client.engine.records, ContentType::Handshake, &content);
    server.handle_datagram(now, &mut datagram, |_| {}).unwrap();
    assert_eq!(server.stats().flights_resent, 1);
    let (mut answers, _) = drain(&mut server);
    assert_eq!(answers.len(), 1);
    client
        .handle_datagram(now, &mut answers[0], |_| panic!("data"))
        .unwrap();
    assert!(client.is_connected() && server.is_connected());
}

#[test]
fn client_rejects_a_wrong_finished() {
    let (mut client, mut server, now) = pair();
    // Up to the client's last flight.
    for _ in 0..2 {
        for mut datagram in drain(&mut client).0 {
            server.handle_datagram(now, &mut datagram, |_| {}).unwrap();
        }
        for mut datagram in drain(&mut server).0 {
            client.handle_datagram(now, &mut datagram, |_| {}).unwrap();
        }
    }
    for mut datagram in drain(&mut client).0 {
        server.handle_datagram(now, &mut datagram, |_| {}).unwrap();
    }
    assert!(server.is_connected() && !client.is_connected());
    drain(&mut server);
    let records = &mut server.engine.records;
    let mut datagram = Vec::new();
    records
        .append(
            Epoch::Plain,
            ContentType::ChangeCipherSpec,
            &[1],
            &mut datagram,
        )
        .unwrap();
    let sequence = server.engine.next_message - 1;
    let header = handshake_header(handshake_type::FINISHED, 12, sequence, 0, 12).unwrap();
    let content = [&header[..], &[0; 12]].concat();
    datagram.extend(seal(records, ContentType::Handshake, &content));
    assert_eq!(
        client.handle_datagram(now, &mut datagram, |_| {}),
        Err(Error::FinishedMismatch)
    );
    // The client sends a protected alert.
    let mut alert = drain(&mut client).0.pop().unwrap();
    assert_eq!(
        server.handle_datagram(now, &mut alert, |_| {}),
        Err(Error::PeerAlert {
            level: AlertLevel::Fatal,
            description: AlertDescription::DECRYPT_ERROR,
            authenticated: true
        })
    );
}

#[test]
fn unexpected_protected_records_are_dropped() {
    let (mut client, mut server, now) = connected();
    let records = &mut client.engine.records;
    let mut datagram = seal(records, ContentType::ChangeCipherSpec, &[1]);
    datagram.extend(seal(records, ContentType::Alert, &[2]));
    datagram.extend(seal(records, ContentType::Handshake, &[20, 0]));
    datagram.extend(seal(records, ContentType::ApplicationData, b""));
    let mut delivered = Vec::new();
    server
        .handle_datagram(now, &mut datagram, |data| delivered.push(data.to_vec()))
        .unwrap();
    assert_eq!(delivered, [b""], "an empty record is delivered");
    let stats = server.stats();
    assert_eq!((stats.unexpected, stats.malformed), (1, 2));
    assert!(drain(&mut server).0.is_empty());
}

#[test]
fn finished_in_the_clear_is_ignored() {
    let (client, mut server, now) = connected();
    drop(client);
    let content = handshake_header(handshake_type::FINISHED, 0, 2, 0, 0).unwrap();
    let id = RecordId {
        content_type: ContentType::Handshake,
        version: 0xfefd,
        epoch: Epoch::Plain,
        sequence: 77,
    };
    let mut datagram = Vec::new();
    crate::record::append_plain(id, &content, &mut datagram).unwrap();
    server.handle_datagram(now, &mut datagram, |_| {}).unwrap();
    assert_eq!(server.stats().unexpected, 1);
    assert!(drain(&mut server).0.is_empty());
}

#[test]
fn last_sequence_number_carries_a_close_notify() {
    let (mut client, mut server, now) = connected();
    let last = (1 << 48) - 1;
    client.engine.records.set_next_protected(last - 1);
    client.send(b"the last record").unwrap();
    assert_eq!(client.send(b"x"), Err(Error::SequenceExhausted(1)));
    assert!(client.is_closed());
    assert_eq!(client.send(b"x"), Err(Error::Closed));
    let (datagrams, _) = drain(&mut client);
    assert_eq!(datagrams.len(), 2);
    let mut delivered = Vec::new();
    for mut datagram in datagrams {
        server
            .handle_datagram(now, &mut datagram, |data| delivered.push(data.to_vec()))
            .unwrap();
    }
    assert_eq!(delivered, [b"the last record"]);
    assert!(server.is_closed());
    assert_eq!(drain(&mut server).1, [Event::Closed]);
}

#[test]
fn seal_without_sequence_numbers_closes_and_leaves_the_buffer_unchanged() {
    let (mut client, ..) = connected();
    client.engine.records.set_next_protected((1 << 48) - 1);
    let mut out = vec![1, 2, 3];
    assert_eq!(
        client.seal(b"x", &mut out),
        Err(Error::SequenceExhausted(1))
    );
    assert_eq!(out, [1, 2, 3]);
    assert!(client.is_closed());
    assert_eq!(drain(&mut client).0.len(), 1, "the close_notify");
}

#[test]
fn offered_session_and_ticket_are_ignored() {
    let (mut client, server, now) = pair();
    drop(server);
    let psk = || Psk::new([9; 32]);
    let config = Config::server(move |_: &[u8]| Some(psk())).with_cookie_exchange(false);
    let mut server = Connection::server(Arc::new(config), b"", [5; 32], now).unwrap();
    // The client's hello with an added session ID and session_ticket extension (35).
    let hello = drain(&mut client).0.remove(0);
    let body = &hello[25..];
    let extensions_at = 2 + 32 + 1 + 1 + 4 + 2;
    let ticket = [0, 35, 0, 4, 1, 2, 3, 4];
    let extensions = [&body[extensions_at + 2..], &ticket].concat();
    let mut offered = [&body[..34], &[32], &[0x77; 32], &body[35..extensions_at]].concat();
    offered.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    offered.extend(extensions);
    let len = offered.len();
    let header = handshake_header(handshake_type::CLIENT_HELLO, len, 0, 0, len).unwrap();
    let id = RecordId {
        content_type: ContentType::Handshake,
        version: 0xfefd,
        epoch: Epoch::Plain,
        sequence: 0,
    };
    let mut datagram = Vec::new();
    crate::record::append_plain(id, &[&header[..], &offered].concat(), &mut datagram).unwrap();
    server.handle_datagram(now, &mut datagram, |_| {}).unwrap();
    let answer = drain(&mut server).0.remove(0);
    // The server answers with an empty session ID and a full handshake.
    assert_eq!(
        (answer[13], answer[25 + 34]),
        (handshake_type::SERVER_HELLO, 0)
    );
    assert_eq!(server.stage(), Stage::AwaitKeyExchange);
    let text = format!("{answer:02x?}");
    assert!(!text.contains("00, 23, 00, 00, 00"), "no ticket extension");
}

#[test]
fn unexpected_session_ticket_is_dropped() {
    const NEW_SESSION_TICKET: u8 = 4;
    let (mut client, mut server, now) = pair();
    for _ in 0..2 {
        for mut datagram in drain(&mut client).0 {
            server.handle_datagram(now, &mut datagram, |_| {}).unwrap();
        }
        for mut datagram in drain(&mut server).0 {
            client.handle_datagram(now, &mut datagram, |_| {}).unwrap();
        }
    }
    assert_eq!(client.stage(), Stage::AwaitFinished);
    let sequence = client.engine.reassembly.next();
    let header = handshake_header(NEW_SESSION_TICKET, 6, sequence, 0, 6).unwrap();
    let id = RecordId {
        content_type: ContentType::Handshake,
        version: 0xfefd,
        epoch: Epoch::Plain,
        sequence: 9,
    };
    let mut datagram = Vec::new();
    crate::record::append_plain(id, &[&header[..], &[0; 6]].concat(), &mut datagram).unwrap();
    // The ticket is in the clear, so it may be forged, and has the Finished's message number.
    client.handle_datagram(now, &mut datagram, |_| {}).unwrap();
    assert_eq!(client.stats().unexpected, 1);
    for mut datagram in drain(&mut client).0 {
        server.handle_datagram(now, &mut datagram, |_| {}).unwrap();
    }
    for mut datagram in drain(&mut server).0 {
        client.handle_datagram(now, &mut datagram, |_| {}).unwrap();
    }
    assert!(client.is_connected() && server.is_connected());
}

#[test]
fn server_answers_that_were_not_offered_are_rejected() {
    let hello = |suite: [u8; 2], extensions: &[u8]| {
        let mut body = vec![0xfe, 0xfd];
        body.extend([0x42; 32]);
        body.push(0);
        body.extend(suite);
        body.push(0);
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
        let header =
            handshake_header(handshake_type::SERVER_HELLO, body.len(), 0, 0, body.len()).unwrap();
        let id = RecordId {
            content_type: ContentType::Handshake,
            version: 0xfefd,
            epoch: Epoch::Plain,
            sequence: 0,
        };
        let mut out = Vec::new();
        crate::record::append_plain(id, &[&header[..], &body].concat(), &mut out).unwrap();
        out
    };
    let answered = |config: Config, mut datagram: Vec<u8>| {
        let (_, _, now) = pair();
        let mut client = Connection::client(Arc::new(config), [5; 32], now).unwrap();
        client.handle_datagram(now, &mut datagram, |_| {})
    };
    use crate::CipherSuite as S;
    let client = |suites: &[S]| Config::client("x", Psk::new([9; 32])).with_suites(suites);
    let (ccm, cbc) = (S::PskAes128Ccm8, S::PskAes128CbcSha256);
    let (ccm_id, cbc_id) = ([0xc0, 0xa8], [0x00, 0xae]);
    let points = [0, 11, 0, 2, 1, 0];
    let groups = [0, 10, 0, 4, 0, 2, 0, 29];
    let encrypt_then_mac = [0, 22, 0, 0];
    let unsolicited = |number| Err(Error::UnsolicitedExtension(number));
    for (config, datagram, expected) in [
        (client(&[ccm]), hello(ccm_id, &points), unsolicited(11)),
        (client(&[ccm]), hello(ccm_id, &groups), unsolicited(10)),
        (
            client(&[ccm]),
            hello(ccm_id, &encrypt_then_mac),
            unsolicited(22),
        ),
        (
            client(&[cbc]).with_encrypt_then_mac(false),
            hello(cbc_id, &encrypt_then_mac),
            unsolicited(22),
        ),
        (
            client(&[cbc, ccm]),
            hello(ccm_id, &encrypt_then_mac),
            Err(Error::EncryptThenMac(ccm.name())),
        ),
        (
            client(&[cbc, ccm]),
            hello(cbc_id, &encrypt_then_mac),
            Ok(()),
        ),
        // A supported suite that this client did not offer.
        (
            client(&[ccm]),
            hello(cbc_id, &[]),
            Err(Error::CipherSuite {
                what: "the server selected one that was not offered",
            }),
        ),
    ] {
        assert_eq!(answered(config, datagram), expected);
    }
}
