//! HelloVerifyRequests as servers send them whose cookies change with time, mbedTLS for one: the two copies
//! of a hello that was sent again are answered with two cookies, under the same message number.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test"
)]
#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::{Peer, client_config, server_config};
use dtls_psk::{Accept, Acceptor, Connection, Event, Output};
use rand::SeedableRng;
use rand::rngs::StdRng;

const MESSAGE_NUMBER: usize = 13 + 4;

struct Door {
    acceptor: Acceptor,
    rng: StdRng,
}

impl Door {
    fn new() -> Self {
        let mut rng = StdRng::seed_from_u64(7);
        Self {
            acceptor: Acceptor::new(Arc::new(server_config()), &mut rng).unwrap(),
            rng,
        }
    }

    fn verify_request(&mut self, now: Instant, hello: &[u8]) -> Vec<u8> {
        let mut hello = hello.to_vec();
        let accept = self
            .acceptor
            .handle_datagram(b"peer", &mut hello, &mut self.rng, now);
        match accept.unwrap() {
            Accept::Reply(reply) => reply.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    fn connection(&mut self, now: Instant, hello: &[u8]) -> Box<Connection> {
        let mut hello = hello.to_vec();
        let accept = self
            .acceptor
            .handle_datagram(b"peer", &mut hello, &mut self.rng, now);
        match accept.unwrap() {
            Accept::Connection(connection) => connection,
            other => panic!("{other:?}"),
        }
    }
}

/// Whether the handshake with `server`, which has taken the client's hello, comes to its end.
fn completes(now: Instant, client: &mut Peer, server: &mut Connection) -> bool {
    for _ in 0..4 {
        let mut sent = Vec::new();
        loop {
            match server.poll_output() {
                Output::Transmit(datagram) => sent.push(datagram.to_vec()),
                Output::Event(_) => {}
                Output::Timeout(_) => break,
            }
        }
        for datagram in sent {
            client.handle(now, &datagram);
        }
        for mut datagram in client.outgoing.drain(..) {
            server.handle_datagram(now, &mut datagram, |_| {}).unwrap();
        }
    }
    let connected = |event: &Event| matches!(event, Event::Connected(_));
    client.events.iter().any(connected) && server.is_connected()
}

#[test]
fn the_late_answer_to_the_first_hellos_copy_changes_nothing() {
    let now = common_now();
    let mut client = Peer::client(client_config(), 1, now);
    let mut door = Door::new();
    let first = client.outgoing.remove(0);
    let answer = door.verify_request(now, &first);
    door.acceptor.rotate_secret(&mut door.rng);
    let late = door.verify_request(now, &first);
    assert_ne!(answer, late);

    client.handle(now, &answer);
    let hello = client.outgoing.remove(0);
    let mut server = door.connection(now, &hello);
    client.handle(now, &late);
    assert!(client.outgoing.is_empty(), "the hello is on its way");
    assert!(completes(now, &mut client, &mut server));
}

#[test]
fn a_new_cookie_is_taken_once_the_old_one_got_no_answer() {
    let mut now = common_now();
    let mut client = Peer::client(client_config(), 1, now);
    let mut door = Door::new();
    let first = client.outgoing.remove(0);
    let answer = door.verify_request(now, &first);
    client.handle(now, &answer);
    let number = client.outgoing.remove(0)[MESSAGE_NUMBER..][..2].to_vec();
    // That one was lost, and so is its copy; the server's secret has changed twice meanwhile.
    now += Duration::from_secs(1);
    client.handle_timeout(now);
    client.outgoing.clear();
    door.acceptor.rotate_secret(&mut door.rng);
    door.acceptor.rotate_secret(&mut door.rng);
    let late = door.verify_request(now, &first);
    client.handle(now, &late);
    let hello = client.outgoing.remove(0);
    assert_eq!(
        hello[MESSAGE_NUMBER..][..2],
        number,
        "an answer to the same request number has the same number"
    );
    let mut server = door.connection(now, &hello);
    assert!(completes(now, &mut client, &mut server));
}

#[allow(
    clippy::disallowed_methods,
    reason = "any instant will do as a beginning"
)]
fn common_now() -> Instant {
    Instant::now()
}
