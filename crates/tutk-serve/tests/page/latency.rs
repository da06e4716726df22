//! The latency from the camera to the screen, measured with the test pattern.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;
use tutk_runtime::SimulatedCamera;
use tutk_runtime::tutk_simulator::{SimulatorEvent, SliceOrigin};

use crate::browser::Page;
use crate::common::FPS;
use crate::fixture::{Fixture, tool, video, wait_for_playback};
use crate::test_pattern::{PICTURES, pattern_camera};

/// JavaScript that records the number of each picture and the Unix time in milliseconds at which
/// the browser showed it, and the latency in milliseconds that the page displays.
const RECORD: &str = "(() => {
    const video = VIDEO;
    globalThis.shown = [];
    const record = () => {
        const [, picture] = readPattern(video) ?? [null, null];
        if (picture !== null) shown.push([picture, Date.now()]);
        video.requestVideoFrameCallback(record);
    };
    video.requestVideoFrameCallback(record);
    globalThis.displayed = [];
    setInterval(() => {
        const latency = parseFloat(document.querySelector('.lag')?.textContent) * 1000;
        if (Number.isFinite(latency)) displayed.push(latency);
    }, 250);
})()";

/// In milliseconds. The usual latency is less than 300 ms.
const SANITY_LIMIT: f64 = 5_000.0;

/// The time between two pictures in milliseconds.
const INTERVAL: f64 = 1_000.0 / FPS as f64;

/// Reports the Unix time in milliseconds at which the camera sent its first picture. It is computed
/// from the picture that was sent with the least delay.
async fn measure_start(mut camera: SimulatedCamera, start: watch::Sender<f64>) {
    let mut first = None;
    while let Some(event) = camera.next_event().await {
        let SimulatorEvent::SliceSent(slice) = event else {
            continue;
        };
        if !slice.kind.is_video() || slice.index != 0 || slice.origin != SliceOrigin::First {
            continue;
        }
        let number = slice.frame - *first.get_or_insert(slice.frame);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let estimate = now.as_secs_f64() * 1_000.0 - f64::from(number) * INTERVAL;
        start.send_modify(|start| *start = start.min(estimate));
    }
}

/// Returns recorded numbers in ascending order, and deletes them.
async fn take_numbers(page: &Page, expression: &str) -> Vec<f64> {
    let numbers = page.eval(expression).await;
    let mut numbers: Vec<f64> = serde_json::from_value(numbers).unwrap();
    numbers.sort_by(f64::total_cmp);
    numbers
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_is_measured_and_displayed() {
    let Some(mut fixture) = Fixture::start().await else {
        return;
    };
    let mut config = pattern_camera(1);
    config.trace_slices = true;
    fixture.add_camera("front", config);
    let (sender, start) = watch::channel(f64::MAX);
    let camera = fixture.cameras.remove("front").unwrap();
    tokio::spawn(measure_start(camera, sender));
    let page = fixture.open_page().await;
    wait_for_playback(&page, "front").await;
    page.eval(&RECORD.replace("VIDEO", &video("front"))).await;
    measure(&page, &start, "muted").await;
    page.click(&tool("front", "mute")).await;
    let decoded = format!("{}.webkitAudioDecodedByteCount > 0", video("front"));
    page.wait_for(&decoded).await;
    measure(&page, &start, "with audio").await;
    page.assert_no_console_errors().await;
    fixture.close(page).await;
}

async fn measure(page: &Page, start: &watch::Receiver<f64>, mode: &str) {
    // The player needs time to reach its final latency.
    tokio::time::sleep(Duration::from_secs(3)).await;
    page.eval("shown.length = displayed.length = 0").await;
    page.wait_for("shown.length > 60 && displayed.length > 8")
        .await;
    let start = *start.borrow();
    // The picture numbers repeat, so that the latency is known modulo this.
    let period = PICTURES as f64 * INTERVAL;
    let latency = take_numbers(
        page,
        &format!(
            "shown.splice(0).map(([picture, time]) => \
             (((time - {start} - picture * {INTERVAL}) % {period}) + {period}) % {period})"
        ),
    )
    .await;
    let displayed = take_numbers(page, "displayed.splice(0)").await;
    let (median, high) = (
        latency[latency.len() / 2],
        latency[latency.len() * 95 / 100],
    );
    let displayed = displayed[displayed.len() / 2];
    println!("latency, {mode}: median {median:.0} ms, 95 % {high:.0} ms, displayed {displayed} ms");
    assert!(
        median < SANITY_LIMIT && displayed < SANITY_LIMIT,
        "{median} ms, displayed {displayed} ms"
    );
}
