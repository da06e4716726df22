//! The flight in progress and its timer (RFC 6347 section 4.2.4).

use std::time::{Duration, Instant};

use crate::messages::Message;
use crate::record::Epoch;

/// How often one flight is sent again because the peer repeated its own. Whoever can forge epoch 0
/// could else make this side send as often as they like.
pub(crate) const MAX_ANSWERS_AGAIN: u32 = 16;

/// One record's worth or more of a flight.
#[derive(Debug)]
pub(crate) enum FlightItem {
    /// A whole handshake message; cut into fragments when it is sent.
    Handshake(Epoch, Message),
    ChangeCipherSpec,
}

/// What the timer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    NotYet,
    Retransmit,
    GiveUp,
}

/// The last flight that was sent, kept until the next one takes its place.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) items: Vec<FlightItem>,
    deadline: Option<Instant>,
    initial: Duration,
    max: Duration,
    timeout: Duration,
    max_retransmits: u32,
    retransmits: u32,
    answers_again: u32,
}

impl Flight {
    pub(crate) fn new(initial: Duration, max: Duration, max_retransmits: u32) -> Self {
        Self {
            items: Vec::new(),
            deadline: None,
            initial,
            max,
            timeout: initial,
            max_retransmits,
            retransmits: 0,
            answers_again: 0,
        }
    }

    /// Begins the next flight. The wait is kept if the last flight had to be sent again, and starts anew
    /// if it got through at once (RFC 6347 section 4.2.4.1).
    pub(crate) fn begin(&mut self) {
        self.items.clear();
        self.deadline = None;
        if self.retransmits == 0 {
            self.timeout = self.initial;
        }
        self.retransmits = 0;
        self.answers_again = 0;
    }

    /// Starts the timer after the flight was sent.
    pub(crate) fn arm(&mut self, now: Instant) {
        self.deadline = now.checked_add(self.timeout);
    }

    /// Stops the timer: the flight was answered, or is the last of all.
    pub(crate) fn disarm(&mut self) {
        self.deadline = None;
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn retransmits(&self) -> u32 {
        self.retransmits
    }

    /// What is due at `now`; counts it.
    pub(crate) fn check(&mut self, now: Instant) -> Due {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Due::NotYet;
        }
        if self.retransmits >= self.max_retransmits {
            self.deadline = None;
            return Due::GiveUp;
        }
        self.retransmits += 1;
        self.timeout = self.timeout.saturating_mul(2).min(self.max);
        Due::Retransmit
    }

    /// Whether to send the flight again because the peer repeated its own; counts it. Once the handshake
    /// is done only authenticated repeats get here, and those are always answered.
    pub(crate) fn may_answer_again(&mut self, authenticated: bool) -> bool {
        if authenticated {
            return true;
        }
        self.answers_again += 1;
        self.answers_again <= MAX_ANSWERS_AGAIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(
        clippy::disallowed_methods,
        reason = "any instant will do as a beginning"
    )]
    fn doubles_up_to_its_end_and_gives_up() {
        let ms = Duration::from_millis;
        let mut now = Instant::now();
        let mut flight = Flight::new(ms(300), ms(1000), 4);
        flight.begin();
        flight.arm(now);
        for wait in [300, 600, 1000, 1000] {
            assert_eq!(flight.check(now + ms(wait - 1)), Due::NotYet);
            now += ms(wait);
            assert_eq!(flight.check(now), Due::Retransmit);
            flight.arm(now);
        }
        now += ms(1000);
        assert_eq!(flight.check(now), Due::GiveUp);
        assert_eq!(flight.deadline(), None);
        // The next flight keeps the wait, the one after a clean one starts anew.
        flight.begin();
        flight.arm(now);
        assert_eq!(flight.deadline(), Some(now + ms(1000)));
        flight.begin();
        flight.arm(now);
        assert_eq!(flight.deadline(), Some(now + ms(300)));
    }
}
