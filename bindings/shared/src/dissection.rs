//! A capture file in memory, packet by packet.

use core::net::SocketAddr;
use core::time::Duration;
use std::io::Cursor;

use bytes::Bytes;
use tutk_dissect::capture::{CaptureReader, Datagram};
use tutk_dissect::{Dissector, JsonLine, Keys, Packet};
use tutk_session::{CameraUrl, UrlError};

/// Why a capture cannot be dissected.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The capture or a key log is invalid.
    #[error(transparent)]
    Capture(#[from] tutk_dissect::Error),
    /// The address of a camera is invalid.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// A key log has no key.
    #[error("the key log has no line that begins with CLIENT_RANDOM")]
    EmptyKeyLog,
}

/// Dissects a capture. Each call returns one line: the packets of the protocol, then the sessions.
pub struct Dissection {
    capture: CaptureReader<'static>,
    dissector: Dissector,
    /// The time of the first packet.
    start: Option<Duration>,
    /// The next session to return, after the last packet.
    next_session: Option<usize>,
}

impl Dissection {
    /// Starts to dissect a pcap or pcapng file.
    ///
    /// `key_logs` are key logs in SSLKEYLOGFILE format, and `cameras` addresses of cameras, whose
    /// pre-shared keys are used. The keys in the file are used in any case.
    ///
    /// # Errors
    /// [`Error`] if the file is not a capture, or a key is invalid.
    pub fn new(
        file: Bytes,
        key_logs: &[impl AsRef<[u8]>],
        cameras: &[impl AsRef<str>],
    ) -> Result<Self, Error> {
        let mut keys = Keys::new();
        for log in key_logs {
            if keys.add_key_log(log.as_ref())? == 0 {
                return Err(Error::EmptyKeyLog);
            }
        }
        for camera in cameras {
            keys.add_credentials(&camera.as_ref().parse::<CameraUrl>()?.credentials);
        }
        keys.add_capture(&mut CaptureReader::new(Cursor::new(file.clone()))?)?;
        Ok(Self {
            capture: CaptureReader::new(Cursor::new(file))?,
            dissector: Dissector::new(keys),
            start: None,
            next_session: None,
        })
    }

    /// Returns the next line as JSON: `{"packet":…}`, then `{"session":…}`, as
    /// `tutk dissect --json` prints them; `None` at the end.
    ///
    /// # Errors
    /// [`tutk_dissect::Error`] if the file is damaged.
    pub fn next_json(&mut self) -> Result<Option<String>, tutk_dissect::Error> {
        let packet = self.next_packet()?;
        let line = match &packet {
            Some(packet) => Some(JsonLine::Packet(packet)),
            None => self.next_session().map(JsonLine::Session),
        };
        let text = line.map(|line| serde_json::to_string(&line)).transpose();
        text.map_err(|error| std::io::Error::from(error).into())
    }

    /// Returns the next packet as a line of text, as `tutk dissect` prints it; `None` at the end.
    ///
    /// # Errors
    /// [`tutk_dissect::Error`] if the file is damaged.
    pub fn next_text(&mut self) -> Result<Option<String>, tutk_dissect::Error> {
        let packet = self.next_packet()?;
        Ok(packet.map(|packet| {
            let start = *self.start.get_or_insert(packet.time);
            packet.line(start).to_string()
        }))
    }

    fn next_packet(&mut self) -> Result<Option<Packet>, tutk_dissect::Error> {
        while let Some(captured) = self.capture.next_packet()? {
            let packet = self.dissector.handle(&captured);
            // The frames are not used.
            while self.dissector.poll_frame().is_some() {}
            if packet.is_some() {
                return Ok(packet);
            }
        }
        Ok(None)
    }

    fn next_session(&mut self) -> Option<&tutk_dissect::Session> {
        let next = self.next_session.unwrap_or_else(|| {
            self.dissector.finish();
            0
        });
        self.next_session = Some(next.saturating_add(1));
        self.dissector.sessions().get(next)
    }
}

/// Dissects a single datagram, as the first of its session. Returns JSON, the value of `packet` in
/// a line of [`Dissection::next_json`], or `None` if it is not of the protocol.
#[must_use]
pub fn dissect_datagram(
    source: SocketAddr,
    destination: SocketAddr,
    payload: &[u8],
) -> Option<String> {
    let datagram = Datagram {
        source,
        destination,
        payload,
        missing: 0,
    };
    let mut dissector = Dissector::new(Keys::new());
    let packet = dissector.handle_datagram(1, Duration::ZERO, &datagram)?;
    serde_json::to_string(&packet).ok()
}
