//! A client, a camera, and an adversary on the way to one of them, in simulated time.
#![allow(dead_code, reason = "each target uses its own part of it")]

mod input;
mod media;
mod provider;
mod tap;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use tutk_session::hl_ioctl::{HlMessage, Request};
use tutk_session::tutk_frame::{AvStamp, IoctlMessage, IoctlRequest, SessionId};
use tutk_session::{
    Client, ClientConfig, Codec, Credentials, Dialect, Epoch, Event, MAX_DATAGRAM, MediaKind,
    Output, TalkFrame,
};
use tutk_simulator::{Clip, Simulator, SimulatorConfig, SimulatorEvent};

pub use input::Input;
use input::{From, Step};
use media::{SOUND_FLAGS, assert_frame, assert_sound, clip, sound};
use tap::{Change, Tap};

/// What the adversary does, at most.
const MAX_STEPS: usize = 256;

/// Outputs of one input. A command, a datagram or a tick has a few; more than this has no end.
const MAX_OUTPUTS: usize = 2048;

/// Calls of `handle_timeout` at one instant until there is nothing more to do in it: a camera that
/// is behind catches up slice by slice.
const MAX_TICKS: usize = 20_000;

/// Datagrams to the target that are kept to be played again.
const MAX_KEPT: usize = 64;

/// One more than the honest one, so that a single forged session fills the camera.
const MAX_CLIENTS: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Simulator,
}

pub struct World {
    dialect: &'static Dialect,
    target: Side,
    now: Instant,
    epoch: Epoch,
    clip: Clip,
    client: Client,
    camera: Simulator,
    deadlines: [Instant; 2],
    to_client: VecDeque<Vec<u8>>,
    to_camera: VecDeque<Vec<u8>>,
    /// What the camera sent to the other client.
    to_other: VecDeque<Vec<u8>>,
    kept: Vec<Vec<u8>>,
    tap: Option<Tap>,
    session: SessionId,
    ended: bool,
    frames: u64,
    last: u32,
    last_sound: u32,
}

pub fn run(target: Side, input: &Input<'_>) {
    let mut world = World::new(target, input.settings);
    for _ in 0..input.before {
        world.pass();
    }
    for step in input.steps.iter().take(MAX_STEPS) {
        world.step(step);
    }
    match target {
        Side::Client => world.the_client_goes_on(),
        Side::Simulator => world.the_camera_serves_others(),
    }
}

fn credentials() -> Credentials {
    Credentials::new("HSBJYB5HSETGCDWD111A", "aKzdqckqZ8HUHFe5", "AABBCCDDEEFF").expect("good ones")
}

fn client_address() -> SocketAddr {
    ([192, 0, 2, 2], 50_000).into()
}

fn camera_address() -> SocketAddr {
    ([192, 0, 2, 1], 32_761).into()
}

fn other_address() -> SocketAddr {
    ([192, 0, 2, 3], 50_000).into()
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Client => Self::Simulator,
            Self::Simulator => Self::Client,
        }
    }
}

impl World {
    fn new(target: Side, settings: u8) -> Self {
        let dialect = match (settings & 8 != 0, settings & 1 != 0) {
            (true, _) => &Dialect::CC51,
            (false, true) => &Dialect::SUMMARY,
            (false, false) => &Dialect::TRANSCODE,
        };
        let now = Instant::now();
        let epoch = Epoch {
            instant: now,
            unix: Duration::from_secs(1_760_000_000),
        };
        let clip = clip();
        let mut camera = SimulatorConfig::new(credentials(), clip.clone());
        camera.audio = (settings & 16 != 0).then(sound);
        camera.cookie_exchange = settings & 4 != 0;
        camera.max_clients = MAX_CLIENTS;
        camera.provider = Some(provider::server());
        let rng = Box::new(StdRng::seed_from_u64(2));
        let camera = Simulator::new(camera, camera_address(), rng, epoch).expect("a camera");
        let mut world = Self {
            dialect,
            target,
            now,
            epoch,
            clip,
            client: new_client(dialect, 1, epoch),
            camera,
            deadlines: [now; 2],
            to_client: VecDeque::new(),
            to_camera: VecDeque::new(),
            to_other: VecDeque::new(),
            kept: Vec::new(),
            tap: (settings & 2 != 0).then(|| Tap::new(dialect, target, &credentials(), now)),
            session: SessionId::default(),
            ended: false,
            frames: 0,
            last: 0,
            last_sound: 0,
        };
        world.settle();
        world
    }

