//! How soon a camera that stopped sending counts as gone, and which camera does not.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use testkit::session::datagram::keepalive;
use testkit::session::frame_info;
use testkit::session::script::CameraScript;
use tutk_session::tutk_frame::{Direction, LinkClock};
use tutk_session::video_reassembly::{Slicer, SlicerConfig};
use tutk_session::{Dialect, Error, Failure, MediaKind, Phase};

const MS: fn(u64) -> Duration = Duration::from_millis;
const S: fn(u64) -> Duration = Duration::from_secs;

/// A scripted camera that sends frames of three slices.
struct Streaming {
    script: CameraScript,
    slicer: Slicer,
}

impl Streaming {
    fn new(dialect: &'static Dialect) -> Self {
        let mut script = CameraScript::new(dialect);
        script.authenticate();
        let mut config = SlicerConfig::new(dialect.media);
        config.slice_bytes = 100;
        Self {
            script,
            slicer: Slicer::new(config).unwrap(),
        }
    }

    /// Sends a key frame without its last `missing` slices.
    fn send_frame(&mut self, missing: usize) {
        let info = frame_info();
        let mut frame = (self.slicer)
            .slice(MediaKind::Key, info, vec![7; 250].into())
            .unwrap();
        let mut packets = Vec::new();
        let mut packet = Vec::new();
        while (self.slicer).write_next(&mut frame, LinkClock::default(), &mut packet) {
            packets.push(std::mem::take(&mut packet));
        }
        for packet in &packets[..packets.len() - missing] {
            self.script.send_packet(|out| out.extend_from_slice(packet));
        }
    }

    /// Sends a frame, and again after each of these pauses, in milliseconds.
    fn send_frames(&mut self, pauses: impl IntoIterator<Item = u64>) {
        self.send_frame(0);
        for pause in pauses {
            self.script.advance(MS(pause));
            self.send_frame(0);
        }
    }

    /// Returns how long the session lasts without a packet, and its error.
    fn silence(&mut self) -> (Duration, Error) {
        let before = self.script.elapsed();
        while !self.script.has_ended() {
            self.script.advance(MS(100));
        }
        (self.script.elapsed() - before, self.script.error().clone())
    }
}

#[test]
fn silence_ends_the_session_after_three_of_the_longest_pauses() {
    let every = |pause: u64, count: usize| vec![pause; count];
    let with_pauses = |pauses: [u64; 3]| [every(50, 200), pauses.to_vec(), every(50, 20)].concat();
    for dialect in &Dialect::ALL {
        for (pauses, expected) in [
            // 20 frames per second, then too little of it.
            (every(50, 200), 2500),
            (every(50, 20), 10_000),
            // Battery cameras with 1 frame per second, and one with a frame every 4 s.
            (every(1000, 20), 3000),
            (every(4000, 10), 10_000),
            // The switch to night vision, with and without a previous one.
            (with_pauses([1500, 50, 50]), 4500),
            (with_pauses([2400, 50, 2400]), 7200),
        ] {
            let mut camera = Streaming::new(dialect);
            camera.send_frames(pauses);
            assert!(!camera.script.has_ended(), "{dialect} {expected}");
            let (took, error) = camera.silence();
            let waited = MS(expected);
            assert_eq!(error, Error::Stalled { waited }, "{dialect}");
            assert!(took >= waited && took < waited + MS(150), "{took:?}");
        }
    }
}

#[test]
fn packets_without_whole_frames_use_the_longer_limit() {
    for dialect in &Dialect::ALL {
        let mut camera = Streaming::new(dialect);
        camera.send_frames([50; 200]);
        let before = camera.script.elapsed();
        while !camera.script.has_ended() {
            camera.script.advance(MS(50));
            camera.send_frame(1);
        }
        let waited = S(10);
        assert_eq!(*camera.script.error(), Error::Stalled { waited });
        assert!(camera.script.elapsed() - before <= MS(10_100));
    }
}

#[test]
fn flood_without_a_whole_frame_is_named() {
    for dialect in &Dialect::ALL {
        let mut camera = Streaming::new(dialect);
        while !camera.script.has_ended() {
            camera.send_frame(1);
            camera.script.advance(MS(20));
        }
        let error = camera.script.error();
        let Error::NoFrame { waited, packets } = error else {
            panic!("{error}");
        };
        assert_eq!(*waited, S(10));
        assert!((900..=1100).contains(packets), "{packets}");
        assert_eq!(error.failure(), Failure::Interrupted);
        assert_eq!(error.phase(), Phase::Stream);
    }
}

/// An attacker who knows only the session's id can send keepalives.
#[test]
fn unauthenticated_keepalives_do_not_keep_a_session() {
    for dialect in [&Dialect::TRANSCODE, &Dialect::CC51] {
        let mut script = CameraScript::with_config(dialect, |config| config.media.video = false);
        script.authenticate();
        let before = script.elapsed();
        let mut counter = 1;
        while !script.has_ended() && script.elapsed() - before < S(60) {
            let keepalive = keepalive(dialect, Direction::FromCamera, script.session, counter);
            script.send_datagram(|out| out.extend_from_slice(&keepalive));
            script.advance(S(1));
            counter += 2;
        }
        assert!(script.has_ended(), "{dialect}");
        assert!(script.elapsed() - before <= S(31), "{dialect}");
        assert!(script.peer.stats().keepalives >= 29, "{dialect}");
    }
}

/// A driver that did not run for seconds has not read its socket either.
#[test]
fn late_driver_is_no_silent_camera() {
    let mut camera = Streaming::new(&Dialect::TRANSCODE);
    camera.send_frames([50; 200]);
    camera.script.now += S(4);
    camera.script.with(|client, now| client.handle_timeout(now));
    assert!(!camera.script.has_ended());
    camera.send_frame(0);
    camera.script.advance(S(1));
    assert!(!camera.script.has_ended());
    // Without packets, the session ends.
    camera.script.now += S(4);
    camera.script.with(|client, now| client.handle_timeout(now));
    assert!(!camera.script.has_ended());
    camera.script.advance(MS(2600));
    assert!(camera.script.has_ended());
}
