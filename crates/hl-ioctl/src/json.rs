//! JSON from cameras, with a size limit and errors that contain no secrets.

use core::fmt;

use alloc::string::{String, ToString};
use serde_json::{Map, Value};

use crate::{Error, HEADER_SIZE, MAX_PAYLOAD};

/// The longest JSON text that is accepted, in bytes. `serde_json` limits the depth to 128.
pub const MAX_JSON: usize = MAX_PAYLOAD;
/// The length of an excerpt on either side of an error, in characters.
const EXCERPT: usize = 24;

/// A JSON document, as its original text and as a tree.
///
/// `Debug` prints only the length, because the JSON of cameras contains addresses and network
/// names.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonDocument {
    text: String,
    value: Value,
}

impl JsonDocument {
    /// Parses the payload of a message, without the HL header. Errors name the message `what`.
    ///
    /// Zero bytes at the end are dropped. Cameras may send the terminator of a C string.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] over [`MAX_JSON`], [`Error::NotUtf8`], [`Error::Json`].
    pub fn decode(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        if payload.len() > MAX_JSON {
            return Err(Error::TooLong {
                what,
                limit: MAX_JSON,
                got: payload.len(),
            });
        }
        let text = core::str::from_utf8(payload).map_err(|error| Error::NotUtf8 {
            what,
            offset: HEADER_SIZE + error.valid_up_to(),
        })?;
        let text = text.trim_end_matches('\0');
        let value = serde_json::from_str(text).map_err(|error| Error::Json {
            what,
            excerpt: masked_excerpt(text, error.line(), error.column()),
            source: error.into(),
        })?;
        Ok(Self {
            text: text.into(),
            value,
        })
    }

    /// The original text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The tree.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Returns the tree.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.value
    }
}

impl From<Value> for JsonDocument {
    fn from(value: Value) -> Self {
        Self {
            text: value.to_string(),
            value,
        }
    }
}

impl fmt::Debug for JsonDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonDocument({} bytes)", self.text.len())
    }
}

/// Returns an object of the fields that are not `None`.
pub(crate) fn object<const N: usize>(fields: [(&'static str, Option<Value>); N]) -> Value {
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_string(), value?)))
        .collect::<Map<_, _>>()
        .into()
}

/// Returns a string or number as text. Cameras write both `"30"` and `30`.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Returns a string or number as a number.
pub(crate) fn number_of(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_u64().and_then(|n| u32::try_from(n).ok()),
        _ => None,
    }
}

/// Returns the text around a line and column, both counted from 1. Everything except punctuation is
/// masked.
fn masked_excerpt(text: &str, line: usize, column: usize) -> String {
    let line = text.split('\n').nth(line.saturating_sub(1)).unwrap_or("");
    // The column counts bytes.
    let at = line
        .char_indices()
        .take_while(|(byte, _)| byte + 1 < column)
        .count();
    line.chars()
        .skip(at.saturating_sub(EXCERPT))
        .take(2 * EXCERPT)
        .map(|c| match c {
            '{' | '}' | '[' | ']' | ':' | ',' | '"' | ' ' => c,
            _ => 'x',
        })
        .collect()
}
