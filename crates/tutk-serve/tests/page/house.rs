//! Cameras, HTTP for them, and a browser that looks at the page.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};
use tutk_runtime::SimulatedCamera;
use tutk_runtime::tutk_simulator::SimulatorConfig;
use tutk_serve::{HttpConfig, HttpServer, Hub};

use crate::browser::{self, Browser, Page};
use crate::common::players::ffmpeg_is_installed;
use crate::common::{self, loopback, settings};
use crate::painted::READ;

/// One browser at a time: several would be slow for reasons that are none of the page's.
static ONE: Mutex<()> = Mutex::const_new(());

pub(crate) struct House {
    _rtsp: tutk_serve::Registration,
    pub(crate) cameras: BTreeMap<String, SimulatedCamera>,
    pub(crate) hub: Hub,
    pub(crate) http: HttpServer,
    pub(crate) browser: Browser,
    _turn: MutexGuard<'static, ()>,
}

impl House {
    /// `None` where there is no browser or no ffmpeg, which is a failure where CI=true.
    pub(crate) async fn open() -> Option<Self> {
        if !(browser::is_there() && ffmpeg_is_installed()) {
            return None;
        }
        let turn = ONE.lock().await;
        let hub = Hub::new();
        let http = HttpServer::start(hub.clone(), HttpConfig::new(loopback()));
        let http = http.await.unwrap();
        Some(Self {
            _rtsp: common::register_rtsp(&hub),
            cameras: BTreeMap::new(),
            hub,
            http,
            browser: Browser::start().await,
            _turn: turn,
        })
    }

    pub(crate) fn add(&mut self, name: &str, config: SimulatorConfig) {
        let server = common::start_camera(config);
        let mut settings = settings(&server);
        // It is to come back while somebody watches the test.
        settings.policy.max_delay = std::time::Duration::from_secs(1);
        self.hub.add(name, settings).unwrap();
        self.cameras.insert(name.to_owned(), server);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.http.local_addr())
    }

    /// The page, with what reads pictures.
    pub(crate) async fn page(&self) -> Page {
        let page = self.browser.page(&self.url(), 1_280, 800).await;
        page.eval(&format!(
            "globalThis.read = (() => {{ {READ} return read; }})(); null"
        ))
        .await;
        page
    }

    /// What a camera says a control is set to.
    pub(crate) async fn control(&self, camera: &str, control: &str) -> Value {
        let request = format!(
            "GET /api/cameras/{camera}/controls/{control} HTTP/1.1\r\nHost: {0}\r\nConnection: close\r\n\r\n",
            self.http.local_addr()
        );
        let answer = crate::client::StreamingResponse::open(self.http.local_addr(), &request)
            .await
            .read_all()
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["value"].clone()
    }

    pub(crate) async fn close(self) {
        self.hub.close().await;
        self.http.close().await;
    }
}

/// The selector of a camera's tile, and of something in it.
pub(crate) fn tile(camera: &str, rest: &str) -> String {
    format!("[data-camera={}] {rest}", json!(camera))
        .trim_end()
        .to_owned()
}

/// The selector of a tool on a camera's tile.
pub(crate) fn tool(camera: &str, tool: &str) -> String {
    tile(camera, &format!("[data-tool={tool}]"))
}

/// An expression: a camera's video element.
pub(crate) fn video(camera: &str) -> String {
    format!("document.querySelector({})", json!(tile(camera, "video")))
}

/// Waits until a camera's picture plays.
pub(crate) async fn plays(page: &Page, camera: &str) {
    page.until_says(&tile(camera, ".badge"), "Live").await;
    page.until(&format!("{}.currentTime > 0 && !{0}.paused", video(camera)))
        .await;
}

/// The camera's and the picture's number, as they are shown.
pub(crate) async fn picture(page: &Page, camera: &str) -> (u64, u64) {
    let both = page.until(&format!("read({})", video(camera))).await;
    (both[0].as_u64().unwrap(), both[1].as_u64().unwrap())
}
