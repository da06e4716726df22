//! The error type of this crate.

use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use core::fmt;

/// An error. Offsets count from the start of the HL message, whose payload is at 16.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The message ends within a field.
    #[error(
        "{what}: the field at offset {offset} is cut off: expected {expected} bytes, got {got}"
    )]
    Truncated {
        /// The message.
        what: &'static str,
        /// The offset of the truncated field.
        offset: usize,
        /// The size of the whole message in bytes.
        expected: usize,
        /// The number of bytes received.
        got: usize,
    },

    /// The first two bytes are not `HL`.
    #[error("HL message, offset 0: expected 48 4c (\"HL\"), got {:02x} {:02x}", .got[0], .got[1])]
    Magic {
        /// The two bytes.
        got: [u8; 2],
    },

    /// The message has another code than expected.
    #[error("HL message, offset 4: expected code {expected}, got {got}")]
    Code {
        /// The expected code.
        expected: u16,
        /// The code of the message.
        got: u16,
    },

    /// A payload or text exceeds a limit.
    #[error("{what}: at most {limit} bytes are accepted, got {got}")]
    TooLong {
        /// The payload or text.
        what: &'static str,
        /// The limit in bytes.
        limit: usize,
        /// The length in bytes.
        got: usize,
    },

    /// The message does not fit into the buffer.
    #[error("HL message: {needed} bytes do not fit into a buffer with {available} bytes left")]
    BufferFull {
        /// The size of the message in bytes.
        needed: usize,
        /// The free bytes in the buffer.
        available: usize,
    },

    /// A value to send is out of range.
    #[error("{what}: expected {allowed}, got {got}")]
    Range {
        /// The name of the value.
        what: &'static str,
        /// The allowed values.
        allowed: &'static str,
        /// The value.
        got: i64,
    },

    /// A field of a received message has a value that the protocol does not have.
    #[error("{field} at offset {offset}: expected {allowed}, got {got}")]
    Value {
        /// The field.
        field: &'static str,
        /// The offset in the HL message.
        offset: usize,
        /// The allowed values.
        allowed: &'static str,
        /// The value.
        got: i64,
    },

    /// A control does not accept the value.
    #[error("{control}, {field}: expected {allowed}, got `{got}`")]
    Argument {
        /// The control.
        control: &'static str,
        /// The field, or `value` if there is only one.
        field: &'static str,
        /// The allowed values.
        allowed: String,
        /// The first 32 characters of the value.
        got: String,
    },

    /// A control expects another number of values.
    #[error("{control}: expected {allowed}, got {got} {}", if *.got == 1 { "value" } else { "values" })]
    ArgumentCount {
        /// The control.
        control: &'static str,
        /// The expected values.
        allowed: String,
        /// The number of values.
        got: usize,
    },

    /// The control is read-only.
    #[error("{control}: the control is read only and cannot be set")]
    ReadOnly {
        /// The control.
        control: &'static str,
    },

    /// The control is write-only.
    #[error("{control}: the control is write only and cannot be read")]
    WriteOnly {
        /// The control.
        control: &'static str,
    },

    /// No control has this name.
    #[error("there is no control `{got}`")]
    UnknownControl {
        /// The first 32 characters of the name.
        got: String,
    },

    /// A text is not UTF-8.
    #[error("{what}, offset {offset}: expected UTF-8")]
    NotUtf8 {
        /// The message.
        what: &'static str,
        /// The offset of the first invalid byte.
        offset: usize,
    },

    /// A text is not JSON.
    #[error("{what}: expected JSON: {source}, near `{excerpt}`")]
    Json {
        /// The message.
        what: &'static str,
        /// The error of the JSON parser.
        source: JsonError,
        /// The text around the error. Everything except punctuation is replaced by `x`, because it
        /// may contain secrets.
        excerpt: String,
    },

    /// A required JSON field is missing.
    #[error("{what}: expected the JSON field `{field}`, got none")]
    JsonField {
        /// The message.
        what: &'static str,
        /// The field.
        field: &'static str,
    },

    /// The length of the data is invalid for XXTEA.
    #[error("XXTEA: expected a multiple of 4 bytes, 8 or more, got {got}")]
    XxteaLength {
        /// The length in bytes.
        got: usize,
    },

    /// The length of the ENR is invalid.
    #[error("ENR: expected 1 to 32 characters (cameras have 16 or 32), got {got}")]
    EnrLength {
        /// The length in bytes.
        got: usize,
    },

    /// The ENR contains a character that is not printable ASCII.
    #[error("ENR: expected printable ASCII characters, got another at position {at}")]
    EnrCharacter {
        /// The position from 0. The character itself is part of a secret.
        at: usize,
    },

    /// The challenge needs more characters than the ENR has.
    #[error("challenge of status {status}: expected an ENR of {expected} characters, got {got}")]
    EnrTooShort {
        /// The status of the challenge.
        status: u8,
        /// The number of characters needed.
        expected: usize,
        /// The number of characters of the ENR.
        got: usize,
    },

    /// K10001 has status 2.
    #[error("the camera is updating its firmware (K10001 status 2): try again in some minutes")]
    CameraUpdating,

    /// K10001 has status 4.
    #[error("the camera is still checking this ENR (K10001 status 4): try again")]
    CameraChecking,

    /// K10001 has status 5.
    #[error("the camera is switched off (K10001 status 5): switch it on first")]
    CameraOff,

    /// K10001 has an undocumented status.
    #[error("K10001 status, offset 16: expected 1 to 6, got {got}")]
    UnknownStatus {
        /// The status.
        got: u8,
    },

    /// K10003 has `connectionRes` "2": the response was computed with another ENR than the
    /// camera's.
    #[error(
        "the camera refused the ENR: it has another one than the client (connectionRes \"2\" in K10003)"
    )]
    WrongEnr,

    /// The camera refused the response to its challenge for another reason.
    #[error(
        "the camera refused the response to its challenge: expected connectionRes \"1\" in K10003, got \"{connection_res}\""
    )]
    Refused {
        /// The first 32 characters of `connectionRes`.
        connection_res: String,
    },
}

/// The error of the JSON parser, with line and column. Errors with the same text are equal.
#[derive(Debug, Clone)]
pub struct JsonError(Arc<serde_json::Error>);

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        Self(Arc::new(error))
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl core::error::Error for JsonError {}

impl PartialEq for JsonError {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl Eq for JsonError {}
