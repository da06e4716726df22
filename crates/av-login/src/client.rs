//! The client's side of the login.
//!
//! ```text
//! Idle ──send──► Sent ──answer, status 0x10──► Done
//!                 │ ▲└──any other status─────► Done
//!                 └─┘ send (again)
//! ```

use crate::{
    AuthType, Capabilities, LoginAnswer, LoginBytes, LoginLayout, LoginPacket, Nonce, Part,
    Password, Status, User,
};

/// Logs in to a camera. (On the backchannel the camera is the one who does this.)
///
/// The contract: call [`send`](Self::send) to begin, and again every second until it is
/// [`finished`](Self::is_finished) (the caller owns that timer); feed what comes to
/// [`handle_packet`](Self::handle_packet). After each of these calls, call
/// [`poll_output`](Self::poll_output) until it returns `None`.
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

/// What [`ClientLogin::poll_output`] hands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientOutput<'a> {
    /// Send these bytes inside DTLS, as one record. They hold the password.
    Transmit(&'a [u8]),
    /// The login ended.
    Event(ClientEvent),
}

/// How a login ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientEvent {
    /// The camera accepted it.
    LoggedIn(LoginResult),
    /// The camera refused it. The password is wrong, or the camera takes no more clients: the wire
    /// does not say.
    Refused(Status),
}

/// What an accepting answer says of the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoginResult {
    /// The answer's version field.
    pub version: u16,
    /// Whether the camera has a speaker for this side's audio.
    pub two_way_audio: bool,
    /// Whether this login asked for resend mode. The answer does not repeat it; whether media comes
    /// grouped shows only when it comes (wire.md section 12).
    pub resend_asked: bool,
    /// The authentication type; 0 if the answer was too short to have it.
    pub auth_type: AuthType,
    /// What the camera can do; 0 if the answer was too short to have it.
    pub capabilities: Capabilities,
}

/// What was not used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientStats {
    /// Packets that are no answer, or came before anything was sent.
    pub malformed: u64,
    /// Answers to another login's random bytes.
    pub foreign: u64,
    /// Answers after the first.
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
    /// A login in that layout. `nonce` are four random bytes, drawn for this login.
    ///
    /// `resend` asks for resend mode (wire.md section 12). summary.md's table has it set.
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

    /// Queues both packets: the first time, and for each repeat. Does nothing once the login ended.
    pub fn send(&mut self) {
        if self.state != State::Done {
            self.state = State::Sent;
            self.queue = Queue::Both;
        }
    }

    /// Takes one AV packet that came from the camera. What is not an answer to this login is dropped
    /// and counted.
    pub fn handle_packet(&mut self, packet: &[u8]) {
        let Ok(answer) = LoginAnswer::parse(packet) else {
            self.stats.malformed += 1;
            return;
        };
        // Which packet's random bytes a camera echoes is not sure: either shows that it saw ours.
        if answer.nonce != self.first_nonce && answer.nonce != self.second_nonce {
            self.stats.foreign += 1;
            return;
        }
        match self.state {
            State::Idle => self.stats.malformed += 1,
            State::Done => self.stats.duplicates += 1,
            State::Sent => {
                self.state = State::Done;
                self.queue = Queue::Empty;
                self.event = Some(self.outcome(&answer));
            }
        }
    }

    /// The next thing to do, or `None` when nothing is left until the next call of
    /// [`send`](Self::send) or [`handle_packet`](Self::handle_packet).
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

    /// Whether an answer came, of either kind. Nothing needs to be repeated then.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state == State::Done
    }

    /// What was dropped.
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
            resend_asked: self.resend,
            auth_type: answer.auth_type,
            capabilities: answer.capabilities,
        })
    }
}
