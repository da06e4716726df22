//! The last flight and its retransmission timer (RFC 6347 section 4.2.4).

use alloc::vec::Vec;
use core::time::Duration;

use tutk_time::Instant;

use crate::messages::Message;
use crate::record::Epoch;

/// The number of times one flight is retransmitted because the peer retransmitted its own. Without
/// a limit, forged records of epoch 0 could trigger any number of them.
pub(crate) const MAX_RESENDS: u32 = 16;

/// An item of a flight.
#[derive(Debug)]
pub(crate) enum FlightItem {
    /// A whole handshake message. It is fragmented when it is sent.
    Handshake(Epoch, Message),
    ChangeCipherSpec,
}

/// The result of a timer check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    NotYet,
    Retransmit,
    GiveUp,
}

/// The last flight that was sent, kept until the next one replaces it.
#[derive(Debug)]
pub(crate) struct Flight {
    pub(crate) items: Vec<FlightItem>,
    deadline: Option<Instant>,
    initial: Duration,
    max: Duration,
    timeout: Duration,
    max_retransmits: u32,
    retransmits: u32,
    resends: u32,
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
            resends: 0,
        }
    }

    /// Starts the next flight. The timeout is kept if the last flight was retransmitted, and reset
    /// otherwise (RFC 6347 section 4.2.4.1).
    pub(crate) fn start(&mut self) {
        self.items.clear();
        self.deadline = None;
        if self.retransmits == 0 {
            self.timeout = self.initial;
        }
        self.retransmits = 0;
        self.resends = 0;
    }

    /// Starts the timer.
    pub(crate) fn arm(&mut self, now: Instant) {
        self.deadline = Some(now + self.timeout);
    }

    /// Stops the timer.
    pub(crate) fn disarm(&mut self) {
        self.deadline = None;
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn retransmits(&self) -> u32 {
        self.retransmits
    }

    /// Checks the timer at `now`, and counts the retransmission if one is due.
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

    /// Returns `true` if the flight may be retransmitted because the peer retransmitted its own,
    /// and counts it. Authenticated retransmissions are not limited.
    pub(crate) fn may_resend(&mut self, authenticated: bool) -> bool {
        if authenticated {
            return true;
        }
        self.resends += 1;
        self.resends <= MAX_RESENDS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeout_doubles_to_its_maximum_and_the_flight_gives_up() {
        let ms = Duration::from_millis;
        let mut now = Instant::ZERO;
        let mut flight = Flight::new(ms(300), ms(1000), 4);
        flight.start();
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
        // The next flight keeps the timeout. The one after is reset.
        flight.start();
        flight.arm(now);
        assert_eq!(flight.deadline(), Some(now + ms(1000)));
        flight.start();
        flight.arm(now);
        assert_eq!(flight.deadline(), Some(now + ms(300)));
    }
}
