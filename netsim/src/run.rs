//! One run: a client, a camera, the network between them, and an account of every frame.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use testkit::session::provider;
use tutk_session::{
    Client, ClientConfig, Credentials, Epoch, Event, Frame, MediaKind, Output, ResendPolicy,
};
use tutk_simulator::{Simulator, SimulatorConfig, SimulatorEvent, SliceOrigin, SliceSent};

use crate::Error;
use crate::media::Media;
use crate::path::Path;
use crate::scenario::Scenario;
use crate::simple::Simple;
use crate::tally::{Stream, Tally};

const CAMERA: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
    32_761,
);
const CLIENT: SocketAddr = SocketAddr::new(
    std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2)),
    50_000,
);

const UID: &str = "HSBJYB5HSETGCDWD111A";
const ENR: &str = "aKzdqckqZ8HUHFe5";
const MAC: &str = "AABBCCDDEEFF";

/// How much longer than its media a run may take: it ends when the camera has said so, or the client has waited
/// for long enough.
const SPARE: Duration = Duration::from_secs(30);

/// Tells how many bytes are allocated in the process, now.
pub type Meter = fn() -> u64;

/// Runs a scenario once. `media` is what the camera sends, once; the same seed is the same run.
///
/// With a meter, what the client has allocated is counted. Then nothing else may run in the process.
///
/// # Errors
/// None for what the scenarios here say: a camera cannot be made.
pub fn run(
    scenario: &Scenario,
    media: &Media,
    seed: u64,
    meter: Option<Meter>,
) -> Result<Tally, Error> {
    let mut run = Run::new(scenario, media, seed, meter)?;
    run.go();
    Ok(run.finish(scenario.resend.is_some()))
}

struct Run<'a> {
    media: &'a Media,
    now: Instant,
    end: Instant,
    client: Client,
    camera: Simulator,
    client_due: Instant,
    camera_due: Instant,
    up: Path,
    down: Path,
    /// By number of the camera's datagrams: their bytes, and the slice in them.
    datagrams: Vec<Datagram>,
    video: Account,
    sound: Account,
    tally: Tally,
    ended: bool,
    meter: Option<Meter>,
    /// Bytes that the client has allocated, less those that it has freed.
    live: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Datagram {
    bytes: usize,
    slice: Option<SliceSent>,
    arrived: bool,
}

/// What is known of one stream's frames.
#[derive(Debug, Default)]
struct Account {
    /// From number 1 on.
    frames: Vec<Sent>,
    simple: Simple,
    stream: Stream,
}

/// A frame that was sent.
#[derive(Debug, Clone)]
struct Sent {
    /// Which of its slices came.
    came: Vec<bool>,
    /// When the last of its slices that were sent is there on an undisturbed path.
    due: Instant,
    delivered: bool,
}

