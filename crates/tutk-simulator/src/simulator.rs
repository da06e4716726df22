//! The device's side of a session, simulated: for tests of this project's client and of
//! everybody's.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use av_login::{CameraLogin, Capabilities, User};
use hl_ioctl::commands::ConnectResult;
use hl_ioctl::{CameraExchange, ChallengeStatus};
use rand_core::CryptoRng;
use tutk_frame::{Direction, Uid};

use crate::av::{AvCamera, Context};
use crate::config::{SimulatorConfig, Spoken, connect_result};
use crate::device::{DeviceConfig, DeviceState};
use crate::event::{ClientId, LeaveReason, SimulatorEvent};
use crate::peer::Peer;
use crate::shared::Shared;
use crate::tickets::Tickets;
use tutk_session::Dialect;
use tutk_session::Error;
use tutk_session::Output;
use tutk_session::internal::IDLE;
use tutk_session::internal::Outbox;
use tutk_session::internal::{BACK, Channel, MAIN};
use tutk_session::internal::{End, Incoming, Place, Question, Request, Wrapper};
use tutk_session::{Epoch, Phase};

/// A simulated camera, without I/O. It serves many clients at once, each from the clip's first
/// frame.
///
/// The contract is the [`Client`](tutk_session::Client)'s: feed it one input, then call
/// [`poll_output`](Self::poll_output) until it says [`Output::Timeout`].
pub struct Simulator {
    shared: Shared,
    end: Arc<End>,
    tickets: Tickets,
    dialects: Vec<Spoken>,
    status: ChallengeStatus,
    result: ConnectResult,
    max_clients: usize,
    rng: Box<dyn CryptoRng + Send>,
    device: DeviceState,
    viewers: u8,
    peers: BTreeMap<ClientId, Peer>,
    deadline: Instant,
    outbox: Outbox<SimulatorEvent>,
    dropped: u64,
}

impl Simulator {
    /// A camera that listens at `listens`. All that is random is drawn from `rng`, except the key
    /// shares of DTLS, which the [`CryptoProvider`](dtls_psk::crypto::CryptoProvider) draws.
    ///
    /// # Errors
    /// [`Error::Authentication`] if the challenge's status needs a longer ENR, or K10003 does not
    /// fit into a packet; [`Error::Login`] if the ENR cannot be a password.
    pub fn new(
        config: SimulatorConfig,
        listens: SocketAddr,
        mut rng: Box<dyn CryptoRng + Send>,
        epoch: Epoch,
    ) -> Result<Self, Error> {
        let (mut cookie_secret, mut ticket_secret) = ([0; 32], [0; 32]);
        rng.fill_bytes(&mut cookie_secret);
        rng.fill_bytes(&mut ticket_secret);
        let dialects = config
            .dialects
            .iter()
            .map(|dialect| Spoken::new(dialect, &config, cookie_secret))
            .collect::<Result<Vec<_>, _>>()?;
        // Found out now, and not when the first client comes.
        for Spoken { dialect, .. } in &dialects {
            hl_ioctl::challenge_response(
                dialect.challenge,
                config.status,
                [0; 16],
                &config.credentials.enr,
            )
            .map(drop)
            .or_else(|error| match config.status.answerable() {
                Ok(()) => Err(Error::Authentication(error)),
                Err(_) => Ok(()),
            })?;
        }
        let result = connect_result(&config)?;
        let listens = match listens {
            SocketAddr::V4(address) if !address.ip().is_unspecified() => Some(address),
            _ => None,
        };
        Ok(Self {
            device: DeviceState::new(DeviceConfig {
                model: config.model,
                fps: config.clip.fps().into(),
                ..DeviceConfig::default()
            }),
            viewers: 0,
            end: Arc::new(End::new(
                Direction::ToCamera,
                config.credentials.uid,
                Some(config.credentials.auth_key),
            )),
            tickets: Tickets::new(&ticket_secret),
            result,
            shared: Shared {
                epoch,
                enr: config.credentials.enr,
                mac: config.credentials.mac,
                clip: config.clip,
                sound: config.sound,
                speaker: config.speaker,
                resend: config.resend,
                stamps: config.stamps,
                frames: config.frames,
                idle: config.idle,
                trace_slices: config.trace_slices,
                listens,
            },
            dialects,
            status: config.status,
            max_clients: config.max_clients.max(1),
            rng,
            peers: BTreeMap::new(),
            deadline: epoch.instant + IDLE,
            outbox: Outbox::default(),
            dropped: 0,
        })
    }

