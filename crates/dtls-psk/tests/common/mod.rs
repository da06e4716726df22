//! Two endpoints in memory with simulated time.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::expect_used,
    reason = "shared test support, of which each test uses a part"
)]

pub mod adversary;
pub mod variants;

use std::sync::Arc;
use std::time::Duration;

use dtls_psk::{CipherSuite, Config, Connected, Connection, Error, Event, Output, Psk};
use tutk_time::Instant;

pub const IDENTITY: &str = "test-client";
pub const KEY: [u8; 32] = [0x5a; 32];

pub fn client_config() -> Config {
    Config::client(IDENTITY, Psk::new(KEY)).with_key_log(true)
}

pub fn server_config() -> Config {
    Config::server(|identity: &[u8]| (identity == IDENTITY.as_bytes()).then(|| Psk::new(KEY)))
        .with_key_log(true)
}

/// Returns all suites.
pub fn suites() -> Vec<CipherSuite> {
    CipherSuite::ALL.to_vec()
}

/// Returns the seed with this number.
pub fn expand(seed: u64) -> [u8; 32] {
    let mut expanded = [0; 32];
    expanded[..8].copy_from_slice(&seed.to_be_bytes());
    expanded
}

/// An endpoint with its outputs and received data.
#[derive(Debug)]
pub struct Peer {
    pub connection: Connection,
    pub outgoing: Vec<Vec<u8>>,
    pub events: Vec<Event>,
    pub received: Vec<Vec<u8>>,
    pub error: Option<Error>,
    pub deadline: Instant,
}

impl Peer {
    pub fn client(config: Config, seed: u64, now: Instant) -> Self {
        Self::new(
            Connection::client(Arc::new(config), expand(seed), now).unwrap(),
            now,
        )
    }

    pub fn server(config: Config, seed: u64, now: Instant) -> Self {
        Self::new(
            Connection::server(Arc::new(config), b"192.0.2.1:7", expand(!seed), now).unwrap(),
            now,
        )
    }

    fn new(connection: Connection, now: Instant) -> Self {
        let mut peer = Self {
            connection,
            outgoing: Vec::new(),
            events: Vec::new(),
            received: Vec::new(),
            error: None,
            deadline: now,
        };
        peer.poll();
        peer
    }

    pub fn poll(&mut self) {
        loop {
            match self.connection.poll_output() {
                Output::Transmit(datagram) => self.outgoing.push(datagram.to_vec()),
                Output::Event(event) => self.events.push(event),
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return;
                }
            }
        }
    }

    pub fn handle(&mut self, now: Instant, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        let received = &mut self.received;
        let result = self
            .connection
            .handle_datagram(now, &mut datagram, |data| received.push(data.to_vec()));
        self.record_result(result);
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        let result = self.connection.handle_timeout(now);
        self.record_result(result);
    }

    pub fn send(&mut self, data: &[u8]) {
        self.connection.send(data).unwrap();
        self.poll();
    }

    pub fn is_connected(&self) -> bool {
        self.connection.is_connected()
    }

    pub fn connected(&self) -> Option<&Connected> {
        self.events.iter().find_map(|event| match event {
            Event::Connected(connected) => Some(connected),
            _ => None,
        })
    }

    pub fn key_log(&self) -> Vec<&String> {
        let mut lines = Vec::new();
        for event in &self.events {
            if let Event::KeyLog(line) = event {
                lines.push(line);
            }
        }
        lines
    }

    fn record_result(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            assert_eq!(self.error, None, "a connection fails once");
            self.error = Some(error);
        }
        self.poll();
    }
}

/// A client, a server, and simulated time.
pub struct Pair {
    pub now: Instant,
    pub client: Peer,
    pub server: Peer,
}

impl Default for Pair {
    fn default() -> Self {
        Self::new(client_config(), server_config())
    }
}

impl Pair {
    pub fn new(client: Config, server: Config) -> Self {
        let now = Instant::ZERO;
        Self {
            now,
            client: Peer::client(client, 1, now),
            server: Peer::server(server, 1, now),
        }
    }

    /// Creates a pair that supports only this suite.
    pub fn with_suite(suite: CipherSuite) -> Self {
        Self::new(
            client_config().with_suites(&[suite]),
            server_config().with_suites(&[suite]),
        )
    }

    /// Delivers datagrams until none are left. `path` maps each datagram, given its number and
    /// whether the client sent it, to the datagrams that arrive.
    pub fn exchange(&mut self, mut path: impl FnMut(usize, bool, Vec<u8>) -> Vec<Vec<u8>>) {
        let mut number = 0;
        self.exchange_from(&mut number, &mut path);
    }

    fn exchange_from(
        &mut self,
        number: &mut usize,
        path: &mut impl FnMut(usize, bool, Vec<u8>) -> Vec<Vec<u8>>,
    ) {
        for _ in 0..200 {
            let up = std::mem::take(&mut self.client.outgoing);
            let down = std::mem::take(&mut self.server.outgoing);
            if up.is_empty() && down.is_empty() {
                return;
            }
            for datagram in up {
                for arriving in path(*number, true, datagram) {
                    self.server.handle(self.now, &arriving);
                }
                *number += 1;
            }
            for datagram in down {
                for arriving in path(*number, false, datagram) {
                    self.client.handle(self.now, &arriving);
                }
                *number += 1;
            }
        }
        panic!("the peers exchange datagrams forever");
    }

    /// Delivers datagrams and runs the timers until both are connected or nothing happens.
    pub fn run(&mut self, mut path: impl FnMut(usize, bool, Vec<u8>) -> Vec<Vec<u8>>) {
        let mut number = 0;
        let end = self.now + Duration::from_secs(600);
        while self.now < end {
            self.exchange_from(&mut number, &mut path);
            if self.client.is_connected() && self.server.is_connected() {
                return;
            }
            self.now = self.client.deadline.min(self.server.deadline).max(self.now);
            self.client.handle_timeout(self.now);
            self.server.handle_timeout(self.now);
        }
    }

    pub fn connect(&mut self) {
        self.run(|_, _, datagram| vec![datagram]);
        self.check_connected();
    }

    /// Checks that both sides are connected with the same parameters and keys, and exchange data.
    pub fn check_connected(&mut self) {
        assert!(self.client.is_connected(), "{:?}", self.client.error);
        assert!(self.server.is_connected(), "{:?}", self.server.error);
        assert_eq!(self.client.key_log().last(), self.server.key_log().last());
        assert_eq!(self.client.connected(), self.server.connected());
        self.client.received.clear();
        self.server.received.clear();
        self.client.send(b"from the client");
        self.server.send(b"from the server");
        self.exchange(|_, _, datagram| vec![datagram]);
        assert_eq!(self.client.received, [b"from the server"]);
        assert_eq!(self.server.received, [b"from the client"]);
    }
}
