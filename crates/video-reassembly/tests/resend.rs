//! Camera and client of resend mode over a network that loses, delays and doubles packets both ways, all in
//! memory and in simulated time: a seed is a run.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::collections::BTreeMap;

use bytes::Bytes;
use common::{Collector, info};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tutk_frame::{
    AvKind, AvPacket, AvStamp, Codec, Heartbeat, LinkClock, MediaKind, MediaLayout, ResendRequest,
};
use video_reassembly::{
    Limits, ParityDecoder, ParityLimits, ResendConfig, ResendTracker, Slice, Slicer, SlicerConfig,
    Slices, StreamKind, TrackerConfig,
};

/// What a packet costs at the camera's Wi-Fi.
const PACKET_MICROS: u64 = 100;
/// One way.
const DELAY_MICROS: u64 = 5_000;
/// Up to so much more for each packet: up to ten places late.
const JITTER_MICROS: u64 = 1_000;
/// The round trip, with its variation.
const ROUND_TRIP: u64 = 2 * (DELAY_MICROS + JITTER_MICROS) + 1_000;
/// Pictures. There is as much sound.
const FRAMES: u64 = 100;

#[derive(Debug, Clone, Copy)]
struct Scenario {
    loss: f64,
    resend: Option<ResendConfig>,
    asks: bool,
}

struct Camera {
    slicer: Slicer,
    sending: Vec<Slices>,
    frames: Vec<(MediaKind, Bytes)>,
    packets: u64,
}

struct Client {
    groups: ParityDecoder,
    tracker: ResendTracker,
    out: Collector,
    requests: u16,
}

/// What happened in a run.
struct Run {
    camera: Camera,
    client: Client,
}

impl Camera {
    /// A picture, and sound in the middle of it.
    fn begin_frames(&mut self, number: u64, rng: &mut StdRng) {
        for kind in [MediaKind::Key, MediaKind::Audio] {
            let (kind, len) = match (kind, number % 20) {
                (MediaKind::Audio, _) => (kind, 300),
                (_, 0) => (kind, 60_000),
                _ => (MediaKind::Delta, rng.random_range(1_000..16_000)),
            };
            let mut data = vec![0; len];
            rng.fill(&mut data[..]);
            let data = Bytes::from(data);
            let info = info(number * 50_000, Codec::H264);
            self.frames.push((kind, data.clone()));
            self.sending
                .push(self.slicer.slice(kind, info, data).unwrap());
        }
    }

    /// The next packet that there is to send.
    fn write(&mut self) -> Option<Vec<u8>> {
        let mut packet = Vec::new();
        let clock = LinkClock::default();
        self.packets += 1;
        if self.slicer.write_repair(clock, &mut packet).is_some() {
            return Some(packet);
        }
        // The sound comes when a few slices of the picture are out.
        while !self.sending.is_empty() {
            let at = usize::from(self.packets % 8 == 7).min(self.sending.len() - 1);
            if self
                .slicer
                .write_next(&mut self.sending[at], clock, &mut packet)
            {
                return Some(packet);
            }
            self.sending.remove(at);
        }
        None
    }

    fn handle(&mut self, packet: &[u8]) {
        let request = ResendRequest::parse(packet).unwrap();
        self.slicer.handle_request(request.base, request.missing());
    }
}

impl Client {
    fn handle(&mut self, packet: &[u8], now: u64) {
        let packet = AvPacket::parse(packet, MediaLayout::Slice).unwrap();
        match packet.kind(MediaLayout::Slice) {
            AvKind::Grouped => {
                let pushed = self.groups.push(packet.group.unwrap(), packet.body);
                let slices = [pushed.unwrap(), self.groups.recovered()];
                for slice in slices.into_iter().flatten() {
                    take(&mut self.tracker, &mut self.out, slice, now);
                }
            }
            AvKind::Media(_) | AvKind::Resent(_) => {
                let slice = Slice::from(tutk_frame::Slice::parse(packet.body).unwrap());
                take(&mut self.tracker, &mut self.out, slice, now);
            }
            kind => unreachable!("{kind:?}"),
        }
    }

    /// A heartbeat that asks for what is missing.
    fn request(&mut self, now: u64) -> Option<Vec<u8>> {
        let newest = self.tracker.newest().unwrap_or(0xffff);
        let request = self.tracker.request(now, ROUND_TRIP)?;
        self.requests += 1;
        let heartbeat = Heartbeat {
            stamp: AvStamp::default(),
            reported: newest,
            newest,
            count: self.requests,
            count_again: self.requests,
            clock: 0,
        };
        let mut packet = Vec::new();
        ResendRequest::write(&heartbeat, request.base, request.missing, &mut packet);
        Some(packet)
    }
}

fn take(tracker: &mut ResendTracker, out: &mut Collector, slice: Slice<'_>, now: u64) {
    let counter = slice.counter.unwrap();
    let index = u16::try_from(slice.index).unwrap();
    tracker.expect_first(counter.wrapping_sub(index));
    tracker.received(counter, now);
    let left = u16::try_from(slice.count - slice.index - 1).unwrap();
    tracker.expect_through(counter.wrapping_add(left), now);
    out.push(slice);
}