    fn step(&mut self, step: &Step<'_>) {
        match *step {
            Step::Pass(count) => (0..=count % 16).for_each(|_| self.pass()),
            Step::Lose => drop(self.queue().pop_front()),
            Step::Twice => {
                if let Some(datagram) = self.queue().pop_front() {
                    self.deliver(From::Peer, datagram.clone());
                    self.deliver(From::Peer, datagram);
                }
            }
            Step::Late => {
                if let Some(datagram) = self.queue().pop_front() {
                    self.queue().push_back(datagram);
                }
            }
            Step::Flip(at, bits) => {
                if let Some(mut datagram) = self.queue().pop_front() {
                    let at = usize::from(at) % datagram.len();
                    datagram[at] ^= bits;
                    self.deliver(From::Peer, datagram);
                }
            }
            Step::Cut(at) => {
                if let Some(mut datagram) = self.queue().pop_front() {
                    datagram.truncate(usize::from(at) % datagram.len());
                    self.deliver(From::Peer, datagram);
                }
            }
            Step::Again(which, from) => {
                let which = usize::from(which) % self.kept.len().max(1);
                if let Some(datagram) = self.kept.get(which) {
                    self.deliver(from, datagram.clone());
                }
            }
            Step::Raw(from, bytes) => self.deliver(from, bytes.to_vec()),
            Step::Hidden(from, bytes) => {
                let mut datagram = bytes.to_vec();
                tap::hide(self.dialect, &mut datagram);
                self.deliver(from, datagram);
            }
            Step::Iotc(from, command, body) => {
                let [low, high] = command.to_le_bytes();
                let [len_low, len_high, ..] = body.len().to_le_bytes();
                let flags = match self.target {
                    Side::Client => 0x0012,
                    Side::Simulator => 0x0021_u16,
                };
                let mut datagram = vec![4, 2, 0x1a, 2, len_low, len_high, 0, 0, low, high];
                datagram.extend_from_slice(&flags.to_le_bytes());
                datagram.extend_from_slice(&[0; 4]);
                datagram.extend_from_slice(body);
                tap::hide(self.dialect, &mut datagram);
                self.deliver(from, datagram);
            }
            Step::Records(from, records) => {
                let records = &records[..records.len().min(2000)];
                let datagram = tap::wrap(self.dialect, self.target, self.session, 0, 7, records);
                self.deliver(from, datagram);
            }
            Step::Back(from, records) => {
                let records = &records[..records.len().min(2000)];
                let datagram = tap::wrap(self.dialect, self.target, self.session, 1, 7, records);
                self.deliver(from, datagram);
            }
            Step::Talk(on) => {
                match on {
                    true => self.client.start_talk(self.now),
                    false => self.client.stop_talk(self.now),
                }
                self.settle();
            }
            Step::Say(len) => {
                // Too long, or nobody listens: that is all there is to it.
                let _ = self.client.send_talk(TalkFrame {
                    codec: Codec::Pcmu,
                    flags: SOUND_FLAGS,
                    timestamp: self.now - self.epoch.instant,
                    data: &vec![7; (len % 2000).into()],
                });
                self.settle();
            }
            Step::Ignore => self.change(Change::None),
            Step::Change(at, bits) => self.change(Change::Flip(at, bits)),
            Step::Shorten(at) => self.change(Change::Cut(at)),
            Step::Packet(packet) => self.invent(packet),
            Step::Hl(index, code, payload) => self.invent_hl(index, code, payload),
            Step::Wait(milliseconds) => {
                self.tick(self.now + Duration::from_millis(milliseconds.into()));
            }
            Step::Command(code, payload) => {
                let payload = payload.to_vec();
                self.client.command(self.now, Request { code, payload });
                self.settle();
            }
            Step::Close => {
                self.client.close(self.now);
                self.settle();
            }
        }
    }

    /// The next datagram arrives; if there is none, the next thing happens.
    fn pass(&mut self) {
        if let Some(datagram) = self.queue().pop_front() {
            self.deliver(From::Peer, datagram);
        } else {
            let next = self.deadlines[0].min(self.deadlines[1]);
            self.tick(next.max(self.now));
        }
    }

    fn queue(&mut self) -> &mut VecDeque<Vec<u8>> {
        match self.target {
            Side::Client => &mut self.to_client,
            Side::Simulator => &mut self.to_camera,
        }
    }

