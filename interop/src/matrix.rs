//! The test matrix: the peers and their cells.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use dtls_psk::{CipherSuite, Group};

use crate::relay::Network;

/// The lock file, which contains the versions.
const LOCK: &str = include_str!("../../Cargo.lock");

/// The MTU of a lossless cell, in bytes.
const MTU: usize = 1200;
/// The smallest MTU of every other lossy cell, in bytes, below which OpenSSL does not go. It
/// fragments every flight.
pub(crate) const MIN_MTU: usize = 256;
/// The MTUs of these cells are all different, so that messages are cut at all kinds of places.
const MTU_STEP: usize = 17;
/// The application data in each direction of a lossless cell, in bytes.
const BYTES: u64 = 1_000_000;
/// The number of records in each direction of a lossy cell.
pub(crate) const LOSSY_RECORDS: u64 = 40;
/// One in this many lossy cells has a slow handshake.
pub(crate) const SLOW_EVERY: u64 = 7;
/// The longest record, and the room left for its header, IV, padding and MAC, in bytes. They match
/// peers/common.h.
const MAX_RECORD: usize = 1000;
const MAX_OVERHEAD: usize = 120;

/// An implementation to test with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Peer {
    OpenSsl,
    GnuTls,
    MbedTls,
    WolfSsl,
    Dimpl,
    Itself,
}

impl Peer {
    pub(crate) const ALL: [Peer; 6] = [
        Peer::OpenSsl,
        Peer::GnuTls,
        Peer::MbedTls,
        Peer::WolfSsl,
        Peer::Dimpl,
        Peer::Itself,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Peer::OpenSsl => "OpenSSL",
            Peer::GnuTls => "GnuTLS",
            Peer::MbedTls => "mbedTLS",
            Peer::WolfSsl => "wolfSSL",
            Peer::Dimpl => "dimpl",
            Peer::Itself => "itself",
        }
    }

    /// Returns `true` if the peer is also tested through the lossy relay.
    fn is_tested_lossy(self) -> bool {
        !matches!(self, Peer::WolfSsl | Peer::Dimpl)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Side {
    pub(crate) const BOTH: [Side; 2] = [Side::Client, Side::Server];

    pub(crate) fn other(self) -> Self {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Server => "server",
        }
    }
}

/// An optional feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Switch {
    Cookie,
    /// Extended master secret.
    Ems,
    /// Encrypt-then-MAC.
    Etm,
}

impl Switch {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        match name {
            "cookie" => Some(Switch::Cookie),
            "ems" => Some(Switch::Ems),
            "etm" => Some(Switch::Etm),
            _ => None,
        }
    }
}

/// The abilities of a peer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Abilities {
    pub(crate) version: String,
    /// The supported suites, and for the others the reason.
    pub(crate) suites: BTreeMap<u16, Option<String>>,
    /// Switches that the peer lacks: side, switch, position, reason.
    pub(crate) lacks: Vec<(Side, Switch, bool, String)>,
    /// Features that the peer requires on both sides. Cells without them are run, and the peer's
    /// error is the reason.
    pub(crate) requires: Vec<Switch>,
}

impl Abilities {
    fn lacks(&self, side: Side, switch: Switch, on: bool) -> Option<&str> {
        self.lacks
            .iter()
            .find(|lack| (lack.0, lack.1, lack.2) == (side, switch, on))
            .map(|lack| lack.3.as_str())
    }
}

/// One test case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) peer: Peer,
    pub(crate) peer_side: Side,
    pub(crate) suite: CipherSuite,
    /// The peer's only group, if the suite uses one.
    pub(crate) group: Option<Group>,
    pub(crate) cookie: bool,
    pub(crate) ems: bool,
    pub(crate) etm: bool,
    /// The seed of the lossy relay, if there is one.
    pub(crate) seed: Option<u64>,
}

/// The settings of one side of a cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) side: Side,
    /// The only suite and group, or `None` for all.
    pub(crate) suite: Option<CipherSuite>,
    pub(crate) group: Option<Group>,
    pub(crate) cookie: bool,
    pub(crate) ems: bool,
    pub(crate) etm: bool,
    pub(crate) mtu: usize,
    /// The application data in each direction, in bytes.
    pub(crate) bytes: u64,
    pub(crate) record_len: usize,
    /// `true` if dtls-psk as a server uses an `Acceptor`, `false` for a single `Connection`.
    pub(crate) acceptor: bool,
    /// The length of the server's identity hint, in bytes.
    pub(crate) hint_len: usize,
    pub(crate) lossy: bool,
}

impl Cell {
    /// Returns the side that disables a feature: in half the cells the client does not offer it, in
    /// the others the server does not accept it.
    fn off_side(&self) -> Side {
        if self.cookie {
            Side::Client
        } else {
            Side::Server
        }
    }

    /// Returns the network of a lossy cell. Its seed depends on the whole cell, so that suites meet
    /// different networks.
    pub(crate) fn network(&self) -> Option<Network> {
        let mut of = DefaultHasher::new();
        (self.peer, self.peer_side, self.suite, self.seed?).hash(&mut of);
        Some(Network {
            seed: of.finish(),
            slow: self.seed? % SLOW_EVERY == SLOW_EVERY - 1,
        })
    }

