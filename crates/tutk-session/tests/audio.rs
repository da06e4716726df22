//! Sound from the camera: every codec, in step with the picture, whatever the camera's clock does.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use testkit::session::{Simulation, clip, sound, sound_as};
use tutk_session::hl_ioctl::commands::{Media, MediaControl, SetClock, Switch, UnixSeconds};
use tutk_session::{AudioFlags, ClientConfig, Codec, Dialect, Event, MediaRequest};
use tutk_simulator::{Clip, ClipAudioFormat, SimulatorConfig, TimestampRule};

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECOND: Duration = Duration::from_secs(1);

/// 20 frames a second, a key frame each half second, and sound beside it.
fn pair(dialect: &'static Dialect) -> (ClientConfig, SimulatorConfig, Clip) {
    let clip = clip(3, 20, 10);
    let (client, mut camera) = Simulation::pair(dialect, clip.clone(), 3);
    camera.audio = Some(sound(3, 17));
    (client, camera, clip)
}

fn simulation(client: ClientConfig, camera: SimulatorConfig) -> Simulation {
    Simulation::new(client, camera, 3, |net| net.latency(MS(2)))
}

/// That pictures and sound are where they belong on the one time line, which `jumps` have left
/// alone: each jump costs a stream no more than one step, and is the same for both.
fn check_time(simulation: &Simulation, start: Duration) {
    for (frames, step) in [
        (simulation.record.video(), MS(50)),
        (simulation.record.audio(), MS(20)),
    ] {
        assert!(frames.len() > 20);
        for (frame, number) in frames.into_iter().zip(0..) {
            assert_eq!(frame.timestamp, start + step * number, "{:?}", frame.kind);
        }
    }
}

#[test]
fn sound_comes_whole_and_in_step_in_every_dialect() {
    for dialect in Dialect::ALL {
        let (client, mut camera, _) = pair(dialect);
        camera.frames = Some(200);
        let frames = camera.audio.clone().unwrap();
        let mut simulation = simulation(client, camera);
        simulation.run(30 * SECOND);

        let audio = simulation.record.audio();
        // The sound ends with the picture: 200 pictures are 10 s.
        assert_eq!(audio.len(), 500, "{dialect}");
        assert_eq!(simulation.record.video().len(), 200, "{dialect}");
        for (frame, number) in audio.into_iter().zip(0..) {
            assert_eq!(frame.number as usize, number + 1);
            assert_eq!(
                frame.data,
                frames.frames()[number % 17],
                "{dialect} {number}"
            );
            assert_eq!(frame.codec, Some(Codec::Pcmu));
            let format = frame.audio.unwrap();
            assert_eq!((format.rate_hz(), format.channels()), (Some(8_000), 1));
        }
        check_time(&simulation, Duration::ZERO);
        assert!(simulation.record.lost.is_empty(), "{dialect}");
    }
}

#[test]
fn every_codec_rate_and_number_of_channels_is_carried() {
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
    for dialect in Dialect::ALL {
        for (number, codec) in codecs.into_iter().enumerate() {
            let rate = rates[number % rates.len()];
            let channels = 1 + u8::from(number % 2 == 0);
            let flags = AudioFlags::new(rate, 16, channels).unwrap();
            let (client, mut camera, _) = pair(dialect);
            camera.audio = Some(sound_as(1, 3, ClipAudioFormat { codec, flags }, 1_024));
            let mut simulation = simulation(client, camera);
            simulation.run_until(5 * SECOND, |record| record.audio().len() >= 12);

            let audio = simulation.record.audio();
            assert!(audio.len() >= 12, "{dialect} {codec:?}");
            let micros = |number: u64| number * 1_024 * 1_000_000 / u64::from(rate);
            // The summary has milliseconds.
            let exact = if dialect == &Dialect::SUMMARY {
                1_000
            } else {
                1
            };
            let first = audio[0].timestamp;
            for (frame, number) in audio.into_iter().zip(0..) {
                assert_eq!(frame.codec, Some(codec), "{dialect}");
                assert_eq!(frame.audio, Some(flags), "{dialect} {codec:?}");
                let at = (frame.timestamp - first).as_micros().try_into().unwrap();
                assert!(micros(number).abs_diff(at) <= exact, "{codec:?} {number}");
            }
        }
    }
}

/// Some firmware keeps the seconds constant: the microseconds wrap ten times here.
#[test]
fn constant_seconds_wrap_in_both_streams() {
    let (client, mut camera, _) = pair(&Dialect::TRANSCODE);
    camera.timestamps = TimestampRule::ConstantSeconds;
    let mut simulation = simulation(client, camera);
    simulation.run(10 * SECOND);
    check_time(&simulation, Duration::ZERO);
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

/// K10092 sets the camera's clock by years, in the middle of the stream, and back: neither picture
/// nor sound shows it.
#[test]
fn a_clock_that_jumps_leaves_picture_and_sound_in_step() {
    for dialect in [&Dialect::TRANSCODE, &Dialect::SUMMARY] {
        let (client, camera, _) = pair(dialect);
        let mut simulation = simulation(client, camera);
        simulation.run(2 * SECOND);
        for unix in [1_000_000_000, 1_900_000_000] {
            let set = SetClock(UnixSeconds::new(unix).unwrap());
            simulation.client.command(simulation.now, (&set).into());
            simulation.run(2 * SECOND);
            // A request that is lost is sent again; nothing is lost here.
            let answers = simulation.record.other.iter();
            let done =
                |event: &Event| matches!(event, Event::Answer(answer) if answer.code == 10093);
            assert!(answers.filter(|event| done(event)).count() > 0);
        }
        let jumps = simulation.client.stats().media.clock_jumps;
        assert_eq!(jumps, 4, "{dialect}: two, each in both streams");
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

#[test]
fn sound_is_there_when_it_is_asked_for() {
    let (mut client, camera, _) = pair(&Dialect::TRANSCODE);
    client.media.audio = false;
    let mut simulation = simulation(client, camera);
    simulation.run(SECOND);
    assert!(simulation.record.audio().is_empty() && simulation.record.video().len() > 15);

    let mut switch = |media, switch| {
        let control = MediaControl { media, switch };
        simulation.client.command(simulation.now, (&control).into());
        let before = simulation.record.frames.len();
        simulation.run(SECOND);
        let new = &simulation.record.frames[before..];
        let video = new.iter().filter(|frame| frame.kind.is_video()).count();
        (video, new.len() - video)
    };
    // What was under way still comes.
    assert!(matches!(
        switch(Media::Audio, Switch::On),
        (19..=21, 49..=51)
    ));
    assert!(matches!(
        switch(Media::Video, Switch::Off),
        (0..=1, 49..=51)
    ));
    assert!(matches!(switch(Media::Audio, Switch::Off), (0, 0..=1)));
    assert!(matches!(switch(Media::Audio, Switch::On), (0, 49..=51)));
    assert!(matches!(
        switch(Media::Video, Switch::On),
        (19..=21, 49..=51)
    ));
    assert_eq!(simulation.record.ended, None);
}

/// Nobody waits for pictures that were not asked for.
#[test]
fn sound_alone() {
    for dialect in Dialect::ALL {
        let (mut client, camera, _) = pair(dialect);
        client.media = MediaRequest {
            video: false,
            audio: true,
        };
        let mut simulation = simulation(client, camera);
        simulation.run(20 * SECOND);
        assert!(simulation.record.video().is_empty(), "{dialect}");
        assert!(simulation.record.audio().len() > 900, "{dialect}");
        assert_eq!(simulation.record.ended, None, "{dialect}");
    }
}
