//! Resend mode: lost slices are requested and retransmitted.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use str0m_netem::{NetemConfig, Probability, RandomLoss};
use testkit::session::script::CameraScript;
use testkit::session::{Simulation, clip, clip_audio};
use tutk_session::av_login::LoginPacket;
use tutk_session::tutk_frame::{AvStamp, LinkClock, Probe};
use tutk_session::video_reassembly::ResendConfig;
use tutk_session::{ClientConfig, Dialect, Error, Phase, ResendPolicy};
use tutk_simulator::SimulatorConfig;

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECOND: Duration = Duration::from_secs(1);
const WITH_RESEND: [&Dialect; 2] = [&Dialect::TRANSCODE, &Dialect::CC51];

fn pair(dialect: &'static Dialect, seed: u64) -> (ClientConfig, SimulatorConfig) {
    let (mut client, mut camera) = Simulation::pair(dialect, clip(seed, 20, 10));
    client.resend = ResendPolicy::On;
    camera.audio = Some(clip_audio(seed, 17));
    camera.frames = Some(200);
    (client, camera)
}

/// A round trip of 20 ms, with this loss in each direction.
fn lossy(loss: f32) -> impl Fn(NetemConfig) -> NetemConfig {
    move |net| {
        let loss = RandomLoss::new(Probability::new(loss));
        net.latency(MS(10)).jitter(MS(1)).loss(loss)
    }
}

/// Checks number and contents of the delivered frames.
fn check(simulation: &Simulation, video: usize, audio: usize, seed: u64) {
    let clip = clip(seed, 20, 10);
    let audio_clip = clip_audio(seed, 17);
    let record = &simulation.record;
    assert_eq!(record.video().len(), video, "{seed}: {:?}", record.lost);
    assert_eq!(record.audio().len(), audio, "{seed}: {:?}", record.lost);
    for frame in record.video() {
        let at = (frame.number as usize - 1) % 20;
        assert_eq!(frame.data, clip.frames()[at].data, "{seed}");
    }
    for frame in record.audio() {
        let at = (frame.number as usize - 1) % 17;
        assert_eq!(frame.data, audio_clip.frames()[at], "{seed}");
    }
}

#[test]
fn lost_slices_are_recovered() {
    for dialect in WITH_RESEND {
        for seed in 0..10 {
            for parity in [true, false] {
                let (client, mut camera) = pair(dialect, seed);
                let group = ResendConfig {
                    parity: parity.into(),
                    ..ResendConfig::default()
                };
                camera.personality.resend = Some(group);
                let mut simulation = Simulation::new(client, camera, seed, lossy(0.03));
                simulation.run(5 * SECOND);
                // Video and audio with all headers.
                let rate = simulation.client.stats().receive_rate;
                assert!((50_000..400_000).contains(&rate), "{rate}");
                simulation.run(25 * SECOND);
                // 200 video frames are 10 s. The loss of the last frame may not be noticed.
                let [first, resent, with_parity] = simulation.record.sent;
                assert!(
                    first > 1_000 && (parity || resent > 10),
                    "{seed}: {first} {resent}"
                );
                assert_eq!(with_parity > 0, parity);
                let (video, audio) = (
                    simulation.record.video().len(),
                    simulation.record.audio().len(),
                );
                assert!(video >= 199 && audio >= 497, "{seed}: {video} {audio}");
                check(&simulation, video, audio, seed);

                let stats = simulation.client.stats();
                assert!(stats.groups.slices > 900 && stats.tracker.filled > 0);
                assert_eq!(stats.groups.recovered > 0, parity, "{seed}");
                assert_eq!(stats.media.recovered_dropped, 0);
                let round_trip = stats.round_trip.unwrap();
                assert!((MS(15)..MS(30)).contains(&round_trip), "{round_trip:?}");
            }
        }
    }
}

#[test]
fn policy_and_model_decide_whether_it_is_requested() {
    for (policy, model, requested) in [
        (ResendPolicy::Auto, None, false),
        (ResendPolicy::Auto, Some("HL_CAM4"), false),
        (ResendPolicy::Auto, Some("HL_BC"), true),
        (ResendPolicy::On, None, true),
        (ResendPolicy::Off, Some("HL_BC"), false),
    ] {
        let mut script = CameraScript::with_config(&Dialect::TRANSCODE, |config| {
            config.resend = policy;
            config.model = model.map(str::to_owned);
        });
        script.connect();
        let packets = script.take_packets();
        let login = LoginPacket::parse(&packets[0]).unwrap();
        assert_eq!(login.resend, requested, "{policy:?} {model:?}");
        assert_eq!(packets[0][538], u8::from(requested));
    }
}

