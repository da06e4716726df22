//! Handshakes over a simulated bad network, and their timers.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::common::{Pair, Peer, client_config, server_config};
use dtls_psk::{Error, Event, Stage};
use str0m_netem::{Input, Netem, NetemConfig, Output, Probability, RandomLoss};
use tutk_time::Instant;

const RECORDS: u8 = 40;
const DATA: u8 = 23;

fn netem(seed: u64) -> Netem<Vec<u8>> {
    Netem::new(
        NetemConfig::new()
            .latency(Duration::from_millis(20))
            .jitter(Duration::from_millis(40))
            .loss(RandomLoss::new(Probability::new(0.1)))
            .duplicate(Probability::new(0.1))
            .reorder_gap(3)
            .seed(seed),
    )
}

/// Passes datagrams from `from` through the network to `to`, and records the application data that
/// arrives.
fn carry(
    now: Instant,
    from: &mut Peer,
    network: &mut Netem<Vec<u8>>,
    to: &mut Peer,
    arrived: &mut BTreeSet<Vec<u8>>,
) {
    network.handle_input(Input::Timeout(now.into()));
    for datagram in from.outgoing.drain(..) {
        network.handle_input(Input::Packet(now.into(), datagram));
    }
    while let Some(output) = network.poll_output() {
        match output {
            Output::Packet(datagram) => {
                to.handle(now, &datagram);
                if datagram[0] == DATA {
                    arrived.insert(datagram);
                }
            }
            Output::Timeout(_) => break,
        }
    }
}

#[test]
fn bad_network_connects_and_delivers_intact_data() {
    for seed in 0..100 {
        let mut now = Instant::ZERO;
        let start = now;
        // Half the runs use cookies, half the extended master secret, half fragment every flight.
        let mtu = if seed & 4 == 0 { 1200 } else { 256 };
        let hint = if seed & 4 == 0 { 0 } else { 700 };
        let server = server_config()
            .with_cookie_exchange(seed & 1 == 0)
            .with_extended_master_secret(seed & 2 == 0)
            .with_identity_hint(vec![b'h'; hint])
            .with_mtu(mtu);
        let mut client = Peer::client(client_config().with_mtu(mtu), seed, now);
        let mut server = Peer::server(server, seed, now);
        let (mut up, mut down) = (netem(2 * seed), netem(2 * seed + 1));
        let (mut up_arrived, mut down_arrived) = (BTreeSet::new(), BTreeSet::new());
        let (mut client_sent, mut server_sent) = (0, 0);
        // Until everything is sent and has had time to arrive.
        let mut rest = None;
        while rest.is_none_or(|end| now < end) {
            assert!(
                now < start + Duration::from_secs(400),
                "seed {seed}: timed out"
            );
            carry(now, &mut client, &mut up, &mut server, &mut up_arrived);
            carry(now, &mut server, &mut down, &mut client, &mut down_arrived);
            assert_eq!(
                (&client.error, &server.error),
                (&None, &None),
                "seed {seed}"
            );
            if client.is_connected() && client_sent < RECORDS {
                client.send(&[client_sent; 100]);
                client_sent += 1;
            }
            // The first records may overtake the Finished. Send no more of them than are kept.
            let room = if client.is_connected() { RECORDS } else { 12 };
            if server.is_connected() && server_sent < room {
                server.send(&[server_sent; 100]);
                server_sent += 1;
            }
            if rest.is_none() && client_sent == RECORDS && server_sent == RECORDS {
                rest = Some(now + Duration::from_secs(1));
            }
            now += Duration::from_millis(5);
            client.handle_timeout(now);
            server.handle_timeout(now);
        }
        for (sender, receiver, arrived) in [
            ("client", &server, &up_arrived),
            ("server", &client, &down_arrived),
        ] {
            let distinct: BTreeSet<&Vec<u8>> = receiver.received.iter().collect();
            let count = receiver.received.len();
            assert_eq!(
                distinct.len(),
                count,
                "seed {seed}: the {sender}'s data is delivered twice"
            );
            assert_eq!(
                count,
                arrived.len(),
                "seed {seed}: the {sender}'s data is lost after arrival"
            );
            assert!(
                count > usize::from(RECORDS) / 2,
                "seed {seed}: the network loses too much"
            );
            for data in distinct {
                assert!(data[0] < RECORDS);
                assert_eq!(data, &vec![data[0]; 100], "seed {seed}");
            }
        }
        assert_eq!(client.key_log(), server.key_log(), "seed {seed}");
        assert_eq!(client.key_log().len(), 1);
    }
}

