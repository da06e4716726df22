//! The current phase of a session and its deadline.

use core::time::Duration;

use tutk_time::Instant;

use super::rhythm::Rhythm;
use crate::error::Error;
use crate::event::Event;
use crate::output::Outbox;
use crate::phase::{Deadlines, Phase, PhaseReport};

/// If the driver is later than this, packets that arrived in time may still wait in its socket.
const MAX_DRIVER_DELAY: Duration = Duration::from_millis(250);

/// The current phase, and what it waits for.
#[derive(Debug, Clone)]
pub(super) struct PhaseTimer {
    deadlines: Deadlines,
    phase: Phase,
    started_at: Instant,
    /// The start of the phase's deadline. In the last phase, each frame moves it.
    waiting_since: Instant,
    had_frame: bool,
    /// The last phase waits for frames.
    wants_frames: bool,
    camera_sends_keepalives: bool,
    /// When the newest authentic packet arrived.
    last_packet: Instant,
    rhythm: Rhythm,
    /// The shorter of discovery and the answer to the ClientHello: the round trip, unless each lost
    /// a packet.
    round_trip: Duration,
}

impl PhaseTimer {
    pub(super) fn new(deadlines: Deadlines, wants_frames: bool, now: Instant) -> Self {
        Self {
            deadlines,
            phase: Phase::Discovery,
            started_at: now,
            waiting_since: now,
            had_frame: false,
            wants_frames,
            camera_sends_keepalives: false,
            last_packet: now,
            rhythm: Rhythm::default(),
            round_trip: Duration::MAX,
        }
    }

    /// Returns an upper bound of the round trip to the camera. It is known after the first phase.
    pub(super) fn round_trip(&self) -> Duration {
        self.round_trip
    }

    /// Something took at least a round trip.
    pub(super) fn limit_round_trip(&mut self, took: Duration) {
        self.round_trip = self.round_trip.min(took);
    }

    /// Returns the rhythm of the camera's packets, for its next session.
    pub(super) fn rhythm(&self) -> Rhythm {
        self.rhythm
    }

    pub(super) fn set_rhythm(&mut self, rhythm: Rhythm) {
        self.rhythm = rhythm;
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn started_at(&self) -> Instant {
        self.started_at
    }

    /// Reports the current phase as complete and starts the next one. The last phase stays.
    pub(super) fn complete(&mut self, now: Instant, outbox: &mut Outbox<Event>) {
        let (phase, took) = (self.phase, now.duration_since(self.started_at));
        if phase == Phase::Discovery {
            self.limit_round_trip(took);
        }
        outbox.event(Event::Phase(PhaseReport { phase, took }));
        self.phase = self.phase.next().unwrap_or(self.phase);
        self.started_at = now;
        self.waiting_since = now;
    }

    /// Completes `phase` if it is the current one, and returns whether it is. A restarted session
    /// repeats phases that were already reported.
    pub(super) fn complete_phase(
        &mut self,
        phase: Phase,
        now: Instant,
        outbox: &mut Outbox<Event>,
    ) -> bool {
        let is_current = self.phase == phase;
        if is_current {
            self.complete(now, outbox);
        }
        is_current
    }

    /// A complete frame arrived. The first one completes the last phase.
    pub(super) fn frame_received(&mut self, now: Instant, outbox: &mut Outbox<Event>) {
        self.waiting_since = now;
        if !core::mem::replace(&mut self.had_frame, true) {
            self.complete(now, outbox);
        }
    }

    /// Video was switched on or off.
    pub(super) fn expect_frames(&mut self, now: Instant, wanted: bool) {
        self.wants_frames = wanted;
        if self.phase == Phase::Stream {
            self.waiting_since = now;
            // The time without video is not a pause of the stream.
            self.last_packet = now;
        }
    }

    pub(super) fn set_camera_sends_keepalives(&mut self, sends: bool) {
        self.camera_sends_keepalives = sends;
    }

    /// An authentic packet arrived.
    pub(super) fn packet_received(&mut self, now: Instant) {
        if self.had_frame {
            let pause = now.duration_since(self.last_packet);
            self.rhythm.packet_received(pause);
        }
        self.last_packet = now;
    }

    /// Returns when the phase has lasted too long; `None` if it has no limit.
    pub(super) fn deadline(&self) -> Option<Instant> {
        if self.expects_no_frames() {
            return self
                .camera_sends_keepalives
                .then(|| self.last_packet + self.deadlines.silence);
        }
        let deadline = self.waiting_since + self.deadlines.of(self.phase);
        Some(deadline.min(self.silence_deadline().unwrap_or(deadline)))
    }

    /// Returns when a camera that sends nothing counts as gone, during a stream.
    fn silence_deadline(&self) -> Option<Instant> {
        (self.had_frame && !self.expects_no_frames())
            .then(|| self.last_packet + self.silence_limit())
    }

    fn silence_limit(&self) -> Duration {
        self.rhythm
            .limit(self.deadlines.stall, self.deadlines.stream)
    }

    /// Returns `true` if the deadline has passed. If the driver is late, silence is measured again.
    pub(super) fn is_overdue(&mut self, now: Instant) -> bool {
        let silence = self.silence_deadline();
        if silence.is_some_and(|at| at + MAX_DRIVER_DELAY < now) {
            self.last_packet = now;
        }
        self.deadline().is_some_and(|deadline| deadline <= now)
    }

    /// Returns the error for a passed deadline.
    pub(super) fn timeout_error(&self, suspects_wrong_key: bool) -> Error {
        let phase = self.phase;
        if self.expects_no_frames() {
            let waited = self.deadlines.silence;
            return Error::Silent { phase, waited };
        }
        let waited = self.deadlines.of(phase);
        match phase {
            Phase::Stream if self.had_frame => Error::Stalled {
                waited: match self.silence_deadline() {
                    Some(at) if at < self.waiting_since + waited => self.silence_limit(),
                    _ => waited,
                },
            },
            Phase::Dtls if suspects_wrong_key => Error::HandshakeUnfinished { waited },
            phase => Error::Silent { phase, waited },
        }
    }

    fn expects_no_frames(&self) -> bool {
        self.phase == Phase::Stream && !self.wants_frames
    }
}
