//! One direction of a network: str0m-netem, and what it has not: packets several places late, and outages.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use str0m_netem::{
    Bitrate, DataSize, GilbertElliot, Input, LossModel, Netem, NetemConfig, Output, Probability,
    RandomLoss,
};

/// By how many places a packet is late at most, and by how much time: a network that reorders does so within
/// moments.
pub const MOST_PLACES: u8 = 8;
const MOST_LATE: Duration = Duration::from_millis(50);

/// What one direction does to packets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// Time that each packet takes.
    pub latency: Duration,
    /// By how much more or less, evenly spread. It does not reorder: packets wait for the one before.
    pub jitter: Duration,
    /// Which packets are lost.
    pub loss: Loss,
    /// The share of packets that come 1 to [`MOST_PLACES`] places late, evenly spread, and no more than 50 ms.
    pub late: f32,
    /// The share of packets that come twice.
    pub twice: f32,
    /// The bottleneck.
    pub link: Option<Link>,
    /// Times in which nothing passes.
    pub outage: Option<Outage>,
}

/// Which packets are lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// None.
    None,
    /// This share of them, each by itself.
    Uniform(f32),
    /// This share of them in bursts, which have so many packets on average (Gilbert–Elliott, all lost in the bad
    /// state).
    Bursts(f32, f32),
}

/// A bottleneck with a queue, whose end is dropped when it is full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Link {
    /// Bits a second.
    pub rate: u64,
    /// Bytes that wait, those under way included.
    pub queue: usize,
}

/// Times in which nothing passes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outage {
    /// From the beginning of one to that of the next. The first one begins after that time and what [`Path::new`]
    /// is told.
    pub every: Duration,
    /// How long each is.
    pub length: Duration,
}

/// A packet, with its number among all that were sent on its path.
#[derive(Debug, Clone)]
pub struct Packet {
    /// From 0.
    pub number: u64,
    /// UDP payload.
    pub bytes: Vec<u8>,
}

/// A packet that others overtake.
#[derive(Debug)]
struct Held {
    packet: Packet,
    places: u8,
    until: Instant,
}

/// One direction.
pub struct Path {
    conditions: Conditions,
    netem: Netem<Packet>,
    rng: StdRng,
    held: Vec<Held>,
    sent: u64,
    first_outage: Instant,
    /// When the bottleneck would be idle if there were nothing but what it was told of.
    idle: Instant,
}

impl Conditions {
    /// Nothing but latency.
    #[must_use]
    pub const fn clean(latency: Duration) -> Self {
        Self {
            latency,
            jitter: Duration::ZERO,
            loss: Loss::None,
            late: 0.0,
            twice: 0.0,
            link: None,
            outage: None,
        }
    }

    fn netem(&self, seed: u64) -> NetemConfig {
        let config = NetemConfig::new()
            .latency(self.latency)
            .jitter(self.jitter)
            .loss(self.loss.model())
            .duplicate(Probability::new(self.twice))
            .seed(seed);
        match self.link {
            Some(link) => config.link(Bitrate::from(link.rate), DataSize::from(link.queue)),
            None => config,
        }
    }
}

impl Loss {
    fn model(self) -> LossModel {
        match self {
            Self::None => LossModel::None,
            Self::Uniform(share) => RandomLoss::new(Probability::new(share)).into(),
            Self::Bursts(share, mean) => GilbertElliot::new()
                .good_duration(mean * (1.0 - share) / share)
                .bad_duration(mean)
                .into(),
        }
    }
}

impl Path {
    /// A path that begins at `start`, and whose outages begin so much later. The same seed does the same.
    #[must_use]
    pub fn new(conditions: Conditions, start: Instant, phase: Duration, seed: u64) -> Self {
        let every = conditions
            .outage
            .map_or(Duration::ZERO, |outage| outage.every);
        Self {
            conditions,
            netem: Netem::new(conditions.netem(seed)),
            rng: StdRng::seed_from_u64(seed),
            held: Vec::new(),
            sent: 0,
            first_outage: start + every + phase,
            idle: start,
        }
    }

    /// Sends a packet; its number.
    pub fn send(&mut self, now: Instant, bytes: &[u8]) -> u64 {
        let number = self.sent;
        self.sent += 1;
        let packet = Packet {
            number,
            bytes: bytes.to_vec(),
        };
        if self.is_out(now) {
            return number;
        }
        if self.rng.random_bool(self.conditions.late.into()) {
            let places = self.rng.random_range(1..=MOST_PLACES);
            self.held.push(Held {
                packet,
                places,
                until: now + MOST_LATE,
            });
            return number;
        }
        self.netem.handle_input(Input::Packet(now, packet));
        for held in &mut self.held {
            held.places -= 1;
        }
        self.release(now);
        number
    }

    /// When to call [`receive`](Self::receive) next; `None` while nothing is under way.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        let arrival = (!self.netem.is_empty()).then(|| self.netem.poll_timeout());
        let held = self.held.iter().map(|held| held.until);
        held.chain(arrival).min()
    }

    /// The next packet that has arrived.
    pub fn receive(&mut self, now: Instant) -> Option<Packet> {
        self.release(now);
        self.netem.handle_input(Input::Timeout(now));
        match self.netem.poll_output()? {
            Output::Packet(packet) => Some(packet),
            Output::Timeout(_) => None,
        }
    }

    /// When a packet of `bytes` that is sent now arrives if nothing is lost, late, twice or sent again, and
    /// every packet takes the same time. To be told of each packet for which that is asked, in order.
    pub fn undisturbed(&mut self, now: Instant, bytes: usize) -> Instant {
        let begins = now + self.conditions.latency;
        let Some(link) = self.conditions.link else {
            return begins;
        };
        // As netem has it: a packet is there when its transmission begins.
        let begins = begins.max(self.idle);
        let bits = bytes as u64 * 8;
        self.idle = begins + Duration::from_nanos(bits * 1_000_000_000 / link.rate);
        begins
    }

    /// Lets go of the packets that enough others have overtaken.
    fn release(&mut self, now: Instant) {
        let Self { held, netem, .. } = self;
        held.retain(|held| {
            let waits = held.places > 0 && held.until > now;
            if !waits {
                netem.handle_input(Input::Packet(now, held.packet.clone()));
            }
            waits
        });
    }

    fn is_out(&self, now: Instant) -> bool {
        let Some(Outage { every, length }) = self.conditions.outage else {
            return false;
        };
        let Some(since) = now.checked_duration_since(self.first_outage) else {
            return false;
        };
        let into = since.as_nanos() % every.as_nanos();
        into < length.as_nanos()
    }
}

impl AsRef<[u8]> for Packet {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
