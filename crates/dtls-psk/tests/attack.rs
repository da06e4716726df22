//! Whoever is on the path, against every suite and both roles: what is changed, cut, repeated and mixed.
//!
//! What holds throughout: both ends agree on everything, or there is no session; nothing is delivered that
//! was not sent; nothing panics.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a test: the clock is read once, for a beginning"
)]
#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

mod common;

use std::time::Instant;

use common::adversary::records;
use common::terms::{MESSAGE, RECORD, Resize, Terms, all_terms, ends, resized};
use common::{Pair, Peer};

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;

#[test]
fn every_flipped_bit_of_a_handshake_is_made_good_or_ends_it_on_both_sides() {
    for terms in all_terms() {
        for (which, (_, datagram)) in terms.handshake().iter().enumerate() {
            for at in 0..datagram.len() {
                for bits in (0..8).map(|bit| 1 << bit).chain([0xff]) {
                    terms.run(|number, _, mut datagram| {
                        if number == which {
                            datagram[at] ^= bits;
                        }
                        vec![datagram]
                    });
                }
            }
        }
    }
}

#[test]
fn a_flipped_byte_of_the_servers_random_never_connects() {
    // A wrong client random spoils the cookie; the real hello then follows by the timer and connects, so
    // only the server's is sure to fail.
    for terms in all_terms() {
        let server_hello = if terms.all { 3 } else { 1 };
        let random = RECORD + MESSAGE + 2;
        for at in random..random + 32 {
            let pair = terms.run(|number, _, mut datagram| {
                if number == server_hello {
                    datagram[at] ^= 0x10;
                }
                vec![datagram]
            });
            assert!(!pair.client.is_connected());
            assert!(pair.server.connection.stats().undecryptable_finished > 0);
        }
    }
}

#[test]
fn every_truncated_datagram_of_a_handshake_is_made_good() {
    for terms in all_terms() {
        for (which, (_, datagram)) in terms.handshake().iter().enumerate() {
            for cut in 0..datagram.len() {
                let pair = terms.run(|number, _, mut datagram| {
                    if number == which {
                        datagram.truncate(cut);
                    }
                    vec![datagram]
                });
                assert!(
                    pair.client.is_connected(),
                    "{terms:?}: {which} cut at {cut}"
                );
            }
        }
    }
}

#[test]
fn every_record_and_message_of_another_length_is_made_good_or_ends_the_handshake() {
    for terms in all_terms() {
        for (which, (_, datagram)) in terms.handshake().iter().enumerate() {
            for (index, record) in records(datagram).iter().enumerate() {
                let len = record.len() - RECORD;
                let mut sizes: Vec<Resize> = (0..=len + 1).map(Resize::Fragment).collect();
                if record[0] == HANDSHAKE && record[4] == 0 {
                    sizes.extend((0..=len - MESSAGE + 1).map(Resize::Body));
                }
                for resize in sizes {
                    terms.run(|number, _, datagram| {
                        let mut records = records(&datagram);
                        if number == which {
                            records[index] = resized(&records[index], resize);
                        }
                        vec![records.concat()]
                    });
                }
            }
        }
    }
}

#[test]
fn a_record_that_was_touched_is_dropped_and_the_real_one_then_taken() {
    for terms in all_terms() {
        let mut pair = terms.connected();
        let now = pair.now;
        for client_sends in [true, false] {
            let [client, server] = ends(&mut pair);
            let (from, to) = if client_sends {
                (client, server)
            } else {
                (server, client)
            };
            from.send(b"thirty bytes of it, to be sure");
            from.connection.close();
            from.poll();
            let datagrams = std::mem::take(&mut from.outgoing);
            assert_eq!((datagrams[0][0], datagrams[1][0]), (DATA, ALERT));
            for datagram in &datagrams {
                for at in 0..datagram.len() {
                    for bits in 1..=255 {
                        let mut other = datagram.clone();
                        other[at] ^= bits;
                        to.handle(now, &other);
                    }
                    to.handle(now, &datagram[..at]);
                }
                for len in 0..datagram.len() - RECORD {
                    to.handle(now, &resized(datagram, Resize::Fragment(len)));
                }
                to.handle(
                    now,
                    &resized(datagram, Resize::Fragment(datagram.len() - RECORD + 1)),
                );
            }
            assert!(to.received.is_empty() && to.outgoing.is_empty());
            assert!(to.is_connected(), "{:?}", to.error);
            to.handle(now, &datagrams[0]);
            let replayed = to.connection.stats().replayed;
            to.handle(now, &datagrams[0]);
            assert_eq!(to.received, [b"thirty bytes of it, to be sure"]);
            assert_eq!(to.connection.stats().replayed, replayed + 1);
            to.handle(now, &datagrams[1]);
            assert!(to.connection.is_closed() && to.error.is_none());
            pair = terms.connected();
        }
    }
}

