//! Complete sessions over lossy networks.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use str0m_netem::{NetemConfig, Probability, RandomLoss};
use testkit::session::cameras::TestCamera;
use testkit::session::{Simulation, clip, clip_audio};
use tutk_session::video_reassembly::StreamKind;
use tutk_session::{Dialect, Frame, Phase};
use tutk_simulator::FrameNumbering;

const FRAMES: usize = 40;

/// 5 % loss, 5 % duplicates, every tenth datagram out of order, latency 2 ± 1 ms.
fn lossy(config: NetemConfig) -> NetemConfig {
    config
        .latency(Duration::from_millis(2))
        .jitter(Duration::from_millis(1))
        .loss(RandomLoss::new(Probability::new(0.05)))
        .duplicate(Probability::new(0.05))
        .reorder_gap(10)
}

fn run(camera: &TestCamera, seed: u64) -> Simulation {
    let what = format!("{camera}, network {seed}");
    let clip = clip(seed, FRAMES / 2, 10);
    let audio_clip = clip_audio(seed, 17);
    let (client, mut config) = camera.pair(clip.clone());
    config.frames = Some(FRAMES as u64);
    config.audio = Some(audio_clip.clone());
    let is_shared = camera.personality.frame_numbers != FrameNumbering::PerStream;
    let with_resend = camera.uses_resend_mode(&client);
    let mut simulation = Simulation::new(client, config, seed, lossy);
    simulation.run(Duration::from_secs(60));

    let record = &simulation.record;
    assert_eq!(record.phases, Phase::ALL, "{what}: {:?}", record.ended);
    assert!(record.ended.is_some(), "{what}: never ended");
    for (stream, frames, complete, sent) in [
        (
            StreamKind::Video,
            record.video(),
            simulation.complete_video(),
            &record.slices,
        ),
        (
            StreamKind::Audio,
            record.audio(),
            simulation.complete_audio(),
            &record.audio_slices,
        ),
    ] {
        // Video and audio may share frame numbers.
        let sent: Vec<u32> = sent.keys().copied().collect();
        let other = match stream {
            StreamKind::Video => record.audio(),
            StreamKind::Audio => record.video(),
        };
        let other = is_shared.then_some(&other[..]);
        check_order(&simulation, stream, (&frames, other), &sent, &what);
        let delivered: BTreeSet<u32> = frames.iter().map(|frame| frame.number).collect();
        match with_resend {
            // Parity restores further frames.
            true => assert!(delivered.is_superset(&complete), "{what} {stream:?}"),
            false => assert_eq!(delivered, complete, "{what} {stream:?}"),
        }
        for frame in frames {
            let at = sent.binary_search(&frame.number).unwrap();
            let data = match stream {
                StreamKind::Video => &clip.frames()[at % clip.frames().len()].data,
                StreamKind::Audio => &audio_clip.frames()[at % audio_clip.frames().len()],
            };
            assert_eq!(&frame.data, data, "{what}, {}", frame.number);
            let key = stream == StreamKind::Video && at.is_multiple_of(10);
            assert_eq!(frame.is_key(), key, "{what}");
        }
    }
    simulation
}

/// Checks that the delivered frames are in order, and that losses between them are reported. If
/// the other stream's frames share the numbers, the client cannot always tell of which stream a
/// lost frame is. It reports each one between frames of both streams.
fn check_order(
    simulation: &Simulation,
    stream: StreamKind,
    (frames, other): (&[&Frame], Option<&[&Frame]>),
    sent: &[u32],
    what: &str,
) {
    let numbers: Vec<u32> = frames.iter().map(|frame| frame.number).collect();
    assert!(
        numbers.is_sorted_by(|a, b| a < b),
        "{what} {stream:?}: frames out of order"
    );
    let ends = |frames: &[&Frame]| (frames[0].number, frames[frames.len() - 1].number);
    let (mut first, mut last) = ends(frames);
    if let Some((from, to)) = other.map(ends) {
        (first, last) = (first.max(from), last.min(to));
    }
    let lost = |number: &u32| {
        let reported = simulation.record.lost.iter();
        reported
            .filter(|lost| other.is_some() || lost.stream == stream)
            .any(|lost| (lost.first..=lost.last).contains(number))
    };
    let missing = sent
        .iter()
        .filter(|number| (first..=last).contains(*number))
        .find(|number| numbers.binary_search(number).is_err() && !lost(number));
    assert_eq!(missing, None, "{what} {stream:?}: unreported loss");
}

/// Each personality on several networks.
fn run_100_seeds(dialect: &'static Dialect) {
    let mut has_loss = false;
    let cameras: Vec<_> = TestCamera::of(dialect).collect();
    for (camera, seed) in cameras.iter().cycle().zip(0..100) {
        let simulation = run(camera, seed);
        has_loss |= simulation.record.video().len() < FRAMES;
    }
    assert!(has_loss, "the network lost nothing");
}

#[test]
fn transcode_delivers_all_complete_frames() {
    run_100_seeds(&Dialect::TRANSCODE);
}

#[test]
fn cc51_delivers_all_complete_frames() {
    run_100_seeds(&Dialect::CC51);
}

#[test]
fn summary_delivers_all_complete_frames() {
    run_100_seeds(&Dialect::SUMMARY);
}

#[test]
fn run_is_deterministic() {
    for camera in TestCamera::all() {
        let first = run(&camera, 7);
        let second = run(&camera, 7);
        let other = run(&camera, 8);
        assert_eq!(first.fingerprint(), second.fingerprint(), "{camera}");
        assert_ne!(first.fingerprint(), other.fingerprint(), "{camera}");
    }
}
