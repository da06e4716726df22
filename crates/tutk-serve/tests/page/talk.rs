//! Talking to a camera.

use std::time::Duration;

use tutk_media::g711;
use tutk_runtime::SimulatedCamera;
use tutk_runtime::tutk_simulator::SimulatorEvent;

use crate::common::with_timeout;
use crate::house::{House, plays, tool};
use crate::painted::painted;

/// The loudest sample of what a camera hears, once it is loud; frames until then.
async fn beep(camera: &mut SimulatedCamera) -> usize {
    let mut frames = 0;
    loop {
        if let SimulatorEvent::AudioReceived { frame, .. } =
            with_timeout(camera.next_event()).await.unwrap()
        {
            frames += 1;
            assert_eq!(frame.flags.rate_hz(), Some(8_000));
            if frame
                .data
                .iter()
                .any(|byte| g711::decode_pcmu(*byte).abs() > 3_000)
            {
                return frames;
            }
        }
    }
}

async fn end(camera: &mut SimulatedCamera) {
    while !matches!(
        with_timeout(camera.next_event()).await.unwrap(),
        SimulatorEvent::TalkEnded { .. }
    ) {}
}

#[tokio::test(flavor = "multi_thread")]
async fn the_camera_hears_the_microphone() {
    let Some(mut house) = House::open().await else {
        return;
    };
    house.add("front", painted(1));
    let page = house.page().await;
    plays(&page, "front").await;
    let talk = tool("front", "talk");
    let is = |state: &str| format!("document.querySelector('{talk}').dataset.talk === {state}");
    let camera = house.cameras.get_mut("front").unwrap();

    // While it is held.
    page.press(&talk).await;
    page.until(&is("'talking'")).await;
    page.shot("talking").await;
    beep(camera).await;
    page.release(&talk).await;
    end(camera).await;
    page.until(&is("undefined")).await;

    // From one press to the next, at once again, and by the keyboard.
    page.click(&talk).await;
    page.until(&is("'talking'")).await;
    page.click(&talk).await;
    page.click(&talk).await;
    end(camera).await;
    page.until(&is("'talking'")).await;
    beep(camera).await;
    page.click(&talk).await;
    end(camera).await;
    page.eval(&format!("document.querySelector('{talk}').focus()"))
        .await;
    page.key_event("keyDown", " ").await;
    page.until(&is("'talking'")).await;
    beep(camera).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    page.key_event("keyUp", " ").await;
    end(camera).await;
    page.assert_quiet();

    // Somebody else talks.
    let front = house.hub.camera("front").unwrap();
    let other = loop {
        // The end of what was said before may be under way still.
        match front.talk().await {
            Ok(other) => break other,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    page.click(&talk).await;
    page.until_says("#toasts", "audio channel to the camera is in use")
        .await;
    page.until(&is("undefined")).await;
    drop(other);

    // Where there is no microphone it is said why.
    page.eval("Object.defineProperty(navigator, 'mediaDevices', { value: undefined }); null")
        .await;
    page.click(&talk).await;
    page.until_says("#toasts", "gives no microphone").await;
    page.eval("Object.defineProperty(globalThis, 'isSecureContext', { value: false }); null")
        .await;
    page.click(&talk).await;
    page.until_says("#toasts", "HTTPS").await;
    page.assert_quiet();
    house.close().await;
}
