//! The error type of this crate.

/// The reason why bytes are not a login packet or an answer, or why a text is not a valid user or
/// password.
///
/// The parsers and the constructors of [`User`](crate::User) and [`Password`](crate::Password)
/// return it. The two state machines drop and count invalid packets instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The packet is shorter than its layout.
    #[error("{what}: expected at least {expected} bytes, got {got}")]
    TooShort {
        /// The packet that was expected.
        what: &'static str,
        /// The minimum length in bytes.
        expected: usize,
        /// The length received.
        got: usize,
    },
    /// The packet has another AV type or other flags.
    #[error("expected a {expected}, got type {packet_type:#04x}, flags {flags:#04x}")]
    WrongType {
        /// The packet that was expected.
        expected: &'static str,
        /// Byte 0.
        packet_type: u8,
        /// Byte 1.
        flags: u8,
    },
    /// No layout has its authentication type and capabilities in place.
    #[error(
        "unknown login layout: expected the authentication type 4 at byte 540, 542 or 550, \
         got {at_540:#x}, {at_542:#x} and {at_550:#x}"
    )]
    UnknownLayout {
        /// The 32-bit number at 540.
        at_540: u32,
        /// The 32-bit number at 542.
        at_542: u32,
        /// The 32-bit number at 550.
        at_550: u32,
    },
    /// A text has no terminating zero byte.
    #[error("{field} at byte {at}: no zero byte within {len} bytes")]
    Unterminated {
        /// The text: user or password.
        field: &'static str,
        /// Its offset in the packet.
        at: usize,
        /// The length of its field in bytes.
        len: usize,
    },
    /// A user or password is too long.
    #[error("{field}: expected at most {max} bytes, got {got}")]
    TextTooLong {
        /// The text: user or password.
        field: &'static str,
        /// The maximum length in bytes.
        max: usize,
        /// The text's length in bytes.
        got: usize,
    },
    /// A user or password contains a zero byte, which would end it.
    #[error("{field}: zero byte at {at}")]
    ZeroInText {
        /// The text: user or password.
        field: &'static str,
        /// The offset of the zero byte.
        at: usize,
    },
}
