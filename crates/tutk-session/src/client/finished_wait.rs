//! Recognising a wrong key before the deadline of the handshake.

use core::time::Duration;

use dtls_psk::Stage;
use tutk_time::Instant;

/// The number of handshakes without the camera's Finished after which the key is wrong. A forged
/// packet can break one.
const UNFINISHED: u8 = 2;

/// Measures how long the client waits for the camera's Finished.
///
/// A camera with another key discards the client's Finished and sends nothing. The camera answered
/// the ClientHello, so it can be reached. The client therefore waits only for a few retransmissions
/// of its Finished, and longer if the answer to the ClientHello took long.
#[derive(Debug)]
pub(super) struct FinishedWait {
    /// When the current handshake started.
    started: Instant,
    /// When the current handshake has waited too long for the camera's Finished.
    until: Option<Instant>,
    /// A handshake has waited for the camera's Finished.
    reached: bool,
    /// The handshakes that waited too long.
    unfinished: u8,
}

impl FinishedWait {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            started: now,
            until: None,
            reached: false,
            unfinished: 0,
        }
    }

    /// A handshake starts.
    pub(super) fn start(&mut self, now: Instant) {
        self.started = now;
        self.until = None;
    }

    /// Takes the stage of the handshake. Calls `answered` with the time until the camera answered
    /// the ClientHello. Returns when [`expired`](Self::expired) is due.
    ///
    /// A handshake waits for two ninths of the phase's deadline, 2.2 s by default. In this time,
    /// Finished is sent four times, so that a lossy network is rarely mistaken for a wrong key.
    pub(super) fn update(
        &mut self,
        now: Instant,
        stage: Stage,
        deadline: Duration,
        answered: impl FnOnce(Duration),
    ) -> Option<Instant> {
        if stage != Stage::AwaitFinished {
            self.until = None;
        } else if self.until.is_none() {
            let answered_after = now.duration_since(self.started);
            answered(answered_after);
            let wait = (deadline / 9 * 2).max(answered_after.saturating_mul(3));
            self.until = Some(now + wait);
            self.reached = true;
        }
        self.until
    }

    /// Returns `true` once if the handshake has waited too long.
    pub(super) fn expired(&mut self, now: Instant) -> bool {
        let expired = self.until.take_if(|until| *until <= now).is_some();
        self.unfinished = self.unfinished.saturating_add(expired.into());
        expired
    }

    /// Returns `true` if a wrong key is evident.
    pub(super) fn proves_wrong_key(&self) -> bool {
        self.unfinished >= UNFINISHED
    }

    /// Returns `true` if a wrong key is the likely cause of a handshake that does not finish.
    pub(super) fn suspects_wrong_key(&self) -> bool {
        self.reached
    }
}
