//! The audio channel to the camera (docs/protocol.md, section "Backchannel"). The camera is the
//! DTLS client.
//!
//! ```text
//!     K10010 (3, 1) ►          ◄ DTLS; ◄ 00 00, 00 20         K10010 (3, 2) ►
//! Off ───────────────► Opening ──────────────────────► Open ──────────────────► Closing ──► Off
//!        ◄ K10011                  00 21 ►            03 09 ►    ◄ K10011
//! ```

use alloc::collections::VecDeque;
use core::time::Duration;

use av_login::{ANSWER_LEN, LoginAnswer};
use dtls_psk::Connection;
use hl_ioctl::Request;
use hl_ioctl::commands::{Media, MediaControl, SetAnswer, Switch};
use tutk_frame::{AudioFlags, Codec, TalkPacket};
use tutk_time::Instant;

use crate::channel::Channel;
use crate::error::TalkError;
use crate::event::{Event, TalkEvent};
use crate::output::Outbox;
use crate::wire::{BACKCHANNEL, Wrapper};

/// The largest number of queued answers to the camera's logins. The camera repeats logins that are
/// not answered.
const MAX_ANSWERS: usize = 4;

/// An audio frame for the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TalkFrame<'a> {
    /// The codec, which must be the codec of the camera's own audio.
    pub codec: Codec,
    /// Sample rate, sample width and channels, which must be those of the camera's own audio.
    pub flags: AudioFlags,
    /// The time of its first sample, from any origin.
    pub timestamp: Duration,
    /// The encoded frame.
    pub data: &'a [u8],
}

/// The state of talk, the audio channel to the camera.
#[derive(Debug, Default)]
pub(super) struct TalkChannel {
    stage: Stage,
    channel: Option<Channel>,
    login_answers: VecDeque<[u8; ANSWER_LEN]>,
    /// Frames sent.
    sent: u32,
    /// Invalid AV packets on this channel.
    unknown: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Stage {
    #[default]
    Off,
    /// The camera must open its channel and log in before `deadline`.
    Opening {
        deadline: Instant,
        timeout: Duration,
    },
    Open,
    /// K10010 (off) is sent or queued.
    Closing,
}

/// Returns K10010 for audio to the camera.
pub(super) fn request(switch: Switch) -> Request {
    Request::from(&MediaControl {
        media: Media::ReturnAudio,
        switch,
    })
}

impl TalkChannel {
    /// Returns `true` if datagrams of the channel are accepted.
    pub(super) fn is_on(&self) -> bool {
        self.stage != Stage::Off
    }

    /// Waits for the camera to open the channel. Returns `false` if talk is already on.
    pub(super) fn start(&mut self, now: Instant, timeout: Duration) -> bool {
        let off = self.stage == Stage::Off;
        if off {
            *self = Self {
                stage: Stage::Opening {
                    deadline: now + timeout,
                    timeout,
                },
                unknown: self.unknown,
                ..Self::default()
            };
        }
        off
    }

    /// Starts to close the channel. Returns `false` if it is closing or closed.
    pub(super) fn stop(&mut self) -> bool {
        let on = matches!(self.stage, Stage::Opening { .. } | Stage::Open);
        if on {
            self.stage = Stage::Closing;
        }
        on
    }

    /// The camera answered [`request`].
    pub(super) fn answered(&mut self, answer: SetAnswer, outbox: &mut Outbox<Event>) {
        match (self.stage, answer) {
            (Stage::Closing, _) => self.finish(Ok(()), outbox),
            (Stage::Opening { .. }, SetAnswer::Other(byte)) => {
                self.finish(Err(TalkError::Refused(byte)), outbox);
            }
            _ => {}
        }
    }

    /// The camera did not answer [`request`].
    pub(super) fn unanswered(&mut self, outbox: &mut Outbox<Event>) {
        match self.stage {
            Stage::Closing => self.finish(Ok(()), outbox),
            Stage::Opening { .. } => self.finish(Err(TalkError::Unanswered), outbox),
            Stage::Open | Stage::Off => {}
        }
    }

