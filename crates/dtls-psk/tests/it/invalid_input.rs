//! Hostile and unusual input, one example for each rule. `attack.rs` is exhaustive.

use std::sync::Arc;

use crate::common::{IDENTITY, KEY, Pair, client_config, server_config, suites};
use dtls_psk::{Config, Connection, Error, Event, Psk, Stage};
use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use tutk_time::Instant;

const HANDSHAKE: u8 = 22;

/// Returns random bytes, sometimes with a valid record header, sometimes also with a valid
/// fragment.
fn random_datagram(rng: &mut StdRng) -> Vec<u8> {
    let len = rng.random_range(0..200);
    let mut body = vec![0; len];
    rng.fill_bytes(&mut body);
    let shape = rng.random_range(0..4);
    if shape >= 2 && len >= 12 {
        let n = u8::try_from(len - 12).unwrap();
        let message_type = [0, 1, 2, 3, 12, 14, 16, 20][rng.random_range(0..8)];
        let sequence = rng.random_range(0..4);
        // Longer than the fragment: a whole message might parse and be accepted.
        body[..12].copy_from_slice(&[message_type, 0, 1, n, 0, 9 + sequence, 0, 0, 0, 0, 0, n]);
    }
    if shape >= 1 {
        // No alerts and no ChangeCipherSpec in the clear, which would be accepted.
        let epoch = rng.random_range(0..3);
        let kind = if epoch == 0 {
            [22, 23, 24][rng.random_range(0..3)]
        } else {
            rng.random_range(19..26)
        };
        let mut datagram = vec![kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, rng.random()];
        datagram.extend(u16::try_from(len).unwrap().to_be_bytes());
        if shape == 1 && kind == HANDSHAKE && epoch == 0 {
            // Random handshake bytes with inconsistent lengths.
            body.iter_mut()
                .skip(6)
                .take(6)
                .for_each(|byte| *byte = 0xff);
        }
        datagram.extend(&body);
        body = datagram;
    }
    body
}

#[test]
fn random_datagrams_are_dropped_at_every_point() {
    for seed in 0..40 {
        let suites = suites();
        let suite = suites[usize::try_from(seed).unwrap() % suites.len()];
        let mut rng = StdRng::seed_from_u64(seed);
        let pair = &mut Pair::with_suite(suite);
        pair.run(|_, _, datagram| {
            let mut all: Vec<Vec<u8>> = (0..20).map(|_| random_datagram(&mut rng)).collect();
            all.push(datagram);
            all.extend((0..20).map(|_| random_datagram(&mut rng)));
            all
        });
        pair.check_connected();
        for _ in 0..500 {
            pair.client.handle(pair.now, &random_datagram(&mut rng));
            pair.server.handle(pair.now, &random_datagram(&mut rng));
        }
        assert!(pair.client.outgoing.is_empty() && pair.server.outgoing.is_empty());
        pair.check_connected();
        let stats = pair.client.connection.stats();
        assert!(stats.malformed > 0 && stats.unexpected > 0 && stats.undecryptable > 0);
    }
}

#[test]
fn wrong_key_is_suspected_before_the_timeout() {
    for suite in suites() {
        let client = Config::client(IDENTITY, Psk::new([1; 32])).with_suites(&[suite]);
        let mut pair = Pair::new(client, server_config().with_suites(&[suite]));
        assert!(!pair.client.connection.suspects_wrong_key());
        pair.exchange(|_, _, datagram| vec![datagram]);
        assert!(pair.client.connection.suspects_wrong_key());
        assert!(pair.server.connection.suspects_wrong_key());
    }
}

#[test]
fn close_notify_is_answered_and_closes_both_sides() {
    let mut pair = Pair::default();
    pair.connect();
    pair.client.connection.send(b"last data").unwrap();
    pair.client.connection.close();
    pair.client.connection.close();
    pair.client.poll();
    assert_eq!(pair.client.outgoing.len(), 2);
    pair.server.received.clear();
    let mut answers = Vec::new();
    pair.exchange(|_, from_client, datagram| {
        if !from_client {
            answers.push(datagram[0]);
        }
        vec![datagram]
    });
    assert_eq!(answers, [21], "the server answers with close_notify");
    assert_eq!(pair.server.received, [b"last data"]);
    for side in [&pair.client, &pair.server] {
        let closed = side.events.iter().filter(|event| **event == Event::Closed);
        assert_eq!(
            (closed.count(), side.events.last()),
            (1, Some(&Event::Closed))
        );
    }
    assert!(pair.server.connection.is_closed() && pair.client.connection.is_closed());
    assert_eq!((&pair.client.error, &pair.server.error), (&None, &None));
    assert_eq!(pair.server.connection.send(b"x"), Err(Error::Closed));
    assert_eq!(pair.client.connection.send(b"x"), Err(Error::Closed));
}

