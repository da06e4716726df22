//! The error type.

use crate::alert::{AlertDescription, AlertLevel};

/// The progress of a handshake (RFC 6347 section 4.2.4).
///
/// A handshake that stays at [`Stage::AwaitFinished`] indicates different pre-shared keys: the
/// peer's flight arrived, but no record authenticates under the derived keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Waiting for the peer's hello. A client stays here after a HelloVerifyRequest.
    AwaitHello,
    /// The hellos are exchanged. Waiting for the rest of the peer's flight.
    AwaitKeyExchange,
    /// The keys are derived. Waiting for the peer's Finished.
    AwaitFinished,
    /// Both Finished messages are verified.
    Connected,
    /// Closed by either side or by an error.
    Closed,
}

/// The error type of this crate. All errors end the connection, except those documented as not
/// fatal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration is for the other role.
    #[error("expected a {expected} configuration, got a {got} configuration")]
    WrongRole {
        /// The role of the called function.
        expected: &'static str,
        /// The role of the configuration.
        got: &'static str,
    },
    /// The crypto provider lacks a suite or group.
    #[error("the crypto provider does not support {0}")]
    ProviderLacks(&'static str),
    /// The crypto provider gives a wrong result: [`crypto::check`](crate::crypto::check).
    #[error("the crypto provider gives a wrong result for {0}")]
    WrongResult(&'static str),
    /// A configured value is out of range.
    #[error("{what} is {got}, expected {min} to {max}")]
    OutOfRange {
        /// The name of the value.
        what: &'static str,
        /// The minimum.
        min: usize,
        /// The maximum.
        max: usize,
        /// The configured value.
        got: usize,
    },
    /// An operation of the crypto provider failed.
    #[error("the crypto provider failed at {0}")]
    Crypto(&'static str),
    /// The handshake did not complete before the last retransmission expired (RFC 6347 section
    /// 4.2.4).
    #[error(
        "handshake timed out at {stage:?} after {retransmits} retransmissions; {undecryptable} records failed authentication"
    )]
    HandshakeTimedOut {
        /// The stage reached. [`Stage::AwaitFinished`] indicates a wrong pre-shared key.
        stage: Stage,
        /// The number of retransmissions of the last flight.
        retransmits: u32,
        /// Handshake records that failed authentication. Any indicate a wrong pre-shared key.
        undecryptable: u64,
    },
    /// The peer ended the connection with an alert (RFC 5246 section 7.2).
    #[error("peer sent alert {description} ({level}, {})", if *.authenticated { "authenticated" } else { "not authenticated" })]
    PeerAlert {
        /// The level.
        level: AlertLevel,
        /// The description.
        description: AlertDescription,
        /// `true` if the alert was protected by the negotiated keys. An attacker on the path can
        /// forge an alert that was not.
        authenticated: bool,
    },
    /// The lengths in a handshake message are inconsistent (RFC 5246 section 4.3).
    #[error("malformed {message}: expected {what}")]
    Malformed {
        /// The message.
        message: &'static str,
        /// The expected content.
        what: &'static str,
    },
    /// A handshake message arrived out of order (RFC 5246 section 7.3).
    #[error("expected {expected}, got handshake type {got}")]
    UnexpectedMessage {
        /// The expected messages.
        expected: &'static str,
        /// The received type (RFC 5246 section 7.4).
        got: u8,
    },
    /// The peer uses a version other than DTLS 1.2 (RFC 5246 appendix E.1).
    #[error("expected DTLS 1.2 (0xfefd), got version {got:#06x}")]
    Version {
        /// The peer's version, as on the wire.
        got: u16,
    },
    /// There is no common cipher suite, or the server selected one that was not offered (RFC 5246
    /// section 7.4.1.3).
    #[error("no common cipher suite: {what}")]
    CipherSuite {
        /// The reason.
        what: &'static str,
    },
    /// There is no common group, or the server selected one that was not offered (RFC 8422 section
    /// 5.1).
    #[error("no common key exchange group: {what}")]
    Group {
        /// The reason.
        what: &'static str,
    },
    /// A field is out of range (RFC 5246 section 7.2.2, illegal_parameter).
    #[error("illegal {what} in {message}")]
    IllegalParameter {
        /// The message.
        message: &'static str,
        /// The field.
        what: &'static str,
    },
    /// The server answered an extension that was not offered (RFC 5246 section 7.4.1.4).
    #[error("server answered extension {0}, which was not offered")]
    UnsolicitedExtension(u16),
    /// The server agreed to encrypt-then-MAC for a suite that is not a CBC suite (RFC 7366 section
    /// 3).
    #[error("server answered encrypt_then_mac for {0}, which is not a CBC suite")]
    EncryptThenMac(&'static str),
    /// The client's [`PskSelect`](crate::PskSelect) has no identity for the server's hint.
    #[error("no identity for the server's hint of {0} bytes")]
    NoIdentity(usize),
    /// The peer's hello claims to renegotiate a connection (RFC 5746 sections 3.4 and 3.6).
    #[error("the peer's renegotiation_info is not empty")]
    Renegotiation,
    /// The peer's Finished is authentic, but its content is wrong (RFC 5246 section 7.4.9).
    #[error("the peer's Finished does not match: the two sides saw different handshakes")]
    FinishedMismatch,
    /// 2^48 records were sent in one epoch (RFC 6347 section 4.1).
    #[error("sequence numbers of epoch {0} are exhausted")]
    SequenceExhausted(u16),
    /// The data does not fit in one record. Not fatal.
    #[error("{got} bytes do not fit in a record of at most {max}")]
    TooLong {
        /// The maximum, in bytes.
        max: usize,
        /// The given length, in bytes.
        got: usize,
    },
    /// The send queue is full. Not fatal.
    #[error("send queue is full with {0} datagrams; call poll_output until it returns Timeout")]
    QueueFull(usize),
    /// The handshake is not complete. Not fatal.
    #[error("not connected: handshake is at {0:?}")]
    NotConnected(Stage),
    /// The connection is closed.
    #[error("connection is closed")]
    Closed,
}

impl Error {
    /// Returns `true` if a wrong pre-shared key or identity is the likely cause.
    ///
    /// This is not certain. Most peers ignore records under a wrong key, which looks like a peer
    /// that disappeared. An alert that is not authenticated can be forged.
    pub fn hints_at_wrong_key(&self) -> bool {
        use AlertDescription as A;
        match self {
            Error::HandshakeTimedOut { stage, .. } => *stage == Stage::AwaitFinished,
            Error::PeerAlert { description, .. } => matches!(
                *description,
                A::BAD_RECORD_MAC | A::DECRYPT_ERROR | A::UNKNOWN_PSK_IDENTITY
            ),
            _ => false,
        }
    }

    /// Returns the alert to send to the peer, if any (RFC 5246 section 7.2.2).
    pub(crate) fn alert(&self) -> Option<AlertDescription> {
        use AlertDescription as A;
        Some(match self {
            Error::Malformed { .. } => A::DECODE_ERROR,
            Error::UnexpectedMessage { .. } => A::UNEXPECTED_MESSAGE,
            Error::Version { .. } => A::PROTOCOL_VERSION,
            Error::CipherSuite { .. }
            | Error::Group { .. }
            | Error::NoIdentity(_)
            | Error::Renegotiation => A::HANDSHAKE_FAILURE,
            Error::IllegalParameter { .. } | Error::EncryptThenMac(_) => A::ILLEGAL_PARAMETER,
            Error::UnsolicitedExtension(_) => A::UNSUPPORTED_EXTENSION,
            Error::FinishedMismatch => A::DECRYPT_ERROR,
            Error::Crypto(_) | Error::ProviderLacks(_) => A::INTERNAL_ERROR,
            _ => return None,
        })
    }
}
