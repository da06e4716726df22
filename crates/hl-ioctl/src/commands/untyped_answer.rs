//! Answers that nobody has written down.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use bytes::BufMut;
use serde_json::Value;

use super::Switch;
use crate::layout::{Body, Scalar};
use crate::{Error, JsonDocument};

/// An answer whose layout no document has: taken for what it looks like.
///
/// The simulated camera answers with one byte, 1 on or 2 off. That is this project's choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UntypedAnswer {
    /// One byte; likely 1 on, 2 off.
    Byte(u8),
    /// A JSON object or array.
    Json(JsonDocument),
    /// Anything else.
    Bytes(Vec<u8>),
}

impl UntypedAnswer {
    /// On or off, as the simulated camera answers.
    #[must_use]
    pub fn switch(switch: Switch) -> Self {
        Self::Byte(switch.byte())
    }
}

impl Body for UntypedAnswer {
    fn put(&self, out: &mut impl BufMut) {
        match self {
            Self::Byte(byte) => out.put_u8(*byte),
            Self::Json(json) => json.put(out),
            Self::Bytes(bytes) => out.put_slice(bytes),
        }
    }

    fn take(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        if let [byte] = payload {
            return Ok(Self::Byte(*byte));
        }
        Ok(match JsonDocument::parse(what, payload) {
            Ok(json) if json.value().is_object() || json.value().is_array() => Self::Json(json),
            _ => Self::Bytes(payload.to_vec()),
        })
    }

    /// A byte as a switch or a number, JSON as it is, bytes as text in hexadecimal.
    fn json(&self) -> Value {
        match self {
            Self::Byte(byte) => Switch::KIND.json((*byte).into()),
            Self::Json(json) => json.value().clone(),
            Self::Bytes(bytes) => {
                let mut hex = String::with_capacity(2 * bytes.len());
                for byte in bytes {
                    // Writing to a `String` does not fail.
                    let _ = write!(hex, "{byte:02x}");
                }
                hex.into()
            }
        }
    }
}
