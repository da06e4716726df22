//! Audio from a client (docs/protocol.md, section 16). Here the camera is the DTLS client, on a
//! channel of its own.
//!
//! ```text
//!  K10010 (3, 1) ──► handshake ──Finished──► login ──00 21──► open ──03 09──► received
//! ```

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use av_login::{ClientEvent, ClientLogin, ClientOutput, LoginLayout, Nonce, Password, User};
use bytes::Bytes;
use dtls_psk::{CipherSuite, Connection};
use rand::RngExt as _;
use rand::rngs::StdRng;
use tutk_frame::TalkPacket;
use tutk_session::internal::{BACKCHANNEL, Channel, Outbox, REPEAT_INTERVAL, Wrapper};
use tutk_time::Instant;

use crate::event::{ClientId, ReceivedAudio, SimulatorEvent};

/// The configuration of all backchannels in one dialect.
#[derive(Debug)]
pub(crate) struct BackchannelConfig {
    layout: LoginLayout,
    dtls: Arc<dtls_psk::Config>,
    password: Password,
}

/// The backchannel to one client.
#[derive(Debug)]
pub(crate) struct Backchannel {
    channel: Channel,
    login: ClientLogin,
    /// When the login is repeated; `None` before the handshake is complete and after the answer.
    repeat_at: Option<Instant>,
    open: bool,
    /// Dropped AV packets that cannot be parsed or came before the login.
    unknown: u64,
}

impl BackchannelConfig {
    pub(crate) fn new(layout: LoginLayout, dtls: dtls_psk::Config, password: Password) -> Self {
        Self {
            layout,
            dtls: Arc::new(dtls.with_suites(&[CipherSuite::PskAes128CbcSha256])),
            password,
        }
    }

    /// Starts to open a backchannel.
    pub(crate) fn open(
        &self,
        rng: &mut StdRng,
        now: Instant,
    ) -> Result<Backchannel, dtls_psk::Error> {
        Ok(Backchannel {
            channel: Channel::new(
                BACKCHANNEL,
                Connection::client(Arc::clone(&self.dtls), rng.random(), now)?,
            ),
            login: ClientLogin::new(
                self.layout,
                User::admin(),
                self.password.clone(),
                false,
                Nonce(rng.random()),
            ),
            repeat_at: None,
            open: false,
            unknown: 0,
        })
    }
}

impl Backchannel {
    /// Handles the DTLS records of one datagram.
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
            Ok(talk) if *open => outbox.event(SimulatorEvent::AudioReceived {
                client,
                frame: ReceivedAudio {
                    frame: talk.frame,
                    codec: talk.codec,
                    flags: talk.flags,
                    timestamp: Duration::from_millis(talk.millis.into()),
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

    /// Does what is due at `now` and returns the next deadline. Fails if the channel has ended.
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
            *repeat_at = Some(now + REPEAT_INTERVAL);
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
                    outbox.event(SimulatorEvent::TalkStarted { client });
                }
                ClientOutput::Event(ClientEvent::Refused(_)) => return Err(None),
            }
        }
        Ok(repeat_at.map_or(deadline, |at| at.min(deadline)))
    }

    /// Closes the channel.
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

    /// Returns the number of dropped DTLS records and AV packets.
    pub(crate) fn dropped(&self) -> u64 {
        self.unknown + self.channel.dropped()
    }
}
