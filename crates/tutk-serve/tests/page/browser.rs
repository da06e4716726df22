//! Chromium, and pages in it: a client of the DevTools protocol that is no more than what these
//! tests need.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::client::{WebSocket, WebSocketMessage};
use crate::common::players::{are_installed, temp_path};
use crate::common::with_timeout;

const PROGRAM: &str = "chromium";

const FLAGS: &[&str] = &[
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-extensions",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    // Nothing leaves this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    // A microphone that beeps, and that everybody may use.
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--remote-debugging-port=0",
    "about:blank",
];

/// How often it is looked whether something is so by now.
const LOOK: Duration = Duration::from_millis(50);

/// Where an element is, if it is there.
const PLACE: &str = "(async () => {
    const place = () => {
        const found = document.querySelector(SELECTOR);
        found?.scrollIntoView({ block: 'nearest' });
        const box = found?.getBoundingClientRect();
        const at = found && [box.x + box.width / 2, box.y + box.height / 2];
        return found?.contains(document.elementFromPoint(...at)) ? at : null;
    };
    const before = place();
    const frame = () => new Promise(requestAnimationFrame);
    await frame();
    await frame();
    const after = place();
    return before && after && before.every((value, at) => value === after[at]) ? after : null;
})()";

/// A browser of its own, which ends when this is dropped.
pub(crate) struct Browser {
    child: Child,
    profile: PathBuf,
    link: Link,
}

/// The way to it. Clones are of the same one.
#[derive(Clone)]
struct Link {
    orders: mpsc::UnboundedSender<Order>,
    complaints: Complaints,
}

struct Order {
    message: Value,
    answer: oneshot::Sender<Value>,
}

/// What the console says that should not be there, by session.
type Complaints = Arc<Mutex<BTreeMap<String, Vec<String>>>>;

/// A page that is open.
pub(crate) struct Page {
    link: Link,
    session: String,
}

pub(crate) fn is_there() -> bool {
    are_installed(&[PROGRAM], "--version", PROGRAM)
}

impl Browser {
    pub(crate) async fn start() -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let profile = temp_path(&format!("chromium-{number}"));
        std::fs::create_dir_all(&profile).unwrap();
        let mut child = Command::new(PROGRAM)
            .args(FLAGS)
            .arg(format!("--user-data-dir={}", profile.display()))
            .env("TMPDIR", &profile)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (found, address) = oneshot::channel();
        std::thread::spawn(move || {
            let line = lines.by_ref().find_map(|line| {
                let line = line.ok()?;
                Some(line.split_once("DevTools listening on ws://")?.1.to_owned())
            });
            let _ = found.send(line);
            // Whatever else it says: a full pipe would stop it.
            lines.for_each(drop);
        });
        let address = with_timeout(address).await.unwrap().unwrap();
        let (host, rest) = address.split_once('/').unwrap();
        let host: SocketAddr = host.parse().unwrap();
        let socket = WebSocket::open(host, &format!("/{rest}"), "").await;
        let Ok(socket) = socket else {
            panic!("no WebSocket at {address}");
        };
        let (orders, given) = mpsc::unbounded_channel();
        let complaints = Complaints::default();
        tokio::spawn(serve(socket, given, Arc::clone(&complaints)));
        let link = Link { orders, complaints };
        Self {
            child,
            profile,
            link,
        }
    }

    /// A page at this address, in a window of its own.
    pub(crate) async fn page(&self, url: &str, width: u32, height: u32) -> Page {
        let link = self.link.clone();
        let blank =
            json!({ "url": "about:blank", "newWindow": true, "width": width, "height": height });
        let target = link.call(None, "Target.createTarget", blank).await["targetId"].clone();
        let attach = json!({ "targetId": target, "flatten": true });
        let attached = link.call(None, "Target.attachToTarget", attach).await;
        let session = attached["sessionId"].as_str().unwrap().to_owned();
        let page = Page { link, session };
        for domain in ["Runtime.enable", "Log.enable", "Page.enable"] {
            page.call(domain, json!({})).await;
        }
        page.size(width, height, false).await;
        page.call("Page.navigate", json!({ "url": url })).await;
        page.until("document.readyState === 'complete'").await;
        page
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its other processes end by themselves, and may write still.
        let gone =
            |_: &u32| std::fs::remove_dir_all(&self.profile).is_ok() && !self.profile.exists();
        let wait = |_: &u32| std::thread::sleep(LOOK);
        let _ = (0..40).inspect(wait).find(gone);
    }
}

