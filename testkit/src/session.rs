//! Sessions in memory, with simulated time.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

pub mod bytes;
pub mod cameras;
pub mod datagram;
pub mod machine;
pub mod network;
pub mod script;
pub mod supervised;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use str0m_netem::{Input, Netem, NetemConfig};
use tutk_session::{
    AudioFlags, Client, ClientConfig, Codec, Credentials, Dialect, Epoch, Error, Event, Frame,
    FrameInfo, Lost, Phase,
};
use tutk_simulator::{
    Clip, ClipAudio, ClipAudioFormat, ClipFrame, Simulator, SimulatorConfig, SimulatorEvent,
    SliceOrigin,
};
use tutk_time::Instant;

use self::machine::StateMachine as _;

pub const UID: &str = "HSBJYB5HSETGCDWD111A";
pub const ENR: &str = "aKzdqckqZ8HUHFe5";
pub const LONG_ENR: &str = "pbvqMrKPO6vqRBg4E7EyJpJaUvdg87HR";
pub const MAC: &str = "AABBCCDDEEFF";

/// The Unix time at the start of each simulation, in seconds.
pub const UNIX: u32 = 1_760_000_000;

pub fn credentials() -> Credentials {
    Credentials::new(UID, ENR, MAC).unwrap()
}

pub fn camera_address() -> SocketAddr {
    "192.0.2.1:32761".parse().unwrap()
}

/// A port of the camera whose first one is `first`.
pub fn camera_port(mut first: SocketAddr, port: u8) -> SocketAddr {
    first.set_port(first.port() + u16::from(port));
    first
}

pub fn client_address() -> SocketAddr {
    "192.0.2.2:50000".parse().unwrap()
}

/// The start of simulated time.
pub fn start() -> Instant {
    Instant::ZERO
}

/// The clocks at `now` in a simulation that started at `start`.
pub fn epoch(start: Instant, now: Instant) -> Epoch {
    Epoch {
        instant: now,
        unix: Duration::from_secs(UNIX.into()) + (now - start),
    }
}

/// Returns the seed with this number.
pub fn seed(number: u64) -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&number.to_le_bytes());
    seed
}

/// A clip with frames of different sizes, and a key frame every `gop` frames.
pub fn clip(seed: u64, frames: usize, gop: usize) -> Clip {
    let mut rng = StdRng::seed_from_u64(seed);
    let frames: Vec<_> = (0..frames)
        .map(|index| {
            let key = index % gop == 0;
            let len = if key {
                rng.random_range(10_000..40_000)
            } else {
                rng.random_range(1..6_000)
            };
            let mut data = vec![0; len];
            rand::Rng::fill_bytes(&mut rng, &mut data);
            ClipFrame {
                data: data.into(),
                key,
            }
        })
        .collect();
    Clip::new(frames, Codec::H264, 20).unwrap()
}

/// FRAMEINFO of an H.264 frame.
pub fn frame_info() -> FrameInfo {
    FrameInfo {
        codec: Codec::H264,
        flags: 0,
        camera: 0,
        viewers: 1,
        fps: 20,
        resolution: 0,
        bitrate: 120,
        micros: 0,
        seconds: UNIX,
        numbers: None,
    }
}

/// PCMU audio in frames of 20 ms and of different sizes.
pub fn clip_audio(seed: u64, frames: usize) -> ClipAudio {
    let format = ClipAudioFormat {
        codec: Codec::Pcmu,
        flags: AudioFlags::new(8_000, 16, 1).unwrap(),
    };
    clip_audio_with(seed, frames, format, 160)
}

pub fn clip_audio_with(
    seed: u64,
    frames: usize,
    format: ClipAudioFormat,
    frame_samples: u32,
) -> ClipAudio {
    let mut rng = StdRng::seed_from_u64(seed);
    let frames = (0..frames).map(|_| {
        let mut data = vec![0; rng.random_range(1..=ClipAudio::MAX_FRAME)];
        rand::Rng::fill_bytes(&mut rng, &mut data);
        data.into()
    });
    ClipAudio::new(frames.collect::<Vec<_>>(), format, frame_samples).unwrap()
}

/// A datagram in flight, with its number among all of its sender's and the index of its port.
#[derive(Debug, Clone)]
struct Packet {
    number: u64,
    port: u8,
    bytes: Vec<u8>,
}

