//! Keepalives outside DTLS (docs/protocol.md, section "Keepalives outside DTLS").

use core::time::Duration;

use tutk_frame::SessionId;
use tutk_time::Instant;

/// The shortest interval of answers. If the camera answers an answer, this prevents that both sides
/// send without pause.
const MIN_ANSWER_INTERVAL: Duration = Duration::from_millis(250);

/// When the client sends a keepalive, and which of the camera's it answers.
#[derive(Debug)]
pub(super) struct SessionKeepalive {
    /// `None` in dialects in which only the camera sends keepalives.
    interval: Option<Duration>,
    next: Option<Instant>,
    /// The camera has not answered the last keepalive.
    awaits_answer: bool,
    answered_at: Option<Instant>,
}

impl SessionKeepalive {
    pub(super) fn new(interval: Option<Duration>, now: Instant) -> Self {
        Self {
            interval,
            next: interval.map(|interval| now + interval),
            awaits_answer: false,
            answered_at: None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next
    }

    /// Returns `true` if the client must send a keepalive now.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.next = self.interval.map(|interval| now + interval);
            self.awaits_answer = true;
        }
        due
    }

    /// Returns `true` if a keepalive from the camera must be answered. Its answer to the client's
    /// own, which has the session id as its body, is not.
    pub(super) fn needs_answer(&mut self, now: Instant, body: [u8; 8], session: SessionId) -> bool {
        if body == session.0 && core::mem::take(&mut self.awaits_answer) {
            return false;
        }
        let too_soon = self
            .answered_at
            .is_some_and(|at| now.duration_since(at) < MIN_ANSWER_INTERVAL);
        if !too_soon {
            self.answered_at = Some(now);
        }
        !too_soon
    }
}
