//! Responses (RFC 2326 section 7).

use bytes::{BufMut as _, BytesMut};

/// A status code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    MethodNotAllowed,
    TooLarge,
    ParameterNotUnderstood,
    SessionNotFound,
    NotValidInThisState,
    OnlyAggregateOperation,
    UnsupportedTransport,
    NotImplemented,
    ServiceUnavailable,
    VersionNotSupported,
    OptionNotSupported,
}

/// A response that is written into a buffer.
#[derive(Debug)]
pub(super) struct Response<'a> {
    out: &'a mut BytesMut,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::Unauthorized => "401 Unauthorized",
            Self::Forbidden => "403 Forbidden",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::TooLarge => "413 Request Entity Too Large",
            Self::ParameterNotUnderstood => "451 Parameter Not Understood",
            Self::SessionNotFound => "454 Session Not Found",
            Self::NotValidInThisState => "455 Method Not Valid in This State",
            Self::OnlyAggregateOperation => "460 Only aggregate operation allowed",
            Self::UnsupportedTransport => "461 Unsupported transport",
            Self::NotImplemented => "501 Not Implemented",
            Self::ServiceUnavailable => "503 Service Unavailable",
            Self::VersionNotSupported => "505 RTSP Version not supported",
            Self::OptionNotSupported => "551 Option not supported",
        }
    }
}

impl<'a> Response<'a> {
    /// Starts a response. `cseq` is `None` if the request has no valid one.
    pub(super) fn begin(out: &'a mut BytesMut, status: Status, cseq: Option<u32>) -> Self {
        out.put_slice(b"RTSP/1.0 ");
        out.put_slice(status.line().as_bytes());
        out.put_slice(b"\r\n");
        let this = Self { out };
        match cseq {
            Some(cseq) => this.header("CSeq", &cseq.to_string()),
            None => this,
        }
    }

    /// Adds a header. Several may have the same name.
    pub(super) fn header(self, name: &str, value: &str) -> Self {
        for part in [name, ": ", value, "\r\n"] {
            self.out.put_slice(part.as_bytes());
        }
        self
    }

    /// Ends the response without a body.
    pub(super) fn end(self) {
        self.out.put_slice(b"\r\n");
    }

    /// Ends the response with a body.
    pub(super) fn body(self, content_type: &str, body: &str) {
        let length = body.len().to_string();
        let this = self.header("Content-Type", content_type);
        let this = this.header("Content-Length", &length);
        this.out.put_slice(b"\r\n");
        this.out.put_slice(body.as_bytes());
    }
}
