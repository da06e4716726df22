//! The log of a session's set-up: what was asked, what came back, and what was done with it.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::net::SocketAddr;

use tracing::Level;

use super::machine::Client;
use crate::dialect::Dialect;
use crate::error::Error;
use crate::phase::Phase;

/// The number of received datagrams that a session logs. A peer can send any number of them.
const MAX_LOGGED: u8 = 64;

/// The number of bytes of a datagram that are logged. Its header, which contains no secret.
const SHOWN: usize = 16;

/// A datagram of the set-up, before it is handled.
pub(super) struct Received {
    from: SocketAddr,
    len: usize,
    /// The first bytes as they arrived, in hexadecimal.
    first: String,
    phase: Phase,
    /// The counters of ignored datagrams.
    foreign: u64,
    malformed: u64,
}

impl Client {
    pub(super) fn log_discovery(&self) {
        let Self { config, side, .. } = self;
        let asked = config.dialects.iter().filter(|asked| asked.supports(side));
        let names: Vec<_> = asked.map(|asked| &*asked.name).collect();
        tracing::debug!(camera = %config.camera, dialects = ?names, "looking for the camera");
    }

    pub(super) fn log_session_request(&self, dialect: &Dialect, camera: SocketAddr) {
        tracing::debug!(%camera, %dialect, "requesting a session");
    }

    /// Returns the datagram if it is to be logged with [`log_handled`](Self::log_handled).
    pub(super) fn log_received(&mut self, from: SocketAddr, datagram: &[u8]) -> Option<Received> {
        let phase = self.phase_timer.phase();
        if phase > Phase::Dtls || self.logged >= MAX_LOGGED || !tracing::enabled!(Level::DEBUG) {
            return None;
        }
        self.logged += 1;
        let mut first = String::new();
        for byte in datagram.iter().take(SHOWN) {
            // Cannot fail.
            let _ = write!(first, "{byte:02x}");
        }
        Some(Received {
            from,
            len: datagram.len(),
            first,
            phase,
            foreign: self.stats.foreign,
            malformed: self.stats.malformed,
        })
    }

    pub(super) fn log_handled(&self, received: &Received, result: &Result<(), Error>) {
        let Received {
            from,
            len,
            first,
            phase,
            ..
        } = received;
        let outcome = if result.is_err() {
            "ends the session"
        } else if self.stats.foreign > received.foreign {
            "ignored: from another address or of another camera"
        } else if self.stats.malformed > received.malformed {
            "ignored: not a packet of this dialect, UID and AuthKey"
        } else if self.phase_timer.phase() > *phase {
            "completes the phase"
        } else {
            "accepted"
        };
        tracing::debug!(%phase, %from, len, %first, outcome, "received");
    }

    /// Logs the end of a session whose set-up failed.
    pub(super) fn log_failure(&self, error: &Error) {
        if error.phase() <= Phase::Dtls {
            let stats = &self.stats;
            let (received, foreign, malformed) = (stats.datagrams, stats.foreign, stats.malformed);
            tracing::debug!(received, foreign, malformed, %error, "cannot connect");
        }
    }
}
