//! False start (RFC 7918): data that a client sends behind its Finished.

use std::time::Duration;

use crate::common::{IDENTITY, Pair, Peer, client_config, server_config, suites};
use dtls_psk::{Config, Error, MIN_MTU, Psk, Stage};

const EARLY: &[u8] = b"early data";

/// A pair whose client has sent flight 5, which is in its `outgoing`.
fn before_finished(client: Config, server: Config) -> Pair {
    let mut pair = Pair::new(client, server.with_cookie_exchange(false));
    deliver_to_server(&mut pair);
    for datagram in std::mem::take(&mut pair.server.outgoing) {
        pair.client.handle(pair.now, &datagram);
    }
    assert_eq!(pair.client.connection.stage(), Stage::AwaitFinished);
    pair
}

fn deliver_to_server(pair: &mut Pair) {
    for datagram in std::mem::take(&mut pair.client.outgoing) {
        pair.server.handle(pair.now, &datagram);
    }
}

fn can_send(peer: &Peer) -> bool {
    peer.connection.can_send()
}

#[test]
fn data_is_sent_behind_the_finished_of_a_suite_with_forward_secrecy() {
    for suite in suites() {
        let client = client_config().with_suites(&[suite]).with_false_start(true);
        let mut pair = before_finished(client, server_config().with_suites(&[suite]));
        assert_eq!(
            can_send(&pair.client),
            suite.has_forward_secrecy(),
            "{suite}"
        );
        if !suite.has_forward_secrecy() {
            let refused = pair.client.connection.send(EARLY);
            assert_eq!(refused, Err(Error::NotConnected(Stage::AwaitFinished)));
            continue;
        }
        pair.client.send(EARLY);
        assert_eq!(pair.client.outgoing.len(), 2, "flight 5 and the data");
        deliver_to_server(&mut pair);
        assert_eq!(pair.server.received, [EARLY], "{suite}");
        assert!(!pair.client.is_connected() && pair.server.is_connected());
        pair.connect();
    }
}

#[test]
fn false_start_is_off_by_default() {
    let mut pair = before_finished(client_config(), server_config());
    assert!(!can_send(&pair.client));
    let refused = pair.client.connection.send(EARLY);
    assert_eq!(refused, Err(Error::NotConnected(Stage::AwaitFinished)));
    pair.connect();
    assert!(can_send(&pair.client));
}

#[test]
fn nothing_is_sent_before_the_finished() {
    let client = client_config().with_false_start(true);
    let mut pair = Pair::new(client, server_config());
    assert!(!can_send(&pair.client) && !can_send(&pair.server));
    pair.run(|_, _, datagram| vec![datagram]);
    assert!(can_send(&pair.client) && can_send(&pair.server));
    pair.client.connection.close();
    assert!(!can_send(&pair.client));
}

/// The answer to early data can overtake the server's Finished. The client must not accept it
/// before the server has proved that it knows the key.
#[test]
fn answer_waits_for_the_finished_of_the_server() {
    let client = client_config().with_false_start(true);
    let mut pair = before_finished(client, server_config());
    pair.client.send(EARLY);
    deliver_to_server(&mut pair);
    pair.server.send(b"an answer");
    let mut answers = std::mem::take(&mut pair.server.outgoing);
    assert_eq!(answers.len(), 2);
    let flight_6 = answers.remove(0);
    pair.client.handle(pair.now, &answers[0]);
    assert_eq!(pair.client.received, [[0; 0]; 0]);
    pair.client.handle(pair.now, &flight_6);
    assert_eq!(pair.client.received, [b"an answer"]);
}

/// A server keeps data that overtakes the Finished, or all of flight 5.
#[test]
fn early_data_may_arrive_in_any_order() {
    // With the smallest MTU and a long identity, flight 5 has several datagrams.
    let identity = "i".repeat(MIN_MTU);
    let client = Config::client(&identity, Psk::new([7; 32])).with_key_log(true);
    let client = client.with_mtu(MIN_MTU).with_false_start(true);
    let server = || Config::server(|_: &[u8]| Some(Psk::new([7; 32]))).with_key_log(true);
    let mut datagrams = 3;
    let mut at = 0;
    while at < datagrams {
        let mut pair = before_finished(client.clone(), server());
        pair.client.send(EARLY);
        datagrams = pair.client.outgoing.len();
        assert!(datagrams > 2);
        let early = pair.client.outgoing.pop().unwrap();
        pair.client.outgoing.insert(at, early);
        deliver_to_server(&mut pair);
        assert_eq!(pair.server.received, [EARLY], "{at}");
        let kept = pair.server.connection.stats().pending_kept;
        assert_eq!(kept > 0, at + 1 < datagrams, "{at}");
        pair.connect();
        at += 1;
    }
}

#[test]
fn lost_flight_5_is_retransmitted_behind_early_data() {
    let client = client_config().with_false_start(true);
    let mut pair = before_finished(client, server_config());
    pair.client.send(EARLY);
    let early = pair.client.outgoing.pop().unwrap();
    pair.client.outgoing.clear();
    pair.server.handle(pair.now, &early);
    pair.now += Duration::from_secs(1);
    pair.client.handle_timeout(pair.now);
    assert_eq!(pair.client.outgoing.len(), 1, "flight 5 without the data");
    pair.connect();
    assert_eq!(pair.client.connection.stats().flights_retransmitted, 1);
}

#[test]
fn server_without_the_key_cannot_read_early_data() {
    let other = |identity: &[u8]| (identity == IDENTITY.as_bytes()).then(|| Psk::new([1; 32]));
    let client = client_config().with_false_start(true);
    let mut pair = before_finished(client, Config::server(other));
    pair.client.send(EARLY);
    deliver_to_server(&mut pair);
    assert_eq!(pair.server.received, [[0; 0]; 0]);
    assert!(!pair.server.is_connected());
}