/// Sends a hundred pictures and their sound.
fn run(scenario: Scenario, seed: u64) -> Run {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut camera = Camera {
        slicer: Slicer::new(SlicerConfig {
            resend: scenario.resend,
            ..SlicerConfig::new(MediaLayout::Slice)
        })
        .unwrap(),
        sending: Vec::new(),
        frames: Vec::new(),
        packets: 0,
    };
    let mut client = Client {
        groups: ParityDecoder::new(ParityLimits::default()),
        tracker: ResendTracker::new(TrackerConfig {
            reorder_slices: 12,
            reorder_micros: 2_000,
            max_requests: 8,
            min_interval_micros: 1_000,
            ..TrackerConfig::default()
        }),
        out: Collector::new(Limits {
            frames: 32,
            reorder_window: 16,
            ..Limits::default()
        }),
        requests: 0,
    };

    // What is under way, by when it arrives; whether it goes to the client.
    let mut network: BTreeMap<(u64, u64), (bool, Vec<u8>)> = BTreeMap::new();
    let mut order = 0;
    let mut begun = 0;
    // Half a second longer than there are frames.
    for now in (0..FRAMES * 50_000 + 500_000).step_by(PACKET_MICROS.try_into().unwrap()) {
        if begun < FRAMES && now >= begun * 50_000 {
            camera.begin_frames(begun, &mut rng);
            begun += 1;
        }
        while let Some(entry) = network.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                (true, packet) => client.handle(&packet, now),
                (false, packet) => camera.handle(&packet),
            }
        }
        let to_client = camera.write().map(|packet| (true, packet));
        let asks = scenario.asks
            && client
                .tracker
                .deadline(ROUND_TRIP)
                .is_some_and(|at| at <= now);
        let request = if asks { client.request(now) } else { None };
        let to_camera = request.map(|packet| (false, packet));
        for sent in [to_client, to_camera].into_iter().flatten() {
            // The last sound is the end of all: nothing after it could show that it is missing.
            let is_end = begun == FRAMES && camera.sending.iter().all(|s| s.remaining() == 0);
            let copies = match (is_end, rng.random_bool(scenario.loss)) {
                (false, true) => 0,
                _ => 1 + usize::from(rng.random_bool(0.02)),
            };
            for _ in 0..copies {
                let at = now + DELAY_MICROS + rng.random_range(0..JITTER_MICROS);
                order += 1;
                network.insert((at, order), sent.clone());
            }
        }
    }
    client.out.flush();
    Run { camera, client }
}

/// How many of the frames that were sent were handed out; those that were are what was sent, in order.
fn delivered(run: &Run) -> usize {
    for stream in [StreamKind::Video, StreamKind::Audio] {
        let sent: Vec<_> = run
            .camera
            .frames
            .iter()
            .filter(|(kind, _)| StreamKind::of(*kind) == stream)
            .collect();
        let got = run.client.out.frames.iter();
        let mut last = 0;
        for frame in got.filter(|frame| frame.stream() == stream) {
            assert!(frame.number > last);
            last = frame.number;
            let (kind, data) = sent[last as usize - 1];
            assert_eq!((frame.kind, &frame.data), (*kind, data), "frame {last}");
        }
    }
    run.client.out.frames.len()
}

/// Pictures and sound.
const ALL: usize = 200;

fn scenario(loss: f64, parity: bool, asks: bool) -> Scenario {
    let resend = ResendConfig {
        parity,
        ..ResendConfig::default()
    };
    Scenario {
        loss,
        resend: Some(resend),
        asks,
    }
}

#[test]
fn without_loss_nothing_is_asked_for() {
    let run = run(scenario(0.0, true, true), 1);
    assert_eq!(delivered(&run), ALL);
    assert_eq!(run.client.requests, 0);
    assert_eq!(run.camera.slicer.stats().resent, 0);
}

#[test]
fn every_frame_that_could_be_had_is_had() {
    for seed in 0..5 {
        for parity in [false, true] {
            let run = run(scenario(0.1, parity, true), seed);
            assert_eq!(delivered(&run), ALL, "seed {seed}, parity {parity}");
            assert_eq!(run.client.out.lost, []);
            let (camera, tracker) = (run.camera.slicer.stats(), run.client.tracker.stats());
            assert!(camera.resent > 0 && tracker.filled > 0);
            assert_eq!(camera.unavailable, 0, "the window is long enough");
            assert_eq!((tracker.abandoned, tracker.jumps), (0, 0));
            assert_eq!(run.client.groups.stats().recovered > 0, parity);
            assert_eq!(run.client.groups.stats().rejected, 0);
            let frames = run.client.out.reassembler.stats();
            assert_eq!(frames.recovered_dropped, 0);
            assert_eq!(frames.size_mismatches, 0);
        }
    }
}

#[test]
fn each_of_the_two_helps_and_both_help_more() {
    let [neither, parity, asking] = [(false, false), (true, false), (false, true)]
        .map(|(parity, asks)| delivered(&run(scenario(0.02, parity, asks), 7)));
    assert!(neither < parity, "{neither} by nothing, {parity} by parity");
    assert!(parity < ALL, "parity alone is not enough");
    assert_eq!(asking, ALL);
    // And parity saves asking.
    let [without, with] =
        [false, true].map(|parity| run(scenario(0.02, parity, true), 7).client.tracker.stats());
    assert!(with.requested < without.requested, "{with:?}, {without:?}");
}

#[test]
fn a_camera_without_resend_mode_loses_frames_and_no_more_than_that() {
    let plain = Scenario {
        loss: 0.01,
        resend: None,
        asks: true,
    };
    let run = run(plain, 3);
    let frames = delivered(&run);
    assert!(frames < ALL && frames > ALL / 2, "{frames} of {ALL}");
    let stats = run.client.tracker.stats();
    let open = stats.missing - stats.abandoned - stats.filled;
    assert!(
        stats.abandoned > 5 && open < 5,
        "all asked for in vain, but for the last: {stats:?}"
    );
    assert!(run.camera.slicer.stats().unavailable > 0);
}
