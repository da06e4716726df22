//! A client that says what a test tells it to, and nothing else: DTLS by itself, everything inside
//! by hand. A network without delay; simulated time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tutk_session::av_login::{ClientLogin, ClientOutput, Nonce, Password, User};
use tutk_session::dtls_psk;
use tutk_session::tutk_frame::{
    AvStamp, Cc51Discovery, DataHeader, Direction, Heartbeat, IoctlMessage, IoctlRequest,
    SessionId, SessionRequest, SessionStamp, SessionTrailer,
};
use tutk_session::{Dialect, Epoch, Output, PasswordRule};
use tutk_simulator::{Simulator, SimulatorConfig, SimulatorEvent};

use super::scripted::{cc51_discovery, data, hide, layout, reveal};
use super::{camera_address, client_address, credentials};

pub const SESSION: SessionId = SessionId(*b"eight by");

/// A camera, and the client that a test plays.
pub struct Raw {
    pub dialect: &'static Dialect,
    pub camera: Simulator,
    pub start: Instant,
    pub now: Instant,
    deadline: Instant,
    dtls: Option<dtls_psk::Connection>,
    sequence: u16,
    /// The session that was asked for as [`SESSION`].
    pub session: SessionId,
    /// Every datagram of the camera that is no data, and when, without its obfuscation.
    pub datagrams: Vec<(Duration, Vec<u8>)>,
    /// Every AV packet of the camera, and when.
    pub packets: Vec<(Duration, Vec<u8>)>,
    pub events: Vec<SimulatorEvent>,
    /// The camera has said close_notify.
    pub closed: bool,
}

