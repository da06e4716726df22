//! An attacker off the path, with every suite: forged alerts and messages, floods of hellos,
//! cookies of other clients, wrong keys and identities.

use std::sync::Arc;
use std::time::Duration;

use crate::common::adversary::records;
use crate::common::variants::{MESSAGE, RECORD, Resize, Variant, all_variants, ends, resized};
use crate::common::{IDENTITY, KEY, Pair, Peer, client_config, server_config, suites};
use dtls_psk::{
    AlertDescription, AlertLevel, CipherSuite, Config, Connection, Error, Output, Psk, Stage,
};
use tutk_time::Instant;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// Returns an alert in the clear or with an invalid tag.
fn forged_alert(epoch: u8, level: u8, description: u8) -> Vec<u8> {
    let number = [0, 0, 0, 0, 9, 9];
    [
        &[ALERT, 0xfe, 0xfd, 0, epoch][..],
        &number,
        &[0, 2, level, description],
    ]
    .concat()
}

#[test]
fn forged_alerts_can_end_a_handshake_but_not_a_connection() {
    for variant in all_variants() {
        let flights = variant.handshake().len();
        for at in 0..=flights {
            for to_client in [true, false] {
                for (level, description) in
                    [(1, 0), (1, 90), (2, 0), (2, 20), (2, 40), (2, 115), (3, 40)]
                {
                    let mut pair = variant.pair();
                    let now = pair.now;
                    let mut number = 0;
                    // Deliver up to `at`, then the alert, then the rest.
                    let path = |number: &mut usize, datagram: Vec<u8>| {
                        *number += 1;
                        if *number <= at {
                            vec![datagram]
                        } else {
                            vec![]
                        }
                    };
                    pair.exchange(|_, _, datagram| path(&mut number, datagram));
                    let [client, server] = ends(&mut pair);
                    let end = if to_client { client } else { server };
                    let (connected, begun) = (end.is_connected(), end.connection.has_started());
                    let sealed = forged_alert(1, level, description);
                    end.handle(now, &sealed);
                    assert_eq!(end.error, None, "the alert is not authentic");
                    end.outgoing.clear();
                    end.handle(now, &forged_alert(0, level, description));
                    let believed = (level == 2 || description == 0) && level < 3;
                    if believed && begun && !connected {
                        let error = end.error.as_ref().unwrap();
                        assert!(matches!(
                            error,
                            Error::PeerAlert {
                                authenticated: false,
                                ..
                            }
                        ));
                        assert!(end.outgoing.is_empty(), "an alert is not answered");
                    } else {
                        assert_eq!(end.error, None);
                        if connected && level < 3 {
                            assert_eq!(end.connection.stats().alerts_ignored, 1);
                        }
                        pair.run(|_, _, datagram| vec![datagram]);
                        pair.check_connected();
                    }
                }
            }
        }
    }
}

/// Returns one fragment of a handshake message in the clear.
fn forged_fragment(message_type: u8, sequence: u8, length: u8, offset: u8, data: &[u8]) -> Vec<u8> {
    let len = u8::try_from(data.len()).unwrap();
    let mut datagram = vec![HANDSHAKE, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 9, 9, 0, 12 + len];
    datagram.extend([
        message_type,
        0,
        0,
        length,
        0,
        sequence,
        0,
        0,
        offset,
        0,
        0,
        len,
    ]);
    datagram.extend(data);
    datagram
}

#[test]
fn forged_invalid_messages_only_delay_a_handshake() {
    // Empty, whole but invalid, the start and the end of a longer message.
    let shapes: [(u8, u8, &[u8]); 4] = [
        (0, 0, &[]),
        (3, 0, &[0xff; 3]),
        (200, 0, &[0xff; 5]),
        (200, 190, &[0xff; 10]),
    ];
    for variant in all_variants() {
        for at in 0..=variant.handshake().len() {
            for message_type in [0, 1, 2, 3, 4, 11, 12, 13, 14, 16, 20, 99] {
                for (length, offset, data) in shapes {
                    let mut pair = variant.pair();
                    let now = pair.now;
                    // Deliver up to `at`, then the forged messages with every relevant number, then
                    // the rest.
                    let mut lost = Vec::new();
                    pair.exchange(|number, from_client, datagram| {
                        if number < at {
                            vec![datagram]
                        } else {
                            lost.push((from_client, datagram));
                            vec![]
                        }
                    });
                    for sequence in 0..8 {
                        let forged = forged_fragment(message_type, sequence, length, offset, data);
                        for end in ends(&mut pair) {
                            end.handle(now, &forged);
                        }
                    }
                    for (from_client, datagram) in lost {
                        let [client, server] = ends(&mut pair);
                        let to = if from_client { server } else { client };
                        to.handle(now, &datagram);
                    }
                    pair.run(|_, _, datagram| vec![datagram]);
                    for end in ends(&mut pair) {
                        let context = (variant, at, message_type, length, offset);
                        assert_eq!(end.error, None, "{context:?}");
                        assert!(end.is_connected(), "{context:?}");
                    }
                    pair.check_connected();
                }
            }
        }
    }
}

