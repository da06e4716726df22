//! K10003: the camera's answer to the response, with a description of the camera.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde_json::{Map, Value, json};

use crate::json::{number_of, object, text_of};
use crate::layout::Payload;
use crate::{Error, JsonDocument};

/// `connectionRes` of a success.
pub const SUCCESS: &str = "1";
/// `connectionRes` of a response that was computed with a wrong ENR.
///
/// Every value except [`SUCCESS`] is read as a refusal.
pub const WRONG_ENR: &str = "2";

const WHAT: &str = "K10003";
/// The longest model name or version that is accepted, in bytes.
const MAX_NAME: usize = 32;
const CONNECTION_RES: &str = "connectionRes";

/// K10003: a JSON document with its known fields (docs/protocol.md, section 14).
///
/// ```json
/// { "connectionRes": "1",
///   "cameraInfo": {
///     "videoParm": { "type": "H264", "bitRate": "30", "resolution": "2", "fps": "20" },
///     "audioParm": { "type": "AAC" } } }
/// ```
///
/// Cameras write numbers as text or as numbers. A field that is missing or has another type is
/// `None`; [`json`](Self::json) still has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectResult {
    document: JsonDocument,
    connection_res: String,
    video: Option<VideoParams>,
    audio: Option<AudioParams>,
}

/// `cameraInfo.videoParm`: the video that the camera sends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct VideoParams {
    /// `type`: the codec, such as `H264`.
    pub codec: Option<String>,
    /// `bitRate` in kB/s.
    pub bitrate: Option<u32>,
    /// `resolution`. It is not verified if this is the code of a [`Resolution`](super::Resolution)
    /// or the code plus one.
    pub resolution: Option<u32>,
    /// `fps`: frames per second.
    pub fps: Option<u32>,
}

/// `cameraInfo.audioParm`: the audio that the camera sends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct AudioParams {
    /// `type`: the codec, such as `AAC`.
    pub codec: Option<String>,
}

impl ConnectResult {
    /// Parses the payload of K10003, without the HL header.
    ///
    /// # Errors
    ///
    /// The errors of [`JsonDocument::decode`], and [`Error::JsonField`] if `connectionRes` is
    /// missing.
    pub fn decode(payload: &[u8]) -> Result<Self, Error> {
        Self::read(WHAT, payload)
    }

    /// Creates a result from a document, such as one that a camera sent.
    ///
    /// # Errors
    ///
    /// [`Error::JsonField`] if `connectionRes` is missing.
    pub fn from_document(document: JsonDocument) -> Result<Self, Error> {
        Self::new(WHAT, document)
    }

    fn new(what: &'static str, document: JsonDocument) -> Result<Self, Error> {
        let json = document.value();
        let connection_res =
            json.get(CONNECTION_RES)
                .and_then(text_of)
                .ok_or(Error::JsonField {
                    what,
                    field: CONNECTION_RES,
                })?;
        let info = json.get("cameraInfo");
        let part = |name| {
            info.and_then(|info| info.get(name))
                .filter(|part| part.is_object())
        };
        let video = part("videoParm").map(VideoParams::from_json);
        let audio = part("audioParm").map(AudioParams::from_json);
        Ok(Self {
            connection_res,
            video,
            audio,
            document,
        })
    }

    /// Camera: creates a success with a description of the media. Numbers are written as text.
    #[must_use]
    pub fn accept(video: Option<VideoParams>, audio: Option<AudioParams>) -> Self {
        let mut info = Map::new();
        if let Some(video) = &video {
            info.insert("videoParm".into(), video.to_json());
        }
        if let Some(audio) = &audio {
            info.insert("audioParm".into(), audio.to_json());
        }
        Self {
            document: json!({ CONNECTION_RES: SUCCESS, "cameraInfo": info }).into(),
            connection_res: SUCCESS.into(),
            video,
            audio,
        }
    }

    /// Camera: creates a refusal with [`WRONG_ENR`].
    #[must_use]
    pub fn refuse() -> Self {
        Self {
            document: json!({ CONNECTION_RES: WRONG_ENR }).into(),
            connection_res: WRONG_ENR.into(),
            video: None,
            audio: None,
        }
    }

    /// Returns `true` if `connectionRes` is [`SUCCESS`].
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.connection_res == SUCCESS
    }

    /// `connectionRes`.
    #[must_use]
    pub fn connection_res(&self) -> &str {
        &self.connection_res
    }

    /// `cameraInfo.videoParm`.
    #[must_use]
    pub fn video(&self) -> Option<&VideoParams> {
        self.video.as_ref()
    }

    /// `cameraInfo.audioParm`.
    #[must_use]
    pub fn audio(&self) -> Option<&AudioParams> {
        self.audio.as_ref()
    }

    /// The model, such as `HL_CAM4`, from `cameraInfo.basicInfo.model`.
    ///
    /// The place of this field is not verified. Text that cannot be a model name is ignored.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.basic("model")
    }

    /// The firmware version, such as `4.52.9.4188`, from `cameraInfo.basicInfo.firmware`.
    ///
    /// The place of this field is not verified. Text that cannot be a version is ignored.
    #[must_use]
    pub fn firmware(&self) -> Option<&str> {
        self.basic("firmware")
    }

    fn basic(&self, field: &str) -> Option<&str> {
        let text = self
            .json()
            .pointer("/cameraInfo/basicInfo")?
            .get(field)?
            .as_str()?;
        let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        let plain = (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(is_of_a_name);
        plain.then_some(text)
    }

    /// The original JSON text.
    #[must_use]
    pub fn raw(&self) -> &str {
        self.document.text()
    }

    /// The JSON as a tree.
    #[must_use]
    pub fn json(&self) -> &Value {
        self.document.value()
    }
}

impl Payload for ConnectResult {
    fn write(&self, out: &mut Vec<u8>) {
        self.document.write(out);
    }

    fn read(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        Self::new(what, JsonDocument::decode(what, payload)?)
    }
}

impl VideoParams {
    fn from_json(json: &Value) -> Self {
        Self {
            codec: json.get("type").and_then(text_of),
            bitrate: json.get("bitRate").and_then(number_of),
            resolution: json.get("resolution").and_then(number_of),
            fps: json.get("fps").and_then(number_of),
        }
    }

    fn to_json(&self) -> Value {
        let number = |number: Option<u32>| number.map(|number| number.to_string().into());
        object([
            ("type", self.codec.clone().map(Value::from)),
            ("bitRate", number(self.bitrate)),
            ("resolution", number(self.resolution)),
            ("fps", number(self.fps)),
        ])
    }
}

impl AudioParams {
    fn from_json(json: &Value) -> Self {
        Self {
            codec: json.get("type").and_then(text_of),
        }
    }

    fn to_json(&self) -> Value {
        object([("type", self.codec.clone().map(Value::from))])
    }
}
