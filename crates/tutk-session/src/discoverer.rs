//! Discovery without a session.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand_core::CryptoRng;
use tutk_frame::{Direction, SessionId, Uid};

use crate::deviation::Tolerated;
use crate::dialect::Dialect;
use crate::discovery_plan::DiscoveryPlan;
use crate::output::{Outbox, Output};
use crate::wire::{Incoming, Side};

/// The interval between two rounds of requests. Longer than a client's, because the round trip is
/// measured correctly only if answers arrive before the next round.
const ROUND_INTERVAL: Duration = Duration::from_millis(500);

/// The largest number of cameras that are reported.
const MAX_FOUND: usize = 1024;

/// A camera that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveredCamera {
    /// The source address of the answer.
    pub address: SocketAddr,
    /// The UID in the answer.
    pub uid: Uid,
    /// The dialect of the answer.
    pub dialect: &'static Dialect,
    /// The time from the newest request to the answer.
    pub round_trip: Duration,
}

/// Searches for cameras, without I/O. Repeats discovery requests in every dialect that UID and
/// AuthKey of a target allow. Reports each camera once per dialect.
///
/// It is driven like a [`Client`](crate::Client). It does not end by itself.
#[derive(Debug)]
pub struct Discoverer {
    targets: Vec<(SocketAddr, Side)>,
    session: SessionId,
    /// When the newest round was sent.
    round_sent: Instant,
    next_round: Instant,
    found: BTreeSet<(SocketAddr, &'static str)>,
    outbox: Outbox<DiscoveredCamera>,
}

impl Discoverer {
    /// Creates a discoverer of the plan's targets that starts at `now`. Poll afterwards.
    pub fn new(plan: &DiscoveryPlan, rng: &mut dyn CryptoRng, now: Instant) -> Self {
        let mut session = SessionId::default();
        rng.fill_bytes(&mut session.0);
        let targets = plan.targets.iter().map(|target| {
            let auth_key = target.auth_key.clone();
            let side = Side::new(Direction::FromCamera, target.uid, auth_key);
            (target.address, side)
        });
        let mut discoverer = Self {
            targets: targets.collect(),
            session,
            round_sent: now,
            next_round: now,
            found: BTreeSet::new(),
            outbox: Outbox::default(),
        };
        discoverer.handle_timeout(now);
        discoverer
    }

    /// Handles a datagram that arrived from `from`. Datagrams other than discovery answers are
    /// dropped. Poll afterwards.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        let dialect = Dialect::ALL
            .into_iter()
            .find(|dialect| dialect.recognises(datagram));
        let Some(dialect) = dialect else { return };
        dialect.descramble(datagram);
        // An answer contains the camera's UID. In `cc51`, the key of its tag identifies the camera.
        let uid = self.targets.iter().find_map(|(_, side)| {
            match dialect.parse(side, datagram, &mut Tolerated::default()) {
                Some(Incoming::DiscoveryAnswer {
                    uid,
                    verified: true,
                    ..
                }) => Some(uid),
                _ => None,
            }
        });
        let Some(uid) = uid else { return };
        if self.found.len() < MAX_FOUND && self.found.insert((from, dialect.name)) {
            self.outbox.event(DiscoveredCamera {
                address: from,
                uid,
                dialect,
                round_trip: now.saturating_duration_since(self.round_sent),
            });
        }
    }

    /// Sends the next round of requests if it is due. Poll afterwards.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now < self.next_round {
            return;
        }
        self.round_sent = now;
        self.next_round = now + ROUND_INTERVAL;
        for (address, side) in &self.targets {
            let supported = Dialect::ALL
                .into_iter()
                .filter(|dialect| dialect.supports(side));
            for dialect in supported {
                dialect.send_discovery_request(side, self.session, *address, &mut self.outbox);
            }
        }
    }

    /// Returns the next output. Call again until it returns [`Output::Timeout`].
    pub fn poll_output(&mut self) -> Output<'_, DiscoveredCamera> {
        let deadline = self.next_round;
        self.outbox.poll().unwrap_or(Output::Timeout(deadline))
    }
}