async fn serve(
    mut socket: WebSocket,
    mut orders: mpsc::UnboundedReceiver<Order>,
    complaints: Complaints,
) {
    let mut waiting = BTreeMap::new();
    let mut number = 0_u64;
    loop {
        tokio::select! {
            order = orders.recv() => {
                let Some(Order { mut message, answer }) = order else { return };
                number += 1;
                message["id"] = number.into();
                waiting.insert(number, answer);
                socket.text(&message.to_string()).await;
            }
            said = socket.next() => {
                let WebSocketMessage::Json(json) = said else { return };
                if let Some(answer) = json["id"].as_u64().and_then(|id| waiting.remove(&id)) {
                    let _ = answer.send(json);
                } else if let Some(complaint) = complaint(&json) {
                    let session = json["sessionId"].as_str().unwrap_or_default().to_owned();
                    complaints.lock().unwrap().entry(session).or_default().push(complaint);
                }
            }
        }
    }
}

/// What an event says that should not be: errors, warnings, what the policy forbids.
fn complaint(event: &Value) -> Option<String> {
    let params = &event["params"];
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(params["exceptionDetails"].to_string()),
        "Runtime.consoleAPICalled" if params["type"] == "error" || params["type"] == "warning" => {
            Some(params["args"].to_string())
        }
        "Log.entryAdded" if params["entry"]["level"] == "error" => {
            let entry = &params["entry"];
            Some(format!(
                "{}: {} {}",
                entry["source"], entry["text"], entry["url"]
            ))
        }
        _ => None,
    }
}

impl Link {
    async fn call(&self, session: Option<&str>, method: &str, params: Value) -> Value {
        let mut message = json!({ "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let (answer, answered) = oneshot::channel();
        assert!(self.orders.send(Order { message, answer }).is_ok());
        let mut answer = with_timeout(answered).await.unwrap();
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].take()
    }
}

impl Page {
    pub(crate) async fn call(&self, method: &str, params: Value) -> Value {
        self.link.call(Some(&self.session), method, params).await
    }

    /// What an expression is, as JSON; a promise is awaited.
    pub(crate) async fn eval(&self, expression: &str) -> Value {
        let params =
            json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let mut answer = self.call("Runtime.evaluate", params).await;
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].take()
    }

    /// Waits until an expression is true, and returns it.
    pub(crate) async fn until(&self, expression: &str) -> Value {
        for _ in 0..600 {
            let value = self.eval(expression).await;
            if !matches!(value, Value::Null | Value::Bool(false)) && value != 0 && value != "" {
                return value;
            }
            tokio::time::sleep(LOOK).await;
        }
        let shown = self.eval("document.body.innerText").await;
        let complaints = self.complaints();
        panic!(
            "never so: {expression}\n{}\n{complaints:?}",
            shown.as_str().unwrap()
        );
    }

    pub(crate) async fn text(&self, selector: &str) -> String {
        let selector = Value::from(selector);
        let text = self
            .eval(&format!("document.querySelector({selector}).innerText"))
            .await;
        text.as_str().unwrap().to_owned()
    }

    /// Waits until an element's text has a word.
    pub(crate) async fn until_says(&self, selector: &str, word: &str) {
        let (selector, word) = (Value::from(selector), Value::from(word));
        let says = format!("document.querySelector({selector})?.innerText.includes({word})");
        self.until(&says).await;
    }

