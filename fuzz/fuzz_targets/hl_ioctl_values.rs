//! Valid commands and answers parse to the same value, and never panic with a changed byte. A
//! client and a camera authenticate over a network that loses, repeats and changes messages, while
//! others arrive.
//!
//! - A client succeeds only if the camera has accepted it, and it ends once.
//! - Without changes, the exchange ends after a few repeats, whatever ENR, status and user are.
#![no_main]

mod fate;

use std::collections::VecDeque;
use std::fmt::Debug;

use arbitrary::{Arbitrary, Unstructured};
use fate::Fate;
use hl_ioctl::commands::{
    AudioParams, Challenge, ConnectAuth, ConnectDoorbellUserAuth, ConnectRequest, ConnectUserAuth,
    GetPatrolPoints, GetPosition, GetRtspServer, MediaControl, PanTiltByDegrees, PanTiltByStep,
    PanTiltTo, PatrolPoint, PatrolPoints, Position, ReadParameters, RtspServer, SetAnswer,
    SetClock, SetMotionAlarm, SetPatrolPoints, SetResolution, SetRtspServer, SetTimeZone,
    SetVideoParameters, SirenAndLight, UserAuth, UserId, VideoParams,
};
use hl_ioctl::schema::Kind;
use hl_ioctl::{
    AckRule, CameraConfig, CameraEvent, CameraExchange, CameraOutput, ChallengeRule,
    ChallengeStatus, ClientConfig, ClientExchange, ClientOutput, Command, ConnectResult, Enr,
    HlMessage, Ioctl, Request, Scalar, UserRule,
};
use libfuzzer_sys::fuzz_target;

/// The maximum number of messages in flight.
const MAX_QUEUE: usize = 16;

/// More rounds than an exchange takes that repeats each message.
const MAX_ROUNDS: usize = 12;

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    settings: Settings,
    steps: Vec<Step<'a>>,
}

#[derive(Debug, Arbitrary)]
struct Settings {
    encrypts: bool,
    status: u8,
    short_enr: bool,
    other_enr: bool,
    second_acknowledgement: bool,
    user: Option<u8>,
    client_rule: Rule,
    camera_rule: Rule,
    version: u16,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
struct Rule {
    doorbell_since: Option<u16>,
    user_since: Option<u16>,
}

#[derive(Debug, Arbitrary)]
enum Step<'a> {
    Send,
    ToCamera(Fate),
    ToClient(Fate),
    Acknowledge(u16),
    /// A command or answer that neither side has sent.
    Value(Value, Fate),
    Message {
        to_camera: bool,
        version: u16,
        code: u8,
        payload: &'a [u8],
    },
}

/// The bytes of a valid command or answer, which were checked.
#[derive(Debug)]
struct Value(Vec<u8>);

/// A client and a camera, and the messages between them.
struct Pair {
    client: ClientExchange,
    camera: CameraExchange,
    to_camera: VecDeque<(u16, Vec<u8>)>,
    to_client: VecDeque<(u16, Vec<u8>)>,
    tampered: bool,
}

fuzz_target!(|input: Input<'_>| {
    let Some(mut pair) = Pair::new(&input.settings) else {
        return;
    };
    for step in input.steps {
        pair.step(step);
    }
    if pair.tampered {
        return;
    }
    for _ in 0..MAX_ROUNDS {
        pair.client.send();
        pair.poll_client();
        while let Some((index, message)) = pair.to_camera.pop_front() {
            pair.camera(index, &message);
            pair.camera.handle_acknowledgement(2);
        }
        while let Some((_, message)) = pair.to_client.pop_front() {
            pair.client(&message);
        }
    }
    assert!(pair.client.is_over());
});

impl Pair {
    /// Returns `None` if the camera cannot have the ENR.
    fn new(settings: &Settings) -> Option<Self> {
        let camera_enr = match settings.short_enr {
            true => "0123456789abcdef",
            false => "0123456789abcdef0123456789abcdef",
        };
        let other = "fedcba9876543210fedcba9876543210";
        let client_enr = if settings.other_enr {
            other
        } else {
            camera_enr
        };
        let enr = |text| Enr::new(text).expect("a valid ENR");
        let rule = match settings.encrypts {
            true => ChallengeRule::Encrypt,
            false => ChallengeRule::Decrypt,
        };
        let mut client = ClientConfig::new(enr(client_enr), *b"UID0");
        client.rule = rule;
        let user = |len: u8| UserId::new(vec![b'u'; usize::from(len.max(1))]).expect("a valid id");
        client.user = settings.user.map(user);
        client.user_rule = settings.client_rule.rule();
        let mut camera = CameraConfig::new(enr(camera_enr), [0x5a; 16]);
        camera.rule = rule;
        camera.status = ChallengeStatus::from_byte(settings.status % 8);
        if settings.second_acknowledgement {
            camera.acknowledgement = AckRule::Second;
        }
        camera.version = settings.version;
        camera.user_rule = settings.camera_rule.rule();
        Some(Self {
            client: ClientExchange::new(client).expect("a short payload"),
            camera: CameraExchange::new(camera).ok()?,
            to_camera: VecDeque::new(),
            to_client: VecDeque::new(),
            tampered: false,
        })
    }

