//! Recovery from failures of the camera, the decoder and the server.

use serde_json::json;
use tutk_serve::{HttpConfig, HttpServer, RecordingState};

use crate::browser::Page;
use crate::common::start_camera_at;
use crate::fixture::{Fixture, read_pattern, tile, video, wait_for_playback};
use crate::test_pattern::pattern_camera;

/// Runs FAILURE in the next call of `appendBuffer`.
const FAIL_APPEND: &str = "(() => {
    const real = SourceBuffer.prototype.appendBuffer;
    globalThis.failed = false;
    SourceBuffer.prototype.appendBuffer = function (bytes) {
        SourceBuffer.prototype.appendBuffer = real;
        globalThis.failed = true;
        FAILURE;
        return real.call(this, bytes);
    };
})()";

/// Waits until the video of a camera has advanced by more than 0.5 s.
async fn wait_for_progress(page: &Page, camera: &str, from: &serde_json::Value) {
    wait_for_playback(page, camera).await;
    page.wait_for(&format!("{}.currentTime > {from} + 0.5", video(camera)))
        .await;
    assert_eq!(read_pattern(page, camera).await.0, 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_failures_and_recovers() {
    let Some(mut fixture) = Fixture::start().await else {
        return;
    };
    let config = pattern_camera(7);
    fixture.add_camera("front", config.clone());
    fixture.add_camera("back", config.clone());
    let page = fixture.open_page().await;
    wait_for_playback(&page, "front").await;
    wait_for_playback(&page, "back").await;
    page.eval("globalThis.loaded = 'once'").await;
    let front_time = format!("{}.currentTime", video("front"));
    let back_time = format!("{}.currentTime", video("back"));

    // Recording works, and fails.
    let recorded = fixture.hub.camera("front").unwrap();
    let mark = tile("front", ".rec");
    recorded.set_recording(RecordingState::On);
    page.wait_for_text(&mark, "REC").await;
    recorded.set_recording(RecordingState::Failed("disk full".to_owned()));
    page.wait_for_text(&mark, "Not recorded").await;
    page.wait_for(&format!(
        "document.querySelector({}).title === 'Disk full'",
        json!(mark)
    ))
    .await;
    recorded.set_recording(RecordingState::Off);
    drop(recorded);

    // A camera disconnects, and reconnects.
    let front = fixture.cameras.remove("front").unwrap();
    let address = front.local_addr();
    front.close().await;
    let notice = tile("front", ".notice");
    page.wait_for_text(&notice, "Offline since").await;
    page.wait_for_text(&notice, "closed").await;
    page.wait_for(
        "/Next try in|Trying again/.test(document.querySelector('.notice .small').textContent)",
    )
    .await;
    page.wait_for_text("#summary", "1 live · 1 offline").await;
    page.save_screenshot("offline").await;
    wait_for_playback(&page, "back").await;
    let before = page.eval(&front_time).await;
    let front = start_camera_at(config.clone(), address).await;
    fixture.cameras.insert("front".to_owned(), front);
    wait_for_progress(&page, "front", &before).await;

    // The source buffer is full, and then receives invalid data.
    for failure in [
        "throw new DOMException('full', 'QuotaExceededError')",
        "bytes = new Uint8Array(999).fill(7)",
    ] {
        page.eval(&FAIL_APPEND.replace("FAILURE", failure)).await;
        page.wait_for("globalThis.failed").await;
        let before = page.eval(&back_time).await;
        wait_for_playback(&page, "back").await;
        page.wait_for(&format!("{back_time} !== {before}")).await;
        assert_eq!(read_pattern(&page, "back").await.0, 7);
    }
    page.assert_no_console_errors().await;

    // A camera is added and one is removed. A name is not HTML.
    let name = "<img src=x onerror=alert(1)> & \"Häuschen\"";
    fixture.add_camera(name, config.clone());
    wait_for_playback(&page, name).await;
    assert_eq!(page.text(&tile(name, "h2")).await, name);
    let images = "document.querySelectorAll('img:not(.still)').length";
    assert_eq!(page.eval(images).await, 0);
    page.save_screenshot("html-name").await;
    fixture.hub.remove("back").await;
    page.wait_for("document.querySelectorAll('.tile').length === 2")
        .await;
    page.wait_for_text("#toasts", "back was removed").await;
    page.assert_no_console_errors().await;

    // The server restarts.
    let address = fixture.http.local_addr();
    fixture.http.close().await;
    let unreachable = "The server does not answer";
    page.wait_for_text("#summary", unreachable).await;
    page.wait_for_text(&notice, unreachable).await;
    page.save_screenshot("no-server").await;
    let before = page.eval(&front_time).await;
    fixture.http = HttpServer::start(fixture.hub.clone(), HttpConfig::new(address))
        .await
        .unwrap();
    wait_for_progress(&page, "front", &before).await;
    page.wait_for_text("#summary", "2 live").await;
    // The page was not reloaded, and the browser logged only failed connections.
    assert_eq!(page.eval("globalThis.loaded").await, "once");
    let mut errors = page.console_errors().await;
    errors.retain(|error| !error.contains("net::ERR_"));
    assert!(errors.is_empty(), "{errors:#?}");
    fixture.close(page).await;
}