    /// The middle of an element that is seen, not covered, and stays where it is.
    async fn place(&self, selector: &str) -> (f64, f64) {
        let at = self
            .until(&PLACE.replace("SELECTOR", &Value::from(selector).to_string()))
            .await;
        (at[0].as_f64().unwrap(), at[1].as_f64().unwrap())
    }

    async fn mouse(&self, kind: &str, (x, y): (f64, f64)) {
        let button = if kind == "mouseMoved" { "none" } else { "left" };
        let event = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": 1 });
        self.call("Input.dispatchMouseEvent", event).await;
    }

    pub(crate) async fn click(&self, selector: &str) {
        self.press(selector).await;
        self.release(selector).await;
    }

    pub(crate) async fn press(&self, selector: &str) {
        let at = self.place(selector).await;
        self.mouse("mouseMoved", at).await;
        self.mouse("mousePressed", at).await;
    }

    pub(crate) async fn release(&self, selector: &str) {
        let at = self.place(selector).await;
        self.mouse("mouseReleased", at).await;
    }

    /// Presses a key and lets go of it.
    pub(crate) async fn key(&self, key: &str) {
        self.key_event("keyDown", key).await;
        self.key_event("keyUp", key).await;
    }

    pub(crate) async fn key_event(&self, kind: &str, key: &str) {
        let (code, number, text) = match key {
            "Enter" => ("Enter", 13, "\r"),
            " " => ("Space", 32, " "),
            "Escape" => ("Escape", 27, ""),
            "Tab" => ("Tab", 9, ""),
            "ArrowRight" => ("ArrowRight", 39, ""),
            "m" => ("KeyM", 77, "m"),
            other => panic!("{other}"),
        };
        let mut event = json!({
            "type": kind, "key": key, "code": code, "windowsVirtualKeyCode": number,
        });
        if kind == "keyDown" && !text.is_empty() {
            event["text"] = text.into();
        }
        self.call("Input.dispatchKeyEvent", event).await;
    }

    /// Types into what has the focus.
    pub(crate) async fn type_text(&self, text: &str) {
        self.call("Input.insertText", json!({ "text": text })).await;
    }

    /// The size of what is shown, in CSS pixels.
    pub(crate) async fn size(&self, width: u32, height: u32, mobile: bool) {
        let metrics = json!({
            "width": width, "height": height, "mobile": mobile,
            "deviceScaleFactor": if mobile { 2 } else { 1 },
        });
        self.call("Emulation.setDeviceMetricsOverride", metrics)
            .await;
        self.call(
            "Emulation.setTouchEmulationEnabled",
            json!({ "enabled": mobile }),
        )
        .await;
    }

    /// Puts its window away, or back.
    pub(crate) async fn show(&self, shown: bool) {
        let window = self.call("Browser.getWindowForTarget", json!({})).await["windowId"].clone();
        let state = if shown { "normal" } else { "minimized" };
        let bounds = json!({ "windowId": window, "bounds": { "windowState": state } });
        self.call("Browser.setWindowBounds", bounds).await;
    }

    /// `light` or `dark`.
    pub(crate) async fn theme(&self, theme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": theme }]);
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": features }),
        )
        .await;
    }

    /// What it looks like, as PNG.
    pub(crate) async fn screenshot(&self) -> Vec<u8> {
        let params = json!({ "format": "png" });
        let answer = self.call("Page.captureScreenshot", params).await;
        BASE64_STANDARD
            .decode(answer["data"].as_str().unwrap())
            .unwrap()
    }

    /// Where a folder is named by `PAGE_SHOTS`, what the page looks like is put there, for people
    /// to judge.
    pub(crate) async fn shot(&self, name: &str) {
        if let Some(folder) = std::env::var_os("PAGE_SHOTS") {
            let file = Path::new(&folder).join(format!("{name}.png"));
            std::fs::write(file, self.screenshot().await).unwrap();
        }
    }

    /// What the console said so far that should not be there.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints = self.link.complaints.lock().unwrap();
        complaints.remove(&self.session).unwrap_or_default()
    }

    /// Nothing was wrong.
    pub(crate) fn assert_quiet(&self) {
        let complaints = self.complaints();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}
