//! A simulated camera and any number of clients on one network, in simulated time.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use tutk_session::{Client, ClientConfig, Error, Event, Frame};
use tutk_simulator::{Simulator, SimulatorConfig, SimulatorEvent};
use tutk_time::Instant;

use super::machine::StateMachine as _;
use super::{camera_address, camera_port, epoch, seed, start};

const LATENCY: Duration = Duration::from_millis(2);

pub struct Network {
    pub start: Instant,
    pub now: Instant,
    pub camera: Simulator,
    camera_deadline: Instant,
    pub events: Vec<SimulatorEvent>,
    pub clients: Vec<NetworkClient>,
    /// Datagrams in flight, by arrival and order of sending: source, destination and contents.
    in_flight: BTreeMap<(Instant, u64), (SocketAddr, SocketAddr, Vec<u8>)>,
    sent: u64,
    /// Whether datagrams to the camera are lost.
    pub lossy: bool,
}

pub struct NetworkClient {
    pub address: SocketAddr,
    pub client: Client,
    deadline: Instant,
    pub frames: Vec<Frame>,
    pub events: Vec<(Duration, Event)>,
    pub ended: Option<Result<(), Error>>,
}

impl Network {
    pub fn new(camera: SimulatorConfig) -> Self {
        let start = start();
        let camera = Simulator::new(camera, camera_address(), seed(100), epoch(start, start));
        Self {
            start,
            now: start,
            camera: camera.unwrap(),
            camera_deadline: start,
            events: Vec::new(),
            clients: Vec::new(),
            in_flight: BTreeMap::new(),
            sent: 0,
            lossy: false,
        }
    }

    /// Adds a client and returns its index.
    pub fn join(&mut self, config: ClientConfig) -> usize {
        let index = self.clients.len();
        let last = u8::try_from(index + 10).unwrap();
        let epoch = epoch(self.start, self.now);
        self.clients.push(NetworkClient {
            address: SocketAddr::from(([192, 0, 2, last], 5000)),
            client: Client::new(config, seed(index as u64), epoch),
            deadline: self.now,
            frames: Vec::new(),
            events: Vec::new(),
            ended: None,
        });
        self.settle();
        index
    }

    /// Does something with a client, and handles its output.
    pub fn with<T>(&mut self, index: usize, act: impl FnOnce(&mut Client, Instant) -> T) -> T {
        let result = act(&mut self.clients[index].client, self.now);
        self.settle();
        result
    }

    /// Runs until `done`, at most for `time`. Returns `true` if it is done.
    pub fn run_until(&mut self, time: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + time;
        while !done(self) {
            let deadlines = self.clients.iter().map(|client| client.deadline);
            let next = deadlines
                .chain([self.camera_deadline])
                .chain(self.in_flight.keys().next().map(|(at, _)| *at))
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
        for client in &mut self.clients {
            if client.deadline <= now {
                client.client.handle_timeout(now);
            }
        }
        if self.camera_deadline <= now {
            self.camera.handle_timeout(now);
        }
        while let Some(entry) = self.in_flight.first_entry()
            && entry.key().0 <= now
        {
            let (from, to, mut bytes) = entry.remove();
            if to.ip() == camera_address().ip() {
                self.camera.handle_datagram(now, from, &mut bytes);
            } else if let Some(client) = self.clients.iter_mut().find(|at| at.address == to) {
                client.client.handle_datagram(now, from, &mut bytes);
            }
            self.settle();
        }
        self.settle();
    }

    fn settle(&mut self) {
        let (arrival, elapsed) = (self.now + LATENCY, self.now - self.start);
        for client in &mut self.clients {
            let output = client.client.drain();
            client.deadline = output.deadline;
            for (to, bytes) in output.datagrams {
                self.sent += 1;
                if !self.lossy {
                    let packet = (client.address, to, bytes);
                    self.in_flight.insert((arrival, self.sent), packet);
                }
            }
            for event in output.events {
                match event {
                    Event::Frame(frame) => client.frames.push(frame),
                    Event::Ended(result) => client.ended = Some(result),
                    event => client.events.push((elapsed, event)),
                }
            }
        }
        let output = self.camera.drain();
        self.camera_deadline = output.deadline;
        self.events.extend(output.events);
        for ((to, bytes), port) in output.datagrams.into_iter().zip(output.ports) {
            self.sent += 1;
            let packet = (camera_port(camera_address(), port), to, bytes);
            self.in_flight.insert((arrival, self.sent), packet);
        }
    }
}

impl NetworkClient {
    /// Codes and payloads of the answers to commands.
    pub fn answers(&self) -> Vec<(u16, Vec<u8>)> {
        let answer = |(_, event): &(Duration, Event)| match event {
            Event::Answer(answer) => Some((answer.code, answer.payload.clone())),
            _ => None,
        };
        self.events.iter().filter_map(answer).collect()
    }

    /// Codes of unanswered commands, and when they were reported.
    pub fn unanswered(&self) -> Vec<(Duration, u16)> {
        let unanswered = |(at, event): &(Duration, Event)| match event {
            Event::Unanswered { code, .. } => Some((*at, *code)),
            _ => None,
        };
        self.events.iter().filter_map(unanswered).collect()
    }
}