    /// Returns the settings of the peer and of dtls-psk, or why the peer does not support them.
    pub(crate) fn settings(&self, supported: &Abilities) -> Result<(Settings, Settings), String> {
        match supported.suites.get(&self.suite.id()) {
            Some(None) => {}
            Some(Some(why)) => return Err(why.clone()),
            None => return Err("it does not list the suite".into()),
        }
        if self.peer_side == Side::Server
            && let Some(why) = supported.lacks(Side::Server, Switch::Cookie, self.cookie)
        {
            return Err(why.into());
        }
        let small = self.seed.filter(|seed| seed & 1 == 1);
        let mtu = small.map_or(MTU, |seed| {
            let step = usize::try_from(seed / 2).unwrap_or_default();
            MIN_MTU + MTU_STEP * step % (MTU - MIN_MTU)
        });
        let record_len = (mtu - MAX_OVERHEAD).min(MAX_RECORD);
        let ours = Settings {
            side: self.peer_side.other(),
            suite: None,
            group: None,
            cookie: self.cookie,
            ems: true,
            etm: true,
            mtu,
            bytes: match self.seed {
                None => BYTES,
                Some(_) => LOSSY_RECORDS * record_len as u64,
            },
            record_len,
            // Tests both kinds of servers with each suite, with a cookie and without.
            acceptor: self.ems,
            hint_len: if small.is_some() { 200 } else { 0 },
            lossy: self.seed.is_some(),
        };
        let mut settings = [
            Settings {
                side: self.peer_side,
                suite: Some(self.suite),
                group: self.group,
                ..ours
            },
            ours,
        ];
        for (switch, wanted) in [(Switch::Ems, self.ems), (Switch::Etm, self.etm)] {
            let peer_has_none = supported.lacks(self.peer_side, switch, false).is_some();
            for (index, one) in settings.iter_mut().enumerate() {
                let is_peer = index == 0;
                let here = if peer_has_none {
                    !is_peer
                } else {
                    one.side == self.off_side()
                };
                match switch {
                    Switch::Ems => one.ems = wanted || !here,
                    Switch::Etm => one.etm = wanted || !here,
                    Switch::Cookie => {}
                }
            }
        }
        let [peer, ours] = settings;
        Ok((peer, ours))
    }
}

/// Returns the version of a crate in the lock file.
pub(crate) fn locked_version(name: &str) -> &'static str {
    let package = format!("name = \"{name}\"\nversion = \"");
    let after = LOCK.split_once(&package).map(|(_, after)| after);
    after
        .and_then(|after| after.split_once('"'))
        .map_or("of unknown version", |(version, _)| version)
}

/// Returns the groups to test with a suite.
fn groups(suite: CipherSuite) -> Vec<Option<Group>> {
    if suite.has_forward_secrecy() {
        Group::ALL.iter().copied().map(Some).collect()
    } else {
        vec![None]
    }
}

/// Returns the settings of encrypt-then-MAC to test with a suite.
fn macs(suite: CipherSuite) -> &'static [bool] {
    if suite.is_cbc() {
        &[true, false]
    } else {
        &[true]
    }
}

/// Returns the lossless cells, or one for each suite and side in the short run.
pub(crate) fn lossless(peer: Peer, short: bool) -> Vec<Cell> {
    let mut cells = Vec::new();
    for &suite in CipherSuite::ALL {
        for peer_side in Side::BOTH {
            for cell in variants(peer, suite, peer_side) {
                cells.push(cell);
                if short {
                    break;
                }
            }
        }
    }
    cells
}

/// Returns all variants of `suite`, starting with the one that enables everything.
fn variants(peer: Peer, suite: CipherSuite, peer_side: Side) -> Vec<Cell> {
    let mut cells = Vec::new();
    for group in groups(suite) {
        for &etm in macs(suite) {
            for (cookie, ems) in [(true, true), (true, false), (false, true), (false, false)] {
                cells.push(Cell {
                    peer,
                    peer_side,
                    suite,
                    group,
                    cookie,
                    ems,
                    etm,
                    seed: None,
                });
            }
        }
    }
    cells
}

/// Returns the lossy cells: `seeds` for each suite and side, spread over all variants.
pub(crate) fn lossy(peer: Peer, seeds: u64) -> Vec<Cell> {
    let mut cells = Vec::new();
    if !peer.is_tested_lossy() {
        return cells;
    }
    for &suite in CipherSuite::ALL {
        for peer_side in Side::BOTH {
            let variants = variants(peer, suite, peer_side);
            // Two consecutive seeds, with a large and a small MTU, have the same variant.
            let each_twice = variants.iter().flat_map(|cell| [cell, cell]).cycle();
            for (seed, cell) in (0..seeds).zip(each_twice) {
                cells.push(Cell {
                    seed: Some(seed),
                    ..*cell
                });
            }
        }
    }
    cells
}