#[test]
fn forged_message_with_the_number_of_the_finished_is_dropped() {
    for variant in all_variants() {
        let flights = variant.handshake().len();
        let mut pair = variant.pair();
        let now = pair.now;
        // Up to the client's last flight, of which only the ClientKeyExchange arrives.
        pair.exchange(|number, _, datagram| match number {
            _ if number + 2 < flights => vec![datagram],
            _ if number + 2 == flights => vec![records(&datagram).remove(0)],
            _ => vec![],
        });
        for end in ends(&mut pair) {
            assert_eq!(end.connection.stage(), Stage::AwaitFinished);
            let before = end.connection.stats().unexpected;
            for sequence in 0..8 {
                for message_type in [1, 4, 14, 16, 20] {
                    let whole = forged_fragment(message_type, sequence, 12, 0, &[7; 12]);
                    let part = forged_fragment(message_type, sequence, 12, 3, &[7; 2]);
                    end.handle(now, &whole);
                    end.handle(now, &part);
                }
            }
            let stats = end.connection.stats();
            // At least the three numbers from 5 on are ahead of both sides.
            assert!(stats.unexpected - before >= 3 * 2 * 5);
            assert_eq!((stats.fragments_dropped, stats.messages_rejected), (0, 0));
            assert_eq!(end.error, None);
        }
        pair.run(|_, _, datagram| vec![datagram]);
        pair.check_connected();
    }
}

/// A server configuration whose cookies depend on `secret` only.
fn config_with_secret(suite: CipherSuite, secret: u8) -> Arc<Config> {
    let config = server_config().with_suites(&[suite]);
    Arc::new(config.with_cookie_secret([secret; 32]))
}

/// Sends one hello to a new server. Returns its answer and whether it keeps state.
fn ask(config: &Arc<Config>, address: &[u8], hello: &[u8], now: Instant) -> (Vec<u8>, bool) {
    let mut server = Connection::server(Arc::clone(config), address, [7; 32], now).unwrap();
    server
        .handle_datagram(now, &mut hello.to_vec(), |_| panic!("data"))
        .unwrap();
    let mut answers = Vec::new();
    while let Output::Transmit(answer) = server.poll_output() {
        answers.push(answer.to_vec());
    }
    assert_eq!(answers.len(), 1);
    (answers.remove(0), server.has_started())
}

#[test]
fn flood_of_hellos_is_not_amplified_and_leaves_no_state() {
    for suite in suites() {
        let now = Instant::ZERO;
        let config = config_with_secret(suite, 3);
        let client = client_config().with_suites(&[suite]);
        let mut cookies = std::collections::BTreeSet::new();
        for n in 0..2000_u32 {
            let hello = Peer::client(client.clone(), u64::from(n / 2), now)
                .outgoing
                .remove(0);
            let (answer, begun) = ask(&config, &n.to_be_bytes(), &hello, now);
            assert!(!begun && answer.len() <= hello.len());
            // Headers and version, cookie length, cookie.
            assert!(
                cookies.insert(answer[RECORD + MESSAGE + 3..].to_vec()),
                "the cookie depends on the address"
            );
        }
    }
}

