//! Discovery without a session.

use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use tutk_frame::{Direction, SessionId, Uid};
use tutk_time::Instant;

use crate::deviation::Tolerated;
use crate::dialect::Dialect;
use crate::discovery_plan::{DiscoveryPlan, Target};
use crate::output::{Outbox, Output};
use crate::random::Random;
use crate::wire::{Incoming, Side};

/// The interval between two rounds of requests. Longer than a client's, because the round trip is
/// measured correctly only if answers arrive before the next round.
const ROUND_INTERVAL: Duration = Duration::from_millis(500);

/// When the sweep starts: after two rounds of broadcasts.
const SWEEP_AFTER: Duration = Duration::from_secs(1);

/// The time per datagram of the sweep, so that it sends at most 100 datagrams a second.
const SWEEP_INTERVAL: Duration = Duration::from_millis(10);

/// How long answers to the last request may take.
const ANSWER_TIME: Duration = Duration::from_secs(1);

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
    pub dialect: Arc<Dialect>,
    /// The time from the newest request to the answer.
    pub round_trip: Duration,
}

/// Searches for cameras, without I/O. Repeats discovery requests in every dialect that UID and
/// AuthKey of a target allow. Reports each camera once per dialect.
///
/// It has the [contract of all state machines](crate#how-to-drive-it), but no session. It does not
/// end by itself: to end it, drop it.
#[derive(Debug)]
pub struct Discoverer {
    targets: Vec<(SocketAddr, Side)>,
    /// The targets that are not asked yet.
    sweep: VecDeque<Target>,
    next_in_sweep: Instant,
    dialects: Vec<Arc<Dialect>>,
    session: SessionId,
    /// When the newest round was sent.
    round_sent: Instant,
    next_round: Instant,
    /// The addresses that have answered, each with the index of the dialect.
    found: BTreeSet<(SocketAddr, usize)>,
    outbox: Outbox<DiscoveredCamera>,
}

impl Discoverer {
    /// Creates a discoverer of the plan's targets that starts at `now`. Poll afterwards.
    ///
    /// `seed` must be 32 random bytes.
    pub fn new(plan: &DiscoveryPlan, seed: [u8; 32], now: Instant) -> Self {
        let session = SessionId(Random::new(seed).array());
        let targets = plan.targets.iter();
        let mut discoverer = Self {
            targets: targets
                .map(|target| (target.address, side(target)))
                .collect(),
            sweep: plan.sweep.iter().cloned().collect(),
            next_in_sweep: now + SWEEP_AFTER,
            dialects: plan.dialects.clone(),
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
    /// dropped, and answers of cameras that were not asked. Poll afterwards.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        let mut dialects = self.dialects.iter().enumerate();
        let Some((index, dialect)) = dialects.find(|(_, dialect)| dialect.recognises(datagram))
        else {
            return;
        };
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
        let asked = |&uid: &Uid| [uid, Uid::default()].iter().any(|uid| self.asks_for(uid));
        let Some(uid) = uid.filter(asked) else { return };
        if self.found.len() < MAX_FOUND && self.found.insert((from, index)) {
            self.outbox.event(DiscoveredCamera {
                address: from,
                uid,
                dialect: Arc::clone(dialect),
                round_trip: now.duration_since(self.round_sent),
            });
        }
    }

    fn asks_for(&self, uid: &Uid) -> bool {
        self.targets.iter().any(|(_, side)| side.uid() == *uid)
    }

    /// Sends the requests that are due. Poll afterwards.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.next_round <= now {
            self.round_sent = now;
            self.next_round = now + ROUND_INTERVAL;
            for (address, side) in &self.targets {
                for dialect in supported(&self.dialects, side) {
                    dialect.send_discovery_request(side, self.session, *address, &mut self.outbox);
                }
            }
        }
        if self.next_in_sweep <= now
            && let Some(target) = self.sweep.pop_front()
        {
            let (address, side) = (target.address, side(&target));
            self.next_in_sweep = now;
            for dialect in supported(&self.dialects, &side) {
                self.next_in_sweep += SWEEP_INTERVAL;
                dialect.send_discovery_request(&side, self.session, address, &mut self.outbox);
            }
        }
    }

    /// Returns the next output. Call again until it returns [`Output::Timeout`].
    pub fn poll_output(&mut self) -> Output<'_, DiscoveredCamera> {
        let deadline = match self.sweep.is_empty() {
            true => self.next_round,
            false => self.next_round.min(self.next_in_sweep),
        };
        self.outbox.poll().unwrap_or(Output::Timeout(deadline))
    }
}

impl DiscoveryPlan {
    /// Returns how long a discovery takes until every target is asked and may have answered.
    #[must_use]
    pub fn time(&self) -> Duration {
        let per_target = u32::try_from(self.dialects.len()).unwrap_or(u32::MAX);
        let targets = u32::try_from(self.sweep.len()).unwrap_or(u32::MAX);
        let sweep = SWEEP_INTERVAL.saturating_mul(per_target.saturating_mul(targets));
        SWEEP_AFTER + ANSWER_TIME + sweep
    }
}

fn side(target: &Target) -> Side {
    Side::new(Direction::FromCamera, target.uid, target.auth_key.clone())
}

fn supported<'a>(
    dialects: &'a [Arc<Dialect>],
    side: &Side,
) -> impl Iterator<Item = &'a Arc<Dialect>> {
    dialects.iter().filter(|dialect| dialect.supports(side))
}
