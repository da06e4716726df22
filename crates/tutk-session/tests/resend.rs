//! Resend mode: what is lost is asked for again, and sent again.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use str0m_netem::{NetemConfig, Probability, RandomLoss};
use testkit::session::scripted::Scripted;
use testkit::session::{Simulation, clip, sound};
use tutk_session::av_login::LoginPacket;
use tutk_session::tutk_frame::{AvStamp, LinkClock, Probe};
use tutk_session::video_reassembly::ResendConfig;
use tutk_session::{ClientConfig, Dialect, Error, Phase, ResendPolicy};
use tutk_simulator::SimulatorConfig;

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECOND: Duration = Duration::from_secs(1);
const WITH_RESEND: [&Dialect; 2] = [&Dialect::TRANSCODE, &Dialect::CC51];

fn pair(dialect: &'static Dialect, seed: u64) -> (ClientConfig, SimulatorConfig) {
    let (mut client, mut camera) = Simulation::pair(dialect, clip(seed, 20, 10), seed);
    client.resend = ResendPolicy::On;
    camera.audio = Some(sound(seed, 17));
    camera.frames = Some(200);
    (client, camera)
}

/// A round trip of 20 ms, each way as lossy as that.
fn lossy(loss: f32) -> impl Fn(NetemConfig) -> NetemConfig {
    move |net| {
        let loss = RandomLoss::new(Probability::new(loss));
        net.latency(MS(10)).jitter(MS(1)).loss(loss)
    }
}

/// Everything that was sent came, and nothing else.
fn check(simulation: &Simulation, pictures: usize, sounds: usize, seed: u64) {
    let clip = clip(seed, 20, 10);
    let sound = sound(seed, 17);
    let record = &simulation.record;
    assert_eq!(record.video().len(), pictures, "{seed}: {:?}", record.lost);
    assert_eq!(record.audio().len(), sounds, "{seed}: {:?}", record.lost);
    for frame in record.video() {
        let at = (frame.number as usize - 1) % 20;
        assert_eq!(frame.data, clip.frames()[at].data, "{seed}");
    }
    for frame in record.audio() {
        let at = (frame.number as usize - 1) % 17;
        assert_eq!(frame.data, sound.frames()[at], "{seed}");
    }
}

#[test]
fn what_is_lost_comes_all_the_same() {
    for dialect in WITH_RESEND {
        for seed in 0..10 {
            for parity in [true, false] {
                let (client, mut camera) = pair(dialect, seed);
                let group = ResendConfig {
                    parity,
                    ..ResendConfig::default()
                };
                camera.resend = Some(group);
                let mut simulation = Simulation::new(client, camera, seed, lossy(0.03));
                simulation.run(5 * SECOND);
                // 20 pictures and their sound a second, with all headers.
                let rate = simulation.client.stats().receive_rate;
                assert!((50_000..400_000).contains(&rate), "{rate}");
                simulation.run(25 * SECOND);
                // 200 pictures are 10 s. The last ones have nothing behind them that shows their
                // loss.
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
fn it_is_asked_for_by_policy() {
    for (policy, model, asks) in [
        (ResendPolicy::Auto, None, false),
        (ResendPolicy::Auto, Some("HL_CAM4"), false),
        (ResendPolicy::Auto, Some("HL_BC"), true),
        (ResendPolicy::On, None, true),
        (ResendPolicy::Off, Some("HL_BC"), false),
    ] {
        let mut script = Scripted::with(&Dialect::TRANSCODE, |config| {
            config.resend = policy;
            config.model = model.map(str::to_owned);
        });
        script.connect();
        let packets = script.take_packets();
        let login = LoginPacket::parse(&packets[0]).unwrap();
        assert_eq!(login.resend, asks, "{policy:?} {model:?}");
        assert_eq!(packets[0][538], u8::from(asks));
    }
}

/// The summary's slices have no counters: its flag is set as its table has it, and changes nothing.
#[test]
fn in_the_summary_nothing_can_be_asked_for() {
    let (client, camera) = pair(&Dialect::SUMMARY, 1);
    let mut simulation = Simulation::new(client, camera, 1, |net| net.latency(MS(2)));
    simulation.run(30 * SECOND);
    check(&simulation, 200, 500, 1);
    assert_eq!(simulation.record.sent[1..], [0, 0]);
}

#[test]
fn a_camera_that_sends_plain_media_all_the_same_is_taken_at_its_word() {
    let (client, mut camera) = pair(&Dialect::TRANSCODE, 2);
    camera.resend = None;
    let mut simulation = Simulation::new(client, camera, 2, |net| net.latency(MS(2)));
    simulation.run(30 * SECOND);
    check(&simulation, 200, 500, 2);
    let stats = simulation.client.stats();
    assert_eq!(
        (stats.restarts, stats.groups.slices, stats.tracker.requested),
        (0, 0, 0)
    );
}

/// A camera that was asked for resend mode, lets us in, and sends nothing: the session is begun
/// anew without it.
#[test]
fn a_camera_that_stalls_is_asked_for_plain_media() {
    let mut script = Scripted::with(&Dialect::TRANSCODE, |config| {
        config.resend = ResendPolicy::On;
    });
    script.let_in();
    script.take_packets();
    let session = script.session();
    script.advance(MS(2_900));
    assert_eq!(script.client.stats().restarts, 0);
    script.advance(MS(200));
    assert_eq!(script.client.stats().restarts, 1);
    // It asks for another session, and no longer for resend mode.
    script.datagrams.drain(..script.datagrams.len() - 2);
    let other = script.session();
    assert_ne!(other, session);
    script.answer_session();
    let packets = script.take_packets();
    let login = LoginPacket::parse(packets.last().unwrap()).unwrap();
    assert!(!login.resend);
    // Each phase is told once, and each deadline holds: without a frame it is over.
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

/// Media stops when probes are not answered, and goes on when they are: here their answers are
/// lost.
#[test]
fn the_camera_stops_without_answers_to_its_probes() {
    let (mut client, mut camera) = pair(&Dialect::TRANSCODE, 3);
    client.deadlines.stream = 60 * SECOND;
    camera.frames = None;
    camera.idle = 60 * SECOND;
    let mut simulation = Simulation::new(client, camera, 3, |net| net.latency(MS(2)));
    simulation.run(2 * SECOND);
    simulation.client_gone = true;
    simulation.run(20 * SECOND);
    let silent = simulation.record.frames.len();
    // 2 s, and 5 s more in which the camera waits for an answer, a second late at most.
    let pictures = simulation.record.video().len();
    assert!((20 * 6..=20 * 9).contains(&pictures), "{pictures}");
    simulation.client_gone = false;
    simulation.run(3 * SECOND);
    assert!(simulation.record.frames.len() > silent + 100);
}

/// Probes are answered whether they come alone or in media.
#[test]
fn the_round_trip_is_what_the_camera_says() {
    let mut script = Scripted::new(&Dialect::TRANSCODE);
    script.let_in();
    for round_trip in [0, 40, 40] {
        let clock = LinkClock {
            clock: 7,
            round_trip,
            word: 0,
        };
        let stamp = AvStamp::default();
        script.packet(|out| Probe { stamp, clock }.write(out));
    }
    assert_eq!(script.client.stats().round_trip, Some(MS(40)));
}
