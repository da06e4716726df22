//! A DTLS client and server whose network belongs to somebody without the key, who adds valid and
//! slightly damaged messages of his own. The targets `dtls_psk` and `dtls_adversary` change bytes;
//! this one knows the fields of all messages.
//!
//! - Only data of the peer is delivered, once. Connected peers agree on all parameters, and the
//!   client connects only after the server.
//! - Only the peer closes a connection. A connection fails once, and its answers are bounded.
//! - Without foreign messages the peers connect.
//! - The passive decoder reads from each valid ClientHello what was written.
#![no_main]

mod dtls_messages;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use arbitrary::Arbitrary;
use dtls_messages::Record;
use dtls_psk::passive::RecordHeader;
use dtls_psk::{CipherSuite, Config, Connected, Connection, Error, Event, Output, Psk};
use libfuzzer_sys::fuzz_target;
use tutk_time::Instant;

/// The maximum number of steps.
const MAX_STEPS: usize = 64;

/// The maximum number of outputs after one input.
const MAX_OUTPUTS: usize = 64;

/// The maximum number of datagrams in flight to a peer.
const MAX_QUEUE: usize = 64;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    settings: Settings,
    steps: Vec<Step<'a>>,
}

#[derive(Debug, Arbitrary)]
struct Settings {
    suites: u8,
    client_master_secret: bool,
    server_master_secret: bool,
    cookie_exchange: bool,
    encrypt_then_mac: bool,
    hint: bool,
    small_mtu: bool,
}

#[derive(Debug, Arbitrary)]
enum Step<'a> {
    /// Delivers the oldest datagrams of both peers.
    Exchange(u8),
    /// Loses the oldest datagram to one peer.
    Lose(Receiver),
    Forge(Receiver, Vec<Record<'a>>),
    Wait(u8),
    Send(Receiver, u8),
    Close(Receiver),
}

#[derive(Debug, Clone, Copy, PartialEq, Arbitrary)]
enum Receiver {
    Client,
    Server,
}

struct Peer {
    connection: Connection,
    connected: Option<Connected>,
    error: Option<Error>,
    is_closed: bool,
    /// The application closed the connection.
    has_closed: bool,
    /// The payloads that the application sent, and those that it received.
    sent: BTreeSet<Vec<u8>>,
    received: BTreeSet<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

struct Network {
    now: Instant,
    client: Peer,
    server: Peer,
    /// The newest cookie of the server.
    cookie: Vec<u8>,
}

fuzz_target!(|input: Input<'_>| {
    let mut network = Network::new(&input.settings);
    let mut is_quiet = true;
    for step in input.steps.iter().take(MAX_STEPS) {
        is_quiet &= matches!(step, Step::Exchange(_) | Step::Send(..));
        network.step(step);
        network.check();
    }
    if is_quiet {
        for _ in 0..8 {
            network.exchange(MAX_QUEUE);
            network.check();
        }
        assert!(network.client.connected.is_some() && network.server.connected.is_some());
    }
});

impl Network {
    fn new(settings: &Settings) -> Self {
        let mut suites: Vec<_> = CipherSuite::ALL
            .iter()
            .enumerate()
            .filter(|(index, _)| settings.suites >> index & 1 == 0)
            .map(|(_, suite)| *suite)
            .collect();
        if suites.is_empty() {
            suites.push(CipherSuite::ALL[0]);
        }
        let common = |config: Config| {
            let config = config.with_suites(&suites);
            let config = config.with_encrypt_then_mac(settings.encrypt_then_mac);
            config.with_mtu(if settings.small_mtu { 256 } else { 1_200 })
        };
        let key = || Psk::new([0x5a; 32]);
        let client = common(Config::client("a device", key()))
            .with_extended_master_secret(settings.client_master_secret);
        let lookup = move |identity: &[u8]| (identity == b"a device").then(key);
        let mut server = common(Config::server(lookup))
            .with_extended_master_secret(settings.server_master_secret)
            .with_cookie_exchange(settings.cookie_exchange);
        if settings.hint {
            server = server.with_identity_hint("a hint");
        }
        let now = Instant::ZERO;
        let client = Connection::client(Arc::new(client), [7; 32], now).expect("a client");
        let server = Connection::server(Arc::new(server), b"peer", [8; 32], now);
        let mut network = Self {
            now,
            client: Peer::new(client),
            server: Peer::new(server.expect("a server")),
            cookie: Vec::new(),
        };
        network.client.poll();
        network.server.poll();
        network
    }

