//! The first two phases: discovery and session request (docs/protocol.md, sections "Discovery and
//! session" and "cc51").

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tutk_frame::MediaLayout;

use super::av::AvClient;
use super::machine::{Client, Connected, State};
use crate::channel::Channel;
use crate::dialect::{Dialect, Liveness};
use crate::error::Error;
use crate::event::Event;
use crate::phase::{Phase, later};
use crate::psk;
use crate::wire::{AssignedSession, Incoming, MAIN_CHANNEL, Wrapper};

/// The interval at which discovery and session requests are repeated.
const SETUP_INTERVAL: Duration = Duration::from_millis(100);

/// The number of handshakes that fit into the deadline of the DTLS phase.
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
        match dialect.open(&self.side, datagram) {
            Some(Incoming::DiscoveryAnswer { uid, assigned }) if uid == self.side.uid() => {
                self.phase_timer.complete(now, &mut self.outbox);
                let camera = from;
                self.outbox.event(Event::Found { camera, dialect });
                self.start_requests(now, dialect, camera, assigned);
            }
            // Another camera, which may have answered another client's broadcast.
            Some(Incoming::DiscoveryAnswer { .. }) => self.stats.foreign += 1,
            _ => self.stats.malformed += 1,
        }
        Ok(())
    }

    pub(super) fn handle_session_answer(
        &mut self,
        now: Instant,
        from: SocketAddr,
        datagram: &mut [u8],
    ) -> Result<(), Error> {
        let State::RequestingSession {
            dialect, ticket, ..
        } = self.state
        else {
            return Ok(());
        };
        match dialect.open(&self.side, datagram) {
            // In dialects whose answer does not name the session, the source address must do.
            Some(Incoming::SessionAnswer { session })
                if session.is_none_or(|session| session == self.session) =>
            {
                self.phase_timer
                    .complete_phase(Phase::Session, now, &mut self.outbox);
                let assigned = AssignedSession {
                    session: self.session,
                    ticket: ticket.unwrap_or_default(),
                };
                let connected = self.connect(now, dialect, assigned, from)?;
                let sends_keepalives = matches!(dialect.liveness, Liveness::Probes { .. });
                self.phase_timer
                    .set_camera_sends_keepalives(sends_keepalives);
                let timeout = self.config.deadlines.dtls / HANDSHAKES;
                self.restart_at = Some(later(now, timeout));
                self.finished_wait.start(now);
                self.state = State::Connected(Box::new(connected));
            }
            // The newest assignment counts, because a camera may forget earlier ones. An answer for
            // the abandoned session is late.
            Some(Incoming::DiscoveryAnswer {
                assigned: Some(assigned),
                ..
            }) if ticket != Some(assigned.ticket) || self.session != assigned.session => {
                if self.abandoned != Some(assigned.session) {
                    self.start_requests(now, dialect, from, Some(assigned));
                }
            }
            // Answers to repeated requests.
            Some(Incoming::DiscoveryAnswer { .. } | Incoming::SessionAnswer { .. }) => {}
            _ => self.stats.malformed += 1,
        }
        Ok(())
    }

    /// Sends discovery requests if they are due. Returns when the next are due.
    pub(super) fn drive_discovery(&mut self, now: Instant, repeat_at: Instant) -> Instant {
        if repeat_at > now {
            return repeat_at;
        }
        for dialect in &self.config.dialects {
            dialect.send_discovery_request(
                &self.side,
                self.session,
                self.config.camera,
                &mut self.outbox,
            );
        }
        now + SETUP_INTERVAL
    }

    /// Sends a session request if it is due. Returns when the next is due.
    pub(super) fn drive_session_request(
        &mut self,
        now: Instant,
        dialect: &'static Dialect,
        camera: SocketAddr,
        ticket: Option<u16>,
        repeat_at: Instant,
    ) -> Instant {
        if repeat_at > now {
            return repeat_at;
        }
        let unix_seconds = self.epoch.unix_seconds_at(now);
        dialect.send_session_request(
            &self.side,
            self.session,
            ticket,
            unix_seconds,
            camera,
            &mut self.outbox,
        );
        now + SETUP_INTERVAL
    }

    /// Starts to request a session, with the id and ticket from the camera if it assigned them.
    fn start_requests(
        &mut self,
        now: Instant,
        dialect: &'static Dialect,
        camera: SocketAddr,
        assigned: Option<AssignedSession>,
    ) {
        if let Some(assigned) = assigned {
            self.session = assigned.session;
        }
        self.log_session_request(dialect, camera);
        self.state = State::RequestingSession {
            dialect,
            camera,
            ticket: assigned.map(|assigned| assigned.ticket),
            repeat_at: now,
        };
    }

    /// Starts the DTLS handshake.
    fn connect(
        &mut self,
        now: Instant,
        dialect: &'static Dialect,
        assigned: AssignedSession,
        camera: SocketAddr,
    ) -> Result<Connected, Error> {
        let psk = self.config.credentials.psk(dialect.key);
        let mut config = dtls_psk::Config::client(psk::IDENTITY, psk)
            .with_suites(&self.suite_offer.suites())
            .with_key_log(self.config.key_log);
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
        let wrapper = Wrapper::new(dialect, Arc::clone(&self.side), assigned, camera);
        let requests = self.requests.take();
        // Only this layout has slice counters, which retransmission requests need.
        let resend = self.resend && dialect.media == MediaLayout::Slice;
        Ok(Connected {
            wrapper,
            main: Channel::new(MAIN_CHANNEL, dtls),
            av: AvClient::new(&self.config, requests, dialect, resend, self.epoch, rng)?,
        })
    }
}
