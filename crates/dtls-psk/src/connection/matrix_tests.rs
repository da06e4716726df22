//! Handshakes with every suite, group, extension and cookie setting, in memory.

use alloc::string::String;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tutk_time::Instant;

use super::*;
use crate::event::{Connected, Event};
use crate::{CipherSuite, Group, MIN_MTU, Psk};

const IDENTITY: &[u8] = b"a client";
const HINT: &[u8] = b"a hint";

fn psk() -> Psk {
    Psk::new(b"not only 32 bytes, but any number of them")
}

fn client_config() -> Config {
    Config::client(IDENTITY, psk()).with_key_log(true)
}

fn server_config() -> Config {
    Config::server(|identity: &[u8]| (identity == IDENTITY).then(psk)).with_key_log(true)
}

/// An endpoint and its outputs.
struct Endpoint {
    connection: Connection,
    connected: Option<Connected>,
    key_log: Vec<String>,
    received: Vec<Vec<u8>>,
    error: Option<Error>,
    deadline: Instant,
    longest: usize,
}

impl Endpoint {
    fn new(connection: Connection, now: Instant) -> Self {
        Self {
            connection,
            connected: None,
            key_log: Vec::new(),
            received: Vec::new(),
            error: None,
            deadline: now,
            longest: 0,
        }
    }

    fn drain(&mut self) -> Vec<Vec<u8>> {
        let mut datagrams = Vec::new();
        loop {
            match self.connection.poll_output() {
                Output::Transmit(datagram) => {
                    self.longest = self.longest.max(datagram.len());
                    datagrams.push(datagram.to_vec());
                }
                Output::Event(Event::Connected(connected)) => self.connected = Some(connected),
                Output::Event(Event::KeyLog(line)) => self.key_log.push(line),
                Output::Event(Event::Closed) => {}
                Output::Timeout(deadline) => {
                    self.deadline = deadline;
                    return datagrams;
                }
            }
        }
    }

    fn receive(&mut self, now: Instant, mut datagram: Vec<u8>) {
        let received = &mut self.received;
        let result = self
            .connection
            .handle_datagram(now, &mut datagram, |data| received.push(data.to_vec()));
        self.error = self.error.take().or(result.err());
    }
}

/// Returns the sender and the receiver. `up` is from client to server.
fn direction<'a>(
    client: &'a mut Endpoint,
    server: &'a mut Endpoint,
    up: bool,
) -> (&'a mut Endpoint, &'a mut Endpoint) {
    if up {
        (client, server)
    } else {
        (server, client)
    }
}

struct Pair {
    client: Endpoint,
    server: Endpoint,
    now: Instant,
}

impl Pair {
    fn new(client: Config, server: Config) -> Self {
        let now = Instant::ZERO;
        let client = Connection::client(Arc::new(client), [5; 32], now).unwrap();
        let server = Connection::server(Arc::new(server), b"peer", [6; 32], now).unwrap();
        Self {
            client: Endpoint::new(client, now),
            server: Endpoint::new(server, now),
            now,
        }
    }

    /// Delivers the datagrams for which `lost` returns `false`, and advances time, until both are
    /// connected or both have failed.
    fn run(&mut self, mut lost: impl FnMut() -> bool) {
        for _ in 0..4000 {
            for up in [true, false] {
                let (from, to) = direction(&mut self.client, &mut self.server, up);
                let datagrams = from.drain();
                let idle = datagrams.is_empty();
                for datagram in datagrams {
                    if !lost() {
                        to.receive(self.now, datagram);
                    }
                }
                if idle {
                    self.now += Duration::from_millis(50);
                    let result = from.connection.handle_timeout(self.now);
                    from.error = from.error.take().or(result.err());
                }
            }
            let connected = self.client.connected.is_some() && self.server.connected.is_some();
            if connected || (self.client.error.is_some() && self.server.error.is_some()) {
                return;
            }
        }
    }

    fn connect(&mut self) -> Connected {
        self.run(|| false);
        let (client, server) = (&self.client, &self.server);
        assert_eq!((&client.error, &server.error), (&None, &None));
        assert_eq!(client.connected, server.connected);
        assert_eq!(client.key_log, server.key_log);
        assert_eq!(client.key_log.len(), 1);
        client.connected.clone().unwrap()
    }

    /// Sends a record of `len` bytes in each direction.
    fn transfer(&mut self, len: usize) {
        for up in [true, false] {
            let (from, to) = direction(&mut self.client, &mut self.server, up);
            let data: Vec<u8> = (0..=250).cycle().take(len).collect();
            from.connection.send(&data).unwrap();
            to.received.clear();
            for datagram in from.drain() {
                to.receive(self.now, datagram);
            }
            assert_eq!(to.received, [data]);
        }
    }
}

