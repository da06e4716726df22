//! Simulated cameras, an HTTP server for them, and a browser.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};
use tutk_runtime::SimulatedCamera;
use tutk_runtime::tutk_simulator::SimulatorConfig;
use tutk_serve::{HttpConfig, HttpServer, Hub, Registration};

use crate::browser::{self, Driver, Page};
use crate::common::players::has_ffmpeg;
use crate::common::{self, loopback, settings};
use crate::test_pattern::READ_PATTERN;

/// One test at a time: several browsers would slow each other down.
static TURN: Mutex<()> = Mutex::const_new(());

pub(crate) struct Fixture {
    _rtsp: Registration,
    pub(crate) cameras: BTreeMap<String, SimulatedCamera>,
    pub(crate) hub: Hub,
    pub(crate) http: HttpServer,
    driver: Driver,
    _turn: MutexGuard<'static, ()>,
}

impl Fixture {
    /// Returns `None` if there is no browser or no ffmpeg. Panics in that case if CI=true.
    pub(crate) async fn start() -> Option<Self> {
        if !(browser::is_installed() && has_ffmpeg()) {
            return None;
        }
        let turn = TURN.lock().await;
        let hub = Hub::new();
        let http = HttpServer::start(hub.clone(), HttpConfig::new(loopback()));
        Some(Self {
            _rtsp: common::register_rtsp(&hub),
            cameras: BTreeMap::new(),
            http: http.await.unwrap(),
            hub,
            driver: Driver::start(),
            _turn: turn,
        })
    }

    pub(crate) fn add_camera(&mut self, name: &str, config: SimulatorConfig) {
        let camera = common::start_camera(config);
        let mut settings = settings(&camera);
        // Reconnects within the patience of a test.
        settings.policy.max_delay = Duration::from_secs(1);
        self.hub.add(name, settings).unwrap();
        self.cameras.insert(name.to_owned(), camera);
    }

    /// Starts a browser that shows the web page.
    pub(crate) async fn open_page(&self) -> Page {
        let page = self.open_browser().await;
        self.load(&page).await;
        page
    }

    pub(crate) async fn open_browser(&self) -> Page {
        self.driver.open(1_280, 800).await
    }

    /// Loads the web page, and defines `readPattern` in it.
    pub(crate) async fn load(&self, page: &Page) {
        let url = format!("http://{}/", self.http.local_addr());
        page.goto(url).await.unwrap();
        page.execute(READ_PATTERN, Vec::new()).await.unwrap();
    }

    /// Reads the value of a control from the API.
    pub(crate) async fn control(&self, camera: &str, control: &str) -> Value {
        let path = format!("/api/cameras/{camera}/controls/{control}");
        let response = crate::client::get(self.http.local_addr(), &path).await;
        assert_eq!(response.status, 200, "{}", response.text());
        response.json()["value"].clone()
    }

    pub(crate) async fn close(self, page: Page) {
        page.close().await;
        self.hub.close().await;
        self.http.close().await;
    }
}

/// Returns the selector of an element in a camera's tile.
pub(crate) fn tile(camera: &str, element: &str) -> String {
    format!("[data-camera={}] {element}", json!(camera))
}

/// Returns the selector of a button in a camera's tile.
pub(crate) fn tool(camera: &str, name: &str) -> String {
    tile(camera, &format!("[data-tool={name}]"))
}

/// Returns a JavaScript expression for a camera's video element.
pub(crate) fn video(camera: &str) -> String {
    format!("document.querySelector({})", json!(tile(camera, "video")))
}

/// Waits until a camera's video plays.
pub(crate) async fn wait_for_playback(page: &Page, camera: &str) {
    page.wait_for_text(&tile(camera, ".badge"), "Live").await;
    page.wait_for(&format!("{}.currentTime > 0 && !{0}.paused", video(camera)))
        .await;
}

/// Returns the camera number and the picture number that a video shows.
pub(crate) async fn read_pattern(page: &Page, camera: &str) -> (u64, u64) {
    let numbers = page
        .wait_for(&format!("readPattern({})", video(camera)))
        .await;
    (numbers[0].as_u64().unwrap(), numbers[1].as_u64().unwrap())
}
