//! Sound from a client (wire.md section 11): the camera calls back, on a channel of its own.
//!
//! ```text
//!  K10010 (3, 1) ──► handshake ──Finished──► login ──00 21──► open ──03 09──► heard
//! ```

use std::sync::Arc;
use std::time::{Duration, Instant};

use av_login::{ClientEvent, ClientLogin, ClientOutput, Nonce, Password, User};
use bytes::Bytes;
use dtls_psk::{CipherSuite, Connection};
use rand_core::CryptoRng;
use tutk_frame::TalkPacket;

use crate::event::{ClientId, Heard, SimulatorEvent};
use tutk_session::Dialect;
use tutk_session::internal::Outbox;
use tutk_session::internal::REPEAT;
use tutk_session::internal::Wrapper;
use tutk_session::internal::{BACK, Channel};
use tutk_session::psk;

/// What a camera needs to call a client back, in one dialect.
#[derive(Debug)]
pub(crate) struct Call {
    dialect: &'static Dialect,
    dtls: Arc<dtls_psk::Config>,
    password: Password,
}

/// One client's sound to the camera.
#[derive(Debug)]
pub(crate) struct Ear {
    channel: Channel,
    login: ClientLogin,
    /// When the login is repeated; none before the handshake is done and after it is answered.
    repeat_at: Option<Instant>,
    open: bool,
    /// AV packets that were dropped because they made no sense.
    unknown: u64,
}

impl Call {
    /// `configure` does to a DTLS configuration what the camera does to all of them.
    pub(crate) fn new(
        dialect: &'static Dialect,
        psk: dtls_psk::Psk,
        password: Password,
        configure: impl FnOnce(dtls_psk::Config) -> dtls_psk::Config,
    ) -> Self {
        // Which identity real cameras give here is not known: that of the main channel.
        let dtls = dtls_psk::Config::client(psk::IDENTITY, psk)
            .with_suites(&[CipherSuite::PskAes128CbcSha256]);
        Self {
            dialect,
            dtls: Arc::new(configure(dtls)),
            password,
        }
    }

    /// Calls.
    pub(crate) fn begin(
        &self,
        rng: &mut dyn CryptoRng,
        now: Instant,
    ) -> Result<Ear, dtls_psk::Error> {
        let mut nonce = [0; 4];
        rng.fill_bytes(&mut nonce);
        Ok(Ear {
            channel: Channel::new(BACK, Connection::client(Arc::clone(&self.dtls), rng, now)?),
            login: ClientLogin::new(
                self.dialect.login,
                User::admin(),
                self.password.clone(),
                false,
                Nonce(nonce),
            ),
            repeat_at: None,
            open: false,
            unknown: 0,
        })
    }
}

impl Ear {
    /// Takes the records of one datagram of the channel, and tells what is heard.
    pub(crate) fn handle_records(
        &mut self,
        now: Instant,
        client: ClientId,
        records: &mut [u8],
        outbox: &mut Outbox<SimulatorEvent>,
    ) -> Result<(), dtls_psk::Error> {
        let Self {
            channel,
            login,
            open,
            unknown,
            ..
        } = self;
        channel.open(now, records, |packet| match TalkPacket::parse(packet) {
            // Before it has let the camera in a client has nothing to say.
            Ok(talk) if *open => outbox.event(SimulatorEvent::Heard {
                client,
                sound: Heard {
                    frame: talk.frame,
                    codec: talk.codec,
                    flags: talk.flags,
                    timestamp: Duration::from_millis(talk.millis.into()),
                    // The packet is borrowed from the datagram, the event outlives it.
                    data: Bytes::copy_from_slice(talk.audio),
                },
            }),
            Ok(_) => *unknown += 1,
            Err(_) => {
                let malformed = login.stats().malformed;
                login.handle_packet(packet);
                *unknown += login.stats().malformed - malformed;
            }
        })
    }

    /// Does all that can be done now; when to come back. `Err` when it is over.
    pub(crate) fn drive(
        &mut self,
        now: Instant,
        client: ClientId,
        wrapper: &mut Wrapper,
        outbox: &mut Outbox<SimulatorEvent>,
    ) -> Result<Instant, Option<dtls_psk::Error>> {
        let Self {
            channel,
            login,
            repeat_at,
            open,
            ..
        } = self;
        let timed_out = channel.dtls.handle_timeout(now);
        let (mut connected, mut closed) = (false, false);
        let deadline = channel.flush(wrapper, outbox, |outbox, event| match event {
            dtls_psk::Event::Connected(_) => connected = true,
            dtls_psk::Event::KeyLog(line) => outbox.event(SimulatorEvent::KeyLog { client, line }),
            dtls_psk::Event::Closed => closed = true,
            _ => {}
        });
        timed_out.map_err(Some)?;
        if closed {
            return Err(None);
        }
        if connected || repeat_at.is_some_and(|at| at <= now) {
            login.send();
            *repeat_at = Some(now + REPEAT);
        }
        while let Some(output) = login.poll_output() {
            match output {
                ClientOutput::Transmit(packet) => {
                    let write = |out: &mut Vec<u8>| {
                        out.extend_from_slice(packet);
                        true
                    };
                    channel.send(wrapper, outbox, write).map_err(Some)?;
                }
                ClientOutput::Event(ClientEvent::LoggedIn(_)) => {
                    *repeat_at = None;
                    *open = true;
                    outbox.event(SimulatorEvent::TalkBegan { client });
                }
                ClientOutput::Event(ClientEvent::Refused(_)) => return Err(None),
            }
        }
        Ok(repeat_at.map_or(deadline, |at| at.min(deadline)))
    }

    /// Hangs up.
    pub(crate) fn close(
        &mut self,
        client: ClientId,
        wrapper: &mut Wrapper,
        outbox: &mut Outbox<SimulatorEvent>,
    ) {
        self.channel.dtls.close();
        self.channel.flush(wrapper, outbox, |_, _| {});
        if self.open {
            outbox.event(SimulatorEvent::TalkEnded { client });
        }
    }

    /// Packets that were dropped: of DTLS and of what is inside.
    pub(crate) fn dropped(&self) -> u64 {
        self.unknown + self.channel.dropped()
    }
}
