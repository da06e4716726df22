//! K10003: what the camera says to the answer, and about itself.

use alloc::string::{String, ToString};

use serde_json::{Map, Value, json};

use crate::json::{number_of, text_of};
use crate::{Error, JsonDocument};

/// `connectionRes` for success.
pub const SUCCESS: &str = "1";
/// `connectionRes` that this project's camera writes when it refuses.
///
/// The documents have only success. Clients here take everything but [`SUCCESS`] for a refusal.
pub const REFUSED: &str = "0";

const WHAT: &str = "K10003";
/// Longer than any model's name, and than any version's.
const MAX_NAME: usize = 32;
const CONNECTION_RES: &str = "connectionRes";

/// K10003: JSON, kept whole, and typed where it is known.
///
/// | at | size | field |
/// |---|---|---|
/// | 0 | 16 | HL header, code 10003, length of the JSON |
/// | 16 | | JSON, at most [`MAX_JSON`](crate::MAX_JSON) bytes |
///
/// ```json
/// { "connectionRes": "1",
///   "cameraInfo": {
///     "videoParm": { "type": "H264", "bitRate": "30", "resolution": "2", "fps": "20" },
///     "audioParm": { "type": "AAC" } } }
/// ```
///
/// Numbers come as text or as numbers: both are taken. A field that is missing or has another shape is
/// `None` here, and still there in [`json`](Self::json).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectResult {
    document: JsonDocument,
    connection_res: String,
    video: Option<VideoParams>,
    audio: Option<AudioParams>,
}

/// `cameraInfo.videoParm`: the video that the camera sends, in its own numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct VideoParams {
    /// `type`: the codec, such as `H264`.
    pub codec: Option<String>,
    /// `bitRate`, kB/s.
    pub bitrate: Option<u32>,
    /// `resolution`, a number of the camera's. Whether it is a [`Resolution`](super::Resolution) code or
    /// one more is not sure.
    pub resolution: Option<u32>,
    /// `fps`, frames per second.
    pub fps: Option<u32>,
}

/// `cameraInfo.audioParm`: the audio that the camera sends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct AudioParams {
    /// `type`: the codec, such as `AAC`.
    pub codec: Option<String>,
}

impl ConnectResult {
    /// Reads K10003's payload.
    ///
    /// # Errors
    ///
    /// As [`JsonDocument::parse`], and [`Error::JsonField`] if there is no `connectionRes`.
    pub fn parse(payload: &[u8]) -> Result<Self, Error> {
        Self::parse_as(WHAT, payload)
    }

    /// The same for K10007 and K10009: `what` names the message in errors.
    pub(crate) fn parse_as(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        Self::new(what, JsonDocument::parse(what, payload)?)
    }

    /// Takes JSON as it is: a camera's words played back, for instance.
    ///
    /// # Errors
    ///
    /// [`Error::JsonField`] if there is no `connectionRes`.
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

    /// Camera: success, with what the camera is to say about its media. Numbers are written as text.
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

    /// Camera: refusal, [`REFUSED`].
    #[must_use]
    pub fn refuse() -> Self {
        Self {
            document: json!({ CONNECTION_RES: REFUSED }).into(),
            connection_res: REFUSED.into(),
            video: None,
            audio: None,
        }
    }

    /// Whether `connectionRes` is [`SUCCESS`].
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

    /// What the camera calls itself, as `HL_CAM4`. That it stands there, in `cameraInfo.basicInfo.model`, is not sure;
    /// what is no model's name is taken for none.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.basic("model")
    }

    /// The camera's firmware, as `4.52.9.4188`, from `cameraInfo.basicInfo.firmware`: as [`model`](Self::model).
    #[must_use]
    pub fn firmware(&self) -> Option<&str> {
        self.basic("firmware")
    }

    /// A field of `cameraInfo.basicInfo`, if it is a plain name.
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

    /// The JSON, byte for byte.
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
        let number = |number: Option<u32>| number.map(|number| number.to_string());
        object([
            ("type", self.codec.clone()),
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
        object([("type", self.codec.clone())])
    }
}

/// An object of the fields that are there.
fn object<const N: usize>(fields: [(&str, Option<String>); N]) -> Value {
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_string(), Value::String(value?))))
        .collect::<Map<_, _>>()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_is_taken_for_a_model() {
        let told = |model: &str| {
            let json = json!({
                "connectionRes": "1",
                "cameraInfo": { "basicInfo": { "model": model, "firmware": "4.52.9.4188" } },
            });
            let result = ConnectResult::parse(json.to_string().as_bytes()).unwrap();
            assert_eq!(result.firmware(), Some("4.52.9.4188"));
            result.model().map(ToString::to_string)
        };
        assert_eq!(told("WYZEC1-JZ").as_deref(), Some("WYZEC1-JZ"));
        for odd in ["", "a\u{1b}[2J", "HL CAM4", &"A".repeat(33)] {
            assert_eq!(told(odd), None, "{odd:?}");
        }
        let silent = ConnectResult::parse(br#"{"connectionRes":"1"}"#).unwrap();
        assert_eq!((silent.model(), silent.firmware()), (None, None));
    }
}
