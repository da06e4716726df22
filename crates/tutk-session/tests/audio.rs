//! Audio from the camera.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use testkit::session::cameras::TestCamera;
use testkit::session::{Simulation, UNIX, clip, clip_audio, clip_audio_with};
use tutk_session::hl_ioctl::commands::{Media, MediaControl, SetClock, Switch, UnixSeconds};
use tutk_session::{AudioFlags, ClientConfig, Codec, Dialect, Event, MediaRequest};
use tutk_simulator::{
    Clip, ClipAudioFormat, FrameNumbering, Personality, SimulatorConfig, TimestampRule,
};

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECOND: Duration = Duration::from_secs(1);

/// 20 video frames per second with a key frame every ten frames, and audio.
fn pair_of(camera: &TestCamera) -> (ClientConfig, SimulatorConfig) {
    let (client, mut config) = camera.pair(clip(3, 20, 10));
    config.audio = Some(clip_audio(3, 17));
    (client, config)
}

/// As [`pair_of`], with the camera that docs/protocol.md prefers.
fn pair(dialect: &'static Dialect) -> (ClientConfig, SimulatorConfig, Clip) {
    let clip = clip(3, 20, 10);
    let (client, mut camera) = Simulation::pair(dialect, clip.clone());
    camera.audio = Some(clip_audio(3, 17));
    (client, camera, clip)
}

fn simulation(client: ClientConfig, camera: SimulatorConfig) -> Simulation {
    Simulation::new(client, camera, 3, |net| net.latency(MS(2)))
}

/// Checks that both streams have timestamps at regular steps from zero.
fn check_timestamps(simulation: &Simulation) {
    for (frames, step) in [
        (simulation.record.video(), MS(50)),
        (simulation.record.audio(), MS(20)),
    ] {
        assert!(frames.len() > 20);
        for (frame, number) in frames.into_iter().zip(0..) {
            assert_eq!(frame.timestamp, step * number, "{:?}", frame.kind);
        }
    }
}

#[test]
fn every_camera_delivers_all_audio_in_sync_with_video() {
    for camera in TestCamera::all() {
        let (client, mut config) = pair_of(&camera);
        config.frames = Some(200);
        let frames = config.audio.clone().unwrap();
        let mut simulation = simulation(client, config);
        simulation.run(30 * SECOND);

        let audio = simulation.record.audio();
        // Audio ends with the video: 200 video frames are 10 s.
        assert_eq!(audio.len(), 500, "{camera}");
        assert_eq!(simulation.record.video().len(), 200, "{camera}");
        for (frame, number) in audio.into_iter().zip(0..) {
            if camera.personality.frame_numbers == FrameNumbering::PerStream {
                assert_eq!(frame.number as usize, number + 1, "{camera}");
            }
            assert_eq!(
                frame.data,
                frames.frames()[number % 17],
                "{camera} {number}"
            );
            assert_eq!(frame.codec, Some(Codec::Pcmu));
            let format = frame.audio.unwrap();
            assert_eq!((format.rate_hz(), format.channels()), (Some(8_000), 1));
        }
        check_timestamps(&simulation);
        assert!(simulation.record.lost.is_empty(), "{camera}");
    }
}

#[test]
fn every_codec_sample_rate_and_channel_count_is_delivered() {
    let codecs = [
        Codec::AacRaw,
        Codec::AacAdts,
        Codec::AacLatm,
        Codec::Pcmu,
        Codec::Pcma,
        Codec::Adpcm,
        Codec::Pcm,
        Codec::Speex,
        Codec::Mp3,
        Codec::G726,
        Codec::AacWyze,
        Codec::Opus,
    ];
    let rates = [
        8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000,
    ];
    for dialect in &Dialect::ALL {
        for (number, codec) in codecs.into_iter().enumerate() {
            let rate = rates[number % rates.len()];
            let channels = 1 + u8::from(number % 2 == 0);
            let flags = AudioFlags::new(rate, 16, channels).unwrap();
            let (client, mut camera, _) = pair(dialect);
            camera.audio = Some(clip_audio_with(
                1,
                3,
                ClipAudioFormat { codec, flags },
                1_024,
            ));
            let mut simulation = simulation(client, camera);
            simulation.run_until(5 * SECOND, |record| record.audio().len() >= 12);

            let audio = simulation.record.audio();
            assert!(audio.len() >= 12, "{dialect} {codec:?}");
            let micros = |number: u64| number * 1_024 * 1_000_000 / u64::from(rate);
            // Timestamps in `summary` are milliseconds.
            let precision = if dialect == &Dialect::SUMMARY {
                1_000
            } else {
                1
            };
            let first = audio[0].timestamp;
            for (frame, number) in audio.into_iter().zip(0..) {
                assert_eq!(frame.codec, Some(codec), "{dialect}");
                assert_eq!(frame.audio, Some(flags), "{dialect} {codec:?}");
                let at = (frame.timestamp - first).as_micros().try_into().unwrap();
                assert!(
                    micros(number).abs_diff(at) <= precision,
                    "{codec:?} {number}"
                );
            }
        }
    }
}

