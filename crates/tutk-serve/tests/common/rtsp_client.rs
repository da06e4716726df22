//! An RTSP client that drives a server connection in memory.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking, and each test file uses a part of this"
)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::{BufMut as _, Bytes};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tutk_media::{AccessUnit, AudioCodec, AudioConfig, AudioFormat, Codec, ParameterSets};
use tutk_runtime::tutk_session::MediaKind;
use tutk_serve::rtsp::{
    Channel, Connection, ConnectionConfig, DescriptionError, Event, Output, Ports,
};
use tutk_serve::{FrameContent, LiveFrame, SoundDescription, StreamDescription};

pub const PEER: ([u8; 4], u16) = ([192, 0, 2, 9], 50_000);
pub const URL: &str = "rtsp://192.0.2.1:8554/front";
pub const SERVER: Ports = Ports {
    rtp: 30_000,
    rtcp: 30_001,
};

/// The outputs of a connection.
#[derive(Debug, Default)]
pub struct Outputs {
    pub written: Vec<u8>,
    pub datagrams: Vec<(SocketAddr, Channel, Vec<u8>)>,
    pub events: Vec<Event>,
}

pub struct Client {
    pub connection: Connection,
    pub now: Instant,
    /// The answer to [`Event::Describe`].
    pub description: Result<Arc<StreamDescription>, DescriptionError>,
    /// If `false`, writes stay pending.
    pub completes_writes: bool,
    pub next_timeout: Instant,
    cseq: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(found, _)| found == name);
        found.next().map(|(_, value)| value.as_str())
    }
}

pub fn config() -> ConnectionConfig {
    let mut config = ConnectionConfig::new(PEER.into(), [192, 0, 2, 1].into());
    config.udp = Some(SERVER);
    config
}

pub const KEY: &[u8] = &[
    0, 0, 0, 1, 0x67, 0x64, 0, 0x28, 0xac, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80, 0, 0, 1, 0x65, 0x88,
];

/// Describes H.264 video and audio of the given codec.
pub fn description(codec: AudioCodec) -> Arc<StreamDescription> {
    let sets = ParameterSets::of(&AccessUnit::new(Codec::H264, KEY));
    let format = AudioFormat {
        codec,
        rate: 8_000,
        channels: 1,
    };
    let config = AudioConfig::new(format).unwrap();
    Arc::new(StreamDescription {
        video: Some(sets),
        sound: Some(SoundDescription { format, config }),
        settled: true,
    })
}

impl Client {
    pub fn new(config: ConnectionConfig) -> Self {
        let now = tokio::time::Instant::now().into_std();
        let rng = Box::new(StdRng::seed_from_u64(7));
        Self {
            connection: Connection::new(config, rng, now),
            now,
            description: Ok(description(AudioCodec::Pcmu)),
            completes_writes: true,
            next_timeout: now,
            cseq: 0,
        }
    }

    /// Polls all outputs, and answers events as the server does.
    pub fn drain(&mut self) -> Outputs {
        let mut outputs = Outputs::default();
        loop {
            let event = match self.connection.poll_output() {
                Output::Timeout(at) => {
                    self.next_timeout = at;
                    return outputs;
                }
                Output::Write(bytes) => {
                    outputs.written.put(bytes);
                    if self.completes_writes {
                        self.connection.handle_written(self.now);
                    }
                    continue;
                }
                Output::Datagrams {
                    to,
                    channel,
                    payloads,
                    payload_bytes,
                } => {
                    let payloads = payloads.chunks(payload_bytes);
                    let datagrams = payloads.map(|payload| (to, channel, payload.to_vec()));
                    outputs.datagrams.extend(datagrams);
                    continue;
                }
                Output::Event(event) => event,
            };
            match &event {
                Event::Describe { .. } => {
                    let description = self.description.clone();
                    self.connection.handle_description(self.now, description);
                }
                Event::Play { .. } => {
                    let first = Some(Duration::from_secs(10));
                    self.connection.handle_playing(self.now, first);
                }
                _ => {}
            }
            outputs.events.push(event);
        }
    }

