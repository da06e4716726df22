//! The command queue.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hl_ioctl::{HlMessage, Request};

use crate::phase::later;
use crate::wire::MAX_HL_PAYLOAD;

/// The interval at which a request is repeated (docs/protocol.md, section "The HL message").
pub const REPEAT_INTERVAL: Duration = Duration::from_secs(1);

/// The largest number of commands that wait for an answer or to be sent. Further ones are rejected.
pub const MAX_REQUESTS: usize = 64;

/// Requests that are not answered yet, in the order in which they were made. One request per code
/// is in flight at a time.
#[derive(Debug)]
pub(super) struct Requests {
    pending: VecDeque<Pending>,
    timeout: Duration,
    next_index: u16,
}

/// The origin of a request, which gets the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Requester {
    Owner,
    /// The session itself, to switch talk on or off.
    Talk,
}

#[derive(Debug)]
struct Pending {
    request: Request,
    requester: Requester,
    /// `None` while an earlier request with the same code is in flight.
    sent: Option<Sent>,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    index: u16,
    first: Instant,
    repeat_at: Instant,
}

impl Requests {
    /// Creates an empty queue. `next_index` is the IOCTL index of its first request.
    pub(super) fn new(timeout: Duration, next_index: u16) -> Self {
        Self {
            pending: VecDeque::new(),
            timeout,
            next_index,
        }
    }

    /// Moves all requests out.
    pub(super) fn take(&mut self) -> Self {
        Self {
            pending: std::mem::take(&mut self.pending),
            timeout: self.timeout,
            next_index: self.next_index,
        }
    }

    /// Adds a request. Returns `false` if the queue is full or the payload is too long.
    pub(super) fn push(&mut self, request: Request, requester: Requester) -> bool {
        let accepted = self.pending.len() < MAX_REQUESTS && request.payload.len() <= MAX_HL_PAYLOAD;
        if accepted {
            self.pending.push_back(Pending {
                request,
                requester,
                sent: None,
            });
        }
        accepted
    }

    /// Removes the request that `message` answers, and returns its requester.
    pub(super) fn take_answered(&mut self, message: &HlMessage<'_>) -> Option<Requester> {
        let found = self
            .pending
            .iter()
            .position(|pending| pending.sent.is_some() && pending.request.is_answered_by(message));
        Some(self.pending.remove(found?)?.requester)
    }

    /// Removes a request that was not answered in time. Call again until it returns `None`.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<(u16, Requester)> {
        let expired = self.pending.iter().position(|pending| {
            pending
                .sent
                .is_some_and(|sent| later(sent.first, self.timeout) <= now)
        })?;
        let expired = self.pending.remove(expired)?;
        Some((expired.request.code, expired.requester))
    }

    /// Returns a request to send now, with its IOCTL index. Call again until it returns `None`.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(u16, &Request)> {
        let due = (0..self.pending.len()).find(|&at| self.is_due(at, now))?;
        let pending = self.pending.get_mut(due)?;
        let (index, first) = match pending.sent {
            Some(sent) => (sent.index, sent.first),
            None => (next(&mut self.next_index), now),
        };
        pending.sent = Some(Sent {
            index,
            first,
            repeat_at: now + REPEAT_INTERVAL,
        });
        Some((index, &pending.request))
    }

    /// Returns the IOCTL index for a request that is not in the queue.
    pub(super) fn take_index(&mut self) -> u16 {
        next(&mut self.next_index)
    }

    /// The authentication has used this IOCTL index.
    pub(super) fn skip_index(&mut self, used: u16) {
        self.next_index = self.next_index.max(used.wrapping_add(1));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
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

fn next(counter: &mut u16) -> u16 {
    std::mem::replace(counter, counter.wrapping_add(1))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::disallowed_methods,
        reason = "simulated time must start somewhere"
    )]
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn request(code: u16, payload: u8) -> Request {
        Request {
            code,
            payload: vec![payload],
        }
    }

    #[test]
    fn one_request_per_code_is_in_flight() {
        let now = Instant::now();
        let mut requests = Requests::new(TIMEOUT, 2);
        for (code, payload) in [(10010, 1), (10010, 2), (10020, 3)] {
            assert!(requests.push(request(code, payload), Requester::Owner));
        }
        let (index, first) = requests.take_due(now).unwrap();
        assert_eq!((index, first.payload.as_slice()), (2, &[1][..]));
        let (index, other) = requests.take_due(now).unwrap();
        assert_eq!((index, other.code), (3, 10020));
        assert!(requests.take_due(now).is_none());

        // A repetition keeps its index.
        let (index, repeated) = requests.take_due(now + REPEAT_INTERVAL).unwrap();
        assert_eq!((index, repeated.payload[0]), (2, 1));

        let answer = HlMessage {
            version: 5,
            code: 10011,
            payload: &[1],
        };
        assert_eq!(requests.take_answered(&answer), Some(Requester::Owner));
        assert_eq!(requests.take_answered(&answer), None);
        let (index, second) = requests.take_due(now + REPEAT_INTERVAL).unwrap();
        assert_eq!((index, second.payload[0]), (4, 2));
    }

    #[test]
    fn unanswered_request_expires() {
        let now = Instant::now();
        let mut requests = Requests::new(TIMEOUT, 2);
        requests.push(request(10020, 1), Requester::Talk);
        assert_eq!(requests.deadline(), None, "not sent yet");
        requests.take_due(now);
        assert_eq!(requests.take_expired(now + TIMEOUT / 2), None);
        let expired = requests.take_expired(now + TIMEOUT);
        assert_eq!(expired, Some((10020, Requester::Talk)));
        assert_eq!(requests.deadline(), None);
    }

    #[test]
    fn queue_is_limited() {
        let mut requests = Requests::new(TIMEOUT, 2);
        for code in 0..MAX_REQUESTS {
            assert!(requests.push(request(u16::try_from(code).unwrap(), 0), Requester::Owner));
        }
        assert!(!requests.push(request(1, 0), Requester::Owner));
    }

    #[test]
    fn payload_that_does_not_fit_into_a_record_is_rejected() {
        let mut requests = Requests::new(TIMEOUT, 2);
        let with_len = |len| Request {
            code: 1,
            payload: vec![0; len],
        };
        assert!(!requests.push(with_len(MAX_HL_PAYLOAD + 1), Requester::Owner));
        assert!(requests.push(with_len(MAX_HL_PAYLOAD), Requester::Owner));
    }
}
