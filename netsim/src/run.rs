//! One run: a client, a simulated camera, the network between them, and a record of each frame.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tutk_session::{
    Client, ClientConfig, Credentials, Epoch, Event, Frame, MediaKind, Output, ResendPolicy,
};
use tutk_simulator::{Simulator, SimulatorConfig, SimulatorEvent, SliceOrigin, SliceSent};

use crate::Error;
use crate::baseline::Baseline;
use crate::media::Media;
use crate::path::Path;
use crate::results::{Results, StreamResults};
use crate::scenario::Scenario;

pub(crate) const CAMERA: SocketAddr = SocketAddr::new(
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

/// How long a run may continue after its media, until the camera ends it or the client times out.
const SPARE: Duration = Duration::from_secs(30);

/// Returns the bytes that the process has allocated.
pub type HeapMeter = fn() -> u64;

/// Runs a scenario in which the camera sends `media` once. A seed determines the run.
///
/// With a meter, the client's heap is measured. Then nothing else may run in the process.
///
/// # Errors
/// If the simulated camera cannot be created. Does not occur with the scenarios of this crate.
pub fn run(
    scenario: &Scenario,
    media: &Media,
    seed: u64,
    meter: Option<HeapMeter>,
) -> Result<Results, Error> {
    let mut run = Run::new(scenario, media, seed, meter, |_, _| {})?;
    run.run_until(|_| false);
    Ok(run.finish(scenario.resend.is_some()))
}

/// Returns the time from the start of a session until the camera has authenticated the client.
///
/// # Errors
/// If the session fails, or the simulated camera cannot be created.
pub(crate) fn connect_time(
    scenario: &Scenario,
    media: &Media,
    seed: u64,
) -> Result<Duration, Error> {
    let run = Run::new(scenario, media, seed, None, |_, _| {})?;
    let time = run.time_until(|run| run.authenticated);
    time.map_err(|error| format!("seed {seed}: {error}").into())
}

/// Returns the time from the start of a session until the first video frame. `change` changes the
/// configurations.
///
/// # Errors
/// As of [`connect_time`].
pub(crate) fn first_frame_time(
    scenario: &Scenario,
    media: &Media,
    change: impl FnOnce(&mut ClientConfig, &mut SimulatorConfig),
) -> Result<Duration, Error> {
    let run = Run::new(scenario, media, 0, None, change)?;
    run.time_until(|run| run.has_video)
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
    /// The camera's datagrams by number.
    datagrams: Vec<Datagram>,
    video: StreamRecord,
    audio: StreamRecord,
    results: Results,
    authenticated: bool,
    /// The client has delivered a video frame.
    has_video: bool,
    ended: bool,
    error: Option<tutk_session::Error>,
    meter: Option<HeapMeter>,
    /// The bytes on the client's heap.
    heap: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Datagram {
    bytes: usize,
    slice: Option<SliceSent>,
    arrived: bool,
}

/// The frames of a stream.
#[derive(Debug, Default)]
struct StreamRecord {
    /// From number 1.
    frames: Vec<Sent>,
    baseline: Baseline,
    results: StreamResults,
}

/// A frame that was sent.
#[derive(Debug, Clone)]
struct Sent {
    /// One entry for each slice.
    received: Vec<bool>,
    /// When its last slice arrives on an ideal path.
    due: Instant,
    delivered: bool,
}

impl<'a> Run<'a> {
    fn new(
        scenario: &Scenario,
        media: &'a Media,
        seed: u64,
        meter: Option<HeapMeter>,
        change: impl FnOnce(&mut ClientConfig, &mut SimulatorConfig),
    ) -> Result<Self, Error> {
        #[expect(
            clippy::disallowed_methods,
            reason = "simulated time must start somewhere"
        )]
        let start = Instant::now();
        let epoch = Epoch {
            instant: start.into(),
            unix: Duration::from_secs(1_760_000_000),
        };
        let stream = |number: u64| seed * 16 + number;
        let seed = |number| testkit::session::seed(stream(number));
        let credentials = Credentials::new(UID, ENR, MAC)?;

        let mut client = ClientConfig::new(CAMERA, credentials.clone());
        client.dialects = vec![Arc::new(scenario.dialect.clone())];
        client.resend = match scenario.resend {
            Some(_) => ResendPolicy::On,
            None => ResendPolicy::Off,
        };
        let mut camera = SimulatorConfig::new(credentials, media.clip().clone());
        camera.dialects = vec![Arc::new(scenario.dialect.clone())];
        camera.personality.resend = scenario.resend;
        camera.audio = Some(media.audio().clone());
        camera.frames = u64::try_from(media.clip().frames().len()).ok();
        camera.trace_slices = true;
        change(&mut client, &mut camera);

        let seconds = media.clip().frames().len() as u64 / u64::from(media.clip().fps());
        // Outages are in both directions, with another phase for each seed.
        let phase =
            Duration::from_micros(StdRng::seed_from_u64(stream(6)).random_range(0..1_000_000));
        let before = meter.map(|meter| meter());
        let client = Client::new(client, seed(2), epoch);
        let heap = before.map_or(0, |before| meter.map_or(0, |meter| meter() - before));
        Ok(Self {
            media,
            now: start,
            end: start + Duration::from_secs(seconds) + SPARE,
            client,
            camera: Simulator::new(camera, CAMERA, seed(3), epoch)?,
            client_due: start,
            camera_due: start,
            up: Path::new(scenario.up, start, phase, stream(4)),
            down: Path::new(scenario.down, start, phase, stream(5)),
            datagrams: Vec::new(),
            video: StreamRecord::default(),
            audio: StreamRecord::default(),
            results: Results::default(),
            authenticated: false,
            has_video: false,
            ended: false,
            error: None,
            meter,
            heap,
        })
    }

    /// Runs until `is_over` returns `true`, and returns the time that it took.
    fn time_until(mut self, is_over: impl Fn(&Self) -> bool) -> Result<Duration, Error> {
        let start = self.now;
        self.run_until(&is_over);
        match self.error.take() {
            _ if is_over(&self) => Ok(self.now - start),
            Some(error) => Err(error.into()),
            None => Err("no result".into()),
        }
    }

    /// Runs until the session has ended, or `is_over` returns `true`.
    fn run_until(&mut self, is_over: impl Fn(&Self) -> bool) {
        self.drain_client();
        self.drain_camera();
        while !self.ended && !is_over(self) {
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
                self.results.failed += 1;
                return;
            };
            self.now = next.max(self.now);
            self.step();
        }
    }

    fn step(&mut self) {
        let now = self.now;
        if self.client_due <= now {
            self.metered(|run| run.client.handle_timeout(now.into()));
            self.drain_client();
        }
        if self.camera_due <= now {
            self.camera.handle_timeout(now.into());
            self.drain_camera();
        }
        while let Some(mut packet) = self.up.receive(now) {
            self.camera
                .handle_datagram(now.into(), CLIENT, &mut packet.bytes);
            self.drain_camera();
        }
        while let Some(mut packet) = self.down.receive(now) {
            self.arrived(packet.number);
            self.metered(|run| {
                run.client
                    .handle_datagram(now.into(), CAMERA, &mut packet.bytes)
            });
            let buffered = self.client.stats().memory_usage as u64;
            self.results.buffered = self.results.buffered.max(buffered);
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
                    self.client_due = due.into();
                    return;
                }
                Output::Event(event) => event,
            };
            match &event {
                Event::Frame(frame) => {
                    self.has_video |= frame.kind.is_video();
                    self.delivered(frame);
                }
                Event::Authenticated(_) => self.authenticated = true,
                Event::Ended(result) => {
                    self.ended = true;
                    self.error = result.as_ref().err().cloned();
                }
                _ => {}
            }
            // The client allocated the frame, so its deallocation counts too.
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
                Output::Timeout(due) => break due.into(),
            }
        };
    }

    /// Records a media packet that the camera sent.
    fn sent(&mut self, slice: SliceSent) {
        let number = usize::try_from(slice.datagram).unwrap_or(usize::MAX);
        let Some(datagram) = self.datagrams.get_mut(number) else {
            return;
        };
        let bytes = datagram.bytes;
        match slice.origin {
            SliceOrigin::First => self.results.media_bytes += bytes as u64,
            SliceOrigin::Resent => self.results.resent_bytes += bytes as u64,
            SliceOrigin::Parity => {
                self.results.parity_bytes += bytes as u64;
                // Parity occupies the ideal path too.
                self.down.ideal_arrival(self.now, bytes);
                return;
            }
        }
        datagram.slice = Some(slice);
        if slice.origin == SliceOrigin::First {
            let due = self.down.ideal_arrival(self.now, bytes);
            let frames = &mut self.record(slice.kind).frames;
            match frames.get_mut(index(slice.frame)) {
                Some(frame) => frame.due = due,
                None => frames.push(Sent {
                    received: vec![false; slice.slices.into()],
                    due,
                    delivered: false,
                }),
            }
        }
    }

    /// Records a datagram that the client receives.
    fn arrived(&mut self, number: u64) {
        let number = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(datagram) = self.datagrams.get_mut(number) else {
            return;
        };
        // DTLS drops duplicates in any client.
        let is_duplicate = std::mem::replace(&mut datagram.arrived, true);
        let (Some(slice), false) = (datagram.slice, is_duplicate) else {
            return;
        };
        let record = self.record(slice.kind);
        if slice.origin == SliceOrigin::First {
            record.baseline.push(slice.frame, slice.index, slice.slices);
        }
        let frame = record.frames.get_mut(index(slice.frame));
        let received = frame.and_then(|frame| frame.received.get_mut(usize::from(slice.index)));
        if let Some(received) = received {
            *received = true;
        }
    }

    /// Records a frame that the client delivers.
    fn delivered(&mut self, frame: &Frame) {
        let is_valid = self.media.contains(frame);
        let now = self.now;
        let record = self.record(frame.kind);
        match record.frames.get_mut(index(frame.number)) {
            Some(sent) if is_valid && !sent.delivered => {
                sent.delivered = true;
                let delay = now.saturating_duration_since(sent.due);
                record.results.deliver(delay);
            }
            _ => record.results.wrong += 1,
        }
    }

    fn record(&mut self, kind: MediaKind) -> &mut StreamRecord {
        match kind.is_video() {
            true => &mut self.video,
            false => &mut self.audio,
        }
    }

    /// Calls `act` and adds the bytes that it allocates to the client's heap.
    fn metered(&mut self, act: impl FnOnce(&mut Self)) {
        let before = self.meter.map(|meter| meter());
        act(self);
        if let (Some(before), Some(meter)) = (before, self.meter) {
            self.heap = (self.heap + meter()).saturating_sub(before);
            self.results.heap = self.results.heap.max(self.heap);
        }
    }

    fn finish(self, resend: bool) -> Results {
        let stats = self.client.stats();
        Results {
            runs: 1,
            video: self.video.finish(resend),
            audio: self.audio.finish(resend),
            requested: stats.tracker.requested,
            ..self.results
        }
    }
}

impl StreamRecord {
    fn finish(mut self, resend: bool) -> StreamResults {
        self.results.sent = self.frames.len() as u64;
        self.results.baseline = self.baseline.delivered();
        if !resend {
            let frames = self.frames.iter();
            let mismatched =
                frames.filter(|frame| frame.delivered != frame.received.iter().all(|slice| *slice));
            self.results.mismatched = mismatched.count() as u64;
        }
        self.results
    }
}

/// Returns the index of the frame with that number. Numbers start at 1.
fn index(number: u32) -> usize {
    usize::try_from(number).map_or(usize::MAX, |number| number.wrapping_sub(1))
}
