//! Where a session stands, and how long it may stand there.

use std::time::Instant;

use crate::error::Error;
use crate::event::Event;
use crate::output::Outbox;
use crate::phase::{Deadlines, Phase, PhaseReport, later};

/// The phase of a session, since when, and what is waited for.
#[derive(Debug, Clone)]
pub(crate) struct Timeline {
    deadlines: Deadlines,
    phase: Phase,
    began: Instant,
    /// From when on the phase's deadline counts: its beginning, and in the last phase the newest
    /// frame.
    waits_since: Instant,
    had_frame: bool,
    /// Whether the last phase waits for frames at all.
    wants_frames: bool,
    /// Whether the camera asks by itself whether we are there.
    asks: bool,
    /// When the camera was last heard of.
    heard: Instant,
}

impl Timeline {
    pub(crate) fn new(deadlines: Deadlines, wants_frames: bool, now: Instant) -> Self {
        Self {
            deadlines,
            phase: Phase::Discovery,
            began: now,
            waits_since: now,
            had_frame: false,
            wants_frames,
            asks: false,
            heard: now,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// When the phase began.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// Reports the phase as complete and goes on to the next; the last one is reported once, and
    /// stays.
    pub(crate) fn complete(&mut self, now: Instant, outbox: &mut Outbox<Event>) {
        outbox.event(Event::Phase(PhaseReport {
            phase: self.phase,
            took: now.saturating_duration_since(self.began),
        }));
        self.phase = self.phase.next().unwrap_or(self.phase);
        self.began = now;
        self.waits_since = now;
    }

    /// The same if it is this phase that is under way; whether it is. A session that is begun anew
    /// goes through phases again that were reported already.
    pub(crate) fn complete_phase(
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

    /// A whole frame came: the first one completes the last phase.
    pub(crate) fn frame(&mut self, now: Instant, outbox: &mut Outbox<Event>) {
        self.waits_since = now;
        if !std::mem::replace(&mut self.had_frame, true) {
            self.complete(now, outbox);
        }
    }

    /// Video is switched: without it no frame is waited for, and with it from now on.
    pub(crate) fn expect_frames(&mut self, now: Instant, wanted: bool) {
        self.wants_frames = wanted;
        if self.phase == Phase::Stream {
            self.waits_since = now;
        }
    }

    /// There is a link, with a camera that asks by itself whether we are there, or not.
    pub(crate) fn linked(&mut self, asks: bool) {
        self.asks = asks;
    }

    /// Something came from the camera.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// When the phase has lasted too long; `None` when it may last for ever.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if self.waits_for_a_word() {
            return self.asks.then(|| later(self.heard, self.deadlines.silence));
        }
        Some(later(self.waits_since, self.deadlines.of(self.phase)))
    }

    /// What it means that the deadline has passed.
    pub(crate) fn overdue(&self, suspects_wrong_key: bool) -> Error {
        let waited = match self.waits_for_a_word() {
            true => self.deadlines.silence,
            false => self.deadlines.of(self.phase),
        };
        match self.phase {
            phase if self.waits_for_a_word() => Error::Silent { phase, waited },
            Phase::Stream if self.had_frame => Error::Stalled { waited },
            Phase::Dtls if suspects_wrong_key => Error::HandshakeUnfinished { waited },
            phase => Error::Silent { phase, waited },
        }
    }

    /// No frame is waited for.
    fn waits_for_a_word(&self) -> bool {
        self.phase == Phase::Stream && !self.wants_frames
    }
}