    /// Hands the target a datagram.
    fn deliver(&mut self, from: From, mut datagram: Vec<u8>) {
        if self.kept.len() < MAX_KEPT {
            self.kept.push(datagram.clone());
        }
        let peer = match self.target {
            Side::Client => camera_address(),
            Side::Simulator => client_address(),
        };
        let from = match from {
            From::Peer => peer,
            From::PeersOtherPort => (peer.ip(), peer.port() - 1).into(),
            From::Stranger => ([198, 51, 100, 1], 9).into(),
        };
        match self.target {
            Side::Client => {
                self.client.handle_datagram(self.now, from, &mut datagram);
                self.settle();
            }
            Side::Simulator => {
                self.camera.handle_datagram(self.now, from, &mut datagram);
                self.settle();
            }
        }
    }

    fn change(&mut self, change: Change) {
        if let Some(tap) = &mut self.tap
            && tap.changes.len() < MAX_STEPS
        {
            tap.changes.push_back(change);
        }
    }

    fn invent(&mut self, packet: &[u8]) {
        if let Some(tap) = &mut self.tap {
            tap.invent(packet);
            self.settle();
        }
    }

    fn invent_hl(&mut self, index: u16, code: u16, payload: &[u8]) {
        let hl = HlMessage {
            version: 5,
            code,
            payload,
        };
        let Ok(hl) = hl.to_vec() else { return };
        let stamp = AvStamp {
            version: self.dialect.control_version,
            counter: index,
            tail: 0,
        };
        let mut packet = Vec::new();
        match self.target {
            Side::Client => IoctlMessage { stamp, hl: &hl }.write(&mut packet),
            Side::Simulator => IoctlRequest {
                stamp,
                index: index.into(),
                hl: &hl,
            }
            .write(&mut packet),
        }
        self.invent(&packet);
    }

    /// Time passes, and everybody does what was due by then.
    fn tick(&mut self, now: Instant) {
        self.now = now;
        if let Some(tap) = &mut self.tap {
            tap.handle_timeout(now);
            self.settle();
        }
        for ticks in 0.. {
            assert!(ticks < MAX_TICKS, "the client's deadline does not move");
            if self.deadlines[0] > now {
                break;
            }
            self.client.handle_timeout(now);
            self.settle();
        }
        for ticks in 0.. {
            assert!(ticks < MAX_TICKS, "the camera's deadline does not move");
            if self.deadlines[1] > now {
                break;
            }
            self.camera.handle_timeout(now);
            self.settle();
        }
    }

    fn poll_client(&mut self) {
        let was_over = self.ended;
        let mut sent = Vec::new();
        for outputs in 0.. {
            assert!(outputs < MAX_OUTPUTS, "endless output");
            match self.client.poll_output() {
                Output::Transmit(datagram) => {
                    assert!(!was_over, "a datagram after the end");
                    assert!((1..=MAX_DATAGRAM).contains(&datagram.payload.len()));
                    assert_eq!(datagram.to.ip(), camera_address().ip());
                    sent.push(datagram.payload.to_vec());
                }
                Output::Event(Event::Ended(_)) => {
                    assert!(!self.ended, "it ends once");
                    self.ended = true;
                }
                Output::Event(Event::Frame(frame)) if frame.kind == MediaKind::Audio => {
                    assert!(!was_over, "sound after the end");
                    if !self.is_forged() {
                        assert!(self.last_sound < frame.number, "once, and in order");
                        self.last_sound = frame.number;
                        assert_sound(frame.number, &frame.data);
                    }
                }
                Output::Event(Event::Frame(frame)) => {
                    assert!(!was_over, "a frame after the end");
                    self.frames += 1;
                    if !self.is_forged() {
                        assert!(self.last < frame.number, "once, and in order");
                        self.last = frame.number;
                        assert_frame(&self.clip, frame.number, &frame.data);
                    }
                }
                Output::Event(_) => {}
                Output::Timeout(deadline) => {
                    self.deadlines[0] = deadline;
                    break;
                }
            }
        }
        for datagram in sent {
            match &mut self.tap {
                Some(tap) => tap.handle(self.now, Side::Client, &datagram),
                None => self.to_camera.push_back(datagram),
            }
        }
    }

