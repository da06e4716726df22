//! Whoever only has an address or a guess, against every suite: forged alerts, hellos without end, cookies
//! of others, wrong keys and names.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a test: the clock is read once, for a beginning"
)]
#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::adversary::records;
use common::terms::{MESSAGE, RECORD, Resize, Terms, all_terms, ends, resized};
use common::{IDENTITY, KEY, Pair, Peer, client_config, seeded, server_config, suites};
use dtls_psk::{AlertDescription, AlertLevel, Config, Connection, Error, Output, Psk, Stage};
use rand::SeedableRng;
use rand::rngs::StdRng;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// An alert that anybody can make.
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
fn forged_alerts_end_a_handshake_at_most_and_never_a_connection() {
    for terms in all_terms() {
        let flights = terms.handshake().len();
        for at in 0..flights {
            for to_client in [true, false] {
                for (level, description) in
                    [(1, 0), (1, 90), (2, 0), (2, 20), (2, 40), (2, 115), (3, 40)]
                {
                    let mut pair = terms.pair();
                    let now = pair.now;
                    let mut number = 0;
                    // Up to `at`, then the alert, then the rest.
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
                    let (connected, begun) = (end.is_connected(), end.connection.has_begun());
                    let sealed = forged_alert(1, level, description);
                    end.handle(now, &sealed);
                    assert_eq!(end.error, None, "it is under no key");
                    end.outgoing.clear();
                    end.handle(now, &forged_alert(0, level, description));
                    let believed = (level == 2 || description == 0) && level < 3;
                    if believed && begun && !connected {
                        let said = end.error.as_ref().unwrap();
                        assert!(matches!(
                            said,
                            Error::PeerAlert {
                                authenticated: false,
                                ..
                            }
                        ));
                        assert!(end.outgoing.is_empty(), "to an alert there is no answer");
                    } else {
                        assert_eq!(end.error, None);
                        pair.run(|_, _, datagram| vec![datagram]);
                        pair.check_connected();
                    }
                }
            }
        }
    }
}

