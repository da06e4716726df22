//! A DTLS client and server that receive arbitrary datagrams at arbitrary times. The target
//! `dtls_adversary` attacks complete handshakes.
//!
//! Input: a byte of settings, then datagrams. Each has a byte whose lowest bit selects the receiver
//! and whose other bits are the delay in units of 10 ms, two bytes of length, and the content.
#![no_main]

use std::sync::Arc;
use std::time::Duration;

use dtls_psk::{Config, Connection, Error, Event, Output, Psk};
use libfuzzer_sys::fuzz_target;
use tutk_time::Instant;

/// The maximum number of datagrams per input.
const MAX_STEPS: usize = 64;

/// The limit for the outputs after one input.
const MAX_OUTPUTS: usize = 1024;

struct Peer {
    connection: Connection,
    failed: bool,
}

impl Peer {
    fn new(connection: Connection) -> Self {
        let mut peer = Self {
            connection,
            failed: false,
        };
        peer.poll();
        peer
    }

    fn handle(&mut self, now: Instant, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        let result = self.connection.handle_datagram(now, &mut datagram, |_| {
            panic!("the attacker does not know the key")
        });
        self.check(result);
        let result = self.connection.handle_timeout(now);
        self.check(result);
    }

    fn check(&mut self, result: Result<(), Error>) {
        if result.is_err() {
            assert!(!self.failed, "a connection fails once");
            self.failed = true;
        }
        self.poll();
    }

    fn poll(&mut self) {
        for _ in 0..MAX_OUTPUTS {
            match self.connection.poll_output() {
                Output::Transmit(datagram) => {
                    assert!(datagram.len() <= dtls_psk::DEFAULT_MTU && !datagram.is_empty());
                }
                Output::Event(Event::Connected(_)) => panic!("the attacker does not know the key"),
                Output::Event(_) => {}
                Output::Timeout(_) => return,
            }
        }
        panic!("unbounded output");
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&settings, mut rest)) = data.split_first() else {
        return;
    };
    let mut now = Instant::ZERO;
    let (mut client, mut server) = pair(settings, now);
    for _ in 0..MAX_STEPS {
        let Some(([head, low, high], behind)) = rest.split_first_chunk::<3>() else {
            return;
        };
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(behind.len());
        let (datagram, behind) = behind.split_at(length);
        rest = behind;
        now += 10 * Duration::from_millis((head >> 1).into());
        let peer = if head & 1 == 0 {
            &mut client
        } else {
            &mut server
        };
        peer.handle(now, datagram);
    }
});

fn pair(settings: u8, now: Instant) -> (Peer, Peer) {
    let client = Config::client("a device", Psk::new([0x5a; 32]))
        .with_extended_master_secret(settings & 2 == 0);
    let server =
        Config::server(|identity: &[u8]| (identity == b"a device").then(|| Psk::new([0x5a; 32])))
            .with_cookie_exchange(settings & 4 == 0);
    let client = Connection::client(Arc::new(client), [7; 32], now).expect("a client");
    let server = Connection::server(Arc::new(server), b"peer", [8; 32], now).expect("a server");
    (Peer::new(client), Peer::new(server))
}