#[test]
fn cookie_is_valid_only_unchanged_for_one_address_and_hello() {
    for suite in suites() {
        let now = Instant::ZERO;
        let config = config_with_secret(suite, 3);
        let mut client = Peer::client(client_config().with_suites(&[suite]), 1, now);
        let first = client.outgoing.pop().unwrap();
        // Every server in this test is new. Only the secret is shared.
        let (request, begun) = ask(&config, b"one", &first, now);
        assert!(!begun);
        client.handle(now, &request);
        let second = client.outgoing.pop().unwrap();
        assert!(ask(&config, b"one", &second, now).1);
        assert!(!ask(&config, b"two", &second, now).1);
        let other = config_with_secret(suite, 4);
        assert!(!ask(&other, b"one", &second, now).1);
        // Headers, version and random, an empty session ID, cookie length, cookie.
        let cookie = RECORD + MESSAGE + 2 + 32 + 1 + 1;
        let len = usize::from(second[cookie - 1]);
        assert_eq!(len, 32);
        for at in cookie..cookie + len {
            for bit in 0..8 {
                let mut other = second.clone();
                other[at] ^= 1 << bit;
                assert!(!ask(&config, b"one", &other, now).1, "byte {at} bit {bit}");
            }
        }
        // Shorter and longer cookies, with consistent lengths.
        for keep in (0..len).chain([len + 1, len + 32]) {
            let mut value = second[cookie..cookie + len].to_vec();
            value.resize(keep, 0);
            let mut other = second[..cookie].to_vec();
            other[cookie - 1] = u8::try_from(keep).unwrap();
            other.extend(value);
            other.extend(&second[cookie + len..]);
            let body = other.len() - RECORD - MESSAGE;
            let other = resized(&other, Resize::Body(body));
            assert!(!ask(&config, b"one", &other, now).1, "{keep} bytes");
        }
        // The cookie is not valid for a hello with any other byte changed.
        for at in RECORD + MESSAGE..second.len() {
            if (cookie..cookie + len).contains(&at) {
                continue;
            }
            let mut other = second.clone();
            other[at] ^= 1;
            let mut server = Connection::server(Arc::clone(&config), b"one", [7; 32], now).unwrap();
            server.handle_datagram(now, &mut other, |_| {}).unwrap();
            assert!(!server.has_started(), "byte {at}");
        }
    }
}

/// Returns all that a server sends to this client with the times. Its seed is always the same.
fn conversation(variant: Variant, client: Config) -> (Vec<(Duration, Vec<u8>)>, Pair) {
    let mut pair = Pair::new(variant.apply(client), variant.server());
    let start = pair.now;
    let mut sent = Vec::new();
    // Like `Pair::run`, but with times.
    for _ in 0..40 {
        pair.exchange(|_, from_client, datagram| {
            if !from_client {
                sent.push((Duration::ZERO, datagram.clone()));
            }
            vec![datagram]
        });
        pair.now = pair.client.deadline.min(pair.server.deadline).max(pair.now);
        let now = pair.now;
        for end in ends(&mut pair) {
            end.handle_timeout(now);
        }
        for datagram in &pair.server.outgoing {
            sent.push((now - start, datagram.clone()));
        }
    }
    (sent, pair)
}

#[test]
fn unknown_identity_and_wrong_key_get_identical_datagrams() {
    for variant in all_variants() {
        let (wrong_key, pair) = conversation(variant, Config::client(IDENTITY, Psk::new([1; 32])));
        assert!(pair.client.error.as_ref().unwrap().hints_at_wrong_key());
        assert!(pair.client.connection.is_closed() && pair.server.connection.is_closed());
        for end in [&pair.client, &pair.server] {
            assert!(end.received.is_empty() && end.connected().is_none());
            let gave_up = matches!(
                end.error,
                Some(Error::HandshakeTimedOut {
                    stage: Stage::AwaitFinished,
                    ..
                })
            );
            assert!(gave_up, "{:?}", end.error);
        }
        assert!(pair.server.connection.stats().undecryptable_finished >= 8);
        for identity in ["test-server", "x", &"long".repeat(50)] {
            let (unknown, other) = conversation(variant, Config::client(identity, Psk::new(KEY)));
            assert_eq!(unknown, wrong_key);
            assert_eq!(other.client.error, pair.client.error);
        }
        // The right key gets other datagrams.
        assert_ne!(conversation(variant, client_config()).0, wrong_key);
    }
}

#[test]
fn stripped_extended_master_secret_is_detected() {
    for suite in suites() {
        let variant = Variant {
            suite,
            all_options: true,
        };
        let server = variant.server().with_cookie_exchange(false);
        let mut pair = Pair::new(variant.client(), server);
        pair.run(|number, _, mut datagram| {
            if number == 0 {
                let at = datagram.windows(4).position(|w| w == [0, 23, 0, 0]);
                datagram[at.unwrap() + 1] = 99;
            }
            vec![datagram]
        });
        // Without it the keys do not depend on the hellos, so only the Finished detects it.
        assert_eq!(pair.server.error, Some(Error::FinishedMismatch));
        let client = pair.client.error;
        let expected = Error::PeerAlert {
            level: AlertLevel::Fatal,
            description: AlertDescription::DECRYPT_ERROR,
            authenticated: false,
        };
        assert_eq!(client, Some(expected));
    }
}