/// One fragment of a handshake message, in the clear.
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
fn forged_messages_that_are_none_delay_a_handshake_at_most() {
    // Whole and empty, whole and nonsense, the beginning, and the end of something longer.
    let shapes: [(u8, u8, &[u8]); 4] = [
        (0, 0, &[]),
        (3, 0, &[0xff; 3]),
        (200, 0, &[0xff; 5]),
        (200, 190, &[0xff; 10]),
    ];
    for terms in all_terms() {
        for at in 0..=terms.handshake().len() {
            for message_type in [0, 1, 2, 3, 4, 11, 12, 13, 14, 16, 20, 99] {
                for (length, offset, data) in shapes {
                    let mut pair = terms.pair();
                    let now = pair.now;
                    // Up to `at`, then the forged ones with every number that may matter, then the rest.
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
                        let context = (terms, at, message_type, length, offset);
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
fn what_has_the_finished_s_number_in_the_clear_is_dropped_and_counted() {
    for terms in all_terms() {
        let flights = terms.handshake().len();
        let mut pair = terms.pair();
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
            // At least the three numbers from 5 on lie ahead of both.
            assert!(stats.unexpected - before >= 3 * 2 * 5);
            assert_eq!((stats.fragments_dropped, stats.messages_rejected), (0, 0));
            assert_eq!(end.error, None);
        }
        pair.run(|_, _, datagram| vec![datagram]);
        pair.check_connected();
    }
}

/// One hello to a server that knows nobody yet: what it answers, and whether it keeps anything.
fn ask(config: &Arc<Config>, address: &[u8], hello: &[u8], now: Instant) -> (Vec<u8>, bool) {
    let mut rng = StdRng::seed_from_u64(7);
    let mut server = Connection::server(Arc::clone(config), address, &mut rng, now).unwrap();
    server
        .handle_datagram(now, &mut hello.to_vec(), |_| panic!("data"))
        .unwrap();
    let mut answers = Vec::new();
    while let Output::Transmit(answer) = server.poll_output() {
        answers.push(answer.to_vec());
    }
    assert_eq!(answers.len(), 1);
    (answers.remove(0), server.has_begun())
}

#[test]
fn a_flood_of_hellos_is_answered_with_less_and_leaves_nothing() {
    for suite in suites() {
        let now = Instant::now();
        let config = Arc::new(
            server_config()
                .with_suites(&[suite])
                .with_cookie_secret([3; 32]),
        );
        let client = client_config().with_suites(&[suite]);
        let mut cookies = std::collections::BTreeSet::new();
        for n in 0..2000_u32 {
            let hello = Peer::client(client.clone(), u64::from(n / 2), now)
                .outgoing
                .remove(0);
            let (answer, begun) = ask(&config, &n.to_be_bytes(), &hello, now);
            assert!(!begun && answer.len() <= hello.len());
            // Headers and version, the cookie's length, the cookie.
            assert!(
                cookies.insert(answer[RECORD + MESSAGE + 3..].to_vec()),
                "for one address"
            );
        }
    }
}

#[test]
fn a_cookie_is_for_one_address_and_one_hello_and_whole() {
    for suite in suites() {
        let now = Instant::now();
        let config = Arc::new(
            server_config()
                .with_suites(&[suite])
                .with_cookie_secret([3; 32]),
        );
        let mut client = Peer::client(client_config().with_suites(&[suite]), 1, now);
        let first = client.outgoing.pop().unwrap();
        // Every server in this test is a new one: only the secret is shared.
        let (request, begun) = ask(&config, b"one", &first, now);
        assert!(!begun);
        client.handle(now, &request);
        let second = client.outgoing.pop().unwrap();
        assert!(ask(&config, b"one", &second, now).1);
        assert!(!ask(&config, b"two", &second, now).1);
        let elsewhere = Arc::new(
            server_config()
                .with_suites(&[suite])
                .with_cookie_secret([4; 32]),
        );
        assert!(!ask(&elsewhere, b"one", &second, now).1);
        // Headers, version and random, an empty session id, the cookie's length, the cookie.
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
        // Shorter, and longer, with every length around it right.
        for keep in (0..len).chain([len + 1, len + 32]) {
            let mut value = second[cookie..cookie + len].to_vec();
            value.resize(keep, 0);
            let mut other = second[..cookie].to_vec();
            other[cookie - 1] = u8::try_from(keep).unwrap();
            other.extend(value);
            other.extend(&second[cookie + len..]);
            let body = other.len() - RECORD - MESSAGE;
            let other = resized(&other, Resize::Body(body));
            assert!(!ask(&config, b"one", &other, now).1, "{keep} bytes of it");
        }
        // Another hello around it: no byte of it may be another.
        for at in RECORD + MESSAGE..second.len() {
            if (cookie..cookie + len).contains(&at) {
                continue;
            }
            let mut other = second.clone();
            other[at] ^= 1;
            let mut rng = StdRng::seed_from_u64(7);
            let mut server =
                Connection::server(Arc::clone(&config), b"one", &mut rng, now).unwrap();
            server.handle_datagram(now, &mut other, |_| {}).unwrap();
            assert!(!server.has_begun(), "byte {at}");
        }
    }
}

/// Everything that a server says to this client and when, with all randomness seeded.
fn conversation(terms: Terms, client: Config) -> (Vec<(Duration, Vec<u8>)>, Pair) {
    let provider = seeded::provider(5);
    let mut pair = Pair::new(
        terms.apply(client).with_provider(provider.clone()),
        terms.server().with_provider(provider),
    );
    let start = pair.now;
    let mut said = Vec::new();
    // As `Pair::run`, with the time.
    for _ in 0..40 {
        pair.exchange(|_, from_client, datagram| {
            if !from_client {
                said.push((Duration::ZERO, datagram.clone()));
            }
            vec![datagram]
        });
        pair.now = pair.client.deadline.min(pair.server.deadline).max(pair.now);
        let now = pair.now;
        for end in ends(&mut pair) {
            end.handle_timeout(now);
        }
        for datagram in &pair.server.outgoing {
            said.push((now - start, datagram.clone()));
        }
    }
    (said, pair)
}

#[test]
fn an_unknown_identity_is_not_told_from_a_wrong_key_by_one_byte() {
    for terms in all_terms() {
        let (wrong_key, pair) = conversation(terms, Config::client(IDENTITY, Psk::new([1; 32])));
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
        for identity in ["AUTHPWD_nobod", "x", &"long".repeat(50)] {
            let (unknown, other) = conversation(terms, Config::client(identity, Psk::new(KEY)));
            assert_eq!(unknown, wrong_key);
            assert_eq!(other.client.error, pair.client.error);
        }
        // And a right one is told from both.
        assert_ne!(conversation(terms, client_config()).0, wrong_key);
    }
}

#[test]
fn who_strips_the_extended_master_secret_is_found_out() {
    for suite in suites() {
        let terms = Terms { suite, all: true };
        let server = terms.server().with_cookie_exchange(false);
        let mut pair = Pair::new(terms.client(), server);
        pair.run(|number, _, mut datagram| {
            if number == 0 {
                let at = datagram.windows(4).position(|w| w == [0, 23, 0, 0]);
                datagram[at.unwrap() + 1] = 99;
            }
            vec![datagram]
        });
        // Without it the keys do not depend on the hellos, so that only the Finished shows it.
        assert_eq!(pair.server.error, Some(Error::FinishedMismatch));
        let client = pair.client.error;
        let said = Error::PeerAlert {
            level: AlertLevel::Fatal,
            description: AlertDescription::DECRYPT_ERROR,
            authenticated: false,
        };
        assert_eq!(client, Some(said));
    }
}
