//! An adversary who owns the network of two handshakes at once, and a script of what is done there: the
//! same for the property tests and for the fuzzer, who writes the script as bytes.
//!
//! Two clients and two servers share one key, one identity and one cookie secret, so that everything said
//! to one of them could have been said to another. Whatever the script does, these hold:
//!
//! - A connection delivers only what was sent by the one end of the other role that holds the same master
//!   secret, and each of that once.
//! - Who connects agrees with that end on suite, extended master secret and identity; a client connects
//!   only to a server that has connected. Nobody talks them into anything but the best they both know.
//! - An established connection ends only when its peer closes it. A connection fails once, and falls silent.
//! - What is sent in answer to one datagram is bounded.
//!
//! And if nothing was changed or invented, only lost, delayed and repeated, they connect.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use dtls_psk::{CipherSuite, Config, Error, Event, Group};

use super::{Peer, client_config, server_config, suites};

/// Clients are even, and the server that a client means to talk to comes after it.
const PARTIES: usize = 4;
/// Datagrams after which a script has had its say.
const MAX_SEEN: usize = 1500;
/// Datagrams that one datagram or timeout may cause.
const MAX_ANSWERS: usize = 32;
const RECORD_HEADER: usize = 13;

/// What the adversary does, read from bytes: from its end on every byte is zero.
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

    /// A number below `end`, which is not zero.
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
    /// Datagrams on their way to the other end, by their place in `seen`.
    queue: VecDeque<usize>,
    /// How often the application sent.
    sent: u8,
    delivered: BTreeSet<Vec<u8>>,
    /// Whether the application closed it.
    closed: bool,
    /// Events that were looked at.
    events: usize,
    key: Option<String>,
    connected: bool,
}

/// See the module.
pub struct Adversary {
    now: Instant,
    parties: Vec<Party>,
    /// Every datagram that was ever sent, and by whom.
    seen: Vec<(usize, Vec<u8>)>,
    best: CipherSuite,
    extended_master_secret: bool,
    mtu: usize,
    /// Whether anything but loss, delay and repetition happened.
    meddled: bool,
}

