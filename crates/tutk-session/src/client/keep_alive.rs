//! Heartbeats, answers to link probes, and status packets (docs/protocol.md, section "Heartbeat,
//! probes and channel messages").

use std::time::{Duration, Instant};

use tutk_frame::{AvStamp, Heartbeat, LinkClock, ProbeAnswer, ResendRequest};
use video_reassembly::Request;

use crate::dialect::{HeartbeatRule, Liveness};
use crate::phase::Epoch;

const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(100);

/// The media counter in heartbeats before there is media.
const NO_COUNTER: u16 = 0xffff;

/// The keep-alives that the client sends inside DTLS.
#[derive(Debug)]
pub(super) struct KeepAlive {
    epoch: Epoch,
    rule: HeartbeatRule,
    liveness: Liveness,
    /// When the next heartbeat is due; `None` before the first.
    next_heartbeat: Option<Instant>,
    heartbeat_due: bool,
    /// The count of the next heartbeat.
    count: u16,
    /// The newest media counter in the last heartbeat.
    reported_counter: u16,
    newest_counter: u16,
    /// The clock of a probe that is not answered yet.
    probe_clock: Option<u16>,
    /// When the next status packet is due, in dialects with status packets.
    next_status: Option<Instant>,
    /// AV packets received since the last probe answer or status packet.
    received: u16,
}

impl KeepAlive {
    pub(super) fn new(epoch: Epoch, rule: HeartbeatRule, liveness: Liveness) -> Self {
        Self {
            epoch,
            rule,
            liveness,
            next_heartbeat: None,
            heartbeat_due: false,
            count: match rule {
                HeartbeatRule::AfterLogin => 1,
                HeartbeatRule::AfterChallenge => 2,
            },
            reported_counter: NO_COUNTER,
            newest_counter: NO_COUNTER,
            probe_clock: None,
            next_status: None,
            received: 0,
        }
    }

    pub(super) fn logged_in(&mut self, now: Instant) {
        if self.rule == HeartbeatRule::AfterLogin {
            self.send_heartbeat(now);
        }
        if let Liveness::Status { interval } = self.liveness {
            self.next_status = Some(now + interval);
        }
    }

    /// Makes a heartbeat due at once, and restarts the interval.
    pub(super) fn send_heartbeat(&mut self, now: Instant) {
        self.heartbeat_due = true;
        self.next_heartbeat = Some(now + HEARTBEAT_INTERVAL);
    }

    /// An AV packet arrived. One with a link clock must be answered.
    pub(super) fn packet_received(&mut self, clock: Option<LinkClock>) {
        self.received = self.received.saturating_add(1);
        if let Some(clock) = clock {
            self.probe_clock = Some(clock.clock);
        }
    }

    /// A slice with this counter arrived.
    pub(super) fn slice_received(&mut self, counter: u16) {
        let is_newer = counter.wrapping_sub(self.newest_counter) < 0x8000;
        if self.newest_counter == NO_COUNTER || is_newer {
            self.newest_counter = counter;
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if let Some(next) = self.next_heartbeat
            && next <= now
        {
            self.heartbeat_due = true;
            // A late call does not shift the interval. Missed heartbeats are not sent.
            let next = next + HEARTBEAT_INTERVAL;
            self.next_heartbeat = Some(if next > now {
                next
            } else {
                now + HEARTBEAT_INTERVAL
            });
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        [self.next_heartbeat, self.next_status]
            .into_iter()
            .flatten()
            .min()
    }

    /// Writes a heartbeat, with the retransmission request if there is one. Returns `false` if
    /// neither is due.
    pub(super) fn write_heartbeat(
        &mut self,
        now: Instant,
        request: Option<Request<'_>>,
        stamp: impl FnOnce() -> AvStamp,
        out: &mut Vec<u8>,
    ) -> bool {
        if !std::mem::take(&mut self.heartbeat_due) && request.is_none() {
            return false;
        }
        let heartbeat = Heartbeat {
            stamp: stamp(),
            reported: self.reported_counter,
            newest: self.newest_counter,
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
        self.reported_counter = self.newest_counter;
        self.count = self.count.wrapping_add(1);
        true
    }

    /// Writes the answer to a probe, or a status packet. Returns `false` if neither is due.
    pub(super) fn write_answer(
        &mut self,
        now: Instant,
        stamp: impl FnOnce() -> AvStamp,
        out: &mut Vec<u8>,
    ) -> bool {
        let clock = match (self.probe_clock.take(), self.liveness, self.next_status) {
            (Some(clock), ..) => clock,
            (None, Liveness::Status { interval }, Some(next)) if next <= now => {
                self.next_status = Some(now + interval);
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
