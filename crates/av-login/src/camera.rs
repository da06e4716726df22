//! The camera's side of the login.
//!
//! ```text
//! Waiting ──one packet──► Half ──the other──► Answered ──packet 2 again──► the same answer again
//! ```
//!
//! The machine answers when it has both packets, in either order. Clients repeat both every second,
//! so a lost packet arrives later. Real cameras are only known to answer a pair.

use alloc::boxed::Box;

use crate::answer::{ANSWER_LEN, LoginAnswer};
use crate::fields::{AuthType, Capabilities, Nonce, Status};
use crate::packet::{LoginLayout, LoginPacket, Part};
use crate::text::{Password, User};

/// Checks logins as a camera does.
///
/// Pass each login packet to [`handle_packet`](Self::handle_packet), then call
/// [`poll_output`](Self::poll_output) until it returns `None`. This is the
/// [contract of all state machines][contract] of the project, without time.
///
/// [contract]: https://docs.rs/tutk-session/latest/tutk_session/#how-to-drive-it
///
/// All three layouts are accepted. A packet with the random bytes of an answered login gets the
/// same answer. A packet with other random bytes starts a new login.
#[derive(Debug)]
pub struct CameraLogin {
    config: CameraConfig,
    /// The packet that waits for its other half. Boxed, because it is large and short-lived.
    half: Option<Box<LoginPacket>>,
    answered: Option<Answered>,
    transmit: bool,
    event: Option<CameraEvent>,
    stats: CameraStats,
}

/// The configuration of a [`CameraLogin`]. Made by [`CameraConfig::new`]; the fields may be changed
/// after.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CameraConfig {
    /// The only user.
    pub user: User,
    /// The user's password: the ENR, or `888888` in the `summary` dialect.
    pub password: Password,
    /// `true` if the answer offers two-way audio.
    pub two_way_audio: bool,
    /// The capabilities in the answer.
    pub capabilities: Capabilities,
}

/// The output of [`CameraLogin::poll_output`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraOutput {
    /// Send these bytes as one DTLS record.
    Transmit([u8; ANSWER_LEN]),
    /// A login was decided. Repeats of a login cause no event.
    Event(CameraEvent),
}

/// The outcome of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CameraEvent {
    /// The login was accepted.
    LoggedIn {
        /// The layout of the login.
        layout: LoginLayout,
        /// The AV version of the login.
        version: u16,
        /// `true` if the client requests resend mode (docs/protocol.md, section 17).
        resend: bool,
        /// The client's capabilities.
        capabilities: Capabilities,
    },
    /// The login was refused. The answer does not contain the reason.
    Refused(Refusal),
}

/// The reason for a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The user is not the configured one.
    User,
    /// The password is wrong.
    Password,
}

/// Counters of dropped and repeated packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CameraStats {
    /// Packets that are not a login packet in any layout.
    pub malformed: u64,
    /// Waiting packets that a packet of another login replaced.
    pub unpaired: u64,
    /// Repeats of an answered login.
    pub repeats: u64,
}

#[derive(Debug)]
struct Answered {
    first: Nonce,
    second: Nonce,
    answer: [u8; ANSWER_LEN],
}

impl CameraConfig {
    /// A camera with two-way audio and the capabilities of real cameras.
    #[must_use]
    pub fn new(user: User, password: Password) -> Self {
        Self {
            user,
            password,
            two_way_audio: true,
            capabilities: Capabilities::WYZE_SDK,
        }
    }
}

impl CameraLogin {
    /// Makes a machine that waits for a login.
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

    /// Handles an AV packet from the client. Other packets than login packets are dropped and
    /// counted.
    pub fn handle_packet(&mut self, packet: &[u8]) {
        let Ok(packet) = LoginPacket::parse(packet) else {
            self.stats.malformed += 1;
            return;
        };
        if self.is_repeat(&packet) {
            self.stats.repeats += 1;
            // One answer per pair.
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

    /// Returns the next output, or `None` until the next call of
    /// [`handle_packet`](Self::handle_packet).
    pub fn poll_output(&mut self) -> Option<CameraOutput> {
        if core::mem::take(&mut self.transmit)
            && let Some(answered) = &self.answered
        {
            return Some(CameraOutput::Transmit(answered.answer));
        }
        self.event.take().map(CameraOutput::Event)
    }

    /// Returns the counters.
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
            // It is not known which packet's random bytes real cameras echo. Clients accept both.
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

/// Returns `true` if the two are packets 1 and 2 of one login.
fn is_pair(first: &LoginPacket, second: &LoginPacket) -> bool {
    second.part == Part::Second
        && first.nonce.is_followed_by(second.nonce)
        && first.layout == second.layout
        && first.user == second.user
        && first.password == second.password
}
