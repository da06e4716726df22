//! The controls panel of a camera.

use serde_json::json;
use thirtyfour::{By, Key};

use crate::fixture::{Fixture, tool, wait_for_playback};
use crate::test_pattern::pattern_camera;

const LIGHT: &str = "[data-control=status-light]";
const NIGHT_VISION: &str = "[data-control=night-vision]";
const TURN: &str = "[data-control=turn]";
const FORMAT: &str = "[data-control=format-sd-card]";

#[tokio::test(flavor = "multi_thread")]
async fn controls_read_and_change_the_camera() {
    let Some(mut fixture) = Fixture::start().await else {
        return;
    };
    fixture.add_camera("front", pattern_camera(1));
    let page = fixture.open_page().await;
    wait_for_playback(&page, "front").await;
    let before = fixture.control("front", "status-light").await;
    page.click(&tool("front", "controls")).await;

    // The panel reads the current values.
    let switch = format!("{LIGHT} .switch");
    let checked = json!((before == "on").to_string());
    page.wait_for(&format!(
        "document.querySelector('{switch}:not(.unknown)')?.getAttribute('aria-checked') === {checked}"
    ))
    .await;
    page.save_screenshot("controls").await;
    page.click(&switch).await;
    page.wait_for_text(&format!("{LIGHT} .message"), "Set")
        .await;
    let after = fixture.control("front", "status-light").await;
    assert_eq!(after, if before == "on" { "off" } else { "on" });

    let before = fixture.control("front", "night-vision").await;
    let value = if before == "on" { "auto" } else { "on" };
    page.click(&format!("{NIGHT_VISION} option[value={value}]"))
        .await;
    page.wait_for_text(&format!("{NIGHT_VISION} .message"), "Set")
        .await;
    assert_eq!(fixture.control("front", "night-vision").await, value);

    // Another client changes the value.
    page.eval(
        "fetch('/api/cameras/front/controls/night-vision', { method: 'POST', \
         headers: { 'Content-Type': 'application/json' }, body: '{\"value\":\"off\"}' }).then(() => null)",
    )
    .await;
    page.wait_for(&format!(
        "document.querySelector('{NIGHT_VISION} select').value === 'off'"
    ))
    .await;
    page.assert_no_console_errors().await;

    // An error names the allowed values.
    let input = By::Css(format!("{TURN} input[type=number]"));
    let input = page.find(input).await.unwrap();
    input.send_keys("900").await.unwrap();
    page.click(&format!("{TURN} .plain-button")).await;
    page.wait_for_text(&format!("{TURN} .message"), "-128 to 127 degrees")
        .await;
    page.save_screenshot("controls-error").await;

    // Destructive commands need a confirmation.
    let format_button = format!("{FORMAT} .danger");
    page.click(&format_button).await;
    page.wait_for_text("dialog", "everything on it is lost")
        .await;
    page.save_screenshot("confirm").await;
    page.click("dialog .plain-button:not(.danger)").await;
    page.wait_for("document.querySelector('dialog') === null")
        .await;
    assert_eq!(page.text(&format!("{FORMAT} .message")).await, "");
    page.click(&format_button).await;
    page.click("dialog .danger").await;
    page.wait_for_text(&format!("{FORMAT} .message"), "Done")
        .await;

    // The browser logs the response 422.
    let mut errors = page.console_errors().await;
    errors.retain(|error| !error.contains("422"));
    assert!(errors.is_empty(), "{errors:#?}");
    page.press_key(Key::Escape).await;
    page.wait_for("document.getElementById('panel').hidden")
        .await;

    page.click(&tool("front", "details")).await;
    page.wait_for_text(".facts", "H.264, 320 × 180").await;
    page.wait_for(
        "[...document.querySelectorAll('.address input')]\
         .some(({ value }) => value === 'rtsp://127.0.0.1:8554/front')",
    )
    .await;
    page.save_screenshot("details").await;
    page.assert_no_console_errors().await;
    fixture.close(page).await;
}