    /// Takes a datagram that came from `from`; it is decrypted in place. Poll afterwards. What
    /// makes no sense is dropped and counted.
    pub fn handle_datagram(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        let spoken = self
            .dialects
            .iter()
            .position(|spoken| spoken.dialect.recognises(datagram));
        let Some((at, dialect)) = spoken.and_then(|at| Some((at, self.dialects.get(at)?.dialect)))
        else {
            self.dropped += 1;
            return;
        };
        match dialect.open(&self.end, datagram) {
            Some(Incoming::Question(question)) => self.handle_question(dialect, from, &question),
            // Not answered (wire.md section 4).
            Some(Incoming::Notice { uid }) if self.is_meant(uid) => {}
            Some(Incoming::Request(request)) => self.handle_request(now, at, from, &request),
            // Nothing is done with it: it may be a replay, and heartbeats, which cannot, say the
            // same.
            Some(Incoming::KeepaliveAnswer { session }) => {
                let client = ClientId {
                    address: from,
                    session,
                };
                self.dropped += u64::from(!self.peers.contains_key(&client));
            }
            Some(Incoming::Data {
                session,
                channel: channel @ (MAIN | BACK),
                records,
            }) => {
                let client = ClientId {
                    address: from,
                    session,
                };
                let records = datagram.get_mut(records).unwrap_or_default();
                self.handle_data(now, client, dialect, channel, records);
            }
            _ => self.dropped += 1,
        }
        self.schedule(now);
    }

    /// Does what is due at `now`. Poll afterwards. Calling it early does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
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

    /// Tells every client that the camera goes. Poll afterwards.
    pub fn close(&mut self, now: Instant) {
        while let Some(&client) = self.peers.keys().next() {
            self.remove(client, LeaveReason::CameraClosed);
        }
        self.schedule(now);
    }

