//! A client, a simulated camera, and an adversary on the path to one of them, in simulated time.
#![allow(dead_code, reason = "each target uses its own part of it")]

mod input;
mod media;
mod mitm;
mod provider;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tutk_session::hl_ioctl::{HlMessage, Request};
use tutk_session::tutk_frame::{AvStamp, IoctlMessage, IoctlRequest, SessionId};
use tutk_session::{
    Client, ClientConfig, Codec, Credentials, Dialect, Epoch, Event, MAX_DATAGRAM, MediaKind,
    Output, TalkFrame,
};
use tutk_simulator::{Clip, Simulator, SimulatorConfig, SimulatorEvent};
use tutk_time::Instant;

pub use input::Input;
use input::{From, Step};
use media::{AUDIO_FLAGS, assert_audio, assert_frame, audio, clip};
use mitm::{Change, Mitm};

/// The limit for the steps of the adversary.
const MAX_STEPS: usize = 256;

/// The limit for the outputs after one input. A command, datagram or timeout has a few.
const MAX_OUTPUTS: usize = 2048;

/// The limit for calls of `handle_timeout` at one instant. A camera that is late sends its slices
/// one by one.
const MAX_TIMEOUTS: usize = 20_000;

/// The limit for datagrams that can be replayed.
const MAX_RECORDED: usize = 64;

/// With this limit, a single forged session prevents further clients.
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
    /// Datagrams from the camera to the other client.
    to_other: VecDeque<Vec<u8>>,
    recorded: Vec<Vec<u8>>,
    mitm: Option<Mitm>,
    session: SessionId,
    ended: bool,
    frames: u64,
    last_video: u32,
    last_audio: u32,
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
        Side::Client => world.client_recovers_or_ends(),
        Side::Simulator => world.camera_serves_another_client(),
    }
}

