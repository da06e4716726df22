//! A supervisor with its driver, and a simulated camera that can be restarted. The network has a
//! fixed latency, and time is simulated.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tutk_session::hl_ioctl::commands::MediaControl;
use tutk_session::video_reassembly::StreamKind;
use tutk_session::{
    CommandError, ConnectionError, ContinuousFrame, Demand, Disconnect, Event, Outage, RequestId,
    Supervisor, SupervisorConfig, SupervisorEvent, SupervisorOutput,
};
use tutk_simulator::{Simulator, SimulatorConfig};
use tutk_time::Instant;

use super::machine::StateMachine as _;
use super::{camera_address, camera_port, client_address, epoch, start};

const LATENCY: Duration = Duration::from_millis(5);

pub struct SupervisorSimulation {
    pub now: Instant,
    pub start: Instant,
    pub supervisor: Supervisor,
    deadline: Instant,
    pub camera: Option<Simulator>,
    pub config: SimulatorConfig,
    camera_deadline: Instant,
    to_camera: VecDeque<(Instant, Vec<u8>)>,
    /// Arrival, port of the camera and contents.
    to_client: VecDeque<(Instant, u8, Vec<u8>)>,
    /// All datagrams from the camera are lost.
    pub muted: bool,
    /// The driver cannot open a socket.
    pub sockets_fail: bool,
    pub socket_open: bool,
    /// When a socket was opened or refused.
    pub connects: Vec<Instant>,
    /// When the camera was searched for, and whether every host was asked.
    pub searches: Vec<(Instant, bool)>,
    /// The address that the supervisor is expected to use without a search.
    pub known: SocketAddr,
    /// The result of searches.
    pub found: Option<SocketAddr>,
    seed: u64,
    pub events: VecDeque<(Instant, SupervisorEvent)>,
    pub checks: Checks,
}

/// Checks that hold for all events.
#[derive(Default)]
pub struct Checks {
    last: [Option<Duration>; 2],
    unix_zero: Option<Duration>,
    /// Streams that have had a frame in this session.
    seen: [bool; 2],
    /// There was a frame in an earlier session.
    before: bool,
    pub ended: bool,
}

impl Checks {
    fn event(&mut self, event: &SupervisorEvent) {
        assert!(!self.ended, "event after the end: {event:?}");
        match event {
            SupervisorEvent::Frame(frame) => self.frame(frame),
            SupervisorEvent::Ended(_) => self.ended = true,
            _ => {}
        }
    }

    fn session_ended(&mut self) {
        self.before |= self.last != [None; 2];
        self.seen = [false; 2];
    }

    fn frame(&mut self, next: &ContinuousFrame) {
        let ContinuousFrame {
            frame,
            unix,
            discontinuity,
            ..
        } = next;
        let audio = frame.stream() == StreamKind::Audio;
        let stream = usize::from(audio);
        let first = !std::mem::replace(&mut self.seen[stream], true);
        assert_eq!(*discontinuity, first && self.before);
        assert!(!first || audio || frame.is_key(), "{frame:?}");
        assert!(self.last[stream] <= Some(frame.timestamp), "time decreased");
        self.last[stream] = Some(frame.timestamp);
        let zero = *unix - frame.timestamp;
        assert_eq!(zero, *self.unix_zero.get_or_insert(zero));
    }
}

impl SupervisorSimulation {
    pub fn new(supervisor: SupervisorConfig, config: SimulatorConfig, seed: u64) -> Self {
        let start = start();
        let known = supervisor.client.camera;
        let mut simulation = Self {
            now: start,
            start,
            supervisor: Supervisor::new(supervisor, super::seed(seed), epoch(start, start)),
            deadline: start,
            camera: None,
            config,
            camera_deadline: start,
            to_camera: VecDeque::new(),
            to_client: VecDeque::new(),
            muted: false,
            sockets_fail: false,
            socket_open: false,
            connects: Vec::new(),
            searches: Vec::new(),
            known,
            found: None,
            seed,
            events: VecDeque::new(),
            checks: Checks::default(),
        };
        simulation.start_camera();
        simulation
    }

    pub fn start_camera(&mut self) {
        self.seed += 1;
        let epoch = epoch(self.start, self.now);
        let camera = Simulator::new(
            self.config.clone(),
            camera_address(),
            super::seed(self.seed),
            epoch,
        );
        self.camera = Some(camera.unwrap());
        self.settle();
    }

    /// The camera closes its sessions and stops.
    pub fn close_camera(&mut self) {
        if let Some(camera) = &mut self.camera {
            camera.close(self.now);
        }
        self.settle();
        self.camera = None;
    }

    pub fn set_demand(&mut self, users: usize, total_users: u64) {
        let demand = Demand { users, total_users };
        self.supervisor.handle_demand(self.now, demand);
        self.settle();
    }

    pub fn close(&mut self) {
        self.supervisor.close(self.now);
        self.settle();
    }

    pub fn command(&mut self, request: &MediaControl) -> Result<RequestId, CommandError> {
        let result = self.supervisor.command(self.now, request);
        self.settle();
        result
    }

