//! Sound to the camera (wire.md section 11). Here the camera is the DTLS client.
//!
//! ```text
//!       K10010 (3, 1) ►           ◄ DTLS, channel 1           ◄ 00 00, 00 20          K10010 (3, 2) ►
//!  Off ────────────────► Opening ───────────────────► Opening ───────────────► Open ─────────────────► Closing ──► Off
//!         ◄ K10011                                      00 21 ►      03 09 ►           ◄ K10011
//! ```

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use av_login::{ANSWER_LEN, LoginAnswer};
use dtls_psk::{CipherSuite, Connection};
use hl_ioctl::Request;
use hl_ioctl::commands::{Media, MediaControl, SetAnswer, Switch};
use tutk_frame::{AudioFlags, Codec, TalkPacket};

use super::requests::Asker;
use super::{Client, Linked, State};
use crate::channel::{BACK, Channel};
use crate::event::{Event, TalkEvent};
use crate::output::Outbox;
use crate::phase::later;
use crate::wire::Wrapper;

/// The most answers to the camera's logins that wait to be sent. It repeats what is not answered.
const MAX_ANSWERS: usize = 4;

/// One frame of sound for the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TalkFrame<'a> {
    /// The codec: the one that the camera itself sends.
    pub codec: Codec,
    /// Rate, sample width and channels: those that the camera itself sends.
    pub flags: AudioFlags,
    /// When its first sample is to be heard, from any beginning.
    pub timestamp: Duration,
    /// The encoded frame.
    pub data: &'a [u8],
}

/// Why sound does not get to the camera.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TalkError {
    /// The camera does not listen, or not yet: [`TalkEvent::Ready`] has not come.
    #[error("the camera does not listen yet")]
    NotReady,
    /// Nothing came to K10010.
    #[error("the camera did not answer K10010 (return audio on)")]
    Unanswered,
    /// The camera answered K10010, and not that it is done.
    #[error("the camera refused K10010 (return audio on): {0:#04x}")]
    Refused(u8),
    /// The camera never opened its channel, or never finished to.
    #[error(
        "the camera did not open its audio channel within {} s{}",
        waited.as_secs_f32(),
        if *.two_way_audio { "" } else { "; its login says that it has no speaker" }
    )]
    NotOpened {
        /// How long it was waited for.
        waited: Duration,
        /// Whether the answer to the login said that the camera takes sound.
        two_way_audio: bool,
    },
    /// The camera closed the channel.
    #[error("the camera closed its audio channel")]
    Closed,
    /// A frame that fits into no packet. Harmless.
    #[error("a frame of {got} bytes: at most {max} fit into a packet")]
    TooLong {
        /// The most that fit.
        max: usize,
        /// Bytes of the frame.
        got: usize,
    },
    /// DTLS failed.
    #[error("the audio channel: {0}")]
    Dtls(dtls_psk::Error),
}

impl Client {
    /// Asks the camera to listen, as soon as it has let us in. Poll afterwards: an [`Event::Talk`]
    /// says when it does, or why it does not. Nothing happens if that is under way already, or the
    /// session is over.
    ///
    /// The camera opens a DTLS association of its own to this side then, within
    /// [`Deadlines::talk`](crate::Deadlines::talk).
    pub fn start_talk(&mut self, now: Instant) {
        let over = matches!(self.state, State::Ended);
        if over || !self.talk.start(now, self.config.deadlines.talk) {
            return;
        }
        if !self.request(request(Switch::On), Asker::Talk) {
            self.talk.unanswered(&mut self.outbox);
        }
        self.drive(now);
    }

    /// Tells the camera that it need not listen any more, after what it was sent. Poll afterwards:
    /// [`TalkEvent::Ended`] follows. Nothing happens if it does not listen.
    pub fn stop_talk(&mut self, now: Instant) {
        if !self.talk.stop() {
            return;
        }
        if !self.request(request(Switch::Off), Asker::Talk) {
            self.talk.unanswered(&mut self.outbox);
        }
        self.drive(now);
    }

    /// Sends a frame of sound to the camera, at once: when is the caller's affair. Poll afterwards.
    ///
    /// # Errors
    /// [`TalkError::NotReady`] before [`TalkEvent::Ready`] and after [`TalkEvent::Ended`];
    /// [`TalkError::TooLong`]; [`TalkError::Dtls`], after which nothing more can be sent.
    pub fn send_talk(&mut self, frame: TalkFrame<'_>) -> Result<(), TalkError> {
        let State::Linked(linked) = &mut self.state else {
            return Err(TalkError::NotReady);
        };
        self.talk.send(frame, &mut linked.wrapper, &mut self.outbox)
    }