    fn peer(&mut self, receiver: Receiver) -> &mut Peer {
        match receiver {
            Receiver::Client => &mut self.client,
            Receiver::Server => &mut self.server,
        }
    }

    fn step(&mut self, step: &Step<'_>) {
        match *step {
            Step::Exchange(datagrams) => self.exchange(1 + usize::from(datagrams % 8)),
            Step::Lose(Receiver::Client) => drop(self.server.outgoing.pop_front()),
            Step::Lose(Receiver::Server) => drop(self.client.outgoing.pop_front()),
            Step::Forge(receiver, ref records) => {
                let mut datagram = Vec::new();
                for record in records.iter().take(8) {
                    record.write(&self.cookie, &mut datagram);
                }
                let now = self.now;
                self.peer(receiver).handle(now, datagram);
            }
            Step::Wait(time) => {
                self.now += 50 * Duration::from_millis(time.into());
                let now = self.now;
                for receiver in [Receiver::Client, Receiver::Server] {
                    let peer = self.peer(receiver);
                    let result = peer.connection.handle_timeout(now);
                    peer.check(result);
                }
            }
            Step::Send(sender, len) => {
                let peer = self.peer(sender);
                let mut data = vec![u8::from(sender == Receiver::Client); 2 + usize::from(len)];
                data[1] = peer.sent.len() as u8;
                if peer.sent.len() < 200 && peer.connection.send(&data).is_ok() {
                    peer.sent.insert(data);
                }
                peer.poll();
            }
            Step::Close(closer) => {
                let peer = self.peer(closer);
                peer.connection.close();
                peer.has_closed = true;
                peer.poll();
            }
        }
    }

    /// Delivers up to this number of datagrams in each direction.
    fn exchange(&mut self, datagrams: usize) {
        for _ in 0..datagrams {
            if let Some(datagram) = self.client.outgoing.pop_front() {
                self.server.handle(self.now, datagram);
            }
            if let Some(datagram) = self.server.outgoing.pop_front() {
                if let Some((_, [3, rest @ ..], _)) = RecordHeader::split(&datagram)
                    && let Some(cookie) = rest.get(14..)
                {
                    self.cookie = cookie.to_vec();
                }
                self.client.handle(self.now, datagram);
            }
        }
    }

    fn check(&self) {
        let (client, server) = (&self.client, &self.server);
        if let Some(connected) = &client.connected {
            assert_eq!(Some(connected), server.connected.as_ref());
        }
        for (peer, other) in [(client, server), (server, client)] {
            assert!(peer.received.is_subset(&other.sent));
            let may_close = peer.has_closed || peer.error.is_some() || other.has_closed;
            let other_failed = other.error.is_some() && other.connected.is_some();
            assert!(!peer.is_closed || may_close || other_failed);
        }
    }
}

impl Peer {
    fn new(connection: Connection) -> Self {
        Self {
            connection,
            connected: None,
            error: None,
            is_closed: false,
            has_closed: false,
            sent: BTreeSet::new(),
            received: BTreeSet::new(),
            outgoing: VecDeque::new(),
        }
    }

    fn handle(&mut self, now: Instant, mut datagram: Vec<u8>) {
        let received = &mut self.received;
        let result = self.connection.handle_datagram(now, &mut datagram, |data| {
            assert!(received.insert(data.to_vec()), "delivered twice");
        });
        self.check(result);
    }

    fn check(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            assert!(self.error.is_none(), "{:?}, then {error}", self.error);
            self.error = Some(error);
        }
        self.poll();
    }

    fn poll(&mut self) {
        for _ in 0..MAX_OUTPUTS {
            match self.connection.poll_output() {
                Output::Transmit(datagram) => self.outgoing.push_back(datagram.to_vec()),
                Output::Event(Event::Connected(connected)) => {
                    assert!(self.connected.replace(connected).is_none());
                }
                Output::Event(Event::Closed) => {
                    assert!(!self.is_closed);
                    self.is_closed = true;
                }
                Output::Event(_) => {}
                Output::Timeout(_) => {
                    self.outgoing.truncate(MAX_QUEUE);
                    return;
                }
            }
        }
        panic!("unbounded output");
    }
}
