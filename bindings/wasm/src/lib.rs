//! The package `tutk-wasm` for browsers and Node.js. All work is local: it has no sockets.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tutk_bindings as shared;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsError, JsValue};

/// The types of the values that the functions return as JSON.
#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = include_str!("../types.d.ts");

/// Reads a capture, and returns its packets one by one.
#[wasm_bindgen]
pub struct Dissection(shared::Dissection);

#[wasm_bindgen]
impl Dissection {
    /// Opens a capture (pcap or pcapng). `keyLogs` are files in the format of NSS, `cameras` are
    /// addresses that begin with `wyze://`.
    #[wasm_bindgen(constructor)]
    pub fn new(
        file: Vec<u8>,
        #[wasm_bindgen(js_name = keyLogs)] key_logs: Option<Vec<String>>,
        cameras: Option<Vec<String>>,
    ) -> Result<Self, JsError> {
        let (key_logs, cameras) = (key_logs.unwrap_or_default(), cameras.unwrap_or_default());
        let dissection = shared::Dissection::new(file.into(), &key_logs, &cameras)?;
        Ok(Self(dissection))
    }

    /// Returns the next packet, then the sessions, then `undefined`.
    #[wasm_bindgen(js_name = next, unchecked_return_type = "DissectionLine | undefined")]
    pub fn next_line(&mut self) -> Result<JsValue, JsError> {
        let line = self.0.next_json()?;
        line.map_or(Ok(JsValue::UNDEFINED), |line| parse(&line))
    }
}

/// Dissects a datagram, as the first one of its session. Addresses have the form `192.0.2.1:32761`.
/// Returns `undefined` if it is not of the protocol.
#[wasm_bindgen(js_name = dissectDatagram, unchecked_return_type = "Packet | undefined")]
pub fn dissect_datagram(
    source: &str,
    destination: &str,
    payload: &[u8],
) -> Result<JsValue, JsError> {
    let [source, destination] = [source.parse::<SocketAddr>()?, destination.parse()?];
    let packet = shared::dissect_datagram(source, destination, payload);
    packet.map_or(Ok(JsValue::UNDEFINED), |packet| parse(&packet))
}

/// Parses the address of a camera, which begins with `wyze://`.
#[wasm_bindgen(js_name = parseUrl, unchecked_return_type = "Camera")]
pub fn parse_url(url: &str) -> Result<JsValue, JsError> {
    to_js(&shared::parse_url(url)?)
}

/// Returns the catalogue of controls.
#[wasm_bindgen(unchecked_return_type = "Control[]")]
pub fn controls() -> Result<JsValue, JsError> {
    to_js(&shared::controls())
}

/// Returns the request that reads a control, or sets it to the values if there are some.
/// `unixMillis` is the time of day, for controls that set the clock.
#[wasm_bindgen(unchecked_return_type = "Request")]
pub fn request(
    control: &str,
    values: Vec<String>,
    model: Option<String>,
    #[wasm_bindgen(js_name = unixMillis)] unix_millis: Option<f64>,
) -> Result<JsValue, JsError> {
    // Negative numbers become 0.
    let unix = unix_millis.map(|millis| Duration::from_millis(millis as u64));
    let context = shared::tutk_session::models::command_context(model.as_deref(), unix);
    to_js(&shared::request(control, &values, &context)?)
}

/// Converts the answer to the request with the same control and values.
#[wasm_bindgen(js_name = describeAnswer, unchecked_return_type = "unknown")]
pub fn describe_answer(
    control: &str,
    values: Vec<String>,
    answer: &[u8],
) -> Result<JsValue, JsError> {
    to_js(&shared::describe_answer(control, &values, answer)?)
}

fn to_js(value: &Value) -> Result<JsValue, JsError> {
    parse(&value.to_string())
}

fn parse(json: &str) -> Result<JsValue, JsError> {
    js_sys::JSON::parse(json).map_err(|_| JsError::new("the result is not JSON"))
}