    /// Takes the records of one datagram of the camera's own channel.
    pub(super) fn handle_talk(&mut self, now: Instant, from: SocketAddr, records: &mut [u8]) {
        let Self {
            state: State::Linked(linked),
            config,
            rng,
            talk,
            outbox,
            ..
        } = self
        else {
            return;
        };
        let Linked { wrapper, .. } = &mut **linked;
        let serve = || {
            // The identity that cameras give here is not known: the key has to do.
            let psk = config.credentials.psk(wrapper.dialect.key);
            let mut server = dtls_psk::Config::server(move |_: &[u8]| Some(psk.clone()))
                .with_suites(&[CipherSuite::PskAes128CbcSha256])
                .with_cookie_exchange(false)
                .with_key_log(config.key_log);
            if let Some(provider) = &config.provider {
                server = server.with_provider(provider.clone());
            }
            Connection::server(Arc::new(server), b"", &mut *rng.0, now)
        };
        match talk.handle_records(now, records, serve) {
            Ok(true) => wrapper.remote = from,
            Ok(false) => {}
            Err(error) => talk.finish(Err(error), outbox),
        }
    }
}

/// The way for sound to the camera.
#[derive(Debug, Default)]
pub(super) struct Talk {
    stage: Stage,
    channel: Option<Channel>,
    answers: VecDeque<[u8; ANSWER_LEN]>,
    /// Frames sent.
    sent: u32,
    /// AV packets on this channel that were not understood.
    unknown: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Off,
    /// The camera is to open its channel and to log in, before `at`.
    Opening {
        at: Instant,
        waited: Duration,
    },
    Open,
    /// The camera is told that it is over. What it was sent before may be under way.
    Closing,
}

/// K10010 for sound to the camera.
pub(super) fn request(switch: Switch) -> Request {
    Request::from(&MediaControl {
        media: Media::ReturnAudio,
        switch,
    })
}

impl Talk {
    /// Whether the camera is to open its channel, or has: then its datagrams are welcome.
    pub(super) fn is_on(&self) -> bool {
        self.stage != Stage::Off
    }

    /// Waits for the camera, that long. `false` if that is under way already.
    pub(super) fn start(&mut self, now: Instant, waited: Duration) -> bool {
        let off = self.stage == Stage::Off;
        if off {
            *self = Self {
                stage: Stage::Opening {
                    at: later(now, waited),
                    waited,
                },
                unknown: self.unknown,
                ..Self::default()
            };
        }
        off
    }

    /// Waits for the end. `false` if there is nothing to end, or it is ended already.
    pub(super) fn stop(&mut self) -> bool {
        let on = matches!(self.stage, Stage::Opening { .. } | Stage::Open);
        if on {
            self.stage = Stage::Closing;
        }
        on
    }

    /// The camera answered a K10010 of [`request`].
    pub(super) fn answered(&mut self, answer: SetAnswer, outbox: &mut Outbox<Event>) {
        match (self.stage, answer) {
            (Stage::Closing, _) => self.finish(Ok(()), outbox),
            (Stage::Opening { .. }, SetAnswer::Other(byte)) => {
                self.finish(Err(TalkError::Refused(byte)), outbox);
            }
            _ => {}
        }
    }

    /// The camera did not answer it.
    pub(super) fn unanswered(&mut self, outbox: &mut Outbox<Event>) {
        match self.stage {
            Stage::Closing => self.finish(Ok(()), outbox),
            Stage::Opening { .. } => self.finish(Err(TalkError::Unanswered), outbox),
            Stage::Open | Stage::Off => {}
        }
    }

    /// Takes the records of one datagram of the channel; `serve` makes the association for the
    /// first one. Whether anything of it was authentic.
    pub(super) fn handle_records(
        &mut self,
        now: Instant,
        records: &mut [u8],
        serve: impl FnOnce() -> Result<Connection, dtls_psk::Error>,
    ) -> Result<bool, TalkError> {
        let channel = match &mut self.channel {
            Some(channel) => channel,
            None => {
                let dtls = serve().map_err(TalkError::Dtls)?;
                self.channel.insert(Channel::new(BACK, dtls))
            }
        };
        let mut authentic = false;
        let (answers, unknown) = (&mut self.answers, &mut self.unknown);
        let opened = channel.open(now, records, |packet| {
            authentic = true;
            match LoginAnswer::accept(packet) {
                Ok(answer) if answers.len() < MAX_ANSWERS => answers.push_back(answer.to_bytes()),
                Ok(_) => {}
                Err(_) => *unknown += 1,
            }
        });
        self.settle(opened).map(|()| authentic)
    }

