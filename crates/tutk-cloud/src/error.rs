//! The error type of this crate.

/// An error in the input, or in the response of the server. No variant contains a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A required input is empty.
    #[error("{0} must not be empty")]
    Empty(&'static str),
    /// The key or key id is not valid in an HTTP header.
    #[error("{0} must be printable ASCII characters without spaces")]
    NotPrintable(&'static str),
    /// A password with the prefix `md5:` is not a hash.
    #[error("a password with the prefix `md5:` must have 32 hex digits after it")]
    InvalidHash,
    /// [`Account::from_json`](crate::Account::from_json) was called with another text.
    #[error("not a saved account: {0}")]
    InvalidAccount(&'static str),
    /// The server refused the request.
    #[error("refused{}: {text}", code.as_ref().map(|code| format!(", code {code}")).unwrap_or_default())]
    Refused {
        /// `code` or `errorCode`, if there is one.
        code: Option<String>,
        /// `msg` or `description`, shortened.
        text: String,
    },
    /// The token has expired or was revoked. Sign in again.
    ///
    /// This response is not documented. HTTP 401, code 2001, and any refusal with "access token" in
    /// its text are interpreted as such.
    #[error("the token was rejected: {0}")]
    TokenRejected(String),
    /// The response has an unknown form.
    #[error("expected {expected}, got HTTP {status} with {excerpt}")]
    UnexpectedResponse {
        /// The expected content.
        expected: &'static str,
        /// The HTTP status.
        status: u16,
        /// The beginning of the body without possible secrets.
        excerpt: String,
    },
    /// `Options::origin` is not an `https://` address.
    #[cfg(feature = "client")]
    #[error("the server's address must be https://HOST[:PORT]")]
    InvalidOrigin,
    /// `Options::roots` contains no valid certificate.
    #[cfg(feature = "client")]
    #[error("cannot read root certificates from PEM: {0}")]
    InvalidRoots(String),
    /// The connection failed.
    #[cfg(feature = "client")]
    #[error("{host}: {reason}")]
    Unreachable {
        /// The server.
        host: String,
        /// The error of the HTTP library.
        reason: String,
    },
    /// The request timed out.
    #[cfg(feature = "client")]
    #[error("{host}: no response within {} s", crate::REQUEST_TIMEOUT.as_secs())]
    TimedOut {
        /// The server.
        host: String,
    },
    /// The server's certificate is not valid, or there are no root certificates.
    #[cfg(feature = "client")]
    #[error("{host} cannot be trusted: {reason}")]
    UntrustedServer {
        /// The server.
        host: String,
        /// The error of the TLS library.
        reason: String,
    },
    /// The response is longer than [`MAX_RESPONSE`](crate::MAX_RESPONSE).
    #[cfg(feature = "client")]
    #[error("{host}: the response is longer than {} bytes", crate::MAX_RESPONSE)]
    ResponseTooLong {
        /// The server.
        host: String,
    },
}
