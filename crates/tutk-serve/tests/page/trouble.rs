//! Cameras that go, come, and are called something odd; a server that goes.

use tutk_serve::{HttpConfig, HttpServer};

use crate::common::start_camera_at;
use crate::house::{House, picture, plays, tile, video};
use crate::painted::painted;

/// Something goes wrong once with what is appended.
const WRONG: &str = "(() => {
    const real = SourceBuffer.prototype.appendBuffer;
    globalThis.wrong = 'soon';
    SourceBuffer.prototype.appendBuffer = function (bytes) {
        SourceBuffer.prototype.appendBuffer = real;
        globalThis.wrong = 'done';
        WRONG;
        return real.call(this, bytes);
    };
})()";

#[tokio::test(flavor = "multi_thread")]
async fn it_is_said_and_goes_on_by_itself() {
    let Some(mut house) = House::open().await else {
        return;
    };
    let config = painted(7);
    house.add("front", config.clone());
    house.add("back", config.clone());
    let page = house.page().await;
    plays(&page, "front").await;
    plays(&page, "back").await;
    page.eval("globalThis.since = 'the beginning'").await;

    // A camera that goes says why, and comes back.
    let gone = house.cameras.remove("front").unwrap();
    let address = gone.local_addr();
    gone.close().await;
    page.until_says(&tile("front", ".notice"), "Offline since")
        .await;
    page.until_says(&tile("front", ".notice"), "closed").await;
    page.until(
        "/Next try in|Trying again/.test(document.querySelector('.notice .small').textContent)",
    )
    .await;
    page.until_says("#summary", "1 live · 1 away").await;
    page.shot("offline").await;
    plays(&page, "back").await;
    let before = page.eval(&format!("{}.currentTime", video("front"))).await;
    let back = start_camera_at(config.clone(), address).await;
    house.cameras.insert("front".to_owned(), back);
    plays(&page, "front").await;
    page.until(&format!("{}.currentTime > {before} + 0.5", video("front")))
        .await;
    assert_eq!(picture(&page, "front").await.0, 7);

    // The browser has no room, and cannot make anything of what came.
    for wrong in [
        "throw new DOMException('full', 'QuotaExceededError')",
        "bytes = new Uint8Array(999).fill(7)",
    ] {
        page.eval(&WRONG.replace("WRONG", wrong)).await;
        page.until("globalThis.wrong === 'done'").await;
        let before = page.eval(&format!("{}.currentTime", video("back"))).await;
        plays(&page, "back").await;
        page.until(&format!("{}.currentTime !== {before}", video("back")))
            .await;
        assert_eq!(picture(&page, "back").await.0, 7);
    }
    page.assert_quiet();

    // Cameras come and go; names are text.
    let odd = "<img src=x onerror=alert(1)> & \"Häuschen\"";
    house.add(odd, config.clone());
    plays(&page, odd).await;
    assert_eq!(page.text(&tile(odd, "h2")).await, odd);
    assert_eq!(
        page.eval("document.querySelectorAll('img:not(.still)').length")
            .await,
        0
    );
    page.shot("odd").await;
    house.hub.remove("back").await;
    page.until("document.querySelectorAll('.tile').length === 2")
        .await;
    page.until_says("#toasts", "back was removed").await;
    page.assert_quiet();

    // The server itself.
    let address = house.http.local_addr();
    house.http.close().await;
    page.until_says("#summary", "The server does not answer")
        .await;
    page.until_says(&tile("front", ".notice"), "The server does not answer")
        .await;
    page.shot("no-server").await;
    let before = page.eval(&format!("{}.currentTime", video("front"))).await;
    house.http = HttpServer::start(house.hub.clone(), HttpConfig::new(address))
        .await
        .unwrap();
    plays(&page, "front").await;
    page.until(&format!("{}.currentTime > {before} + 0.5", video("front")))
        .await;
    page.until_says("#summary", "2 live").await;
    assert_eq!(picture(&page, "front").await.0, 7);
    // All that without a reload, and what the browser itself noted is that nobody answered.
    assert_eq!(page.eval("globalThis.since").await, "the beginning");
    let odd = |complaint: &String| !complaint.contains("net::ERR_");
    let complaints = page.complaints();
    assert!(!complaints.iter().any(odd), "{complaints:#?}");
    house.close().await;
}
