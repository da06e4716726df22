//! Audio to the camera over real UDP sockets on loopback. Tokio's clock is paused.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use testkit::runtime::{camera_config, client_config_in, clip, start_camera};
use tutk_runtime::tutk_session::{AudioFlags, Codec, Dialect, TalkError, TalkFrame};
use tutk_runtime::tutk_simulator::{ReceivedAudio, SimulatorEvent};
use tutk_runtime::{Error, SimulatedCamera, Talker, connect};

const FRAME: Duration = Duration::from_millis(5);

fn data(number: u32) -> [u8; 160] {
    [u8::try_from(number).unwrap(); 160]
}

async fn send(talker: &mut Talker, number: u32, data: &[u8]) -> Result<(), Error> {
    let frame = TalkFrame {
        codec: Codec::Pcmu,
        flags: AudioFlags::new(8_000, 16, 1).unwrap(),
        timestamp: FRAME * number,
        data,
    };
    talker.send(frame).await
}

async fn send_all(talker: &mut Talker, frames: std::ops::Range<u32>) {
    for number in frames {
        send(talker, number, &data(number)).await.unwrap();
    }
}

/// The frames that the camera received until the channel was closed.
async fn received(server: &mut SimulatedCamera) -> Vec<ReceivedAudio> {
    let mut received = Vec::new();
    loop {
        match server.next_event().await.unwrap() {
            SimulatorEvent::AudioReceived { frame, .. } => received.push(frame),
            SimulatorEvent::TalkEnded { .. } => return received,
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn camera_receives_every_frame() {
    for dialect in &Dialect::ALL {
        let mut server = start_camera(camera_config(&clip(50)));
        let session = connect(client_config_in(server.local_addr(), dialect))
            .await
            .unwrap();
        for _ in 0..2 {
            let began = tokio::time::Instant::now();
            let mut talker = session.talk().await.unwrap();
            assert!(matches!(session.talk().await, Err(Error::AlreadyTalking)));
            send_all(&mut talker, 0..40).await;
            // Frames are paced by their timestamps.
            assert!(began.elapsed() >= FRAME * 39, "{dialect}");
            talker.finish().await.unwrap();
            let received = received(&mut server).await;
            assert_eq!(received.len(), 40, "{dialect}");
            for (frame, number) in received.into_iter().zip(0..) {
                assert_eq!(frame.data[..], data(number));
                assert_eq!(frame.timestamp, FRAME * number);
            }
        }
        session.close().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn refuses_a_frame_that_is_too_long() {
    let mut server = start_camera(camera_config(&clip(50)));
    let session = connect(client_config_in(server.local_addr(), &Dialect::TRANSCODE))
        .await
        .unwrap();
    let mut talker = session.talk().await.unwrap();
    let error = send(&mut talker, 0, &[0; 5_000]).await.unwrap_err();
    assert!(
        matches!(error, Error::Talk(TalkError::TooLong { .. })),
        "{error}"
    );
    send_all(&mut talker, 1..3).await;
    // Dropping the talker closes the channel, too.
    drop(talker);
    assert_eq!(received(&mut server).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn talker_ends_with_the_session() {
    let server = start_camera(camera_config(&clip(50)));
    let session = connect(client_config_in(server.local_addr(), &Dialect::CC51))
        .await
        .unwrap();
    let mut talker = session.talk().await.unwrap();
    send_all(&mut talker, 0..2).await;
    session.close().await.unwrap();
    let error = send(&mut talker, 2, &data(2)).await.unwrap_err();
    assert!(matches!(error, Error::Closed), "{error}");
    assert!(matches!(talker.finish().await, Err(Error::Closed)));
}

#[tokio::test(start_paused = true)]
async fn reports_a_camera_without_a_speaker() {
    let mut config = camera_config(&clip(50));
    config.speaker = false;
    let server = start_camera(config);
    let mut config = client_config_in(server.local_addr(), &Dialect::TRANSCODE);
    config.deadlines.talk = Duration::from_millis(300);
    let session = connect(config).await.unwrap();
    let error = session.talk().await.unwrap_err();
    assert!(error.to_string().contains("no speaker"), "{error}");
    // A second attempt fails in the same way.
    assert!(matches!(session.talk().await, Err(Error::Talk(_))));
}
