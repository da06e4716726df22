//! One side of a session, written by a test, and the real other side. DTLS works by itself; the
//! test writes everything inside it. The network has no delay, and time is simulated.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tutk_session::av_login::{
    AuthType, Capabilities, ClientLogin, ClientOutput, LoginAnswer, LoginPacket, Nonce, Password,
    Status, User,
};
use tutk_session::dtls_psk::{self, Connection};
use tutk_session::hl_ioctl::commands::{Challenge, ConnectAuth, ConnectRequest, ConnectResult};
use tutk_session::hl_ioctl::{ChallengeStatus, Command as _};
use tutk_session::tutk_frame::{
    AvStamp, Cc51Discovery, DataHeader, DiscoveryAnswer, Heartbeat, IoctlMessage, IoctlRequest,
    Iotc, SessionAnswer, SessionId, SessionRequest,
};
use tutk_session::{Client, ClientConfig, Dialect, Error, Event, PasswordRule};
use tutk_simulator::{Simulator, SimulatorConfig};
use tutk_time::Instant;

use super::datagram::{cc51_discovery, data, descramble, iotc_layout, records, scramble};
use super::machine::StateMachine;
use super::{camera_address, client_address, credentials, epoch, seed, start};

/// The session and ticket that a [`CameraScript`] assigns in `cc51`.
pub const ASSIGNED: SessionId = SessionId(*b"is given");
pub const TICKET: u16 = 0xbeef;

/// The session that a [`ClientScript`] requests.
pub const REQUESTED: SessionId = SessionId(*b"eight by");

/// The challenge in each K10001 of a [`CameraScript`].
pub const CHALLENGE: [u8; 16] = *b"WERhJxb87WF3zgPa";

/// A scripted camera and a real client.
pub type CameraScript = Script<Client>;

/// A scripted client and a simulated camera.
pub type ClientScript = Script<Simulator>;

/// A scripted side of a session.
pub struct Script<Peer: StateMachine> {
    pub dialect: Arc<Dialect>,
    /// The client or simulated camera under test.
    pub peer: Peer,
    pub start: Instant,
    pub now: Instant,
    /// When the peer must be called.
    pub deadline: Instant,
    /// The source address of the script's datagrams.
    pub address: SocketAddr,
    /// The current session.
    pub session: SessionId,
    dtls: Option<Connection>,
    sequence: u16,
    /// All datagrams of the peer.
    pub datagrams: Vec<Sent>,
    /// DTLS records of the peer on the backchannel, by datagram.
    pub backchannel: Vec<Vec<u8>>,
    /// The AV packets of the peer, and when they were sent.
    pub packets: Vec<(Duration, Vec<u8>)>,
    pub events: Vec<Peer::Event>,
    /// The peer has sent close_notify.
    pub closed: bool,
}

/// A datagram that the peer sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// The time since the start.
    pub at: Duration,
    pub to: SocketAddr,
    /// The descrambled datagram.
    pub bytes: Vec<u8>,
}

