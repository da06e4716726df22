//! A local HTTPS server that replaces the vendor's two. The tests of tutk-cli use it too.
#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test stops where it fails, and uses sockets and threads"
)]

use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// An HTTPS server that sends a fixed reply to each request and records the requests.
pub struct CloudServer {
    /// `https://127.0.0.1:PORT`.
    pub origin: String,
    /// The root certificate in PEM.
    pub root: String,
    requests: Receiver<Vec<u8>>,
}

/// A reply, as bytes on the wire.
pub struct Reply(Vec<u8>);

impl Reply {
    /// Creates a reply with a status and a JSON body.
    pub fn json(status: u16, body: &str) -> Self {
        Self::with_headers(status, "Content-Type: application/json\r\n", body)
    }

    pub fn with_headers(status: u16, headers: &str, body: &str) -> Self {
        let len = body.len();
        let text = format!(
            "HTTP/1.1 {status} X\r\n{headers}Content-Length: {len}\r\nConnection: close\r\n\r\n{body}"
        );
        Self(text.into_bytes())
    }

    /// Creates a reply of arbitrary bytes.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }
}

impl CloudServer {
    /// Starts the server, which stops after the last reply.
    pub fn start(replies: impl IntoIterator<Item = Reply>) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &root).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let origin = format!("https://{}", listener.local_addr().unwrap());
        let replies: Vec<Reply> = replies.into_iter().collect();
        let (sender, requests) = mpsc::channel();
        let config = Arc::new(config);
        thread::spawn(move || {
            for Reply(reply) in replies {
                // A client that does not trust the certificate gets no reply.
                let mut stream = loop {
                    let (stream, _) = listener.accept().unwrap();
                    if let Some(stream) = accept(stream, &config) {
                        break stream;
                    }
                };
                if let Some(request) = read_request(&mut stream) {
                    let _ = sender.send(request);
                }
                let _ = stream.write_all(&reply);
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        });
        Self {
            origin,
            root: root.pem(),
            requests,
        }
    }

    /// Waits for the next request and returns it.
    pub fn request(&self) -> String {
        String::from_utf8(self.requests.recv().unwrap()).unwrap()
    }

    /// Returns `true` if [`request`](Self::request) has returned all requests and the server has
    /// stopped.
    pub fn is_done(&self) -> bool {
        self.requests.recv().is_err()
    }

    /// `127.0.0.1:PORT`.
    pub fn host(&self) -> &str {
        self.origin.strip_prefix("https://").unwrap()
    }
}

type Stream = StreamOwned<ServerConnection, TcpStream>;

fn accept(stream: TcpStream, config: &Arc<ServerConfig>) -> Option<Stream> {
    let conn = ServerConnection::new(Arc::clone(config)).unwrap();
    let mut stream = StreamOwned::new(conn, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock).ok()?;
    }
    Some(stream)
}

/// Reads the head, and the body by its `content-length`.
fn read_request(stream: &mut Stream) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let head = request.windows(4).position(|window| window == b"\r\n\r\n");
        if let Some(head) = head {
            let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
            let length = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if request.len() >= head + 4 + length.map_or(0, |length| length.parse().unwrap()) {
                return Some(request);
            }
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(count) => request.extend_from_slice(&chunk[..count]),
        }
    }
}
