//! What can go wrong, in one enum.

use alloc::string::String;

/// Every error of this crate. Offsets count from the start of the HL message (its payload is at 16).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A message ends inside a field.
    #[error(
        "{what}: the field at offset {offset} is cut off: expected {expected} bytes, got {got}"
    )]
    Truncated {
        /// The layout that was read.
        what: &'static str,
        /// Where the field that is cut off starts.
        offset: usize,
        /// How many bytes the whole message needs.
        expected: usize,
        /// How many there were.
        got: usize,
    },

    /// The first two bytes are not `HL`.
    #[error("HL message, offset 0: expected 48 4c (\"HL\"), got {:02x} {:02x}", .got[0], .got[1])]
    Magic {
        /// What stands there.
        got: [u8; 2],
    },

    /// A message of another code than the one asked for.
    #[error("HL message, offset 4: expected code {expected}, got {got}")]
    Code {
        /// The code that belongs here.
        expected: u16,
        /// The code of the message.
        got: u16,
    },

    /// Something is longer than this crate accepts.
    #[error("{what}: at most {limit} bytes are accepted, got {got}")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// The limit, in bytes.
        limit: usize,
        /// Its length, in bytes.
        got: usize,
    },

    /// The caller's buffer cannot take the message.
    #[error("HL message: {needed} bytes do not fit into a buffer with room for {room}")]
    BufferFull {
        /// Bytes the message needs.
        needed: usize,
        /// Bytes the buffer still takes.
        room: usize,
    },

    /// A value that was to be sent and that the protocol does not have.
    #[error("{what}: expected {allowed}, got {got}")]
    Range {
        /// What it is.
        what: &'static str,
        /// The values that are allowed, in words.
        allowed: &'static str,
        /// The value.
        got: i64,
    },

    /// A field of a message holds a value that the protocol does not have.
    #[error("{field} at offset {offset}: expected {allowed}, got {got}")]
    Value {
        /// The field.
        field: &'static str,
        /// Where it stands in the HL message.
        offset: usize,
        /// The values that are allowed, in words.
        allowed: &'static str,
        /// The value.
        got: i64,
    },

    /// A value that was typed and that a control does not take.
    #[error("{control}, {field}: expected {allowed}, got `{got}`")]
    Argument {
        /// The control.
        control: &'static str,
        /// The field; `value` where there is only one.
        field: &'static str,
        /// The values that are allowed, in words.
        allowed: String,
        /// What was typed, at most 32 characters of it.
        got: String,
    },

    /// More or fewer values than a control takes.
    #[error("{control}: expected {allowed}, got {got} {}", if *.got == 1 { "value" } else { "values" })]
    ArgumentCount {
        /// The control.
        control: &'static str,
        /// What it takes, in words.
        allowed: String,
        /// How many there were.
        got: usize,
    },

    /// A control that can only be read.
    #[error("{control}: it can be read only, not set")]
    ReadOnly {
        /// The control.
        control: &'static str,
    },

    /// A control that can only be set or done.
    #[error("{control}: it can be set only, not read")]
    WriteOnly {
        /// The control.
        control: &'static str,
    },

    /// There is no control of this name.
    #[error("there is no control `{got}`")]
    UnknownControl {
        /// The name that was given, at most 32 characters of it.
        got: String,
    },

    /// Text that is not UTF-8.
    #[error("{what}, offset {offset}: expected UTF-8")]
    NotUtf8 {
        /// The message.
        what: &'static str,
        /// The first byte that is not UTF-8.
        offset: usize,
    },

    /// Text that is not JSON.
    #[error("{what}: expected JSON: {reason}, near `{excerpt}`")]
    Json {
        /// The message.
        what: &'static str,
        /// What the JSON parser says, with line and column.
        reason: String,
        /// The text around the place, with everything but punctuation masked as `x`: it may hold secrets.
        excerpt: String,
    },

    /// JSON without a field that must be there.
    #[error("{what}: expected the JSON field `{field}`, got none")]
    JsonField {
        /// The message.
        what: &'static str,
        /// The field.
        field: &'static str,
    },

    /// XXTEA works on two or more words of four bytes.
    #[error("XXTEA: expected a multiple of 4 bytes, 8 or more, got {got}")]
    XxteaLength {
        /// The length given, in bytes.
        got: usize,
    },

    /// An ENR of a length that no ENR has.
    #[error("ENR: expected 1 to 32 characters (cameras have 16 or 32), got {got}")]
    EnrLength {
        /// Its length in bytes.
        got: usize,
    },

    /// An ENR with a character that is not printable ASCII.
    #[error("ENR: expected printable ASCII characters, got another at position {at}")]
    EnrCharacter {
        /// Where, from 0. The character itself is not told: it is part of a secret.
        at: usize,
    },

    /// The camera asks for more of the ENR than there is.
    #[error("challenge of status {status}: expected an ENR of {expected} characters, got {got}")]
    EnrTooShort {
        /// The status of the challenge.
        status: u8,
        /// Characters that its answer needs.
        expected: usize,
        /// Characters that there are.
        got: usize,
    },

    /// K10001 with status 2.
    #[error("the camera is updating its firmware (K10001 status 2): try again in some minutes")]
    CameraUpdating,

    /// K10001 with status 4.
    #[error("the camera is still checking this ENR (K10001 status 4): try again")]
    CameraChecking,

    /// K10001 with status 5.
    #[error("the camera is switched off (K10001 status 5): switch it on first")]
    CameraOff,

    /// K10001 with a status that nobody has written down.
    #[error("K10001 status, offset 16: expected 1 to 6, got {got}")]
    UnknownStatus {
        /// The status.
        got: u8,
    },

    /// K10003 does not say success.
    #[error(
        "the camera refused the answer to its challenge: expected connectionRes \"1\" in K10003, got \"{connection_res}\""
    )]
    Refused {
        /// What it says, at most 32 characters of it.
        connection_res: String,
    },
}