#[test]
fn replays_are_dropped_at_every_point() {
    for terms in all_terms() {
        let mut seen: Vec<(bool, Vec<u8>)> = Vec::new();
        let mut pair = terms.pair();
        // While it goes on: everything that went the same way before comes once more with every datagram.
        pair.run(|_, from_client, datagram| {
            seen.push((from_client, datagram));
            let same_way = seen.iter().filter(|(client, _)| *client == from_client);
            same_way.map(|(_, datagram)| datagram.clone()).collect()
        });
        pair.check_connected();
        // Afterwards, with data.
        pair.client.received.clear();
        pair.server.received.clear();
        pair.client.send(b"once");
        pair.server.send(b"once");
        pair.exchange(|_, from_client, datagram| {
            seen.push((from_client, datagram.clone()));
            vec![datagram.clone(), datagram]
        });
        let now = pair.now;
        for (from_client, datagram) in &seen {
            let [client, server] = ends(&mut pair);
            let to = if *from_client { server } else { client };
            to.handle(now, datagram);
        }
        for end in ends(&mut pair) {
            assert_eq!(end.received, [b"once"]);
            assert!(end.connection.stats().replayed >= 2);
            // To the client's Finished the server answers with its own, as it should.
            end.outgoing.clear();
        }
        pair.check_connected();
    }
}

/// Two handshakes side by side. `path` has what both say at one point, and says what arrives.
fn run_two(
    terms: Terms,
    mut path: impl FnMut(usize, bool, [Vec<u8>; 2]) -> [Vec<u8>; 2],
) -> [Pair; 2] {
    let now = Instant::now();
    let mut pairs = [1, 2].map(|seed| Pair {
        now,
        client: Peer::client(terms.client(), seed, now),
        server: Peer::server(terms.server().with_cookie_secret([4; 32]), seed, now),
    });
    let mut number = 0;
    loop {
        let mut idle = true;
        for from_client in [true, false] {
            let mut sent = [vec![], vec![]];
            for (sent, pair) in sent.iter_mut().zip(&mut pairs) {
                let [client, server] = ends(pair);
                let from = if from_client { client } else { server };
                *sent = std::mem::take(&mut from.outgoing).concat();
            }
            if sent.iter().all(Vec::is_empty) {
                continue;
            }
            idle = false;
            for (arriving, pair) in path(number, from_client, sent).iter().zip(&mut pairs) {
                let [client, server] = ends(pair);
                let to = if from_client { server } else { client };
                to.handle(now, arriving);
            }
            number += 1;
        }
        if idle {
            return pairs;
        }
    }
}

/// Who connected, connected to the one end that has the same keys; and data flows between the two.
fn check_two(mut pairs: [Pair; 2]) {
    for pair in &mut pairs {
        pair.run(|_, _, datagram| vec![datagram]);
    }
    let [one, two] = &mut pairs;
    let clients = [&one.client, &two.client];
    for server in [&one.server, &two.server] {
        assert!(server.received.is_empty());
        if server.is_connected() {
            let same = clients
                .iter()
                .filter(|client| client.key_log() == server.key_log());
            assert_eq!(same.count(), 1);
        }
    }
    for (client, server) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let [one, two] = &mut pairs;
        let now = one.now.max(two.now);
        let client = if client == 0 {
            &mut one.client
        } else {
            &mut two.client
        };
        let server = if server == 0 {
            &mut one.server
        } else {
            &mut two.server
        };
        if client.is_connected() && client.key_log() == server.key_log() {
            assert_eq!(client.connected(), server.connected());
            client.send(b"to its server");
            server.send(b"to its client");
            for datagram in std::mem::take(&mut client.outgoing) {
                server.handle(now, &datagram);
            }
            for datagram in std::mem::take(&mut server.outgoing) {
                client.handle(now, &datagram);
            }
            assert_eq!(server.received, [b"to its server"]);
            assert_eq!(client.received, [b"to its client"]);
        }
    }
    for pair in &pairs {
        assert_eq!(pair.client.is_connected(), !pair.client.received.is_empty());
    }
}

