//! A camera that says what a test tells it to, and nothing else: DTLS by itself, everything inside
//! by hand. A network without delay; simulated time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use disco_cipher::tag::Tagger;
use disco_cipher::{transcode, xor};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use tutk_session::av_login::{AuthType, Capabilities, LoginAnswer, LoginPacket, Status};
use tutk_session::dtls_psk;
use tutk_session::hl_ioctl::commands::{Challenge, ConnectAuth, ConnectRequest, ConnectResult};
use tutk_session::hl_ioctl::{ChallengeStatus, Command as _};
use tutk_session::tutk_frame::{
    AvStamp, Cc51, Cc51Discovery, DataHeader, Direction, DiscoveryAnswer, IoctlMessage, Iotc,
    IotcLayout, SessionAnswer, SessionId,
};
use tutk_session::{Cipher, Client, ClientConfig, Dialect, Epoch, Error, Event, Output, Transport};

use super::{camera_address, credentials};

/// Unix time at the beginning of every script.
pub const UNIX: u32 = 1_760_000_000;

/// The session that every script gives in cc51, and its ticket.
pub const GIVEN: SessionId = SessionId(*b"is given");
pub const TICKET: u16 = 0xbeef;

/// What K10001 asks in every script.
pub const CHALLENGE: [u8; 16] = *b"WERhJxb87WF3zgPa";

/// A client, and the camera that a test plays.
pub struct Scripted {
    pub dialect: &'static Dialect,
    pub client: Client,
    pub start: Instant,
    pub now: Instant,
    pub deadline: Instant,
    /// Where the camera's datagrams come from.
    pub camera_at: SocketAddr,
    dtls: Option<dtls_psk::Connection>,
    sequence: u16,
    /// Every datagram of the client: when, where to, and what was under the obfuscation.
    pub datagrams: Vec<(Duration, SocketAddr, Vec<u8>)>,
    /// DTLS records of the client on channel 1, a datagram each.
    pub back: Vec<Vec<u8>>,
    /// Every AV packet of the client, and when.
    pub packets: Vec<(Duration, Vec<u8>)>,
    pub events: Vec<Event>,
}

impl Scripted {
    pub fn new(dialect: &'static Dialect) -> Self {
        Self::with(dialect, |_| {})
    }

