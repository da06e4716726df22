//! A client, a camera and a network between them, in memory, with simulated time.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "shared by tests, each of which uses its own part of it"
)]

pub mod bytes;
pub mod hub;
pub mod provider;
pub mod raw;
pub mod scripted;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use str0m_netem::{Input, Netem, NetemConfig};
use tutk_session::{
    AudioFlags, Client, ClientConfig, Codec, Credentials, Dialect, Epoch, Error, Event, Frame,
    Lost, Output, Phase,
};
use tutk_simulator::{
    Clip, ClipAudio, ClipAudioFormat, ClipFrame, Simulator, SimulatorConfig, SimulatorEvent,
    SliceOrigin,
};

pub const UID: &str = "HSBJYB5HSETGCDWD111A";
pub const ENR: &str = "aKzdqckqZ8HUHFe5";
pub const LONG_ENR: &str = "pbvqMrKPO6vqRBg4E7EyJpJaUvdg87HR";
pub const MAC: &str = "AABBCCDDEEFF";

pub fn credentials() -> Credentials {
    Credentials::new(UID, ENR, MAC).unwrap()
}

pub fn camera_address() -> SocketAddr {
    "192.0.2.1:32761".parse().unwrap()
}

pub fn client_address() -> SocketAddr {
    "192.0.2.2:50000".parse().unwrap()
}

/// A clip of frames of many sizes, a key frame each `gop`.
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

/// Sound of 20 ms a frame: 160 samples at 8 kHz, in frames of many sizes.
pub fn sound(seed: u64, frames: usize) -> ClipAudio {
    let format = ClipAudioFormat {
        codec: Codec::Pcmu,
        flags: AudioFlags::new(8_000, 16, 1).unwrap(),
    };
    sound_as(seed, frames, format, 160)
}

