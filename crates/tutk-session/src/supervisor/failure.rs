//! The end of a session or of an attempt, and what follows.

use core::time::Duration;

use tutk_time::Instant;

use super::machine::{Connected, MAX_RESEND_STALLS, Queued, State, Supervisor};
use super::outage::{ConnectionError, Disconnect};
use super::output::SupervisorEvent;
use super::tally::Tally;
use crate::error::Error;
use crate::event::Stats;
use crate::phase::Phase;

impl Supervisor {
    pub(super) fn session_ended(&mut self, result: Result<(), Error>) {
        let State::Connected(connected) = core::mem::replace(&mut self.state, State::Idle) else {
            return;
        };
        let Connected {
            client,
            since,
            authenticated_at,
            unused,
            ..
        } = *connected;
        let stats = client.stats();
        self.next_request = client.next_request();
        self.rhythm = client.rhythm();
        let early = client.early_packets();
        self.run.past = self.run.past.plus(&Tally::of_session(&stats));
        self.outputs.push_back(Queued::CloseSocket);
        let error = match result {
            Err(error) if !self.closing && !unused => error,
            _ if unused && !self.closing => return self.become_idle(),
            _ => return self.end(Ok(())),
        };
        self.note_resend_stall(&stats, &error);
        let error = ConnectionError::from(error);
        let Some(at) = authenticated_at else {
            self.fast_connect.failed(early);
            return self.attempt_failed(since, error);
        };
        let lasted = self.now.duration_since(at);
        let run = &mut self.run;
        run.outages
            .disconnected(self.now, self.epoch.unix_at(self.now), &error, lasted);
        let had_frame = stats.media.frames > 0;
        (run.backoff).disconnected(&self.config.policy, had_frame.then_some(lasted));
        self.retry_or_give_up(error, Some(lasted));
    }

    /// One stall in resend mode may be caused by the network. More are attributed to the camera.
    fn note_resend_stall(&mut self, stats: &Stats, error: &Error) {
        if matches!(error, Error::Stalled { .. }) && stats.groups.slices > 0 {
            self.run.resend_stalls += 1;
            if self.run.resend_stalls == MAX_RESEND_STALLS {
                tracing::info!("the camera stalls in resend mode: asking for plain media");
            }
        }
    }

    pub(super) fn attempt_failed(&mut self, since: Instant, error: ConnectionError) {
        if self.config.policy.search && self.may_sweep() && is_absent(&error) {
            return self.request_socket(since, true, Some(error));
        }
        let at = self.epoch.unix_at(since);
        self.run.outages.attempt_failed(since, at, &error);
        self.retry_or_give_up(error, None);
    }

    fn retry_or_give_up(&mut self, error: ConnectionError, lasted: Option<Duration>) {
        let policy = &self.config.policy;
        if self.run.sessions == 0 && !policy.retry_first {
            return self.give_up(error);
        }
        let attempts = self.run.outages.attempts();
        let down = self.run.outages.down(self.now);
        let random = self.rng.fraction();
        let next = (self.run.backoff).next(policy, &error, attempts, down, random);
        tracing::debug!(%error, ?lasted, attempts, ?next, "no session");
        self.event(SupervisorEvent::Disconnected(Disconnect {
            error: error.clone(),
            at: self.epoch.unix_at(self.now),
            lasted,
            attempts,
            next,
        }));
        match next {
            Some(delay) => {
                let until = self.now + delay;
                self.state = State::BackingOff { until };
            }
            None => self.give_up(error),
        }
    }

    fn give_up(&mut self, error: ConnectionError) {
        match self.config.policy.restart_after {
            Some(pause) => {
                let until = self.now + pause;
                self.state = State::GaveUp { until };
                self.event(SupervisorEvent::GaveUp(error));
            }
            None => self.end(Err(error)),
        }
    }
}

/// Returns `true` if the camera may have another address.
fn is_absent(error: &ConnectionError) -> bool {
    match error {
        ConnectionError::Session(Error::Silent { phase, .. }) => *phase == Phase::Discovery,
        ConnectionError::Session(_) => false,
        ConnectionError::Driver(error) => error.is_not_found(),
    }
}