    /// Handles the output of both sides.
    fn settle(&mut self) {
        let arrival = self.now + LATENCY;
        if let Some(camera) = &mut self.camera {
            let output = camera.drain();
            self.camera_deadline = output.deadline;
            let datagrams = output.datagrams.into_iter().zip(output.ports);
            self.to_client
                .extend(datagrams.map(|((_, bytes), port)| (arrival, port, bytes)));
        }
        self.deadline = loop {
            match self.supervisor.poll_output() {
                SupervisorOutput::Connect(connect) => {
                    assert!(!self.socket_open, "two sockets");
                    assert_eq!(connect.host, None);
                    self.connects.push(self.now);
                    if let Some(search) = &connect.search {
                        self.searches.push((self.now, search.sweep));
                    } else {
                        assert_eq!(connect.camera, self.known);
                    }
                    let camera = match &connect.search {
                        Some(_) => self.found.unwrap_or(connect.camera),
                        None => connect.camera,
                    };
                    if self.sockets_fail {
                        let error = io::Error::from(io::ErrorKind::NetworkUnreachable);
                        self.supervisor
                            .handle_connect_failed(self.now, error.into());
                    } else if connect.search.is_some() && self.found.is_none() {
                        let error = io::Error::from(io::ErrorKind::NotFound);
                        self.supervisor
                            .handle_connect_failed(self.now, error.into());
                    } else {
                        self.socket_open = true;
                        let epoch = epoch(self.start, self.now);
                        self.supervisor.handle_connected(epoch, camera);
                    }
                }
                SupervisorOutput::Transmit(datagram) => {
                    assert!(self.socket_open, "no socket");
                    self.to_camera
                        .push_back((arrival, datagram.payload.to_vec()));
                }
                SupervisorOutput::CloseSocket => {
                    self.socket_open = false;
                    self.to_client.clear();
                    self.checks.session_ended();
                }
                SupervisorOutput::Event(event) => {
                    self.checks.event(&event);
                    self.events.push_back((self.now, event));
                }
                SupervisorOutput::Timeout(at) => break at,
            }
        };
    }

    /// Advances to the next arrival or timeout, at most to `end`. Returns `false` at `end`.
    pub fn step(&mut self, end: Instant) -> bool {
        let camera_deadline = self.camera.as_ref().map(|_| self.camera_deadline);
        let arrivals = [
            self.to_camera.front().map(|(at, _)| *at),
            self.to_client.front().map(|(at, ..)| *at),
        ];
        let next = [Some(self.deadline), camera_deadline]
            .into_iter()
            .chain(arrivals)
            .flatten()
            .min()
            .unwrap();
        if next > end {
            self.now = end;
            return false;
        }
        self.now = self.now.max(next);
        if arrivals[0] == Some(next) {
            let (_, mut datagram) = self.to_camera.pop_front().unwrap();
            if let Some(camera) = &mut self.camera {
                camera.handle_datagram(self.now, client_address(), &mut datagram);
            }
        } else if arrivals[1] == Some(next) {
            let (_, port, mut datagram) = self.to_client.pop_front().unwrap();
            if !self.muted && self.socket_open {
                let from = camera_port(camera_address(), port);
                self.supervisor
                    .handle_datagram(self.now, from, &mut datagram);
            }
        } else if self.deadline == next {
            self.supervisor.handle_timeout(self.now);
        } else if let Some(camera) = &mut self.camera {
            camera.handle_timeout(self.now);
        }
        self.settle();
        true
    }

    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
    }

    /// Runs for `time`, and returns the events since the last call.
    pub fn events_within(&mut self, time: Duration) -> Vec<SupervisorEvent> {
        self.run(time);
        self.events.drain(..).map(|(_, event)| event).collect()
    }

    /// Runs until `pick` accepts an event, at most for an hour. Drops earlier events.
    pub fn until<T>(&mut self, mut pick: impl FnMut(&SupervisorEvent) -> Option<T>) -> T {
        let end = self.now + Duration::from_secs(3600);
        loop {
            while let Some((_, event)) = self.events.pop_front() {
                if let Some(picked) = pick(&event) {
                    return picked;
                }
            }
            assert!(self.step(end), "no such event within an hour");
        }
    }

    pub fn disconnect(&mut self) -> Disconnect {
        self.until(|event| match event {
            SupervisorEvent::Disconnected(disconnect) => Some(disconnect.clone()),
            SupervisorEvent::Ended(result) => panic!("{result:?}"),
            _ => None,
        })
    }

    pub fn restored(&mut self) -> Outage {
        self.until(|event| match event {
            SupervisorEvent::Restored(outage) => Some(outage.clone()),
            _ => None,
        })
    }

    pub fn authenticated(&mut self) {
        self.until(|event| {
            matches!(event, SupervisorEvent::Session(Event::Authenticated(_))).then_some(())
        });
    }

    pub fn frame(&mut self) -> ContinuousFrame {
        self.until(|event| match event {
            SupervisorEvent::Frame(frame) => Some(frame.clone()),
            _ => None,
        })
    }

    pub fn frames(&mut self, count: usize) -> ContinuousFrame {
        for _ in 1..count {
            self.frame();
        }
        self.frame()
    }

    pub fn ended(&mut self) -> Result<(), ConnectionError> {
        self.until(|event| match event {
            SupervisorEvent::Ended(result) => Some(result.clone()),
            _ => None,
        })
    }
}
