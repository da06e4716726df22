//! An RTSP client over TCP that reads only when a test does.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and each test file uses a part of this"
)]

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tutk_serve::RtspServer;

use super::rtsp_client::{Response, parse_responses};
use super::with_timeout;

pub struct Client {
    pub stream: TcpStream,
    pub url: String,
    session: String,
    cseq: u32,
}

impl Client {
    pub async fn connect(server: &RtspServer) -> Self {
        Self::over(
            TcpStream::connect(server.local_addr()).await.unwrap(),
            server,
        )
    }

    /// Connects with a small receive buffer: the server soon cannot write.
    pub async fn connect_with_small_buffer(server: &RtspServer) -> Self {
        Self::over(
            super::connect_with_small_buffer(server.local_addr()).await,
            server,
        )
    }

    pub fn over(stream: TcpStream, server: &RtspServer) -> Self {
        Self {
            stream,
            url: format!("rtsp://{}/front", server.local_addr()),
            session: String::new(),
            cseq: 0,
        }
    }

    pub async fn request(&mut self, method: &str, path: &str, header: &str) -> Response {
        self.cseq += 1;
        let (url, cseq, session) = (&self.url, self.cseq, &self.session);
        let request =
            format!("{method} {url}{path} RTSP/1.0\r\nCSeq: {cseq}\r\n{session}{header}\r\n");
        self.stream.write_all(request.as_bytes()).await.unwrap();
        // Byte by byte, so that the packets after the response stay unread.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(with_timeout(self.stream.read_u8()).await.unwrap());
        }
        let text = String::from_utf8(head.clone()).unwrap();
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("Content-Length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        with_timeout(self.stream.read_exact(&mut body))
            .await
            .unwrap();
        parse_responses(&[head, body].concat()).remove(0)
    }

    pub async fn play(&mut self, transport: &str) {
        self.play_tracks(2, transport).await;
    }

    pub async fn play_tracks(&mut self, count: usize, transport: &str) {
        for track in 0..count {
            let header = format!("Transport: {transport}\r\n");
            let response = self
                .request("SETUP", &format!("/trackID={track}"), &header)
                .await;
            assert_eq!(response.status, 200, "{response:?}");
            let session = response
                .header("Session")
                .unwrap()
                .split(';')
                .next()
                .unwrap();
            self.session = format!("Session: {session}\r\n");
        }
        assert_eq!(self.request("PLAY", "", "").await.status, 200);
    }

    /// Returns `true` if the server closes the connection within 3 s. Skips data before that.
    pub async fn is_closed(&mut self) -> bool {
        let mut rest = Vec::new();
        matches!(
            tokio::time::timeout(Duration::from_secs(3), self.stream.read_to_end(&mut rest)).await,
            Ok(Ok(_) | Err(_))
        )
    }
}
