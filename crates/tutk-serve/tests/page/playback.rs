//! Playback of video and audio, the large view, and the effect of hiding the page.

use std::time::Duration;

use serde_json::json;
use thirtyfour::Key;

use crate::browser::Page;
use crate::fixture::{Fixture, read_pattern, tile, tool, video, wait_for_playback};
use crate::test_pattern::{PICTURES, pattern_camera};

/// The most pictures that a new viewer may be behind. It is far below [`PICTURES`], and far above
/// what a busy machine needs.
const MAX_BEHIND: u64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn plays_video_and_audio() {
    let Some(mut fixture) = Fixture::start().await else {
        return;
    };
    fixture.add_camera("front", pattern_camera(0xa5));
    fixture.add_camera("garden", pattern_camera(0x3c));
    let page = fixture.open_page().await;
    for (camera, number) in [("front", 0xa5), ("garden", 0x3c)] {
        wait_for_playback(&page, camera).await;
        let video = video(camera);
        let before = page.eval(&format!("{video}.currentTime")).await;
        let (shown, picture) = read_pattern(&page, camera).await;
        assert_eq!(shown, number);
        page.wait_for(&format!("readPattern({video})?.[1] !== {picture}"))
            .await;
        assert_eq!(read_pattern(&page, camera).await.0, number);
        let after = page.eval(&format!("{video}.currentTime")).await;
        assert!(after.as_f64() > before.as_f64(), "{before} {after}");
        let size = format!("[{video}.videoWidth, {video}.videoHeight]");
        assert_eq!(page.eval(&size).await, json!([320, 180]));
    }
    page.wait_for_text("#summary", "2 live").await;
    page.save_screenshot("grid").await;

    // All cameras start muted. At most one is not.
    let muted = |camera: &str| format!("{}.muted", video(camera));
    assert_eq!(page.eval(&muted("front")).await, true);
    assert_eq!(page.eval(&muted("garden")).await, true);
    page.click(&tool("front", "mute")).await;
    page.wait_for(&format!("!{}", muted("front"))).await;
    let decoded = format!("{}.webkitAudioDecodedByteCount", video("front"));
    let before = page.wait_for(&decoded).await;
    page.wait_for(&format!("{decoded} > {before}")).await;
    page.wait_for(&format!("!{}.paused", video("front"))).await;
    page.click(&tool("garden", "mute")).await;
    page.wait_for(&format!("{} && !{}", muted("front"), muted("garden")))
        .await;
    page.click(&tool("garden", "mute")).await;
    page.wait_for(&muted("garden")).await;

    test_large_view(&page).await;
    test_second_page(&fixture).await;
    page.assert_no_console_errors().await;
    fixture.close(page).await;
}

async fn test_large_view(page: &Page) {
    let width = |camera: &str| {
        format!("document.querySelector('[data-camera={camera}]').getBoundingClientRect().width")
    };
    page.click(&tile("front", ".open")).await;
    page.wait_for(&format!(
        "{} > 1000 && {} < 400",
        width("front"),
        width("garden")
    ))
    .await;
    assert_eq!(page.eval("location.hash").await, "#front");
    wait_for_playback(page, "front").await;
    wait_for_playback(page, "garden").await;
    page.save_screenshot("large").await;
    page.press_key(Key::Right).await;
    page.wait_for(&format!("{} > 1000", width("garden"))).await;
    page.press_key('m').await;
    page.wait_for(&format!("!{}.muted", video("garden"))).await;
    page.press_key('m').await;
    page.press_key(Key::Escape).await;
    page.wait_for(&format!(
        "{} < 1000 && location.hash === ''",
        width("garden")
    ))
    .await;
    // The closed tile has the focus.
    page.press_key(Key::Enter).await;
    page.wait_for(&format!("{} > 1000", width("garden"))).await;
    page.click(&tool("garden", "back")).await;
    page.wait_for(&format!("{} < 1000", width("garden"))).await;
    page.click(&tile("front", ".open")).await;
    page.wait_for(&format!("{} > 1000", width("front"))).await;
    page.back().await.unwrap();
    page.wait_for(&format!("{} < 1000", width("front"))).await;

    page.click(&tool("front", "fullscreen")).await;
    page.wait_for("document.fullscreenElement?.dataset.camera === 'front'")
        .await;
    wait_for_playback(page, "front").await;
    page.click(&tool("front", "fullscreen")).await;
    page.wait_for("document.fullscreenElement === null").await;
}

/// Another page starts with the current picture. It unsubscribes while it is hidden.
async fn test_second_page(fixture: &Fixture) {
    let page = fixture.open_page().await;
    wait_for_playback(&page, "front").await;
    page.wait_for(&format!("{}.readyState === 4", video("front")))
        .await;
    let camera = fixture.hub.camera("front").unwrap();
    let (_, picture) = read_pattern(&page, "front").await;
    let newest = camera.stats().await.video_frames - 1;
    let behind = (newest + PICTURES - picture) % PICTURES;
    assert!(behind < MAX_BEHIND, "{behind} pictures behind");
    page.assert_no_console_errors().await;

    let wait_for_viewers = async |count| {
        while camera.stats().await.viewers.len() != count {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    wait_for_viewers(2).await;
    page.minimize_window().await.unwrap();
    page.wait_for("document.hidden").await;
    wait_for_viewers(1).await;
    page.set_window_rect(0, 0, 1_280, 800).await.unwrap();
    page.wait_for("!document.hidden").await;
    wait_for_playback(&page, "front").await;
    wait_for_viewers(2).await;
    let time = format!("{}.currentTime", video("front"));
    let before = page.eval(&time).await;
    page.wait_for(&format!("{time} > {before} + 0.3")).await;
    page.assert_no_console_errors().await;
    page.close().await;
}
