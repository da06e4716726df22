//! What can be wrong with a login packet, an answer, or a user's name.

/// Why bytes are not a login packet or an answer, or why a text cannot stand in one.
///
/// The two state machines never return it for what came from the network: they drop the packet and
/// count it. It comes from the parsers and from the constructors of [`User`](crate::User) and
/// [`Password`](crate::Password).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The packet ends before its layout does.
    #[error("{what} takes at least {expected} bytes, got {got}")]
    TooShort {
        /// Which packet it was to be.
        what: &'static str,
        /// The least bytes it has.
        expected: usize,
        /// The bytes there were.
        got: usize,
    },
    /// The first two bytes are another AV packet's type and flags.
    #[error("expected {expected}, got a packet of type {packet_type:#04x}, flags {flags:#04x}")]
    WrongType {
        /// Which packet was expected.
        expected: &'static str,
        /// Byte 0.
        packet_type: u8,
        /// Byte 1.
        flags: u8,
    },
    /// None of the three layouts has its authentication type 4 and its capability word in place.
    #[error(
        "no known login layout: expected the word 4 at byte 540, 542 or 550, \
         got {at_540:#x}, {at_542:#x} and {at_550:#x}"
    )]
    UnknownLayout {
        /// The 32-bit word at 540, where the field layout has it.
        at_540: u32,
        /// The word at 542, where the SDK's own layout has it.
        at_542: u32,
        /// The word at 550, where the summary's layout has it.
        at_550: u32,
    },
    /// A text fills its field to the end without the zero byte that closes it.
    #[error("the {field} at byte {at} has no zero byte within {len} bytes")]
    Unterminated {
        /// Which text: user or password.
        field: &'static str,
        /// Its offset in the packet.
        at: usize,
        /// The size of its field in bytes.
        len: usize,
    },
    /// A user or password is longer than its field holds.
    #[error("the {field} may have {max} bytes, got {got}")]
    TextTooLong {
        /// Which text: user or password.
        field: &'static str,
        /// The most bytes it may have.
        max: usize,
        /// The bytes it has.
        got: usize,
    },
    /// A user or password has a zero byte in it, which would end it early on the wire.
    #[error("the {field} has a zero byte at {at}")]
    ZeroInText {
        /// Which text: user or password.
        field: &'static str,
        /// Where the zero byte is.
        at: usize,
    },
}
