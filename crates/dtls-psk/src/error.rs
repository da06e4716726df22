//! What can go wrong for good.

use crate::alert::{AlertDescription, AlertLevel};

/// How far a handshake has come (RFC 6347 section 4.2.4).
///
/// A handshake that stays at [`Stage::AwaitFinished`] is the sign of two different keys: the peer's
/// flight came, keys were derived from it, and nothing that was sealed with the same keys ever came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Nothing came from the peer yet (a client that has a HelloVerifyRequest is still here).
    AwaitHello,
    /// Hellos are exchanged; the rest of the peer's flight is awaited.
    AwaitKeyExchange,
    /// The peer's flight is complete and the keys are derived; its Finished is awaited.
    AwaitFinished,
    /// Both Finished messages have been verified.
    Connected,
    /// Closed, by either side or by an error.
    Closed,
}

/// Errors of this crate. All of them, save those marked as harmless, end the connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration is for the other role.
    #[error("the configuration is for a {got}, a {expected} was asked for")]
    WrongRole {
        /// The role of the function that was called.
        expected: &'static str,
        /// The role of the configuration.
        got: &'static str,
    },
    /// No provider was given and the crate was built without one.
    #[error(
        "no crypto provider: enable the feature aws-lc-rs or rust-crypto, or give one to Config"
    )]
    NoProvider,
    /// The provider lacks something that the suite needs.
    #[error("the crypto provider has no {0}")]
    ProviderLacks(&'static str),
    /// A configured value is out of range.
    #[error("{what} must be {min} to {max}, is {got}")]
    OutOfRange {
        /// Which value.
        what: &'static str,
        /// The least allowed value.
        min: usize,
        /// The greatest allowed value.
        max: usize,
        /// The value given.
        got: usize,
    },
    /// A primitive failed.
    #[error("cryptography failed: {0}")]
    Crypto(dimpl::CryptoError),
    /// The handshake was given up after the last retransmission (RFC 6347 section 4.2.4).
    #[error(
        "handshake gave up at {stage:?} after {retransmits} retransmissions; records sealed with other keys: {undecryptable}"
    )]
    HandshakeTimedOut {
        /// How far it had come. [`Stage::AwaitFinished`] hints at a wrong pre-shared key.
        stage: Stage,
        /// How often the last flight was sent again.
        retransmits: u32,
        /// Handshake records that did not decrypt: more than none hints at a wrong pre-shared key.
        undecryptable: u64,
    },
    /// The peer ended the connection (RFC 5246 section 7.2).
    #[error("peer sent alert {description} ({level}, {})", if *.authenticated { "authenticated" } else { "not authenticated" })]
    PeerAlert {
        /// Its level.
        level: AlertLevel,
        /// Its description.
        description: AlertDescription,
        /// Whether it came under the negotiated keys. Anybody on the path can forge one that did not.
        authenticated: bool,
    },
    /// A handshake message whose lengths do not add up (RFC 5246 section 4.3).
    #[error("{message}: {what}")]
    Malformed {
        /// Which message.
        message: &'static str,
        /// What was expected and did not come.
        what: &'static str,
    },
    /// A handshake message that may not come here (RFC 5246 section 7.3).
    #[error("expected {expected}, got handshake type {got}")]
    UnexpectedMessage {
        /// The messages allowed here.
        expected: &'static str,
        /// The type that came (RFC 5246 section 7.4).
        got: u8,
    },
    /// A version other than DTLS 1.2 (RFC 5246 appendix E.1).
    #[error("expected DTLS 1.2 (0xfefd), peer has {got:#06x}")]
    Version {
        /// The peer's version, as on the wire.
        got: u16,
    },
    /// No common cipher suite (RFC 5246 section 7.4.1.3), or the server chose one that was not offered.
    #[error("no common cipher suite: {what}")]
    CipherSuite {
        /// What came.
        what: &'static str,
    },
    /// No common group (RFC 8422 section 5.1), or the server chose one that was not offered.
    #[error("no common key exchange group: {what}")]
    Group {
        /// What came.
        what: &'static str,
    },
    /// A field out of range (RFC 5246 section 7.2.2, illegal_parameter).
    #[error("{message}: illegal {what}")]
    IllegalParameter {
        /// Which message.
        message: &'static str,
        /// Which field.
        what: &'static str,
    },
    /// The server answered an extension that was not offered (RFC 5246 section 7.4.1.4).
    #[error("server answered extension {0}, which was not offered")]
    UnsolicitedExtension(u16),
    /// The server agreed to encrypt-then-MAC with a suite that has no use for it (RFC 7366 section 3).
    #[error("server answered encrypt_then_mac with {0}, which is no CBC suite")]
    EncryptThenMac(&'static str),
    /// There is no identity for the server's hint, says the client's
    /// [`PskSelect`](crate::PskSelect).
    #[error("no identity for the server's hint of {0} bytes")]
    NoIdentity(usize),
    /// The peer says that this connection renegotiates another (RFC 5746 sections 3.4 and 3.6).
    #[error("peer's renegotiation_info is not empty")]
    Renegotiation,
    /// The peer's Finished is sealed with the right keys and does not verify (RFC 5246 section 7.4.9).
    #[error("the peer's Finished does not verify: the two sides saw different handshakes")]
    FinishedMismatch,
    /// 2^48 records were sent in one epoch (RFC 6347 section 4.1).
    #[error("sequence numbers of epoch {0} are used up")]
    SequenceExhausted(u16),
    /// A record would not fit in a datagram. Harmless.
    #[error("{got} bytes do not fit in a record: at most {max}")]
    TooLong {
        /// The most that fits.
        max: usize,
        /// What was given.
        got: usize,
    },
    /// Datagrams wait for `poll_output`. Harmless.
    #[error("{0} datagrams wait to be sent: call poll_output until Timeout")]
    QueueFull(usize),
    /// The handshake is not done. Harmless.
    #[error("not connected yet: {0:?}")]
    NotConnected(Stage),
    /// The connection is closed, or failed before.
    #[error("connection is closed")]
    Closed,
}

impl Error {
    /// Whether this is how a wrong pre-shared key, or a wrong identity, shows.
    ///
    /// Not certain either way: most peers stay silent, which is also how one looks that went away in the
    /// middle of the handshake; and an alert in the clear can be forged.
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

    /// The alert that tells the peer (RFC 5246 section 7.2.2), if any is due.
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

impl From<dimpl::CryptoError> for Error {
    fn from(error: dimpl::CryptoError) -> Self {
        Error::Crypto(error)
    }
}
