//! An adversary who controls the network of two handshakes, driven by a script. The property tests
//! and the fuzzer share it. The fuzzer supplies the script as bytes.
//!
//! Two clients and two servers share one key, one identity and one cookie secret, so a datagram for
//! one is plausible for another. These invariants hold for every script:
//!
//! - A connection delivers only data sent by the one peer that has the same master secret, and each
//!   record once.
//! - Connected peers agree on suite, extended master secret and identity, and use the best common
//!   parameters. A client connects only to a server that has connected.
//! - Only its peer can close an established connection. A connection fails once and is then silent.
//! - The number of datagrams sent in response to one is bounded.
//!
//! If datagrams are only lost, delayed and duplicated, both pairs connect.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use dtls_psk::{CipherSuite, Config, Error, Event, Group};
use tutk_time::Instant;

use super::{Peer, client_config, server_config, suites};

/// Clients have even indices. The intended server of a client follows it.
const PARTIES: usize = 4;
/// The number of datagrams after which a script ends.
const MAX_SEEN: usize = 1500;
/// The maximum number of datagrams sent in response to a datagram or timeout.
const MAX_ANSWERS: usize = 32;
const RECORD_HEADER: usize = 13;

/// The actions of the adversary, read from bytes. After the end all bytes are zero.
pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        byte
    }

    /// Returns a number below `end`, which must not be zero.
    fn below(&mut self, end: usize) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()])) % end
    }

    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        bytes
    }
}

struct Party {
    peer: Peer,
    /// Datagrams in flight to the peer, as indices into `seen`.
    queue: VecDeque<usize>,
    /// The number of records the application sent.
    sent: u8,
    delivered: BTreeSet<Vec<u8>>,
    /// `true` if the application closed the connection.
    closed: bool,
    /// The number of events checked.
    events: usize,
    key: Option<String>,
    connected: bool,
}

/// See the module documentation.
pub struct Adversary {
    now: Instant,
    parties: Vec<Party>,
    /// All datagrams ever sent, with their senders.
    seen: Vec<(usize, Vec<u8>)>,
    best: CipherSuite,
    extended_master_secret: bool,
    mtu: usize,
    /// `true` once the adversary did more than lose, delay and duplicate.
    tampered: bool,
}

impl Adversary {
    /// Creates the peers. Two bytes of the script configure them.
    pub fn new(now: Instant, script: &mut Script<'_>) -> Self {
        let (settings, order) = (script.byte(), script.byte());
        let mut suites = suites();
        let first = usize::from(order) % suites.len();
        suites.rotate_left(first);
        let bit = |n: u8| settings >> n & 1 == 1;
        let mtu = if bit(0) { 256 } else { 1200 };
        let groups = if bit(5) { &[Group::X25519] } else { Group::ALL };
        let common = |config: Config| {
            let config = config.with_suites(&suites).with_groups(groups);
            config.with_mtu(mtu).with_encrypt_then_mac(!bit(6))
        };
        let client = common(client_config()).with_extended_master_secret(!bit(1));
        let mut server = common(server_config())
            .with_extended_master_secret(!bit(2))
            .with_cookie_exchange(!bit(3))
            .with_cookie_secret([9; 32]);
        if bit(4) {
            server = server.with_identity_hint([b'h'; 400]);
        }
        let mut adversary = Self {
            now,
            parties: Vec::new(),
            seen: Vec::new(),
            best: suites[0],
            extended_master_secret: !bit(1) && !bit(2),
            mtu,
            tampered: false,
        };
        for seed in [1, 2] {
            for peer in [
                Peer::client(client.clone(), seed, now),
                Peer::server(server.clone(), seed, now),
            ] {
                adversary.parties.push(Party {
                    peer,
                    queue: VecDeque::new(),
                    sent: 0,
                    delivered: BTreeSet::new(),
                    closed: false,
                    events: 0,
                    key: None,
                    connected: false,
                });
                adversary.check(adversary.parties.len() - 1);
            }
        }
        adversary
    }

