//! Talking to a camera.

use std::time::Duration;

use tutk_media::g711;
use tutk_runtime::SimulatedCamera;
use tutk_runtime::tutk_simulator::SimulatorEvent;

use crate::common::with_timeout;
use crate::fixture::{Fixture, tool, wait_for_playback};
use crate::test_pattern::pattern_camera;

/// Waits until the camera receives loud audio.
async fn receive_beep(camera: &mut SimulatedCamera) {
    loop {
        let event = with_timeout(camera.next_event()).await.unwrap();
        let SimulatorEvent::AudioReceived { frame, .. } = event else {
            continue;
        };
        assert_eq!(frame.flags.rate_hz(), Some(8_000));
        let mut samples = frame.data.iter().map(|byte| g711::decode_pcmu(*byte));
        if samples.any(|sample| sample.abs() > 3_000) {
            return;
        }
    }
}

async fn receive_end(camera: &mut SimulatedCamera) {
    while !matches!(
        with_timeout(camera.next_event()).await.unwrap(),
        SimulatorEvent::TalkEnded { .. }
    ) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn camera_receives_the_microphone() {
    let Some(mut fixture) = Fixture::start().await else {
        return;
    };
    fixture.add_camera("front", pattern_camera(1));
    let page = fixture.open_page().await;
    wait_for_playback(&page, "front").await;
    let button = tool("front", "talk");
    let talking = format!("document.querySelector('{button}').dataset.talk === 'talking'");
    let stopped = format!("document.querySelector('{button}').dataset.talk === undefined");
    let camera = fixture.cameras.get_mut("front").unwrap();

    // Push to talk.
    page.hold_mouse(&button).await;
    page.wait_for(&talking).await;
    page.save_screenshot("talking").await;
    receive_beep(camera).await;
    page.release_mouse().await;
    receive_end(camera).await;
    page.wait_for(&stopped).await;

    // A click starts, and the next one stops. It can start again at once.
    page.click(&button).await;
    page.wait_for(&talking).await;
    page.click(&button).await;
    page.click(&button).await;
    receive_end(camera).await;
    page.wait_for(&talking).await;
    receive_beep(camera).await;
    page.click(&button).await;
    receive_end(camera).await;

    // Push to talk with the keyboard.
    page.eval(&format!("document.querySelector('{button}').focus()"))
        .await;
    let press = page.action_chain().key_down(' ');
    press.perform().await.unwrap();
    page.wait_for(&talking).await;
    receive_beep(camera).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let release = page.action_chain().key_up(' ');
    release.perform().await.unwrap();
    receive_end(camera).await;
    page.assert_no_console_errors().await;

    // Another client talks.
    let front = fixture.hub.camera("front").unwrap();
    let talker = loop {
        // The previous channel may not be closed yet.
        match front.talk().await {
            Ok(talker) => break talker,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    page.click(&button).await;
    page.wait_for_text("#toasts", "audio channel to the camera is in use")
        .await;
    page.wait_for(&stopped).await;
    drop(talker);

    // There is no microphone, or the context is not secure.
    page.eval("void Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
        .await;
    page.click(&button).await;
    page.wait_for_text("#toasts", "gives no microphone").await;
    page.eval("void Object.defineProperty(globalThis, 'isSecureContext', { value: false })")
        .await;
    page.click(&button).await;
    page.wait_for_text("#toasts", "HTTPS").await;
    page.assert_no_console_errors().await;
    fixture.close(page).await;
}
