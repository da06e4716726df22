//! A bad network between the simulated camera and its clients, on request.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m_netem::{Input, Netem, NetemConfig, Output, Probability, RandomLoss};

/// What happens to the datagrams that a simulated camera sends. The default is nothing.
///
/// The same seed makes the same decisions for the same datagrams in the same order.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Impairment {
    /// Part of the datagrams that is lost, 0 to 1.
    pub loss: f32,
    /// Part of the datagrams that overtakes the one sent before it, 0 to 0.5.
    pub reorder: f32,
    /// Part of the datagrams that comes twice, 0 to 1.
    pub duplicate: f32,
    /// Seed of the decisions.
    pub seed: u64,
}

/// How long datagrams are under way when some of them are to overtake others: without it there
/// would be nobody to overtake.
const LATENCY: Duration = Duration::from_millis(3);

/// The datagrams under way.
pub(crate) struct Air(Netem<Packet>);

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) to: SocketAddr,
    pub(crate) payload: Vec<u8>,
}

impl Impairment {
    /// Whether there is anything to do at all.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.loss == 0.0 && self.reorder == 0.0 && self.duplicate == 0.0
    }
}

impl Air {
    pub(crate) fn new(impairment: &Impairment) -> Self {
        let mut config = NetemConfig::new()
            .loss(RandomLoss::new(Probability::new(impairment.loss)))
            .duplicate(Probability::new(impairment.duplicate))
            .seed(impairment.seed);
        if impairment.reorder > 0.0 {
            // Two at least: one that overtakes, one that is overtaken.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let gap = (1.0 / impairment.reorder).round().max(2.0) as u32;
            config = config.latency(LATENCY).reorder_gap(gap);
        }
        Self(Netem::new(config))
    }

    pub(crate) fn send(&mut self, now: Instant, packet: Packet) {
        self.0.handle_input(Input::Packet(now, packet));
    }

    /// The next datagram that arrives by `now`.
    pub(crate) fn arrived(&mut self, now: Instant) -> Option<Packet> {
        self.0.handle_input(Input::Timeout(now));
        match self.0.poll_output()? {
            Output::Packet(packet) => Some(packet),
            Output::Timeout(_) => None,
        }
    }

    /// When the next one does.
    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        (!self.0.is_empty()).then(|| self.0.poll_timeout())
    }
}

impl AsRef<[u8]> for Packet {
    fn as_ref(&self) -> &[u8] {
        &self.payload
    }
}
