//! The first two phases: discovery and session request (docs/protocol.md, sections "Discovery and
//! session" and "cc51").

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use core::net::SocketAddr;
use core::time::Duration;

use dtls_psk::Group;
use tutk_frame::MediaLayout;
use tutk_time::Instant;

use super::av::AvClient;
use super::machine::{Client, Connected, State};
use super::session_keepalive::SessionKeepalive;
use crate::channel::Channel;
use crate::deviation::Deviation;
use crate::dialect::{Dialect, Liveness};
use crate::error::Error;
use crate::event::Event;
use crate::phase::Phase;
use crate::psk;
use crate::wire::{AssignedSession, Incoming, MAIN_CHANNEL, Wrapper};

/// The interval at which discovery and session requests are repeated.
const SETUP_INTERVAL: Duration = Duration::from_millis(100);

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
        let Some(dialect) = dialect else {
            self.stats.malformed += 1;
            return Ok(());
        };
        let broadcast = self.config.broadcast;
        match dialect.open(&self.side, datagram, &mut self.stats.tolerated) {
            // The answer to a broadcast must identify the camera, in `cc51` by its tag.
            Some(Incoming::DiscoveryAnswer {
                uid,
                assigned,
                verified,
            }) if uid == self.side.uid() && (verified || !broadcast) => {
                self.assignment_verified = verified;
                self.phase_timer.complete(now, &mut self.outbox);
                let (camera, dialect) = (from, Arc::clone(dialect));
                self.outbox.event(Event::Found {
                    camera,
                    dialect: Arc::clone(&dialect),
                });
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
        } = &self.state
        else {
            return Ok(());
        };
        let (dialect, ticket) = (Arc::clone(dialect), *ticket);
        match dialect.open(&self.side, datagram, &mut self.stats.tolerated) {
            // In dialects whose answer does not name the session, the source address must do.
            Some(Incoming::SessionAnswer { session })
                if session.is_none() || session != self.abandoned =>
            {
                if session.is_some_and(|session| session != self.session) {
                    self.stats.tolerated.record(Deviation::Session);
                }
                self.phase_timer
                    .complete_phase(Phase::Session, now, &mut self.outbox);
                let assigned = AssignedSession {
                    session: self.session,
                    ticket: ticket.unwrap_or_default(),
                };
                let sends_keepalives = matches!(dialect.liveness, Liveness::Probes { .. });
                let connected = self.connect(now, dialect, assigned, from)?;
                self.phase_timer
                    .set_camera_sends_keepalives(sends_keepalives);
                self.finished_wait.start(now);
                self.handshake_started = now;
                self.state = State::Connected(connected);
            }
            // The newest assignment counts, because a camera may forget earlier ones. There are two
            // exceptions: a late assignment of the abandoned session, and one whose tag does not
            // match after one whose tag does.
            Some(Incoming::DiscoveryAnswer {
                assigned: Some(assigned),
                verified,
                ..
            }) if ticket != Some(assigned.ticket) || self.session != assigned.session => {
                let is_late = self.abandoned == Some(assigned.session);
                if !is_late && (verified || !self.assignment_verified) {
                    self.assignment_verified = verified;
                    self.start_requests(now, dialect, from, Some(assigned));
                }
            }
            // Answers to repeated requests.
            Some(Incoming::DiscoveryAnswer { .. } | Incoming::SessionAnswer { .. }) => {}
            _ => self.stats.malformed += 1,
        }
        Ok(())
    }

    /// Sends the discovery or session requests that are due. Returns when the next are due.
    pub(super) fn drive_setup(&mut self, now: Instant) -> Option<Instant> {
        let Self {
            state,
            side,
            session,
            config,
            epoch,
            outbox,
            ..
        } = self;
        let repeat_at = match state {
            State::Discovering { repeat_at } => {
                if *repeat_at <= now {
                    for dialect in &config.dialects {
                        dialect.send_discovery_request(side, *session, config.camera, outbox);
                    }
                }
                repeat_at
            }
            State::RequestingSession {
                dialect,
                camera,
                ticket,
                repeat_at,
            } => {
                if *repeat_at <= now {
                    let unix = epoch.unix_seconds_at(now);
                    dialect.send_session_request(side, *session, *ticket, unix, *camera, outbox);
                }
                repeat_at
            }
            State::Connected(_) | State::Ended => return None,
        };
        if *repeat_at <= now {
            *repeat_at = now + SETUP_INTERVAL;
        }
        Some(*repeat_at)
    }

    /// Starts to request a session, with the id and ticket from the camera if it assigned them.
    fn start_requests(
        &mut self,
        now: Instant,
        dialect: Arc<Dialect>,
        camera: SocketAddr,
        assigned: Option<AssignedSession>,
    ) {
        if let Some(assigned) = assigned {
            self.session = assigned.session;
        }
        self.log_session_request(&dialect, camera);
        self.state = State::RequestingSession {
            dialect,
            camera,
            ticket: assigned.map(|assigned| assigned.ticket),
            repeat_at: now,
        };
    }

    /// Starts the DTLS handshake. Not inlined, because its large stack frame would be that of
    /// [`handle_datagram`](Self::handle_datagram).
    #[inline(never)]
    fn connect(
        &mut self,
        now: Instant,
        dialect: Arc<Dialect>,
        assigned: AssignedSession,
        camera: SocketAddr,
    ) -> Result<Box<Connected>, Error> {
        let psk = self.config.credentials.psk(dialect.key);
        let offer = self.offers.start();
        let provider = self.config.provider;
        let mut groups = vec![Group::X25519, Group::Secp256r1];
        groups.retain(|group| provider.groups().contains(group));
        let config = dtls_psk::Config::client_with(provider, psk::IDENTITY, psk)
            .with_suites(offer.suites)
            .with_extended_master_secret(offer.extended_master_secret)
            .with_groups(&groups)
            .with_key_log(self.config.key_log);
        let seed = self.rng.array();
        let dtls = dtls_psk::Connection::client(Arc::new(config), seed, now).map_err(|source| {
            Error::Dtls {
                phase: Phase::Dtls,
                source,
            }
        })?;
        let requests = self.requests.take();
        // Only this layout has slice counters, which retransmission requests need.
        let resend = self.resend && dialect.media == MediaLayout::Slice;
        Ok(Box::new(Connected {
            main: Channel::new(MAIN_CHANNEL, dtls),
            keepalive: SessionKeepalive::new(dialect.client_keepalive, now),
            av: AvClient::new(
                &self.config,
                requests,
                &dialect,
                resend,
                self.epoch,
                &mut self.rng,
            )?,
            wrapper: Wrapper::new(dialect, Arc::clone(&self.side), assigned, camera),
        }))
    }
}
