//! Camera and client in resend mode over a simulated network that loses, delays and duplicates
//! packets in both directions. A seed determines a run.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::{Collector, info};
use crate::micros::Tracker;
use bytes::Bytes;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tutk_frame::{AvPacket, Codec, LinkClock, MediaKind, MediaLayout};
use video_reassembly::{
    Limits, ParityDecoder, ParityLimits, ResendConfig, Slice, Slicer, SlicerConfig, Slices,
    StreamKind, TrackerConfig,
};

/// The time in which the camera sends a packet.
const PACKET_MICROS: u64 = 100;
/// The delay in one direction.
const DELAY_MICROS: u64 = 5_000;
/// Additional delay of a packet, which reorders it by up to ten places.
const JITTER_MICROS: u64 = 1_000;
/// The round-trip time, with its variation.
const RTT: u64 = 2 * (DELAY_MICROS + JITTER_MICROS) + 1_000;
/// Frames of each stream, and of both.
const FRAMES: u64 = 100;
const ALL: usize = 200;

struct Camera {
    slicer: Slicer,
    sending: Vec<Slices>,
    frames: Vec<(MediaKind, Bytes)>,
    packets: u64,
}

struct Client {
    decoder: ParityDecoder,
    tracker: Tracker,
    out: Collector,
}

enum Packet {
    Media(Vec<u8>),
    Request(u16, Vec<u16>),
}

impl Camera {
    /// Starts to send a video frame and an audio frame.
    fn start_frames(&mut self, number: u64, rng: &mut StdRng) {
        let (video, len) = match number % 20 {
            0 => (MediaKind::Key, 60_000),
            _ => (MediaKind::Delta, rng.random_range(1_000..16_000)),
        };
        for (kind, len) in [(video, len), (MediaKind::Audio, 300)] {
            let mut data = vec![0; len];
            rng.fill(&mut data[..]);
            let data = Bytes::from(data);
            let info = info(number * 50_000, Codec::H264);
            self.frames.push((kind, data.clone()));
            let slices = self.slicer.slice(kind, info, data).unwrap();
            self.sending.push(slices);
        }
    }

    /// Writes the next packet. Audio interrupts video.
    fn write(&mut self) -> Option<Packet> {
        let mut packet = Vec::new();
        let clock = LinkClock::default();
        self.packets += 1;
        if self.slicer.write_repair(clock, &mut packet).is_some() {
            return Some(Packet::Media(packet));
        }
        while !self.sending.is_empty() {
            let at = usize::from(self.packets % 8 == 7).min(self.sending.len() - 1);
            let slices = &mut self.sending[at];
            if self.slicer.write_next(slices, clock, &mut packet) {
                return Some(Packet::Media(packet));
            }
            self.sending.remove(at);
        }
        None
    }
}

impl Client {
    fn handle(&mut self, packet: &[u8], now: u64) {
        let packet = AvPacket::parse(packet, MediaLayout::Slice).unwrap();
        match packet.group {
            Some(group) => {
                if let Some(slice) = self.decoder.push(group, packet.body).unwrap() {
                    track(&mut self.tracker, &slice, now);
                    self.out.push(slice);
                }
                while let Some(slice) = self.decoder.recovered() {
                    track(&mut self.tracker, &slice, now);
                    self.out.push(slice);
                }
            }
            None => {
                let slice = tutk_frame::Slice::parse_body(packet.body).unwrap().into();
                track(&mut self.tracker, &slice, now);
                self.out.push(slice);
            }
        }
    }

    fn request(&mut self, now: u64) -> Option<Packet> {
        self.tracker.deadline(RTT).filter(|at| *at <= now)?;
        let request = self.tracker.request(now, RTT)?;
        Some(Packet::Request(request.base, request.missing.to_vec()))
    }
}

fn track(tracker: &mut Tracker, slice: &Slice<'_>, now: u64) {
    let counter = slice.counter.unwrap();
    tracker.expect_first(counter.wrapping_sub(u16::try_from(slice.index).unwrap()));
    tracker.received(counter, now);
    let left = u16::try_from(slice.count - slice.index - 1).unwrap();
    tracker.expect_through(counter.wrapping_add(left), now);
}

