//! One direction of a network: str0m-netem, with reordering by several places and outages added.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use str0m_netem::{
    Bitrate, DataSize, GilbertElliot, Input, LossModel, Netem, NetemConfig, Output, Probability,
    RandomLoss,
};

/// The maximum number of places by which a packet is reordered.
pub const MAX_REORDER_PLACES: u8 = 8;

/// The maximum delay of a reordered packet.
const MAX_REORDER_DELAY: Duration = Duration::from_millis(50);

/// The conditions of one direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// The delay of each packet.
    pub latency: Duration,
    /// The maximum deviation from the latency, uniformly distributed. Jitter does not reorder
    /// packets.
    pub jitter: Duration,
    /// Which packets are lost.
    pub loss: Loss,
    /// The share of packets that arrive 1 to [`MAX_REORDER_PLACES`] places late, uniformly
    /// distributed, and at most 50 ms.
    pub reordered: f32,
    /// The share of packets that are duplicated.
    pub duplicated: f32,
    /// The bottleneck.
    pub bottleneck: Option<Bottleneck>,
    /// Periods in which all packets are lost.
    pub outage: Option<Outage>,
}

/// Which packets are lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Loss {
    /// No packet.
    None,
    /// This share of packets, independently of each other.
    Uniform(f32),
    /// This share of packets, in bursts of this average length (Gilbert–Elliott, with all packets
    /// lost in the bad state).
    Bursts(f32, f32),
}

/// A bottleneck with a tail-drop queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bottleneck {
    /// Bits per second.
    pub rate: u64,
    /// The size of the queue in bytes, including the packet in transmission.
    pub queue: usize,
}

/// Periods in which all packets are lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outage {
    /// The time from the start of one outage to the start of the next. The first outage starts
    /// after this time and the phase of [`Path::new`].
    pub every: Duration,
    /// The duration of each outage.
    pub length: Duration,
}

/// A packet on a path.
#[derive(Debug, Clone)]
pub struct Packet {
    /// The number of packets sent on the path before it.
    pub number: u64,
    /// The UDP payload.
    pub bytes: Vec<u8>,
}

/// A reordered packet that waits to be overtaken.
#[derive(Debug)]
struct Held {
    packet: Packet,
    places: u8,
    until: Instant,
}

/// One direction of a network.
pub struct Path {
    conditions: Conditions,
    netem: Netem<Packet>,
    rng: StdRng,
    held: Vec<Held>,
    sent: u64,
    first_outage: Instant,
    /// When the bottleneck is idle on the ideal path, see [`Path::ideal_arrival`].
    idle: Instant,
}

impl Conditions {
    /// Returns conditions with latency and nothing else.
    #[must_use]
    pub const fn clean(latency: Duration) -> Self {
        Self {
            latency,
            jitter: Duration::ZERO,
            loss: Loss::None,
            reordered: 0.0,
            duplicated: 0.0,
            bottleneck: None,
            outage: None,
        }
    }

    fn netem(&self, seed: u64) -> NetemConfig {
        let config = NetemConfig::new()
            .latency(self.latency)
            .jitter(self.jitter)
            .loss(self.loss.model())
            .duplicate(Probability::new(self.duplicated))
            .seed(seed);
        match self.bottleneck {
            Some(Bottleneck { rate, queue }) => {
                config.link(Bitrate::from(rate), DataSize::from(queue))
            }
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
    /// Creates a path. Its outages start `phase` later. A seed determines its behaviour.
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

    /// Sends a packet. Returns its number.
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
        if self.rng.random_bool(self.conditions.reordered.into()) {
            let places = self.rng.random_range(1..=MAX_REORDER_PLACES);
            self.held.push(Held {
                packet,
                places,
                until: now + MAX_REORDER_DELAY,
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

    /// Returns when to call [`receive`](Self::receive) next, `None` if no packet is on the path.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        let arrival = (!self.netem.is_empty()).then(|| self.netem.poll_timeout());
        let held = self.held.iter().map(|held| held.until);
        held.chain(arrival).min()
    }

    /// Returns the next packet that has arrived.
    pub fn receive(&mut self, now: Instant) -> Option<Packet> {
        self.release(now);
        self.netem.handle_input(Input::Timeout(now));
        match self.netem.poll_output()? {
            Output::Packet(packet) => Some(packet),
            Output::Timeout(_) => None,
        }
    }

    /// Returns when a packet of `bytes` bytes sent now would arrive on an ideal path, without loss,
    /// reordering, duplicates, jitter and retransmissions. Call it for each packet of the ideal
    /// path, in order.
    pub fn ideal_arrival(&mut self, now: Instant, bytes: usize) -> Instant {
        let arrival = now + self.conditions.latency;
        let Some(bottleneck) = self.conditions.bottleneck else {
            return arrival;
        };
        // As in netem, a packet arrives when its transmission starts.
        let arrival = arrival.max(self.idle);
        let bits = bytes as u64 * 8;
        self.idle = arrival + Duration::from_nanos(bits * 1_000_000_000 / bottleneck.rate);
        arrival
    }

    /// Releases the reordered packets that enough others have overtaken.
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
