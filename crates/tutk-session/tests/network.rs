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
use testkit::session::{Simulation, clip, clip_audio};
use tutk_session::video_reassembly::StreamKind;
use tutk_session::{Dialect, Frame, Phase};

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

fn run(dialect: &'static Dialect, seed: u64) -> Simulation {
    let clip = clip(seed, FRAMES / 2, 10);
    let audio_clip = clip_audio(seed, 17);
    let (client, mut camera) = Simulation::pair(dialect, clip.clone(), seed);
    camera.frames = Some(FRAMES as u64);
    camera.audio = Some(audio_clip.clone());
    // Some real cameras send a HelloVerifyRequest, others do not.
    camera.personality.cookie_exchange = seed.is_multiple_of(2);
    let mut simulation = Simulation::new(client, camera, seed, lossy);
    simulation.run(Duration::from_secs(60));

    let record = &simulation.record;
    assert_eq!(
        record.phases,
        Phase::ALL,
        "{dialect} {seed}: {:?}",
        record.ended
    );
    assert!(record.ended.is_some(), "{dialect} {seed}: never ended");
    for (stream, frames, complete) in [
        (
            StreamKind::Video,
            record.video(),
            simulation.complete_video(),
        ),
        (
            StreamKind::Audio,
            record.audio(),
            simulation.complete_audio(),
        ),
    ] {
        check_order(&simulation, stream, &frames, &complete, seed);
        for frame in frames {
            let at = frame.number as usize - 1;
            let data = match stream {
                StreamKind::Video => &clip.frames()[at % clip.frames().len()].data,
                StreamKind::Audio => &audio_clip.frames()[at % audio_clip.frames().len()],
            };
            assert_eq!(&frame.data, data, "{dialect} {seed} {}", frame.number);
            let key = stream == StreamKind::Video && at.is_multiple_of(10);
            assert_eq!(frame.is_key(), key, "{dialect} {seed}");
        }
    }
    simulation
}

/// Checks that exactly the complete frames are delivered, in order, and that losses are reported.
fn check_order(
    simulation: &Simulation,
    stream: StreamKind,
    frames: &[&Frame],
    complete: &BTreeSet<u32>,
    seed: u64,
) {
    let delivered: BTreeSet<u32> = frames.iter().map(|frame| frame.number).collect();
    assert_eq!(delivered.len(), frames.len(), "{seed}: duplicate frame");
    assert_eq!(&delivered, complete, "{seed} {stream:?}");
    assert!(
        frames.is_sorted_by_key(|frame| frame.number),
        "{seed} {stream:?}: frames out of order"
    );
    let (first, last) = (frames[0].number, frames[frames.len() - 1].number);
    let lost = |number: &u32| {
        let reported = simulation.record.lost.iter();
        reported
            .filter(|lost| lost.stream == stream)
            .any(|lost| (lost.first..=lost.last).contains(number))
    };
    let missing = (first..=last).find(|number| !delivered.contains(number) && !lost(number));
    assert_eq!(missing, None, "{seed} {stream:?}: unreported loss");
}

fn run_100_seeds(dialect: &'static Dialect) {
    let mut has_loss = false;
    for seed in 0..100 {
        let simulation = run(dialect, seed);
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
    for dialect in Dialect::ALL {
        let first = run(dialect, 7);
        let second = run(dialect, 7);
        let other = run(dialect, 8);
        assert_eq!(first.fingerprint(), second.fingerprint(), "{dialect}");
        assert_ne!(first.fingerprint(), other.fingerprint(), "{dialect}");
    }
}
