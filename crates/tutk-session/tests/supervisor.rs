//! The supervisor and a simulated camera, on a simulated network and in simulated time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and simulated time must start somewhere"
)]

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use testkit::session::{MAC, UID, camera_address, client_address, clip, credentials, sound};
use tutk_session::hl_ioctl::Command as _;
use tutk_session::hl_ioctl::commands::{Media, MediaControl, Switch};
use tutk_session::video_reassembly::{ResendConfig, StreamKind};
use tutk_session::{
    ClientConfig, CommandError, ConnectionError, ContinuousFrame, Credentials, Demand, Disconnect,
    Epoch, Error, Event, Failure, Keep, Outage, Output, Phase, ReconnectPolicy, ResendPolicy,
    Supervisor, SupervisorConfig, SupervisorEvent, SupervisorOutput,
};
use tutk_simulator::{Clip, Simulator, SimulatorConfig};

const UNIX: Duration = Duration::from_secs(1_760_000_000);
const LATENCY: Duration = Duration::from_millis(5);
const S: fn(u64) -> Duration = Duration::from_secs;
const MS: fn(u64) -> Duration = Duration::from_millis;

/// A supervisor, its driver, a camera and the network between them.
struct World {
    now: Instant,
    start: Instant,
    supervisor: Supervisor,
    deadline: Instant,
    camera: Option<Simulator>,
    config: SimulatorConfig,
    camera_deadline: Instant,
    up: VecDeque<(Instant, Vec<u8>)>,
    down: VecDeque<(Instant, Vec<u8>)>,
    /// Nothing from the camera arrives.
    muted: bool,
    /// The driver cannot open a socket.
    sockets_fail: bool,
    socket_open: bool,
    /// When a socket was opened or refused.
    connects: Vec<Instant>,
    seed: u64,
    events: VecDeque<(Instant, SupervisorEvent)>,
    checks: Checks,
}

/// What must hold for all events.
#[derive(Default)]
struct Checks {
    last: [Option<Duration>; 2],
    unix_zero: Option<Duration>,
    /// Streams that have had a frame in this session.
    seen: [bool; 2],
    /// There was a frame in an earlier session.
    before: bool,
    ended: bool,
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

impl World {
    fn new(supervisor: SupervisorConfig, config: SimulatorConfig, seed: u64) -> Self {
        let start = Instant::now();
        let epoch = Epoch {
            instant: start,
            unix: UNIX,
        };
        let rng = Box::new(StdRng::seed_from_u64(seed));
        let mut world = Self {
            now: start,
            start,
            supervisor: Supervisor::new(supervisor, rng, epoch),
            deadline: start,
            camera: None,
            config,
            camera_deadline: start,
            up: VecDeque::new(),
            down: VecDeque::new(),
            muted: false,
            sockets_fail: false,
            socket_open: false,
            connects: Vec::new(),
            seed,
            events: VecDeque::new(),
            checks: Checks::default(),
        };
        world.start_camera();
        world.drain();
        world
    }

    fn epoch(&self) -> Epoch {
        Epoch {
            instant: self.now,
            unix: UNIX + (self.now - self.start),
        }
    }

    fn start_camera(&mut self) {
        self.seed += 1;
        let rng = Box::new(StdRng::seed_from_u64(self.seed));
        let camera = Simulator::new(self.config.clone(), camera_address(), rng, self.epoch());
        self.camera = Some(camera.unwrap());
        self.drain();
    }

    /// The camera closes its sessions and stops.
    fn close_camera(&mut self) {
        if let Some(camera) = &mut self.camera {
            camera.close(self.now);
        }
        self.drain();
        self.camera = None;
    }

    fn users(&mut self, users: usize, visits: u64) {
        let demand = Demand { users, visits };
        self.supervisor.handle_demand(self.now, demand);
        self.drain();
    }

    fn close(&mut self) {
        self.supervisor.close(self.now);
        self.drain();
    }