/// Sends all frames. Returns the camera and the client at the end.
fn run(resend: Option<ResendConfig>, loss: f64, requests: bool, seed: u64) -> (Camera, Client) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut camera = Camera {
        slicer: Slicer::new(SlicerConfig {
            resend,
            ..SlicerConfig::new(MediaLayout::Slice)
        })
        .unwrap(),
        sending: Vec::new(),
        frames: Vec::new(),
        packets: 0,
    };
    let mut client = Client {
        decoder: ParityDecoder::new(ParityLimits::default()),
        tracker: Tracker::new(TrackerConfig {
            reorder_slices: 12,
            reorder_time: Duration::from_micros(2_000),
            max_requests: 8,
            min_interval: Duration::from_micros(1_000),
            ..TrackerConfig::default()
        }),
        out: Collector::new(Limits {
            frames: 32,
            reorder_window: 16,
            ..Limits::default()
        }),
    };
    let mut network: BTreeMap<(u64, u64), Packet> = BTreeMap::new();
    let mut order = 0;
    let mut started = 0;
    let end = FRAMES * 50_000 + 500_000;
    for now in (0..end).step_by(PACKET_MICROS.try_into().unwrap()) {
        if started < FRAMES && now >= started * 50_000 {
            camera.start_frames(started, &mut rng);
            started += 1;
        }
        while let Some(entry) = network.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Packet::Media(packet) => client.handle(&packet, now),
                Packet::Request(base, missing) => camera.slicer.handle_request(base, missing),
            }
        }
        let request = requests.then(|| client.request(now)).flatten();
        for packet in [camera.write(), request].into_iter().flatten() {
            // The last audio frame is not lost, as nothing after it could reveal that.
            let is_end = started == FRAMES && camera.sending.iter().all(|s| s.remaining() == 0);
            if rng.random_bool(loss) && !is_end {
                continue;
            }
            let mut arrival = || now + DELAY_MICROS + rng.random_range(0..JITTER_MICROS);
            let (first, second) = (arrival(), arrival());
            if rng.random_bool(0.02) {
                let copy = match &packet {
                    Packet::Media(packet) => Packet::Media(packet.clone()),
                    Packet::Request(base, missing) => Packet::Request(*base, missing.clone()),
                };
                network.insert((second, order), copy);
            }
            network.insert((first, order + 1), packet);
            order += 2;
        }
    }
    client.out.flush();
    (camera, client)
}

fn resend(parity: bool) -> Option<ResendConfig> {
    Some(ResendConfig {
        parity: parity.into(),
        ..ResendConfig::default()
    })
}

/// Checks that the delivered frames equal the sent ones, in order. Returns their number.
fn delivered(camera: &Camera, client: &Client) -> usize {
    for stream in [StreamKind::Video, StreamKind::Audio] {
        let sent = camera.frames.iter();
        let sent: Vec<_> = sent
            .filter(|(kind, _)| StreamKind::of(*kind) == stream)
            .collect();
        let mut last = 0;
        let frames = client.out.frames.iter();
        for frame in frames.filter(|frame| frame.stream() == stream) {
            assert!(frame.number > last);
            last = frame.number;
            let (kind, data) = sent[last as usize - 1];
            assert_eq!((frame.kind, &frame.data), (*kind, data), "frame {last}");
        }
    }
    client.out.frames.len()
}

#[test]
fn requests_nothing_without_loss() {
    let (camera, client) = run(resend(true), 0.0, true, 1);
    assert_eq!(delivered(&camera, &client), ALL);
    assert_eq!(client.tracker.stats().requested, 0);
    assert_eq!(camera.slicer.stats().resent, 0);
}

#[test]
fn delivers_all_frames_despite_10_percent_loss() {
    for (seed, parity) in (0..5).flat_map(|seed| [(seed, false), (seed, true)]) {
        let (camera, client) = run(resend(parity), 0.1, true, seed);
        assert_eq!(
            delivered(&camera, &client),
            ALL,
            "seed {seed}, parity {parity}"
        );
        assert_eq!(client.out.lost, []);
        let (slicer, tracker) = (camera.slicer.stats(), client.tracker.stats());
        assert!(slicer.resent > 0 && tracker.filled > 0);
        assert_eq!(slicer.unavailable, 0);
        assert_eq!((tracker.abandoned, tracker.jumps), (0, 0));
        let decoder = client.decoder.stats();
        assert_eq!((decoder.recovered > 0, decoder.rejected), (parity, 0));
        let frames = client.out.reassembler.stats();
        assert_eq!((frames.recovered_dropped, frames.size_mismatches), (0, 0));
    }
}

#[test]
fn parity_reduces_loss_and_requests() {
    let frames = |parity, requests| {
        let (camera, client) = run(resend(parity), 0.02, requests, 7);
        (
            delivered(&camera, &client),
            client.tracker.stats().requested,
        )
    };
    let (neither, _) = frames(false, false);
    let (only_parity, _) = frames(true, false);
    assert!(
        neither < only_parity && only_parity < ALL,
        "{neither}, {only_parity}"
    );
    let (without_parity, more) = frames(false, true);
    let (with_parity, fewer) = frames(true, true);
    assert_eq!((without_parity, with_parity), (ALL, ALL));
    assert!(fewer < more, "{fewer}, {more}");
}

#[test]
fn loses_only_frames_with_lost_slices_if_the_camera_ignores_requests() {
    let (camera, client) = run(None, 0.01, true, 3);
    let frames = delivered(&camera, &client);
    assert!(frames < ALL && frames > ALL / 2, "{frames} of {ALL}");
    let stats = client.tracker.stats();
    let open = stats.missing - stats.abandoned - stats.filled;
    assert!(stats.abandoned > 5 && open < 5, "{stats:?}");
    assert!(camera.slicer.stats().unavailable > 0);
}