impl<Peer: StateMachine> Script<Peer> {
    fn with_peer(
        dialect: &Dialect,
        peer: Peer,
        start: Instant,
        address: SocketAddr,
        session: SessionId,
    ) -> Self {
        let mut script = Self {
            dialect: Arc::new(dialect.clone()),
            peer,
            start,
            now: start,
            deadline: start,
            address,
            session,
            dtls: None,
            sequence: 0,
            datagrams: Vec::new(),
            backchannel: Vec::new(),
            packets: Vec::new(),
            events: Vec::new(),
            closed: false,
        };
        script.settle();
        script
    }

    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Advances the time, and calls the peer whenever it is due.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while self.deadline <= end {
            self.now = self.deadline.max(self.now);
            self.peer.handle_timeout(self.now);
            let busy = self.settle();
            assert!(busy || self.deadline > self.now, "busy loop");
        }
        self.now = end;
    }

    /// Does something with the peer, and handles its output.
    pub fn with<T>(&mut self, act: impl FnOnce(&mut Peer, Instant) -> T) -> T {
        let result = act(&mut self.peer, self.now);
        self.settle();
        result
    }

    /// Sends a datagram, which is scrambled after `write`.
    pub fn send_datagram(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut datagram = Vec::new();
        write(&mut datagram);
        scramble(&self.dialect, &mut datagram);
        self.send_raw(self.address, &datagram);
    }

    /// Sends a datagram as it is.
    pub fn send_raw(&mut self, from: SocketAddr, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        self.with(|peer, now| peer.handle_datagram(now, from, &mut datagram));
    }

    /// Sends an AV packet, unless the peer has closed DTLS.
    pub fn send_packet(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut packet = Vec::new();
        write(&mut packet);
        let mut records = Vec::new();
        let dtls = self.dtls.as_mut().unwrap();
        if dtls.seal(&packet, &mut records).is_ok() {
            self.send_records(0, &records);
        }
    }

    /// Returns the DTLS record of an AV packet.
    pub fn seal(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut packet = Vec::new();
        write(&mut packet);
        let mut records = Vec::new();
        let dtls = self.dtls.as_mut().unwrap();
        dtls.seal(&packet, &mut records).unwrap();
        records
    }

    /// Sends DTLS records.
    pub fn send_records(&mut self, channel: u8, records: &[u8]) {
        let datagram = self.wrap(channel, records);
        self.send_raw(self.address, &datagram);
    }

    pub fn stamp(&self) -> AvStamp {
        AvStamp {
            version: self.dialect.control_version,
            counter: 0,
            tail: 0,
        }
    }

    /// Sends close_notify.
    pub fn close_dtls(&mut self) {
        self.dtls.as_mut().unwrap().close();
        self.settle();
    }

    /// Returns the packets since the last call.
    pub fn take_packets(&mut self) -> Vec<Vec<u8>> {
        let packets = std::mem::take(&mut self.packets);
        packets.into_iter().map(|(_, packet)| packet).collect()
    }

    /// The datagrams without DTLS records.
    pub fn control_datagrams(&self) -> Vec<&Sent> {
        let is_control = |sent: &&Sent| records(&self.dialect, &sent.bytes).is_none();
        self.datagrams.iter().filter(is_control).collect()
    }

    fn wrap(&mut self, channel: u8, records: &[u8]) -> Vec<u8> {
        let header = DataHeader {
            layout: self.dialect.wrapper(),
            direction: Peer::INCOMING,
            channel,
            sequence: self.sequence,
            session: self.session,
            payload_len: u16::try_from(records.len()).unwrap(),
        };
        self.sequence = self.sequence.wrapping_add(1);
        data(&self.dialect, header, records)
    }

    /// Passes output between the peer and DTLS until there is none. Returns `true` if the peer had
    /// any.
    pub fn settle(&mut self) -> bool {
        let mut busy = false;
        loop {
            let output = self.peer.drain();
            busy |= !output.is_empty();
            self.deadline = output.deadline;
            self.events.extend(output.events);
            let mut received = Vec::new();
            for (to, mut bytes) in output.datagrams {
                descramble(&self.dialect, &mut bytes);
                received.extend(self.records_of(&bytes));
                let at = self.elapsed();
                self.datagrams.push(Sent { at, to, bytes });
            }
            let Some(dtls) = &mut self.dtls else {
                return busy;
            };
            let elapsed = self.now - self.start;
            let packets = &mut self.packets;
            for mut records in received {
                // An error closes DTLS, which the peer notices.
                let _ = dtls.handle_datagram(self.now, &mut records, |packet| {
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
                let mut datagram = self.wrap(0, &records);
                self.peer
                    .handle_datagram(self.now, self.address, &mut datagram);
            }
        }
    }

    /// Returns the records of the main channel, and keeps those of the backchannel. Notes the
    /// session of a discovery request.
    fn records_of(&mut self, plain: &[u8]) -> Option<Vec<u8>> {
        if let Some(layout) = iotc_layout(&self.dialect)
            && let Ok(Iotc::DiscoveryRequest(request)) = Iotc::parse(plain, layout)
        {
            self.session = request.session;
        }
        let records = records(&self.dialect, plain)?;
        match DataHeader::parse(plain, self.dialect.wrapper()) {
            Ok(header) if header.channel == 1 => {
                self.backchannel.push(records);
                None
            }
            _ => Some(records),
        }
    }
}

impl CameraScript {
    pub fn new(dialect: &Dialect) -> Self {
        Self::with_config(dialect, |_| {})
    }

    pub fn with_config(dialect: &Dialect, change: impl FnOnce(&mut ClientConfig)) -> Self {
        let start = start();
        let mut config = ClientConfig::new(camera_address(), credentials());
        config.dialects = vec![Arc::new(dialect.clone())];
        // Most tests state which packets follow from which.
        config.fast_connect = false;
        change(&mut config);
        let client = Client::new(config, seed(1), epoch(start, start));
        Self::with_peer(dialect, client, start, camera_address(), ASSIGNED)
    }

    /// A script that has completed all phases before `phase`.
    pub fn in_phase(dialect: &Dialect, phase: tutk_session::Phase) -> Self {
        use tutk_session::Phase;
        let mut script = Self::new(dialect);
        match phase {
            Phase::Discovery => {}
            Phase::Session => script.answer_discovery(),
            Phase::Dtls => {
                script.answer_discovery();
                script.grant_session();
            }
            Phase::Login => script.connect(),
            Phase::Authentication => script.log_in(),
            Phase::Stream => script.authenticate(),
        }
        script
    }

    pub fn answer_discovery(&mut self) {
        let answer = DiscoveryAnswer {
            uid: credentials().uid,
            session: Some(self.session),
            address: None,
        };
        match iotc_layout(&self.dialect) {
            Some(layout) => self.send_datagram(|out| answer.write(layout.discovery, out)),
            None => self.send_datagram(|out| cc51_discovery(1, TICKET, ASSIGNED).write(out)),
        }
    }

    /// Answers the session request, and accepts the handshake that follows.
    pub fn answer_session(&mut self) {
        self.accept_handshake();
        self.grant_session();
    }

    /// Answers the session request only.
    pub fn grant_session(&mut self) {
        let answer = SessionAnswer {
            uid: None,
            session: None,
        };
        match iotc_layout(&self.dialect) {
            Some(_) => self.send_datagram(|out| answer.write(out)),
            None => self.send_datagram(|out| cc51_discovery(3, TICKET, ASSIGNED).write(out)),
        }
    }

    /// Starts a DTLS server.
    pub fn accept_handshake(&mut self) {
        self.accept_handshake_with(|config| config);
    }

    /// Starts a DTLS server with another configuration.
    pub fn accept_handshake_with(
        &mut self,
        change: impl FnOnce(dtls_psk::Config) -> dtls_psk::Config,
    ) {
        let psk = credentials().psk(self.dialect.key);
        let config =
            dtls_psk::Config::server(move |_: &[u8]| Some(psk.clone())).with_cookie_exchange(false);
        let config = change(config);
        let server = Connection::server(Arc::new(config), b"client", seed(2), self.now);
        self.dtls = Some(server.unwrap());
    }

    /// Completes discovery, session and handshake.
    pub fn connect(&mut self) {
        self.answer_discovery();
        self.answer_session();
        assert!(self.dtls.as_ref().unwrap().is_connected());
    }

    /// Completes session and handshake after the client has requested another session, in a
    /// dialect with an IOTC header.
    pub fn connect_again(&mut self) {
        let layout = iotc_layout(&self.dialect).unwrap();
        let mut newest = self.datagrams.iter().rev();
        let session = newest.find_map(|sent| match Iotc::parse(&sent.bytes, layout).ok()? {
            Iotc::SessionRequest(request) => Some(request.session),
            _ => None,
        });
        self.session = session.unwrap();
        self.answer_session();
        assert!(self.dtls.as_ref().unwrap().is_connected());
    }

    /// Completes all phases up to the login.
    pub fn log_in(&mut self) {
        self.connect();
        self.answer_login(Status::SUCCESS);
    }

    /// Completes all phases up to the authentication.
    pub fn authenticate(&mut self) {
        self.answer_discovery();
        self.authenticate_from_session();
    }

    /// Completes all phases from the session request up to the authentication.
    pub fn authenticate_from_session(&mut self) {
        self.answer_session();
        self.answer_login(Status::SUCCESS);
        self.send_challenge(ChallengeStatus::Enr);
        self.send_result(&ConnectResult::accept(None, None));
    }

    pub fn answer_login(&mut self, status: Status) {
        let login = LoginPacket::parse(&self.packets[0].1).unwrap();
        let answer = LoginAnswer {
            version: login.version,
            status,
            nonce: login.nonce,
            two_way_audio: false,
            auth_type: AuthType::SDK,
            capabilities: Capabilities::WYZE_SDK,
        };
        self.send_packet(|out| out.extend_from_slice(&answer.to_bytes()));
    }

    pub fn send_challenge(&mut self, status: ChallengeStatus) {
        let challenge = Challenge {
            status,
            challenge: CHALLENGE,
        };
        self.send_hl(&ConnectRequest::answer_to_hl(&challenge).unwrap());
    }

    pub fn send_result(&mut self, result: &ConnectResult) {
        self.send_hl(&ConnectAuth::answer_to_hl(result).unwrap());
    }

    /// Sends an HL message in an IOCTL.
    pub fn send_hl(&mut self, hl: &[u8]) {
        let stamp = self.stamp();
        self.send_packet(|out| IoctlMessage { stamp, id: 0, hl }.write(out));
    }

    /// The error that ended the client's session.
    pub fn error(&self) -> &Error {
        let ends: Vec<_> = self.ends().collect();
        match ends[..] {
            [Err(error)] => error,
            _ => panic!("{ends:?}"),
        }
    }

    pub fn has_ended(&self) -> bool {
        self.ends().next().is_some()
    }

    fn ends(&self) -> impl Iterator<Item = &Result<(), Error>> {
        self.events.iter().filter_map(|event| match event {
            Event::Ended(result) => Some(result),
            _ => None,
        })
    }
}

impl ClientScript {
    pub fn new(dialect: &Dialect, mut config: SimulatorConfig) -> Self {
        config.dialects = vec![Arc::new(dialect.clone())];
        let start = start();
        let camera =
            Simulator::new(config, camera_address(), seed(1), epoch(start, start)).unwrap();
        Self::with_peer(dialect, camera, start, client_address(), REQUESTED)
    }

    /// Requests a session with this id.
    pub fn request_session(&mut self, session: SessionId) {
        let Some(layout) = iotc_layout(&self.dialect) else {
            return self.request_cc51_session(session);
        };
        let stamp = layout.session.stamp(1_760_000_000);
        let request = SessionRequest {
            uid: credentials().uid,
            session,
            stamp,
        };
        self.send_datagram(|out| request.write(out));
    }

    /// Requests the session that the camera assigns for `session`.
    fn request_cc51_session(&mut self, session: SessionId) {
        self.send_datagram(|out| cc51_discovery(0, 0, session).write(out));
        let answer = Cc51Discovery::parse(&self.datagrams.last().unwrap().bytes).unwrap();
        assert_eq!((answer.sequence, answer.session == session), (1, false));
        if session == REQUESTED {
            self.session = answer.session;
        }
        self.send_datagram(|out| cc51_discovery(2, answer.ticket, answer.session).write(out));
    }

    /// Requests a session and sends a ClientHello, without a reaction to the answer.
    pub fn send_hello(&mut self) {
        self.request_session(REQUESTED);
        let mut dtls = self.dtls_client();
        let dtls_psk::Output::Transmit(hello) = dtls.poll_output() else {
            panic!("no ClientHello");
        };
        self.send_records(0, hello);
    }

    /// Completes session and handshake.
    pub fn connect(&mut self) {
        self.request_session(REQUESTED);
        self.dtls = Some(self.dtls_client());
        self.settle();
        assert!(self.dtls.as_ref().unwrap().is_connected());
    }

    fn dtls_client(&self) -> Connection {
        let psk = credentials().psk(self.dialect.key);
        let config = Arc::new(dtls_psk::Config::client(tutk_session::psk::IDENTITY, psk));
        Connection::client(config, seed(2), self.now).unwrap()
    }

    /// Sends both login packets.
    pub fn log_in_with(&mut self, password: &[u8]) {
        let mut login = ClientLogin::new(
            self.dialect.login,
            User::admin(),
            Password::new(password).unwrap(),
            false,
            Nonce([1, 2, 3, 4]),
        );
        login.send();
        while let Some(ClientOutput::Transmit(packet)) = login.poll_output() {
            self.send_packet(|out| out.extend_from_slice(packet));
        }
    }

    /// Completes all phases up to the login.
    pub fn log_in(&mut self) {
        self.connect();
        match self.dialect.password.clone() {
            PasswordRule::Fixed(password) => self.log_in_with(password.as_bytes()),
            _ => self.log_in_with(credentials().enr.reveal()),
        }
    }

    pub fn send_heartbeat(&mut self, count: u16) {
        let heartbeat = Heartbeat {
            stamp: self.stamp(),
            reported: 0xffff,
            newest: 0xffff,
            commands: count,
            heartbeats: count,
            clock: 0,
        };
        self.send_packet(|out| heartbeat.write(out));
    }

    pub fn send_ioctl(&mut self, index: u32, hl: &[u8]) {
        let stamp = self.stamp();
        self.send_packet(|out| IoctlRequest { stamp, index, hl }.write(out));
    }

    /// Returns the HL messages since the last call, and drops all other packets.
    pub fn take_hl(&mut self) -> Vec<Vec<u8>> {
        let packets = self.take_packets();
        let hl = |packet: &Vec<u8>| Some(IoctlMessage::parse(packet).ok()?.hl.to_vec());
        packets.iter().filter_map(hl).collect()
    }
}
