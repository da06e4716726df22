//! A camera's controls.

use serde_json::json;

use crate::house::{House, plays, tool};
use crate::painted::painted;

const NIGHT: &str = "[data-control=night-vision]";

#[tokio::test(flavor = "multi_thread")]
async fn they_reach_the_camera() {
    let Some(mut house) = House::open().await else {
        return;
    };
    house.add("front", painted(1));
    let page = house.page().await;
    plays(&page, "front").await;
    let before = house.control("front", "status-light").await;
    page.click(&tool("front", "controls")).await;

    // What it is set to is read when the panel opens.
    let light = "[data-control=status-light] .switch";
    let checked = format!(
        "document.querySelector({}).getAttribute('aria-checked')",
        json!(light)
    );
    page.until(&format!(
        "document.querySelector({}) && !document.querySelector('{light}.unknown')",
        json!(light)
    ))
    .await;
    page.until(&format!(
        "{checked} === {}",
        json!((before == "on").to_string())
    ))
    .await;
    page.shot("controls").await;
    page.click(light).await;
    page.until_says("[data-control=status-light] .message", "Set")
        .await;
    let after = house.control("front", "status-light").await;
    assert!(
        after != before && (after == "on" || after == "off"),
        "{before} {after}"
    );

    // One of several, by the keyboard as people use it.
    page.eval(&format!(
        "(() => {{ const choice = document.querySelector('{NIGHT} select'); choice.value = 'auto'; \
         choice.dispatchEvent(new Event('change')); }})()"
    ))
    .await;
    page.until_says(&format!("{NIGHT} .message"), "Set").await;
    assert_eq!(house.control("front", "night-vision").await, "auto");

    // Set by somebody else.
    let other = "fetch('/api/cameras/front/controls/night-vision', { method: 'POST', \
        headers: { 'Content-Type': 'application/json' }, body: '{\"value\":\"off\"}' })";
    page.eval(&format!("{other}.then(() => null)")).await;
    page.until(&format!(
        "document.querySelector('{NIGHT} select').value === 'off'"
    ))
    .await;

    // What is not allowed is said, with what is.
    page.assert_quiet();
    let turn = "[data-control=turn]";
    page.eval(&format!(
        "document.querySelector('{turn} input[type=number]').focus()"
    ))
    .await;
    page.type_text("900").await;
    page.click(&format!("{turn} .plain-button")).await;
    page.until_says(&format!("{turn} .message"), "-128 to 127 degrees")
        .await;
    page.shot("controls-error").await;

    // What destroys is asked before.
    let format_card = "[data-control=format-sd-card]";
    page.click(&format!("{format_card} .danger")).await;
    page.until_says("dialog", "everything on it is lost").await;
    page.shot("confirm").await;
    page.click("dialog .plain-button:not(.danger)").await;
    page.until("document.querySelector('dialog') === null")
        .await;
    assert_eq!(page.text(&format!("{format_card} .message")).await, "");
    page.click(&format!("{format_card} .danger")).await;
    page.click("dialog .danger").await;
    page.until_says(&format!("{format_card} .message"), "Done")
        .await;

    // The browser itself notes the answer 422, and nothing else was wrong.
    let complaints = page.complaints();
    assert!(
        complaints.iter().all(|complaint| complaint.contains("422")),
        "{complaints:#?}"
    );
    page.key("Escape").await;
    page.until("document.getElementById('panel').hidden").await;

    page.click(&tool("front", "details")).await;
    page.until_says(".facts", "H.264, 320 × 180").await;
    page.until("[...document.querySelectorAll('.address input')].some(({ value }) => /^rtsp:\\/\\/127.0.0.1:8554\\/front$/.test(value))").await;
    page.shot("details").await;
    page.assert_quiet();
    house.close().await;
}