    fn step(&mut self, step: Step<'_>) {
        match step {
            Step::Send => {
                self.client.send();
                self.poll_client();
            }
            Step::ToCamera(fate) => {
                if let Some((index, oldest)) = self.to_camera.pop_front() {
                    for message in fate.apply(oldest, &mut self.tampered) {
                        self.camera(index, &message);
                    }
                }
            }
            Step::ToClient(fate) => {
                if let Some((_, oldest)) = self.to_client.pop_front() {
                    for message in fate.apply(oldest, &mut self.tampered) {
                        self.client(&message);
                    }
                }
            }
            Step::Acknowledge(count) => self.camera.handle_acknowledgement(count),
            Step::Value(value, fate) => {
                self.tampered = true;
                for message in fate.apply(value.0, &mut self.tampered) {
                    self.camera(1, &message);
                    self.client(&message);
                }
            }
            Step::Message {
                to_camera,
                version,
                code,
                payload,
            } => {
                self.tampered = true;
                let code = 10_000 + u16::from(code % 12);
                let message = HlMessage {
                    version,
                    code,
                    payload,
                };
                let bytes = message.to_vec().expect("a short payload");
                assert_eq!(HlMessage::parse(&bytes), Ok(message));
                match to_camera {
                    true => self.camera(1, &bytes),
                    false => self.client(&bytes),
                }
            }
        }
        self.to_camera.truncate(MAX_QUEUE);
        self.to_client.truncate(MAX_QUEUE);
    }

    fn client(&mut self, bytes: &[u8]) {
        if let Ok(message) = HlMessage::parse(bytes) {
            self.client.handle_message(&message);
            self.poll_client();
        }
    }

    fn poll_client(&mut self) {
        let mut ended = false;
        while let Some(output) = self.client.poll_output() {
            match output {
                ClientOutput::Transmit { index, message } => {
                    assert!(HlMessage::parse(message).is_ok());
                    self.to_camera.push_back((index, message.to_vec()));
                }
                ClientOutput::Event(result) => {
                    assert!(!ended, "an exchange ends once");
                    ended = true;
                    if let Ok(result) = result {
                        assert!(result.is_success());
                        assert!(self.tampered || self.camera.is_accepted());
                    }
                }
            }
        }
        assert!(!ended || self.client.is_over());
    }

    fn camera(&mut self, index: u16, bytes: &[u8]) {
        let Ok(message) = HlMessage::parse(bytes) else {
            return;
        };
        let was_accepted = self.camera.is_accepted();
        self.camera
            .handle_message(&message, Ioctl { index, flag: 1 });
        while let Some(output) = self.camera.poll_output() {
            match output {
                CameraOutput::Transmit(reply) => {
                    assert!(HlMessage::parse(&reply).is_ok());
                    self.to_client.push_back((index, reply));
                }
                CameraOutput::Event(CameraEvent::Accepted(_)) => {
                    assert!(!was_accepted && self.camera.is_accepted());
                }
                CameraOutput::Event(_) => {}
            }
        }
    }
}

impl Rule {
    fn rule(self) -> UserRule {
        UserRule {
            doorbell_since: self.doorbell_since,
            user_since: self.user_since,
        }
    }
}

