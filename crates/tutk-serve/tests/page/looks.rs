//! How it looks: on telephones, in light and dark, and where the browser cannot play what there is.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::browser::Page;
use crate::common::{FPS, H265, camera_config};
use crate::house::{House, plays, tile, tool};
use crate::painted::scene;

const SCENES: [(&str, &str); 3] = [
    ("Front door", include_str!("scenes/door.svg")),
    ("Garden", include_str!("scenes/garden.svg")),
    ("Garage", include_str!("scenes/garage.svg")),
];

/// Contrast of the text of all that is shown, WCAG 2.2 section 1.4.3, but for what lies on
/// pictures.
const CONTRAST: &str = "(() => {
    const pen = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true });
    const levels = (color) => {
        pen.clearRect(0, 0, 1, 1);
        pen.fillStyle = color;
        pen.fillRect(0, 0, 1, 1);
        return [...pen.getImageData(0, 0, 1, 1).data];
    };
    const light = (color) => {
        const [r, g, b] = levels(color).map((level) => level / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (node) => {
        for (let at = node; at !== null; at = at.parentElement) {
            const color = getComputedStyle(at).backgroundColor;
            if (levels(color)[3] === 255) return color;
        }
        return 'white';
    };
    const poor = [];
    let looked = 0;
    for (const node of document.querySelectorAll('#top *, #panel *, #toasts *')) {
        const text = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim() !== '');
        if (!text || node.getClientRects().length === 0 || node.closest('[disabled]')) continue;
        const [one, other] = [light(getComputedStyle(node).color), light(ground(node))].sort((a, b) => b - a);
        looked += 1;
        if ((one + 0.05) / (other + 0.05) < 4.5) poor.push(`${node.tagName} ${node.className} ${node.textContent}`);
    }
    return { looked, poor };
})()";

async fn is_readable(page: &Page) {
    let contrast = page.eval(CONTRAST).await;
    assert!(contrast["looked"].as_u64().unwrap() > 10, "{contrast}");
    assert_eq!(contrast["poor"], Value::Array(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_every_screen_and_in_light_and_dark() {
    let Some(mut house) = House::open().await else {
        return;
    };
    for (name, svg) in SCENES {
        let html = format!("<style>body {{ margin: 0 }}</style>{svg}");
        let url = format!("data:text/html;base64,{}", BASE64_STANDARD.encode(html));
        let drawing = house.browser.page(&url, 640, 360).await;
        house.add(name, scene(&drawing.screenshot().await));
    }
    let page = house.page().await;
    plays(&page, "Front door").await;
    plays(&page, "Garden").await;
    plays(&page, "Garage").await;
    page.size(1_280, 800, false).await;
    page.theme("dark").await;
    page.click(&tile("Front door", ".open")).await;
    page.click(&tool("Front door", "controls")).await;
    page.until("document.querySelector('[data-control=\"night-switch-point\"] select')?.value")
        .await;
    page.until("!document.querySelector('.row.busy')").await;
    page.shot("page").await;
    page.key("Escape").await;
    page.key("Escape").await;

    house.add("Old", camera_config(H265, FPS));
    // It plays H.265, or says that it does not and what does.
    let hevc = page
        .eval("MediaSource.isTypeSupported('video/mp4; codecs=\"hvc1.1.6.L60.90\"')")
        .await;
    if hevc == true {
        plays(&page, "Old").await;
    } else {
        page.until_says(&tile("Old", ".notice"), "does not play H.265")
            .await;
        page.until_says(&tile("Old", ".notice"), "rtsp://127.0.0.1:8554/Old")
            .await;
    }
    // It sends no sound.
    page.until(&format!(
        "document.querySelector('{}').disabled",
        tool("Old", "mute").replace('"', "")
    ))
    .await;
    let mut grounds = Vec::new();
    for theme in ["light", "dark"] {
        page.theme(theme).await;
        page.shot(theme).await;
        page.click(&tool("Front door", "controls")).await;
        page.until("document.querySelectorAll('[data-control]').length > 20")
            .await;
        is_readable(&page).await;
        page.click("#panel .tab:last-child").await;
        page.until_says(".facts", "Viewers").await;
        is_readable(&page).await;
        page.key("Escape").await;
        grounds.push(
            page.eval("getComputedStyle(document.body).backgroundColor")
                .await,
        );
    }
    assert_ne!(grounds[0], grounds[1]);

    page.size(390, 844, true).await;
    let narrow = "document.documentElement.scrollWidth <= 390 && document.getElementById('stage').scrollWidth <= 390";
    page.until("document.querySelector('.tile').getBoundingClientRect().width > 320")
        .await;
    page.shot("phone").await;
    page.until(narrow).await;
    // Tools are large enough for fingers.
    let small = "[...document.querySelectorAll('.tile .tool, #top .tool')].filter((tool) => tool.getClientRects().length > 0) \
        .map((tool) => tool.getBoundingClientRect()).filter(({ width, height }) => width < 40 || height < 40).length";
    assert_eq!(page.eval(small).await, 0);
    page.click(&tile("Garden", ".open")).await;
    page.until("document.querySelector('.large')?.dataset.camera === 'Garden'")
        .await;
    page.until(narrow).await;
    page.shot("phone-large").await;
    page.click(&tool("Garden", "controls")).await;
    page.until("document.querySelectorAll('[data-control]').length > 20")
        .await;
    page.until(narrow).await;
    page.shot("phone-controls").await;
    page.click("#panel .tool").await;
    page.size(844, 390, true).await;
    let size = "(({ width, height }) => width > 800 && height > 380)";
    page.until(&format!(
        "{size}(document.querySelector('.large').getBoundingClientRect())"
    ))
    .await;
    page.shot("phone-landscape").await;
    page.assert_quiet();
    house.close().await;
}