impl Raw {
    pub fn new(dialect: &'static Dialect, mut config: SimulatorConfig) -> Self {
        #[allow(
            clippy::disallowed_methods,
            reason = "simulated time must begin somewhere"
        )]
        let start = Instant::now();
        let epoch = Epoch {
            instant: start,
            unix: Duration::from_secs(1_760_000_000),
        };
        config.dialects = vec![dialect];
        let rng = Box::new(StdRng::seed_from_u64(1));
        let camera = Simulator::new(config, camera_address(), rng, epoch).unwrap();
        Self {
            dialect,
            camera,
            start,
            now: start,
            deadline: start,
            dtls: None,
            sequence: 0,
            session: SESSION,
            datagrams: Vec::new(),
            packets: Vec::new(),
            events: Vec::new(),
            closed: false,
        }
    }

    /// Asks for a session under that id.
    pub fn ask(&mut self, session: SessionId) {
        let Some(layout) = layout(self.dialect) else {
            return self.ask_cc51(session);
        };
        let stamp = match layout.session {
            SessionTrailer::Crc32 => SessionStamp::Crc32,
            SessionTrailer::UnixSeconds => SessionStamp::UnixSeconds(1_760_000_000),
        };
        let request = SessionRequest {
            uid: credentials().uid,
            session,
            stamp,
        };
        self.datagram(|out| request.write(out));
    }

    /// Asks in that name, and for the session that the camera gives for it.
    fn ask_cc51(&mut self, name: SessionId) {
        self.datagram(|out| cc51_discovery(0, 0, name).write(out));
        let (_, offer) = self.datagrams.last().unwrap();
        let offer = Cc51Discovery::parse(offer).unwrap();
        assert_eq!((offer.sequence, offer.session == name), (1, false));
        self.session = match name {
            SESSION => offer.session,
            _ => self.session,
        };
        self.datagram(|out| cc51_discovery(2, offer.ticket, offer.session).write(out));
    }

    /// Session request and ClientHello; the camera's flight is not answered.
    pub fn hello(&mut self) {
        self.ask(SESSION);
        self.begin();
        let dtls_psk::Output::Transmit(records) = self.dtls.as_mut().unwrap().poll_output() else {
            panic!("no ClientHello");
        };
        let records = records.to_vec();
        self.dtls = None;
        self.records(&records);
        self.settle();
    }

    /// Session request and handshake.
    pub fn connect(&mut self) {
        self.ask(SESSION);
        self.begin();
        self.settle();
        assert!(self.dtls.as_ref().unwrap().is_connected());
    }

    fn begin(&mut self) {
        let psk = credentials().psk(self.dialect.key);
        let config = Arc::new(dtls_psk::Config::client(tutk_session::psk::IDENTITY, psk));
        let mut rng = StdRng::seed_from_u64(2);
        self.dtls = Some(dtls_psk::Connection::client(config, &mut rng, self.now).unwrap());
    }

    /// Both login packets.
    pub fn log_in(&mut self, password: &[u8]) {
        let mut login = ClientLogin::new(
            self.dialect.login,
            User::admin(),
            Password::new(password).unwrap(),
            false,
            Nonce([1, 2, 3, 4]),
        );
        login.send();
        while let Some(ClientOutput::Transmit(packet)) = login.poll_output() {
            let packet = packet.to_vec();
            self.packet(|out| out.extend_from_slice(&packet));
        }
    }

    /// Up to the login, with what is right.
    pub fn arrive(&mut self) {
        self.connect();
        let credentials = credentials();
        match self.dialect.password {
            PasswordRule::Fixed(password) => self.log_in(password.as_bytes()),
            _ => self.log_in(credentials.enr.reveal()),
        }
    }

    pub fn heartbeat(&mut self, count: u16) {
        let stamp = self.stamp();
        self.packet(|out| {
            Heartbeat {
                stamp,
                reported: 0xffff,
                newest: 0xffff,
                count,
                count_again: count,
                clock: 0,
            }
            .write(out);
        });
    }

    pub fn ioctl(&mut self, index: u32, hl: &[u8]) {
        let stamp = self.stamp();
        self.packet(|out| IoctlRequest { stamp, index, hl }.write(out));
    }

    /// HL messages that came since the last call; other packets are left out.
    pub fn take_hl(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.packets)
            .into_iter()
            .filter_map(|(_, packet)| Some(IoctlMessage::parse(&packet).ok()?.hl.to_vec()))
            .collect()
    }

    pub fn stamp(&self) -> AvStamp {
        AvStamp {
            version: self.dialect.control_version,
            counter: 0,
            tail: 0,
        }
    }

    pub fn datagram(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut datagram = Vec::new();
        write(&mut datagram);
        hide(self.dialect, &mut datagram);
        self.camera
            .handle_datagram(self.now, client_address(), &mut datagram);
        self.settle();
    }

    pub fn packet(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut packet = Vec::new();
        write(&mut packet);
        let mut records = Vec::new();
        let dtls = self.dtls.as_mut().unwrap();
        if dtls.seal(&packet, &mut records).is_ok() {
            self.records(&records);
            self.settle();
        }
    }

    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while self.deadline <= end {
            self.now = self.deadline.max(self.now);
            self.camera.handle_timeout(self.now);
            let busy = self.settle();
            assert!(busy || self.deadline > self.now, "the camera spins");
        }
        self.now = end;
    }

    fn records(&mut self, records: &[u8]) {
        let header = DataHeader {
            layout: self.dialect.wrapper(),
            direction: Direction::ToCamera,
            channel: 0,
            sequence: self.sequence,
            session: self.session,
            payload_len: u16::try_from(records.len()).unwrap(),
        };
        self.sequence = self.sequence.wrapping_add(1);
        let mut datagram = data(self.dialect, header, records);
        self.camera
            .handle_datagram(self.now, client_address(), &mut datagram);
    }

    fn settle(&mut self) -> bool {
        let mut busy = false;
        loop {
            let mut records = Vec::new();
            self.deadline = loop {
                let output = self.camera.poll_output();
                busy |= !matches!(output, Output::Timeout(_));
                match output {
                    Output::Transmit(datagram) => {
                        let mut plain = datagram.payload.to_vec();
                        reveal(self.dialect, &mut plain);
                        match super::scripted::records(self.dialect, &plain) {
                            Some(payload) => records.push(payload),
                            None => self.datagrams.push((self.now - self.start, plain)),
                        }
                    }
                    Output::Event(event) => self.events.push(event),
                    Output::Timeout(deadline) => break deadline,
                }
            };
            let Some(dtls) = &mut self.dtls else {
                return busy;
            };
            let (now, elapsed) = (self.now, self.now - self.start);
            let packets = &mut self.packets;
            for mut records in records {
                // What this side makes of it is not what is tested here.
                let _ = dtls.handle_datagram(now, &mut records, |packet| {
                    packets.push((elapsed, packet.to_vec()));
                });
            }
            let mut answers = Vec::new();
            loop {
                match dtls.poll_output() {
                    dtls_psk::Output::Transmit(records) => answers.push(records.to_vec()),
                    dtls_psk::Output::Event(dtls_psk::Event::Closed) => self.closed = true,
                    dtls_psk::Output::Event(_) => {}
                    dtls_psk::Output::Timeout(_) => break,
                }
            }
            if answers.is_empty() {
                return busy;
            }
            for records in answers {
                self.records(&records);
            }
        }
    }
}