#[test]
fn two_handshakes_do_not_mix_by_whole_datagrams() {
    for terms in all_terms() {
        let flights = terms.handshake().len();
        for swapped in 1_u32..1 << flights {
            let pairs = run_two(terms, |number, _, [one, two]| {
                if number < flights && swapped >> number & 1 == 1 {
                    [two, one]
                } else {
                    [one, two]
                }
            });
            // All swapped is the two clients with each other's servers: the client's address, which the
            // cookie is for, is the same here, so that this connects, and rightly.
            if swapped == (1 << flights) - 1 {
                for (pair, other) in [(&pairs[0], &pairs[1]), (&pairs[1], &pairs[0])] {
                    assert!(pair.client.is_connected() && pair.server.is_connected());
                    assert_eq!(pair.client.key_log(), other.server.key_log());
                    assert_ne!(pair.client.key_log(), pair.server.key_log());
                }
            }
            check_two(pairs);
        }
    }
}

#[test]
fn two_handshakes_do_not_mix_by_single_records() {
    for terms in all_terms() {
        let handshake = terms.handshake();
        for (which, (_, datagram)) in handshake.iter().enumerate() {
            for index in 0..records(datagram).len() {
                for both in [true, false] {
                    check_two(run_two(terms, |number, _, [one, two]| {
                        if number != which {
                            return [one, two];
                        }
                        let (mut one, mut two) = (records(&one), records(&two));
                        if both {
                            std::mem::swap(&mut one[index], &mut two[index]);
                        } else {
                            one[index] = two[index].clone();
                        }
                        [one.concat(), two.concat()]
                    }));
                }
            }
        }
    }
}

/// `record` under another epoch.
fn with_epoch(record: &[u8], epoch: u16) -> Vec<u8> {
    let mut record = record.to_vec();
    record[3..5].copy_from_slice(&epoch.to_be_bytes());
    record
}

#[test]
fn records_of_other_epochs_and_other_sessions_are_dropped() {
    for terms in all_terms() {
        // The same key, identity and suite, and the same randoms: only the key exchange and with a suite
        // without one not even that. So the other session has another seed.
        let now = Instant::now();
        let mut other = Pair {
            now,
            client: Peer::client(terms.client(), 77, now),
            server: Peer::server(terms.server(), 77, now),
        };
        let mut old = vec![];
        other.run(|_, _, datagram| {
            old.extend(records(&datagram));
            vec![datagram]
        });
        other.check_connected();
        other.client.send(b"of another session");
        other.server.send(b"of another session");
        old.append(&mut other.client.outgoing);
        old.append(&mut other.server.outgoing);

        let mut pair = terms.pair();
        pair.run(|_, _, datagram| {
            old.extend(records(&datagram));
            vec![datagram]
        });
        pair.check_connected();
        pair.client.received.clear();
        pair.server.received.clear();
        let finished_before = pair.server.connection.stats().flights_answered_again;
        for end in ends(&mut pair) {
            for record in &old {
                for epoch in [0, 1, 2, 255, 256, u16::MAX] {
                    for kind in [CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA] {
                        let mut record = with_epoch(record, epoch);
                        record[0] = kind;
                        // Beyond the replay window, so that it is the keys that stop it.
                        if epoch == 1 {
                            record[9] = 1;
                        }
                        end.handle(now, &record);
                    }
                }
            }
            assert!(end.received.is_empty() && end.outgoing.is_empty());
            assert!(end.is_connected(), "{:?}", end.error);
            assert!(end.connection.stats().undecryptable > 0);
        }
        let stats = pair.server.connection.stats();
        assert_eq!(stats.flights_answered_again, finished_before);
        pair.check_connected();
    }
}
