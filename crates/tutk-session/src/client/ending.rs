//! The end of a session, and its error.

use core::time::Duration;

use dtls_psk::Stage;
use hl_ioctl::Request;
use hl_ioctl::commands::{Media, MediaControl, Switch};
use tutk_time::Instant;

use super::machine::{Client, Connected, IDLE_TIMEOUT, State, drain_media};
use super::talk_channel;
use crate::error::Error;
use crate::event::Event;
use crate::phase::Phase;

impl Client {
    /// Returns the session's error for an error of DTLS.
    pub(super) fn dtls_error(&self, now: Instant, source: dtls_psk::Error) -> Error {
        let phase = self.phase_timer.phase();
        let waited = now.duration_since(self.phase_timer.started_at());
        match source {
            dtls_psk::Error::HandshakeTimedOut {
                stage: Stage::AwaitFinished,
                ..
            } => Error::HandshakeUnfinished { waited },
            dtls_psk::Error::HandshakeTimedOut { .. } => self.unanswered(waited),
            source => Error::Dtls { phase, source },
        }
    }

    /// Returns the error for a passed deadline.
    pub(super) fn timeout_error(&self) -> Error {
        let login_error = match &self.state {
            State::Connected(connected) => connected.av.login_error(),
            _ => None,
        };
        match self
            .phase_timer
            .timeout_error(self.finished_wait.suspects_wrong_key())
        {
            Error::Silent {
                phase: Phase::Dtls,
                waited,
            } => self.unanswered(waited),
            Error::Silent {
                phase: Phase::Stream,
                waited,
            } if self.media_packets() > 0 => Error::NoFrame {
                waited,
                packets: self.media_packets(),
            },
            error => login_error.unwrap_or(error),
        }
    }

    fn media_packets(&self) -> u64 {
        match &self.state {
            State::Connected(connected) => {
                let slices = connected.av.media().stats().slices;
                slices.saturating_add(connected.av.unknown())
            }
            _ => 0,
        }
    }

    fn unanswered(&self, waited: Duration) -> Error {
        Error::HandshakeUnanswered {
            waited,
            tried: self.offers.tried().to_vec(),
        }
    }

    /// Switches media off, closes the channels, and emits complete frames and [`Event::Ended`].
    pub(super) fn end(&mut self, now: Instant, result: Result<(), Error>) {
        if let Err(error) = &result {
            self.log_failure(error);
        }
        let Self {
            state,
            outbox,
            phase_timer,
            stats,
            talk,
            ..
        } = self;
        if let State::Connected(connected) = state {
            let Connected {
                wrapper, main, av, ..
            } = &mut **connected;
            if main.dtls.is_connected() && av.is_authenticated() {
                let off = MediaControl {
                    media: Media::Video,
                    switch: Switch::Off,
                };
                let talk_off = talk.is_on().then(|| talk_channel::request(Switch::Off));
                for request in talk_off.into_iter().chain([Request::from(&off)]) {
                    // Best effort: close_notify follows anyway.
                    let _ = main.send(wrapper, outbox, |out| av.write_final_request(&request, out));
                }
            }
            talk.close(wrapper, outbox);
            main.dtls.close();
            main.flush(wrapper, outbox, |outbox, event| {
                // A key log is most useful after a failed handshake.
                if let dtls_psk::Event::KeyLog(line) = event {
                    outbox.event(Event::KeyLog(line));
                }
            });
            wrapper.send_close(outbox);
            av.media_mut().flush();
            if av.is_authenticated() {
                drain_media(now, av.media_mut(), phase_timer, stats, outbox);
            }
            connected.count_into(stats);
            stats.unknown += talk.unknown();
        }
        *state = State::Ended;
        outbox.event(Event::Ended(result));
        self.deadline = now + IDLE_TIMEOUT;
    }
}
