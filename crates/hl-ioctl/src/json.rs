//! JSON as cameras send it: kept whole, with a limit, and with errors that give no secret away.

use core::fmt;

use alloc::string::{String, ToString};
use serde_json::Value;

use crate::{Error, HEADER_SIZE, MAX_PAYLOAD};

/// The longest JSON text that is accepted, in bytes. Its depth is limited to 128 by `serde_json`.
pub const MAX_JSON: usize = MAX_PAYLOAD;
/// How far an excerpt reaches to either side of an error, in characters.
const EXCERPT: usize = 24;

/// A JSON text, as it came and as a tree.
///
/// `Debug` prints only its length: cameras put addresses and network names into their JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonDocument {
    text: String,
    value: Value,
}

impl JsonDocument {
    /// Reads the payload of the message called `what`.
    ///
    /// Zeros at the end are dropped: a C string's may be sent along (whether one is, is not sure).
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] over [`MAX_JSON`], [`Error::NotUtf8`], [`Error::Json`].
    pub fn parse(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
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
            reason: error.to_string(),
            excerpt: excerpt(text, error.line(), error.column()),
        })?;
        Ok(Self {
            text: text.into(),
            value,
        })
    }

    /// The text, byte for byte.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The tree.
    #[must_use]
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The tree, taken out.
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

/// A string or a number, as text: cameras write both `"30"` and `30`.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A string or a number, as a number.
pub(crate) fn number_of(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => number.as_u64().and_then(|n| u32::try_from(n).ok()),
        _ => None,
    }
}

/// The surroundings of a place, line and column from 1, with all but punctuation masked.
fn excerpt(text: &str, line: usize, column: usize) -> String {
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
