//! Parses requests and interleaved packets (RFC 2326 sections 4 to 6 and 10.12).

use bytes::{Buf as _, Bytes, BytesMut};

use super::response::Status;

/// The maximum size in bytes of a request line and its headers.
pub const MAX_HEAD_BYTES: usize = 8 << 10;

/// The maximum number of headers of a request.
pub const MAX_HEADERS: usize = 64;

/// The maximum size in bytes of a request body. No supported request needs a body.
pub const MAX_BODY_BYTES: usize = 4 << 10;

/// The size of the header of an interleaved packet: `$`, the channel, and two bytes for the length.
pub(super) const INTERLEAVED_HEADER: usize = 4;

/// The maximum number of buffered bytes: the longest interleaved packet.
const MAX_BUFFERED: usize = INTERLEAVED_HEADER + u16::MAX as usize;

/// A request method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Options,
    Describe,
    Setup,
    Play,
    Pause,
    Teardown,
    GetParameter,
    SetParameter,
    /// Methods of RFC 2326 that this server does not support: `ANNOUNCE`, `RECORD`, `REDIRECT`.
    NotAllowed,
    Unknown,
}

/// The supported methods, for the `Public` and `Allow` headers.
pub(super) const METHODS: &str =
    "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, TEARDOWN, GET_PARAMETER, SET_PARAMETER";

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: Method,
    /// The method's name, which is part of a Digest response.
    pub(super) name: String,
    pub(super) uri: String,
    headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

/// A complete request or packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Incoming {
    Request(Request),
    Interleaved { channel: u8, data: Bytes },
}

/// The error for invalid bytes. Bytes that follow cannot be parsed either.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed {
    pub(super) status: Status,
    pub(super) why: &'static str,
}

/// Received bytes that are not parsed yet.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    buffer: BytesMut,
    /// The number of bytes that were already searched for the end of the head.
    searched: usize,
    /// A complete head, and the length of its body.
    head: Option<(Request, usize)>,
}

impl Request {
    /// Returns the first header with this name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter();
        let found = named.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Parses the request line and the headers.
    fn parse(head: &[u8]) -> Result<Self, Malformed> {
        let bad = |why| Malformed {
            status: Status::BadRequest,
            why,
        };
        let head = std::str::from_utf8(head).map_err(|_| bad("the request is not UTF-8"))?;
        let mut lines = head.split('\n').map(|line| line.trim_end_matches('\r'));
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(name), Some(uri), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(bad("invalid request line"));
        };
        let token = |name: &str| !name.is_empty() && name.bytes().all(is_token);
        if !token(name) || uri.is_empty() || uri.contains(|c: char| c.is_control()) {
            return Err(bad("invalid request line"));
        }
        match version {
            "RTSP/1.0" => {}
            other if other.starts_with("RTSP/") => {
                return Err(Malformed {
                    status: Status::VersionNotSupported,
                    why: "unsupported RTSP version",
                });
            }
            _ => return Err(bad("not RTSP")),
        }
        let mut headers = Vec::new();
        for line in lines {
            if headers.len() == MAX_HEADERS {
                return Err(bad("too many headers"));
            }
            let (name, value) = line.split_once(':').ok_or(bad("header without a colon"))?;
            // Spaces before the colon and continuation lines are refused: both allow request
            // smuggling.
            if !token(name) {
                return Err(bad("header without a valid name"));
            }
            let value = value.trim_matches([' ', '\t']);
            if value.contains(|c: char| c.is_control() && c != '\t') {
                return Err(bad("control character in a header"));
            }
            headers.push((name.to_owned(), value.to_owned()));
        }
        Ok(Self {
            method: Method::of(name),
            name: name.to_owned(),
            uri: uri.to_owned(),
            headers,
            body: Bytes::new(),
        })
    }

    /// Returns the length of the body.
    fn content_length(&self) -> Result<usize, Malformed> {
        let Some(length) = self.header("Content-Length") else {
            return Ok(0);
        };
        let digits = !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit());
        match length.parse() {
            Ok(length) if length <= MAX_BODY_BYTES => Ok(length),
            _ if digits => Err(Malformed {
                status: Status::TooLarge,
                why: "the body is too long",
            }),
            _ => Err(Malformed {
                status: Status::BadRequest,
                why: "invalid Content-Length",
            }),
        }
    }
}

