//! Talk: the client's functions for audio to the camera.

use alloc::sync::Arc;
use core::net::SocketAddr;

use dtls_psk::{CipherSuite, Connection};
use hl_ioctl::commands::Switch;
use tutk_time::Instant;

use super::machine::{Client, Connected, State};
use super::requests::Requester;
use super::talk_channel::{TalkFrame, request};
use crate::error::TalkError;

impl Client {
    /// Requests the audio channel to the camera as soon as the camera has authenticated the client.
    /// Has no effect if talk is already on or the session has ended. Poll afterwards.
    ///
    /// The camera then opens a DTLS connection to this side, within
    /// [`Deadlines::talk`](crate::Deadlines::talk). [`Event::Talk`](crate::Event::Talk) reports the
    /// result.
    pub fn start_talk(&mut self, now: Instant) {
        let ended = matches!(self.state, State::Ended);
        if ended || !self.talk.start(now, self.config.deadlines.talk) {
            return;
        }
        self.switch_talk(now, Switch::On);
    }

    /// Closes the audio channel to the camera.
    /// [`TalkEvent::Ended`](crate::TalkEvent::Ended) follows. Has no effect if talk is off. Poll
    /// afterwards.
    pub fn stop_talk(&mut self, now: Instant) {
        if self.talk.stop() {
            self.switch_talk(now, Switch::Off);
        }
    }

    /// Sends an audio frame to the camera at once; the caller paces the frames. Poll afterwards.
    ///
    /// # Errors
    /// [`TalkError::NotReady`] before [`TalkEvent::Ready`](crate::TalkEvent::Ready) and after
    /// [`TalkEvent::Ended`](crate::TalkEvent::Ended); [`TalkError::TooLong`];
    /// [`TalkError::Dtls`], after which nothing more can be sent.
    pub fn send_talk(&mut self, frame: TalkFrame<'_>) -> Result<(), TalkError> {
        let State::Connected(connected) = &mut self.state else {
            return Err(TalkError::NotReady);
        };
        self.talk
            .send(frame, &mut connected.wrapper, &mut self.outbox)
    }

    /// Handles the records of one datagram of the backchannel.
    pub(super) fn handle_talk(&mut self, now: Instant, from: SocketAddr, records: &mut [u8]) {
        let Self {
            state: State::Connected(connected),
            config,
            rng,
            talk,
            outbox,
            ..
        } = self
        else {
            return;
        };
        let Connected { wrapper, .. } = &mut **connected;
        let new_server = || {
            // Any identity is accepted, because that of real cameras is not known.
            let psk = config.credentials.psk(wrapper.dialect.key);
            let lookup = move |_: &[u8]| Some(psk.clone());
            let server = dtls_psk::Config::server_with(config.provider, lookup)
                .with_suites(&[CipherSuite::PskAes128CbcSha256])
                .with_cookie_exchange(false)
                .with_key_log(config.key_log);
            Connection::server(Arc::new(server), b"", rng.array(), now)
        };
        match talk.handle_records(now, records, new_server) {
            Ok(true) => wrapper.remote = from,
            Ok(false) => {}
            Err(error) => talk.finish(Err(error), outbox),
        }
    }

    fn switch_talk(&mut self, now: Instant, switch: Switch) {
        if !self.request(request(switch), Requester::Talk) {
            self.talk.unanswered(&mut self.outbox);
        }
        self.drive(now);
    }
}