impl AsRef<[u8]> for Packet {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// One client and one simulated camera.
pub struct Simulation {
    pub start: Instant,
    pub now: Instant,
    pub client: Client,
    pub camera: Simulator,
    to_camera: Netem<Packet>,
    to_client: Netem<Packet>,
    /// Datagrams sent by client and camera.
    sent: [u64; 2],
    /// Numbers of the camera's datagrams that reached the client.
    arrived: BTreeSet<u64>,
    client_deadline: Instant,
    camera_deadline: Instant,
    /// The source address of the camera's datagrams, at which it also receives. Further ports
    /// follow this one.
    pub camera_at: SocketAddr,
    /// The number of the camera's ports.
    camera_ports: u8,
    /// The camera has no power: it receives nothing, and its time stands still.
    pub camera_off: bool,
    /// All datagrams to the camera are lost.
    pub uplink_down: bool,
    /// All datagrams that were sent, if recorded.
    pub tap: Option<Vec<Tapped>>,
    pub record: Record,
    /// The hash of all datagrams in order.
    hasher: DefaultHasher,
}

/// A recorded datagram.
#[derive(Debug, Clone)]
pub struct Tapped {
    /// The time since the start.
    pub at: Duration,
    pub to_camera: bool,
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

/// The events of both sides.
#[derive(Debug, Default)]
pub struct Record {
    pub phases: Vec<Phase>,
    pub frames: Vec<Frame>,
    pub lost: Vec<Lost>,
    pub other: Vec<Event>,
    pub ended: Option<Result<(), Error>>,
    pub camera: Vec<SimulatorEvent>,
    /// The number of slices sent first, of retransmitted slices and of parity packets.
    pub sent: [u64; 3],
    pub slices: SlicesSent,
    pub audio_slices: SlicesSent,
}

/// Frame number to the datagrams of its slices, and how many slices it has.
pub type SlicesSent = BTreeMap<u32, (BTreeSet<(u16, u64)>, u16)>;

impl Simulation {
    /// Creates a simulation. `net` configures the network in each direction.
    pub fn new(
        client: ClientConfig,
        camera: SimulatorConfig,
        seed: u64,
        net: impl Fn(NetemConfig) -> NetemConfig,
    ) -> Self {
        let start = start();
        let epoch = epoch(start, start);
        let seed = seed * 16;
        let camera_ports = camera.personality.ports.count();
        Self {
            start,
            now: start,
            client: Client::new(client, self::seed(seed + 1), epoch),
            camera: Simulator::new(camera, camera_address(), self::seed(seed + 2), epoch).unwrap(),
            to_camera: Netem::new(net(NetemConfig::new().seed(seed + 3))),
            to_client: Netem::new(net(NetemConfig::new().seed(seed + 4))),
            sent: [0; 2],
            arrived: BTreeSet::new(),
            client_deadline: start,
            camera_deadline: start,
            camera_at: camera_address(),
            camera_ports,
            camera_off: false,
            uplink_down: false,
            tap: None,
            record: Record::default(),
            hasher: DefaultHasher::new(),
        }
    }

    /// Configurations of both sides for `dialect`.
    pub fn pair(dialect: &Dialect, clip: Clip) -> (ClientConfig, SimulatorConfig) {
        let dialect = Arc::new(dialect.clone());
        let mut client = ClientConfig::new(camera_address(), credentials());
        client.dialects = vec![Arc::clone(&dialect)];
        let mut camera = SimulatorConfig::new(credentials(), clip);
        camera.dialects = vec![dialect];
        camera.trace_slices = true;
        (client, camera)
    }

    /// Runs until the client has ended or `time` has passed.
    pub fn run(&mut self, time: Duration) {
        self.run_until(time, |record| record.ended.is_some());
    }

    /// Runs until `done` or `time` has passed.
    pub fn run_until(&mut self, time: Duration, done: impl Fn(&Record) -> bool) {
        let end = self.now + time;
        self.settle();
        while !done(&self.record) {
            let next = [
                Some(self.client_deadline),
                (!self.camera_off).then_some(self.camera_deadline),
                arrival(&self.to_camera),
                arrival(&self.to_client),
            ]
            .into_iter()
            .flatten()
            .min()
            .unwrap();
            if next > end {
                self.now = end;
                return;
            }
            self.step(next.max(self.now));
        }
    }

    /// The numbers of video frames whose slices all reached the client.
    pub fn complete_video(&self) -> BTreeSet<u32> {
        self.complete(&self.record.slices)
    }

    /// The numbers of audio frames whose slices all reached the client.
    pub fn complete_audio(&self) -> BTreeSet<u32> {
        self.complete(&self.record.audio_slices)
    }

    fn complete(&self, slices: &SlicesSent) -> BTreeSet<u32> {
        slices
            .iter()
            .filter(|(_, (slices, of))| {
                let here: BTreeSet<u16> = slices
                    .iter()
                    .filter(|(_, datagram)| self.arrived.contains(datagram))
                    .map(|&(index, _)| index)
                    .collect();
                here.len() == usize::from(*of)
            })
            .map(|(&frame, _)| frame)
            .collect()
    }

    pub fn fingerprint(&self) -> u64 {
        self.hasher.finish()
    }

    /// Passes a datagram from any address to the client.
    pub fn inject_to_client(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.client
            .handle_datagram(self.now, from, &mut bytes.to_vec());
        self.settle();
    }

    /// Passes a datagram from any address to the camera.
    pub fn inject_to_camera(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.camera
            .handle_datagram(self.now, from, &mut bytes.to_vec());
        self.settle();
    }

