//! How long a whole frame waits for an older one: as long as what is missing may come, and no
//! longer.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use testkit::session::scripted::Scripted;
use tutk_session::tutk_frame::{FrameNumbers, LinkClock, MediaLayout, Probe, ResendRequest};
use tutk_session::video_reassembly::{ResendConfig, Slicer, SlicerConfig};
use tutk_session::{Codec, Dialect, Event, FrameInfo, MediaKind, ResendPolicy};

const MS: fn(u64) -> Duration = Duration::from_millis;

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(100);

/// A camera that was let in, and cuts frames.
struct Streaming {
    script: Scripted,
    slicer: Slicer,
}

impl Streaming {
    fn new(resend: bool, patience: Duration) -> Self {
        let mut script = Scripted::with(&Dialect::TRANSCODE, |config| {
            config.patience = patience;
            config.resend = match resend {
                true => ResendPolicy::On,
                false => ResendPolicy::Off,
            };
        });
        script.let_in();
        script.take_packets();
        let mut config = SlicerConfig::new(MediaLayout::Slice);
        config.slice_bytes = 100;
        config.resend = resend.then(|| ResendConfig {
            parity: false,
            ..ResendConfig::default()
        });
        let slicer = Slicer::new(config).unwrap();
        Self { script, slicer }
    }

    /// The packets of a frame of so many slices.
    fn cut(&mut self, kind: MediaKind, slices: usize) -> Vec<Vec<u8>> {
        let info = FrameInfo {
            codec: Codec::H264,
            flags: 0,
            camera: 0,
            viewers: 1,
            fps: 20,
            resolution: 0,
            bitrate: 120,
            micros: 0,
            seconds: 0,
            numbers: Some(FrameNumbers {
                bytes: 0,
                frame: 0,
                device: None,
            }),
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
            self.script.packet(|out| out.extend_from_slice(packet));
        }
    }

    /// Frames of video and of sound that came out, by number.
    fn frames(&self, video: bool) -> Vec<u32> {
        let frames = self.script.events.iter().filter_map(|event| match event {
            Event::Frame(frame) if frame.kind.is_video() == video => Some(frame.number),
            _ => None,
        });
        frames.collect()
    }

    /// What the client asks for, since it was asked last.
    fn requests(&mut self) -> Vec<u16> {
        let packets = self.script.take_packets();
        let requests = packets
            .iter()
            .filter_map(|packet| ResendRequest::parse(packet).ok());
        requests
            .flat_map(|request| request.missing().collect::<Vec<_>>())
            .collect()
    }
}

/// Each slice takes a DTLS record, and one that is 64 behind the newest is dropped: it makes no
/// sense to wait for it.
#[test]
fn plain_media_waits_no_longer_than_dtls_lets_a_packet_be_late() {
    for comes_at_last in [false, true] {
        let mut camera = Streaming::new(false, LONG);
        let mut first = camera.cut(MediaKind::Key, 3);
        let late = first.pop().unwrap();
        camera.send(&first);
        let second = camera.cut(MediaKind::Delta, 1);
        let sound = camera.cut(MediaKind::Audio, 1);
        let third = camera.cut(MediaKind::Delta, 100);
        camera.send(&second);
        camera.send(&sound);
        // Two after it have come. With the 63rd it may still come, if it is next.
        camera.send(&third[..61]);
        assert_eq!(camera.frames(true), [0; 0]);
        assert_eq!(camera.frames(false), [1], "sound does not wait for video");
        if comes_at_last {
            camera.send(&[late]);
            assert_eq!(camera.frames(true), [1, 2]);
        } else {
            camera.send(&third[61..62]);
            assert_eq!(camera.frames(true), [2]);
            camera.send(&[late]);
            assert_eq!(camera.script.client.stats().media.late, 1);
            assert_eq!(camera.frames(true), [2]);
        }
    }
}

/// However many newer frames are whole: what was asked for comes.
#[test]
fn in_resend_mode_frames_wait_for_what_was_asked_for() {
    let mut camera = Streaming::new(true, MS(300));
    let mut first = camera.cut(MediaKind::Key, 10);
    first.remove(4);
    camera.send(&first);
    for _ in 0..8 {
        let frame = camera.cut(MediaKind::Delta, 2);
        camera.send(&frame);
        camera.script.advance(MS(20));
    }
    let asked = camera.requests();
    assert!(
        !asked.is_empty() && asked.iter().all(|counter| *counter == 4),
        "{asked:?}"
    );
    assert_eq!(camera.frames(true), [0; 0]);
    assert_eq!(camera.script.client.stats().tracker.abandoned, 0);
    assert!(camera.script.client.stats().held > 1_000);

    let mut again = Vec::new();
    camera.slicer.handle_request(4, [4]);
    camera
        .slicer
        .write_repair(LinkClock::default(), &mut again)
        .unwrap();
    camera.send(&[again]);
    assert!(camera.frames(true).into_iter().eq(1..=9));
}

/// A slice that never comes is given up after so many requests, and the frames behind it go at
/// once.
#[test]
fn in_resend_mode_frames_wait_no_longer_than_is_asked() {
    let mut camera = Streaming::new(true, LONG);
    let clock = LinkClock {
        round_trip: 10,
        ..LinkClock::default()
    };
    for _ in 0..10 {
        let stamp = camera.script.stamp();
        camera
            .script
            .packet(|out| Probe { stamp, clock }.write(out));
    }
    let mut first = camera.cut(MediaKind::Key, 10);
    first.remove(4);
    camera.send(&first);
    let mut asked = 0;
    while camera.script.client.stats().tracker.abandoned == 0 {
        assert_eq!(camera.frames(true), [0; 0]);
        // Small frames, so that there is never more than a moment without any.
        let frame = camera.cut(MediaKind::Delta, 1);
        camera.send(&frame);
        asked += camera.requests().len();
        assert!(camera.script.elapsed() < MS(5_000));
        for _ in 0..10 {
            let sound = camera.cut(MediaKind::Audio, 1);
            camera.send(&sound);
            camera.script.advance(MS(5));
        }
    }
    assert!(asked >= 4, "{asked}");
    let frames = camera.frames(true);
    assert!(frames[0] == 2 && frames.len() > 4, "{frames:?}");
    assert!(camera.frames(false).len() > 50);
}

/// The end of a frame, after which nothing comes.
#[test]
fn in_resend_mode_the_end_of_a_frame_is_asked_for() {
    let mut camera = Streaming::new(true, MS(300));
    let first = camera.cut(MediaKind::Key, 5);
    camera.send(&first[..3]);
    camera.script.advance(MS(15));
    assert_eq!(camera.requests(), [0; 0]);
    camera.script.advance(MS(10));
    assert_eq!(camera.requests(), [3, 4]);
    camera.send(&first[3..]);
    assert_eq!(camera.frames(true), [1]);
}