impl Adversary {
    /// Two bytes of the script say how the ends are configured.
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
            meddled: false,
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
                adversary.look(adversary.parties.len() - 1);
            }
        }
        adversary
    }

    /// Does all that the script says, lets the ends finish in peace, and sees what they have.
    pub fn run(mut self, script: &mut Script<'_>) {
        while !script.is_over() && self.seen.len() < MAX_SEEN {
            self.step(script);
        }
        for party in &mut self.parties {
            party.queue.clear();
        }
        for pair in [0, 2] {
            self.in_peace(pair);
            self.check_end(pair);
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        let action = script.byte();
        let who = usize::from(action >> 6);
        match action & 0x1f {
            0..=9 => {
                if let Some(datagram) = self.take(who) {
                    self.give(other_end(who), &datagram);
                }
            }
            10 | 11 => _ = self.take(who),
            12 | 13 => {
                if let Some(datagram) = self.parties[who].queue.pop_front() {
                    self.parties[who].queue.push_back(datagram);
                }
            }
            14..=16 => {
                if let Some((from, datagram)) = self.again(script) {
                    self.give(other_end(from), &datagram);
                }
            }
            17 | 18 => self.wait(Duration::from_millis(u64::from(script.byte()) * 8)),
            // Some numbers are left for the end.
            19..=21 if self.parties[who].sent < 200 => self.application_sends(who),
            19..=21 => {}
            22 => self.application_closes(who),
            23..=25 => {
                let Some(mut datagram) = self.take(who) else {
                    return;
                };
                let (at, bits) = (script.below(datagram.len()), script.byte());
                datagram[at] ^= bits;
                self.meddle(other_end(who), &datagram);
            }
            26 => {
                let Some(mut datagram) = self.take(who) else {
                    return;
                };
                let len = script.below(datagram.len());
                datagram.truncate(len);
                self.meddle(other_end(who), &datagram);
            }
            // Said to somebody else: to the other pair, or back to who said it.
            27 | 28 => {
                if let Some((_, datagram)) = self.again(script) {
                    self.meddle(who, &datagram);
                }
            }
            // One record of a datagram is another's.
            29 | 30 => {
                let (Some(datagram), Some((_, old))) = (self.take(who), self.again(script)) else {
                    return;
                };
                let (mut records, old) = (records(&datagram), self::records(&old));
                let (at, from) = (script.byte(), script.byte());
                if records.is_empty() || old.is_empty() {
                    return;
                }
                let at = usize::from(at) % records.len();
                records[at] = old[usize::from(from) % old.len()].clone();
                self.meddle(other_end(who), &records.concat());
            }
            _ => {
                let len = usize::from(script.byte());
                let datagram = script.bytes(len);
                self.meddle(who, datagram);
            }
        }
    }

    /// The next datagram on its way from `who`.
    fn take(&mut self, who: usize) -> Option<Vec<u8>> {
        let index = self.parties[who].queue.pop_front()?;
        Some(self.seen[index].1.clone())
    }

    /// Any datagram that there has been, and who sent it.
    fn again(&self, script: &mut Script<'_>) -> Option<(usize, Vec<u8>)> {
        let len = self.seen.len();
        (len > 0).then(|| self.seen[len - 1 - script.below(len)].clone())
    }

    fn meddle(&mut self, to: usize, datagram: &[u8]) {
        self.meddled = true;
        self.give(to, datagram);
    }

    fn give(&mut self, to: usize, datagram: &[u8]) {
        self.parties[to].peer.handle(self.now, datagram);
        self.look(to);
    }

    fn wait(&mut self, time: Duration) {
        self.now += time;
        for who in 0..PARTIES {
            self.parties[who].peer.handle_timeout(self.now);
            self.look(who);
        }
    }

    fn application_sends(&mut self, who: usize) {
        let party = &mut self.parties[who];
        if party.peer.is_connected() {
            party.peer.send(&payload(who, party.sent));
            party.sent += 1;
            self.look(who);
        }
    }

    fn application_closes(&mut self, who: usize) {
        let party = &mut self.parties[who];
        if party.peer.is_connected() {
            party.closed = true;
            party.peer.connection.close();
            party.peer.poll();
            self.look(who);
        }
    }

    /// What became of the last thing that happened to `who`.
    fn look(&mut self, who: usize) {
        let party = &mut self.parties[who];
        let outgoing = std::mem::take(&mut party.peer.outgoing);
        assert!(outgoing.len() <= MAX_ANSWERS, "too much of an answer");
        for datagram in outgoing {
            assert!(!datagram.is_empty() && datagram.len() <= self.mtu);
            party.queue.push_back(self.seen.len());
            self.seen.push((who, datagram));
        }
        let events: Vec<Event> = party.peer.events[party.events..].to_vec();
        party.events += events.len();
        for event in events {
            match event {
                Event::KeyLog(line) => {
                    let old = self.parties[who].key.replace(line);
                    assert_eq!(old, None, "keys are derived once");
                }
                Event::Connected(_) => self.check_connected(who),
                Event::Closed => {
                    let by = self.counterpart(who).expect("somebody closed it");
                    assert!(self.parties[by].closed);
                }
                _ => {}
            }
        }
        let received = std::mem::take(&mut self.parties[who].peer.received);
        if !received.is_empty() {
            let from = self.counterpart(who).expect("somebody sent it");
            for data in received {
                let sent = self.parties[from].sent;
                assert!((0..sent).any(|n| payload(from, n) == data), "never sent");
                assert!(self.parties[who].delivered.insert(data), "delivered twice");
            }
        }
        self.check_error(who);
    }

    fn check_connected(&mut self, who: usize) {
        assert!(!self.parties[who].connected, "connects once");
        self.parties[who].connected = true;
        let mine = self.parties[who].peer.connected().unwrap();
        assert_eq!(mine.suite, self.best);
        assert_eq!(mine.extended_master_secret, self.extended_master_secret);
        assert_eq!(mine.identity, super::IDENTITY.as_bytes());
        let counterpart = self.counterpart(who).expect("somebody has the same keys");
        let theirs = self.parties[counterpart].peer.connected();
        if is_client(who) {
            assert_eq!(theirs, Some(mine), "the server was first");
        } else {
            assert_eq!(theirs, None, "the server is first");
        }
    }

    fn check_error(&self, who: usize) {
        let party = &self.parties[who];
        let Some(error) = &party.peer.error else {
            return;
        };
        assert!(party.peer.connection.is_closed());
        // Only its peer can end it, and none that fails has anything to say under the keys.
        assert!(!party.connected, "{error}");
    }

    /// Who has derived the same master secret.
    fn counterpart(&self, who: usize) -> Option<usize> {
        let key = self.parties[who].key.as_ref()?;
        let has = |other: &usize| self.parties[*other].key.as_ref() == Some(key);
        let mut all = (0..PARTIES).filter(|&other| other != who && has(&other));
        let found = all.next()?;
        assert_eq!(all.next(), None, "a third has the keys");
        assert_ne!(is_client(who), is_client(found), "two of one role");
        Some(found)
    }

    /// No more adversary: what is sent arrives, and time passes.
    fn in_peace(&mut self, pair: usize) {
        for _ in 0..2000 {
            let mut idle = true;
            for who in [pair, pair + 1] {
                while let Some(datagram) = self.take(who) {
                    idle = false;
                    self.give(other_end(who), &datagram);
                }
            }
            if idle {
                let parties = &self.parties[pair..pair + 2];
                let settled =
                    |party: &Party| party.peer.is_connected() || party.peer.connection.is_closed();
                // A server that no hello reached, or whose client is gone, may wait for ever.
                let asleep =
                    |party: &Party| party.peer.deadline > self.now + Duration::from_secs(600);
                if parties.iter().all(|party| settled(party) || asleep(party)) {
                    return;
                }
                self.wait(Duration::from_millis(500));
            }
        }
        panic!("the two never come to rest");
    }

    fn check_end(&mut self, pair: usize) {
        let (client, server) = (pair, pair + 1);
        let peer = |who: usize| &self.parties[who].peer;
        if !self.meddled && !self.parties[client].closed && !self.parties[server].closed {
            // The script may wait for as long as it likes.
            let gave_up =
                |who: usize| matches!(peer(who).error, Some(Error::HandshakeTimedOut { .. }));
            if !gave_up(client) && !gave_up(server) {
                assert!(peer(client).is_connected(), "{:?}", peer(client).error);
                assert!(peer(server).is_connected(), "{:?}", peer(server).error);
            }
        }
        let both = peer(client).is_connected() && peer(server).is_connected();
        if both && self.counterpart(client) == Some(server) {
            for who in [client, server] {
                let before = self.parties[other_end(who)].delivered.len();
                self.application_sends(who);
                self.application_sends(who);
                self.in_peace(pair);
                let after = self.parties[other_end(who)].delivered.len();
                assert_eq!(after, before + 2, "data flows");
            }
        }
    }
}

fn is_client(who: usize) -> bool {
    who.is_multiple_of(2)
}

fn other_end(who: usize) -> usize {
    who ^ 1
}

/// No two are the same, and few have the same length.
fn payload(who: usize, n: u8) -> Vec<u8> {
    let mut data = vec![n; usize::from(n % 100) + 3];
    data[0] = u8::try_from(who).unwrap();
    data[1] = 0xda;
    data
}

/// A datagram taken apart into its records.
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
