//! Valid login packets and answers parse to the same value. A client and a camera log in over a
//! network that loses, repeats and changes packets, while others log in with other passwords.
//!
//! - A camera accepts a login only with both packets and the right user and password.
//! - A client ends once, with the content of the first answer after it has sent.
//! - Without changes, a client with the right password that sends again logs in.
#![no_main]

mod fate;

use std::collections::VecDeque;

use arbitrary::{Arbitrary, Unstructured};
use av_login::{
    AuthType, CameraConfig, CameraEvent, CameraLogin, CameraOutput, Capabilities, ClientEvent,
    ClientLogin, ClientOutput, LoginAnswer, LoginLayout, LoginPacket, Nonce, Part, Password,
    Status, User,
};
use fate::Fate;
use libfuzzer_sys::fuzz_target;

/// The maximum number of packets in flight.
const MAX_QUEUE: usize = 16;

#[derive(Debug, Arbitrary)]
struct Input {
    layout: Layout,
    password: Text,
    client_password: Option<Text>,
    resend: bool,
    nonce: [u8; 4],
    steps: Vec<Step>,
}

#[derive(Debug, Arbitrary)]
enum Step {
    Send,
    ToCamera(Fate),
    ToClient(Fate),
    /// A packet of another client.
    Login(Login),
    /// An answer that the camera did not send.
    Answer(Answer),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Layout {
    At550,
    At540,
    At542,
}

#[derive(Debug, Arbitrary)]
struct Login {
    layout: Layout,
    is_first: bool,
    version: u16,
    /// Few values, so that pairs occur.
    nonce: [u8; 4],
    user: Text,
    password: Option<Text>,
    resend: bool,
    capabilities: u32,
}

#[derive(Debug, Arbitrary)]
struct Answer {
    version: u16,
    status: u8,
    nonce: [u8; 4],
    two_way_audio: bool,
    auth_type: u32,
    capabilities: u32,
}

/// Up to 255 bytes other than zero.
#[derive(Debug, Clone, PartialEq)]
struct Text(Vec<u8>);

impl<'a> Arbitrary<'a> for Text {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let bytes = match input.int_in_range(0..=3)? {
            0 => b"admin".to_vec(),
            1 => b"888888".to_vec(),
            2 => vec![b'x'; input.int_in_range(0..=255)?],
            _ => input.arbitrary()?,
        };
        let bytes = bytes.into_iter().filter(|&byte| byte != 0).take(255);
        Ok(Self(bytes.collect()))
    }
}

/// A client and a camera, and the packets between them.
struct Pair {
    client: ClientLogin,
    camera: CameraLogin,
    password: Password,
    to_camera: VecDeque<Vec<u8>>,
    to_client: VecDeque<Vec<u8>>,
    sent: bool,
    ended: bool,
    /// All parts with the right user and password that the camera got, and their nonces.
    right: [Vec<Nonce>; 2],
    tampered: bool,
}

fuzz_target!(|input: Input| {
    let password = Password::new(&input.password.0).expect("a valid password");
    let client_password = input.client_password.map_or_else(
        || password.clone(),
        |text| Password::new(&text.0).expect("a valid password"),
    );
    let layout = input.layout.layout();
    let (user, nonce) = (User::admin(), Nonce(input.nonce));
    let is_right = client_password == password;
    let config = CameraConfig::new(User::admin(), password.clone());
    let mut pair = Pair {
        client: ClientLogin::new(layout, user, client_password, input.resend, nonce),
        camera: CameraLogin::new(config),
        password,
        to_camera: VecDeque::new(),
        to_client: VecDeque::new(),
        sent: false,
        ended: false,
        right: [Vec::new(), Vec::new()],
        tampered: false,
    };
    for step in input.steps {
        pair.step(step);
    }
    if pair.tampered || pair.ended {
        return;
    }
    // Everything arrives now.
    pair.client.send();
    pair.sent = true;
    pair.poll_client();
    while let Some(packet) = pair.to_camera.pop_front() {
        pair.camera(&packet);
    }
    let answers = std::mem::take(&mut pair.to_client);
    for packet in answers {
        if !pair.ended {
            let event = pair.client(&packet).expect("the end of the login");
            assert_eq!(matches!(event, ClientEvent::LoggedIn(_)), is_right);
        }
    }
    assert!(pair.ended);
});