    /// What to do next: to be called again until it says [`Output::Timeout`].
    pub fn poll_output(&mut self) -> Output<'_, SimulatorEvent> {
        let deadline = self.deadline;
        self.outbox.poll().unwrap_or(Output::Timeout(deadline))
    }

    /// The clients that have a session now.
    pub fn clients(&self) -> impl Iterator<Item = ClientId> {
        self.peers.keys().copied()
    }

    /// Datagrams that were dropped because they made no sense or belong to no session, or because
    /// the owner did not poll.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped + self.outbox.overflowed()
    }

    fn is_meant(&self, uid: Uid) -> bool {
        uid == self.end.uid() || uid == Uid::default()
    }

    /// Where the AuthKey is only said, a wrong one is answered too. Whether real cameras look at it
    /// is not known; to be silent here would make a wrong ENR look like a camera that is not there.
    fn handle_question(
        &mut self,
        dialect: &'static Dialect,
        from: SocketAddr,
        question: &Question,
    ) {
        if !self.is_meant(question.uid) {
            self.dropped += 1;
            return;
        }
        let place = self.tickets.place(from, question.session);
        dialect.offer(
            &self.end,
            question,
            place,
            self.shared.listens,
            from,
            &mut self.outbox,
        );
    }

    fn handle_request(&mut self, now: Instant, spoken: usize, from: SocketAddr, request: &Request) {
        let client = ClientId {
            address: from,
            session: request.session,
        };
        let given = self.tickets.ticket(from, request.session);
        let welcome =
            request.uid == self.end.uid() && request.ticket.is_none_or(|ticket| ticket == given);
        if !welcome || !self.admit(now, client, spoken) {
            self.dropped += 1;
            return;
        }
        let Some(Spoken { dialect, .. }) = self.dialects.get(spoken) else {
            return;
        };
        dialect.grant(&self.end, request, from, &mut self.outbox);
    }

    /// Makes sure that the client has a session. `false` if it cannot have one.
    fn admit(&mut self, now: Instant, client: ClientId, spoken: usize) -> bool {
        if let Some(peer) = self.peers.get(&client) {
            return self
                .dialects
                .get(spoken)
                .is_some_and(|spoken| spoken.dialect == peer.dialect());
        }
        if self.peers.len() >= self.max_clients {
            let unproven = self
                .peers
                .values()
                .filter(|peer| peer.phase() <= Phase::Dtls)
                .min_by_key(|peer| (peer.has_begun(), peer.heard()))
                .map(Peer::id);
            match unproven {
                Some(oldest) => self.remove(oldest, LeaveReason::Evicted),
                None => return false,
            }
        }
        let Some(spoken) = self.dialects.get(spoken) else {
            return false;
        };
        let dialect = spoken.dialect;
        let made = make_peer(
            spoken,
            Wrapper::new(
                dialect,
                Arc::clone(&self.end),
                Place {
                    session: client.session,
                    ticket: self.tickets.ticket(client.address, client.session),
                },
                client.address,
            ),
            &self.shared,
            self.status,
            &self.result,
            &mut *self.rng,
            now,
        );
        match made {
            Ok(peer) => {
                self.peers.insert(client, peer);
                self.outbox
                    .event(SimulatorEvent::Joined { client, dialect });
                true
            }
            Err(error) => {
                tracing::error!(%error, "no session");
                false
            }
        }
    }

    fn handle_data(
        &mut self,
        now: Instant,
        client: ClientId,
        dialect: &'static Dialect,
        channel: u8,
        records: &mut [u8],
    ) {
        let Some(peer) = self.peers.get_mut(&client) else {
            self.dropped += 1;
            return;
        };
        if peer.dialect() != dialect {
            self.dropped += 1;
            return;
        }
        let mut context = Context {
            shared: &self.shared,
            device: &mut self.device,
            viewers: self.viewers,
            rng: &mut *self.rng,
        };
        let handled = match channel {
            BACK => {
                peer.handle_sound(now, records, &mut self.outbox);
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
            rng: &mut *self.rng,
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

    fn schedule(&mut self, now: Instant) {
        let viewers = self
            .peers
            .values()
            .filter(|peer| peer.phase() == Phase::Stream)
            .count();
        self.viewers = u8::try_from(viewers).unwrap_or(u8::MAX);
        let next = self.peers.values().map(Peer::deadline).min();
        self.deadline = next.unwrap_or(now + IDLE);
    }
}

fn make_peer(
    spoken: &Spoken,
    wrapper: Wrapper,
    shared: &Shared,
    status: ChallengeStatus,
    result: &ConnectResult,
    rng: &mut dyn CryptoRng,
    now: Instant,
) -> Result<Peer, Error> {
    let dialect = spoken.dialect;
    let client = ClientId {
        address: wrapper.remote,
        session: wrapper.session(),
    };
    let dtls_failed = |source| Error::Dtls {
        phase: Phase::Dtls,
        source,
    };
    let address = client.address.to_string();
    let dtls = dtls_psk::Connection::server(Arc::clone(&spoken.dtls), address.as_bytes(), rng, now)
        .map_err(dtls_failed)?;
    let login = CameraLogin::new(av_login::CameraConfig {
        user: User::admin(),
        password: spoken.password.clone(),
        two_way_audio: shared.speaker,
        capabilities: Capabilities::WYZE_SDK,
    });
    let mut challenge = [0; 16];
    rng.fill_bytes(&mut challenge);
    let exchange = CameraExchange::new(hl_ioctl::CameraConfig {
        rule: dialect.challenge,
        enr: shared.enr.clone(),
        status,
        challenge,
        acknowledgement: dialect.acknowledgement,
        result: result.clone(),
    })
    .map_err(Error::Authentication)?;
    let av = AvCamera::new(dialect, login, exchange);
    let main = Channel::new(MAIN, dtls);
    let call = Arc::clone(&spoken.call);
    Ok(Peer::new(client, wrapper, main, av, call, now))
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator")
            .field("uid", &self.end.uid())
            .field("clients", &self.peers.len())
            .finish_non_exhaustive()
    }
}
