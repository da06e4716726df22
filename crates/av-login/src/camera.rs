//! The camera's side of the login.
//!
//! ```text
//! Waiting ──one packet──► Half ──the other──► Answered ──packet 2 again──► the same answer again
//! ```
//!
//! Both packets must have come, in either order: "repeat both every second" (wire.md section 8)
//! brings the one that was lost. Answering packet 1 alone would work too, but real cameras are only
//! known to answer a pair.

use alloc::boxed::Box;

use crate::{
    ANSWER_LEN, AuthType, Capabilities, LoginAnswer, LoginLayout, LoginPacket, Nonce, Part,
    Password, Status, User,
};

/// Checks logins, as a camera does, and as this side does on the backchannel.
///
/// The contract: feed each login packet to [`handle_packet`](Self::handle_packet), then call
/// [`poll_output`](Self::poll_output) until it returns `None`.
///
/// All three layouts are taken, told apart by their content. A login with other random bytes than
/// the answered one is a new login and is checked anew; one with the same gets the same answer.
#[derive(Debug)]
pub struct CameraLogin {
    config: CameraConfig,
    /// The packet that waits for its other half. Boxed: it is there for a moment and large.
    half: Option<Box<LoginPacket>>,
    answered: Option<Answered>,
    transmit: bool,
    event: Option<CameraEvent>,
    stats: CameraStats,
}

/// Who may log in, and what the answer says.
#[derive(Debug, Clone)]
pub struct CameraConfig {
    /// The one user.
    pub user: User,
    /// Its password: `888888` in the summary's dialect, the ENR in the field's.
    pub password: Password,
    /// Whether the answer offers two-way audio.
    pub two_way_audio: bool,
    /// What the answer says this side can do.
    pub capabilities: Capabilities,
}

/// What [`CameraLogin::poll_output`] hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraOutput {
    /// Send these bytes inside DTLS, as one record.
    Transmit([u8; ANSWER_LEN]),
    /// A login was decided. Once for each login; repeats of it bring no event.
    Event(CameraEvent),
}

/// What became of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraEvent {
    /// It was accepted.
    LoggedIn {
        /// The layout it came in.
        layout: LoginLayout,
        /// Its version field.
        version: u16,
        /// Whether it asks for resend mode (wire.md section 12).
        resend: bool,
        /// What the client says it can do.
        capabilities: Capabilities,
    },
    /// It was refused. The answer does not tell the client why.
    Refused(Refusal),
}

/// Why a login was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Another user than the configured one.
    User,
    /// The right user with a wrong password.
    Password,
}

/// What was not used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CameraStats {
    /// Packets that are no login packet of any layout.
    pub malformed: u64,
    /// Packets that took the place of a waiting one that they do not pair with.
    pub unpaired: u64,
    /// Repeats of a login that is answered already.
    pub repeats: u64,
}

#[derive(Debug)]
struct Answered {
    first: Nonce,
    second: Nonce,
    answer: [u8; ANSWER_LEN],
}

impl CameraLogin {
    /// A camera that nobody has logged in to.
    #[must_use]
    pub fn new(config: CameraConfig) -> Self {
        Self {
            config,
            half: None,
            answered: None,
            transmit: false,
            event: None,
            stats: CameraStats::default(),
        }
    }

    /// Takes one AV packet that came from the client. What is no login packet is dropped and counted.
    pub fn handle_packet(&mut self, packet: &[u8]) {
        let Ok(packet) = LoginPacket::parse(packet) else {
            self.stats.malformed += 1;
            return;
        };
        if self.is_repeat(&packet) {
            self.stats.repeats += 1;
            // Once for the pair, so that one repeat does not bring two answers.
            self.transmit |= packet.part == Part::Second;
            return;
        }
        match self.half.take() {
            Some(half) if half.part == Part::First && is_pair(&half, &packet) => {
                self.decide(&half, &packet);
            }
            Some(half) if packet.part == Part::First && is_pair(&packet, &half) => {
                self.decide(&packet, &half);
            }
            half => {
                self.stats.unpaired += u64::from(half.is_some_and(|half| *half != packet));
                self.half = Some(Box::new(packet));
            }
        }
    }

    /// The next thing to do, or `None` when nothing is left until the next call of
    /// [`handle_packet`](Self::handle_packet).
    pub fn poll_output(&mut self) -> Option<CameraOutput> {
        if core::mem::take(&mut self.transmit)
            && let Some(answered) = &self.answered
        {
            return Some(CameraOutput::Transmit(answered.answer));
        }
        self.event.take().map(CameraOutput::Event)
    }

    /// What was dropped or repeated.
    #[must_use]
    pub fn stats(&self) -> CameraStats {
        self.stats
    }

    fn is_repeat(&self, packet: &LoginPacket) -> bool {
        self.answered
            .as_ref()
            .is_some_and(|answered| match packet.part {
                Part::First => packet.nonce == answered.first,
                Part::Second => packet.nonce == answered.second,
            })
    }

    fn decide(&mut self, first: &LoginPacket, second: &LoginPacket) {
        let refusal = if first.user != self.config.user {
            Some(Refusal::User)
        } else if first.password != self.config.password {
            Some(Refusal::Password)
        } else {
            None
        };
        let answer = LoginAnswer {
            version: first.version,
            status: match refusal {
                None => Status::SUCCESS,
                Some(_) => Status::REFUSED,
            },
            // Packet 1's: "the request's" leaves open which, and clients take either.
            nonce: first.nonce,
            two_way_audio: self.config.two_way_audio,
            auth_type: AuthType::SDK,
            capabilities: self.config.capabilities,
        };
        self.answered = Some(Answered {
            first: first.nonce,
            second: second.nonce,
            answer: answer.to_bytes(),
        });
        self.transmit = true;
        self.event = Some(match refusal {
            Some(refusal) => CameraEvent::Refused(refusal),
            None => CameraEvent::LoggedIn {
                layout: first.layout,
                version: first.version,
                resend: first.resend,
                capabilities: first.capabilities,
            },
        });
    }
}

/// Whether the two are packets 1 and 2 of one login.
fn is_pair(first: &LoginPacket, second: &LoginPacket) -> bool {
    second.part == Part::Second
        && first.nonce.is_followed_by(second.nonce)
        && first.layout == second.layout
        && first.user == second.user
        && first.password == second.password
}