    pub(super) fn handle_timeout(
        &mut self,
        now: Instant,
        two_way_audio: bool,
        outbox: &mut Outbox<Event>,
    ) {
        let timed_out = match &mut self.channel {
            Some(channel) => channel.dtls.handle_timeout(now),
            None => Ok(()),
        };
        if let Err(error) = self.settle(timed_out) {
            return self.finish(Err(error), outbox);
        }
        if let Stage::Opening { at, waited } = self.stage
            && at <= now
        {
            let not_opened = TalkError::NotOpened {
                waited,
                two_way_audio,
            };
            self.finish(Err(not_opened), outbox);
        }
    }

    /// Sends what waits. When to come back.
    pub(super) fn drive(
        &mut self,
        wrapper: &mut Wrapper,
        outbox: &mut Outbox<Event>,
    ) -> Option<Instant> {
        let waits = match self.stage {
            Stage::Opening { at, .. } => Some(at),
            _ => None,
        };
        let Some(channel) = &mut self.channel else {
            return waits;
        };
        let mut closed = false;
        let deadline = channel.flush(wrapper, outbox, |outbox, event| match event {
            dtls_psk::Event::KeyLog(line) => outbox.event(Event::KeyLog(line)),
            dtls_psk::Event::Closed => closed = true,
            _ => {}
        });
        while channel.dtls.is_connected()
            && let Some(answer) = self.answers.pop_front()
        {
            let sent = channel.send(wrapper, outbox, |out| {
                out.extend_from_slice(&answer);
                true
            });
            if let Err(error) = sent {
                self.finish(Err(TalkError::Dtls(error)), outbox);
                return None;
            }
            if matches!(self.stage, Stage::Opening { .. }) {
                self.stage = Stage::Open;
                outbox.event(Event::Talk(TalkEvent::Ready));
            }
        }
        if !self.is_on() {
            // Its last words are out.
            self.channel = None;
            return None;
        }
        if closed {
            let over = match self.stage {
                Stage::Closing => Ok(()),
                _ => Err(TalkError::Closed),
            };
            self.finish(over, outbox);
            return None;
        }
        waits.into_iter().chain([deadline]).min()
    }

    /// Sends a frame.
    pub(super) fn send(
        &mut self,
        frame: TalkFrame<'_>,
        wrapper: &mut Wrapper,
        outbox: &mut Outbox<Event>,
    ) -> Result<(), TalkError> {
        let Some(channel) = self.channel.as_mut().filter(|_| self.stage == Stage::Open) else {
            return Err(TalkError::NotReady);
        };
        let max = channel
            .dtls
            .max_payload()
            .saturating_sub(TalkPacket::OVERHEAD);
        if frame.data.len() > max {
            return Err(TalkError::TooLong {
                max,
                got: frame.data.len(),
            });
        }
        let previous_frame = self.sent;
        self.sent = self.sent.wrapping_add(1);
        let packet = TalkPacket {
            sequence: self.sent,
            micros: low_word(frame.timestamp.as_micros()),
            first: previous_frame == 0,
            previous_frame,
            frame: self.sent,
            codec: frame.codec,
            flags: frame.flags,
            millis: low_word(frame.timestamp.as_millis()),
            audio: frame.data,
        };
        channel
            .send(wrapper, outbox, |out| {
                packet.write(out);
                true
            })
            .map(drop)
            .map_err(TalkError::Dtls)
    }

    /// The session is over: the camera's channel goes with it.
    pub(super) fn close(&mut self, wrapper: &mut Wrapper, outbox: &mut Outbox<Event>) {
        if let Some(channel) = &mut self.channel {
            channel.dtls.close();
            channel.flush(wrapper, outbox, |_, _| {});
        }
        self.channel = None;
        self.stage = Stage::Off;
    }

    pub(super) fn finish(&mut self, result: Result<(), TalkError>, outbox: &mut Outbox<Event>) {
        if !self.is_on() {
            return;
        }
        // What it has to say at its end goes out in the next drive.
        if let Some(channel) = &mut self.channel {
            channel.dtls.close();
        }
        self.stage = Stage::Off;
        self.answers.clear();
        outbox.event(Event::Talk(TalkEvent::Ended(result)));
    }

    /// AV packets of the camera's that were not understood.
    pub(super) fn unknown(&self) -> u64 {
        self.unknown
    }

    /// An association that fails before it stands is given up for the next that the camera begins:
    /// nothing of it was authentic, and anybody can spoil it.
    fn settle(&mut self, result: Result<(), dtls_psk::Error>) -> Result<(), TalkError> {
        match result {
            Err(error) if matches!(self.stage, Stage::Opening { .. }) => {
                tracing::debug!(%error, "the camera's audio channel failed, and may begin anew");
                self.channel = None;
                Ok(())
            }
            other => other.map_err(TalkError::Dtls),
        }
    }
}

fn low_word(time: u128) -> u32 {
    let [a, b, c, d, ..] = time.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
