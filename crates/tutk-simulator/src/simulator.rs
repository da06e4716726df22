//! The simulated camera.

use alloc::collections::BTreeMap;
use alloc::string::ToString as _;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;

use av_login::{CameraLogin, User};
use hl_ioctl::commands::ConnectResult;
use hl_ioctl::{CameraExchange, UserRule};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tutk_frame::{Direction, Uid};
use tutk_session::internal::{
    AssignedSession, BACKCHANNEL, Channel, DiscoveryQuery, IDLE_TIMEOUT, Incoming, MAIN_CHANNEL,
    Outbox, SessionQuery, Side, Wrapper,
};
use tutk_session::models::Model;
use tutk_session::{Dialect, Epoch, Error, Output, Phase, Transmit};
use tutk_time::Instant;

use crate::av::AvCamera;
use crate::config::{DialectSetup, SimulatorConfig};
use crate::connect_result::connect_result;
use crate::context::{Context, Shared};
use crate::deviations;
use crate::device::DeviceState;
use crate::early::{Deferred, EarlyFilter, ends_handshake};
use crate::event::{ClientId, LeaveReason, SimulatorEvent};
use crate::impairment::{Datagram, Network};
use crate::outgoing::Outgoing;
use crate::peer::Peer;
use crate::session_ids::SessionIds;

/// A simulated camera without I/O. It serves many clients at once, each from the clip's first
/// frame.
///
/// It has the [contract of all state machines](tutk_session#how-to-drive-it): feed it one input,
/// then call [`poll_output`](Self::poll_output) until it returns [`Output::Timeout`].
pub struct Simulator {
    shared: Shared,
    side: Arc<Side>,
    session_ids: SessionIds,
    early: EarlyFilter,
    dialects: Vec<Arc<DialectSetup>>,
    result: ConnectResult,
    rng: StdRng,
    device: DeviceState,
    /// The number of authenticated clients.
    viewers: u8,
    peers: BTreeMap<ClientId, Peer>,
    /// The time of the newest input.
    now: Instant,
    deadline: Instant,
    outbox: Outbox<SimulatorEvent>,
    /// `None` if datagrams leave as they are.
    outgoing: Option<Outgoing>,
    /// `None` without an impairment and without changes of datagrams.
    network: Option<Network>,
    dropped: u64,
}

impl Simulator {
    /// A camera that listens at `listens`.
    ///
    /// `seed` must be 32 random bytes that are used for nothing else: all secrets are derived from
    /// it. Two cameras with the same seed, configuration and input have the same output.
    ///
    /// # Errors
    /// [`Error::Authentication`] if the challenge's status needs a longer ENR, or K10003 does not
    /// fit into a packet; [`Error::Login`] if the ENR cannot be a password.
    pub fn new(
        config: SimulatorConfig,
        listens: SocketAddr,
        seed: [u8; 32],
        epoch: Epoch,
    ) -> Result<Self, Error> {
        let mut rng = StdRng::from_seed(seed);
        let [cookie_secret, session_secret] = rng.random();
        let dialects = config
            .dialects
            .iter()
            .map(|dialect| DialectSetup::new(dialect, &config, cookie_secret).map(Arc::new))
            .collect::<Result<Vec<_>, _>>()?;
        // An invalid configuration fails here, not when the first client connects.
        for setup in &dialects {
            hl_ioctl::challenge_response(
                setup.dialect.challenge,
                config.personality.status,
                [0; 16],
                &config.credentials.challenge_enr(),
            )
            .map(drop)
            .or_else(|error| match config.personality.status.answerable() {
                Ok(()) => Err(Error::Authentication(error)),
                Err(_) => Ok(()),
            })?;
        }
        let result = connect_result(&config)?;
        let listens = match listens {
            SocketAddr::V4(address) if !address.ip().is_unspecified() => Some(address),
            _ => None,
        };
        let outgoing = Outgoing::new(&config);
        Ok(Self {
            device: DeviceState::new(config.device()),
            viewers: 0,
            side: Arc::new(Side::new(
                Direction::ToCamera,
                config.credentials.uid,
                Some(config.credentials.auth_key.clone()),
            )),
            session_ids: SessionIds::new(&session_secret),
            early: EarlyFilter::new(config.personality.early_packets),
            result,
            dialects,
            rng,
            peers: BTreeMap::new(),
            now: epoch.instant,
            deadline: epoch.instant + IDLE_TIMEOUT,
            outbox: Outbox::default(),
            network: Network::new(&config.impairment, outgoing.is_some()),
            outgoing,
            shared: Shared {
                config,
                epoch,
                listens,
            },
            dropped: 0,
        })
    }

