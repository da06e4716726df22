//! One camera and any number of clients, 2 ms apart, with simulated time. Each client's datagrams
//! may be lost by a rule of the test's.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tutk_session::{Client, ClientConfig, Epoch, Error, Event, Frame, Output};
use tutk_simulator::{Simulator, SimulatorConfig, SimulatorEvent};

use super::camera_address;

const LATENCY: Duration = Duration::from_millis(2);

/// Whether a datagram to the camera is lost, by its number.
pub type Loss = fn(u64) -> bool;

pub struct Hub {
    pub start: Instant,
    pub now: Instant,
    pub camera: Simulator,
    camera_deadline: Instant,
    pub events: Vec<SimulatorEvent>,
    pub clients: Vec<Member>,
    /// Datagrams under way, by arrival and order of sending.
    air: BTreeMap<(Instant, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    sent: u64,
    pub loss: Loss,
}

/// One client, and what it told.
pub struct Member {
    pub address: SocketAddr,
    pub client: Client,
    deadline: Instant,
    pub frames: Vec<Frame>,
    pub events: Vec<(Duration, Event)>,
    pub ended: Option<Result<(), Error>>,
}

impl Hub {
    pub fn new(camera: SimulatorConfig) -> Self {
        #[allow(
            clippy::disallowed_methods,
            reason = "simulated time must begin somewhere"
        )]
        let start = Instant::now();
        let rng = Box::new(StdRng::seed_from_u64(100));
        let camera = Simulator::new(camera, camera_address(), rng, epoch(start)).unwrap();
        Self {
            start,
            now: start,
            camera,
            camera_deadline: start,
            events: Vec::new(),
            clients: Vec::new(),
            air: BTreeMap::new(),
            sent: 0,
            loss: |_| false,
        }
    }

    /// A client joins; its index.
    pub fn join(&mut self, config: ClientConfig) -> usize {
        let index = self.clients.len();
        let last = u8::try_from(index + 10).unwrap();
        let rng = Box::new(StdRng::seed_from_u64(index as u64));
        let mut epoch = epoch(self.start);
        epoch.unix += self.now - self.start;
        epoch.instant = self.now;
        self.clients.push(Member {
            address: SocketAddr::from(([192, 0, 2, last], 5000)),
            client: Client::new(config, rng, epoch),
            deadline: self.now,
            frames: Vec::new(),
            events: Vec::new(),
            ended: None,
        });
        self.settle();
        index
    }

    /// Does something to a client.
    pub fn with(&mut self, index: usize, act: impl FnOnce(&mut Client, Instant)) {
        act(&mut self.clients[index].client, self.now);
        self.settle();
    }

    /// Runs until `done`, at most that long; whether it came to be.
    pub fn run_until(&mut self, time: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + time;
        while !done(self) {
            let deadlines = self.clients.iter().map(|member| member.deadline);
            let next = deadlines
                .chain([self.camera_deadline])
                .chain(self.air.keys().next().map(|(at, _)| *at))
                .min()
                .unwrap()
                .max(self.now);
            if next > end {
                self.now = end;
                return done(self);
            }
            self.now = next;
            self.step();
        }
        true
    }

    pub fn run(&mut self, time: Duration) {
        self.run_until(time, |_| false);
    }

    fn step(&mut self) {
        let now = self.now;
        for member in &mut self.clients {
            if member.deadline <= now {
                member.client.handle_timeout(now);
            }
        }
        if self.camera_deadline <= now {
            self.camera.handle_timeout(now);
        }
        while let Some(entry) = self.air.first_entry()
            && entry.key().0 <= now
        {
            let (from, to, mut bytes) = entry.remove();
            if to == camera_address() {
                self.camera.handle_datagram(now, from, &mut bytes);
            } else if let Some(member) = self.clients.iter_mut().find(|at| at.address == to) {
                member.client.handle_datagram(now, from, &mut bytes);
            }
            self.settle();
        }
        self.settle();
    }

    fn settle(&mut self) {
        let (now, elapsed) = (self.now, self.now - self.start);
        for member in &mut self.clients {
            member.deadline = loop {
                match member.client.poll_output() {
                    Output::Transmit(datagram) => {
                        self.sent += 1;
                        if (self.loss)(self.sent) {
                            continue;
                        }
                        let packet = (member.address, datagram.to, datagram.payload.to_vec());
                        self.air.insert((now + LATENCY, self.sent), packet);
                    }
                    Output::Event(Event::Frame(frame)) => member.frames.push(frame),
                    Output::Event(Event::Ended(result)) => member.ended = Some(result),
                    Output::Event(event) => member.events.push((elapsed, event)),
                    Output::Timeout(deadline) => break deadline,
                }
            };
        }
        self.camera_deadline = loop {
            match self.camera.poll_output() {
                Output::Transmit(datagram) => {
                    self.sent += 1;
                    let packet = (camera_address(), datagram.to, datagram.payload.to_vec());
                    self.air.insert((now + LATENCY, self.sent), packet);
                }
                Output::Event(event) => self.events.push(event),
                Output::Timeout(deadline) => break deadline,
            }
        };
    }
}

impl Member {
    /// Codes and payloads of the answers to commands.
    pub fn answers(&self) -> Vec<(u16, Vec<u8>)> {
        self.events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Answer(answer) => Some((answer.code, answer.payload.clone())),
                _ => None,
            })
            .collect()
    }

    /// Codes of the commands that were not answered, and when that was said.
    pub fn unanswered(&self) -> Vec<(Duration, u16)> {
        self.events
            .iter()
            .filter_map(|(at, event)| match event {
                Event::Unanswered { code } => Some((*at, *code)),
                _ => None,
            })
            .collect()
    }
}

fn epoch(start: Instant) -> Epoch {
    Epoch {
        instant: start,
        unix: Duration::from_secs(1_760_000_000),
    }
}