#[test]
fn retransmission_timeout_starts_at_300_ms_and_doubles() {
    let mut pair = Pair::default();
    let start = pair.now;
    let mut at = Vec::new();
    while pair.client.error.is_none() {
        pair.client.outgoing.clear();
        pair.now = pair.client.deadline;
        pair.client.handle_timeout(pair.now);
        at.push((pair.now - start).as_millis());
    }
    assert_eq!(at, [300, 900, 2100, 4500, 9300, 18_900, 38_100, 76_500]);
    assert_eq!(
        pair.client.error,
        Some(Error::HandshakeTimedOut {
            stage: Stage::AwaitHello,
            retransmits: 7,
            undecryptable: 0
        })
    );
    assert!(pair.client.connection.is_closed());
    assert_eq!(pair.client.connection.stats().flights_retransmitted, 7);
}

#[test]
fn early_timeout_has_no_effect_and_idle_timeout_is_an_hour() {
    let mut pair = Pair::default();
    let first = pair.client.outgoing.len();
    pair.client
        .handle_timeout(pair.now + Duration::from_millis(299));
    assert_eq!(pair.client.outgoing.len(), first);
    assert_eq!(pair.server.deadline, pair.now + Duration::from_secs(3600));
    pair.connect();
    assert!(pair.client.deadline >= pair.now + Duration::from_secs(3600));
    assert!(pair.server.deadline >= pair.now + Duration::from_secs(3600));
}

#[test]
fn reversed_and_duplicated_flights_connect() {
    let mut pair = Pair::new(
        client_config().with_mtu(256),
        server_config()
            .with_mtu(256)
            .with_identity_hint([b'h'; 600]),
    );
    for _ in 0..40 {
        let (mut up, mut down) = (
            std::mem::take(&mut pair.client.outgoing),
            std::mem::take(&mut pair.server.outgoing),
        );
        assert!(up.iter().chain(&down).all(|datagram| datagram.len() <= 256));
        up.extend(up.clone());
        down.extend(down.clone());
        for datagram in up.iter().rev() {
            pair.server.handle(pair.now, datagram);
        }
        for datagram in down.iter().rev() {
            pair.client.handle(pair.now, datagram);
        }
    }
    pair.check_connected();
}

#[test]
fn data_before_the_finished_is_delivered_in_order_after_it() {
    let mut pair = Pair::default();
    let mut last_flight = Vec::new();
    pair.exchange(|_, from_client, datagram| {
        // ChangeCipherSpec and Finished are the server's first datagram that starts with type 20.
        if !from_client && datagram[0] == 20 {
            last_flight.push(datagram);
            return vec![];
        }
        vec![datagram]
    });
    assert!(pair.server.is_connected() && !pair.client.is_connected());
    for n in 0..5 {
        pair.server.send(&[n]);
    }
    let mut data = std::mem::take(&mut pair.server.outgoing);
    data.swap(1, 3);
    for datagram in data {
        pair.client.handle(pair.now, &datagram);
    }
    // The ChangeCipherSpec alone, 13 + 1 bytes, allows them to be opened but not delivered.
    let (change_cipher_spec, finished) = last_flight[0].split_at(14);
    pair.client.handle(pair.now, change_cipher_spec);
    pair.server.send(&[5]);
    let late = pair.server.outgoing.remove(0);
    pair.client.handle(pair.now, &late);
    assert!(
        pair.client.received.is_empty(),
        "nothing is delivered before the Finished"
    );
    assert_eq!(pair.client.connection.stats().pending_kept, 6);
    pair.client.handle(pair.now, finished);
    assert!(pair.client.is_connected());
    assert_eq!(pair.client.received, [[0], [1], [2], [3], [4], [5]]);
    pair.check_connected();
}

#[test]
fn server_retransmits_its_lost_last_flight() {
    let mut pair = Pair::default();
    let mut dropped = 0;
    pair.run(|_, from_client, datagram| {
        if !from_client && datagram[0] == 20 && dropped < 2 {
            dropped += 1;
            return vec![];
        }
        vec![datagram]
    });
    assert_eq!(dropped, 2);
    // Two to recover the losses. The last one may not be needed.
    assert!(pair.server.connection.stats().flights_resent >= 1);
    let connected = |event: &&Event| matches!(event, Event::Connected(_));
    assert_eq!(pair.server.events.iter().filter(connected).count(), 1);
    pair.exchange(|_, _, datagram| vec![datagram]);
    pair.client
        .handle_timeout(pair.now + Duration::from_secs(100));
    pair.check_connected();
}
