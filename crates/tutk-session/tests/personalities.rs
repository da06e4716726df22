//! Sessions with all personalities of the simulated camera, in simulated time.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use bytes::Bytes;
use str0m_netem::{NetemConfig, Probability};
use testkit::session::cameras::TestCamera;
use testkit::session::{Simulation, clip, clip_audio};
use tutk_session::{Dialect, Error, Frame, Phase};
use tutk_simulator::PERSONALITIES;

const SECOND: Duration = Duration::from_secs(1);

/// Video frames of a session.
const FRAMES: usize = 40;

/// The number of seeds of the personality `random`.
const COMBINATIONS: u64 = 20;

/// The number of networks for each personality and dialect.
const NETWORKS: u64 = 5;

/// 5 % duplicates, every tenth datagram out of order, latency 2 ± 1 ms. It loses nothing.
fn disorder(config: NetemConfig) -> NetemConfig {
    config
        .latency(Duration::from_millis(2))
        .jitter(Duration::from_millis(1))
        .duplicate(Probability::new(0.05))
        .reorder_gap(10)
}

fn simulation(camera: &TestCamera, seed: u64) -> Simulation {
    let (client, mut camera) = camera.pair(clip(seed, FRAMES / 2, 10));
    camera.frames = Some(FRAMES as u64);
    camera.audio = Some(clip_audio(seed, 17));
    Simulation::new(client, camera, seed, disorder)
}

fn data(frames: &[&Frame]) -> Vec<Bytes> {
    frames.iter().map(|frame| frame.data.clone()).collect()
}

/// Runs a whole session and checks that all frames are delivered, in order and byte for byte.
fn deliver_all(camera: &TestCamera, seed: u64) {
    let what = format!("{camera}, network {seed}: {:?}", camera.personality);
    let mut simulation = simulation(camera, seed);
    simulation.run(60 * SECOND);
    let record = &simulation.record;
    assert_eq!(record.phases, Phase::ALL, "{what}: {:?}", record.ended);
    assert!(record.lost.is_empty(), "{what}: {:?}", record.lost);

    let clip = clip(seed, FRAMES / 2, 10);
    let video = clip.frames().iter().map(|frame| frame.data.clone());
    let video: Vec<_> = video.cycle().take(FRAMES).collect();
    assert!(data(&record.video()) == video, "{what}: video differs");
    let sent = record.audio_slices.len();
    assert!(sent > 50, "{what}: {sent} audio frames");
    let audio = clip_audio(seed, 17);
    let audio: Vec<_> = audio.frames().iter().cloned().cycle().take(sent).collect();
    assert!(data(&record.audio()) == audio, "{what}: audio differs");
}

fn deliver_all_with(name: &str) {
    let seeds = if name == "random" {
        COMBINATIONS
    } else {
        NETWORKS
    };
    for dialect in &Dialect::ALL {
        for seed in 0..seeds {
            deliver_all(&TestCamera::new(dialect, name, seed), seed);
        }
    }
}

/// A test for each personality, so that they run in parallel and a failure names its personality.
macro_rules! deliver_all_frames {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                deliver_all_with($name);
            }
        )*

        /// Every personality has a test. The camera of `deaf` sends no frames.
        #[test]
        fn all_personalities_are_tested() {
            let names = PERSONALITIES.iter().map(|named| named.name);
            let names: Vec<_> = names.filter(|&name| name != "deaf").collect();
            assert_eq!(names, [$($name),*]);
        }
    };
}

deliver_all_frames! {
    strict_delivers_all_frames: "strict",
    go2rtc_view_delivers_all_frames: "go2rtc-view",
    channel_answers_delivers_all_frames: "channel-answers",
    message_ids_delivers_all_frames: "message-ids",
    shared_numbers_delivers_all_frames: "shared-numbers",
    shared_linked_delivers_all_frames: "shared-linked",
    foreign_tags_delivers_all_frames: "foreign-tags",
    foreign_sizes_delivers_all_frames: "foreign-sizes",
    oversized_delivers_all_frames: "oversized",
    constant_seconds_delivers_all_frames: "constant-seconds",
    wrong_clock_delivers_all_frames: "wrong-clock",
    moving_port_delivers_all_frames: "moving-port",
    slow_slot_delivers_all_frames: "slow-slot",
    early_dropped_delivers_all_frames: "early-dropped",
    early_refused_delivers_all_frames: "early-refused",
    ems_silent_delivers_all_frames: "ems-silent",
    suite_silent_delivers_all_frames: "suite-silent",
    hl_bc_delivers_all_frames: "hl-bc",
    db3_delivers_all_frames: "db3",
    base_station_delivers_all_frames: "base-station",
    random_delivers_all_frames: "random",
}

#[test]
fn camera_that_answers_nothing_is_silent_in_discovery() {
    for dialect in &Dialect::ALL {
        let mut simulation = simulation(&TestCamera::new(dialect, "deaf", 0), 1);
        simulation.tap = Some(Vec::new());
        simulation.run(60 * SECOND);
        let error = simulation.record.error();
        assert!(
            matches!(
                error,
                Error::Silent {
                    phase: Phase::Discovery,
                    ..
                }
            ),
            "{dialect}: {error:?}"
        );
        let tap = simulation.tap.unwrap();
        assert!(tap.iter().all(|datagram| datagram.to_camera), "{dialect}");
    }
}
