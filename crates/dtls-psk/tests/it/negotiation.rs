//! Negotiated parameters, and the alerts for invalid hellos.

use tutk_time::Instant;

use crate::common::{Peer, client_config, server_config};
use dtls_psk::{Error, Stage};

/// Returns a ClientHello in one record.
fn hello(version: [u8; 2], suites: &[u8], compressions: &[u8], extensions: &[u8]) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([0x42; 32]);
    body.extend([0, 0]);
    body.extend(u16::try_from(suites.len()).unwrap().to_be_bytes());
    body.extend(suites);
    body.push(u8::try_from(compressions.len()).unwrap());
    body.extend(compressions);
    if !extensions.is_empty() {
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
    }
    let n = u8::try_from(body.len()).unwrap();
    let mut datagram = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 5, 0, n + 12];
    datagram.extend([1, 0, 0, n, 0, 0, 0, 0, 0, 0, 0, n]);
    datagram.extend(body);
    datagram
}

fn answer(hello: &[u8]) -> (Vec<Vec<u8>>, Option<Error>) {
    let mut server = Peer::server(
        server_config().with_cookie_exchange(false),
        1,
        Instant::ZERO,
    );
    let now = server.deadline;
    server.handle(now, hello);
    (server.outgoing, server.error)
}

const SUITE: &[u8] = &[0xcc, 0xac];
const DTLS12: [u8; 2] = [0xfe, 0xfd];
const X25519: &[u8] = &[0, 10, 0, 4, 0, 2, 0, 29];

#[test]
fn supported_hellos_are_accepted() {
    // supported_versions with 1.3 and 1.2, an unknown extension, groups that include X25519.
    let modern = [
        &[0, 43, 0, 5, 4, 0xfe, 0xfc, 0xfe, 0xfd][..],
        &[0x7a, 0x7a, 0, 1, 9],
        &[0, 10, 0, 6, 0, 4, 0, 23, 0, 29],
    ]
    .concat();
    for (version, suites, extensions) in [
        (DTLS12, SUITE, &[][..]),
        (DTLS12, &[0x13, 1, 0xcc, 0xac, 0, 0xff], X25519),
        (DTLS12, SUITE, &modern),
        ([0xfe, 0xfc], SUITE, X25519),
    ] {
        let (outgoing, error) = answer(&hello(version, suites, &[1, 0], extensions));
        assert_eq!(error, None);
        assert_eq!(outgoing.len(), 1);
        // The record number continues from the hello's, and the version is 1.2.
        assert_eq!(
            &outgoing[0][..11],
            &[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 5]
        );
        assert_eq!(outgoing[0][13], 2);
        assert_eq!(&outgoing[0][25..27], &[0xfe, 0xfd]);
    }
}

#[test]
fn unsupported_hellos_get_the_matching_alert() {
    let twice = [X25519, X25519].concat();
    for (hello, alert) in [
        (hello([0xfe, 0xff], SUITE, &[0], X25519), 70),
        (hello([3, 3], SUITE, &[0], X25519), 70),
        (hello(DTLS12, &[0xc0, 0x2b], &[0], X25519), 40),
        (hello(DTLS12, SUITE, &[1], X25519), 47),
        (hello(DTLS12, SUITE, &[0], &[0, 10, 0, 4, 0, 2, 0, 23]), 40),
        (hello(DTLS12, SUITE, &[0], &[0xff, 1, 0, 2, 1, 7]), 40),
        (hello(DTLS12, SUITE, &[0], &[0, 11, 0, 2, 1, 1]), 47),
        (hello(DTLS12, SUITE, &[0], &twice), 47),
    ] {
        let (outgoing, error) = answer(&hello);
        assert!(error.is_some(), "alert {alert}");
        assert_eq!(outgoing.len(), 1, "alert {alert}");
        assert_eq!(outgoing[0][0], 21);
        assert_eq!(&outgoing[0][13..], &[2, alert], "{error:?}");
    }
}

#[test]
fn malformed_hellos_are_dropped() {
    for invalid in [
        hello(DTLS12, SUITE, &[0], &[0, 10, 0, 9]),
        hello(DTLS12, &[0xcc], &[0], X25519),
    ] {
        let config = server_config().with_cookie_exchange(false);
        let mut server = Peer::server(config, 1, Instant::ZERO);
        let now = server.deadline;
        server.handle(now, &invalid);
        server.handle(now, &invalid);
        assert_eq!((&server.error, server.outgoing.len()), (&None, 0));
        assert_eq!(server.connection.stats().messages_rejected, 2);
        assert!(!server.connection.has_started());
        server.handle(now, &hello(DTLS12, SUITE, &[0], X25519));
        assert_eq!(server.connection.stage(), Stage::AwaitKeyExchange);
    }
}

