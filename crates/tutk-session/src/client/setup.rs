//! The client before there is a link: discovery, and the session request (wire.md sections 4 and
//! 6).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tutk_frame::MediaLayout;

use super::av::AvClient;
use super::{Client, Linked, State};
use crate::channel::{Channel, MAIN};
use crate::dialect::{Dialect, Liveness};
use crate::error::Error;
use crate::event::Event;
use crate::phase::{Phase, later};
use crate::psk;
use crate::wire::{Incoming, Offer, Place, Wrapper};

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
        match dialect.open(&self.end, datagram) {
            Some(Incoming::Offer(offer)) if offer.uid == self.end.uid() => {
                self.timeline.complete(now, &mut self.outbox);
                let camera = from;
                self.outbox.event(Event::Found { camera, dialect });
                self.open_at(now, dialect, camera, offer.place);
            }
            // Another camera, which somebody may have asked for everyone to hear.
            Some(Incoming::Offer(_)) => self.stats.foreign += 1,
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
        let State::Opening {
            dialect, ticket, ..
        } = self.state
        else {
            return Ok(());
        };
        match dialect.open(&self.end, datagram) {
            // Where the dialect does not say which session, that it came from the camera is all
            // there is to check.
            Some(Incoming::Grant { session })
                if session.is_none_or(|session| session == self.place(ticket).session) =>
            {
                // When the handshake is begun anew the phase is reported already.
                if self.timeline.phase() == Phase::Session {
                    self.timeline.complete(now, &mut self.outbox);
                }
                let linked = self.link(now, dialect, self.place(ticket), from)?;
                let asks = matches!(dialect.liveness, Liveness::Probes { .. });
                self.timeline.linked(asks);
                let patience = self.config.deadlines.dtls / HANDSHAKES;
                self.restart_at = Some(later(now, patience));
                self.state = State::Linked(Box::new(linked));
            }
            // The newest counts: a camera need not remember what it gave before. Not so the session
            // that is being left.
            Some(Incoming::Offer(Offer {
                place: Some(place), ..
            })) if ticket != Some(place.ticket) || self.session != place.session => {
                if self.left != Some(place.session) {
                    self.open_at(now, dialect, from, Some(place));
                }
            }
            // Answers to what was repeated are still on their way.
            Some(Incoming::Offer(_) | Incoming::Grant { .. }) => {}
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
            dialect.ask(
                &self.end,
                self.session,
                self.config.camera,
                &mut self.outbox,
            );
        }
        now + SETUP_REPEAT
    }

    /// Asks for a session, if it is time; says when it will be again.
    pub(super) fn drive_opening(
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
        dialect.request(
            &self.end,
            self.session,
            ticket,
            unix_seconds,
            camera,
            &mut self.outbox,
        );
        now + SETUP_REPEAT
    }

    /// From now on it is asked for a session, of the camera's naming if it names them.
    fn open_at(
        &mut self,
        now: Instant,
        dialect: &'static Dialect,
        camera: SocketAddr,
        place: Option<Place>,
    ) {
        if let Some(place) = place {
            self.session = place.session;
        }
        self.state = State::Opening {
            dialect,
            camera,
            ticket: place.map(|place| place.ticket),
            repeat_at: now,
        };
    }

    fn place(&self, ticket: Option<u16>) -> Place {
        Place {
            session: self.session,
            ticket: ticket.unwrap_or_default(),
        }
    }

    fn link(
        &mut self,
        now: Instant,
        dialect: &'static Dialect,
        place: Place,
        camera: SocketAddr,
    ) -> Result<Linked, Error> {
        let psk = self.config.credentials.psk(dialect.key);
        let mut config = dtls_psk::Config::client(psk::IDENTITY, psk)
            .with_suites(&self.suites.offered())
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
        let wrapper = Wrapper::new(dialect, Arc::clone(&self.end), place, camera);
        let requests = self.requests.take();
        // Where slices have no counter there is nothing to ask for.
        let resend = self.resend && dialect.media == MediaLayout::Slice;
        Ok(Linked {
            wrapper,
            main: Channel::new(MAIN, dtls),
            av: AvClient::new(&self.config, requests, dialect, resend, self.epoch, rng)?,
        })
    }
}