/// Returns every suite, with every group if it uses one.
fn every_suite_and_group() -> Vec<(CipherSuite, Option<Group>)> {
    let mut all = Vec::new();
    for suite in CipherSuite::ALL {
        if suite.has_forward_secrecy() {
            all.extend(Group::ALL.iter().map(|group| (*suite, Some(*group))));
        } else {
            all.push((*suite, None));
        }
    }
    all
}

fn with(config: Config, suite: CipherSuite, group: Option<Group>) -> Config {
    config.with_suites(&[suite]).with_groups(group.as_slice())
}

#[test]
fn every_combination_of_settings_connects() {
    for (suite, group) in every_suite_and_group() {
        for bits in 0..32u32 {
            let on = |bit: u32| bits & (1 << bit) != 0;
            let mut server = with(server_config(), suite, group)
                .with_cookie_exchange(on(0))
                .with_extended_master_secret(on(1))
                .with_encrypt_then_mac(on(2));
            if on(3) {
                server = server.with_identity_hint(HINT);
            }
            let client = with(client_config(), suite, group)
                .with_extended_master_secret(on(4))
                .with_encrypt_then_mac(on(4));
            let mut pair = Pair::new(client, server);
            let expected = Connected {
                suite,
                group,
                extended_master_secret: on(1) && on(4),
                encrypt_then_mac: on(2) && on(4) && suite.is_cbc(),
                identity: IDENTITY.to_vec(),
                identity_hint: if on(3) { HINT.to_vec() } else { Vec::new() },
            };
            assert_eq!(pair.connect(), expected);
            let max = pair.client.connection.max_payload();
            for len in [0, 1, 15, 16, 17, 500, max - 1, max] {
                pair.transfer(len);
            }
            let mtu = crate::DEFAULT_MTU;
            assert!(pair.client.longest <= mtu && pair.client.longest > mtu - 16);
            let error = pair.client.connection.send(&vec![0; max + 1]);
            assert!(matches!(error, Err(Error::TooLong { .. })), "{error:?}");
            pair.client.connection.close();
            for datagram in pair.client.drain() {
                pair.server.receive(pair.now, datagram);
            }
            assert!(pair.server.connection.is_closed());
        }
    }
}

#[test]
fn smallest_mtu_carries_the_longest_identity() {
    let identity = vec![b'i'; crate::MAX_IDENTITY];
    for (suite, group) in every_suite_and_group() {
        for encrypt_then_mac in [false, true] {
            let client = Config::client(&identity, psk());
            let server = Config::server(|_: &[u8]| Some(psk())).with_identity_hint(&identity);
            let client = with(client, suite, group)
                .with_mtu(MIN_MTU)
                .with_key_log(true)
                .with_encrypt_then_mac(encrypt_then_mac);
            let server = with(server, suite, group)
                .with_mtu(MIN_MTU)
                .with_key_log(true);
            let mut pair = Pair::new(client, server);
            assert_eq!(pair.connect().identity, identity);
            let max = pair.client.connection.max_payload();
            for len in 0..=max {
                pair.transfer(len);
            }
            for longest in [pair.client.longest, pair.server.longest] {
                assert!(longest <= MIN_MTU, "{suite}: {longest}");
            }
        }
    }
}

#[test]
fn server_order_decides_suite_and_group() {
    use CipherSuite as S;
    let ecdhe = S::EcdhePskChacha20Poly1305Sha256;
    let (cbc, plain) = (S::EcdhePskAes128CbcSha256, S::PskAes128Ccm8);
    let (x, p) = (Group::X25519, Group::Secp256r1);
    type Side<'a> = (&'a [CipherSuite], &'a [Group]);
    type Choice = Option<(CipherSuite, Option<Group>)>;
    let cases: [(Side<'_>, Side<'_>, Choice); 8] = [
        // The server's order decides.
        (
            (S::ALL, Group::ALL),
            (&[plain, ecdhe], &[x]),
            Some((plain, None)),
        ),
        (
            (&[plain, ecdhe], &[p, x]),
            (S::ALL, Group::ALL),
            Some((ecdhe, Some(x))),
        ),
        ((S::ALL, &[p]), (S::ALL, Group::ALL), Some((ecdhe, Some(p)))),
        (
            (S::ALL, Group::ALL),
            (S::ALL, &[p, x]),
            Some((ecdhe, Some(p))),
        ),
        // No common group: a suite without one is selected.
        ((&[ecdhe, plain], &[p]), (S::ALL, &[x]), Some((plain, None))),
        // No common suite.
        ((&[ecdhe, cbc], &[p]), (S::ALL, &[x]), None),
        ((&[ecdhe], &[x]), (&[plain], &[]), None),
        ((&[plain], &[]), (&[cbc, ecdhe], &[x]), None),
    ];
    for (client, server, expected) in cases {
        let mut pair = Pair::new(
            client_config().with_suites(client.0).with_groups(client.1),
            server_config().with_suites(server.0).with_groups(server.1),
        );
        let Some((suite, group)) = expected else {
            pair.run(|| false);
            for end in [&pair.client, &pair.server] {
                assert!(end.error.is_some() && end.connected.is_none());
            }
            continue;
        };
        let connected = pair.connect();
        assert_eq!((connected.suite, connected.group), (suite, group));
    }
}

