//! Who is there: discovery without a session.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand_core::CryptoRng;
use tutk_frame::{AuthKey, Direction, SessionId, Uid};

use crate::dialect::Dialect;
use crate::output::{Outbox, Output};
use crate::wire::{End, Incoming};

/// Time from one round of questions to the next. Rarer than a client's, because a round trip can
/// only be told if the answer to one round comes before the next.
const ROUND: Duration = Duration::from_millis(500);

/// The most answers that are remembered, so as not to report one twice. Over it, nothing new is
/// reported.
const MAX_FOUND: usize = 1024;

/// Whom to ask.
#[derive(Debug, Clone)]
pub struct Target {
    /// A camera, or a broadcast address.
    pub address: SocketAddr,
    /// The camera's UID; all zeros asks any camera. Whether real cameras answer to that is not
    /// known; the simulated one does.
    pub uid: Uid,
    /// The camera's AuthKey, where it is known. In `cc51` only a camera can be asked whose UID and
    /// AuthKey are.
    pub auth_key: Option<AuthKey>,
}

/// A camera that answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where the answer came from.
    pub address: SocketAddr,
    /// Who it says it is.
    pub uid: Uid,
    /// The dialect it answered in.
    pub dialect: &'static Dialect,
    /// From the newest question to the answer.
    pub round_trip: Duration,
}

/// Asks, and asks again, in every dialect for which the target says enough; reports each camera
/// once for each dialect it answers in.
///
/// The contract is the [`Client`](crate::Client)'s. It goes on until it is dropped.
#[derive(Debug)]
pub struct Discoverer {
    targets: Vec<(SocketAddr, End)>,
    session: SessionId,
    asked: Instant,
    round_at: Instant,
    found: BTreeSet<(SocketAddr, &'static str)>,
    outbox: Outbox<Found>,
}

impl Discoverer {
    /// Begins to ask `targets` at `now`: poll afterwards.
    pub fn new(targets: Vec<Target>, rng: &mut dyn CryptoRng, now: Instant) -> Self {
        let mut session = SessionId::default();
        rng.fill_bytes(&mut session.0);
        let targets = targets.into_iter().map(|target| {
            let end = End::new(Direction::FromCamera, target.uid, target.auth_key);
            (target.address, end)
        });
        let mut discoverer = Self {
            targets: targets.collect(),
            session,
            asked: now,
            round_at: now,
            found: BTreeSet::new(),
            outbox: Outbox::default(),
        };
        discoverer.handle_timeout(now);
        discoverer
    }

    /// Takes an answer. What is none is dropped. Poll afterwards.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        let dialect = Dialect::ALL
            .into_iter()
            .find(|dialect| dialect.recognises(datagram));
        let Some(dialect) = dialect else { return };
        dialect.reveal(datagram);
        // Who answers is in the answer, or in whose key its tag is made with.
        let uid = self
            .targets
            .iter()
            .find_map(|(_, end)| match dialect.read(end, datagram) {
                Some(Incoming::Offer(offer)) => Some(offer.uid),
                _ => None,
            });
        let Some(uid) = uid else { return };
        // Only the UID's place in the answer is sure: what else stands in it proves nothing.
        if self.found.len() < MAX_FOUND && self.found.insert((from, dialect.name)) {
            self.outbox.event(Found {
                address: from,
                uid,
                dialect,
                round_trip: now.saturating_duration_since(self.asked),
            });
        }
    }

    /// Asks again when it is time. Poll afterwards.
    pub fn handle_timeout(&mut self, now: Instant) {
        if now < self.round_at {
            return;
        }
        self.asked = now;
        self.round_at = now + ROUND;
        for (address, end) in &self.targets {
            let spoken = Dialect::ALL
                .into_iter()
                .filter(|dialect| dialect.is_spoken_by(end));
            for dialect in spoken {
                dialect.ask(end, self.session, *address, &mut self.outbox);
            }
        }
    }

    /// What to do next: to be called again until it says [`Output::Timeout`].
    pub fn poll_output(&mut self) -> Output<'_, Found> {
        let deadline = self.round_at;
        self.outbox.poll().unwrap_or(Output::Timeout(deadline))
    }
}
