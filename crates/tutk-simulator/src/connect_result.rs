//! K10003, the camera's description of itself.

use alloc::borrow::ToOwned as _;
use alloc::format;
use alloc::string::String;
use alloc::string::ToString as _;
use hl_ioctl::JsonDocument;
use hl_ioctl::commands::{ConnectResult, Resolution};
use serde_json::{Value, json};
use tutk_frame::Codec;
use tutk_session::{Error, MAX_HL_PAYLOAD};

use crate::config::SimulatorConfig;

/// The firmware version that the camera reports.
const FIRMWARE: &str = "4.52.9.4188";

/// Returns K10003 for a correct response.
///
/// # Errors
/// [`Error::Authentication`] if it does not fit into a packet.
pub(crate) fn connect_result(config: &SimulatorConfig) -> Result<ConnectResult, Error> {
    let result = match &config.result {
        Some(result) => result.clone(),
        None => ConnectResult::from_document(JsonDocument::from(describe(config)))
            .map_err(Error::Authentication)?,
    };
    let got = result.raw().len();
    if got > MAX_HL_PAYLOAD {
        return Err(Error::Authentication(hl_ioctl::Error::TooLong {
            what: "K10003",
            limit: MAX_HL_PAYLOAD,
            got,
        }));
    }
    Ok(result)
}

/// Returns the objects and fields that real cameras send (docs/protocol.md, section 14).
fn describe(config: &SimulatorConfig) -> Value {
    let clip = &config.clip;
    let device = config.device();
    let codec = match clip.codec() {
        Codec::H265 => "H265".to_owned(),
        Codec::H264 => "H264".to_owned(),
        other => format!("{other:?}"),
    };
    let channels = json!({
        "video": "1",
        "audio": if config.audio.is_some() { "1" } else { "0" },
    });
    let info = json!({
        "videoParm": {
            "type": codec,
            "bitRate": device.bitrate.get().to_string(),
            "resolution": tier(device.resolution).to_string(),
            "fps": clip.fps().to_string(),
            "horizontalFlip": "1",
            "verticalFlip": "1",
            "logo": "1",
            "time": "1",
        },
        "settingParm": {
            "stateVision": "1",
            "nightVision": "3",
            "osd": "1",
            "logSd": "1",
            "logUdisk": "1",
            "telnet": "2",
            "tz": "0",
        },
        "audioParm": config.audio.as_ref().map(|audio| json!({
            "type": audio_name(audio.format().codec),
        })),
        "basicInfo": without_null(json!({
            "firmware": FIRMWARE,
            "hardware": "0.0.0.0",
            "type": "camera",
            "model": config.personality.model,
            "mac": config.credentials.mac.map(|mac| mac.to_string()),
            "wifidb": "70",
        })),
        // Cameras spell it wrongly; one client reads the other spelling.
        "channelResquestResult": channels,
        "channelRequestResult": channels,
        "recordType": { "type": "1" },
        "sdParm": { "status": "2", "capacity": "0", "free": "0", "detail": "0" },
        "uDiskParm": { "status": "2", "capacity": "0", "free": "0" },
    });
    json!({ "connectionRes": "1", "cameraInfo": without_null(info) })
}

/// Removes the fields of an object that are not known.
fn without_null(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    object
}

/// Returns a resolution as K10003 and the frame info have it: its code plus one. 0 is unknown.
pub(crate) fn tier(resolution: Resolution) -> u8 {
    resolution.code().saturating_add(1)
}

fn audio_name(codec: Codec) -> String {
    match codec {
        Codec::AacRaw | Codec::AacAdts | Codec::AacLatm | Codec::AacWyze => "AAC".to_owned(),
        other => format!("{other:?}").to_uppercase(),
    }
}
