//! An impaired network between the simulated camera and its clients.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tutk_time::Instant;

/// What happens to the datagrams that a simulated camera sends. The default is nothing.
///
/// The same seed makes the same decisions for the same datagrams in the same order.
///
/// ```
/// use tutk_simulator::{Impairment, SimulatorConfig};
///
/// fn on_bad_network(mut config: SimulatorConfig) -> SimulatorConfig {
///     let impairment = Impairment { loss: 0.02, reorder: 0.1, seed: 1, ..Impairment::default() };
///     config.impairment = impairment;
///     config
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Impairment {
    /// The probability that a datagram is lost, 0 to 1.
    pub loss: f32,
    /// The share of datagrams that overtake the one before, 0 to 0.5.
    pub reorder: f32,
    /// The probability that a datagram is duplicated, 0 to 1.
    pub duplicate: f32,
    /// Seed of the decisions.
    pub seed: u64,
}

/// How long a datagram waits to be overtaken at most.
const MAX_HOLD: Duration = Duration::from_millis(3);

/// The datagrams in transit.
pub(crate) struct Network {
    /// The datagrams that have arrived.
    arrived: VecDeque<Datagram>,
    rng: StdRng,
    loss: f64,
    duplicate: f64,
    /// The probability that a datagram waits for the next one, if none waits already.
    hold: f64,
    /// The datagram that waits for the next one, and until when.
    held: Option<(Datagram, Instant)>,
    /// The datagram that the caller of [`arrived`](Self::arrived) borrows.
    current: Option<Datagram>,
}

#[derive(Debug, Clone)]
pub(crate) struct Datagram {
    pub(crate) to: SocketAddr,
    pub(crate) payload: Vec<u8>,
    /// The index of the port that it leaves from.
    pub(crate) port: u8,
}

impl Network {
    /// Returns `None` if there is no impairment, unless `always` is set.
    pub(crate) fn new(impairment: &Impairment, always: bool) -> Option<Self> {
        let Impairment {
            loss,
            reorder,
            duplicate,
            seed,
        } = *impairment;
        if !always && (loss, reorder, duplicate) == (0.0, 0.0, 0.0) {
            return None;
        }
        let reorder = f64::from(reorder);
        Some(Self {
            arrived: VecDeque::new(),
            rng: StdRng::seed_from_u64(seed),
            loss: f64::from(loss).clamp(0.0, 1.0),
            duplicate: f64::from(duplicate).clamp(0.0, 1.0),
            // Of n datagrams of which none waits, n * hold wait for as many others.
            hold: (reorder / (1.0 - reorder)).clamp(0.0, 1.0),
            held: None,
            current: None,
        })
    }

    pub(crate) fn send(&mut self, now: Instant, datagram: Datagram) {
        self.release(now);
        if self.held.is_none() && self.rng.random_bool(self.hold) {
            self.held = Some((datagram, now + MAX_HOLD));
            return;
        }
        self.deliver(datagram);
        if let Some((overtaken, _)) = self.held.take() {
            self.deliver(overtaken);
        }
    }

    /// Returns the next datagram that has arrived at `now`.
    pub(crate) fn arrived(&mut self, now: Instant) -> Option<&Datagram> {
        self.release(now);
        self.current = self.arrived.pop_front();
        self.current.as_ref()
    }

    /// Returns when the waiting datagram arrives; `None` if none waits.
    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        self.held.as_ref().map(|(_, until)| *until)
    }

    /// Sends the waiting datagram if nothing overtook it in time.
    fn release(&mut self, now: Instant) {
        if let Some((datagram, _)) = self.held.take_if(|(_, until)| *until <= now) {
            self.deliver(datagram);
        }
    }

    fn deliver(&mut self, datagram: Datagram) {
        if self.rng.random_bool(self.loss) {
            return;
        }
        if self.rng.random_bool(self.duplicate) {
            self.arrived.push_back(datagram.clone());
        }
        self.arrived.push_back(datagram);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(network: &mut Network, now: Instant, numbers: &mut Vec<u16>) {
        while let Some(datagram) = network.arrived(now) {
            numbers.push(u16::from_le_bytes(datagram.payload[..].try_into().unwrap()));
        }
    }

    /// Sends numbered datagrams 1 ms apart, and returns the numbers in the order of arrival.
    fn arrivals(impairment: Impairment) -> Vec<u16> {
        let mut network = Network::new(&impairment, false).unwrap();
        let mut now = Instant::ZERO;
        let mut numbers = Vec::new();
        for number in 0..1000_u16 {
            let payload = number.to_le_bytes().to_vec();
            let to = ([192, 0, 2, 1], 1).into();
            let port = 0;
            network.send(now, Datagram { to, payload, port });
            now += Duration::from_millis(1);
            receive(&mut network, now, &mut numbers);
        }
        while let Some(at) = network.next_arrival() {
            receive(&mut network, at, &mut numbers);
        }
        numbers
    }

    #[test]
    fn seed_decides_which_datagrams_are_impaired() {
        let impairment = |loss, reorder, duplicate, seed| Impairment {
            loss,
            reorder,
            duplicate,
            seed,
        };
        let lossy = arrivals(impairment(0.1, 0.0, 0.0, 1));
        assert!((850..950).contains(&lossy.len()), "{}", lossy.len());
        assert!(lossy.is_sorted());
        assert_eq!(lossy, arrivals(impairment(0.1, 0.0, 0.0, 1)));
        assert_ne!(lossy, arrivals(impairment(0.1, 0.0, 0.0, 2)));

        let duplicated = arrivals(impairment(0.0, 0.0, 0.1, 1));
        assert!((1050..1150).contains(&duplicated.len()));
        assert!(Network::new(&Impairment::default(), false).is_none());
    }

    #[test]
    fn seed_decides_which_datagrams_are_reordered() {
        let arrivals = |reorder, seed| {
            arrivals(Impairment {
                reorder,
                seed,
                ..Impairment::default()
            })
        };
        let reordered = arrivals(0.1, 1);
        assert_eq!(reordered, arrivals(0.1, 1));
        assert_ne!(reordered, arrivals(0.1, 2));
        let overtaken = |numbers: &[u16]| {
            let places = 0..numbers.len() - 1;
            let overtaken = places.filter(|&at| numbers[at] > numbers[at + 1]);
            overtaken.collect::<Vec<_>>()
        };
        let places = overtaken(&reordered);
        assert!((70..130).contains(&places.len()), "{}", places.len());
        let distances = places.windows(2).map(|two| two[1] - two[0]);
        let distinct: alloc::collections::BTreeSet<_> = distances.collect();
        assert!(distinct.len() > 10, "{distinct:?}");
        assert_eq!(overtaken(&arrivals(0.5, 1)).len(), 500);

        let mut all = reordered;
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1000));
    }
}