impl Pair {
    fn step(&mut self, step: Step) {
        match step {
            Step::Send => {
                self.client.send();
                self.sent = true;
                self.poll_client();
            }
            Step::ToCamera(fate) => {
                let oldest = self.to_camera.pop_front();
                let packets = oldest.map(|packet| fate.apply(packet, &mut self.tampered));
                for packet in packets.into_iter().flatten() {
                    self.camera(&packet);
                }
            }
            Step::ToClient(fate) => {
                let oldest = self.to_client.pop_front();
                let packets = oldest.map(|packet| fate.apply(packet, &mut self.tampered));
                for packet in packets.into_iter().flatten() {
                    self.client(&packet);
                }
            }
            Step::Login(login) => {
                let packet = login.packet(&self.password);
                let bytes = packet.to_bytes();
                let parsed = LoginPacket::parse(bytes.as_ref());
                match packet.capabilities.0 {
                    // The layout is recognised by them.
                    0 => assert!(parsed.is_err()),
                    _ => assert_eq!(parsed, Ok(packet)),
                }
                self.tampered = true;
                self.camera(bytes.as_ref());
            }
            Step::Answer(answer) => {
                let answer = answer.answer();
                assert_eq!(LoginAnswer::parse(&answer.to_bytes()), Ok(answer));
                self.tampered = true;
                self.client(&answer.to_bytes());
            }
        }
        self.to_camera.truncate(MAX_QUEUE);
        self.to_client.truncate(MAX_QUEUE);
    }

    /// The client receives a packet. Returns its event.
    fn client(&mut self, packet: &[u8]) -> Option<ClientEvent> {
        let before = self.client.stats();
        self.client.handle_packet(packet);
        let event = self.poll_client();
        let after = self.client.stats();
        let answer = LoginAnswer::parse(packet);
        let expects_end = self.sent && !self.ended && answer.is_ok();
        assert_eq!(event.is_some(), expects_end);
        let dropped = after.malformed + after.duplicates - before.malformed - before.duplicates;
        assert_eq!(dropped, u64::from(!expects_end));
        if let (Some(event), Ok(answer)) = (event, answer) {
            self.ended = true;
            assert!(self.client.is_finished());
            match event {
                ClientEvent::Refused(status) => assert_eq!(status, answer.status),
                ClientEvent::LoggedIn(result) => {
                    assert!(answer.status.is_success());
                    assert_eq!(result.capabilities, answer.capabilities);
                    assert_eq!(result.two_way_audio, answer.two_way_audio);
                }
            }
        }
        event
    }

    fn poll_client(&mut self) -> Option<ClientEvent> {
        let mut ended = None;
        while let Some(output) = self.client.poll_output() {
            match output {
                ClientOutput::Transmit(packet) => {
                    assert!(!self.ended);
                    self.to_camera.push_back(packet.to_vec());
                }
                ClientOutput::Event(event) => {
                    assert!(ended.replace(event).is_none());
                }
            }
        }
        ended
    }

    /// The camera receives a packet.
    fn camera(&mut self, packet: &[u8]) {
        let login = LoginPacket::parse(packet);
        if let Ok(login) = &login
            && login.user == User::admin()
            && login.password == self.password
        {
            self.right[usize::from(login.part == Part::Second)].push(login.nonce);
        }
        let before = self.camera.stats();
        self.camera.handle_packet(packet);
        let malformed = self.camera.stats().malformed - before.malformed;
        assert_eq!(malformed, u64::from(login.is_err()));
        while let Some(output) = self.camera.poll_output() {
            match output {
                CameraOutput::Transmit(answer) => {
                    let parsed = LoginAnswer::parse(&answer).expect("an answer");
                    assert!([Status::SUCCESS, Status::REFUSED].contains(&parsed.status));
                    self.to_client.push_back(answer.to_vec());
                }
                CameraOutput::Event(CameraEvent::LoggedIn { .. }) => {
                    let [first, second] = &self.right;
                    let mut pairs = first.iter().flat_map(|&first| {
                        second
                            .iter()
                            .map(move |&second| first.is_followed_by(second))
                    });
                    assert!(pairs.any(|is_pair| is_pair), "half a login is accepted");
                }
                CameraOutput::Event(CameraEvent::Refused(_)) => {}
            }
        }
    }
}

impl Layout {
    fn layout(self) -> LoginLayout {
        match self {
            Self::At550 => LoginLayout::AuthAt550,
            Self::At540 => LoginLayout::AuthAt540,
            Self::At542 => LoginLayout::AuthAt542,
        }
    }
}

impl Login {
    fn packet(self, right: &Password) -> LoginPacket {
        let password = |text: Text| Password::new(&text.0).expect("a valid password");
        LoginPacket {
            layout: self.layout.layout(),
            part: if self.is_first {
                Part::First
            } else {
                Part::Second
            },
            version: self.version,
            nonce: Nonce(self.nonce.map(|byte| byte % 4)),
            user: User::new(&self.user.0).expect("a valid user"),
            password: self.password.map_or_else(|| right.clone(), password),
            resend: self.resend,
            auth_type: AuthType::SDK,
            capabilities: Capabilities(self.capabilities),
        }
    }
}

impl Answer {
    fn answer(&self) -> LoginAnswer {
        LoginAnswer {
            version: self.version,
            status: Status(self.status),
            nonce: Nonce(self.nonce),
            two_way_audio: self.two_way_audio,
            auth_type: AuthType(self.auth_type),
            capabilities: Capabilities(self.capabilities),
        }
    }
}