impl Method {
    fn of(name: &str) -> Self {
        match name {
            "OPTIONS" => Self::Options,
            "DESCRIBE" => Self::Describe,
            "SETUP" => Self::Setup,
            "PLAY" => Self::Play,
            "PAUSE" => Self::Pause,
            "TEARDOWN" => Self::Teardown,
            "GET_PARAMETER" => Self::GetParameter,
            "SET_PARAMETER" => Self::SetParameter,
            "ANNOUNCE" | "RECORD" | "REDIRECT" => Self::NotAllowed,
            _ => Self::Unknown,
        }
    }
}

/// RFC 2326 section 15.1: `token`.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte)
}

impl Inbox {
    /// Appends received bytes. Call it only while [`is_full`](Self::is_full) returns `false`.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns `true` if [`next`](Self::next) has to be called before more bytes are appended.
    pub(super) fn is_full(&self) -> bool {
        self.buffer.len() >= MAX_BUFFERED
    }

    /// Drops all bytes. Bytes after an invalid request cannot be parsed.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the next complete request or packet. The total work is linear in the number of
    /// bytes, however they are split.
    pub(super) fn next(&mut self) -> Result<Option<Incoming>, Malformed> {
        if self.head.is_none() {
            // Some clients send an empty line after a body that its length does not include.
            let ends = self.buffer.iter().take_while(|byte| b"\r\n".contains(byte));
            let ends = ends.count();
            self.buffer.advance(ends);
            self.searched = self.searched.saturating_sub(ends);
            if self.buffer.first() == Some(&b'$') {
                return Ok(self.interleaved());
            }
            let Some((end, next)) = self.end_of_head()? else {
                return Ok(None);
            };
            let request = Request::parse(self.buffer.get(..end).unwrap_or_default())?;
            let body = request.content_length()?;
            self.buffer.advance(next);
            self.searched = 0;
            self.head = Some((request, body));
        }
        match self.head.take() {
            Some((mut request, body)) if self.buffer.len() >= body => {
                request.body = self.buffer.split_to(body).freeze();
                Ok(Some(Incoming::Request(request)))
            }
            head => {
                self.head = head;
                Ok(None)
            }
        }
    }

    fn interleaved(&mut self) -> Option<Incoming> {
        let &[_, channel, high, low] = self.buffer.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if self.buffer.len() < INTERLEAVED_HEADER + length {
            return None;
        }
        self.buffer.advance(INTERLEAVED_HEADER);
        let data = self.buffer.split_to(length).freeze();
        self.searched = 0;
        Some(Incoming::Interleaved { channel, data })
    }