fn credentials() -> Credentials {
    Credentials::new("HSBJYB5HSETGCDWD111A", "aKzdqckqZ8HUHFe5", "AABBCCDDEEFF").expect("valid")
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
        let now = Instant::ZERO;
        let epoch = Epoch {
            instant: now,
            unix: Duration::from_secs(1_760_000_000),
        };
        let clip = clip();
        let mut camera = SimulatorConfig::new_with(provider::SERVER, credentials(), clip.clone());
        camera.audio = (settings & 16 != 0).then(audio);
        camera.personality.cookie_exchange = settings & 4 != 0;
        camera.personality.max_clients = MAX_CLIENTS;
        let camera = Simulator::new(camera, camera_address(), [2; 32], epoch).expect("a camera");
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
            recorded: Vec::new(),
            mitm: (settings & 2 != 0).then(|| Mitm::new(dialect, target, &credentials(), now)),
            session: SessionId::default(),
            ended: false,
            frames: 0,
            last_video: 0,
            last_audio: 0,
        };
        world.settle();
        world
    }

    fn step(&mut self, step: &Step<'_>) {
        match *step {
            Step::Pass(count) => (0..=count % 16).for_each(|_| self.pass()),
            Step::Lose => drop(self.queue().pop_front()),
            Step::Duplicate => {
                if let Some(datagram) = self.queue().pop_front() {
                    self.deliver(From::Peer, datagram.clone());
                    self.deliver(From::Peer, datagram);
                }
            }
            Step::Delay => {
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
            Step::Truncate(at) => {
                if let Some(mut datagram) = self.queue().pop_front() {
                    datagram.truncate(usize::from(at) % datagram.len());
                    self.deliver(From::Peer, datagram);
                }
            }
            Step::Replay(which, from) => {
                let which = usize::from(which) % self.recorded.len().max(1);
                if let Some(datagram) = self.recorded.get(which) {
                    self.deliver(from, datagram.clone());
                }
            }
            Step::Raw(from, bytes) => self.deliver(from, bytes.to_vec()),
            Step::Scrambled(from, bytes) => {
                let mut datagram = bytes.to_vec();
                mitm::scramble(self.dialect, &mut datagram);
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
                mitm::scramble(self.dialect, &mut datagram);
                self.deliver(from, datagram);
            }
            Step::Records(from, records) => self.deliver_records(from, 0, records),
            Step::TalkRecords(from, records) => self.deliver_records(from, 1, records),
            Step::Talk(on) => {
                match on {
                    true => self.client.start_talk(self.now),
                    false => self.client.stop_talk(self.now),
                }
                self.settle();
            }
            Step::SendTalk(len) => {
                // Fails if the frame is too long or talking has not started.
                let _ = self.client.send_talk(TalkFrame {
                    codec: Codec::Pcmu,
                    flags: AUDIO_FLAGS,
                    timestamp: self.now - self.epoch.instant,
                    data: &vec![7; (len % 2000).into()],
                });
                self.settle();
            }
            Step::Forward => self.change(Change::None),
            Step::FlipPacket(at, bits) => self.change(Change::Flip(at, bits)),
            Step::TruncatePacket(at) => self.change(Change::Truncate(at)),
            Step::Packet(packet) => self.forge(packet),
            Step::Hl(index, code, payload) => self.forge_hl(index, code, payload),
            Step::Wait(milliseconds) => {
                self.advance(self.now + Duration::from_millis(milliseconds.into()));
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

    /// Delivers the next datagram to the target. Without one, time advances to the next deadline.
    fn pass(&mut self) {
        if let Some(datagram) = self.queue().pop_front() {
            self.deliver(From::Peer, datagram);
        } else {
            let next = self.deadlines[0].min(self.deadlines[1]);
            self.advance(next.max(self.now));
        }
    }

    fn queue(&mut self) -> &mut VecDeque<Vec<u8>> {
        match self.target {
            Side::Client => &mut self.to_client,
            Side::Simulator => &mut self.to_camera,
        }
    }

    /// Delivers DTLS records on a channel of the session to the target.
    fn deliver_records(&mut self, from: From, channel: u8, records: &[u8]) {
        let records = &records[..records.len().min(2000)];
        let datagram = mitm::wrap(self.dialect, self.target, self.session, channel, 7, records);
        self.deliver(from, datagram);
    }

    /// Delivers a datagram to the target.
    fn deliver(&mut self, from: From, mut datagram: Vec<u8>) {
        if self.recorded.len() < MAX_RECORDED {
            self.recorded.push(datagram.clone());
        }
        let peer = match self.target {
            Side::Client => camera_address(),
            Side::Simulator => client_address(),
        };
        let from = match from {
            From::Peer => peer,
            From::PeerOtherPort => (peer.ip(), peer.port() - 1).into(),
            From::Stranger => ([198, 51, 100, 1], 9).into(),
        };
        match self.target {
            Side::Client => self.client.handle_datagram(self.now, from, &mut datagram),
            Side::Simulator => self.camera.handle_datagram(self.now, from, &mut datagram),
        }
        self.settle();
    }

    fn change(&mut self, change: Change) {
        if let Some(mitm) = &mut self.mitm
            && mitm.changes.len() < MAX_STEPS
        {
            mitm.changes.push_back(change);
        }
    }

    fn forge(&mut self, packet: &[u8]) {
        if let Some(mitm) = &mut self.mitm {
            mitm.forge(packet);
            self.settle();
        }
    }

    fn forge_hl(&mut self, index: u16, code: u16, payload: &[u8]) {
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
            Side::Client => IoctlMessage {
                stamp,
                id: 0,
                hl: &hl,
            }
            .write(&mut packet),
            Side::Simulator => IoctlRequest {
                stamp,
                index: index.into(),
                hl: &hl,
            }
            .write(&mut packet),
        }
        self.forge(&packet);
    }

    /// Advances the time and handles all deadlines until then.
    fn advance(&mut self, now: Instant) {
        self.now = now;
        if let Some(mitm) = &mut self.mitm {
            mitm.handle_timeout(now);
            self.settle();
        }
        for count in 0.. {
            assert!(
                count < MAX_TIMEOUTS,
                "the client's deadline does not advance"
            );
            if self.deadlines[0] > now {
                break;
            }
            self.client.handle_timeout(now);
            self.settle();
        }
        for count in 0.. {
            assert!(
                count < MAX_TIMEOUTS,
                "the camera's deadline does not advance"
            );
            if self.deadlines[1] > now {
                break;
            }
            self.camera.handle_timeout(now);
            self.settle();
        }
    }

    fn poll_client(&mut self) {
        let had_ended = self.ended;
        let mut sent = Vec::new();
        for outputs in 0.. {
            assert!(outputs < MAX_OUTPUTS, "unbounded output");
            match self.client.poll_output() {
                Output::Transmit(datagram) => {
                    assert!(!had_ended, "a datagram after the end");
                    assert!((1..=MAX_DATAGRAM).contains(&datagram.payload.len()));
                    assert_eq!(datagram.to.ip(), camera_address().ip());
                    sent.push(datagram.payload.to_vec());
                }
                Output::Event(Event::Ended(_)) => {
                    assert!(!self.ended, "a session ends once");
                    self.ended = true;
                }
                Output::Event(Event::Frame(frame)) if frame.kind == MediaKind::Audio => {
                    assert!(!had_ended, "audio after the end");
                    if !self.is_forged() {
                        assert!(self.last_audio < frame.number, "once, and in order");
                        self.last_audio = frame.number;
                        assert_audio(frame.number, &frame.data);
                    }
                }
                Output::Event(Event::Frame(frame)) => {
                    assert!(!had_ended, "a frame after the end");
                    self.frames += 1;
                    if !self.is_forged() {
                        assert!(self.last_video < frame.number, "once, and in order");
                        self.last_video = frame.number;
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
            match &mut self.mitm {
                Some(mitm) => mitm.handle(self.now, Side::Client, &datagram),
                None => self.to_camera.push_back(datagram),
            }
        }
    }

    fn poll_camera(&mut self) {
        let mut sent = Vec::new();
        for outputs in 0.. {
            assert!(outputs < MAX_OUTPUTS, "unbounded output");
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
            match &mut self.mitm {
                Some(mitm) => mitm.handle(self.now, Side::Simulator, &datagram),
                None => self.to_client.push_back(datagram),
            }
        }
    }

    /// Polls all outputs after an input and delivers datagrams to the side that is not attacked.
    fn settle(&mut self) {
        loop {
            self.poll_client();
            self.poll_camera();
            if let Some(mitm) = &mut self.mitm {
                self.to_client.append(&mut mitm.take_sent(Side::Client));
                self.to_camera.append(&mut mitm.take_sent(Side::Simulator));
            }
            let queue = match self.target {
                Side::Client => &mut self.to_camera,
                Side::Simulator => &mut self.to_client,
            };
            let Some(mut datagram) = queue.pop_front() else {
                return;
            };
            match self.target {
                Side::Client => {
                    self.camera
                        .handle_datagram(self.now, client_address(), &mut datagram);
                }
                Side::Simulator => {
                    self.client
                        .handle_datagram(self.now, camera_address(), &mut datagram);
                }
            }
        }
    }

    /// Returns `true` if authentic packets were forged. Frames may then have any content.
    fn is_forged(&self) -> bool {
        self.mitm.as_ref().is_some_and(|mitm| mitm.forged)
    }

    /// Checks that without the adversary the client receives frames or its session ends.
    fn client_recovers_or_ends(&mut self) {
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

    /// Checks that the camera streams to another client.
    fn camera_serves_another_client(&mut self) {
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
                assert!(outputs < MAX_OUTPUTS, "unbounded output");
                match other.poll_output() {
                    Output::Transmit(datagram) => sent.push(datagram.payload.to_vec()),
                    Output::Event(Event::Frame(frame)) => {
                        assert_eq!(frame.number, 1, "each client has its own stream");
                        if frame.kind == MediaKind::Audio {
                            assert_audio(frame.number, &frame.data);
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
                self.advance(next.max(self.now));
                if other_deadline <= self.now {
                    other.handle_timeout(self.now);
                }
            }
        }
    }
}

fn new_client(dialect: &'static Dialect, seed: u64, epoch: Epoch) -> Client {
    let mut config = ClientConfig::new_with(provider::CLIENT, camera_address(), credentials());
    config.dialects = vec![Arc::new(dialect.clone())];
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    Client::new(config, bytes, epoch)
}