    fn poll_camera(&mut self) {
        let mut sent = Vec::new();
        for outputs in 0.. {
            assert!(outputs < MAX_OUTPUTS, "endless output");
            match self.camera.poll_output() {
                Output::Transmit(datagram) => {
                    assert!((1..=MAX_DATAGRAM).contains(&datagram.payload.len()));
                    let payload = datagram.payload.to_vec();
                    if datagram.to == client_address() {
                        sent.push(payload);
                    } else if datagram.to == other_address() {
                        self.to_other.push_back(payload);
                    }
                }
                Output::Event(SimulatorEvent::Joined { client, .. }) => {
                    if client.address == client_address() {
                        self.session = client.session;
                    }
                }
                Output::Event(_) => {}
                Output::Timeout(deadline) => {
                    self.deadlines[1] = deadline;
                    break;
                }
            }
        }
        assert!(self.camera.clients().count() <= MAX_CLIENTS);
        for datagram in sent {
            match &mut self.tap {
                Some(tap) => tap.handle(self.now, Side::Simulator, &datagram),
                None => self.to_client.push_back(datagram),
            }
        }
    }

    /// Drains everybody, as the contract asks after every input, and brings what is sent to the
    /// side that nobody attacks.
    fn settle(&mut self) {
        loop {
            self.poll_client();
            self.poll_camera();
            if let Some(tap) = &mut self.tap {
                self.to_client.append(&mut tap.take_sent(Side::Client));
                self.to_camera.append(&mut tap.take_sent(Side::Simulator));
            }
            let (now, target) = (self.now, self.target);
            let honest = match target {
                Side::Client => self.to_camera.pop_front(),
                Side::Simulator => self.to_client.pop_front(),
            };
            match (honest, target) {
                (None, _) => return,
                (Some(mut datagram), Side::Client) => {
                    self.camera
                        .handle_datagram(now, client_address(), &mut datagram);
                }
                (Some(mut datagram), Side::Simulator) => {
                    self.client
                        .handle_datagram(now, camera_address(), &mut datagram);
                }
            }
        }
    }

    /// Whether the adversary made packets that are authentic: then nothing is known of frames.
    fn is_forged(&self) -> bool {
        self.tap.as_ref().is_some_and(|tap| tap.changed)
    }

    /// The adversary is gone: the session has an end, or frames come.
    fn the_client_goes_on(&mut self) {
        let (frames, end) = (self.frames, self.now + Duration::from_secs(120));
        while !self.ended && self.frames == frames {
            assert!(
                self.now < end,
                "neither frames nor an end: {:?}",
                self.client
            );
            self.pass();
        }
    }

    /// The adversary is gone, or as good as: somebody else is served.
    fn the_camera_serves_others(&mut self) {
        let mut other = new_client(
            self.dialect,
            9,
            Epoch {
                instant: self.now,
                ..self.epoch
            },
        );
        let end = self.now + Duration::from_secs(60);
        let mut other_deadline = self.now;
        loop {
            assert!(self.now < end, "no frame for another client: {other:?}");
            let mut sent = Vec::new();
            for outputs in 0.. {
                assert!(outputs < MAX_OUTPUTS, "endless output");
                match other.poll_output() {
                    Output::Transmit(datagram) => sent.push(datagram.payload.to_vec()),
                    Output::Event(Event::Frame(frame)) => {
                        assert_eq!(frame.number, 1, "each client has a stream of its own");
                        if frame.kind == MediaKind::Audio {
                            assert_sound(frame.number, &frame.data);
                            continue;
                        }
                        assert_frame(&self.clip, frame.number, &frame.data);
                        return;
                    }
                    Output::Event(Event::Ended(result)) => {
                        panic!("the other client ended: {result:?}")
                    }
                    Output::Event(_) => {}
                    Output::Timeout(deadline) => {
                        other_deadline = deadline;
                        break;
                    }
                }
            }
            for mut datagram in sent {
                self.camera
                    .handle_datagram(self.now, other_address(), &mut datagram);
                self.settle();
            }
            if let Some(mut datagram) = self.to_other.pop_front() {
                other.handle_datagram(self.now, camera_address(), &mut datagram);
            } else {
                let next = self.deadlines[0].min(self.deadlines[1]).min(other_deadline);
                self.tick(next.max(self.now));
                if other_deadline <= self.now {
                    other.handle_timeout(self.now);
                }
            }
        }
    }
}

fn new_client(dialect: &'static Dialect, seed: u64, epoch: Epoch) -> Client {
    let mut config = ClientConfig::new(camera_address(), credentials());
    config.dialects = vec![dialect];
    config.provider = Some(provider::client());
    Client::new(config, Box::new(StdRng::seed_from_u64(seed)), epoch)
}