/// Some firmware does not advance the seconds. Here the microseconds wrap ten times.
#[test]
fn timestamps_continue_over_constant_seconds() {
    let (client, mut camera, _) = pair(&Dialect::TRANSCODE);
    camera.personality.timestamps = TimestampRule::ConstantSeconds;
    let mut simulation = simulation(client, camera);
    simulation.run(10 * SECOND);
    check_timestamps(&simulation);
    let seconds = |frame: &tutk_session::Frame| frame.info.unwrap().seconds;
    let first = seconds(simulation.record.video()[0]);
    assert!(
        simulation
            .record
            .frames
            .iter()
            .all(|frame| seconds(frame) == first)
    );
    assert_eq!(simulation.client.stats().media.clock_jumps, 0);
}

/// K10092 sets the camera's clock by years, and back.
#[test]
fn clock_jump_keeps_audio_and_video_in_sync() {
    for dialect in [&Dialect::TRANSCODE, &Dialect::SUMMARY] {
        let (client, camera, _) = pair(dialect);
        let mut simulation = simulation(client, camera);
        simulation.run(2 * SECOND);
        for unix in [1_000_000_000, 1_900_000_000] {
            let set = SetClock(UnixSeconds::new(unix).unwrap());
            simulation.client.command(simulation.now, &set);
            simulation.run(2 * SECOND);
            let is_answer =
                |event: &Event| matches!(event, Event::Answer(answer) if answer.code == 10093);
            assert!(simulation.record.other.iter().any(is_answer));
        }
        let jumps = simulation.client.stats().media.clock_jumps;
        assert_eq!(jumps, 4, "{dialect}: two in each stream");
        for (frames, step) in [
            (simulation.record.video(), MS(50)),
            (simulation.record.audio(), MS(20)),
        ] {
            for (frame, number) in frames.into_iter().zip(0..) {
                let apart = frame.timestamp.abs_diff(step * number);
                assert!(
                    apart <= MS(50),
                    "{dialect} {:?} {number}: {apart:?}",
                    frame.kind
                );
            }
        }
    }
}

/// The client sets the clock of a camera in each session, if it is configured to.
#[test]
fn wrong_clock_of_a_camera_is_set_once_after_the_authentication() {
    // `summary` has no seconds.
    for dialect in [&Dialect::TRANSCODE, &Dialect::CC51] {
        for set_clock in [false, true] {
            let (mut client, mut camera, _) = pair(dialect);
            client.set_clock = set_clock;
            camera.personality = Personality::WRONG_CLOCK;
            let mut simulation = simulation(client, camera);
            simulation.run(5 * SECOND);
            let wrong = simulation.record.frames.iter().filter(|frame| {
                let seconds = frame.info.unwrap().seconds;
                seconds.abs_diff(UNIX) > 10
            });
            let (wrong, all) = (wrong.count(), simulation.record.frames.len());
            match set_clock {
                // Some frames were made before the command arrived.
                true => assert!(wrong < 5 && all > 300, "{dialect}: {wrong} of {all}"),
                false => assert_eq!(wrong, all, "{dialect}"),
            }
            let stats = simulation.client.stats().media;
            assert!(stats.clock_jumps <= 2, "{dialect}: {}", stats.clock_jumps);
            let answers = |event: &&Event| matches!(event, Event::Answer(_));
            assert_eq!(simulation.record.other.iter().filter(answers).count(), 0);
        }
    }
}

#[test]
fn media_can_be_switched_on_and_off() {
    for camera in TestCamera::all() {
        let (mut client, config) = pair_of(&camera);
        client.media.audio = false;
        let mut simulation = simulation(client, config);
        simulation.run_until(10 * SECOND, |record| !record.frames.is_empty());
        simulation.run(SECOND);
        assert!(simulation.record.audio().is_empty(), "{camera}");
        assert!(simulation.record.video().len() > 15, "{camera}");

        let mut switch = |media, switch| {
            let control = MediaControl { media, switch };
            simulation.client.command(simulation.now, &control);
            let before = simulation.record.frames.len();
            simulation.run(SECOND);
            let new = &simulation.record.frames[before..];
            let video = new.iter().filter(|frame| frame.kind.is_video()).count();
            (video, new.len() - video)
        };
        // Frames in flight still arrive.
        for (media, to, video, audio) in [
            (Media::Audio, Switch::On, 19..=21, 49..=51),
            (Media::Video, Switch::Off, 0..=1, 49..=51),
            (Media::Audio, Switch::Off, 0..=0, 0..=1),
            (Media::Audio, Switch::On, 0..=0, 49..=51),
            (Media::Video, Switch::On, 19..=21, 49..=51),
        ] {
            let new = switch(media, to);
            let expected = video.contains(&new.0) && audio.contains(&new.1);
            assert!(expected, "{camera}: {media:?} {to:?}: {new:?}");
        }
        assert_eq!(simulation.record.ended, None, "{camera}");
    }
}

#[test]
fn audio_without_video_does_not_stall() {
    for camera in TestCamera::all() {
        let (mut client, config) = pair_of(&camera);
        client.media = MediaRequest {
            video: false,
            audio: true,
        };
        let mut simulation = simulation(client, config);
        simulation.run_until(10 * SECOND, |record| !record.frames.is_empty());
        simulation.run(20 * SECOND);
        assert!(simulation.record.video().is_empty(), "{camera}");
        assert!(simulation.record.audio().len() > 900, "{camera}");
        assert_eq!(simulation.record.ended, None, "{camera}");
    }
}
