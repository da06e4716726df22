//! Servers whose cookies change with time, such as mbed TLS. They answer a hello and its
//! retransmission with different cookies under the same message number.

use std::sync::Arc;
use std::time::Duration;

use crate::common::{Peer, client_config, server_config};
use dtls_psk::{Accept, Acceptor, Connection, Event, Output};
use tutk_time::Instant;

const MESSAGE_NUMBER: usize = 13 + 4;

struct Fixture {
    acceptor: Acceptor,
}

impl Fixture {
    fn new() -> Self {
        Self {
            acceptor: Acceptor::new(Arc::new(server_config()), [7; 32]).unwrap(),
        }
    }

    fn verify_request(&mut self, now: Instant, hello: &[u8]) -> Vec<u8> {
        let mut hello = hello.to_vec();
        let accept = self.acceptor.handle_datagram(now, b"peer", &mut hello);
        match accept.unwrap() {
            Accept::Reply(reply) => reply.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    fn connection(&mut self, now: Instant, hello: &[u8]) -> Box<Connection> {
        let mut hello = hello.to_vec();
        let accept = self.acceptor.handle_datagram(now, b"peer", &mut hello);
        match accept.unwrap() {
            Accept::Connection(connection) => connection,
            other => panic!("{other:?}"),
        }
    }
}

/// Returns `true` if the handshake with `server`, which has accepted the client's hello, completes.
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
fn late_answer_to_a_retransmitted_hello_is_ignored() {
    let now = start_time();
    let mut client = Peer::client(client_config(), 1, now);
    let mut fixture = Fixture::new();
    let first = client.outgoing.remove(0);
    let answer = fixture.verify_request(now, &first);
    fixture.acceptor.rotate_secret().unwrap();
    let late = fixture.verify_request(now, &first);
    assert_ne!(answer, late);

    client.handle(now, &answer);
    let hello = client.outgoing.remove(0);
    let mut server = fixture.connection(now, &hello);
    client.handle(now, &late);
    assert!(client.outgoing.is_empty(), "no third hello is sent");
    assert!(completes(now, &mut client, &mut server));
}

#[test]
fn new_cookie_is_used_after_the_old_one_got_no_answer() {
    let mut now = start_time();
    let mut client = Peer::client(client_config(), 1, now);
    let mut fixture = Fixture::new();
    let first = client.outgoing.remove(0);
    let answer = fixture.verify_request(now, &first);
    client.handle(now, &answer);
    let number = client.outgoing.remove(0)[MESSAGE_NUMBER..][..2].to_vec();
    // That hello and its retransmission were lost, and the server replaced its secret twice.
    now += Duration::from_secs(1);
    client.handle_timeout(now);
    client.outgoing.clear();
    fixture.acceptor.rotate_secret().unwrap();
    fixture.acceptor.rotate_secret().unwrap();
    let late = fixture.verify_request(now, &first);
    client.handle(now, &late);
    let hello = client.outgoing.remove(0);
    assert_eq!(
        hello[MESSAGE_NUMBER..][..2],
        number,
        "answers to requests with the same number have the same number"
    );
    let mut server = fixture.connection(now, &hello);
    assert!(completes(now, &mut client, &mut server));
}

fn start_time() -> Instant {
    Instant::ZERO
}
