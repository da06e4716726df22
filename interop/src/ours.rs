//! The dtls-psk endpoint: a [`Connection`] on a socket.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use dtls_psk::{
    Accept, Acceptor, CipherSuite, Config, Connected, Connection, Event, Group, Instant, Output,
    Psk,
};

use crate::application::{Endpoint, Negotiated, Received};
use crate::link::Link;
use crate::matrix::{Settings, Side};
use crate::{IDENTITY, KEY};

/// Much longer than any handshake.
const LIMIT: Duration = Duration::from_secs(110);

pub(crate) struct Ours {
    link: Link,
    connection: Box<Connection>,
    side: Side,
    started: Instant,
    /// `true` if an acceptor sent a cookie before the connection existed.
    acceptor_sent_cookie: bool,
    inbox: VecDeque<Vec<u8>>,
    connected: Option<Connected>,
    closed_by_peer: bool,
    closing: bool,
}

impl Ours {
    pub(crate) fn new(mut link: Link, settings: &Settings) -> Result<Self, String> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|e| e.to_string())?;
        let config = Arc::new(config(settings));
        let started = clock();
        let mut acceptor_sent_cookie = false;
        let connection = match settings.side {
            Side::Client => Connection::client(config, seed, started).map(Box::new),
            Side::Server if settings.acceptor => {
                let (connection, cookie_sent) = accept(&mut link, config, seed)?;
                acceptor_sent_cookie = cookie_sent;
                Ok(connection)
            }
            Side::Server => {
                Connection::server(config, link.peer().as_bytes(), seed, started).map(Box::new)
            }
        };
        Ok(Self {
            link,
            connection: connection.map_err(|e| e.to_string())?,
            side: settings.side,
            started,
            acceptor_sent_cookie,
            inbox: VecDeque::new(),
            connected: None,
            closed_by_peer: false,
            closing: false,
        })
    }

    /// Sends the queued datagrams and handles events. Returns the next deadline.
    fn drain(&mut self) -> Instant {
        loop {
            match self.connection.poll_output() {
                Output::Transmit(datagram) => self.link.send(datagram),
                Output::Event(Event::Connected(connected)) => self.connected = Some(connected),
                Output::Event(Event::Closed) => self.closed_by_peer = !self.closing,
                Output::Event(_) => {}
                Output::Timeout(deadline) => return deadline,
            }
        }
    }

    /// Waits for a datagram or timeout until `end`.
    fn step(&mut self, end: Instant) -> Result<(), String> {
        let due = self.drain();
        let inbox = &mut self.inbox;
        let result = match self.link.receive(end.min(due).into())? {
            Some(datagram) => self
                .connection
                .handle_datagram(clock(), datagram, |data| inbox.push_back(data.to_vec())),
            None => self.connection.handle_timeout(clock()),
        };
        self.drain();
        result.map_err(|e| e.to_string())
    }
}

/// Accepts a client with an [`Acceptor`]. Returns its connection, and `true` if a cookie was sent.
fn accept(
    link: &mut Link,
    config: Arc<Config>,
    seed: [u8; 32],
) -> Result<(Box<Connection>, bool), String> {
    let peer = link.peer();
    let mut acceptor = Acceptor::new(config, seed).map_err(|e| e.to_string())?;
    let mut cookie_sent = false;
    let end = clock() + LIMIT;
    while clock() < end {
        let Some(datagram) = link.receive(end.into())? else {
            continue;
        };
        let accept = acceptor.handle_datagram(clock(), peer.as_bytes(), datagram);
        match accept.map_err(|e| e.to_string())? {
            Accept::Drop => {}
            Accept::Reply(reply) => {
                cookie_sent = true;
                link.send(reply);
            }
            Accept::Connection(connection) => return Ok((connection, cookie_sent)),
            Accept::Refuse { alert, error } => {
                link.send(alert);
                return Err(error.to_string());
            }
        }
    }
    Err(format!("no acceptable hello in {LIMIT:?}"))
}

fn config(settings: &Settings) -> Config {
    let config = match settings.side {
        Side::Client => Config::client(IDENTITY, Psk::new(KEY)),
        Side::Server => Config::server(|identity: &[u8]| {
            (identity == IDENTITY.as_bytes()).then(|| Psk::new(KEY))
        })
        .with_identity_hint(vec![b'h'; settings.hint_len])
        .with_cookie_exchange(settings.cookie),
    };
    let suites = settings
        .suite
        .map_or(CipherSuite::ALL.to_vec(), |one| vec![one]);
    let groups = settings.group.map_or(Group::ALL.to_vec(), |one| vec![one]);
    config
        .with_mtu(settings.mtu)
        .with_suites(&suites)
        .with_groups(&groups)
        .with_extended_master_secret(settings.ems)
        .with_encrypt_then_mac(settings.etm)
}

impl Endpoint for Ours {
    fn handshake(&mut self) -> Result<Negotiated, String> {
        while self.connected.is_none() {
            self.step(self.started + LIMIT)?;
            if clock() - self.started > LIMIT {
                return Err(format!(
                    "still at {:?} after {LIMIT:?}",
                    self.connection.stage()
                ));
            }
        }
        let Some(connected) = &self.connected else {
            return Err("not connected".into());
        };
        Ok(Negotiated {
            suite: Some(connected.suite.id()),
            group: connected.group,
            cookie: Some(self.acceptor_sent_cookie || self.connection.stats().verify_requests > 0),
            ems: Some(connected.extended_master_secret),
            etm: Some(connected.encrypt_then_mac),
            handshake: Some(clock() - self.started),
        })
    }

    fn send(&mut self, data: &[u8]) -> Result<(), String> {
        self.connection.send(data).map_err(|e| e.to_string())?;
        self.drain();
        Ok(())
    }

    fn receive(&mut self, timeout: Duration) -> Result<Received, String> {
        let end = clock() + timeout;
        loop {
            if let Some(data) = self.inbox.pop_front() {
                return Ok(Received::Data(data));
            }
            let answered = self.side == Side::Client
                && self.connection.is_closed()
                && self.link.protected_alert_received;
            if self.closed_by_peer || answered {
                return Ok(Received::Closed);
            }
            if clock() >= end {
                return Ok(Received::Nothing);
            }
            self.step(end)?;
        }
    }

    fn close(&mut self) -> Result<(), String> {
        self.closing = true;
        self.connection.close();
        self.drain();
        Ok(())
    }
}

/// The current time of the system's monotonic clock.
fn clock() -> Instant {
    std::time::Instant::now().into()
}
