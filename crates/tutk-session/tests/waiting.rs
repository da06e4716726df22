//! How long a complete frame waits for an older incomplete one.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use testkit::session::bytes::times;
use testkit::session::frame_info;
use testkit::session::script::CameraScript;
use tutk_session::tutk_frame::{
    AvKind, FrameNumbers, LinkClock, MediaAck, MediaAckLayout, MediaLayout, Probe, ProbeAnswer,
};
use tutk_session::video_reassembly::{ResendConfig, Slicer, SlicerConfig};
use tutk_session::{Dialect, Event, FrameInfo, MediaKind, ResendPolicy};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Longer than any test takes.
const NO_TIMEOUT: Duration = Duration::from_secs(100);

/// A scripted camera that sends slices.
struct Streaming {
    script: CameraScript,
    slicer: Slicer,
}

impl Streaming {
    fn new(resend: bool, reorder_timeout: Duration) -> Self {
        let mut script = CameraScript::with_config(&Dialect::TRANSCODE, |config| {
            config.reorder_timeout = reorder_timeout;
            config.resend = match resend {
                true => ResendPolicy::On,
                false => ResendPolicy::Off,
            };
        });
        script.authenticate();
        script.take_packets();
        let mut config = SlicerConfig::new(MediaLayout::Slice);
        config.slice_bytes = 100;
        config.resend = resend.then(|| ResendConfig {
            parity: 0,
            ..ResendConfig::default()
        });
        let slicer = Slicer::new(config).unwrap();
        Self { script, slicer }
    }

    /// Returns the packets of the next frame.
    fn slice(&mut self, kind: MediaKind, slices: usize) -> Vec<Vec<u8>> {
        let info = FrameInfo {
            numbers: Some(FrameNumbers {
                bytes: 0,
                frame: 0,
                device: None,
            }),
            ..frame_info()
        };
        let data = vec![7; (slices - 1) * 100 + 10];
        let mut frame = self.slicer.slice(kind, info, data.into()).unwrap();
        let mut packets = Vec::new();
        let mut packet = Vec::new();
        while self
            .slicer
            .write_next(&mut frame, LinkClock::default(), &mut packet)
        {
            packets.push(std::mem::take(&mut packet));
        }
        assert_eq!(packets.len(), slices);
        packets
    }

    fn send(&mut self, packets: &[Vec<u8>]) {
        for packet in packets {
            self.script.send_packet(|out| out.extend_from_slice(packet));
        }
    }

    /// The numbers of the delivered video or audio frames.
    fn frames(&self, video: bool) -> Vec<u32> {
        let frames = self.script.events.iter().filter_map(|event| match event {
            Event::Frame(frame) if frame.kind.is_video() == video => Some(frame.number),
            _ => None,
        });
        frames.collect()
    }

    /// The acknowledgements since the last call, with the missing slices.
    fn acks(&mut self) -> Vec<(MediaAck, Vec<u16>)> {
        let packets = self.script.take_packets();
        let acks = packets
            .iter()
            .filter_map(|packet| MediaAck::parse(packet, &MediaAckLayout::LIKELY).ok());
        acks.map(|(ack, missing)| (ack, missing.collect()))
            .collect()
    }

    /// The slices that the client requested since the last call.
    fn requests(&mut self) -> Vec<u16> {
        let acks = self.acks().into_iter();
        acks.flat_map(|(_, missing)| missing).collect()
    }
}

/// Each slice is a DTLS record, and a record 64 behind the newest is dropped.
#[test]
fn plain_media_waits_only_within_the_dtls_replay_window() {
    for arrives in [false, true] {
        let mut camera = Streaming::new(false, NO_TIMEOUT);
        let mut first = camera.slice(MediaKind::Key, 3);
        let late = first.pop().unwrap();
        camera.send(&first);
        let second = camera.slice(MediaKind::Delta, 1);
        let audio = camera.slice(MediaKind::Audio, 1);
        let third = camera.slice(MediaKind::Delta, 100);
        camera.send(&second);
        camera.send(&audio);
        // Two newer slices have arrived. The missing one can be at most 63 behind.
        camera.send(&third[..61]);
        assert_eq!(camera.frames(true), [0; 0]);
        assert_eq!(camera.frames(false), [1], "audio does not wait for video");
        if arrives {
            camera.send(&[late]);
            assert_eq!(camera.frames(true), [1, 2]);
        } else {
            camera.send(&third[61..62]);
            assert_eq!(camera.frames(true), [2]);
            camera.send(&[late]);
            assert_eq!(camera.script.peer.stats().media.late, 1);
            assert_eq!(camera.frames(true), [2]);
        }
    }
}

#[test]
fn resend_mode_waits_for_requested_slices() {
    let mut camera = Streaming::new(true, MS(300));
    let mut first = camera.slice(MediaKind::Key, 10);
    first.remove(4);
    camera.send(&first);
    for _ in 0..8 {
        let frame = camera.slice(MediaKind::Delta, 2);
        camera.send(&frame);
        camera.script.advance(MS(20));
    }
    let requested = camera.requests();
    assert!(
        !requested.is_empty() && requested.iter().all(|counter| *counter == 4),
        "{requested:?}"
    );
    assert_eq!(camera.frames(true), [0; 0]);
    assert_eq!(camera.script.peer.stats().tracker.abandoned, 0);
    assert!(camera.script.peer.stats().memory_usage > 1_000);

    let mut repair = Vec::new();
    camera.slicer.handle_request(4, [4]);
    camera
        .slicer
        .write_repair(LinkClock::default(), &mut repair)
        .unwrap();
    camera.send(&[repair]);
    assert!(camera.frames(true).into_iter().eq(1..=9));
}

