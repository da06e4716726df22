//! Watching and hearing.

use std::time::Duration;

use crate::house::{House, picture, plays, tile, tool, video};
use crate::painted::painted;

#[tokio::test(flavor = "multi_thread")]
async fn each_camera_is_seen_and_heard() {
    let Some(mut house) = House::open().await else {
        return;
    };
    house.add("front", painted(0xa5));
    house.add("garden", painted(0x3c));
    let page = house.page().await;
    for (camera, number) in [("front", 0xa5), ("garden", 0x3c)] {
        plays(&page, camera).await;
        let before = page.eval(&format!("{}.currentTime", video(camera))).await;
        // The right picture, and soon another.
        let (shown, first) = picture(&page, camera).await;
        assert_eq!(shown, number);
        page.until(&format!("read({})?.[1] !== {first}", video(camera)))
            .await;
        assert_eq!(picture(&page, camera).await.0, number);
        let after = page.eval(&format!("{}.currentTime", video(camera))).await;
        assert!(after.as_f64() > before.as_f64(), "{before} {after}");
        let size = page
            .eval(&format!("[{0}.videoWidth, {0}.videoHeight]", video(camera)))
            .await;
        assert_eq!(size, serde_json::json!([320, 180]));
    }
    page.until_says("#summary", "2 live").await;
    page.shot("grid").await;

    // Nobody is heard before somebody asks for it, and one at a time.
    let muted = |camera: &str| format!("{}.muted", video(camera));
    assert_eq!(page.eval(&muted("front")).await, true);
    assert_eq!(page.eval(&muted("garden")).await, true);
    page.click(&tool("front", "mute")).await;
    page.until(&format!("!{}", muted("front"))).await;
    let decoded = format!("{}.webkitAudioDecodedByteCount", video("front"));
    let before = page.until(&decoded).await.as_u64().unwrap();
    page.until(&format!("{decoded} > {before}")).await;
    page.until(&format!("!{}.paused", video("front"))).await;
    page.click(&tool("garden", "mute")).await;
    page.until(&format!("{} && !{}", muted("front"), muted("garden")))
        .await;
    page.click(&tool("garden", "mute")).await;
    page.until(&muted("garden")).await;

    one_large(&page).await;

    // Somebody who comes later sees what is now, not what was.
    let late = house.page().await;
    plays(&late, "front").await;
    late.until(&format!("{}.readyState === 4", video("front")))
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (_, theirs) = picture(&late, "front").await;
    let newest = newest(&mut house).await;
    let behind = (newest + 256 - theirs) % 256;
    assert!(behind < 40, "{behind} pictures behind");
    late.assert_quiet();

    // Nobody watches a page that is not shown; and it goes on where it should when it is again.
    let viewers = async |house: &House| {
        house
            .hub
            .camera("front")
            .unwrap()
            .stats()
            .await
            .viewers
            .len()
    };
    assert_eq!(viewers(&house).await, 2);
    late.show(false).await;
    late.until("document.hidden").await;
    while viewers(&house).await > 1 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    late.show(true).await;
    late.until("!document.hidden").await;
    plays(&late, "front").await;
    while viewers(&house).await < 2 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let before = late.eval(&format!("{}.currentTime", video("front"))).await;
    late.until(&format!("{}.currentTime > {before} + 0.3", video("front")))
        .await;
    late.assert_quiet();
    page.assert_quiet();
    house.close().await;
}

/// The picture that the hub has just received.
async fn newest(house: &mut House) -> u64 {
    let stats = house.hub.camera("front").unwrap().stats().await;
    (stats.video_frames - 1) % 256
}

async fn one_large(page: &crate::browser::Page) {
    let width = |camera: &str| {
        format!("document.querySelector('[data-camera={camera}]').getBoundingClientRect().width")
    };
    page.click(&tile("front", ".open")).await;
    page.until(&format!(
        "{} > 1000 && {} < 400",
        width("front"),
        width("garden")
    ))
    .await;
    assert_eq!(page.eval("location.hash").await, "#front");
    // It was not begun anew, and both go on.
    plays(page, "front").await;
    plays(page, "garden").await;
    page.shot("large").await;
    page.key("ArrowRight").await;
    page.until(&format!("{} > 1000", width("garden"))).await;
    page.key("m").await;
    page.until(&format!("!{}.muted", video("garden"))).await;
    page.key("m").await;
    page.key("Escape").await;
    page.until(&format!(
        "{} < 1000 && location.hash === ''",
        width("garden")
    ))
    .await;
    // By the keyboard alone: what was left has the focus.
    page.key("Enter").await;
    page.until(&format!("{} > 1000", width("garden"))).await;
    page.click(&tool("garden", "back")).await;
    page.until(&format!("{} < 1000", width("garden"))).await;
    page.click(&tile("front", ".open")).await;
    page.eval("history.back()").await;
    page.until(&format!("{} < 1000", width("front"))).await;

    page.click(&tool("front", "fullscreen")).await;
    page.until("document.fullscreenElement?.dataset.camera === 'front'")
        .await;
    plays(page, "front").await;
    page.click(&tool("front", "fullscreen")).await;
    page.until("document.fullscreenElement === null").await;
}
