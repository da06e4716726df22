//! Commands on their way: repeated each second, one for each code, given up after a time.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hl_ioctl::{HlMessage, Request};

use crate::phase::later;
use crate::wire::MAX_HL_PAYLOAD;

/// Time from one sending of a request to the next (wire.md section 9).
pub const REPEAT: Duration = Duration::from_secs(1);

/// The most requests that wait for their answers or their turn. One more is not taken.
pub const MAX_REQUESTS: usize = 64;

/// Requests in the order they were made.
#[derive(Debug)]
pub(crate) struct Requests {
    pending: VecDeque<Pending>,
    timeout: Duration,
    next_index: u16,
}

/// Who made a request, and is to be told how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// The session's owner.
    Owner,
    /// The session itself, for sound to the camera.
    Talk,
}

#[derive(Debug)]
struct Pending {
    request: Request,
    asker: Asker,
    /// Set when it was sent for the first time: until then it waits for an earlier one of its code.
    sent: Option<Sent>,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    index: u16,
    first: Instant,
    repeat_at: Instant,
}

impl Requests {
    /// `next_index` is the IOCTL index of the first request: those before it were the challenge's.
    pub(crate) fn new(timeout: Duration, next_index: u16) -> Self {
        Self {
            pending: VecDeque::new(),
            timeout,
            next_index,
        }
    }

    /// All of it, to be held elsewhere; nothing stays here.
    pub(crate) fn take(&mut self) -> Self {
        Self {
            pending: std::mem::take(&mut self.pending),
            timeout: self.timeout,
            next_index: self.next_index,
        }
    }

    /// Takes a request; `false` if there are too many already, or it is too long to be sent.
    pub(crate) fn push(&mut self, request: Request, asker: Asker) -> bool {
        let taken = self.pending.len() < MAX_REQUESTS && request.payload.len() <= MAX_HL_PAYLOAD;
        if taken {
            self.pending.push_back(Pending {
                request,
                asker,
                sent: None,
            });
        }
        taken
    }

    /// Whose request the message answers, if it was sent; it is done then.
    pub(crate) fn take_answer(&mut self, message: &HlMessage<'_>) -> Option<Asker> {
        let found = self
            .pending
            .iter()
            .position(|pending| pending.sent.is_some() && pending.request.is_answered_by(message));
        Some(self.pending.remove(found?)?.asker)
    }

    /// The code of a request whose time is over, and whose it was; call again until there is none.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<(u16, Asker)> {
        let expired = self.pending.iter().position(|pending| {
            pending
                .sent
                .is_some_and(|sent| later(sent.first, self.timeout) <= now)
        })?;
        let expired = self.pending.remove(expired)?;
        Some((expired.request.code, expired.asker))
    }

    /// A request to send now, with its IOCTL index; call again until there is none.
    pub(crate) fn take_due(&mut self, now: Instant) -> Option<(u16, &Request)> {
        let due = (0..self.pending.len()).find(|&at| self.is_due(at, now))?;
        let pending = self.pending.get_mut(due)?;
        let (index, first) = match pending.sent {
            Some(sent) => (sent.index, sent.first),
            None => {
                let index = self.next_index;
                self.next_index = index.wrapping_add(1);
                (index, now)
            }
        };
        pending.sent = Some(Sent {
            index,
            first,
            repeat_at: now + REPEAT,
        });
        Some((index, &pending.request))
    }

    /// An index for a request that nobody waits for.
    pub(crate) fn take_index(&mut self) -> u16 {
        let index = self.next_index;
        self.next_index = index.wrapping_add(1);
        index
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.pending
            .iter()
            .filter_map(|pending| pending.sent)
            .map(|sent| sent.repeat_at.min(later(sent.first, self.timeout)))
            .min()
    }

    fn is_due(&self, at: usize, now: Instant) -> bool {
        let Some(pending) = self.pending.get(at) else {
            return false;
        };
        match pending.sent {
            Some(sent) => sent.repeat_at <= now,
            None => !self
                .pending
                .iter()
                .any(|other| other.sent.is_some() && other.request.code == pending.request.code),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "a test begins at whatever time it is"
    )]
    use super::*;

    fn request(code: u16, payload: u8) -> Request {
        Request {
            code,
            payload: vec![payload],
        }
    }

    #[test]
    fn one_request_a_code_is_on_its_way() {
        let now = Instant::now();
        let mut requests = Requests::new(Duration::from_secs(5), 2);
        for (code, payload) in [(10010, 1), (10010, 2), (10020, 3)] {
            assert!(requests.push(request(code, payload), Asker::Owner));
        }
        let (index, first) = requests.take_due(now).unwrap();
        assert_eq!((index, first.payload.as_slice()), (2, &[1][..]));
        let (index, other) = requests.take_due(now).unwrap();
        assert_eq!((index, other.code), (3, 10020));
        assert!(requests.take_due(now).is_none());

        let again = requests.take_due(now + REPEAT).unwrap();
        assert_eq!(
            (again.0, again.1.payload[0]),
            (2, 1),
            "repeats keep their index"
        );

        let answer = HlMessage {
            version: 5,
            code: 10011,
            payload: &[1],
        };
        assert_eq!(requests.take_answer(&answer), Some(Asker::Owner));
        assert_eq!(
            requests.take_answer(&answer),
            None,
            "an answer serves one request"
        );
        let (index, second) = requests.take_due(now + REPEAT).unwrap();
        assert_eq!((index, second.payload[0]), (4, 2));
    }

    #[test]
    fn silence_is_given_up() {
        let now = Instant::now();
        let timeout = Duration::from_secs(5);
        let mut requests = Requests::new(timeout, 2);
        requests.push(request(10020, 1), Asker::Talk);
        assert_eq!(
            requests.deadline(),
            None,
            "what was not sent cannot be late"
        );
        requests.take_due(now);
        assert_eq!(requests.take_expired(now + timeout / 2), None);
        assert_eq!(
            requests.take_expired(now + timeout),
            Some((10020, Asker::Talk))
        );
        assert_eq!(requests.deadline(), None);
    }

    #[test]
    fn there_is_an_end_to_what_waits() {
        let mut requests = Requests::new(Duration::from_secs(5), 2);
        for code in 0..MAX_REQUESTS {
            assert!(requests.push(request(u16::try_from(code).unwrap(), 0), Asker::Owner));
        }
        assert!(!requests.push(request(1, 0), Asker::Owner));
    }

    #[test]
    fn what_fits_into_no_record_is_not_taken() {
        let mut requests = Requests::new(Duration::MAX, 2);
        let long = |len| Request {
            code: 1,
            payload: vec![0; len],
        };
        assert!(!requests.push(long(MAX_HL_PAYLOAD + 1), Asker::Owner));
        assert!(requests.push(long(MAX_HL_PAYLOAD), Asker::Owner));
    }
}