impl<'a> Arbitrary<'a> for Value {
    fn arbitrary(input: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let value = match input.int_in_range(0..=24)? {
            0 => command(&ConnectRequest {
                payload: input.arbitrary()?,
            }),
            1 => command(&auth(input)?),
            2 => command(&ConnectUserAuth(user_auth(input)?)),
            3 => command(&ConnectDoorbellUserAuth(user_auth(input)?)),
            4 => command(&MediaControl {
                media: scalar(input)?,
                switch: scalar(input)?,
            }),
            5 => {
                let ids: Vec<u8> = input.arbitrary()?;
                match ReadParameters::new(ids) {
                    Ok(parameters) => command(&parameters),
                    Err(_) => command(&ReadParameters::all()),
                }
            }
            6 => command(&SetVideoParameters {
                bitrate: scalar(input)?,
                resolution: scalar(input)?,
                fps: scalar(input)?,
                horizontal_flip: scalar(input)?,
                vertical_flip: scalar(input)?,
            }),
            7 => command(&SetResolution {
                resolution: scalar(input)?,
                bitrate: scalar(input)?,
                fps: scalar(input)?,
            }),
            8 => command(&PanTiltByDegrees {
                horizontal: scalar(input)?,
                vertical: scalar(input)?,
            }),
            9 => command(&PanTiltByStep {
                horizontal: scalar(input)?,
                vertical: scalar(input)?,
            }),
            10 => command(&PanTiltTo {
                milliseconds: scalar(input)?,
                vertical: scalar(input)?,
                horizontal: scalar(input)?,
            }),
            11 => command(&GetPosition(input.arbitrary()?)),
            12 => command(&SetPatrolPoints(points(input)?)),
            13 => command(&SetMotionAlarm {
                alarm: scalar(input)?,
            }),
            14 => command(&SetClock(scalar(input)?)),
            15 => command(&SetTimeZone(scalar(input)?)),
            16 => command(&SetRtspServer {
                server: scalar(input)?,
            }),
            17 => answer::<ConnectRequest>(&Challenge {
                status: ChallengeStatus::from_byte(input.arbitrary()?),
                challenge: input.arbitrary()?,
            }),
            18 => answer::<ConnectAuth>(&result(input)?),
            19 => answer::<MediaControl>(&SetAnswer::from_byte(input.arbitrary()?)),
            20 => answer::<GetPosition>(&Position {
                time: input.arbitrary()?,
                vertical: input.arbitrary()?,
                horizontal: input.arbitrary()?,
            }),
            21 => answer::<GetPatrolPoints>(&points(input)?),
            22 => answer::<GetRtspServer>(&RtspServer {
                server: input.arbitrary()?,
                url: input.arbitrary::<String>()?.replace('\0', ""),
            }),
            23 => answer::<hl_ioctl::commands::GetSirenAndLight>(&SirenAndLight {
                siren: scalar(input)?,
                light: scalar(input)?,
            }),
            _ => command(&hl_ioctl::commands::PanTiltHome),
        };
        Ok(Self(value))
    }
}

/// Checks a command and returns its message.
fn command<C: Command + PartialEq + Debug>(command: &C) -> Vec<u8> {
    let bytes = Request::from(command).to_hl().expect("a short command");
    let message = HlMessage::parse(&bytes).expect("an HL message");
    assert_eq!(C::from_message(&message).as_ref(), Ok(command));
    bytes
}

/// Checks an answer and returns its message.
fn answer<C: Command>(answer: &C::Answer) -> Vec<u8>
where
    C::Answer: PartialEq + Debug,
{
    let bytes = C::answer_to_hl(answer).expect("a short answer");
    let message = HlMessage::parse(&bytes).expect("an HL message");
    assert_eq!(C::answer_from_message(&message).as_ref(), Ok(answer));
    bytes
}

/// Returns an allowed value.
fn scalar<T: Scalar>(input: &mut Unstructured<'_>) -> arbitrary::Result<T> {
    let number = match T::KIND {
        _ if T::OPTIONAL && input.arbitrary()? => 0,
        Kind::OnOff => input.int_in_range(1..=2)?,
        Kind::OneOf(values) => input.choose(values)?.number,
        Kind::Number { min, max, .. } => input.int_in_range(min..=max)?,
        kind => panic!("another kind of values: {kind:?}"),
    };
    Ok(T::from_number(number).expect("an allowed value"))
}

fn auth(input: &mut Unstructured<'_>) -> arbitrary::Result<ConnectAuth> {
    Ok(ConnectAuth {
        response: input.arbitrary()?,
        id: input.arbitrary()?,
        video: input.arbitrary()?,
        audio: input.arbitrary()?,
    })
}

fn user_auth(input: &mut Unstructured<'_>) -> arbitrary::Result<UserAuth> {
    let id: Vec<u8> = input.arbitrary()?;
    let id = UserId::new(id).or_else(|_| UserId::new("user"));
    Ok(UserAuth {
        auth: auth(input)?,
        user_id: id.expect("a valid id"),
    })
}

fn points(input: &mut Unstructured<'_>) -> arbitrary::Result<PatrolPoints> {
    let count = input.int_in_range(0..=20)?;
    let points = (0..count).map(|_| {
        Ok(PatrolPoint {
            vertical: scalar(input)?,
            horizontal: scalar(input)?,
            seconds: scalar(input)?,
        })
    });
    let points: arbitrary::Result<Vec<_>> = points.collect();
    Ok(PatrolPoints::new(points?).expect("few points"))
}

fn result(input: &mut Unstructured<'_>) -> arbitrary::Result<ConnectResult> {
    if input.arbitrary()? {
        return Ok(ConnectResult::refuse());
    }
    let codec = |input: &mut Unstructured<'_>| -> arbitrary::Result<Option<String>> {
        Ok(match input.arbitrary()? {
            None => None,
            Some(true) => Some("H264".to_owned()),
            Some(false) => Some("AAC".to_owned()),
        })
    };
    let video = match input.arbitrary()? {
        true => Some(VideoParams {
            codec: codec(input)?,
            bitrate: input.arbitrary()?,
            resolution: input.arbitrary()?,
            fps: input.arbitrary()?,
        }),
        false => None,
    };
    let audio = match input.arbitrary()? {
        true => Some(AudioParams {
            codec: codec(input)?,
        }),
        false => None,
    };
    Ok(ConnectResult::accept(video, audio))
}
