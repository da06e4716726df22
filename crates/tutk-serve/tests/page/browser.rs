//! Chromium, driven by chromedriver over WebDriver.

use std::io::{BufRead as _, BufReader, Read as _};
use std::ops::Deref;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use thirtyfour::{
    By, ChromiumLikeCapabilities as _, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver,
};

use crate::common::TIMEOUT;
use crate::common::players::are_installed;

const DRIVER: &str = "chromedriver";

const FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-component-update",
    "--disable-quic",
    // Nothing leaves this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    // A microphone that beeps, without a permission prompt.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    // Elements that move are hard to click.
    "--force-prefers-reduced-motion",
];

const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// A chromedriver process. It is killed on drop, after its sessions have been closed.
pub(crate) struct Driver {
    process: Child,
    url: String,
    /// Open, so that chromedriver can write to it.
    _stdout: BufReader<ChildStdout>,
}

/// A web page in a browser of its own. The browser ends on drop, which blocks.
pub(crate) struct Page(WebDriver);

/// Returns `true` if Chromium and chromedriver are installed. Panics if they are not and CI=true.
pub(crate) fn is_installed() -> bool {
    are_installed(&["chromium", DRIVER], "--version", "chromium-driver")
}

impl Driver {
    pub(crate) fn start() -> Self {
        // The profiles of the last run may be left.
        let profiles = Path::new(env!("CARGO_TARGET_TMPDIR")).join("chromium");
        let _ = std::fs::remove_dir_all(&profiles);
        std::fs::create_dir_all(&profiles).unwrap();
        let mut process = Command::new(DRIVER)
            .arg("--port=0")
            .env("TMPDIR", profiles)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut lines = stdout.by_ref().lines().map(Result::unwrap);
        let port = lines.find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        Self {
            process,
            url: format!("http://127.0.0.1:{}", port.unwrap()),
            _stdout: stdout,
        }
    }

    /// Starts a browser.
    pub(crate) async fn open(&self, width: u32, height: u32) -> Page {
        let mut capabilities = DesiredCapabilities::chrome();
        for flag in FLAGS {
            capabilities.add_arg(flag).unwrap();
        }
        let level = LoggingPrefsLogLevel::Warning;
        capabilities.set_browser_log_level(level).unwrap();
        let page = Page(WebDriver::new(&self.url, capabilities).await.unwrap());
        page.resize(width, height, false).await;
        page
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Deref for Page {
    type Target = WebDriver;

    fn deref(&self) -> &WebDriver {
        &self.0
    }
}

impl Page {
    pub(crate) async fn close(self) {
        self.0.quit().await.unwrap();
    }

    /// Evaluates a JavaScript expression. A promise is awaited.
    pub(crate) async fn eval(&self, expression: &str) -> Value {
        match self
            .execute(format!("return ({expression})"), Vec::new())
            .await
        {
            Ok(value) => value.json().clone(),
            Err(error) => panic!("{expression}: {error}"),
        }
    }

    /// Waits until an expression is true, and returns its value.
    pub(crate) async fn wait_for(&self, expression: &str) -> Value {
        let polling = async {
            loop {
                let value = self.eval(expression).await;
                if !matches!(value, Value::Null | Value::Bool(false)) && value != 0 && value != "" {
                    return value;
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        if let Ok(value) = tokio::time::timeout(TIMEOUT, polling).await {
            return value;
        }
        let text = self.text("body").await;
        let errors = self.console_errors().await;
        panic!("never true: {expression}\n{text}\n{errors:#?}");
    }

    /// Waits until an element contains a text.
    pub(crate) async fn wait_for_text(&self, selector: &str, text: &str) {
        let (selector, text) = (json!(selector), json!(text));
        self.wait_for(&format!(
            "document.querySelector({selector})?.innerText.includes({text})"
        ))
        .await;
    }

    pub(crate) async fn text(&self, selector: &str) -> String {
        let element = self.find(By::Css(selector)).await.unwrap();
        element.text().await.unwrap()
    }

    /// Clicks an element as soon as it exists and nothing covers it.
    pub(crate) async fn click(&self, selector: &str) {
        let clicking = async {
            while let Err(error) = self.try_click(selector).await {
                eprintln!("{selector}: {error}");
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        let clicked = tokio::time::timeout(TIMEOUT, clicking).await;
        assert!(clicked.is_ok(), "{selector} cannot be clicked");
    }

    async fn try_click(&self, selector: &str) -> thirtyfour::error::WebDriverResult<()> {
        self.find(By::Css(selector)).await?.click().await
    }

    /// Moves the mouse to an element and presses its button.
    pub(crate) async fn hold_mouse(&self, selector: &str) {
        let element = self.find(By::Css(selector)).await.unwrap();
        let action = self.action_chain().click_and_hold_element(&element);
        action.perform().await.unwrap();
    }

    pub(crate) async fn release_mouse(&self) {
        self.action_chain().release().perform().await.unwrap();
    }

    pub(crate) async fn press_key(&self, key: impl Into<char>) {
        let key = key.into();
        let action = self.action_chain().key_down(key).key_up(key);
        action.perform().await.unwrap();
    }

    async fn devtools(&self, method: &str, params: Value) {
        self.cdp().send_raw(method, params).await.unwrap();
    }

    /// Sets the size of the viewport in CSS pixels.
    pub(crate) async fn resize(&self, width: u32, height: u32, mobile: bool) {
        let metrics = json!({
            "width": width, "height": height, "mobile": mobile,
            "deviceScaleFactor": if mobile { 2 } else { 1 },
        });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        let touch = json!({ "enabled": mobile });
        self.devtools("Emulation.setTouchEmulationEnabled", touch)
            .await;
    }

    /// Selects the color scheme: `light` or `dark`.
    pub(crate) async fn set_color_scheme(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )
        .await;
    }

    /// Saves a screenshot for review, if `PAGE_SHOTS` is set to a folder.
    pub(crate) async fn save_screenshot(&self, name: &str) {
        if let Some(folder) = std::env::var_os("PAGE_SHOTS") {
            let file = Path::new(&folder).join(format!("{name}.png"));
            self.screenshot(&file).await.unwrap();
        }
    }

    /// Returns the new errors in the console, and the warnings that the page itself wrote.
    pub(crate) async fn console_errors(&self) -> Vec<String> {
        let mut entries = self.browser_log().await.unwrap();
        entries.retain(|entry| {
            entry.level == "SEVERE" || entry.source.as_deref() == Some("console-api")
        });
        entries.into_iter().map(|entry| entry.message).collect()
    }

    pub(crate) async fn assert_no_console_errors(&self) {
        let errors = self.console_errors().await;
        assert!(errors.is_empty(), "{errors:#?}");
    }
}
