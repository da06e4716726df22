//! The first two phases: discovery and session request (docs/protocol.md, sections "Discovery and
//! session" and "cc51").

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use core::net::SocketAddr;
use core::time::Duration;

use dtls_psk::Group;
use tutk_frame::{MediaLayout, SessionId};
use tutk_time::Instant;

use super::av::AvClient;
use super::fast_connect::KnownCamera;
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
                let dialect = Arc::clone(dialect);
                self.outbox.event(Event::Found {
                    camera: from,
                    dialect: Arc::clone(&dialect),
                });
                self.start_requests(now, Arc::clone(&dialect), from, assigned);
                if let Some(camera) = self.fast.take_grant(&dialect) {
                    self.granted(now, dialect, None, camera)?;
                }
            }
            // The answer to the early session request has overtaken the one to discovery.
            Some(Incoming::SessionAnswer { .. }) if self.fast.grant(dialect, from) => {}
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
                self.granted(now, dialect, ticket, from)?;
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
        self.give_up_early_session(now);
        let Self {
            state,
            side,
            session,
            config,
            epoch,
            outbox,
            fast,
            ..
        } = self;
        let repeat_at = match state {
            State::Discovering { repeat_at } => {
                if *repeat_at <= now {
                    for dialect in &config.dialects {
                        dialect.send_discovery_request(side, *session, config.camera, outbox);
                    }
                    // Only once, because the camera may be absent.
                    if let Some(KnownCamera { address, dialect }) = fast.take_session_target() {
                        let unix = epoch.unix_seconds_at(now);
                        dialect.send_session_request(side, *session, None, unix, address, outbox);
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

    /// Continues with another session id if the camera does not answer after an early session
    /// request. Otherwise a camera that ignores this id would never be connected to.
    fn give_up_early_session(&mut self, now: Instant) {
        let overdue = (self.fast).session_is_overdue(now, self.phase_timer.started_at());
        match &self.state {
            State::Discovering { .. } if overdue => self.fast.forget_session_request(),
            State::RequestingSession { .. } if overdue => {
                self.fast.session_failed();
                self.abandoned = Some(self.session);
            }
            _ => return,
        }
        self.session = SessionId(self.rng.array());
    }

    /// The camera has granted the session. Starts the handshake.
    fn granted(
        &mut self,
        now: Instant,
        dialect: Arc<Dialect>,
        ticket: Option<u16>,
        camera: SocketAddr,
    ) -> Result<(), Error> {
        self.phase_timer
            .complete_phase(Phase::Session, now, &mut self.outbox);
        let assigned = AssignedSession {
            session: self.session,
            ticket: ticket.unwrap_or_default(),
        };
        let sends_keepalives = matches!(dialect.liveness, Liveness::Probes { .. });
        let connected = self.connect(now, dialect, assigned, camera)?;
        self.phase_timer
            .set_camera_sends_keepalives(sends_keepalives);
        self.finished_wait.start(now);
        self.handshake_started = now;
        self.state = State::Connected(connected);
        Ok(())
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
        let false_start = self.fast.is_on() && psk::allows_false_start(&psk);
        let mut groups = vec![Group::X25519, Group::Secp256r1];
        groups.retain(|group| provider.groups().contains(group));
        let config = dtls_psk::Config::client_with(provider, psk::IDENTITY, psk)
            .with_suites(offer.suites)
            .with_extended_master_secret(offer.extended_master_secret)
            .with_groups(&groups)
            .with_false_start(false_start)
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
