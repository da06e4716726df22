//! Handshakes, and whole sessions, that are begun anew.

use std::time::Instant;

use dtls_psk::Stage;

use super::suites::refuses_suite;
use super::{Client, State};
use crate::phase::Phase;

/// How often a handshake that failed is begun anew.
const MAX_RESTARTS: u8 = 3;

impl Client {
    /// Whether a handshake that failed so may be tried again.
    ///
    /// Before the handshake is done nothing is authentic: one broken or forged packet can make it
    /// fail. What says that the keys differ is no accident.
    pub(super) fn may_restart(&self, source: &dtls_psk::Error) -> bool {
        // An alert in the clear is anybody's, and a camera that was given a spoilt hello sends it
        // too: it is believed the second time.
        let forged = self.restarts == 0 && matches!(source, dtls_psk::Error::PeerAlert { .. });
        self.restarts < MAX_RESTARTS
            && (forged || !source.hints_at_wrong_key())
            && !matches!(source, dtls_psk::Error::HandshakeTimedOut { .. })
    }

    /// When the handshake under way is begun anew.
    ///
    /// A packet that was broken or forged may have been believed: then both ends wait for a
    /// Finished that never verifies, and DTLS cannot tell that from another key.
    pub(super) fn restart_at(&self) -> Option<Instant> {
        let handshaking = match &self.state {
            State::Linked(linked) => {
                self.timeline.phase() == Phase::Dtls && !linked.main.dtls.is_closed()
            }
            _ => false,
        };
        self.restart_at
            .filter(|_| handshaking && self.restarts < MAX_RESTARTS)
    }

    /// Asks for a session of another name and begins the handshake anew, within the phase's
    /// deadline: for the camera this is another client.
    pub(super) fn restart(&mut self, now: Instant, failure: Option<&dtls_psk::Error>) {
        let State::Linked(mut linked) = std::mem::replace(&mut self.state, State::Ended) else {
            return;
        };
        let unanswered = linked.main.dtls.stage() == Stage::AwaitHello;
        if unanswered || failure.is_some_and(refuses_suite) {
            self.suites.hello_failed();
        }
        match failure {
            Some(error) => tracing::debug!(%error, "the handshake is begun anew"),
            None => tracing::debug!("it takes too long, and is begun anew"),
        }
        self.restarts = self.restarts.saturating_add(1);
        self.stats.restarts += 1;
        linked.main.dtls.close();
        linked
            .main
            .flush(&mut linked.wrapper, &mut self.outbox, |_, _| {});
        self.requests = linked.av.take_requests();
        self.left = Some(self.session);
        self.rng.0.fill_bytes(&mut self.session.0);
        self.state = State::Opening {
            dialect: linked.wrapper.dialect,
            camera: linked.wrapper.remote,
            ticket: None,
            repeat_at: now,
        };
    }

    /// Begins the session anew without resend mode if the camera was asked for it and sends
    /// nothing.
    pub(super) fn give_up_resend(&mut self, now: Instant) {
        let failed = match &self.state {
            State::Linked(linked) => linked.av.resend_failed(now),
            _ => false,
        };
        if failed {
            tracing::debug!("the camera sends nothing in resend mode");
            self.resend = false;
            self.restart(now, None);
        }
    }
}
