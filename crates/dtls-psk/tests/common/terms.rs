//! What two ends may agree on, and handshakes with that.

use dtls_psk::{CipherSuite, Config, Group};

use super::{Pair, Peer, client_config, server_config, suites};

/// Bytes of headers: a record's, and a handshake message's in it.
pub const RECORD: usize = 13;
pub const MESSAGE: usize = 12;

/// What two ends agree on.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub suite: CipherSuite,
    /// Cookies, extended master secret, encrypt-then-MAC and X25519; or none of these, and P-256.
    pub all: bool,
}

/// Every suite, with all that is optional and without.
pub fn all_terms() -> Vec<Terms> {
    let mut terms = Vec::new();
    for suite in suites() {
        terms.push(Terms { suite, all: true });
        terms.push(Terms { suite, all: false });
    }
    terms
}

impl Terms {
    pub fn client(self) -> Config {
        self.apply(client_config())
    }

    pub fn server(self) -> Config {
        self.apply(server_config()).with_cookie_exchange(self.all)
    }

    pub fn apply(self, config: Config) -> Config {
        let group = if self.all {
            Group::X25519
        } else {
            Group::Secp256r1
        };
        config
            .with_suites(&[self.suite])
            .with_groups(&[group])
            .with_extended_master_secret(self.all)
            .with_encrypt_then_mac(self.all)
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

    /// The datagrams of a whole handshake, in the order they are sent, and whether each is the client's.
    pub fn handshake(self) -> Vec<(bool, Vec<u8>)> {
        let mut datagrams = Vec::new();
        let mut pair = self.pair();
        pair.run(|_, from_client, datagram| {
            datagrams.push((from_client, datagram.clone()));
            vec![datagram]
        });
        pair.check_connected();
        assert_eq!(datagrams.len(), if self.all { 6 } else { 4 });
        datagrams
    }

    /// Runs a handshake over a path; then both agree that it came about, or that it did not.
    pub fn run(self, path: impl FnMut(usize, bool, Vec<u8>) -> Vec<Vec<u8>>) -> Pair {
        let mut pair = self.pair();
        pair.run(path);
        if pair.client.is_connected() || pair.server.is_connected() {
            pair.check_connected();
        } else {
            assert!(pair.client.received.is_empty() && pair.server.received.is_empty());
            // The server connects first. Nothing that spoils its answer ends its connection.
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

/// What is made longer or shorter, in a record that otherwise fits.
#[derive(Debug, Clone, Copy)]
pub enum Resize {
    Fragment(usize),
    /// The body of the handshake message that the record carries, in the clear and whole.
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
