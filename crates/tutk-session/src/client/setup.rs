//! The client before there is a link: discovery, and the session request (wire.md section 4).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tutk_frame::{
    Direction, DiscoveryLayout, DiscoveryRequest, Iotc, SessionRequest, SessionStamp,
    SessionTrailer, Stage,
};

use super::av::AvClient;
use super::{Client, Linked, PSK_IDENTITY, State};
use crate::dialect::Dialect;
use crate::error::Error;
use crate::event::Event;
use crate::link::Link;
use crate::phase::{Phase, later};
use crate::wire::Wrapper;

/// Time from one discovery or session request to the next (wire.md section 4).
const SETUP_REPEAT: Duration = Duration::from_millis(100);

/// How many handshakes fit into the DTLS phase before its deadline.
const HANDSHAKES: u32 = 3;

impl Client {
    pub(super) fn handle_discovery(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> Result<(), Error> {
        let dialect = self
            .config
            .dialects
            .iter()
            .find(|dialect| dialect.recognises(datagram));
        let Some(&dialect) = dialect else {
            self.stats.malformed += 1;
            return Ok(());
        };
        match dialect.open(datagram) {
            // What follows the UID in a real camera's answer is not known.
            Ok(Iotc::DiscoveryAnswer(answer)) if answer.uid == self.config.credentials.uid => {
                self.timeline.complete(now, &mut self.outbox);
                let camera = from;
                self.outbox.event(Event::Found { camera, dialect });
                self.state = State::Opening {
                    dialect,
                    camera,
                    repeat_at: now,
                };
            }
            // Another camera, which somebody may have asked for everyone to hear.
            Ok(Iotc::DiscoveryAnswer(_)) => self.stats.foreign += 1,
            _ => self.stats.malformed += 1,
        }
        Ok(())
    }

    pub(super) fn handle_opening(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> Result<(), Error> {
        let State::Opening { dialect, .. } = self.state else {
            return Ok(());
        };
        match dialect.open(datagram) {
            // That it came from the camera is all there is to check: its body is not known.
            Ok(Iotc::SessionAnswer(_)) => {
                // When the handshake is begun anew the phase is reported already.
                if self.timeline.phase() == Phase::Session {
                    self.timeline.complete(now, &mut self.outbox);
                }
                let linked = self.link(now, dialect, from)?;
                let patience = self.config.deadlines.dtls / HANDSHAKES;
                self.restart_at = Some(later(now, patience));
                self.state = State::Linked(Box::new(linked));
            }
            // Answers to repeated discovery requests are still on their way.
            Ok(Iotc::DiscoveryAnswer(_)) => {}
            _ => self.stats.malformed += 1,
        }
        Ok(())
    }

    /// Asks who is there, if it is time; says when it will be again.
    pub(super) fn drive_discovery(&mut self, now: Instant, repeat_at: Instant) -> Instant {
        if repeat_at > now {
            return repeat_at;
        }
        for dialect in &self.config.dialects {
            let request = self.discovery_request(dialect, Stage::Broadcast);
            dialect.send(self.config.camera, &mut self.outbox, |out| {
                request.write(dialect.discovery, out);
            });
        }
        now + SETUP_REPEAT
    }

    /// Asks for a session, if it is time; says when it will be again.
    pub(super) fn drive_opening(
        &mut self,
        now: Instant,
        dialect: &'static Dialect,
        camera: SocketAddr,
        repeat_at: Instant,
    ) -> Instant {
        if repeat_at > now {
            return repeat_at;
        }
        // Stage 2 is not answered, so it goes along with what is.
        let direct = self.discovery_request(dialect, Stage::Direct);
        dialect.send(camera, &mut self.outbox, |out| {
            direct.write(dialect.discovery, out);
        });
        let request = SessionRequest {
            uid: self.config.credentials.uid,
            session: self.session,
            stamp: match dialect.session {
                SessionTrailer::Crc32 => SessionStamp::Crc32,
                SessionTrailer::UnixSeconds => {
                    SessionStamp::UnixSeconds(self.epoch.unix_seconds_at(now))
                }
            },
        };
        dialect.send(camera, &mut self.outbox, |out| request.write(out));
        now + SETUP_REPEAT
    }

    fn discovery_request(&self, dialect: &Dialect, stage: Stage) -> DiscoveryRequest {
        let credentials = &self.config.credentials;
        // The summary's table has the AuthKey in both stages, the field only in the first.
        let with_key = stage == Stage::Broadcast || dialect.discovery == DiscoveryLayout::Summary;
        DiscoveryRequest {
            uid: credentials.uid,
            version: DiscoveryRequest::SDK_VERSION,
            session: self.session,
            stage,
            auth_key: with_key.then(|| credentials.auth_key.clone()),
        }
    }

    fn link(
        &mut self,
        now: Instant,
        dialect: &'static Dialect,
        camera: SocketAddr,
    ) -> Result<Linked, Error> {
        let psk = self.config.credentials.psk(dialect.key);
        let mut config =
            dtls_psk::Config::client(PSK_IDENTITY, psk).with_key_log(self.config.key_log);
        if let Some(provider) = &self.config.provider {
            config = config.with_provider(provider.clone());
        }
        let rng = &mut *self.rng.0;
        let dtls = dtls_psk::Connection::client(Arc::new(config), rng, now).map_err(|source| {
            Error::Dtls {
                phase: Phase::Dtls,
                source,
            }
        })?;
        let wrapper = Wrapper::new(dialect, Direction::ToCamera, self.session, camera);
        let requests = self.requests.take();
        Ok(Linked {
            link: Link::new(wrapper, dtls),
            av: AvClient::new(&self.config, requests, dialect, self.epoch, rng)?,
        })
    }
}
