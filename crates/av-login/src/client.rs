//! The client's side of the login.
//!
//! ```text
//! Idle ──send──► Sent ──answer, status 0x10──► Done
//!                 │ ▲└──any other status─────► Done
//!                 └─┘ send (again)
//! ```

use crate::answer::LoginAnswer;
use crate::fields::{AuthType, Capabilities, Nonce, Status};
use crate::packet::{LoginBytes, LoginLayout, LoginPacket, Part};
use crate::text::{Password, User};

/// Logs in to a camera. On the backchannel, the camera runs this machine.
///
/// Call [`send`](Self::send) to start, and again every second until the login is
/// [finished](Self::is_finished); the caller owns that timer. Pass received packets to
/// [`handle_packet`](Self::handle_packet). After each of these calls, call
/// [`poll_output`](Self::poll_output) until it returns `None`. This is the
/// [contract of all state machines][contract] of the project, without time.
///
/// [contract]: https://docs.rs/tutk-session/latest/tutk_session/#how-to-drive-it
#[derive(Debug)]
pub struct ClientLogin {
    first: LoginBytes,
    second: LoginBytes,
    first_nonce: Nonce,
    second_nonce: Nonce,
    resend: bool,
    state: State,
    queue: Queue,
    event: Option<ClientEvent>,
    stats: ClientStats,
}

/// The output of [`ClientLogin::poll_output`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientOutput<'a> {
    /// Send these bytes as one DTLS record. They contain the password.
    Transmit(&'a [u8]),
    /// The login ended.
    Event(ClientEvent),
}

/// The outcome of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientEvent {
    /// The camera accepted the login.
    LoggedIn(LoginResult),
    /// The camera refused the login: the password is wrong, or the camera has too many clients. The
    /// answer does not contain the reason.
    Refused(Status),
}

/// The camera's properties in the answer to an accepted login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginResult {
    /// The AV version of the answer.
    pub version: u16,
    /// `true` if the camera plays audio from the client.
    pub two_way_audio: bool,
    /// `true` if this login requested resend mode. The answer does not confirm it: only the media
    /// shows if it is grouped (docs/protocol.md, section 17).
    pub resend_requested: bool,
    /// The authentication type, or 0 if the answer was too short.
    pub auth_type: AuthType,
    /// The camera's capabilities, or 0 if the answer was too short.
    pub capabilities: Capabilities,
}

/// Counters of dropped packets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Packets that are not an answer, or that arrived before the first `send`.
    pub malformed: u64,
    /// Answers that do not repeat the random bytes of the login. They are accepted, because real
    /// cameras may answer so, and DTLS authenticates the camera.
    pub other_nonce: u64,
    /// Answers after the first one.
    pub duplicates: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Sent,
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Queue {
    Empty,
    Both,
    Second,
}

impl ClientLogin {
    /// Makes a login in this layout. `nonce` must be four random bytes, new for each login.
    ///
    /// `resend` requests resend mode (docs/protocol.md, section 17). The `summary` dialect always
    /// sets it.
    #[must_use]
    pub fn new(
        layout: LoginLayout,
        user: User,
        password: Password,
        resend: bool,
        nonce: Nonce,
    ) -> Self {
        let mut packet = LoginPacket {
            layout,
            part: Part::First,
            version: layout.version(),
            nonce,
            user,
            password,
            resend,
            auth_type: AuthType::SDK,
            capabilities: Capabilities::WYZE_SDK,
        };
        let first = packet.to_bytes();
        packet.part = Part::Second;
        packet.nonce = layout.second_nonce(nonce);
        Self {
            first,
            second: packet.to_bytes(),
            first_nonce: nonce,
            second_nonce: packet.nonce,
            resend,
            state: State::Idle,
            queue: Queue::Empty,
            event: None,
            stats: ClientStats::default(),
        }
    }

    /// Queues both packets. Does nothing after the login has ended.
    pub fn send(&mut self) {
        if self.state != State::Done {
            self.state = State::Sent;
            self.queue = Queue::Both;
        }
    }

    /// Handles an AV packet from the camera. Packets other than an answer are dropped and counted.
    pub fn handle_packet(&mut self, packet: &[u8]) {
        let Ok(answer) = LoginAnswer::parse(packet) else {
            self.stats.malformed += 1;
            return;
        };
        match self.state {
            State::Idle => self.stats.malformed += 1,
            State::Done => self.stats.duplicates += 1,
            State::Sent => {
                // Which packet's random bytes a camera echoes is not known.
                let echoed = answer.nonce == self.first_nonce || answer.nonce == self.second_nonce;
                self.stats.other_nonce += u64::from(!echoed);
                self.state = State::Done;
                self.queue = Queue::Empty;
                self.event = Some(self.outcome(&answer));
            }
        }
    }

    /// Returns the next output, or `None` until the next call of [`send`](Self::send) or
    /// [`handle_packet`](Self::handle_packet).
    pub fn poll_output(&mut self) -> Option<ClientOutput<'_>> {
        match self.queue {
            Queue::Both => {
                self.queue = Queue::Second;
                Some(ClientOutput::Transmit(&self.first))
            }
            Queue::Second => {
                self.queue = Queue::Empty;
                Some(ClientOutput::Transmit(&self.second))
            }
            Queue::Empty => self.event.take().map(ClientOutput::Event),
        }
    }

    /// Returns `true` after an answer has arrived. Nothing needs to be repeated then.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state == State::Done
    }

    /// Returns the counters.
    #[must_use]
    pub fn stats(&self) -> ClientStats {
        self.stats
    }

    fn outcome(&self, answer: &LoginAnswer) -> ClientEvent {
        if !answer.status.is_success() {
            return ClientEvent::Refused(answer.status);
        }
        ClientEvent::LoggedIn(LoginResult {
            version: answer.version,
            two_way_audio: answer.two_way_audio,
            resend_requested: self.resend,
            auth_type: answer.auth_type,
            capabilities: answer.capabilities,
        })
    }
}
