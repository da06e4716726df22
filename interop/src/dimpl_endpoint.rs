//! The dimpl endpoint, in this process.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dimpl::crypto::Dtls12CipherSuite;
use dimpl::{Config, Dtls, Output, PskResolver};
use dtls_psk::CipherSuite;

use crate::application::{Endpoint, Negotiated, Received};
use crate::link::Link;
use crate::matrix::{Abilities, Settings, Side, Switch};
use crate::{IDENTITY, KEY};

const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct DimplEndpoint {
    link: Link,
    dtls: Dtls,
    buffer: Vec<u8>,
    inbox: VecDeque<Vec<u8>>,
    connected: bool,
    closed_by_peer: bool,
    /// `true` if this side closed first.
    closing: bool,
}

struct Key;

impl PskResolver for Key {
    fn resolve(&self, identity: &[u8]) -> Option<Vec<u8>> {
        (identity == IDENTITY.as_bytes()).then(|| KEY.to_vec())
    }
}

/// Returns what dimpl supports, according to its provider.
pub(crate) fn abilities() -> Abilities {
    let provider = dimpl::crypto::aws_lc_rs::default_provider();
    let suites = CipherSuite::ALL.iter().map(|ours| {
        let known = |suite: &&dyn dimpl::crypto::SupportedDtls12CipherSuite| {
            suite.suite().as_u16() == ours.id()
        };
        let found = provider.cipher_suites.iter().any(known);
        let why = "its provider lacks the suite";
        (ours.id(), (!found).then(|| why.to_owned()))
    });
    Abilities {
        version: format!("dimpl {}", crate::matrix::locked_version("dimpl")),
        suites: suites.collect(),
        lacks: Side::BOTH
            .map(|side| {
                let why = "it has no switch for the extended master secret";
                (side, Switch::Ems, false, why.to_owned())
            })
            .to_vec(),
        requires: vec![Switch::Ems],
    }
}

impl DimplEndpoint {
    pub(crate) fn new(link: Link, settings: &Settings) -> Result<Self, String> {
        let key: Arc<dyn PskResolver> = Arc::new(Key);
        let builder = Config::builder()
            .mtu(settings.mtu)
            .use_server_cookie(settings.cookie)
            .dtls12_cipher_suites(&[Dtls12CipherSuite::PSK_AES128_CCM_8]);
        let builder = match settings.side {
            Side::Client => builder.with_psk_client(IDENTITY.as_bytes().to_vec(), key),
            Side::Server => builder.with_psk_server(None, key),
        };
        let config = builder.build().map_err(|e| e.to_string())?;
        let now = Instant::now();
        let mut dtls = Dtls::new_12_psk(Arc::new(config), now);
        dtls.set_active(settings.side == Side::Client);
        dtls.handle_timeout(now).map_err(|e| e.to_string())?;
        Ok(Self {
            link,
            dtls,
            buffer: vec![0; 4096],
            inbox: VecDeque::new(),
            connected: false,
            closed_by_peer: false,
            closing: false,
        })
    }

    fn drain(&mut self) -> Instant {
        loop {
            match self.dtls.poll_output(&mut self.buffer) {
                Output::Packet(datagram) => self.link.send(datagram),
                Output::BufferTooSmall { needed } => self.buffer.resize(needed, 0),
                Output::Connected => self.connected = true,
                Output::ApplicationData(data) => self.inbox.push_back(data.to_vec()),
                Output::CloseNotify => self.closed_by_peer = true,
                Output::Timeout(deadline) => return deadline,
                _ => {}
            }
        }
    }

    fn step(&mut self, end: Instant) -> Result<(), String> {
        let due = self.drain();
        let datagram = self.link.receive(end.min(due))?;
        self.dtls
            .handle_timeout(Instant::now())
            .and_then(|()| match datagram {
                Some(datagram) => self.dtls.handle_packet(datagram),
                None => Ok(()),
            })
            .map_err(|e| e.to_string())?;
        self.drain();
        Ok(())
    }
}

impl Endpoint for DimplEndpoint {
    fn handshake(&mut self) -> Result<Negotiated, String> {
        let end = Instant::now() + LIMIT;
        while !self.connected {
            self.step(end)?;
            if Instant::now() > end {
                return Err(format!("not connected after {LIMIT:?}"));
            }
        }
        // dimpl does not report the negotiated parameters.
        Ok(Negotiated::default())
    }

    fn send(&mut self, data: &[u8]) -> Result<(), String> {
        let sent = self.dtls.send_application_data(data);
        sent.map_err(|e| e.to_string())?;
        self.drain();
        Ok(())
    }

    fn receive(&mut self, timeout: Duration) -> Result<Received, String> {
        let end = Instant::now() + timeout;
        loop {
            if let Some(data) = self.inbox.pop_front() {
                return Ok(Received::Data(data));
            }
            if self.closed_by_peer || self.closing && self.link.protected_alert_received {
                return Ok(Received::Closed);
            }
            if Instant::now() >= end {
                return Ok(Received::Nothing);
            }
            self.step(end)?;
        }
    }

    fn close(&mut self) -> Result<(), String> {
        self.closing = true;
        self.dtls.close().map_err(|e| e.to_string())?;
        self.drain();
        Ok(())
    }
}