    pub fn send(&mut self, bytes: &[u8]) -> Outputs {
        self.connection.handle_bytes(self.now, bytes);
        self.drain()
    }

    /// Sends a request with these headers, and returns the response.
    pub fn request(&mut self, method: &str, uri: &str, headers: &[&str]) -> Response {
        self.cseq += 1;
        let headers: String = headers
            .iter()
            .map(|header| format!("{header}\r\n"))
            .collect();
        let cseq = self.cseq;
        let request = format!("{method} {uri} RTSP/1.0\r\nCSeq: {cseq}\r\n{headers}\r\n");
        let responses = parse_responses(&self.send(request.as_bytes()).written);
        let [response] = &responses[..] else {
            panic!("{responses:?}");
        };
        assert_eq!(response.header("CSeq"), Some(cseq.to_string().as_str()));
        response.clone()
    }

    /// Sets up tracks, and returns the session ID.
    pub fn set_up(&mut self, tracks: &[usize], transport: &str) -> String {
        let mut id = String::new();
        for track in tracks {
            let uri = format!("{URL}/trackID={track}");
            let response = self.request("SETUP", &uri, &[&format!("Transport: {transport}")]);
            assert_eq!(response.status, 200, "{response:?}");
            id = response
                .header("Session")
                .unwrap()
                .split(';')
                .next()
                .unwrap()
                .to_owned();
        }
        id
    }

    pub fn play(&mut self, id: &str) -> Response {
        let response = self.request("PLAY", URL, &[&format!("Session: {id}")]);
        assert_eq!(response.status, 200, "{response:?}");
        response
    }

    pub fn frame(&mut self, kind: MediaKind, millis: u64) -> Outputs {
        let frame = frame(kind, millis, self.description.clone().unwrap());
        self.connection.handle_frame(self.now, &frame).unwrap();
        self.drain()
    }

    pub fn wait(&mut self, time: Duration) -> Outputs {
        self.now += time;
        self.connection.handle_timeout(self.now);
        self.drain()
    }
}

pub fn frame(kind: MediaKind, millis: u64, description: Arc<StreamDescription>) -> LiveFrame {
    let timestamp = Duration::from_millis(millis);
    let data = match kind {
        MediaKind::Key => Bytes::from_static(KEY),
        MediaKind::Audio => Bytes::from_static(&[0x55; 160]),
        _ => Bytes::from_static(&[0, 0, 1, 0x41, 0x9a]),
    };
    let unit = description.video.as_ref().filter(|_| kind.is_video());
    let unit = unit.map(|sets| AccessUnit::new(sets.codec(), data.clone()));
    LiveFrame::from(FrameContent {
        kind,
        data,
        unit,
        codec: None,
        timestamp,
        wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000) + timestamp,
        discontinuity: false,
        description,
    })
}

/// Parses a sequence of responses.
pub fn parse_responses(mut written: &[u8]) -> Vec<Response> {
    let mut responses = Vec::new();
    while !written.is_empty() {
        let end = written
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .unwrap();
        let head = std::str::from_utf8(&written[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().strip_prefix("RTSP/1.0 ").unwrap();
        let headers: Vec<_> = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "Content-Length");
        let length = length.map_or(0, |(_, length)| length.parse().unwrap());
        let body = &written[end + 4..end + 4 + length];
        responses.push(Response {
            status: status[..3].parse().unwrap(),
            headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        });
        written = &written[end + 4 + length..];
    }
    responses
}

/// Parses a sequence of interleaved packets into channels and payloads.
pub fn parse_interleaved(mut written: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut packets = Vec::new();
    while let [b'$', channel, high, low, rest @ ..] = written {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        packets.push((*channel, rest[..length].to_vec()));
        written = &rest[length..];
    }
    assert!(written.is_empty());
    packets
}