/// Returns a handshake message in the clear, in one record.
fn plain(message_type: u8, sequence: u8, body: &[u8]) -> Vec<u8> {
    let n = u8::try_from(body.len()).unwrap();
    let mut datagram = vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, n + 12];
    datagram.extend([message_type, 0, 0, n, 0, sequence, 0, 0, 0, 0, 0, n]);
    datagram.extend(body);
    datagram
}

/// Returns the body of a ServerHello.
fn server_hello(version: [u8; 2], suite: [u8; 2], compression: u8, extensions: &[u8]) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([0x42; 32]);
    body.push(0);
    body.extend(suite);
    body.push(compression);
    if !extensions.is_empty() {
        body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
        body.extend(extensions);
    }
    body
}

/// The types and bodies of a server's flight.
type Flight = Vec<(u8, Vec<u8>)>;

const HELLO: u8 = 2;
const KEY_EXCHANGE: u8 = 12;
const DONE: u8 = 14;

fn good_hello(extensions: &[u8]) -> (u8, Vec<u8>) {
    (HELLO, server_hello(DTLS12, [0xcc, 0xac], 0, extensions))
}

fn key_exchange(curve_type: u8, group: u8, public: &[u8]) -> (u8, Vec<u8>) {
    let mut body = vec![0, 0, curve_type, 0, group];
    body.push(u8::try_from(public.len()).unwrap());
    body.extend(public);
    (KEY_EXCHANGE, body)
}

/// Returns X25519's base point, which is a valid public key.
fn point() -> [u8; 32] {
    let mut point = [0; 32];
    point[0] = 9;
    point
}

fn client_that_gets(flight: &Flight) -> Peer {
    let now = Instant::ZERO;
    let mut client = Peer::client(client_config(), 1, now);
    client.outgoing.clear();
    for (sequence, (message_type, body)) in (0..).zip(flight) {
        assert_eq!(client.error, None);
        client.handle(now, &plain(*message_type, sequence, body));
    }
    client
}

#[test]
fn invalid_server_flights_get_the_matching_alert() {
    let suite = [0xcc, 0xac];
    let good = || good_hello(&[]);
    let x25519 = |public: &[u8]| key_exchange(3, 29, public);
    let done = || (DONE, vec![]);
    let flights: [(Flight, u8); 15] = [
        (vec![(HELLO, server_hello([0xfe, 0xff], suite, 0, &[]))], 70),
        (vec![(HELLO, server_hello(DTLS12, [0, 0xae], 0, &[]))], 40),
        (vec![(HELLO, server_hello(DTLS12, suite, 1, &[]))], 47),
        (vec![good_hello(&[0, 16, 0, 0])], 110),
        (vec![good_hello(&[0xff, 1, 0, 2, 1, 7])], 40),
        (vec![good_hello(&[0, 11, 0, 2, 1, 1])], 47),
        (vec![(HELLO, vec![0xfe])], 50),
        (vec![done()], 10),
        (vec![good(), done()], 10),
        (vec![good(), good()], 10),
        (vec![good(), key_exchange(1, 29, &point())], 47),
        (vec![good(), key_exchange(3, 23, &point())], 40),
        (vec![good(), x25519(&point()), (DONE, vec![0])], 50),
        (vec![good(), x25519(&point()[1..]), done()], 47),
        // The zero point has a zero shared secret (RFC 7748 section 6.1).
        (vec![good(), x25519(&[0; 32]), done()], 47),
    ];
    for (flight, alert) in flights {
        let mut client = client_that_gets(&flight);
        // Malformed or unexpected messages may be forged. They fail the handshake only at its
        // timeout.
        let may_be_forged = matches!(alert, 10 | 50);
        assert_eq!(client.error.is_none(), may_be_forged);
        let rejected = client.connection.stats().messages_rejected;
        assert_eq!(rejected, u64::from(may_be_forged));
        while client.error.is_none() {
            client.handle_timeout(client.deadline);
        }
        let error = client.error.expect("an error");
        let last = client.outgoing.last().expect("an alert");
        assert_eq!(last[0], 21, "{error}");
        assert_eq!(&last[13..], &[2, alert], "{error}");
    }
    // A valid flight causes no error.
    let client = client_that_gets(&vec![good(), x25519(&point()), done()]);
    assert_eq!(client.error, None);
    assert_eq!(client.connection.stage(), Stage::AwaitFinished);
}

#[test]
fn extended_master_secret_that_was_not_offered_is_rejected() {
    let now = Instant::ZERO;
    let config = client_config().with_extended_master_secret(false);
    let mut client = Peer::client(config, 1, now);
    let (message_type, body) = good_hello(&[0, 23, 0, 0]);
    client.handle(now, &plain(message_type, 0, &body));
    assert_eq!(client.error, Some(Error::UnsolicitedExtension(23)));
}
