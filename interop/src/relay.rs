//! A lossy relay between two sockets.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use str0m_netem::{Input, Netem, NetemConfig, Output, Probability, RandomLoss};

use crate::link::{bind, is_no_datagram};

/// The network conditions for all datagrams except alerts.
pub(crate) const LOSS: f32 = 0.1;
pub(crate) const DUPLICATES: f32 = 0.1;
pub(crate) const LATENCY: Duration = Duration::from_millis(15);
pub(crate) const JITTER: Duration = Duration::from_millis(10);
/// The latency of handshakes in a slow network. It is longer than dtls-psk's first timeout, so
/// flights are retransmitted while the answers are in flight. Data is not slowed, to limit the test
/// time.
pub(crate) const SLOW_LATENCY: Duration = Duration::from_millis(400);
/// One in this many datagrams overtakes the one before it. The jitter reorders others.
const REORDER_GAP: u32 = 3;
/// Alerts are delayed, so that they arrive after the data before them.
const ALERT_LATENCY: Duration = Duration::from_millis(50);
/// The interval at which a direction checks whether to stop.
const STOP_INTERVAL: Duration = Duration::from_millis(50);

const ALERT: u8 = 21;
const APPLICATION_DATA: u8 = 23;

/// The parameters of a network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Network {
    /// Determines which datagrams are lost, duplicated and delayed, counted by direction.
    pub(crate) seed: u64,
    pub(crate) slow: bool,
}

/// A relay with one thread per direction. Dropping it stops both.
pub(crate) struct Relay {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Relay {
    /// Starts a relay to `server`. The client connects to [`Relay::address`].
    pub(crate) fn start(server: SocketAddr, network: Network) -> io::Result<Self> {
        let front = bind()?;
        let back = bind()?;
        back.connect(server)?;
        let address = front.local_addr()?;
        let stop = Arc::new(AtomicBool::new(false));
        let client = Arc::new(Mutex::new(None));
        let up = Direction {
            from: front.try_clone()?,
            to: back.try_clone()?,
            client: Arc::clone(&client),
            client_is_sender: true,
            stop: Arc::clone(&stop),
        };
        let down = Direction {
            from: back,
            to: front,
            client,
            client_is_sender: false,
            stop: Arc::clone(&stop),
        };
        let reverse = Network {
            seed: !network.seed,
            ..network
        };
        let threads = vec![
            thread::spawn(move || up.run(network)),
            thread::spawn(move || down.run(reverse)),
        ];
        Ok(Self {
            address,
            stop,
            threads,
        })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // If a direction panicked, its datagrams are lost and the cell fails.
            let _ = thread.join();
        }
    }
}

struct Direction {
    from: UdpSocket,
    to: UdpSocket,
    /// The client's address, once it has sent a datagram.
    client: Arc<Mutex<Option<SocketAddr>>>,
    client_is_sender: bool,
    stop: Arc<AtomicBool>,
}

impl Direction {
    fn run(self, network: Network) {
        let lossy = |latency: Duration| {
            NetemConfig::new()
                .latency(latency)
                .jitter(JITTER)
                .loss(RandomLoss::new(Probability::new(LOSS)))
                .duplicate(Probability::new(DUPLICATES))
                .reorder_gap(REORDER_GAP)
                .seed(network.seed)
        };
        let latency = if network.slow { SLOW_LATENCY } else { LATENCY };
        let mut handshake: Netem<Vec<u8>> = Netem::new(lossy(latency));
        let mut data = Netem::new(lossy(LATENCY));
        // DTLS does not retransmit close_notify, so alerts are not lost.
        let mut alerts = Netem::new(NetemConfig::new().latency(ALERT_LATENCY));
        let mut buffer = vec![0; 4096];
        while !self.stop.load(Ordering::Relaxed) {
            let now = Instant::now();
            let mut due = now + STOP_INTERVAL;
            for network in [&mut handshake, &mut data, &mut alerts] {
                network.handle_input(Input::Timeout(now));
                while let Some(output) = network.poll_output() {
                    match output {
                        Output::Packet(datagram) => self.send(&datagram),
                        Output::Timeout(at) => {
                            due = due.min(at);
                            break;
                        }
                    }
                }
            }
            let wait = due.saturating_duration_since(Instant::now());
            let wait = wait.max(Duration::from_micros(100));
            if self.from.set_read_timeout(Some(wait)).is_err() {
                return;
            }
            match self.from.recv_from(&mut buffer) {
                Ok((len, sender)) => {
                    if self.client_is_sender {
                        *self.client() = Some(sender);
                    }
                    let datagram = buffer.get(..len).unwrap_or_default().to_vec();
                    let network = match datagram.first() {
                        Some(&ALERT) => &mut alerts,
                        Some(&APPLICATION_DATA) => &mut data,
                        _ => &mut handshake,
                    };
                    network.handle_input(Input::Packet(Instant::now(), datagram));
                }
                Err(e) if is_no_datagram(&e) => {}
                Err(_) => return,
            }
        }
    }

    fn send(&self, datagram: &[u8]) {
        // A failure counts as a lost datagram.
        let _ = if self.client_is_sender {
            self.to.send(datagram)
        } else {
            let client = *self.client();
            let nowhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
            self.to.send_to(datagram, client.unwrap_or(nowhere))
        };
    }

    fn client(&self) -> MutexGuard<'_, Option<SocketAddr>> {
        self.client.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
