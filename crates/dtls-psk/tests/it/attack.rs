//! An attacker on the path who changes, truncates, replays and mixes datagrams, with every suite
//! and in both directions.
//!
//! In all cases both sides agree on all parameters or there is no session, only data that was sent
//! is delivered, and nothing panics.

use tutk_time::Instant;

use crate::common::adversary::records;
use crate::common::variants::{MESSAGE, RECORD, Resize, Variant, all_variants, ends, resized};
use crate::common::{Pair, Peer};

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const DATA: u8 = 23;

#[test]
fn every_flipped_bit_of_a_handshake_is_recovered_or_ends_it_on_both_sides() {
    for variant in all_variants() {
        for (which, (_, datagram)) in variant.handshake().iter().enumerate() {
            for at in 0..datagram.len() {
                for bits in (0..8).map(|bit| 1 << bit).chain([0xff]) {
                    variant.run(|number, _, mut datagram| {
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
fn flipped_byte_of_the_server_random_prevents_the_connection() {
    // A changed client random invalidates the cookie. The original hello is then retransmitted and
    // connects, so only the server's random is certain to fail.
    for variant in all_variants() {
        let server_hello = if variant.all_options { 3 } else { 1 };
        let random = RECORD + MESSAGE + 2;
        for at in random..random + 32 {
            let pair = variant.run(|number, _, mut datagram| {
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
fn every_truncated_datagram_of_a_handshake_is_recovered() {
    for variant in all_variants() {
        for (which, (_, datagram)) in variant.handshake().iter().enumerate() {
            for cut in 0..datagram.len() {
                let pair = variant.run(|number, _, mut datagram| {
                    if number == which {
                        datagram.truncate(cut);
                    }
                    vec![datagram]
                });
                assert!(
                    pair.client.is_connected(),
                    "{variant:?}: {which} truncated to {cut}"
                );
            }
        }
    }
}

#[test]
fn every_resized_record_or_message_is_recovered_or_ends_the_handshake() {
    for variant in all_variants() {
        for (which, (_, datagram)) in variant.handshake().iter().enumerate() {
            for (index, record) in records(datagram).iter().enumerate() {
                let len = record.len() - RECORD;
                let mut sizes: Vec<Resize> = (0..=len + 1).map(Resize::Fragment).collect();
                if record[0] == HANDSHAKE && record[4] == 0 {
                    sizes.extend((0..=len - MESSAGE + 1).map(Resize::Body));
                }
                for resize in sizes {
                    variant.run(|number, _, datagram| {
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
fn changed_record_is_dropped_and_the_original_still_accepted() {
    for variant in all_variants() {
        let mut pair = variant.connected();
        let now = pair.now;
        for client_sends in [true, false] {
            let [client, server] = ends(&mut pair);
            let (from, to) = if client_sends {
                (client, server)
            } else {
                (server, client)
            };
            from.send(b"thirty-two bytes of payload data");
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
            assert_eq!(to.received, [b"thirty-two bytes of payload data"]);
            assert_eq!(to.connection.stats().replayed, replayed + 1);
            to.handle(now, &datagrams[1]);
            assert!(to.connection.is_closed() && to.error.is_none());
            pair = variant.connected();
        }
    }
}

#[test]
fn replays_are_dropped_at_every_point() {
    for variant in all_variants() {
        let mut seen: Vec<(bool, Vec<u8>)> = Vec::new();
        let mut pair = variant.pair();
        // During the handshake, every earlier datagram in the same direction is replayed with each
        // one.
        pair.run(|_, from_client, datagram| {
            seen.push((from_client, datagram));
            let same_way = seen.iter().filter(|(client, _)| *client == from_client);
            same_way.map(|(_, datagram)| datagram.clone()).collect()
        });
        pair.check_connected();
        // After the handshake, with data.
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
            // The server answers the client's Finished with its own.
            end.outgoing.clear();
        }
        pair.check_connected();
    }
}

/// Runs two handshakes in parallel. `path` maps the flights of both at one point to what arrives.
fn run_two(
    variant: Variant,
    mut path: impl FnMut(usize, bool, [Vec<u8>; 2]) -> [Vec<u8>; 2],
) -> [Pair; 2] {
    let now = Instant::ZERO;
    let mut pairs = [1, 2].map(|seed| Pair {
        now,
        client: Peer::client(variant.client(), seed, now),
        server: Peer::server(variant.server().with_cookie_secret([4; 32]), seed, now),
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

/// Checks that each connected client has one server with the same keys, and that they exchange
/// data.
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
fn handshakes_with_swapped_datagrams_do_not_mix() {
    for variant in all_variants() {
        let flights = variant.handshake().len();
        for swapped in 1_u32..1 << flights {
            let pairs = run_two(variant, |number, _, [one, two]| {
                if number < flights && swapped >> number & 1 == 1 {
                    [two, one]
                } else {
                    [one, two]
                }
            });
            // If all are swapped, each client talks to the other server. The client's address,
            // which the cookie depends on, is the same in this test, so they connect.
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
fn handshakes_with_swapped_records_do_not_mix() {
    for variant in all_variants() {
        let handshake = variant.handshake();
        for (which, (_, datagram)) in handshake.iter().enumerate() {
            for index in 0..records(datagram).len() {
                for both in [true, false] {
                    check_two(run_two(variant, |number, _, [one, two]| {
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

/// Returns `record` with another epoch.
fn with_epoch(record: &[u8], epoch: u16) -> Vec<u8> {
    let mut record = record.to_vec();
    record[3..5].copy_from_slice(&epoch.to_be_bytes());
    record
}

#[test]
fn records_of_other_epochs_and_sessions_are_dropped() {
    for variant in all_variants() {
        // The other session has the same key, identity and suite. Another seed gives it other
        // randoms, because some suites have no key exchange that would differ.
        let now = Instant::ZERO;
        let mut other = Pair {
            now,
            client: Peer::client(variant.client(), 77, now),
            server: Peer::server(variant.server(), 77, now),
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

        let mut pair = variant.pair();
        pair.run(|_, _, datagram| {
            old.extend(records(&datagram));
            vec![datagram]
        });
        pair.check_connected();
        pair.client.received.clear();
        pair.server.received.clear();
        let finished_before = pair.server.connection.stats().flights_resent;
        for end in ends(&mut pair) {
            for record in &old {
                for epoch in [0, 1, 2, 255, 256, u16::MAX] {
                    for kind in [CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA] {
                        let mut record = with_epoch(record, epoch);
                        record[0] = kind;
                        // Beyond the replay window, so that the keys decide.
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
        assert_eq!(stats.flights_resent, finished_before);
        pair.check_connected();
    }
}
