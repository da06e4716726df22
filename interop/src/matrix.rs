//! What is tried: the peers, and the cells of each.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use dtls_psk::{CipherSuite, Group};

use crate::relay::Network;

/// Largest datagram of a lossless cell, in bytes.
const MTU: usize = 1200;
/// Largest datagram of every other lossy cell, in bytes: every flight is cut.
const SMALL_MTU: usize = 256;
/// What crosses a lossless cell each way, in bytes.
const BYTES: u64 = 1_000_000;
/// Records that cross a lossy cell each way.
pub(crate) const LOSSY_RECORDS: u64 = 40;
/// One in so many lossy cells has a slow handshake.
pub(crate) const SLOW_EVERY: u64 = 7;
/// The longest record, in bytes, and the room that is left for its header, IV, padding and MAC: as
/// peers/common.h has them.
const MAX_RECORD: usize = 1000;
const MAX_OVERHEAD: usize = 120;

/// Who is on the other side.
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

    /// Whether it is also met through the lossy relay.
    fn is_met_lossy(self) -> bool {
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

/// What can be turned off, or on.
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

/// What a peer says about itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Abilities {
    pub(crate) version: String,
    /// Why it cannot do a suite, or nothing if it can.
    pub(crate) suites: BTreeMap<u16, Option<String>>,
    /// Switches that it lacks: on which side, which position, and why.
    pub(crate) lacks: Vec<(Side, Switch, bool, String)>,
    /// What it does not do without, on whichever side it is turned off. Such a cell is run all the
    /// same: what the peer then says is the reason.
    pub(crate) demands: Vec<Switch>,
}

impl Abilities {
    fn lacks(&self, side: Side, switch: Switch, on: bool) -> Option<&str> {
        self.lacks
            .iter()
            .find(|lack| (lack.0, lack.1, lack.2) == (side, switch, on))
            .map(|lack| lack.3.as_str())
    }
}

/// One thing to try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) peer: Peer,
    pub(crate) peer_side: Side,
    pub(crate) suite: CipherSuite,
    /// The only group that the peer has; none where the suite needs none.
    pub(crate) group: Option<Group>,
    pub(crate) cookie: bool,
    pub(crate) ems: bool,
    pub(crate) etm: bool,
    /// If there is a lossy relay: which of its networks.
    pub(crate) seed: Option<u64>,
}

/// How one side of a cell is set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) side: Side,
    /// The only suite and group; none for all that there are.
    pub(crate) suite: Option<CipherSuite>,
    pub(crate) group: Option<Group>,
    pub(crate) cookie: bool,
    pub(crate) ems: bool,
    pub(crate) etm: bool,
    pub(crate) mtu: usize,
    /// What crosses each way, in bytes.
    pub(crate) bytes: u64,
    pub(crate) record_len: usize,
    /// Whether dtls-psk, as the server, lets the client in by an `Acceptor`, or knows whom to expect.
    pub(crate) acceptor: bool,
    /// Bytes of the server's identity hint.
    pub(crate) hint_len: usize,
    pub(crate) lossy: bool,
}

impl Cell {
    /// Where an extension that is not to be agreed on is turned off: in half the cells the client does
    /// not offer it, in the others the server does not take it.
    fn off_side(&self) -> Side {
        if self.cookie {
            Side::Client
        } else {
            Side::Server
        }
    }

    /// The network that it goes through, if it is lossy. Its seed is the cell's own: otherwise every suite
    /// would meet the same one.
    pub(crate) fn network(&self) -> Option<Network> {
        let mut of = DefaultHasher::new();
        (self.peer, self.peer_side, self.suite, self.seed?).hash(&mut of);
        Some(Network {
            seed: of.finish(),
            slow: self.seed? % SLOW_EVERY == SLOW_EVERY - 1,
        })
    }

    /// How the peer and dtls-psk are set, or why the peer cannot.
    pub(crate) fn settings(&self, can: &Abilities) -> Result<(Settings, Settings), String> {
        match can.suites.get(&self.suite.id()) {
            Some(None) => {}
            Some(Some(why)) => return Err(why.clone()),
            None => return Err("it does not say that it has the suite".into()),
        }
        if self.peer_side == Side::Server
            && let Some(why) = can.lacks(Side::Server, Switch::Cookie, self.cookie)
        {
            return Err(why.into());
        }
        let small = self.seed.is_some_and(|seed| seed & 1 == 1);
        let mtu = if small { SMALL_MTU } else { MTU };
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
            // Both ways in are to be met, in each suite, with a cookie and without.
            acceptor: self.ems,
            hint_len: if small { 200 } else { 0 },
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
            let peer_has_none = can.lacks(self.peer_side, switch, false).is_some();
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

/// The groups that a suite is tried with.
fn groups(suite: CipherSuite) -> Vec<Option<Group>> {
    if suite.has_forward_secrecy() {
        Group::ALL.iter().copied().map(Some).collect()
    } else {
        vec![None]
    }
}

/// Encrypt-then-MAC, where there is a choice.
fn macs(suite: CipherSuite) -> &'static [bool] {
    if suite.is_cbc() {
        &[true, false]
    } else {
        &[true]
    }
}

/// Every cell without loss; or one for each suite and side.
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

/// Every way to agree on `suite`, that with everything on first.
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

/// The cells through the lossy relay: `seeds` of them for each suite and side, over all variants.
pub(crate) fn lossy(peer: Peer, seeds: u64) -> Vec<Cell> {
    let mut cells = Vec::new();
    if !peer.is_met_lossy() {
        return cells;
    }
    for &suite in CipherSuite::ALL {
        for peer_side in Side::BOTH {
            let variants = variants(peer, suite, peer_side);
            // Two seeds in a row, a large and a small MTU, have the same variant.
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
