//! How it can fail. No variant repeats a secret.

/// What is wrong with what was given, or with what came back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something that must be there is empty.
    #[error("{0} must not be empty")]
    Empty(&'static str),
    /// Key or key id cannot stand in a header.
    #[error("{0} must be printable ASCII characters without spaces")]
    NotPrintable(&'static str),
    /// Behind `md5:` there is no hash.
    #[error("a password that begins with `md5:` must be 32 hex digits behind it")]
    InvalidHash,
    /// The text that [`Account::from_json`](crate::Account::from_json) was given is not an account.
    #[error("not a saved account: {0}")]
    InvalidAccount(&'static str),
    /// The server answered that it will not.
    #[error("refused{}: {text}", code.as_ref().map(|code| format!(", code {code}")).unwrap_or_default())]
    Refused {
        /// `code` or `errorCode`, where it has one.
        code: Option<String>,
        /// `msg` or `description`, shortened.
        text: String,
    },
    /// The token has run out or was taken back: sign in again.
    ///
    /// How the server says so is not documented; taken for it are HTTP 401, code 2001, and any refusal that has
    /// "access token" in its text.
    #[error("the token was refused: {0}")]
    TokenRejected(String),
    /// An answer that is none of those that are known.
    #[error("expected {expected}, got HTTP {status} with {shown}")]
    UnexpectedResponse {
        /// What an answer would have been.
        expected: &'static str,
        /// The HTTP status.
        status: u16,
        /// The body, shortened and without what may be secret.
        shown: String,
    },
    /// `Options::origin` does not begin with `https://`, or is no address.
    #[cfg(feature = "client")]
    #[error("the server's address must be https://HOST[:PORT]")]
    InvalidOrigin,
    /// `Options::roots` holds no certificate.
    #[cfg(feature = "client")]
    #[error("no root certificate in PEM: {0}")]
    InvalidRoots(String),
    /// There was no connection, or it broke.
    #[cfg(feature = "client")]
    #[error("{host}: {why}")]
    Unreachable {
        /// The server.
        host: String,
        /// In the words of the library below.
        why: String,
    },
    /// Nothing came in time.
    #[cfg(feature = "client")]
    #[error("{host}: no answer within {} s", crate::REQUEST_TIMEOUT.as_secs())]
    TimedOut {
        /// The server.
        host: String,
    },
    /// The server is not who it should be, or there are no root certificates to tell by.
    #[cfg(feature = "client")]
    #[error("{host} cannot be trusted: {why}")]
    UntrustedServer {
        /// The server.
        host: String,
        /// In the words of the library below.
        why: String,
    },
    /// The answer is longer than [`MAX_RESPONSE`](crate::MAX_RESPONSE).
    #[cfg(feature = "client")]
    #[error("{host}: the answer is longer than {} bytes", crate::MAX_RESPONSE)]
    ResponseTooLong {
        /// The server.
        host: String,
    },
}