    fn command(&mut self, request: &MediaControl) -> Result<(), CommandError> {
        let sent = self.supervisor.command(self.now, request.into());
        self.drain();
        sent
    }

    /// Does what both sides ask for.
    fn drain(&mut self) {
        if let Some(camera) = &mut self.camera {
            loop {
                match camera.poll_output() {
                    Output::Transmit(datagram) => self
                        .down
                        .push_back((self.now + LATENCY, datagram.payload.to_vec())),
                    Output::Event(_) => {}
                    Output::Timeout(at) => break self.camera_deadline = at,
                }
            }
        }
        self.deadline = loop {
            match self.supervisor.poll_output() {
                SupervisorOutput::Connect(connect) => {
                    assert!(!self.socket_open, "two sockets");
                    assert_eq!((connect.host, connect.camera), (None, camera_address()));
                    self.connects.push(self.now);
                    if self.sockets_fail {
                        let error = io::Error::from(io::ErrorKind::NetworkUnreachable);
                        self.supervisor.handle_connect_failed(self.now, error);
                    } else {
                        self.socket_open = true;
                        let epoch = self.epoch();
                        self.supervisor.handle_connected(epoch, connect.camera);
                    }
                }
                SupervisorOutput::Transmit(datagram) => {
                    assert!(self.socket_open, "no socket");
                    self.up
                        .push_back((self.now + LATENCY, datagram.payload.to_vec()));
                }
                SupervisorOutput::CloseSocket => {
                    self.socket_open = false;
                    self.down.clear();
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

    /// Advances to the next thing that happens, but not beyond `end`. Returns `false` at `end`.
    fn step(&mut self, end: Instant) -> bool {
        let camera_deadline = self.camera.as_ref().map(|_| self.camera_deadline);
        let arrivals = [&self.up, &self.down].map(|way| way.front().map(|(at, _)| *at));
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
            let (_, mut datagram) = self.up.pop_front().unwrap();
            if let Some(camera) = &mut self.camera {
                camera.handle_datagram(self.now, client_address(), &mut datagram);
            }
        } else if arrivals[1] == Some(next) {
            let (_, mut datagram) = self.down.pop_front().unwrap();
            if !self.muted && self.socket_open {
                self.supervisor
                    .handle_datagram(self.now, camera_address(), &mut datagram);
            }
        } else if self.deadline == next {
            self.supervisor.handle_timeout(self.now);
        } else if let Some(camera) = &mut self.camera {
            camera.handle_timeout(self.now);
        }
        self.drain();
        true
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
    }

    /// Runs for `time`, and returns the events since the last look.
    fn events_within(&mut self, time: Duration) -> Vec<SupervisorEvent> {
        self.run(time);
        self.events.drain(..).map(|(_, event)| event).collect()
    }

    /// The next event that `pick` accepts, within an hour.
    fn until<T>(&mut self, mut pick: impl FnMut(&SupervisorEvent) -> Option<T>) -> T {
        let end = self.now + S(3600);
        loop {
            while let Some((_, event)) = self.events.pop_front() {
                if let Some(picked) = pick(&event) {
                    return picked;
                }
            }
            assert!(self.step(end), "nothing within an hour");
        }
    }

    fn disconnect(&mut self) -> Disconnect {
        self.until(|event| match event {
            SupervisorEvent::Disconnected(disconnect) => Some(disconnect.clone()),
            SupervisorEvent::Ended(result) => panic!("{result:?}"),
            _ => None,
        })
    }

    fn restored(&mut self) -> Outage {
        self.until(|event| match event {
            SupervisorEvent::Restored(outage) => Some(outage.clone()),
            _ => None,
        })
    }

    fn authenticated(&mut self) {
        self.until(|event| {
            matches!(event, SupervisorEvent::Session(Event::Authenticated(_))).then_some(())
        });
    }

    fn frame(&mut self) -> ContinuousFrame {
        self.until(|event| match event {
            SupervisorEvent::Frame(frame) => Some(frame.clone()),
            _ => None,
        })
    }

    fn frames(&mut self, count: usize) -> ContinuousFrame {
        for _ in 1..count {
            self.frame();
        }
        self.frame()
    }

    fn ended(&mut self) -> Result<(), ConnectionError> {
        self.until(|event| match event {
            SupervisorEvent::Ended(result) => Some(result.clone()),
            _ => None,
        })
    }
}

/// 20 frames per second, a key frame every ten frames.
fn camera() -> SimulatorConfig {
    SimulatorConfig::new(credentials(), clip(1, 30, 10))
}

fn client() -> ClientConfig {
    ClientConfig::new(camera_address(), credentials())
}

/// Without jitter.
fn policy() -> ReconnectPolicy {
    let mut policy = ReconnectPolicy::default();
    policy.jitter = 0.0;
    policy
}

fn reconnecting() -> SupervisorConfig {
    SupervisorConfig::new(client(), policy())
}

fn world() -> World {
    World::new(reconnecting(), camera(), 1)
}

fn session_error(error: &ConnectionError) -> &Error {
    match error {
        ConnectionError::Session(error) => error,
        other => panic!("{other:?}"),
    }
}

fn other_enr() -> Credentials {
    Credentials::new(UID, "0000000000000000", MAC).unwrap()
}

const SOUND_OFF: MediaControl = MediaControl {
    media: Media::Audio,
    switch: Switch::Off,
};

#[test]
fn reconnects_after_camera_reboot() {
    let mut world = world();
    let why = Error::ClosedByCamera {
        phase: Phase::Stream,
    };
    // No session is stable, so the delay grows.
    for delay in [500, 1000, 2000].map(MS) {
        world.frames(25);
        assert!(world.supervisor.is_authenticated());
        world.close_camera();
        let disconnect = world.disconnect();
        assert_eq!(session_error(&disconnect.error), &why);
        let lasted = disconnect.lasted.unwrap();
        assert!(lasted >= MS(1200) && lasted <= MS(1300), "{lasted:?}");
        assert_eq!((disconnect.attempts, disconnect.next), (0, Some(delay)));
        assert!(!world.supervisor.is_authenticated());
        world.start_camera();
        let outage = world.restored();
        assert_eq!(outage.attempts, 0);
        assert!(outage.down.unwrap() >= delay);
        assert_eq!(session_error(&outage.error), &why);
    }
    world.frames(25);
    let tally = world.supervisor.tally();
    assert!(tally.frames >= 100 && tally.bytes > 0);
    assert_eq!(
        (tally.reconnects, tally.lost, tally.awaiting_key_frame),
        (3, 0, 0)
    );
    assert_eq!(world.supervisor.outages().len(), 3);
    assert!(
        world
            .supervisor
            .outages()
            .all(|outage| outage.down.is_some())
    );
}

#[test]
fn time_line_continues_over_a_gap() {
    let mut world = world();
    let last = world.frames(10);
    let arrived = world.now;
    world.close_camera();
    world.disconnect();
    world.start_camera();
    let next = world.frame();
    assert!(next.discontinuity && next.frame.number == 1);
    assert_eq!(
        next.frame.timestamp - last.frame.timestamp,
        world.now - arrived
    );
    assert_eq!(next.unix - last.unix, world.now - arrived);
}

#[test]
fn reconnects_after_a_long_outage() {
    let mut world = world();
    world.frames(300);
    // It stops without closing its sessions.
    world.camera = None;
    let first = world.disconnect();
    let why = Error::Stalled { waited: S(10) };
    assert_eq!(session_error(&first.error), &why);
    let mut waits = vec![first.next.unwrap().as_secs_f64()];
    for attempts in 1..=8 {
        let disconnect = world.disconnect();
        assert_eq!((disconnect.attempts, disconnect.lasted), (attempts, None));
        let phase = session_error(&disconnect.error).phase();
        assert_eq!(phase, Phase::Discovery);
        waits.push(disconnect.next.unwrap().as_secs_f64());
    }
    assert_eq!(waits, [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]);
    assert_eq!(world.supervisor.outages().next().unwrap().down, None);

    world.start_camera();
    let outage = world.restored();
    assert_eq!(session_error(&outage.error), &why);
    let last = outage.last_error.unwrap();
    assert_eq!(session_error(&last).phase(), Phase::Discovery);
    // Eight attempts of five seconds, and the delays.
    let min = 8.0 * 5.0 + waits.iter().sum::<f64>();
    let down = outage.down.unwrap().as_secs_f64();
    assert!(down >= min && down < min + 1.0, "{down} {min}");
    world.frames(25);
}

#[test]
fn attempts_continue_for_a_day_without_a_camera() {
    let mut world = world();
    world.frames(10);
    world.camera = None;
    world.run(S(24 * 3600));
    // Discovery takes 5 s, and the delay is 30 s.
    let attempts = world.connects.len();
    assert!((2460..2480).contains(&attempts), "{attempts}");
    world.events.clear();
    world.start_camera();
    let outage = world.restored();
    assert!(outage.down.unwrap() >= S(24 * 3600 - 10));
    assert!(world.frame().discontinuity);
}

#[test]
fn reconnects_after_a_stall() {
    let mut world = world();
    world.frames(10);
    world.muted = true;
    let error = world.disconnect().error;
    assert!(matches!(session_error(&error), Error::Stalled { .. }));
    world.muted = false;
    world.restored();
    world.frames(10);
}

#[test]
fn asks_for_plain_media_after_two_stalls_in_resend_mode() {
    let mut config = reconnecting();
    config.client.resend = ResendPolicy::On;
    let mut camera = camera();
    camera.resend = Some(ResendConfig::default());
    let mut world = World::new(config, camera, 1);
    for grouped in [true, true, false, false] {
        world.frames(20);
        let groups = world.supervisor.stats().unwrap().groups;
        assert_eq!(groups.slices > 0, grouped, "{groups:?}");
        world.muted = true;
        world.disconnect();
        world.muted = false;
    }
}

#[test]
fn drops_delta_frames_before_the_first_key_frame() {
    let whole = clip(1, 30, 10);
    let mut config = camera();
    config.clip = Clip::new(whole.frames()[3..].to_vec(), tutk_session::Codec::H264, 20).unwrap();
    let mut world = World::new(reconnecting(), config, 1);
    let first = world.frame();
    assert!(first.frame.is_key() && !first.discontinuity);
    assert_eq!(first.frame.number, 8);
    assert_eq!(world.supervisor.tally().awaiting_key_frame, 7);
}

#[test]
fn first_failure_ends_the_supervisor() {
    for (camera_there, failure) in [(true, Failure::Refused), (false, Failure::Silent)] {
        let mut config = reconnecting();
        config.client.credentials = other_enr();
        let mut world = World::new(config, camera(), 1);
        if !camera_there {
            world.camera = None;
        }
        assert_eq!(world.command(&SOUND_OFF), Err(CommandError::NotConnected));
        let error = world.until(|event| match event {
            SupervisorEvent::Disconnected(disconnect) => panic!("{disconnect:?}"),
            SupervisorEvent::Ended(result) => Some(result.clone().unwrap_err()),
            _ => None,
        });
        assert_eq!(session_error(&error).failure(), failure);
        assert!(world.events_within(S(3600)).is_empty());
    }
}

#[test]
fn first_session_is_retried_on_request() {
    let mut config = reconnecting();
    config.policy.retry_first = true;
    let mut world = World::new(config, camera(), 1);
    world.camera = None;
    world.run(S(20));
    world.start_camera();
    let outage = world.restored();
    assert!(outage.attempts >= 3 && outage.down.unwrap() >= S(20));
    assert_eq!(outage.lasted, Duration::ZERO);
    assert!(!world.frame().discontinuity, "there was nothing before");
    assert_eq!(world.supervisor.tally().reconnects, 0);
}

#[test]
fn refusals_in_a_row_use_the_largest_delay() {
    let mut world = world();
    world.frames(10);
    world.close_camera();
    world.config.credentials = other_enr();
    world.start_camera();
    assert_eq!(world.disconnect().next, Some(MS(500)));
    for (attempts, delay) in (1..).zip([1, 30, 30]) {
        let disconnect = world.disconnect();
        let failure = session_error(&disconnect.error).failure();
        assert_eq!(failure, Failure::Refused);
        assert_eq!(disconnect.attempts, attempts);
        assert_eq!(disconnect.next, Some(S(delay)));
    }
    world.close_camera();
    world.config.credentials = credentials();
    world.start_camera();
    assert_eq!(world.restored().attempts, 3);
}

#[test]
fn gives_up_by_attempts_or_time() {
    let mut by_attempts = policy();
    by_attempts.give_up_attempts = Some(3);
    let mut by_time = policy();
    by_time.give_up_after = Some(S(20));
    // The session ends at 0 s. Attempts fail at 5.5, 11.5 and 18.5 s. The next would start at 22.5
    // s.
    for policy in [by_attempts, by_time] {
        let config = SupervisorConfig::new(client(), policy);
        let mut world = World::new(config, camera(), 1);
        world.frames(10);
        world.close_camera();
        let began = world.now;
        for attempts in 0..3 {
            let disconnect = world.disconnect();
            assert_eq!(disconnect.attempts, attempts);
            assert!(disconnect.next.is_some());
        }
        let last = world.disconnect();
        assert_eq!((last.attempts, last.next), (3, None));
        let error = world.ended().unwrap_err();
        assert_eq!(session_error(&error).failure(), Failure::Silent);
        let after = (world.now - began).as_secs_f64();
        assert!((18.5..19.0).contains(&after), "{after}");
        assert_eq!(world.supervisor.outages().next().unwrap().attempts, 3);
        assert_eq!(world.supervisor.tally().frames, 10);
    }
}

#[test]
fn single_session_ends_with_its_error() {
    let mut world = World::new(client().into(), camera(), 1);
    world.frames(10);
    world.close_camera();
    assert_eq!(world.disconnect().next, None);
    let error = world.ended().unwrap_err();
    assert!(matches!(
        session_error(&error),
        Error::ClosedByCamera { .. }
    ));
}

#[test]
fn closes_in_every_state() {
    // In the middle of each phase, and after the first frames.
    for time in [0, 7, 15, 25, 35, 60, 2000].map(MS) {
        let mut world = world();
        world.run(time);
        world.close();
        world.ended().unwrap();
        assert!(!world.socket_open);
        assert!(world.events_within(S(3600)).is_empty());
    }
    // While backing off, and in the next attempt.
    for time in [MS(100), S(2)] {
        let mut world = world();
        world.frames(10);
        world.close_camera();
        world.disconnect();
        world.run(time);
        world.close();
        world.ended().unwrap();
        assert!(!world.socket_open && world.events_within(S(3600)).is_empty());
    }
}

#[test]
fn commands_need_an_authenticated_session() {
    let mut world = world();
    for _ in 0..3 {
        assert_eq!(world.command(&SOUND_OFF), Err(CommandError::NotConnected));
        world.authenticated();
        world.command(&SOUND_OFF).unwrap();
        world.until(|event| match event {
            SupervisorEvent::Session(Event::Answer(answer)) => {
                assert_eq!(answer.code, MediaControl::ANSWER_CODE);
                Some(())
            }
            _ => None,
        });
        world.close_camera();
        world.disconnect();
        world.start_camera();
    }
}

#[test]
fn commands_beyond_the_limit_are_not_accepted() {
    let mut world = world();
    world.authenticated();
    let accepted = (0..200).take_while(|_| world.command(&SOUND_OFF).is_ok());
    assert!((60..=64).contains(&accepted.count()));
    assert_eq!(world.command(&SOUND_OFF), Err(CommandError::NotAccepted));
}

#[test]
fn greeting_is_sent_in_each_session() {
    let mut config = reconnecting();
    config.greeting = vec![(&SOUND_OFF).into()];
    let mut camera = camera();
    camera.audio = Some(sound(1, 10));
    let mut world = World::new(config, camera, 1);
    for _ in 0..3 {
        world.until(|event| {
            matches!(event, SupervisorEvent::Session(Event::Answer(_))).then_some(())
        });
        // Audio that was under way.
        world.frames(10);
        for _ in 0..20 {
            assert_eq!(world.frame().frame.stream(), StreamKind::Video);
        }
        world.close_camera();
        world.disconnect();
        world.start_camera();
    }
}

#[test]
fn session_on_demand_lingers_after_the_last_user() {
    let mut config = reconnecting();
    config.keep = Keep::OnDemand { linger: S(10) };
    let mut world = World::new(config, camera(), 1);
    assert!(world.events_within(S(60)).is_empty());
    world.users(1, 1);
    let first = world.frames(10);
    world.users(0, 1);
    world.run(S(9));
    // Another user comes in time: the session is the same.
    world.users(1, 2);
    assert!(world.frames(200).frame.timestamp > first.frame.timestamp);
    world.users(0, 2);
    let gone = world.now;
    world.until(|event| matches!(event, SupervisorEvent::Idle).then_some(()));
    assert_eq!(world.now - gone, S(10));
    assert!(!world.socket_open && !world.supervisor.is_running());
    assert_eq!(world.connects.len(), 1);

    assert!(world.events_within(S(100)).is_empty());
    world.users(1, 3);
    assert!(world.frame().discontinuity);
    let tally = world.supervisor.tally();
    assert_eq!((tally.frames, tally.reconnects), (1, 0), "it starts over");
}

#[test]
fn short_visit_keeps_a_running_session_and_starts_none() {
    let mut config = reconnecting();
    config.keep = Keep::OnDemand { linger: S(10) };
    let mut world = World::new(config, camera(), 1);
    world.users(0, 1);
    assert!(world.events_within(S(60)).is_empty());
    world.users(1, 2);
    world.frames(10);
    world.users(0, 2);
    world.run(S(9));
    world.users(0, 3);
    world.run(S(9));
    assert!(world.supervisor.is_authenticated());
    world.run(S(2));
    assert!(!world.supervisor.is_running());
}

#[test]
fn unneeded_session_is_not_connected_any_further() {
    let mut config = reconnecting();
    config.keep = Keep::OnDemand { linger: S(1) };
    config.policy.retry_first = true;
    // While it connects, and while it backs off.
    for time in [S(2), MS(5_100)] {
        let mut world = World::new(config.clone(), camera(), 1);
        world.camera = None;
        world.users(1, 1);
        world.run(time);
        world.users(0, 1);
        world.until(|event| matches!(event, SupervisorEvent::Idle).then_some(()));
        assert!(!world.socket_open);
        assert!(world.events_within(S(60)).is_empty());
    }
}

#[test]
fn new_user_ends_the_pause_after_giving_up() {
    let mut config = reconnecting();
    config.keep = Keep::OnDemand { linger: S(1) };
    config.policy.restart_after = Some(S(30));
    let mut world = World::new(config, camera(), 1);
    world.camera = None;
    let gave_up =
        |event: &SupervisorEvent| matches!(event, SupervisorEvent::GaveUp(_)).then_some(());
    world.users(1, 1);
    world.until(gave_up);
    // The pause, and an attempt of five seconds.
    let began = world.now;
    world.until(gave_up);
    assert_eq!(world.now - began, S(35));
    world.users(2, 2);
    world.until(gave_up);
    assert_eq!(world.now - began, S(40));
    // Without users there is no attempt.
    world.users(0, 2);
    assert!(world.events_within(S(60)).is_empty());
}

#[test]
fn socket_failure_is_a_failed_attempt() {
    let mut config = reconnecting();
    config.policy.retry_first = true;
    let mut world = World::new(config, camera(), 1);
    world.frames(10);
    world.sockets_fail = true;
    world.close_camera();
    world.disconnect();
    let disconnect = world.disconnect();
    assert!(matches!(disconnect.error, ConnectionError::Io(_)));
    assert_eq!((disconnect.attempts, disconnect.lasted), (1, None));
    world.sockets_fail = false;
    world.start_camera();
    world.restored();
}

/// Something that happens to the supervisor.
#[derive(Debug, Clone)]
enum Incident {
    CameraCloses,
    CameraStops,
    CameraStarts,
    Mute(bool),
    Sockets(bool),
    Users(usize),
}

fn incident() -> impl Strategy<Value = (u64, Incident)> {
    let incident = prop_oneof![
        Just(Incident::CameraCloses),
        Just(Incident::CameraStops),
        Just(Incident::CameraStarts),
        any::<bool>().prop_map(Incident::Mute),
        any::<bool>().prop_map(Incident::Sockets),
        (0..3_usize).prop_map(Incident::Users),
    ];
    let time = prop_oneof![0..100_u64, 0..20_000_u64, 0..120_000_u64];
    (time, incident)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever happens, in any order: frames keep to the time line, there is a socket only while
    /// one is needed, and the stream returns when the camera does.
    #[test]
    fn stream_returns_after_any_incidents(
        on_demand: bool,
        restart: bool,
        seed in 0..1000_u64,
        incidents in prop::collection::vec(incident(), 1..15),
    ) {
        let linger = S(10);
        let mut policy = ReconnectPolicy::default();
        policy.retry_first = true;
        if restart {
            policy.give_up_attempts = Some(3);
            policy.restart_after = Some(S(30));
        }
        let mut config = SupervisorConfig::new(client(), policy);
        if on_demand {
            config.keep = Keep::OnDemand { linger };
        }
        let mut camera = SimulatorConfig::new(credentials(), clip(1, 30, 10));
        camera.audio = Some(sound(1, 10));
        let mut world = World::new(config, camera, seed);
        let mut demand = Demand::default();
        let mut needed = world.now;
        for (time, incident) in incidents {
            let end = world.now + MS(time);
            loop {
                let more = world.step(end);
                if demand.users > 0 || !on_demand {
                    needed = world.now;
                }
                prop_assert!(!world.socket_open || world.now <= needed + linger);
                if !more {
                    break;
                }
            }
            match incident {
                Incident::CameraCloses => world.close_camera(),
                Incident::CameraStops => world.camera = None,
                Incident::CameraStarts => world.start_camera(),
                Incident::Mute(muted) => world.muted = muted,
                Incident::Sockets(fail) => world.sockets_fail = fail,
                Incident::Users(users) => {
                    demand.visits += users.saturating_sub(demand.users) as u64;
                    demand.users = users;
                    world.users(demand.users, demand.visits);
                }
            }
        }
        world.muted = false;
        world.sockets_fail = false;
        world.start_camera();
        world.users(1, demand.visits + 1);
        world.events.clear();
        // A stall is noticed after 10 s, then there may be a pause of 30 s.
        world.run(S(60));
        let frames = |event: &SupervisorEvent| matches!(event, SupervisorEvent::Frame(_));
        prop_assert!(world.events.iter().any(|(_, event)| frames(event)));
        world.close();
        prop_assert!(!world.socket_open && world.checks.ended);
    }
}
