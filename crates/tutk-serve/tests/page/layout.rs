//! The layout on several screen sizes, the color schemes, and unsupported streams.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use thirtyfour::Key;

use crate::browser::Page;
use crate::common::{FPS, H265, camera_config};
use crate::fixture::{Fixture, tile, tool, wait_for_playback};
use crate::test_pattern::image_camera;

const SCENES: [(&str, &str); 3] = [
    ("Front door", include_str!("scenes/door.svg")),
    ("Garden", include_str!("scenes/garden.svg")),
    ("Garage", include_str!("scenes/garage.svg")),
];

/// JavaScript that counts the visible texts, and lists those with a contrast below the minimum of
/// WCAG 2.2 section 1.4.3. Text on video is not included.
const CONTRAST: &str = "(() => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 1, height: 1 });
    const context = canvas.getContext('2d', { willReadFrequently: true });
    const rgba = (color) => {
        context.clearRect(0, 0, 1, 1);
        context.fillStyle = color;
        context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data];
    };
    const luminance = (color) => {
        const [r, g, b] = rgba(color).map((level) => level / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const background = (node) => {
        for (let parent = node; parent !== null; parent = parent.parentElement) {
            const color = getComputedStyle(parent).backgroundColor;
            if (rgba(color)[3] === 255) return color;
        }
        return 'white';
    };
    const low = [];
    let checked = 0;
    for (const node of document.querySelectorAll('#top *, #panel *, #toasts *')) {
        const text = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim() !== '');
        if (!text || node.getClientRects().length === 0 || node.closest('[disabled]')) continue;
        const [light, dark] = [luminance(getComputedStyle(node).color), luminance(background(node))].sort((a, b) => b - a);
        checked += 1;
        if ((light + 0.05) / (dark + 0.05) < 4.5) low.push(`${node.tagName} ${node.className} ${node.textContent}`);
    }
    return { checked, low };
})()";

/// JavaScript that is true if there is nothing to scroll sideways on a screen of 390 pixels.
const FITS_PHONE: &str = "document.documentElement.scrollWidth <= 390 && document.getElementById('stage').scrollWidth <= 390";

/// JavaScript that counts the buttons that are too small for a finger.
const SMALL_BUTTONS: &str = "[...document.querySelectorAll('.tile .tool, #top .tool')]
    .filter((tool) => tool.getClientRects().length > 0)
    .map((tool) => tool.getBoundingClientRect())
    .filter(({ width, height }) => width < 40 || height < 40).length";

async fn assert_readable(page: &Page) {
    let contrast = page.eval(CONTRAST).await;
    assert!(contrast["checked"].as_u64().unwrap() > 10, "{contrast}");
    assert_eq!(contrast["low"], json!([]));
}

async fn open_controls(page: &Page, camera: &str) {
    page.click(&tool(camera, "controls")).await;
    page.wait_for("document.querySelectorAll('[data-control]').length > 20")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn adapts_to_screen_size_color_scheme_and_codecs() {
    let Some(mut fixture) = Fixture::start().await else {
        return;
    };
    let page = fixture.open_browser().await;
    page.resize(640, 360, false).await;
    for (name, svg) in SCENES {
        let html = format!("<style>body {{ margin: 0 }}</style>{svg}");
        let url = format!("data:text/html;base64,{}", BASE64_STANDARD.encode(html));
        page.goto(url).await.unwrap();
        let png = page.screenshot_as_png().await.unwrap();
        fixture.add_camera(name, image_camera(png));
    }
    page.resize(1_280, 800, false).await;
    fixture.load(&page).await;
    for (name, _) in SCENES {
        wait_for_playback(&page, name).await;
    }
    page.wait_for_text("#summary", "3 live").await;
    page.set_color_scheme("dark").await;
    page.click(&tile("Front door", ".open")).await;
    page.click(&tool("Front door", "controls")).await;
    page.wait_for("document.querySelector('[data-control=\"night-switch-point\"] select')?.value")
        .await;
    page.wait_for("!document.querySelector('.row.busy')").await;
    page.save_screenshot("page").await;
    page.press_key(Key::Escape).await;
    page.press_key(Key::Escape).await;

    fixture.add_camera("H.265", camera_config(H265, FPS));
    // A browser that does not support H.265 shows what to do instead.
    let hevc = page
        .eval("MediaSource.isTypeSupported('video/mp4; codecs=\"hvc1.1.6.L60.90\"')")
        .await;
    if hevc == true {
        wait_for_playback(&page, "H.265").await;
    } else {
        let notice = tile("H.265", ".notice");
        page.wait_for_text(&notice, "does not play H.265").await;
        page.wait_for_text(&notice, "rtsp://127.0.0.1:8554/H.265")
            .await;
    }
    // The camera sends no audio.
    let mute = json!(tool("H.265", "mute"));
    page.wait_for(&format!("document.querySelector({mute}).disabled"))
        .await;

    let mut backgrounds = Vec::new();
    for scheme in ["light", "dark"] {
        page.set_color_scheme(scheme).await;
        page.save_screenshot(scheme).await;
        open_controls(&page, "Front door").await;
        assert_readable(&page).await;
        page.click("#panel .tab:last-child").await;
        page.wait_for_text(".facts", "Viewers").await;
        assert_readable(&page).await;
        page.press_key(Key::Escape).await;
        let background = "getComputedStyle(document.body).backgroundColor";
        backgrounds.push(page.eval(background).await);
    }
    assert_ne!(backgrounds[0], backgrounds[1]);

    page.resize(390, 844, true).await;
    page.wait_for("document.querySelector('.tile').getBoundingClientRect().width > 320")
        .await;
    page.save_screenshot("phone").await;
    page.wait_for(FITS_PHONE).await;
    assert_eq!(page.eval(SMALL_BUTTONS).await, 0);
    page.click(&tile("Garden", ".open")).await;
    page.wait_for("document.querySelector('.large')?.dataset.camera === 'Garden'")
        .await;
    page.wait_for(FITS_PHONE).await;
    page.save_screenshot("phone-large").await;
    open_controls(&page, "Garden").await;
    page.wait_for(FITS_PHONE).await;
    page.save_screenshot("phone-controls").await;
    page.click("#panel .tool").await;
    page.resize(844, 390, true).await;
    page.wait_for(
        "(({ width, height }) => width > 800 && height > 380)\
         (document.querySelector('.large').getBoundingClientRect())",
    )
    .await;
    page.save_screenshot("phone-landscape").await;
    page.assert_no_console_errors().await;
    fixture.close(page).await;
}
