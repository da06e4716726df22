//! Variants of a handshake: every suite, with and without the optional features.

use dtls_psk::{CipherSuite, Config, Group};

use super::{Pair, Peer, client_config, server_config, suites};

/// The header lengths of a record, and of a handshake message in it, in bytes.
pub const RECORD: usize = 13;
pub const MESSAGE: usize = 12;

/// The parameters of a handshake.
#[derive(Debug, Clone, Copy)]
pub struct Variant {
    pub suite: CipherSuite,
    /// `true` for cookies, extended master secret, encrypt-then-MAC and X25519; `false` for none of
    /// these and P-256.
    pub all_options: bool,
}

/// Returns two variants of every suite.
pub fn all_variants() -> Vec<Variant> {
    let mut variants = Vec::new();
    for suite in suites() {
        variants.push(Variant {
            suite,
            all_options: true,
        });
        variants.push(Variant {
            suite,
            all_options: false,
        });
    }
    variants
}

impl Variant {
    pub fn client(self) -> Config {
        self.apply(client_config())
    }

    pub fn server(self) -> Config {
        self.apply(server_config())
            .with_cookie_exchange(self.all_options)
    }

    pub fn apply(self, config: Config) -> Config {
        let group = if self.all_options {
            Group::X25519
        } else {
            Group::Secp256r1
        };
        config
            .with_suites(&[self.suite])
            .with_groups(&[group])
            .with_extended_master_secret(self.all_options)
            .with_encrypt_then_mac(self.all_options)
    }

    pub fn pair(self) -> Pair {
        Pair::new(self.client(), self.server())
    }

    pub fn connected(self) -> Pair {
        let mut pair = self.pair();
        pair.connect();
        pair.client.received.clear();
        pair.server.received.clear();
        pair
    }

    /// Returns the datagrams of a handshake in order, and for each whether the client sent it.
    pub fn handshake(self) -> Vec<(bool, Vec<u8>)> {
        let mut datagrams = Vec::new();
        let mut pair = self.pair();
        pair.run(|_, from_client, datagram| {
            datagrams.push((from_client, datagram.clone()));
            vec![datagram]
        });
        pair.check_connected();
        assert_eq!(datagrams.len(), if self.all_options { 6 } else { 4 });
        datagrams
    }

    /// Runs a handshake over `path`, and checks that both sides agree on its result.
    pub fn run(self, path: impl FnMut(usize, bool, Vec<u8>) -> Vec<Vec<u8>>) -> Pair {
        let mut pair = self.pair();
        pair.run(path);
        if pair.client.is_connected() || pair.server.is_connected() {
            pair.check_connected();
        } else {
            assert!(pair.client.received.is_empty() && pair.server.received.is_empty());
            // The server connects first. Losing its answer does not end its connection.
            assert_eq!(pair.client.connected(), None, "{:?}", pair.client.error);
            if pair.server.connected().is_some() {
                assert_eq!(pair.server.error, None);
            }
        }
        pair
    }
}

pub fn ends(pair: &mut Pair) -> [&mut Peer; 2] {
    [&mut pair.client, &mut pair.server]
}

/// A change of the length of a record that stays otherwise consistent.
#[derive(Debug, Clone, Copy)]
pub enum Resize {
    Fragment(usize),
    /// Resizes the body of the whole handshake message in an unprotected record.
    Body(usize),
}

pub fn resized(record: &[u8], resize: Resize) -> Vec<u8> {
    let mut record = record.to_vec();
    match resize {
        Resize::Fragment(len) => record.resize(RECORD + len, 0),
        Resize::Body(len) => {
            record.resize(RECORD + MESSAGE + len, 0);
            let len = u32::try_from(len).unwrap().to_be_bytes();
            record[RECORD + 1..][..3].copy_from_slice(&len[1..]);
            record[RECORD + 9..][..3].copy_from_slice(&len[1..]);
        }
    }
    let len = u16::try_from(record.len() - RECORD).unwrap();
    record[11..13].copy_from_slice(&len.to_be_bytes());
    record
}
