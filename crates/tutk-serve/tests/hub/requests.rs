//! Commands, the backchannel and the names of cameras.

use std::time::Duration;

use tutk_runtime::tutk_session::hl_ioctl::Command as _;
use tutk_runtime::tutk_session::hl_ioctl::commands::{
    GetNightVision, MediaControl, NightVision, SetAnswer, SetNightVision,
};
use tutk_runtime::tutk_session::{AudioFlags, Codec, TalkFrame};
use tutk_runtime::tutk_simulator::SimulatorEvent;
use tutk_serve::{Error, Hub, Keep};

use crate::SOUND_ON;
use crate::common::{
    FPS, H264, camera_config, hub_with_camera, next_video_frame, settings, start_camera,
    start_camera_at, tone_audio, with_timeout,
};

#[tokio::test(start_paused = true)]
async fn serves_commands_of_several_callers_at_once() {
    let server = start_camera(camera_config(H264, FPS));
    let (hub, camera) = hub_with_camera(settings(&server));
    // There are no viewers: the command starts the session.
    let ask = || {
        let camera = camera.clone();
        tokio::spawn(async move { camera.command(&SOUND_ON).await })
    };
    let all: Vec<_> = (0..10).map(|_| ask()).collect();
    for one in all {
        let answer = one.await.unwrap().unwrap();
        assert_eq!(answer.code, MediaControl::ANSWER_CODE);
        assert_eq!(
            MediaControl::decode_answer(&answer.payload).unwrap(),
            SetAnswer::Done
        );
    }
    assert_eq!(camera.stats().await.sessions, 1);
    // The camera does not answer an unknown command.
    let unknown = tutk_session::hl_ioctl::Request {
        code: 65_000,
        payload: vec![1],
    };
    let error = camera.command(unknown).await.unwrap_err();
    assert!(
        matches!(error, Error::Unanswered { code: 65_000 }),
        "{error}"
    );
    let long = tutk_session::hl_ioctl::Request {
        code: 2,
        payload: vec![0; 5_000],
    };
    assert!(matches!(
        camera.command(long).await.unwrap_err(),
        Error::TooLong { .. }
    ));
    hub.close().await;
    assert!(matches!(
        camera.command(&SOUND_ON).await.unwrap_err(),
        Error::Closed
    ));
}

#[tokio::test(start_paused = true)]
async fn initial_commands_are_sent_in_each_session() {
    let config = camera_config(H264, FPS);
    let server = start_camera(config.clone());
    let address = server.local_addr();
    let mut with = settings(&server);
    with.initial_commands = vec![(&SetNightVision(NightVision::On)).into()];
    with.keep = Keep::Always;
    let (hub, camera) = hub_with_camera(with);
    let ask = async || {
        let answer = camera.command(&GetNightVision).await.unwrap();
        GetNightVision::decode_answer(&answer.payload).unwrap()
    };
    let greeted = ask().await;
    assert_eq!(greeted, NightVision::On);
    // Another camera, without the settings of the first.
    server.close().await;
    let _server = start_camera_at(config, address).await;
    let mut viewer = camera.watch("test");
    while camera.stats().await.sessions < 2 {
        next_video_frame(&mut viewer).await;
    }
    assert_eq!(ask().await, NightVision::On);
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn audio_channel_has_one_talker_at_a_time() {
    let mut config = camera_config(H264, FPS);
    config.audio = Some(tone_audio(Codec::Pcmu, 8_000, 1));
    let mut server = start_camera(config);
    let (hub, camera) = hub_with_camera(settings(&server));
    let mut talker = camera.talk().await.unwrap();
    let error = camera.talk().await.unwrap_err();
    assert!(
        matches!(error, Error::Session(tutk_runtime::Error::AlreadyTalking)),
        "{error}"
    );
    for at in 0..5 {
        let frame = TalkFrame {
            codec: Codec::Pcmu,
            flags: AudioFlags::new(8_000, 16, 1).unwrap(),
            timestamp: Duration::from_millis(20) * at,
            data: &[u8::try_from(at).unwrap(); 160],
        };
        talker.send(frame).await.unwrap();
    }
    talker.finish().await.unwrap();
    let mut received = Vec::new();
    while received.len() < 5 {
        if let Some(SimulatorEvent::AudioReceived { frame, .. }) =
            with_timeout(server.next_event()).await
        {
            received.push(frame.data[0]);
        }
    }
    assert_eq!(received, [0, 1, 2, 3, 4]);
    camera.talk().await.unwrap().finish().await.unwrap();
    hub.close().await;
}

#[tokio::test(start_paused = true)]
async fn checks_camera_names() {
    let server = start_camera(camera_config(H264, FPS));
    let hub = Hub::new();
    for bad in ["", "a/b", "a\nb", &"x".repeat(65)] {
        let error = hub.add(bad, settings(&server)).unwrap_err();
        assert!(matches!(error, Error::InvalidName(_)), "{error}");
    }
    for good in ["front", "Häuschen 2", &"x".repeat(64)] {
        assert_eq!(hub.add(good, settings(&server)).unwrap().name(), good);
    }
    let error = hub.add("front", settings(&server)).unwrap_err();
    assert!(matches!(error, Error::AlreadyExists(_)), "{error}");
    assert_eq!(hub.cameras().len(), 3);
    hub.close().await;
    assert!(hub.cameras().is_empty());
}