pub fn sound_as(
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

/// A datagram under way, with its number among all that its sender sent.
#[derive(Debug, Clone)]
struct Packet {
    number: u64,
    bytes: Vec<u8>,
}

impl AsRef<[u8]> for Packet {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// One client and one camera.
pub struct Simulation {
    pub start: Instant,
    pub now: Instant,
    pub client: Client,
    pub camera: Simulator,
    up: Netem<Packet>,
    down: Netem<Packet>,
    sent: [u64; 2],
    /// Numbers of the camera's datagrams that reached the client.
    arrived: BTreeSet<u64>,
    client_deadline: Instant,
    camera_deadline: Instant,
    /// Where the camera's datagrams come from, and where it is reached.
    pub camera_at: SocketAddr,
    /// The camera has lost its power: nothing reaches it, and its time stands still.
    pub camera_gone: bool,
    /// Nothing that the client sends reaches the camera.
    pub client_gone: bool,
    /// Every datagram that was sent, when wanted.
    pub tap: Option<Vec<Tapped>>,
    pub record: Record,
    /// Everything that was sent, hashed in order.
    hasher: DefaultHasher,
}

/// A datagram that was sent.
#[derive(Debug, Clone)]
pub struct Tapped {
    pub to_camera: bool,
    pub to: SocketAddr,
    pub bytes: Vec<u8>,
}

/// What was seen.
#[derive(Debug, Default)]
pub struct Record {
    pub phases: Vec<Phase>,
    pub frames: Vec<Frame>,
    pub lost: Vec<Lost>,
    pub other: Vec<Event>,
    pub ended: Option<Result<(), Error>>,
    pub camera: Vec<SimulatorEvent>,
    /// Slices for the first time, again, and parity packets.
    pub sent: [u64; 3],
    pub slices: SlicesSent,
    pub audio_slices: SlicesSent,
}

/// Frame number to the datagrams of its slices, and how many slices it has.
pub type SlicesSent = BTreeMap<u32, (BTreeSet<(u16, u64)>, u16)>;

impl Simulation {
    /// Both ends as the configurations say, on a network as `net` makes it for each direction.
    pub fn new(
        client: ClientConfig,
        camera: SimulatorConfig,
        seed: u64,
        net: impl Fn(NetemConfig) -> NetemConfig,
    ) -> Self {
        #[allow(
            clippy::disallowed_methods,
            reason = "simulated time must begin somewhere"
        )]
        let start = Instant::now();
        let epoch = Epoch {
            instant: start,
            unix: Duration::from_secs(1_760_000_000),
        };
        let rng = |stream: u64| Box::new(StdRng::seed_from_u64(seed * 16 + stream));
        Self {
            start,
            now: start,
            client: Client::new(client, rng(1), epoch),
            camera: Simulator::new(camera, camera_address(), rng(2), epoch).unwrap(),
            up: Netem::new(net(NetemConfig::new().seed(seed * 16 + 3))),
            down: Netem::new(net(NetemConfig::new().seed(seed * 16 + 4))),
            sent: [0; 2],
            arrived: BTreeSet::new(),
            client_deadline: start,
            camera_deadline: start,
            camera_at: camera_address(),
            camera_gone: false,
            client_gone: false,
            tap: None,
            record: Record::default(),
            hasher: DefaultHasher::new(),
        }
    }

    /// A pair that speaks `dialect` with seeded key shares.
    pub fn pair(
        dialect: &'static Dialect,
        clip: Clip,
        seed: u64,
    ) -> (ClientConfig, SimulatorConfig) {
        let mut client = ClientConfig::new(camera_address(), credentials());
        client.dialects = vec![dialect];
        client.provider = Some(provider::seeded(seed * 2));
        let mut camera = SimulatorConfig::new(credentials(), clip);
        camera.dialects = vec![dialect];
        camera.provider = Some(provider::seeded(seed * 2 + 1));
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
                (!self.camera_gone).then_some(self.camera_deadline),
                arrival(&self.up),
                arrival(&self.down),
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

    /// Pictures, by number, all of whose slices reached the client.
    pub fn whole(&self) -> BTreeSet<u32> {
        self.whole_of(&self.record.slices)
    }

    /// Frames of sound, by number, that reached the client.
    pub fn whole_audio(&self) -> BTreeSet<u32> {
        self.whole_of(&self.record.audio_slices)
    }

    fn whole_of(&self, slices: &SlicesSent) -> BTreeSet<u32> {
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

    /// Hands the client a datagram from anywhere.
    pub fn inject_to_client(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.client
            .handle_datagram(self.now, from, &mut bytes.to_vec());
        self.settle();
    }

    /// Hands the camera a datagram from anywhere.
    pub fn inject_to_camera(&mut self, from: SocketAddr, bytes: &[u8]) {
        self.camera
            .handle_datagram(self.now, from, &mut bytes.to_vec());
        self.settle();
    }

    fn step(&mut self, now: Instant) {
        self.now = now;
        // An end that is called when it asked to be must have done something, or ask for a later
        // time: else its owner would spin.
        if self.client_deadline <= now {
            self.client.handle_timeout(now);
            let busy = self.settle();
            assert!(busy || self.client_deadline > now, "the client spins");
        }
        if self.camera_deadline <= now && !self.camera_gone {
            self.camera.handle_timeout(now);
            let busy = self.settle();
            assert!(busy || self.camera_deadline > now, "the camera spins");
        }
        while let Some(mut packet) = take(&mut self.up, now) {
            if !self.camera_gone && !self.client_gone {
                self.camera
                    .handle_datagram(now, client_address(), &mut packet.bytes);
                self.settle();
            }
        }
        while let Some(mut packet) = take(&mut self.down, now) {
            if self.record.ended.is_none() {
                self.arrived.insert(packet.number);
            }
            self.client
                .handle_datagram(now, self.camera_at, &mut packet.bytes);
            self.settle();
        }
    }

    /// Drains both ends, as their contract asks after every input. Whether anything came out.
    pub fn settle(&mut self) -> bool {
        let mut busy = false;
        self.client_deadline = loop {
            let output = self.client.poll_output();
            busy |= !matches!(output, Output::Timeout(_));
            match output {
                Output::Transmit(datagram) => {
                    assert_eq!(datagram.to.ip(), self.camera_at.ip());
                    datagram.payload.hash(&mut self.hasher);
                    if let Some(tap) = &mut self.tap {
                        tap.push(Tapped {
                            to_camera: true,
                            to: datagram.to,
                            bytes: datagram.payload.to_vec(),
                        });
                    }
                    if datagram.to != self.camera_at {
                        continue;
                    }
                    let packet = Packet {
                        number: self.sent[0],
                        bytes: datagram.payload.to_vec(),
                    };
                    self.sent[0] += 1;
                    self.up.handle_input(Input::Packet(self.now, packet));
                }
                Output::Event(event) => self.record.client(event),
                Output::Timeout(deadline) => break deadline,
            }
        };
        self.camera_deadline = loop {
            let output = self.camera.poll_output();
            busy |= !matches!(output, Output::Timeout(_));
            match output {
                Output::Transmit(datagram) => {
                    assert!(datagram.payload.len() <= tutk_session::MAX_DATAGRAM);
                    datagram.payload.hash(&mut self.hasher);
                    if let Some(tap) = &mut self.tap {
                        tap.push(Tapped {
                            to_camera: false,
                            to: datagram.to,
                            bytes: datagram.payload.to_vec(),
                        });
                    }
                    let packet = Packet {
                        number: self.sent[1],
                        bytes: datagram.payload.to_vec(),
                    };
                    self.sent[1] += 1;
                    if datagram.to == client_address() {
                        self.down.handle_input(Input::Packet(self.now, packet));
                    }
                }
                Output::Event(SimulatorEvent::SliceSent(slice)) => {
                    self.record.sent[slice.origin as usize] += 1;
                    if slice.origin == SliceOrigin::Parity {
                        continue;
                    }
                    let slices = match slice.kind.is_video() {
                        true => &mut self.record.slices,
                        false => &mut self.record.audio_slices,
                    };
                    let frame = slices.entry(slice.frame).or_default();
                    frame.0.insert((slice.index, slice.datagram));
                    frame.1 = slice.slices;
                }
                Output::Event(event) => self.record.camera.push(event),
                Output::Timeout(deadline) => break deadline,
            }
        };
        busy
    }
}

impl Record {
    /// The pictures that came.
    pub fn video(&self) -> Vec<&Frame> {
        let frames = self.frames.iter();
        frames.filter(|frame| frame.kind.is_video()).collect()
    }

    /// The frames of sound that came.
    pub fn audio(&self) -> Vec<&Frame> {
        let frames = self.frames.iter();
        frames.filter(|frame| !frame.kind.is_video()).collect()
    }

    fn client(&mut self, event: Event) {
        match event {
            Event::Phase(report) => self.phases.push(report.phase),
            Event::Frame(frame) => self.frames.push(frame),
            Event::Lost(lost) => self.lost.push(lost),
            Event::Ended(result) => self.ended = Some(result),
            other => self.other.push(other),
        }
    }

    /// The error that the session ended with.
    pub fn error(&self) -> &Error {
        match &self.ended {
            Some(Err(error)) => error,
            other => panic!("no error: {other:?}"),
        }
    }
}

fn take(netem: &mut Netem<Packet>, now: Instant) -> Option<Packet> {
    netem.handle_input(Input::Timeout(now));
    match netem.poll_output()? {
        str0m_netem::Output::Packet(packet) => Some(packet),
        str0m_netem::Output::Timeout(_) => None,
    }
}

fn arrival(netem: &Netem<Packet>) -> Option<Instant> {
    (!netem.is_empty()).then(|| netem.poll_timeout())
}
