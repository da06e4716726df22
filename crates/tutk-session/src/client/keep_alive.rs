//! Heartbeats, answers to link probes, and status packets (docs/protocol.md, section "Heartbeat,
//! probes and channel messages").

use alloc::vec::Vec;
use core::time::Duration;

use tutk_frame::{AvStamp, Heartbeat, LinkClock, MediaAck, MediaAckLayout, ProbeAnswer};
use tutk_time::Instant;
use video_reassembly::Request;

use crate::dialect::{Dialect, HeartbeatRule, Liveness};
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
    media_ack: MediaAckLayout,
    /// When the next heartbeat is due; `None` before the first.
    next_heartbeat: Option<Instant>,
    heartbeat_due: bool,
    /// The commands received. The login answer counts as one.
    commands: u16,
    /// The number of the next heartbeat.
    number: u16,
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
    pub(super) fn new(epoch: Epoch, dialect: &Dialect) -> Self {
        Self {
            epoch,
            rule: dialect.heartbeat,
            liveness: dialect.liveness,
            media_ack: dialect.media_ack,
            next_heartbeat: None,
            heartbeat_due: false,
            commands: 1,
            number: 1,
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

    /// A command from the camera arrived. The next heartbeat acknowledges it.
    pub(super) fn command_received(&mut self, now: Instant) {
        self.commands = self.commands.wrapping_add(1);
        self.send_heartbeat(now);
    }

    /// Makes a heartbeat due at once, and restarts the interval.
    fn send_heartbeat(&mut self, now: Instant) {
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

    /// Returns `true` once if a heartbeat is due.
    pub(super) fn take_heartbeat_due(&mut self) -> bool {
        core::mem::take(&mut self.heartbeat_due)
    }

    /// Writes a heartbeat.
    pub(super) fn write_heartbeat(&mut self, now: Instant, stamp: AvStamp, out: &mut Vec<u8>) {
        Heartbeat {
            stamp,
            reported: self.reported_counter,
            newest: self.newest_counter,
            commands: self.commands,
            heartbeats: match self.rule {
                HeartbeatRule::AfterLogin => self.number,
                HeartbeatRule::AfterChallenge => 0,
            },
            clock: self.epoch.link_clock_at(now),
        }
        .write(out);
        self.reported_counter = self.newest_counter;
        self.number = self.number.wrapping_add(1);
    }

    /// Writes the heartbeat of resend mode, and restarts the interval of heartbeats.
    pub(super) fn write_media_ack(
        &mut self,
        now: Instant,
        request: &Request<'_>,
        stamp: AvStamp,
        out: &mut Vec<u8>,
    ) {
        let ack = MediaAck {
            stamp,
            base: request.base,
            highest: request.newest,
            commands: self.commands,
            heartbeats: self.number,
            clock: self.epoch.link_clock_at(now),
        };
        ack.write(request.missing, &self.media_ack, out);
        self.number = self.number.wrapping_add(1);
        self.next_heartbeat = Some(now + HEARTBEAT_INTERVAL);
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
        let received = core::mem::take(&mut self.received);
        ProbeAnswer {
            stamp: stamp(),
            clock,
            received: [received, received],
        }
        .write(out);
        true
    }
}
