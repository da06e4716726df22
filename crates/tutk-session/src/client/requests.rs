//! The command queue.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use hl_ioctl::{HlMessage, Request};
use tutk_time::Instant;

use crate::event::RequestId;
use crate::wire::MAX_HL_PAYLOAD;

/// The interval at which a request is repeated (docs/protocol.md, section "The HL message").
pub const REPEAT_INTERVAL: Duration = Duration::from_secs(1);

/// The largest number of commands that wait for an answer or to be sent. Further ones are rejected.
pub const MAX_REQUESTS: usize = 64;

/// Requests that are not answered yet, in the order in which they were made. One request per code
/// is in flight at a time, because an answer names only the code of its request.
#[derive(Debug)]
pub(super) struct Requests {
    pending: VecDeque<Pending>,
    /// Codes of which a late answer may still arrive, and until when the next request waits.
    late: Vec<(u16, Instant)>,
    timeout: Duration,
    next_index: u16,
}

/// The origin of a request, which gets the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Requester {
    Owner(RequestId),
    /// The session itself, to switch talk on or off.
    Talk,
    /// The session itself, to set the camera's clock.
    Clock,
}

#[derive(Debug)]
struct Pending {
    request: Request,
    requester: Requester,
    /// `None` while an earlier request with the same code is in flight, or its answer may be late.
    sent: Option<Sent>,
}

/// A request whose time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expired {
    pub(super) code: u16,
    pub(super) requester: Requester,
    /// The request is complete without an answer.
    pub(super) is_complete: bool,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    index: u16,
    first: Instant,
    repeat_at: Instant,
    is_repeated: bool,
}

impl Requests {
    /// Creates an empty queue. `next_index` is the IOCTL index of its first request.
    pub(super) fn new(timeout: Duration, next_index: u16) -> Self {
        Self {
            pending: VecDeque::new(),
            late: Vec::new(),
            timeout,
            next_index,
        }
    }

    /// Moves all requests out.
    pub(super) fn take(&mut self) -> Self {
        Self {
            pending: core::mem::take(&mut self.pending),
            late: Vec::new(),
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
    pub(super) fn take_answered(
        &mut self,
        now: Instant,
        message: &HlMessage<'_>,
    ) -> Option<Requester> {
        let found = self
            .pending
            .iter()
            .position(|pending| pending.sent.is_some() && pending.request.is_answered_by(message));
        let answered = self.pending.remove(found?)?;
        // The camera may answer the repetition, too.
        if answered.sent.is_some_and(|sent| sent.is_repeated) {
            self.expect_late_answer(now, answered.request.code);
        }
        Some(answered.requester)
    }

    /// Removes the request that the camera acknowledged with `id`, if it is one that is not
    /// answered. Returns its id and code. Without an id of the IOCTL, it is the oldest one.
    pub(super) fn take_acknowledged(&mut self, id: u32) -> Option<(RequestId, u16)> {
        let acknowledged = self.pending.iter().position(|pending| {
            let sent = pending.sent.filter(|_| !pending.request.expects_answer());
            sent.is_some_and(|sent| id == 0 || id == u32::from(sent.index))
        })?;
        let acknowledged = self.pending.remove(acknowledged)?;
        match acknowledged.requester {
            Requester::Owner(id) => Some((id, acknowledged.request.code)),
            // The requests of the session are answered.
            Requester::Talk | Requester::Clock => None,
        }
    }

    /// Removes a request that was not answered in time. Call again until it returns `None`.
    pub(super) fn take_expired(&mut self, now: Instant) -> Option<Expired> {
        let expired = self
            .pending
            .iter()
            .position(|pending| pending.expires_at(self.timeout).is_some_and(|at| at <= now))?;
        let expired = self.pending.remove(expired)?;
        if expired.request.expects_answer() {
            self.expect_late_answer(now, expired.request.code);
        }
        Some(Expired {
            code: expired.request.code,
            requester: expired.requester,
            is_complete: !expired.request.expects_answer(),
        })
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
            is_repeated: pending.sent.is_some(),
        });
        let code = pending.request.code;
        self.late.retain(|&(of, _)| of != code);
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
            .filter_map(|pending| match pending.sent {
                Some(_) => {
                    let expires_at = pending.expires_at(self.timeout)?;
                    let repeat_at = pending.repeat_at().unwrap_or(expires_at);
                    Some(expires_at.min(repeat_at))
                }
                None => self.late_until(pending.request.code),
            })
            .min()
    }

    /// The next request with this code waits for a late answer.
    fn expect_late_answer(&mut self, now: Instant, code: u16) {
        self.late.retain(|&(of, until)| of != code && until > now);
        self.late.push((code, now + REPEAT_INTERVAL));
    }

    fn late_until(&self, code: u16) -> Option<Instant> {
        let late = self.late.iter().find(|&&(of, _)| of == code);
        late.map(|&(_, until)| until)
    }

    fn is_due(&self, at: usize, now: Instant) -> bool {
        let Some(pending) = self.pending.get(at) else {
            return false;
        };
        match pending.sent {
            Some(_) => pending.repeat_at().is_some_and(|at| at <= now),
            None => {
                let code = pending.request.code;
                let mut sent = self.pending.iter().filter(|other| other.sent.is_some());
                !sent.any(|other| other.request.code == code)
                    && self.late_until(code).is_none_or(|until| until <= now)
            }
        }
    }
}