    /// Handles the records of one datagram. `new_server` creates the DTLS connection for the first
    /// one. Returns `true` if a record was authentic.
    pub(super) fn handle_records(
        &mut self,
        now: Instant,
        records: &mut [u8],
        new_server: impl FnOnce() -> Result<Connection, dtls_psk::Error>,
    ) -> Result<bool, TalkError> {
        let channel = match &mut self.channel {
            Some(channel) => channel,
            None => {
                let dtls = new_server().map_err(TalkError::Dtls)?;
                self.channel.insert(Channel::new(BACKCHANNEL, dtls))
            }
        };
        let mut authentic = false;
        let (answers, unknown) = (&mut self.login_answers, &mut self.unknown);
        let opened = channel.open(now, records, |packet| {
            authentic = true;
            match LoginAnswer::accept(packet) {
                Ok(answer) if answers.len() < MAX_ANSWERS => answers.push_back(answer.to_bytes()),
                Ok(_) => {}
                Err(_) => *unknown += 1,
            }
        });
        self.tolerate_failed_handshake(opened).map(|()| authentic)
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
        if let Err(error) = self.tolerate_failed_handshake(timed_out) {
            return self.finish(Err(error), outbox);
        }
        if let Stage::Opening { deadline, timeout } = self.stage
            && deadline <= now
        {
            let not_opened = TalkError::NotOpened {
                waited: timeout,
                two_way_audio,
            };
            self.finish(Err(not_opened), outbox);
        }
    }

    /// Sends queued packets. Returns the next timeout.
    pub(super) fn drive(
        &mut self,
        wrapper: &mut Wrapper,
        outbox: &mut Outbox<Event>,
    ) -> Option<Instant> {
        let opening_deadline = match self.stage {
            Stage::Opening { deadline, .. } => Some(deadline),
            _ => None,
        };
        let Some(channel) = &mut self.channel else {
            return opening_deadline;
        };
        let mut closed = false;
        let deadline = channel.flush(wrapper, outbox, |outbox, event| match event {
            dtls_psk::Event::KeyLog(line) => outbox.event(Event::KeyLog(line)),
            dtls_psk::Event::Closed => closed = true,
            _ => {}
        });
        while channel.dtls.is_connected()
            && let Some(answer) = self.login_answers.pop_front()
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
            // The close_notify is sent.
            self.channel = None;
            return None;
        }
        if closed {
            let result = match self.stage {
                Stage::Closing => Ok(()),
                _ => Err(TalkError::Closed),
            };
            self.finish(result, outbox);
            return None;
        }
        opening_deadline.into_iter().chain([deadline]).min()
    }

    /// Sends a frame at once.
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

    /// Closes the channel without an event, because the session ends.
    pub(super) fn close(&mut self, wrapper: &mut Wrapper, outbox: &mut Outbox<Event>) {
        if let Some(channel) = &mut self.channel {
            channel.dtls.close();
            channel.flush(wrapper, outbox, |_, _| {});
        }
        self.channel = None;
        self.stage = Stage::Off;
    }

    /// Ends talk and reports the result. The next [`drive`](Self::drive) sends the close_notify.
    pub(super) fn finish(&mut self, result: Result<(), TalkError>, outbox: &mut Outbox<Event>) {
        if !self.is_on() {
            return;
        }
        if let Some(channel) = &mut self.channel {
            channel.dtls.close();
        }
        self.stage = Stage::Off;
        self.login_answers.clear();
        outbox.event(Event::Talk(TalkEvent::Ended(result)));
    }

    /// Returns the number of invalid AV packets.
    pub(super) fn unknown(&self) -> u64 {
        self.unknown
    }

    /// Drops the channel if its handshake failed, and waits for another one. Handshakes are not
    /// authenticated, so a forged packet can break one.
    fn tolerate_failed_handshake(
        &mut self,
        result: Result<(), dtls_psk::Error>,
    ) -> Result<(), TalkError> {
        match result {
            Err(error) if matches!(self.stage, Stage::Opening { .. }) => {
                tracing::debug!(%error, "the handshake of the audio channel failed; waiting for another");
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