impl<'a> Run<'a> {
    fn new(
        scenario: &Scenario,
        media: &'a Media,
        seed: u64,
        meter: Option<Meter>,
    ) -> Result<Self, Error> {
        #[expect(
            clippy::disallowed_methods,
            reason = "simulated time must begin somewhere"
        )]
        let start = Instant::now();
        let epoch = Epoch {
            instant: start,
            unix: Duration::from_secs(1_760_000_000),
        };
        let stream = |number: u64| seed * 16 + number;
        let rng = |number| Box::new(StdRng::seed_from_u64(stream(number)));
        let credentials = Credentials::new(UID, ENR, MAC)?;

        let mut client = ClientConfig::new(CAMERA, credentials.clone());
        client.dialects = vec![scenario.dialect];
        client.provider = Some(provider::seeded(stream(0)));
        client.resend = match scenario.resend {
            Some(_) => ResendPolicy::On,
            None => ResendPolicy::Off,
        };
        let mut camera = SimulatorConfig::new(credentials, media.clip().clone());
        camera.dialects = vec![scenario.dialect];
        camera.provider = Some(provider::seeded(stream(1)));
        camera.resend = scenario.resend;
        camera.sound = Some(media.sound().clone());
        camera.frames = u64::try_from(media.clip().frames().len()).ok();
        camera.trace_slices = true;

        let seconds = media.clip().frames().len() as u64 / u64::from(media.clip().fps());
        // Outages are both ways, and elsewhere among the frames with each seed.
        let phase = Duration::from_micros(rng(6).random_range(0..1_000_000));
        let before = meter.map(|meter| meter());
        let client = Client::new(client, rng(2), epoch);
        let live = before.map_or(0, |before| meter.map_or(0, |meter| meter() - before));
        Ok(Self {
            media,
            now: start,
            end: start + Duration::from_secs(seconds) + SPARE,
            client,
            camera: Simulator::new(camera, CAMERA, rng(3), epoch)?,
            client_due: start,
            camera_due: start,
            up: Path::new(scenario.up, start, phase, stream(4)),
            down: Path::new(scenario.down, start, phase, stream(5)),
            datagrams: Vec::new(),
            video: Account::default(),
            sound: Account::default(),
            tally: Tally::default(),
            ended: false,
            meter,
            live,
        })
    }

    fn go(&mut self) {
        self.drain_client();
        self.drain_camera();
        while !self.ended {
            let due = [
                Some(self.client_due),
                Some(self.camera_due),
                self.up.next(),
                self.down.next(),
            ];
            let Some(next) = due
                .into_iter()
                .flatten()
                .min()
                .filter(|next| *next <= self.end)
            else {
                self.tally.failed += 1;
                return;
            };
            self.now = next.max(self.now);
            self.step();
        }
    }

    fn step(&mut self) {
        let now = self.now;
        if self.client_due <= now {
            self.metered(|run| run.client.handle_timeout(now));
            self.drain_client();
        }
        if self.camera_due <= now {
            self.camera.handle_timeout(now);
            self.drain_camera();
        }
        while let Some(mut packet) = self.up.receive(now) {
            self.camera.handle_datagram(now, CLIENT, &mut packet.bytes);
            self.drain_camera();
        }
        while let Some(mut packet) = self.down.receive(now) {
            self.arrived(packet.number);
            self.metered(|run| run.client.handle_datagram(now, CAMERA, &mut packet.bytes));
            let held = self.client.stats().held as u64;
            self.tally.held = self.tally.held.max(held);
            self.drain_client();
        }
    }

    fn drain_client(&mut self) {
        loop {
            let event = match self.client.poll_output() {
                Output::Transmit(datagram) => {
                    self.up.send(self.now, datagram.payload);
                    continue;
                }
                Output::Timeout(due) => {
                    self.client_due = due;
                    return;
                }
                Output::Event(event) => event,
            };
            match &event {
                Event::Frame(frame) => self.delivered(frame),
                Event::Ended(_) => self.ended = true,
                _ => {}
            }
            // What is handed out was the client's: a frame's bytes were allocated slice by slice.
            self.metered(|_| drop(event));
        }
    }

    fn drain_camera(&mut self) {
        self.camera_due = loop {
            match self.camera.poll_output() {
                Output::Transmit(datagram) => {
                    let bytes = datagram.payload.len();
                    self.down.send(self.now, datagram.payload);
                    self.datagrams.push(Datagram {
                        bytes,
                        ..Datagram::default()
                    });
                }
                Output::Event(SimulatorEvent::SliceSent(slice)) => self.sent(slice),
                Output::Event(_) => {}
                Output::Timeout(due) => break due,
            }
        };
    }

    /// The camera has sent a media packet.
    fn sent(&mut self, slice: SliceSent) {
        let number = usize::try_from(slice.datagram).unwrap_or(usize::MAX);
        let Some(datagram) = self.datagrams.get_mut(number) else {
            return;
        };
        let bytes = datagram.bytes;
        match slice.origin {
            SliceOrigin::First => self.tally.first += bytes as u64,
            SliceOrigin::Resent => self.tally.again += bytes as u64,
            SliceOrigin::Parity => {
                self.tally.parity += bytes as u64;
                // It takes its time on an undisturbed path, too.
                self.down.undisturbed(self.now, bytes);
                return;
            }
        }
        datagram.slice = Some(slice);
        if slice.origin == SliceOrigin::First {
            let due = self.down.undisturbed(self.now, bytes);
            let frames = &mut self.account(slice.kind).frames;
            match frames.get_mut(index(slice.frame)) {
                Some(frame) => frame.due = due,
                None => frames.push(Sent {
                    came: vec![false; slice.slices.into()],
                    due,
                    delivered: false,
                }),
            }
        }
    }

    /// A datagram of the camera's reaches the client.
    fn arrived(&mut self, number: u64) {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(datagram) = self.datagrams.get_mut(number) else {
            return;
        };
        // What comes twice DTLS drops, in any client.
        let again = std::mem::replace(&mut datagram.arrived, true);
        let (Some(slice), false) = (datagram.slice, again) else {
            return;
        };
        let account = self.account(slice.kind);
        if slice.origin == SliceOrigin::First {
            account.simple.push(slice.frame, slice.index, slice.slices);
        }
        let frame = account.frames.get_mut(index(slice.frame));
        if let Some(came) = frame.and_then(|frame| frame.came.get_mut(usize::from(slice.index))) {
            *came = true;
        }
    }

    /// The client hands out a frame.
    fn delivered(&mut self, frame: &Frame) {
        let right = self.media.has(frame);
        let now = self.now;
        let account = self.account(frame.kind);
        match account.frames.get_mut(index(frame.number)) {
            Some(sent) if right && !sent.delivered => {
                sent.delivered = true;
                account
                    .stream
                    .deliver(now.saturating_duration_since(sent.due));
            }
            _ => account.stream.wrong += 1,
        }
    }

    fn account(&mut self, kind: MediaKind) -> &mut Account {
        match kind.is_video() {
            true => &mut self.video,
            false => &mut self.sound,
        }
    }

    /// Does something to the client, and counts what that allocates.
    fn metered(&mut self, act: impl FnOnce(&mut Self)) {
        let before = self.meter.map(|meter| meter());
        act(self);
        self.note_live(before);
    }

    /// Counts what was allocated since.
    fn note_live(&mut self, before: Option<u64>) {
        if let (Some(before), Some(meter)) = (before, self.meter) {
            self.live = (self.live + meter()).saturating_sub(before);
            self.tally.live = self.tally.live.max(self.live);
        }
    }

    fn finish(self, resend: bool) -> Tally {
        let stats = self.client.stats();
        Tally {
            runs: 1,
            video: self.video.finish(resend),
            sound: self.sound.finish(resend),
            asked: stats.tracker.requested,
            ..self.tally
        }
    }
}

impl Account {
    fn finish(mut self, resend: bool) -> Stream {
        self.stream.sent = self.frames.len() as u64;
        self.stream.simple = self.simple.delivered();
        if !resend {
            let differs = |frame: &&Sent| frame.delivered != frame.came.iter().all(|came| *came);
            self.stream.not_as_arrived = self.frames.iter().filter(differs).count() as u64;
        }
        self.stream
    }
}

/// Where the frame of that number is: they count from 1.
fn index(number: u32) -> usize {
    usize::try_from(number).map_or(usize::MAX, |number| number.wrapping_sub(1))
}