/// In `summary`, the login always requests resend mode, but slices have no counters.
#[test]
fn summary_does_not_retransmit() {
    let (client, camera) = pair(&Dialect::SUMMARY, 1);
    let mut simulation = Simulation::new(client, camera, 1, |net| net.latency(MS(2)));
    simulation.run(30 * SECOND);
    check(&simulation, 200, 500, 1);
    assert_eq!(simulation.record.sent[1..], [0, 0]);
}

#[test]
fn plain_media_is_accepted_in_resend_mode() {
    let (client, mut camera) = pair(&Dialect::TRANSCODE, 2);
    camera.personality.resend = None;
    let mut simulation = Simulation::new(client, camera, 2, |net| net.latency(MS(2)));
    simulation.run(30 * SECOND);
    check(&simulation, 200, 500, 2);
    let stats = simulation.client.stats();
    assert_eq!(
        (stats.restarts, stats.groups.slices, stats.tracker.requested),
        (0, 0, 0)
    );
}

#[test]
fn session_restarts_without_resend_mode_if_there_is_no_media() {
    let mut script = CameraScript::with_config(&Dialect::TRANSCODE, |config| {
        config.resend = ResendPolicy::On;
    });
    script.authenticate();
    script.take_packets();
    let session = script.session;
    script.advance(MS(2_900));
    assert_eq!(script.peer.stats().restarts, 0);
    script.advance(MS(200));
    assert_eq!(script.peer.stats().restarts, 1);
    assert_ne!(script.session, session);
    script.answer_session();
    let packets = script.take_packets();
    let login = LoginPacket::parse(packets.last().unwrap()).unwrap();
    assert!(!login.resend);
    // Each phase is reported once, and the deadline of the last one applies.
    let phases = script.events.iter().filter_map(|event| match event {
        tutk_session::Event::Phase(report) => Some(report.phase),
        _ => None,
    });
    assert!(phases.eq(Phase::ALL.into_iter().take(5)));
    script.advance(10 * SECOND);
    let waited = 10 * SECOND;
    let phase = Phase::Stream;
    assert_eq!(*script.error(), Error::Silent { phase, waited });
}

#[test]
fn camera_pauses_media_while_probes_are_not_answered() {
    let (mut client, mut camera) = pair(&Dialect::TRANSCODE, 3);
    client.deadlines.stream = 60 * SECOND;
    camera.frames = None;
    camera.personality.idle = 60 * SECOND;
    let mut simulation = Simulation::new(client, camera, 3, |net| net.latency(MS(2)));
    simulation.run(2 * SECOND);
    simulation.uplink_down = true;
    simulation.run(20 * SECOND);
    let frames = simulation.record.frames.len();
    // 2 s, and 5 to 6 s until the camera notices.
    let video = simulation.record.video().len();
    assert!((20 * 6..=20 * 9).contains(&video), "{video}");
    simulation.uplink_down = false;
    simulation.run(3 * SECOND);
    assert!(simulation.record.frames.len() > frames + 100);
}

#[test]
fn camera_without_resend_mode_does_not_wait_for_probe_answers() {
    let (mut client, mut camera) = pair(&Dialect::TRANSCODE, 4);
    client.deadlines.stream = 60 * SECOND;
    camera.frames = None;
    camera.personality.idle = 60 * SECOND;
    camera.personality.resend = None;
    let mut simulation = Simulation::new(client, camera, 4, |net| net.latency(MS(2)));
    simulation.run(2 * SECOND);
    simulation.uplink_down = true;
    simulation.run(20 * SECOND);
    let video = simulation.record.video().len();
    assert!((20 * 21..=20 * 22).contains(&video), "{video}");
}

#[test]
fn round_trip_is_taken_from_probes() {
    let mut script = CameraScript::new(&Dialect::TRANSCODE);
    script.authenticate();
    for round_trip in [0, 40, 40] {
        let clock = LinkClock {
            clock: 7,
            round_trip,
            word: 0,
        };
        let stamp = AvStamp::default();
        script.send_packet(|out| Probe { stamp, clock }.write(out));
    }
    assert_eq!(script.peer.stats().round_trip, Some(MS(40)));
}
