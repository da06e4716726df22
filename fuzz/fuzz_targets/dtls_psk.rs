//! A DTLS client and server that receive arbitrary datagrams at arbitrary times, and a handshake
//! between them through an adversary who loses, repeats, changes and invents datagrams.
//!
//! Input: a byte of settings. If its lowest bit is set, the fate of each datagram of the handshake
//! follows (`Arbitrary`). Otherwise datagrams follow. Each has a byte whose lowest bit selects the
//! receiver and whose other bits are the delay in units of 10 ms, two bytes of length, and the
//! content.
#![no_main]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arbitrary::{Arbitrary, Unstructured};
use dtls_psk::{Config, Connection, Event, Output, Psk};
use libfuzzer_sys::fuzz_target;
use rand::SeedableRng;
use rand::rngs::StdRng;

/// The maximum number of datagrams per input.
const MAX_STEPS: usize = 64;

#[derive(Debug, Arbitrary)]
enum Fate<'a> {
    Pass,
    Lose,
    Twice,
    /// Arrives after all others.
    Late,
    Flip(u16, u8),
    Cut(u16),
    /// An invented datagram arrives first.
    Invent(&'a [u8]),
    /// The datagram arrives after this many milliseconds.
    Wait(u16),
}

struct Peer {
    connection: Connection,
    outgoing: VecDeque<Vec<u8>>,
    received: Vec<Vec<u8>>,
    connected: bool,
    failed: bool,
}

impl Peer {
    fn new(connection: Connection) -> Self {
        let mut peer = Self {
            connection,
            outgoing: VecDeque::new(),
            received: Vec::new(),
            connected: false,
            failed: false,
        };
        peer.poll();
        peer
    }

    fn handle(&mut self, now: Instant, datagram: &[u8]) {
        let (received, mut datagram) = (&mut self.received, datagram.to_vec());
        let deliver = |data: &mut [u8]| received.push(data.to_vec());
        if self
            .connection
            .handle_datagram(now, &mut datagram, deliver)
            .is_err()
        {
            assert!(!self.failed, "a connection fails once");
            self.failed = true;
        }
        self.poll();
    }

    fn wait(&mut self, now: Instant) {
        if self.connection.handle_timeout(now).is_err() {
            assert!(!self.failed, "a connection fails once");
            self.failed = true;
        }
        self.poll();
    }

    fn poll(&mut self) {
        loop {
            match self.connection.poll_output() {
                Output::Transmit(datagram) => {
                    assert!(datagram.len() <= dtls_psk::DEFAULT_MTU && !datagram.is_empty());
                    self.outgoing.push_back(datagram.to_vec());
                    assert!(self.outgoing.len() < 1024, "unbounded output");
                }
                Output::Event(Event::Connected(_)) => {
                    assert!(!self.connected, "connects once");
                    self.connected = true;
                }
                Output::Event(_) => {}
                Output::Timeout(_) => return,
            }
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&settings, rest)) = data.split_first() else {
        return;
    };
    if settings & 1 == 0 {
        unauthenticated(settings, rest);
    } else if let Ok(path) = Vec::<Fate<'_>>::arbitrary_take_rest(Unstructured::new(rest)) {
        between(settings, &path);
    }
});

/// Runs a client and a server, each with an attacker that does not know the key.
fn unauthenticated(settings: u8, mut rest: &[u8]) {
    let mut now = Instant::now();
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
        peer.wait(now);
        assert!(
            peer.received.is_empty() && !peer.connected,
            "the attacker does not know the key"
        );
        peer.outgoing.clear();
    }
}

/// Runs a handshake through an adversary.
fn between(settings: u8, path: &[Fate<'_>]) {
    let mut now = Instant::now();
    let (mut client, mut server) = pair(settings, now);
    let mut path = path.iter();
    let mut changed = false;
    for _ in 0..MAX_STEPS {
        let mut idle = true;
        for to_server in [true, false] {
            let (from, to) = if to_server {
                (&mut client, &mut server)
            } else {
                (&mut server, &mut client)
            };
            if let Some(datagram) = from.outgoing.pop_front() {
                idle = false;
                let fate = path.next().unwrap_or(&Fate::Pass);
                changed |= !matches!(fate, Fate::Pass | Fate::Twice);
                apply(fate, datagram, &mut now, from, to);
            }
        }
        if client.connected && server.connected {
            break;
        }
        if idle {
            now += Duration::from_millis(400);
            client.wait(now);
            server.wait(now);
        }
    }
    if !changed {
        assert!(
            client.connected && server.connected,
            "nothing was lost or changed"
        );
    }
    if client.connected && server.connected {
        data(&mut client, &mut server, now);
    }
}

/// Checks that data is delivered after a handshake.
fn data(client: &mut Peer, server: &mut Peer, now: Instant) {
    for text in [&b"first"[..], b"second"] {
        if client.connection.send(text).is_err() {
            return;
        }
    }
    client.poll();
    let mut sent = std::mem::take(&mut client.outgoing);
    sent.make_contiguous().reverse();
    for datagram in &sent {
        server.handle(now, datagram);
        server.handle(now, datagram);
    }
    if !server.failed && !server.connection.is_closed() {
        server.received.sort();
        assert_eq!(server.received, [&b"first"[..], b"second"], "each once");
    }
}

fn pair(settings: u8, now: Instant) -> (Peer, Peer) {
    let mut rng = StdRng::seed_from_u64(7);
    let client = Config::client("a device", Psk::new([0x5a; 32]))
        .with_extended_master_secret(settings & 2 == 0);
    let server =
        Config::server(|identity: &[u8]| (identity == b"a device").then(|| Psk::new([0x5a; 32])))
            .with_cookie_exchange(settings & 4 == 0);
    let client = Connection::client(Arc::new(client), &mut rng, now).expect("a client");
    let server = Connection::server(Arc::new(server), b"peer", &mut rng, now).expect("a server");
    (Peer::new(client), Peer::new(server))
}

fn apply(
    fate: &Fate<'_>,
    mut datagram: Vec<u8>,
    now: &mut Instant,
    from: &mut Peer,
    to: &mut Peer,
) {
    match fate {
        Fate::Pass => to.handle(*now, &datagram),
        Fate::Lose => {}
        Fate::Twice => {
            to.handle(*now, &datagram);
            to.handle(*now, &datagram);
        }
        Fate::Late => from.outgoing.push_back(datagram),
        Fate::Flip(at, bits) => {
            let at = usize::from(*at) % datagram.len();
            datagram[at] ^= bits;
            to.handle(*now, &datagram);
        }
        Fate::Cut(at) => {
            let at = usize::from(*at) % datagram.len();
            to.handle(*now, &datagram[..at]);
        }
        Fate::Invent(other) => {
            to.handle(*now, other);
            to.handle(*now, &datagram);
        }
        Fate::Wait(milliseconds) => {
            *now += Duration::from_millis((*milliseconds).into());
            from.wait(*now);
            to.wait(*now);
            to.handle(*now, &datagram);
        }
    }
}