#[test]
fn forged_retransmissions_are_answered_a_limited_number_of_times() {
    let mut pair = Pair::default();
    let mut flights = Vec::new();
    pair.exchange(|number, _, datagram| {
        flights.push(datagram.clone());
        // The second hello arrives, the client's last flight does not.
        if number < 4 { vec![datagram] } else { vec![] }
    });
    for _ in 0..1000 {
        pair.server.handle(pair.now, &flights[2]);
        pair.client.handle(pair.now, &flights[3]);
    }
    for peer in [&mut pair.client, &mut pair.server] {
        assert_eq!(peer.connection.stats().flights_resent, 16);
        assert_eq!(peer.outgoing.len(), 16);
        assert_eq!(peer.error, None);
    }
    pair.run(|_, _, datagram| vec![datagram]);
    pair.check_connected();
}

#[test]
fn client_answers_a_limited_number_of_verify_requests() {
    let mut pair = Pair::default();
    let request = |cookie: u8, sequence: u8| {
        let mut datagram = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12 + 2 + 1 + 1];
        datagram.extend([
            3, 0, 0, 4, 0, sequence, 0, 0, 0, 0, 0, 4, 0xfe, 0xff, 1, cookie,
        ]);
        datagram
    };
    let mut hellos = Vec::new();
    for n in 0..100 {
        pair.client.outgoing.clear();
        // The first is answered. Another only after the hello was retransmitted without an answer.
        pair.client.handle(pair.now, &request(2 * n, 0));
        hellos.append(&mut pair.client.outgoing);
        pair.client.handle(pair.now, &request(2 * n + 1, 0));
        assert_eq!(pair.client.outgoing.len(), 0);
        pair.now = pair.client.deadline;
        pair.client.handle_timeout(pair.now);
    }
    assert_eq!(pair.client.connection.stats().verify_requests, 3);
    assert_eq!(hellos.len(), 3);
    for (n, hello) in hellos.iter().enumerate() {
        // Message numbers continue from the request's. The hello has the request's cookie.
        assert_eq!(hello[13 + 5], 1);
        assert_eq!(
            &hello[13 + 12 + 34 + 1..][..2],
            &[1, u8::try_from(2 * n).unwrap()]
        );
    }
}

#[test]
fn invalid_configuration_is_rejected() {
    let now = Instant::ZERO;
    for config in [
        client_config().with_suites(&[]),
        client_config().with_groups(&[]),
        client_config().with_mtu(255),
        client_config().with_mtu(65_508),
        Config::client("", Psk::new(KEY)),
        Config::client("x".repeat(1025), Psk::new(KEY)),
        Config::client(IDENTITY, Psk::new([])),
        Config::client(IDENTITY, Psk::new([0; 1025])),
    ] {
        let error = Connection::client(Arc::new(config), [1; 32], now).unwrap_err();
        assert!(matches!(error, Error::OutOfRange { .. }), "{error}");
    }
    let wrong = Connection::server(Arc::new(client_config()), b"", [1; 32], now);
    assert!(matches!(wrong, Err(Error::WrongRole { .. })));
    let wrong = Connection::client(Arc::new(server_config()), [1; 32], now);
    assert!(matches!(wrong, Err(Error::WrongRole { .. })));
}

#[test]
fn send_errors_leave_the_connection_intact() {
    let mut pair = Pair::default();
    let early = pair.client.connection.send(b"x");
    assert_eq!(early, Err(Error::NotConnected(Stage::AwaitHello)));
    pair.connect();
    let max = pair.client.connection.max_payload();
    assert_eq!(max, 1200 - 13 - 16);
    let client = &mut pair.client.connection;
    assert_eq!(
        client.send(&vec![0; max + 1]),
        Err(Error::TooLong { max, got: max + 1 })
    );
    let mut out = b"wrapper".to_vec();
    assert!(client.seal(&vec![0; max + 1], &mut out).is_err());
    assert_eq!(out, b"wrapper");
    client.seal(&vec![1; max], &mut out).unwrap();
    assert_eq!(out.len(), 7 + 1200);
    pair.server.received.clear();
    pair.server.handle(pair.now, &out[7..]);
    assert_eq!(pair.server.received, [vec![1; max]]);
    let client = &mut pair.client.connection;
    for _ in 0..256 {
        client.send(b"y").unwrap();
    }
    assert_eq!(client.send(b"y"), Err(Error::QueueFull(256)));
    pair.client.poll();
    pair.client.outgoing.clear();
    pair.check_connected();
}

#[test]
fn several_records_in_one_datagram_are_delivered() {
    let mut pair = Pair::default();
    pair.connect();
    let mut datagram = Vec::new();
    for n in 0..5 {
        pair.client.connection.seal(&[n; 3], &mut datagram).unwrap();
    }
    pair.server.received.clear();
    pair.server.handle(pair.now, &datagram);
    assert_eq!(
        pair.server.received,
        [[0; 3], [1; 3], [2; 3], [3; 3], [4; 3]]
    );
    assert_eq!(pair.server.connection.stats().delivered, 6);
}