    /// A datagram arrived from `from`. It is decrypted in place. Invalid datagrams are dropped and
    /// counted.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        if !self.shared.config.personality.answers {
            return;
        }
        let mut dialects = self.dialects.iter();
        let recognised = dialects.find(|setup| setup.dialect.recognises(datagram));
        let Some(setup) = recognised else {
            self.dropped += 1;
            return;
        };
        setup.dialect.descramble(datagram);
        // A simulated camera accepts only what docs/protocol.md has.
        match setup.dialect.parse_exact(&self.side, datagram) {
            Some(Incoming::DiscoveryRequest(query)) => {
                let setup = Arc::clone(setup);
                if self.early.is_on() {
                    let client = ClientId {
                        address: from,
                        session: query.session,
                    };
                    self.early.defer(Deferred::Discovery(setup, client, query));
                } else {
                    self.handle_discovery_request(&setup.dialect, from, &query);
                }
            }
            // Not answered (docs/protocol.md, section 7).
            Some(Incoming::DiscoveryStage2 { uid }) if self.is_addressed(uid) => {}
            Some(Incoming::SessionRequest(request)) => {
                let setup = Arc::clone(setup);
                self.handle_session_request(now, &setup, from, &request)
            }
            // It does not prolong the session, because it may be replayed. Authentic heartbeats do.
            Some(Incoming::KeepaliveAnswer { session }) => {
                let client = ClientId {
                    address: from,
                    session,
                };
                match self.peers.get_mut(&client) {
                    Some(peer) if self.shared.config.personality.answers_keepalives => {
                        peer.answer_keepalive(&mut self.outbox);
                    }
                    Some(_) => {}
                    None => self.dropped += 1,
                }
            }
            Some(Incoming::Close { session }) => {
                let client = ClientId {
                    address: from,
                    session,
                };
                self.remove(client, LeaveReason::Closed);
            }
            Some(Incoming::Data {
                session,
                channel: channel @ (MAIN_CHANNEL | BACKCHANNEL),
                records,
            }) => {
                let client = ClientId {
                    address: from,
                    session,
                };
                let has_session = |peer: &Peer| *peer.dialect() == setup.dialect;
                if self.peers.get(&client).is_some_and(has_session) {
                    let records = datagram.get_mut(records).unwrap_or_default();
                    self.handle_data(now, client, channel, records);
                } else {
                    self.dropped += 1;
                }
            }
            _ => self.dropped += 1,
        }
        self.schedule(now);
    }

    /// Does what is due at `now`. An early call does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(deferred) = self.early.take() {
            match deferred {
                Deferred::Discovery(setup, client, query) => {
                    self.handle_discovery_request(&setup.dialect, client.address, &query);
                }
                Deferred::Handshake(client, mut records) => {
                    self.handle_records(now, client, MAIN_CHANNEL, &mut records);
                }
            }
        }
        let due: Vec<ClientId> = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.deadline() <= now)
            .map(|(&client, _)| client)
            .collect();
        for client in due {
            self.drive(now, client);
        }
        self.schedule(now);
    }

    /// Closes all sessions. Each ends with [`SimulatorEvent::Left`]. Poll afterwards.
    pub fn close(&mut self, now: Instant) {
        while let Some(&client) = self.peers.keys().next() {
            self.remove(client, LeaveReason::CameraClosed);
        }
        self.schedule(now);
    }

    /// Returns the next output. Call again until it returns [`Output::Timeout`].
    pub fn poll_output(&mut self) -> Output<'_, SimulatorEvent> {
        let Some(network) = &mut self.network else {
            let deadline = self.deadline;
            return self.outbox.poll().unwrap_or(Output::Timeout(deadline));
        };
        while let Some(output) = self.outbox.poll() {
            match output {
                Output::Transmit(Transmit { to, payload, .. }) => {
                    let mut payload = payload.to_vec();
                    let port = match &self.outgoing {
                        Some(outgoing) => outgoing.change(&mut payload),
                        None => 0,
                    };
                    network.send(self.now, Datagram { to, payload, port });
                }
                Output::Event(event) => return Output::Event(event),
                Output::Timeout(_) => {}
            }
        }
        let arrival = network.next_arrival();
        match network.arrived(self.now) {
            Some(&Datagram {
                to,
                ref payload,
                port,
            }) => Output::Transmit(Transmit { to, payload, port }),
            None => Output::Timeout(arrival.map_or(self.deadline, |at| at.min(self.deadline))),
        }
    }

    /// Returns `true` while datagrams are in transit through the network of the
    /// [`Impairment`](crate::Impairment), also after [`close`](Self::close).
    #[must_use]
    pub fn is_sending(&self) -> bool {
        let arrival = self.network.as_ref().and_then(Network::next_arrival);
        arrival.is_some()
    }

    /// Returns the clients that have a session.
    pub fn clients(&self) -> impl Iterator<Item = ClientId> {
        self.peers.keys().copied()
    }

    /// Returns the number of datagrams that were dropped because they are invalid or belong to no
    /// session, or because the owner did not poll.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped + self.outbox.overflowed()
    }

    fn is_addressed(&self, uid: Uid) -> bool {
        uid == self.side.uid() || uid == Uid::default()
    }

    /// A request with a wrong AuthKey is not answered (docs/protocol.md, section 7). One without an
    /// AuthKey is.
    fn handle_discovery_request(
        &mut self,
        dialect: &Dialect,
        from: SocketAddr,
        query: &DiscoveryQuery,
    ) {
        if !self.is_addressed(query.uid) || !query.key_matches {
            self.dropped += 1;
            return;
        }
        let assigned = self.session_ids.assign(from, query.session);
        dialect.send_discovery_answer(
            &self.side,
            query,
            assigned,
            self.shared.listens,
            from,
            &mut self.outbox,
        );
    }

    fn handle_session_request(
        &mut self,
        now: Instant,
        setup: &Arc<DialectSetup>,
        from: SocketAddr,
        request: &SessionQuery,
    ) {
        let client = ClientId {
            address: from,
            session: request.session,
        };
        let expected = self.session_ids.ticket(from, request.session);
        let valid = request.uid == self.side.uid()
            && request.ticket.is_none_or(|ticket| ticket == expected)
            && !self.early.refuses_session(client);
        if !valid || !self.admit(now, client, setup) {
            self.dropped += 1;
            return;
        }
        (setup.dialect).send_session_answer(&self.side, request, from, &mut self.outbox);
    }

    /// Gives the client a session, unless it has one. Returns `false` if that is not possible.
    fn admit(&mut self, now: Instant, client: ClientId, setup: &Arc<DialectSetup>) -> bool {
        if let Some(peer) = self.peers.get(&client) {
            return setup.dialect == *peer.dialect();
        }
        if self.peers.len() >= self.shared.config.personality.max_clients.max(1) {
            let unauthenticated = self
                .peers
                .values()
                .filter(|peer| peer.phase() <= Phase::Dtls)
                .min_by_key(|peer| (peer.has_started(), peer.last_received()))
                .map(Peer::id);
            match unauthenticated {
                Some(oldest) => self.remove(oldest, LeaveReason::Evicted),
                None => return false,
            }
        }
        match self.make_peer(now, client, setup) {
            Ok(peer) => {
                self.peers.insert(client, peer);
                let dialect = Arc::clone(&setup.dialect);
                self.outbox
                    .event(SimulatorEvent::Joined { client, dialect });
                true
            }
            Err(error) => {
                tracing::error!(%error, "cannot make a session");
                false
            }
        }
    }

    fn make_peer(
        &mut self,
        now: Instant,
        client: ClientId,
        setup: &Arc<DialectSetup>,
    ) -> Result<Peer, Error> {
        let dialect = &setup.dialect;
        let assigned = AssignedSession {
            session: client.session,
            ticket: self.session_ids.ticket(client.address, client.session),
        };
        let side = Arc::clone(&self.side);
        let wrapper = Wrapper::new(Arc::clone(dialect), side, assigned, client.address);
        let dtls = Arc::clone(&setup.dtls);
        let address = client.address.to_string();
        let dtls = dtls_psk::Connection::server(dtls, address.as_bytes(), self.rng.random(), now);
        let dtls = dtls.map_err(|source| Error::Dtls {
            phase: Phase::Dtls,
            source,
        })?;
        let mut login = av_login::CameraConfig::new(User::admin(), setup.password.clone());
        login.two_way_audio = self.shared.config.speaker;
        let login = CameraLogin::new(login);
        let challenge = self.rng.random();
        let enr = self.shared.config.credentials.challenge_enr();
        let mut exchange = hl_ioctl::CameraConfig::new(enr, challenge);
        exchange.rule = dialect.challenge;
        exchange.status = self.shared.config.personality.status;
        exchange.acknowledgement = dialect.acknowledgement;
        exchange.result = self.result.clone();
        exchange.user_rule = (self.device.model().and_then(Model::find))
            .map_or(UserRule::ALL, |model| model.user_rule);
        let exchange = CameraExchange::new(exchange).map_err(Error::Authentication)?;
        let av = AvCamera::new(Arc::clone(dialect), login, exchange);
        let main = Channel::new(MAIN_CHANNEL, dtls);
        Ok(Peer::new(client, wrapper, main, av, Arc::clone(setup), now))
    }

    fn handle_data(&mut self, now: Instant, client: ClientId, channel: u8, records: &mut [u8]) {
        let Some(peer) = self.peers.get_mut(&client) else {
            return;
        };
        if deviations::is_unanswered_hello(records, &self.shared.config.personality) {
            self.dropped += 1;
            return;
        }
        if self.early.is_on()
            && channel == MAIN_CHANNEL
            && ends_handshake(peer.dtls_stage(), records)
        {
            let records = records.to_vec();
            return self.early.defer(Deferred::Handshake(client, records));
        }
        self.handle_records(now, client, channel, records);
    }

    fn handle_records(&mut self, now: Instant, client: ClientId, channel: u8, records: &mut [u8]) {
        let Some(peer) = self.peers.get_mut(&client) else {
            return;
        };
        let mut context = Context {
            shared: &self.shared,
            device: &mut self.device,
            viewers: self.viewers,
            rng: &mut self.rng,
        };
        let handled = match channel {
            BACKCHANNEL => {
                peer.handle_backchannel(now, records, &mut self.outbox);
                Ok(())
            }
            _ => peer.handle_records(now, records, &mut context),
        };
        match handled {
            Ok(()) => self.drive(now, client),
            Err(reason) => self.remove(client, reason),
        }
    }

    fn drive(&mut self, now: Instant, client: ClientId) {
        let Some(peer) = self.peers.get_mut(&client) else {
            return;
        };
        let mut context = Context {
            shared: &self.shared,
            device: &mut self.device,
            viewers: self.viewers,
            rng: &mut self.rng,
        };
        if let Err(reason) = peer.drive(now, &mut context, &mut self.outbox) {
            self.remove(client, reason);
        }
    }

    fn remove(&mut self, client: ClientId, reason: LeaveReason) {
        if let Some(mut peer) = self.peers.remove(&client) {
            peer.close(&mut self.outbox);
            self.outbox.event(SimulatorEvent::Left {
                client,
                reason,
                dropped: peer.dropped(),
            });
        }
    }

    /// Updates the number of viewers and the deadline after an input.
    fn schedule(&mut self, now: Instant) {
        self.now = now;
        let viewers = self
            .peers
            .values()
            .filter(|peer| peer.phase() == Phase::Stream)
            .count();
        self.viewers = u8::try_from(viewers).unwrap_or(u8::MAX);
        let next = self.peers.values().map(Peer::deadline).min();
        self.deadline = match self.early.is_due() {
            true => now,
            false => next.unwrap_or(now + IDLE_TIMEOUT),
        };
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("uid", &self.side.uid())
            .field("clients", &self.peers.len())
            .finish_non_exhaustive()
    }
}