/// After the last request, a missing slice is given up and the waiting frames are delivered.
#[test]
fn resend_mode_gives_up_after_the_last_request() {
    let mut camera = Streaming::new(true, NO_TIMEOUT);
    let clock = LinkClock {
        round_trip: 10,
        ..LinkClock::default()
    };
    for _ in 0..10 {
        let stamp = camera.script.stamp();
        camera
            .script
            .send_packet(|out| Probe { stamp, clock }.write(out));
    }
    let mut first = camera.slice(MediaKind::Key, 10);
    first.remove(4);
    camera.send(&first);
    let mut requested = 0;
    while camera.script.peer.stats().tracker.abandoned == 0 {
        assert_eq!(camera.frames(true), [0; 0]);
        // Frames at short intervals, so that the client does not assume an outage.
        let frame = camera.slice(MediaKind::Delta, 1);
        camera.send(&frame);
        requested += camera.requests().len();
        assert!(camera.script.elapsed() < MS(5_000));
        for _ in 0..10 {
            let audio = camera.slice(MediaKind::Audio, 1);
            camera.send(&audio);
            camera.script.advance(MS(5));
        }
    }
    assert!(requested >= 4, "{requested}");
    let frames = camera.frames(true);
    assert!(frames[0] == 2 && frames.len() > 4, "{frames:?}");
    assert!(camera.frames(false).len() > 50);
}

#[test]
fn resend_mode_requests_the_end_of_the_last_frame() {
    let mut camera = Streaming::new(true, MS(300));
    let first = camera.slice(MediaKind::Key, 5);
    camera.send(&first[..3]);
    camera.script.advance(MS(15));
    assert_eq!(camera.requests(), [0; 0]);
    camera.script.advance(MS(10));
    assert_eq!(camera.requests(), [3, 4]);
    camera.send(&first[3..]);
    assert_eq!(camera.frames(true), [1]);
}

#[test]
fn resend_mode_acknowledges_every_20_ms_while_packets_arrive() {
    let mut camera = Streaming::new(true, MS(300));
    let start = camera.script.elapsed().as_millis();
    for _ in 0..40 {
        let frame = camera.slice(MediaKind::Delta, 2);
        camera.send(&frame);
        camera.script.advance(MS(5));
    }
    let acks: Vec<u128> = (1..=10).map(|n| start + 20 * n).collect();
    assert_eq!(times(&camera.script, AvKind::Heartbeat), acks);
    let acks = camera.acks();
    for (two, number) in acks.windows(2).zip(1..) {
        let [(before, _), (ack, missing)] = two else {
            unreachable!()
        };
        assert_eq!((ack.base, ack.highest), (8 * number + 8, 8 * number + 7));
        assert_eq!((ack.commands, missing.len()), (3, 0));
        assert_eq!(ack.heartbeats, before.heartbeats + 1);
    }
    // Without packets, there are heartbeats only.
    let end = camera.script.elapsed().as_millis();
    camera.script.advance(MS(300));
    let beats: Vec<u128> = (1..=3).map(|n| end + 100 * n).collect();
    assert_eq!(times(&camera.script, AvKind::Heartbeat), beats);
    let acks = camera.acks();
    assert!(
        acks.iter()
            .all(|(ack, _)| (ack.base, ack.highest) == (80, 79))
    );
}

#[test]
fn resend_mode_acknowledges_parity_without_a_slice() {
    let mut camera = Streaming::new(true, MS(300));
    let parity = [
        &[0x0c, 0, 0x0b, 0, 1, 0, 0, 0][..],
        &[0, 0, 20, 20, 1, 0, 0, 0],
        &[0x0c, 0, 0, 0, 0, 0, 0, 0, 1, 0],
        &[0; 10 + 1],
    ];
    camera.send(&[parity.concat()]);
    camera.script.advance(MS(200));
    // There is no counter yet.
    let acks = camera.acks();
    assert_eq!(acks.len(), 2);
    let counters = acks.iter().map(|(ack, _)| (ack.base, ack.highest));
    assert!(counters.eq([(0xffff, 0xffff); 2]));
}

/// A camera measures the round trip with the link clocks of media packets.
#[test]
fn link_clocks_of_media_are_answered() {
    let mut camera = Streaming::new(true, MS(300));
    let first = camera.slice(MediaKind::Key, 3);
    camera.send(&first[1..]);
    let answers = |camera: &mut Streaming| {
        let packets = camera.script.take_packets().into_iter();
        let answers = packets.filter_map(|packet| ProbeAnswer::parse(&packet).ok());
        answers.map(|answer| answer.clock).collect::<Vec<_>>()
    };
    assert_eq!(answers(&mut camera), [0; 0]);
    let mut packet = camera.slice(MediaKind::Key, 3).swap_remove(0);
    for clock in [0x1234_u16, 0x1250] {
        assert_eq!(packet[1], 0x08);
        packet[8..10].copy_from_slice(&clock.to_le_bytes());
        camera.send(&[packet.clone()]);
        assert_eq!(answers(&mut camera), [clock]);
    }
}