#[test]
fn client_selects_identity_by_hint() {
    for suite in CipherSuite::ALL {
        let select = |hint: &[u8]| (hint == HINT).then(|| (IDENTITY.to_vec(), psk()));
        let client = || {
            Config::client_by_hint(select)
                .with_suites(&[*suite])
                .with_key_log(true)
        };
        let server = || server_config().with_suites(&[*suite]);
        let mut pair = Pair::new(client(), server().with_identity_hint(HINT));
        assert_eq!(pair.connect().identity, IDENTITY);
        let mut pair = Pair::new(client(), server());
        pair.run(|| false);
        assert_eq!(pair.client.error, Some(Error::NoIdentity(0)));
        assert!(matches!(pair.server.error, Some(Error::PeerAlert { .. })));
    }
}

#[test]
fn wrong_key_and_unknown_identity_are_indistinguishable() {
    for (suite, group) in every_suite_and_group() {
        let mut seen = Vec::new();
        for client in [
            Config::client(IDENTITY, Psk::new("wrong")),
            Config::client("unknown", psk()),
        ] {
            let server = with(server_config(), suite, group);
            let mut pair = Pair::new(with(client, suite, group), server);
            pair.run(|| false);
            assert!(pair.client.connected.is_none() && pair.server.connected.is_none());
            assert!(
                pair.client.connection.suspects_wrong_key() || pair.client.connection.is_closed()
            );
            assert!(pair.server.connection.stats().undecryptable_finished > 0);
            assert!(pair.client.received.is_empty() && pair.server.received.is_empty());
            seen.push((pair.client.error, pair.client.connection.stats()));
        }
        assert_eq!(seen[0], seen[1], "{suite}");
    }
}

#[test]
fn repeated_suites_are_ignored() {
    let twice = client_config().with_suites(&[CipherSuite::ALL, CipherSuite::ALL].concat());
    assert_eq!(twice.suites, CipherSuite::ALL);
}

#[test]
fn default_client_hello_has_known_bytes() {
    let mut pair = Pair::new(Config::client("a device", psk()), server_config());
    let hello = pair.client.drain().remove(0);
    let tail = [
        &[0, 2, 0xcc, 0xac, 1, 0][..],
        &[0, 43],
        &[
            0, 13, 0, 16, 0, 14, 4, 3, 5, 3, 6, 3, 4, 1, 5, 1, 6, 1, 8, 7,
        ],
        &[0xff, 1, 0, 1, 0],
        &[0, 10, 0, 4, 0, 2, 0, 29],
        &[0, 11, 0, 2, 1, 0],
        &[0, 23, 0, 0],
    ];
    assert!(hello.ends_with(&tail.concat()), "{hello:02x?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn handshake_recovers_from_lost_datagrams(
        which in 0usize..9,
        mtu in MIN_MTU..1500,
        seed: u64,
        losses in 0usize..12,
    ) {
        let (suite, group) = every_suite_and_group()[which];
        let client = with(client_config(), suite, group)
            .with_mtu(mtu)
            .with_max_retransmits(12);
        let server = with(server_config(), suite, group)
            .with_mtu(mtu)
            .with_max_retransmits(12);
        let mut pair = Pair::new(client, server);
        let (mut state, mut left) = (seed, losses);
        pair.run(|| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let lost = left > 0 && state >> 63 == 1;
            left -= usize::from(lost);
            lost
        });
        prop_assert!(pair.client.connected.is_some(), "{:?}", pair.client.error);
        prop_assert_eq!(&pair.client.connected, &pair.server.connected);
        prop_assert_eq!(pair.client.key_log.last(), pair.server.key_log.last());
        pair.transfer(10);
    }
}