    pub fn with(dialect: &'static Dialect, change: impl FnOnce(&mut ClientConfig)) -> Self {
        #[allow(
            clippy::disallowed_methods,
            reason = "simulated time must begin somewhere"
        )]
        let start = Instant::now();
        let epoch = Epoch {
            instant: start,
            unix: Duration::from_secs(UNIX.into()),
        };
        let mut config = ClientConfig::new(camera_address(), credentials());
        config.dialects = vec![dialect];
        change(&mut config);
        let mut scripted = Self {
            dialect,
            client: Client::new(config, Box::new(StdRng::seed_from_u64(1)), epoch),
            start,
            now: start,
            deadline: start,
            camera_at: camera_address(),
            dtls: None,
            sequence: 0,
            datagrams: Vec::new(),
            back: Vec::new(),
            packets: Vec::new(),
            events: Vec::new(),
        };
        scripted.settle();
        scripted
    }

    /// Time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// The id that the client drew, from its first discovery request; or what a script gives it.
    pub fn session(&self) -> SessionId {
        let Some(layout) = layout(self.dialect) else {
            return GIVEN;
        };
        match Iotc::parse(&self.datagrams[0].2, layout).unwrap() {
            Iotc::DiscoveryRequest(request) => request.session,
            other => panic!("{other:?}"),
        }
    }

    /// Lets time pass, and both ends do what is due in it.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        while self.deadline <= end {
            self.now = self.deadline.max(self.now);
            self.client.handle_timeout(self.now);
            let busy = self.settle();
            assert!(busy || self.deadline > self.now, "the client spins");
        }
        self.now = end;
    }

    /// Hands the client a datagram, given without its obfuscation.
    pub fn datagram(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut datagram = Vec::new();
        write(&mut datagram);
        hide(self.dialect, &mut datagram);
        self.raw(self.camera_at, &datagram);
    }

    /// Hands the client a datagram as it is.
    pub fn raw(&mut self, from: SocketAddr, datagram: &[u8]) {
        self.client
            .handle_datagram(self.now, from, &mut datagram.to_vec());
        self.settle();
    }

    /// Hands the client an AV packet.
    pub fn packet(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut packet = Vec::new();
        write(&mut packet);
        let mut records = Vec::new();
        let dtls = self.dtls.as_mut().unwrap();
        // Nothing can be said to a client that has closed.
        if dtls.seal(&packet, &mut records).is_ok() {
            let datagram = self.wrap(&records);
            self.raw(self.camera_at, &datagram);
        }
    }

    pub fn answer_discovery(&mut self) {
        let answer = DiscoveryAnswer {
            uid: credentials().uid,
            session: Some(self.session()),
            address: None,
        };
        match layout(self.dialect) {
            Some(layout) => self.datagram(|out| answer.write(layout.discovery, out)),
            None => self.datagram(|out| cc51_discovery(1, TICKET, GIVEN).write(out)),
        }
    }

    /// Grants the session; the handshake follows at once and by itself.
    pub fn answer_session(&mut self) {
        self.expect_handshake();
        self.grant();
    }

    /// Grants the session, and no more.
    pub fn grant(&mut self) {
        let answer = SessionAnswer {
            uid: None,
            session: None,
        };
        match layout(self.dialect) {
            Some(_) => self.datagram(|out| answer.write(out)),
            None => self.datagram(|out| cc51_discovery(3, TICKET, GIVEN).write(out)),
        }
    }

    /// From here on there is a DTLS server.
    pub fn expect_handshake(&mut self) {
        let psk = credentials().psk(self.dialect.key);
        let config =
            dtls_psk::Config::server(move |_: &[u8]| Some(psk.clone())).with_cookie_exchange(false);
        let mut rng = StdRng::seed_from_u64(2);
        let server =
            dtls_psk::Connection::server(Arc::new(config), b"client", &mut rng, self.now).unwrap();
        self.dtls = Some(server);
    }

    /// Discovery, session and handshake.
    pub fn connect(&mut self) {
        self.answer_discovery();
        self.answer_session();
        assert!(self.dtls.as_ref().unwrap().is_connected());
    }

    /// All that, and the login.
    pub fn log_in(&mut self) {
        self.connect();
        self.answer_login(Status::SUCCESS);
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
        self.packet(|out| out.extend_from_slice(&answer.to_bytes()));
    }

    pub fn challenge(&mut self, status: ChallengeStatus) {
        let challenge = Challenge {
            status,
            challenge: CHALLENGE,
        };
        self.ioctl(&ConnectRequest::answer_to_hl(&challenge).unwrap());
    }

    pub fn result(&mut self, result: &ConnectResult) {
        self.ioctl(&ConnectAuth::answer_to_hl(result).unwrap());
    }

    /// Up to K10003 that lets the client in.
    pub fn let_in(&mut self) {
        self.log_in();
        self.challenge(ChallengeStatus::Enr);
        self.result(&ConnectResult::accept(None, None));
    }

    /// Sends an HL message in an IOCTL.
    pub fn ioctl(&mut self, hl: &[u8]) {
        let stamp = self.stamp();
        self.packet(|out| IoctlMessage { stamp, hl }.write(out));
    }

    pub fn stamp(&self) -> AvStamp {
        AvStamp {
            version: self.dialect.control_version,
            counter: 0,
            tail: 0,
        }
    }

    /// Packets since the last call, without their times.
    pub fn take_packets(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.packets)
            .into_iter()
            .map(|(_, packet)| packet)
            .collect()
    }

    pub fn error(&self) -> &Error {
        let ends: Vec<_> = self
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Ended(result) => Some(result),
                _ => None,
            })
            .collect();
        match ends[..] {
            [Err(error)] => error,
            _ => panic!("{ends:?}"),
        }
    }

    pub fn has_ended(&self) -> bool {
        self.events
            .iter()
            .any(|event| matches!(event, Event::Ended(_)))
    }

    /// Hands the client DTLS records on channel 1.
    pub fn back_channel(&mut self, records: &[u8]) {
        let datagram = self.wrap_in(1, records);
        self.raw(self.camera_at, &datagram);
    }

    fn wrap(&mut self, records: &[u8]) -> Vec<u8> {
        self.wrap_in(0, records)
    }

    fn wrap_in(&mut self, channel: u8, records: &[u8]) -> Vec<u8> {
        let header = DataHeader {
            layout: self.dialect.wrapper(),
            direction: Direction::FromCamera,
            channel,
            sequence: self.sequence,
            session: self.session(),
            payload_len: u16::try_from(records.len()).unwrap(),
        };
        self.sequence = self.sequence.wrapping_add(1);
        data(self.dialect, header, records)
    }

    /// Drains both ends until neither has anything to say. Whether the client had.
    pub fn settle(&mut self) -> bool {
        let mut busy = false;
        loop {
            let mut records = Vec::new();
            self.deadline = loop {
                let output = self.client.poll_output();
                busy |= !matches!(output, Output::Timeout(_));
                match output {
                    Output::Transmit(datagram) => {
                        let mut plain = datagram.payload.to_vec();
                        reveal(self.dialect, &mut plain);
                        self.datagrams
                            .push((self.now - self.start, datagram.to, plain));
                        let (_, _, plain) = self.datagrams.last().unwrap();
                        match DataHeader::parse(plain, self.dialect.wrapper()) {
                            Ok(header) if header.channel == 1 => {
                                self.back.extend(self::records(self.dialect, plain));
                            }
                            _ => records.extend(self::records(self.dialect, plain)),
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
                // What the server makes of it is the client's affair here.
                let _ = dtls.handle_datagram(now, &mut records, |packet| {
                    packets.push((elapsed, packet.to_vec()));
                });
            }
            let mut answers = Vec::new();
            loop {
                match dtls.poll_output() {
                    dtls_psk::Output::Transmit(records) => answers.push(records.to_vec()),
                    dtls_psk::Output::Event(_) => {}
                    dtls_psk::Output::Timeout(_) => break,
                }
            }
            if answers.is_empty() {
                return busy;
            }
            for records in answers {
                let mut datagram = self.wrap(&records);
                self.client
                    .handle_datagram(self.now, self.camera_at, &mut datagram);
            }
        }
    }
}

/// Puts a dialect's obfuscation on or, where it has none, the right tag into the last 20 bytes.
pub fn hide(dialect: &Dialect, datagram: &mut [u8]) {
    match &dialect.transport {
        Transport::Iotc(iotc) => match &iotc.cipher {
            Cipher::Xor(key) => xor::apply(key, datagram),
            Cipher::TransCode => transcode::scramble_datagram(datagram),
            other => panic!("{other:?}"),
        },
        Transport::Cc51 => {
            let covered = if datagram.get(4..6) == Some(&[0x02, 0x10]) {
                32
            } else {
                28
            };
            if datagram.len() >= covered + 20 {
                let tag = tagger().tag(&datagram[..covered]);
                *datagram.last_chunk_mut().unwrap() = tag;
            }
        }
        other => panic!("{other:?}"),
    }
}

/// Takes a dialect's obfuscation off; a tag must be right.
pub fn reveal(dialect: &Dialect, datagram: &mut [u8]) {
    match &dialect.transport {
        Transport::Iotc(iotc) => match &iotc.cipher {
            Cipher::Xor(key) => xor::apply(key, datagram),
            Cipher::TransCode => transcode::descramble_datagram(datagram),
            other => panic!("{other:?}"),
        },
        Transport::Cc51 => {
            let tagged = datagram.to_vec();
            hide(dialect, datagram);
            assert_eq!(datagram, tagged, "the tag");
        }
        other => panic!("{other:?}"),
    }
}

/// The tags of the one camera of these tests.
pub fn tagger() -> Tagger {
    Tagger::new(&credentials().uid.0, &credentials().auth_key.0)
}

/// What a dialect with an IOTC header has.
pub fn layout(dialect: &Dialect) -> Option<IotcLayout> {
    match &dialect.transport {
        Transport::Iotc(iotc) => Some(iotc.layout),
        _ => None,
    }
}

/// The dialects that have an IOTC header, in the order of [`Dialect::ALL`].
pub fn iotc() -> impl Iterator<Item = (&'static Dialect, IotcLayout)> {
    let with = |dialect| Some((dialect, layout(dialect)?));
    Dialect::ALL.into_iter().filter_map(with)
}

/// The DTLS records of a datagram, if it has any.
pub fn records(dialect: &Dialect, plain: &[u8]) -> Option<Vec<u8>> {
    let payload = match layout(dialect) {
        Some(layout) => match Iotc::parse(plain, layout).unwrap() {
            Iotc::Data { payload, .. } => Some(payload),
            _ => None,
        },
        None => match Cc51::parse(plain).unwrap() {
            Cc51::Data { payload, .. } => Some(payload),
            _ => None,
        },
    };
    payload.map(<[u8]>::to_vec)
}

/// A data datagram, hidden.
pub fn data(dialect: &Dialect, header: DataHeader, records: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    header.write(&mut datagram);
    datagram.extend_from_slice(records);
    datagram.resize(datagram.len() + dialect.wrapper().tag_len(), 0);
    hide(dialect, &mut datagram);
    datagram
}

/// One of the four packets of a cc51 discovery, without its tag.
pub fn cc51_discovery(sequence: u16, ticket: u16, session: SessionId) -> Cc51Discovery {
    Cc51Discovery {
        direction: match sequence % 2 {
            0 => Direction::ToCamera,
            _ => Direction::FromCamera,
        },
        sequence,
        ticket,
        session,
        tag: [0; 20],
    }
}