    /// Runs the script, lets the handshakes finish undisturbed, and checks the result.
    pub fn run(mut self, script: &mut Script<'_>) {
        while !script.is_over() && self.seen.len() < MAX_SEEN {
            self.step(script);
        }
        for party in &mut self.parties {
            party.queue.clear();
        }
        for pair in [0, 2] {
            self.settle(pair);
            self.check_end(pair);
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let action = script.byte();
        let index = usize::from(action >> 6);
        match action & 0x1f {
            0..=9 => {
                if let Some(datagram) = self.take(index) {
                    self.deliver(peer_of(index), &datagram);
                }
            }
            10 | 11 => _ = self.take(index),
            12 | 13 => {
                if let Some(datagram) = self.parties[index].queue.pop_front() {
                    self.parties[index].queue.push_back(datagram);
                }
            }
            14..=16 => {
                if let Some((from, datagram)) = self.earlier_datagram(script) {
                    self.deliver(peer_of(from), &datagram);
                }
            }
            17 | 18 => self.wait(Duration::from_millis(u64::from(script.byte()) * 8)),
            // Some numbers are reserved for the final check.
            19..=21 if self.parties[index].sent < 200 => self.application_sends(index),
            19..=21 => {}
            22 => self.application_closes(index),
            23..=25 => {
                let Some(mut datagram) = self.take(index) else {
                    return;
                };
                let (at, bits) = (script.below(datagram.len()), script.byte());
                datagram[at] ^= bits;
                self.tamper(peer_of(index), &datagram);
            }
            26 => {
                let Some(mut datagram) = self.take(index) else {
                    return;
                };
                let len = script.below(datagram.len());
                datagram.truncate(len);
                self.tamper(peer_of(index), &datagram);
            }
            // Send to another peer, or back to the sender.
            27 | 28 => {
                if let Some((_, datagram)) = self.earlier_datagram(script) {
                    self.tamper(index, &datagram);
                }
            }
            // Replace one record with one of another datagram.
            29 | 30 => {
                let (Some(datagram), Some((_, old))) =
                    (self.take(index), self.earlier_datagram(script))
                else {
                    return;
                };
                let (mut records, old) = (records(&datagram), self::records(&old));
                let (at, from) = (script.byte(), script.byte());
                if records.is_empty() || old.is_empty() {
                    return;
                }
                let at = usize::from(at) % records.len();
                records[at] = old[usize::from(from) % old.len()].clone();
                self.tamper(peer_of(index), &records.concat());
            }
            _ => {
                let len = usize::from(script.byte());
                let datagram = script.bytes(len);
                self.tamper(index, datagram);
            }
        }
    }

    /// Removes and returns the next datagram in flight from `index`.
    fn take(&mut self, index: usize) -> Option<Vec<u8>> {
        let index = self.parties[index].queue.pop_front()?;
        Some(self.seen[index].1.clone())
    }

    /// Returns any earlier datagram and its sender.
    fn earlier_datagram(&self, script: &mut Script<'_>) -> Option<(usize, Vec<u8>)> {
        let len = self.seen.len();
        (len > 0).then(|| self.seen[len - 1 - script.below(len)].clone())
    }

    fn tamper(&mut self, to: usize, datagram: &[u8]) {
        self.tampered = true;
        self.deliver(to, datagram);
    }

    fn deliver(&mut self, to: usize, datagram: &[u8]) {
        self.parties[to].peer.handle(self.now, datagram);
        self.check(to);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        for index in 0..PARTIES {
            self.parties[index].peer.handle_timeout(self.now);
            self.check(index);
        }
    }

    fn application_sends(&mut self, index: usize) {
        let party = &mut self.parties[index];
        if party.peer.is_connected() {
            party.peer.send(&payload(index, party.sent));
            party.sent += 1;
            self.check(index);
        }
    }

    fn application_closes(&mut self, index: usize) {
        let party = &mut self.parties[index];
        if party.peer.is_connected() {
            party.closed = true;
            party.peer.connection.close();
            party.peer.poll();
            self.check(index);
        }
    }

    /// Checks the invariants after `index` handled an input.
    fn check(&mut self, index: usize) {
        let party = &mut self.parties[index];
        let outgoing = std::mem::take(&mut party.peer.outgoing);
        assert!(outgoing.len() <= MAX_ANSWERS, "too many answers");
        for datagram in outgoing {
            assert!(!datagram.is_empty() && datagram.len() <= self.mtu);
            party.queue.push_back(self.seen.len());
            self.seen.push((index, datagram));
        }
        let events: Vec<Event> = party.peer.events[party.events..].to_vec();
        party.events += events.len();
        for event in events {
            match event {
                Event::KeyLog(line) => {
                    let old = self.parties[index].key.replace(line);
                    assert_eq!(old, None, "keys are derived once");
                }
                Event::Connected(_) => self.check_connected(index),
                Event::Closed => {
                    let party = &self.parties[index];
                    if party.closed || party.peer.error.is_some() {
                        continue;
                    }
                    let by = self.counterpart(index).expect("a peer that closed");
                    assert!(self.parties[by].closed);
                }
                _ => {}
            }
        }
        let received = std::mem::take(&mut self.parties[index].peer.received);
        if !received.is_empty() {
            let from = self.counterpart(index).expect("a peer that sent data");
            for data in received {
                let sent = self.parties[from].sent;
                assert!((0..sent).any(|n| payload(from, n) == data), "never sent");
                assert!(
                    self.parties[index].delivered.insert(data),
                    "delivered twice"
                );
            }
        }
        self.check_error(index);
    }

    fn check_connected(&mut self, index: usize) {
        assert!(!self.parties[index].connected, "connects once");
        self.parties[index].connected = true;
        let mine = self.parties[index].peer.connected().unwrap();
        assert_eq!(mine.suite, self.best);
        assert_eq!(mine.extended_master_secret, self.extended_master_secret);
        assert_eq!(mine.identity, super::IDENTITY.as_bytes());
        let counterpart = self.counterpart(index).expect("a peer with the same keys");
        let theirs = self.parties[counterpart].peer.connected();
        if is_client(index) {
            assert_eq!(theirs, Some(mine), "the server connects first");
        } else {
            assert_eq!(theirs, None, "the server connects first");
        }
    }

    fn check_error(&self, index: usize) {
        let party = &self.parties[index];
        let Some(error) = &party.peer.error else {
            return;
        };
        assert!(party.peer.connection.is_closed());
        // Only the peer can close a connected endpoint, and no peer that fails sends protected
        // alerts.
        assert!(!party.connected, "{error}");
    }

    /// Returns the endpoint with the same master secret.
    fn counterpart(&self, index: usize) -> Option<usize> {
        let key = self.parties[index].key.as_ref()?;
        let has = |other: &usize| self.parties[*other].key.as_ref() == Some(key);
        let mut all = (0..PARTIES).filter(|&other| other != index && has(&other));
        let found = all.next()?;
        assert_eq!(all.next(), None, "a third endpoint has the keys");
        assert_ne!(
            is_client(index),
            is_client(found),
            "two endpoints of one role"
        );
        Some(found)
    }

    /// Delivers all datagrams and lets time pass.
    fn settle(&mut self, pair: usize) {
        for _ in 0..2000 {
            let mut idle = true;
            for index in [pair, pair + 1] {
                while let Some(datagram) = self.take(index) {
                    idle = false;
                    self.deliver(peer_of(index), &datagram);
                }
            }
            if idle {
                let parties = &self.parties[pair..pair + 2];
                let finished =
                    |party: &Party| party.peer.is_connected() || party.peer.connection.is_closed();
                // A server without a hello, or whose client is gone, may wait forever.
                let idle_forever =
                    |party: &Party| party.peer.deadline > self.now + Duration::from_secs(600);
                if parties
                    .iter()
                    .all(|party| finished(party) || idle_forever(party))
                {
                    return;
                }
                self.wait(Duration::from_millis(500));
            }
        }
        panic!("the peers exchange datagrams forever");
    }

    fn check_end(&mut self, pair: usize) {
        let (client, server) = (pair, pair + 1);
        let peer = |index: usize| &self.parties[index].peer;
        if !self.tampered && !self.parties[client].closed && !self.parties[server].closed {
            // The script may have waited until the handshake timed out.
            let gave_up =
                |index: usize| matches!(peer(index).error, Some(Error::HandshakeTimedOut { .. }));
            if !gave_up(client) && !gave_up(server) {
                assert!(peer(client).is_connected(), "{:?}", peer(client).error);
                assert!(peer(server).is_connected(), "{:?}", peer(server).error);
            }
        }
        let both = peer(client).is_connected() && peer(server).is_connected();
        if both && self.counterpart(client) == Some(server) {
            for index in [client, server] {
                let before = self.parties[peer_of(index)].delivered.len();
                self.application_sends(index);
                self.application_sends(index);
                self.settle(pair);
                let after = self.parties[peer_of(index)].delivered.len();
                assert_eq!(after, before + 2, "data flows");
            }
        }
    }
}

fn is_client(index: usize) -> bool {
    index.is_multiple_of(2)
}

fn peer_of(index: usize) -> usize {
    index ^ 1
}

/// Returns unique data; few payloads have the same length.
fn payload(index: usize, n: u8) -> Vec<u8> {
    let mut data = vec![n; usize::from(n % 100) + 3];
    data[0] = u8::try_from(index).unwrap();
    data[1] = 0xda;
    data
}

/// Splits a datagram into its records.
pub fn records(datagram: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = datagram;
    let mut records = Vec::new();
    while rest.len() >= RECORD_HEADER {
        let len = usize::from(u16::from_be_bytes([rest[11], rest[12]]));
        let (record, tail) = rest.split_at((RECORD_HEADER + len).min(rest.len()));
        records.push(record.to_vec());
        rest = tail;
    }
    records
}