    /// Returns the end of the head, and the start of the body. Lines may end without a carriage
    /// return.
    fn end_of_head(&mut self) -> Result<Option<(usize, usize)>, Malformed> {
        let mut from = self.searched;
        while let Some(behind) = self.buffer.get(from..) {
            let Some(at) = behind.iter().position(|&byte| byte == b'\n') else {
                break;
            };
            let end = from + at;
            let empty = match self.buffer.get(end + 1..) {
                Some([b'\n', ..]) => Some(1),
                Some([b'\r', b'\n', ..]) => Some(2),
                // The next line is not complete yet.
                Some([] | [b'\r']) => break,
                _ => None,
            };
            if let Some(empty) = empty {
                if end > MAX_HEAD_BYTES {
                    break;
                }
                return Ok(Some((end, end + 1 + empty)));
            }
            from = end + 1;
            self.searched = from;
        }
        if self.buffer.len() > MAX_HEAD_BYTES {
            return Err(Malformed {
                status: Status::BadRequest,
                why: "request line and headers are too long",
            });
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(inbox: &mut Inbox) -> Result<Vec<Incoming>, Malformed> {
        let mut found = Vec::new();
        while let Some(incoming) = inbox.next()? {
            found.push(incoming);
        }
        Ok(found)
    }

    fn read(bytes: &[u8]) -> Result<Vec<Incoming>, Malformed> {
        let mut inbox = Inbox::default();
        inbox.push(bytes);
        all(&mut inbox)
    }

    #[test]
    fn requests_and_packets_one_behind_the_other() {
        let bytes = b"\r\nOPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n\
            $\x01\x00\x03abc\
            SET_PARAMETER rtsp://h/x RTSP/1.0\r\ncseq:2\r\nContent-length: 4\r\n\r\nbody\r\n\
            PLAY rtsp://h/x RTSP/1.0\nCSeq:\t3 \nRange: npt=0-\n\n$\x00\x00\x00FLY x RTSP/1.0\r\n\r\n";
        let found = read(bytes).unwrap();
        let [
            Incoming::Request(options),
            Incoming::Interleaved { channel: 1, data },
            Incoming::Request(set),
            Incoming::Request(play),
            Incoming::Interleaved {
                channel: 0,
                data: none,
            },
            Incoming::Request(fly),
        ] = &found[..]
        else {
            panic!("{found:?}");
        };
        assert_eq!(
            (options.method, options.uri.as_str()),
            (Method::Options, "*")
        );
        assert_eq!((&data[..], none.len()), (&b"abc"[..], 0));
        assert_eq!(
            (set.header("CSEQ"), &set.body[..]),
            (Some("2"), &b"body"[..])
        );
        assert_eq!(
            (play.header("CSeq"), play.header("Range")),
            (Some("3"), Some("npt=0-"))
        );
        assert_eq!((fly.method, fly.name.as_str()), (Method::Unknown, "FLY"));
        assert_eq!(fly.header("CSeq"), None);
    }

    #[test]
    fn what_makes_no_request_is_named() {
        let long = format!("PLAY rtsp://{} RTSP/1.0\r\n", "x".repeat(MAX_HEAD_BYTES));
        let many = format!(
            "PLAY * RTSP/1.0\r\n{}\r\n",
            "A: b\r\n".repeat(MAX_HEADERS + 1)
        );
        for (bytes, status) in [
            ("GET / HTTP/1.1\r\n\r\n", Status::BadRequest),
            ("PLAY * RTSP/2.0\r\n\r\n", Status::VersionNotSupported),
            ("PLAY  RTSP/1.0\r\n\r\n", Status::BadRequest),
            ("PLAY * x RTSP/1.0\r\n\r\n", Status::BadRequest),
            ("PL\u{e4}Y * RTSP/1.0\r\n\r\n", Status::BadRequest),
            ("PLAY * RTSP/1.0\r\nCSeq 1\r\n\r\n", Status::BadRequest),
            ("PLAY * RTSP/1.0\r\nCSeq : 1\r\n\r\n", Status::BadRequest),
            ("PLAY * RTSP/1.0\r\nA: b\r\n c\r\n\r\n", Status::BadRequest),
            ("PLAY * RTSP/1.0\r\nA: b\rc\r\n\r\n", Status::BadRequest),
            (
                "PLAY * RTSP/1.0\r\nContent-Length: -1\r\n\r\n",
                Status::BadRequest,
            ),
            (
                "PLAY * RTSP/1.0\r\nContent-Length: \r\n\r\n",
                Status::BadRequest,
            ),
            (
                "PLAY * RTSP/1.0\r\nContent-Length: 4097\r\n\r\n",
                Status::TooLarge,
            ),
            (
                "PLAY * RTSP/1.0\r\nContent-Length: 99999999999999999999999\r\n\r\n",
                Status::TooLarge,
            ),
            (&long, Status::BadRequest),
            (&many, Status::BadRequest),
            (&"x".repeat(MAX_HEAD_BYTES + 1), Status::BadRequest),
        ] {
            assert_eq!(
                read(bytes.as_bytes()).unwrap_err().status,
                status,
                "{bytes:?}"
            );
        }
        assert_eq!(
            read(b"PLAY \xff RTSP/1.0\r\n\r\n").unwrap_err().status,
            Status::BadRequest
        );
    }

    proptest! {
        /// Any input in any pieces causes no panic and nothing over the limits, and the pieces make
        /// no difference.
        #[test]
        fn cuts_make_no_difference(
            pieces in prop::collection::vec(
                prop_oneof![
                    Just(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n".to_vec()),
                    Just(b"SETUP rtsp://h/x RTSP/1.0\nContent-Length: 3\n\nabc".to_vec()),
                    Just(b"$\x00\x00\x05\r\n\r\n$".to_vec()),
                    Just(b"\r\n".to_vec()),
                    prop::collection::vec(any::<u8>(), 0..40),
                    "[A-Z ]{1,9}\r?\n".prop_map(String::into_bytes),
                ],
                0..8,
            ),
            cuts in prop::collection::vec(1..50_usize, 1..20),
        ) {
            let bytes = pieces.concat();
            let whole = read(&bytes);
            let mut inbox = Inbox::default();
            let mut found = Vec::new();
            let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
            let mut result = Ok(());
            while !rest.is_empty() && result.is_ok() {
                let (now, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
                inbox.push(now);
                rest = later;
                match all(&mut inbox) {
                    Ok(more) => found.extend(more),
                    Err(error) => result = Err(error),
                }
            }
            match whole {
                Ok(whole) => prop_assert_eq!((whole, result), (found, Ok(()))),
                Err(error) => prop_assert_eq!(result, Err(error)),
            }
        }
    }
}
