//! The client's heartbeat, and what it answers to link probes (wire.md section 8).

use std::time::{Duration, Instant};

use tutk_frame::{AvStamp, Heartbeat, LinkClock, ProbeAnswer, ResendRequest};
use video_reassembly::Request;

use crate::dialect::{HeartbeatRule, Liveness};
use crate::phase::Epoch;

/// Time from one heartbeat to the next.
const INTERVAL: Duration = Duration::from_millis(100);

/// No media counter yet: the summary's "marker" is two of these.
const NO_COUNTER: u16 = 0xffff;

/// What the client says unasked, or when the camera wants to know how the link does.
#[derive(Debug)]
pub(crate) struct Pulse {
    epoch: Epoch,
    rule: HeartbeatRule,
    liveness: Liveness,
    /// When the next heartbeat is due; none before the first.
    next: Option<Instant>,
    due: bool,
    count: u16,
    /// Media counter of the last heartbeat, and of now.
    reported: u16,
    newest: u16,
    /// The clock of a probe that waits for its answer.
    probe: Option<u16>,
    /// When the next status packet is due, where the dialect has them.
    status: Option<Instant>,
    /// AV packets since the last answer or status.
    received: u16,
}

impl Pulse {
    pub(crate) fn new(epoch: Epoch, rule: HeartbeatRule, liveness: Liveness) -> Self {
        Self {
            epoch,
            rule,
            liveness,
            next: None,
            due: false,
            count: match rule {
                HeartbeatRule::AfterLogin => 1,
                HeartbeatRule::AfterChallenge => 2,
            },
            reported: NO_COUNTER,
            newest: NO_COUNTER,
            probe: None,
            status: None,
            received: 0,
        }
    }

    /// The camera took the login.
    pub(crate) fn logged_in(&mut self, now: Instant) {
        if self.rule == HeartbeatRule::AfterLogin {
            self.beat(now);
        }
        if let Liveness::Status { every } = self.liveness {
            self.status = Some(now + every);
        }
    }

    /// Wants a heartbeat now, and counts the interval from here on: the login's answer or an IOCTL
    /// came.
    pub(crate) fn beat(&mut self, now: Instant) {
        self.due = true;
        self.next = Some(now + INTERVAL);
    }

    /// An AV packet came, with or without a link clock.
    pub(crate) fn received(&mut self, clock: Option<LinkClock>) {
        self.received = self.received.saturating_add(1);
        if let Some(clock) = clock {
            self.probe = Some(clock.clock);
        }
    }

    /// A slice came, with this counter over all slices.
    pub(crate) fn slice(&mut self, counter: u16) {
        // Later ones only: half the circle ahead counts as later.
        if self.newest == NO_COUNTER || counter.wrapping_sub(self.newest) < 0x8000 {
            self.newest = counter;
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Some(next) = self.next
            && next <= now
        {
            self.due = true;
            // The beat is kept, however late this is called; one that was slept through is not made
            // up for.
            let next = next + INTERVAL;
            self.next = Some(if next > now { next } else { now + INTERVAL });
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.next, self.status].into_iter().flatten().min()
    }

    /// Writes the heartbeat, if one is due or there is something to ask for.
    pub(crate) fn write_heartbeat(
        &mut self,
        now: Instant,
        request: Option<Request<'_>>,
        stamp: impl FnOnce() -> AvStamp,
        out: &mut Vec<u8>,
    ) -> bool {
        if !std::mem::take(&mut self.due) && request.is_none() {
            return false;
        }
        let heartbeat = Heartbeat {
            stamp: stamp(),
            reported: self.reported,
            newest: self.newest,
            count: self.count,
            count_again: match self.rule {
                HeartbeatRule::AfterLogin => self.count,
                HeartbeatRule::AfterChallenge => 0,
            },
            clock: self.epoch.link_clock_at(now),
        };
        match request {
            Some(Request { base, missing }) => {
                ResendRequest::write(&heartbeat, base, missing, out);
            }
            None => heartbeat.write(out),
        }
        self.reported = self.newest;
        self.count = self.count.wrapping_add(1);
        true
    }

    /// Writes the answer to a probe, or the status packet, if one is due.
    pub(crate) fn write_answer(
        &mut self,
        now: Instant,
        stamp: impl FnOnce() -> AvStamp,
        out: &mut Vec<u8>,
    ) -> bool {
        let clock = match (self.probe.take(), self.liveness, self.status) {
            (Some(clock), ..) => clock,
            (None, Liveness::Status { every }, Some(status)) if status <= now => {
                self.status = Some(now + every);
                self.epoch.link_clock_at(now)
            }
            _ => return false,
        };
        let received = std::mem::take(&mut self.received);
        ProbeAnswer {
            stamp: stamp(),
            clock,
            received: [received, received],
        }
        .write(out);
        true
    }
}
