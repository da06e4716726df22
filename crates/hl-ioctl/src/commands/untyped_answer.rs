//! Answers without a documented layout.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use bytes::BufMut as _;
use serde_json::Value;

use super::Switch;
use crate::layout::{Payload, Scalar, ToJson};
use crate::{Error, JsonDocument};

/// An answer whose layout is not documented. Its content decides the variant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum UntypedAnswer {
    /// One byte; likely 1 on, 2 off.
    Byte(u8),
    /// A JSON object or array.
    Json(JsonDocument),
    /// Other bytes.
    Bytes(Vec<u8>),
}

impl UntypedAnswer {
    /// Creates the answer of the simulated camera: one byte, 1 on or 2 off.
    #[must_use]
    pub fn switch(switch: Switch) -> Self {
        Self::Byte(switch.byte())
    }
}

impl Payload for UntypedAnswer {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Byte(byte) => out.put_u8(*byte),
            Self::Json(json) => json.write(out),
            Self::Bytes(bytes) => out.put_slice(bytes),
        }
    }

    fn read(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        if let [byte] = payload {
            return Ok(Self::Byte(*byte));
        }
        Ok(match JsonDocument::decode(what, payload) {
            Ok(json) if json.value().is_object() || json.value().is_array() => Self::Json(json),
            _ => Self::Bytes(payload.to_vec()),
        })
    }
}

impl ToJson for UntypedAnswer {
    /// Returns a byte as a switch or number, and bytes as a hexadecimal string.
    fn json(&self) -> Value {
        match self {
            Self::Byte(byte) => Switch::KIND.json((*byte).into()),
            Self::Json(json) => json.json(),
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
