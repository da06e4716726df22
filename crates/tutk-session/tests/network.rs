//! Whole sessions over bad networks, in memory, with simulated time.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeSet;
use std::time::Duration;

use str0m_netem::{NetemConfig, Probability, RandomLoss};
use testkit::session::{Simulation, clip, sound};
use tutk_session::video_reassembly::StreamKind;
use tutk_session::{Dialect, Frame, Phase};

const FRAMES: usize = 40;

/// 5 % lost, 5 % twice, each tenth datagram overtakes another, 2 ± 1 ms under way.
fn bad(config: NetemConfig) -> NetemConfig {
    config
        .latency(Duration::from_millis(2))
        .jitter(Duration::from_millis(1))
        .loss(RandomLoss::new(Probability::new(0.05)))
        .duplicate(Probability::new(0.05))
        .reorder_gap(10)
}

fn run(dialect: &'static Dialect, seed: u64) -> Simulation {
    let clip = clip(seed, FRAMES / 2, 10);
    let sound = sound(seed, 17);
    let (client, mut camera) = Simulation::pair(dialect, clip.clone(), seed);
    camera.frames = Some(FRAMES as u64);
    camera.audio = Some(sound.clone());
    // Half of the seeds with a HelloVerifyRequest: real cameras do either.
    camera.cookie_exchange = seed.is_multiple_of(2);
    let mut simulation = Simulation::new(client, camera, seed, bad);
    simulation.run(Duration::from_secs(60));

    let record = &simulation.record;
    assert_eq!(
        record.phases,
        Phase::ALL,
        "{dialect} {seed}: {:?}",
        record.ended
    );
    assert!(record.ended.is_some(), "{dialect} {seed}: never ended");
    for (stream, frames, whole) in [
        (StreamKind::Video, record.video(), simulation.whole()),
        (StreamKind::Audio, record.audio(), simulation.whole_audio()),
    ] {
        check_order(&simulation, stream, &frames, &whole, seed);
        for frame in frames {
            // Frames are numbered from 1 on the wire.
            let at = frame.number as usize - 1;
            let data = match stream {
                StreamKind::Video => &clip.frames()[at % clip.frames().len()].data,
                StreamKind::Audio => &sound.frames()[at % sound.frames().len()],
            };
            assert_eq!(&frame.data, data, "{dialect} {seed} {}", frame.number);
            let key = stream == StreamKind::Video && at.is_multiple_of(10);
            assert_eq!(frame.is_key(), key, "{dialect} {seed}");
        }
    }
    simulation
}

/// That the frames of a stream are all that are whole, in order, and that what is missing is said.
fn check_order(
    simulation: &Simulation,
    stream: StreamKind,
    frames: &[&Frame],
    whole: &BTreeSet<u32>,
    seed: u64,
) {
    let delivered: BTreeSet<u32> = frames.iter().map(|frame| frame.number).collect();
    assert_eq!(delivered.len(), frames.len(), "{seed}: a frame came twice");
    assert_eq!(&delivered, whole, "{seed} {stream:?}");
    assert!(
        frames.is_sorted_by_key(|frame| frame.number),
        "{seed} {stream:?}: frames out of order"
    );
    // What was lost between the first and the last frame is said.
    let (first, last) = (frames[0].number, frames[frames.len() - 1].number);
    let lost = |number: &u32| {
        let said = simulation.record.lost.iter();
        said.filter(|lost| lost.stream == stream)
            .any(|lost| (lost.first..=lost.last).contains(number))
    };
    let missing = (first..=last).find(|number| !delivered.contains(number) && !lost(number));
    assert_eq!(
        missing, None,
        "{seed} {stream:?}: nobody said that it was lost"
    );
}

fn hundred_seeds(dialect: &'static Dialect) {
    let mut lost_somewhere = false;
    for seed in 0..100 {
        let simulation = run(dialect, seed);
        lost_somewhere |= simulation.record.video().len() < FRAMES;
    }
    assert!(lost_somewhere, "a network that loses nothing tests nothing");
}

#[test]
fn transcode_delivers_what_arrives() {
    hundred_seeds(&Dialect::TRANSCODE);
}

#[test]
fn cc51_delivers_what_arrives() {
    hundred_seeds(&Dialect::CC51);
}

#[test]
fn summary_delivers_what_arrives() {
    hundred_seeds(&Dialect::SUMMARY);
}

#[test]
fn the_same_seed_is_the_same_run() {
    for dialect in Dialect::ALL {
        let first = run(dialect, 7);
        let second = run(dialect, 7);
        let other = run(dialect, 8);
        assert_eq!(first.fingerprint(), second.fingerprint(), "{dialect}");
        assert_ne!(first.fingerprint(), other.fingerprint(), "{dialect}");
    }
}