impl Pending {
    /// Returns when the request is repeated. One that is not answered is sent once, because a
    /// repetition could move the camera again.
    fn repeat_at(&self) -> Option<Instant> {
        let sent = self.sent.filter(|_| self.request.expects_answer());
        sent.map(|sent| sent.repeat_at)
    }

    /// Returns when the time for an answer is over. If there is no answer, it is the time for an
    /// acknowledgement.
    fn expires_at(&self, timeout: Duration) -> Option<Instant> {
        let timeout = match self.request.expects_answer() {
            true => timeout,
            false => timeout.min(REPEAT_INTERVAL),
        };
        self.sent.map(|sent| sent.first + timeout)
    }
}

fn next(counter: &mut u16) -> u16 {
    core::mem::replace(counter, counter.wrapping_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const OWNER: Requester = Requester::Owner(RequestId::FIRST);
    const TIMEOUT: Duration = Duration::from_secs(5);

    fn request(code: u16, payload: u8) -> Request {
        Request {
            code,
            payload: vec![payload],
        }
    }

    #[test]
    fn one_request_per_code_is_in_flight() {
        let now = Instant::ZERO;
        let mut requests = Requests::new(TIMEOUT, 2);
        for (code, payload) in [(10010, 1), (10010, 2), (10020, 3)] {
            assert!(requests.push(request(code, payload), OWNER));
        }
        let (index, first) = requests.take_due(now).unwrap();
        assert_eq!((index, first.payload.as_slice()), (2, &[1][..]));
        let (index, other) = requests.take_due(now).unwrap();
        assert_eq!((index, other.code), (3, 10020));
        assert!(requests.take_due(now).is_none());

        // A repetition keeps its index.
        let (index, repeated) = requests.take_due(now + REPEAT_INTERVAL).unwrap();
        assert_eq!((index, repeated.payload[0]), (2, 1));
        let (index, other) = requests.take_due(now + REPEAT_INTERVAL).unwrap();
        assert_eq!((index, other.code), (3, 10020));

        let answer = HlMessage {
            version: 5,
            code: 10011,
            payload: &[1],
        };
        assert_eq!(
            requests.take_answered(now + REPEAT_INTERVAL, &answer),
            Some(OWNER)
        );
        assert_eq!(requests.take_answered(now + REPEAT_INTERVAL, &answer), None);
        // The camera may answer the repetition, too. This answer is not that of the next request.
        assert!(requests.take_due(now + REPEAT_INTERVAL).is_none());
        let late = now + REPEAT_INTERVAL * 2;
        assert_eq!(requests.take_answered(late, &answer), None);
        let (index, second) = requests.take_due(late).unwrap();
        assert_eq!((index, second.payload[0]), (4, 2));
    }

    #[test]
    fn unanswered_request_expires() {
        let now = Instant::ZERO;
        let mut requests = Requests::new(TIMEOUT, 2);
        requests.push(request(10020, 1), Requester::Talk);
        assert_eq!(requests.deadline(), None, "not sent yet");
        requests.take_due(now);
        assert_eq!(requests.take_expired(now + TIMEOUT / 2), None);
        let expired = requests.take_expired(now + TIMEOUT);
        let unanswered = Expired {
            code: 10020,
            requester: Requester::Talk,
            is_complete: false,
        };
        assert_eq!(expired, Some(unanswered));
        assert_eq!(requests.deadline(), None);
    }

    #[test]
    fn request_that_is_not_answered_is_complete_when_it_is_acknowledged_or_a_second_old() {
        let now = Instant::ZERO;
        let mut requests = Requests::new(TIMEOUT, 2);
        for code in [11000, 11004, 10020] {
            requests.push(request(code, 1), OWNER);
            requests.take_due(now);
        }
        assert_eq!(requests.take_acknowledged(9), None, "another index");
        assert_eq!(requests.take_acknowledged(4), None, "K10020 is answered");
        assert_eq!(
            requests.take_acknowledged(3),
            Some((RequestId::FIRST, 11004))
        );
        assert_eq!(requests.deadline(), Some(now + REPEAT_INTERVAL));
        let due = requests.take_due(now + REPEAT_INTERVAL);
        assert_eq!(due.map(|(index, _)| index), Some(4), "K11000 is sent once");
        let complete = Expired {
            code: 11000,
            requester: OWNER,
            is_complete: true,
        };
        assert_eq!(requests.take_expired(now + REPEAT_INTERVAL), Some(complete));
        assert_eq!(requests.take_expired(now + REPEAT_INTERVAL), None);
    }

    #[test]
    fn queue_is_limited() {
        let mut requests = Requests::new(TIMEOUT, 2);
        for code in 0..MAX_REQUESTS {
            assert!(requests.push(request(u16::try_from(code).unwrap(), 0), OWNER));
        }
        assert!(!requests.push(request(1, 0), OWNER));
    }

    #[test]
    fn payload_that_does_not_fit_into_a_record_is_rejected() {
        let mut requests = Requests::new(TIMEOUT, 2);
        let with_len = |len| Request {
            code: 1,
            payload: vec![0; len],
        };
        assert!(!requests.push(with_len(MAX_HL_PAYLOAD + 1), OWNER));
        assert!(requests.push(with_len(MAX_HL_PAYLOAD), OWNER));
    }
}
