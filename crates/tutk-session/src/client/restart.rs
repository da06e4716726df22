//! Restarted handshakes and sessions.

use core::time::Duration;

use dtls_psk::Stage;
use tutk_frame::SessionId;
use tutk_time::Instant;

use super::machine::{Client, State};
use crate::error::refuses_suite;
use crate::phase::Phase;

/// The largest number of restarts of a session.
const MAX_RESTARTS: u8 = 3;

/// How long the client waits for an answer to its ClientHello before it makes another offer. In
/// this time, the hello is sent three times.
const HELLO_TIMEOUT: Duration = Duration::from_secs(2);

/// The number of handshakes that fit into the deadline of the DTLS phase.
const HANDSHAKES: u32 = 3;

impl Client {
    /// Returns `true` if a handshake that failed with this error may be restarted.
    ///
    /// Handshake packets are not authenticated, so one damaged or forged packet can break a
    /// handshake. An error that indicates a wrong key is not caused by that.
    pub(super) fn may_restart(&self, source: &dtls_psk::Error) -> bool {
        // An alert can be forged, and a camera also sends one after a damaged ClientHello. So the
        // first alert is not believed.
        let maybe_forged =
            self.restarts == 0 && matches!(source, dtls_psk::Error::PeerAlert { .. });
        self.restarts < MAX_RESTARTS
            && (maybe_forged || !source.hints_at_wrong_key())
            && !matches!(source, dtls_psk::Error::HandshakeTimedOut { .. })
    }

    /// Returns when the current handshake is restarted.
    ///
    /// If a forged packet was accepted, no Finished verifies on either side, as with a wrong key.
    pub(super) fn restart_at(&self) -> Option<Instant> {
        let handshaking = match &self.state {
            State::Connected(connected) => match self.phase_timer.phase() {
                Phase::Dtls => !connected.main.dtls.is_closed(),
                // The camera may not tolerate an early login.
                Phase::Login if self.fast.has_sent_login() => {
                    return Some(self.phase_timer.started_at() + self.config.deadlines.login / 2);
                }
                _ => false,
            },
            _ => false,
        };
        if !handshaking || self.restarts >= MAX_RESTARTS {
            return None;
        }
        match &self.state {
            State::Connected(connected) if connected.main.dtls.stage() == Stage::AwaitHello => {
                (!self.offers.is_last()).then(|| self.handshake_started + HELLO_TIMEOUT)
            }
            _ => {
                let timeout = self.config.deadlines.dtls / HANDSHAKES;
                Some(self.handshake_started + timeout)
            }
        }
    }

    /// Requests a session with a new id, within the deadline of the current phase. The camera
    /// treats it as another client.
    pub(super) fn restart(&mut self, now: Instant, failure: Option<&dtls_psk::Error>) {
        let State::Connected(mut connected) = core::mem::replace(&mut self.state, State::Ended)
        else {
            return;
        };
        if failure.is_some_and(refuses_suite) {
            self.offers.refused();
        } else if connected.main.dtls.stage() == Stage::AwaitHello {
            self.offers.unanswered();
        }
        match failure {
            Some(error) => tracing::debug!(%error, "restarting the handshake"),
            None => tracing::debug!("restarting after a timeout"),
        }
        self.restarts = self.restarts.saturating_add(1);
        self.finished_wait.start(now);
        if self.phase_timer.phase() < Phase::Authentication {
            self.fast.session_failed();
        }
        self.stats.restarts += 1;
        connected.main.dtls.close();
        connected
            .main
            .flush(&mut connected.wrapper, &mut self.outbox, |_, _| {});
        connected.wrapper.send_close(&mut self.outbox);
        self.requests = connected.av.take_requests();
        self.abandoned = Some(self.session);
        self.session = SessionId(self.rng.array());
        self.state = State::RequestingSession {
            dialect: connected.wrapper.dialect,
            camera: connected.wrapper.remote,
            ticket: None,
            repeat_at: now,
        };
    }

    /// Restarts without resend mode if the camera sends no media in resend mode.
    pub(super) fn restart_without_resend(&mut self, now: Instant) {
        let failed = match &self.state {
            State::Connected(connected) => connected.av.resend_failed(now),
            _ => false,
        };
        if failed {
            tracing::debug!("no media in resend mode: restarting without it");
            self.resend = false;
            self.restart(now, None);
        }
    }
}