    fn step(&mut self, now: Instant) {
        self.now = now;
        // A due timeout must cause output or a later deadline. Otherwise the driver would spin.
        if self.client_deadline <= now {
            self.client.handle_timeout(now);
            let busy = self.settle();
            assert!(busy || self.client_deadline > now, "busy loop: client");
        }
        if self.camera_deadline <= now && !self.camera_off {
            self.camera.handle_timeout(now);
            let busy = self.settle();
            assert!(busy || self.camera_deadline > now, "busy loop: camera");
        }
        while let Some(mut packet) = take(&mut self.to_camera, now) {
            if !self.camera_off && !self.uplink_down {
                self.camera
                    .handle_datagram(now, client_address(), &mut packet.bytes);
                self.settle();
            }
        }
        while let Some(mut packet) = take(&mut self.to_client, now) {
            if self.record.ended.is_none() {
                self.arrived.insert(packet.number);
            }
            let from = self.camera_port(packet.port);
            self.client.handle_datagram(now, from, &mut packet.bytes);
            self.settle();
        }
    }

    /// Handles the output of both sides, as after each input. Returns `true` if there was any.
    pub fn settle(&mut self) -> bool {
        let client = self.client.drain();
        let camera = self.camera.drain();
        let busy = !client.is_empty() || !camera.is_empty();
        self.client_deadline = client.deadline;
        self.camera_deadline = camera.deadline;
        for (to, bytes) in client.datagrams {
            assert_eq!(to.ip(), self.camera_at.ip());
            self.send(true, to, 0, bytes);
        }
        for event in client.events {
            self.record.client_event(event);
        }
        for ((to, bytes), port) in camera.datagrams.into_iter().zip(camera.ports) {
            self.send(false, to, port, bytes);
        }
        for event in camera.events {
            self.record.camera_event(event);
        }
        busy
    }

    fn camera_port(&self, port: u8) -> SocketAddr {
        camera_port(self.camera_at, port)
    }

    fn send(&mut self, to_camera: bool, to: SocketAddr, port: u8, bytes: Vec<u8>) {
        bytes.hash(&mut self.hasher);
        let from = match to_camera {
            true => client_address(),
            false => self.camera_port(port),
        };
        if let Some(tap) = &mut self.tap {
            tap.push(Tapped {
                at: self.now - self.start,
                to_camera,
                from,
                to,
                bytes: bytes.clone(),
            });
        }
        // The camera's events count all of its datagrams, the client's arrive at its ports.
        let arrives = match to_camera {
            true => (0..self.camera_ports).any(|port| to == self.camera_port(port)),
            false => to == client_address(),
        };
        let sent = &mut self.sent[usize::from(!to_camera)];
        let packet = Packet {
            number: *sent,
            port,
            bytes,
        };
        let net = match to_camera {
            true => &mut self.to_camera,
            false => &mut self.to_client,
        };
        if arrives {
            net.handle_input(Input::Packet(self.now.into(), packet));
        }
        *sent += u64::from(arrives || !to_camera);
    }
}

impl Record {
    pub fn video(&self) -> Vec<&Frame> {
        let frames = self.frames.iter();
        frames.filter(|frame| frame.kind.is_video()).collect()
    }

    pub fn audio(&self) -> Vec<&Frame> {
        let frames = self.frames.iter();
        frames.filter(|frame| !frame.kind.is_video()).collect()
    }

    fn client_event(&mut self, event: Event) {
        match event {
            Event::Phase(report) => self.phases.push(report.phase),
            Event::Frame(frame) => self.frames.push(frame),
            Event::Lost(lost) => self.lost.push(lost),
            Event::Ended(result) => self.ended = Some(result),
            other => self.other.push(other),
        }
    }

    fn camera_event(&mut self, event: SimulatorEvent) {
        let SimulatorEvent::SliceSent(slice) = event else {
            return self.camera.push(event);
        };
        self.sent[slice.origin as usize] += 1;
        if slice.origin != SliceOrigin::Parity {
            let slices = match slice.kind.is_video() {
                true => &mut self.slices,
                false => &mut self.audio_slices,
            };
            let frame = slices.entry(slice.frame).or_default();
            frame.0.insert((slice.index, slice.datagram));
            frame.1 = slice.slices;
        }
    }

    /// The error that ended the session.
    pub fn error(&self) -> &Error {
        match &self.ended {
            Some(Err(error)) => error,
            other => panic!("no error: {other:?}"),
        }
    }
}

fn take(netem: &mut Netem<Packet>, now: Instant) -> Option<Packet> {
    netem.handle_input(Input::Timeout(now.into()));
    match netem.poll_output()? {
        str0m_netem::Output::Packet(packet) => Some(packet),
        str0m_netem::Output::Timeout(_) => None,
    }
}

fn arrival(netem: &Netem<Packet>) -> Option<Instant> {
    (!netem.is_empty()).then(|| netem.poll_timeout().into())
}
