//! What a captured camera did, as far as a simulated camera needs it to do the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hl_ioctl::ConnectResult;
use tutk_frame::{Cc51Header, IotcHeader};
use tutk_session::Dialect;

use crate::dissector::CapturedMessage;
use crate::layers::hl::code;
use crate::media::CapturedFrame;
use crate::packet::{Direction, Layer, Packet, Value};

/// The limit of the frames that are kept, in bytes. Later frames are counted only.
pub const MAX_KEPT_FRAMES: usize = 64 << 20;

/// The largest number of commands whose answers are kept.
const MAX_ANSWERS: usize = 512;

/// The largest number of random bytes of logins that are kept.
const MAX_LOGINS: usize = 64;

/// The packets that contain the camera's HL messages (docs/protocol.md, section 13).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessagePacket {
    /// `00 70`.
    Ioctl,
    /// `0c 00` with k = 0.
    Grouped,
    /// `00 10`.
    Channel,
}

/// The size field of slices (docs/protocol.md, section 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SliceSize {
    /// All bytes of the payload.
    Exact,
    /// The payload without the frame info.
    WithoutInfo,
    /// Fewer bytes than the packet has.
    TooSmall,
    /// More bytes than the packet has.
    TooLarge,
}

/// A length field compared to the bytes of the datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LengthField {
    /// The field counts all bytes.
    Exact,
    /// Bytes follow that the field does not count.
    TooSmall,
    /// The field counts bytes that do not exist.
    TooLarge,
}

/// The numbers of video and audio frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameNumbers {
    /// Video and audio count separately.
    PerStream,
    /// Video and audio share one count.
    Shared,
}

/// What a camera did in one captured session.
///
/// Pass each packet of the session to [`packet`](Self::packet), its messages to
/// [`message`](Self::message) and its frames to [`frame`](Self::frame).
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Behaviour {
    /// The UID, if it is printable ASCII.
    pub uid: Option<String>,
    /// The dialect.
    pub dialect: Option<Arc<Dialect>>,
    /// The ports of the camera's datagrams.
    pub ports: BTreeSet<u16>,
    /// The length fields of the camera's datagrams. One that is not exact prevails.
    pub lengths: Option<LengthField>,
    /// `true` if the camera sent a HelloVerifyRequest.
    pub cookie_exchange: bool,
    /// `true` if the extended master secret was negotiated, `false` if not.
    pub extended_master_secret: Option<bool>,
    /// `true` if the client offered the extended master secret.
    pub extended_master_secret_offered: bool,
    /// The registry name of the suite on the main channel.
    pub suite: Option<String>,
    /// `true` if the login answer echoes the random bytes of a login.
    pub login_nonce_echoed: Option<bool>,
    /// The status in the login answer.
    pub login_status: Option<u8>,
    /// `true` if the camera announced two-way audio.
    pub two_way_audio: bool,
    /// `true` if the camera sent a buffer reset.
    pub buffer_reset: bool,
    /// The packets of the camera's HL messages.
    pub messages_in: Option<MessagePacket>,
    /// The status of the challenge in K10001.
    pub challenge_status: Option<u8>,
    /// The payload of K10003, K10007 or K10009.
    pub connect_result: Option<Vec<u8>>,
    /// The payload of the newest answer to each command, by the code of the *request*. Without the
    /// challenge and the connect result.
    pub answers: BTreeMap<u16, Vec<u8>>,
    /// The time from the first request to the newest answer, by the code of the request.
    pub delays: BTreeMap<u16, Duration>,
    /// The size field of slices. The largest deviation prevails.
    pub slice_size: Option<SliceSize>,
    /// `true` if media was grouped (docs/protocol.md, section 17).
    pub grouped: bool,
    /// The session id that the camera assigned in discovery, in `cc51`.
    pub assigned_session: Option<Vec<u8>>,
    /// `true` if a later `cc51` datagram of the camera has another session id.
    pub other_session: bool,
    /// The complete frames in the order of the capture, at most [`MAX_KEPT_FRAMES`].
    pub frames: Vec<CapturedFrame>,
    /// The number of frames that are not kept.
    pub frames_omitted: u64,
    kept_bytes: usize,
    logins: BTreeSet<Vec<u8>>,
    /// When requests that are not answered yet were first sent.
    requested: BTreeMap<u16, Duration>,
}

impl Behaviour {
    /// Handles a packet of the session.
    pub fn packet(&mut self, packet: &Packet) {
        self.dialect.clone_from(&packet.dialect);
        let from_camera = packet.direction == Some(Direction::FromCamera);
        let main = packet.opened.channel == 0;
        for layer in &packet.layers {
            match (layer.name, from_camera) {
                ("IOTC", true) => self.iotc(layer, packet),
                ("cc51", true) => self.cc51(layer, packet),
                ("Handshake", _) if main => self.handshake(layer, from_camera),
                ("AV", true) if main => self.av(layer),
                ("AV", false) if main => {
                    if let Some(Value::Bytes(random)) = layer.get("random")
                        && self.logins.len() < MAX_LOGINS
                    {
                        self.logins.insert(random.clone());
                    }
                }
                _ => {}
            }
        }
    }

    /// Handles an HL message of the session.
    pub fn message(&mut self, message: &CapturedMessage) {
        let code = message.code;
        if message.direction == Direction::ToCamera {
            if self.requested.len() < MAX_ANSWERS {
                self.requested.entry(code).or_insert(message.time);
            }
            return;
        }
        let request = code.wrapping_sub(1);
        if let Some(first) = self.requested.remove(&request) {
            let delay = message.time.saturating_sub(first);
            self.delays.insert(request, delay);
        }
        let payload = &message.payload;
        if code == code::CHALLENGE {
            self.challenge_status = payload.first().copied();
        } else if code::is_result(code) {
            self.connect_result = Some(payload.clone());
        } else if self.answers.len() < MAX_ANSWERS || self.answers.contains_key(&request) {
            self.answers.insert(request, payload.clone());
        }
    }

    /// Returns the commands that were never answered, without the challenge exchange.
    pub fn unanswered(&self) -> impl Iterator<Item = u16> {
        let codes = self.requested.keys().copied();
        codes.filter(|code| !code::is_exchange(*code) && !self.answers.contains_key(code))
    }

    /// Handles a complete frame of the session.
    pub fn frame(&mut self, frame: CapturedFrame) {
        let bytes = frame.frame.data.len();
        if self.kept_bytes.saturating_add(bytes) > MAX_KEPT_FRAMES {
            self.frames_omitted += 1;
            return;
        }
        self.kept_bytes += bytes;
        self.frames.push(frame);
    }

    /// Returns the model name in the connect result.
    #[must_use]
    pub fn model(&self) -> Option<String> {
        let result = ConnectResult::decode(self.connect_result.as_deref()?).ok()?;
        Some(result.model()?.to_owned())
    }

    /// Returns `true` if all frames have the same seconds, although they span more than a second:
    /// some firmware keeps them constant (docs/protocol.md, section 15).
    #[must_use]
    pub fn has_constant_seconds(&self) -> bool {
        let seconds: BTreeSet<u32> = (self.frames.iter())
            .filter_map(|frame| Some(frame.frame.info?.seconds))
            .collect();
        let times = self.frames.iter().map(|frame| frame.time);
        let span = times.clone().max().zip(times.min());
        let span = span.map_or(Duration::ZERO, |(last, first)| last.saturating_sub(first));
        seconds.len() == 1 && span > Duration::from_secs(2)
    }

    /// Finds how frames are numbered. `None` without both video and audio.
    #[must_use]
    pub fn frame_numbers(&self) -> Option<FrameNumbers> {
        let numbers = |video: bool| -> BTreeSet<u32> {
            let frames = self.frames.iter().map(|frame| &frame.frame);
            frames
                .filter(|frame| frame.kind.is_video() == video)
                .map(|frame| frame.number)
                .collect()
        };
        let (video, audio) = (numbers(true), numbers(false));
        if video.len() < 2 || audio.len() < 2 {
            return None;
        }
        Some(match video.is_disjoint(&audio) {
            true => FrameNumbers::Shared,
            false => FrameNumbers::PerStream,
        })
    }

    fn iotc(&mut self, layer: &Layer, packet: &Packet) {
        self.ports.insert(packet.source.port());
        self.length(layer, "length", IotcHeader::LEN);
        self.uid(layer);
    }

    fn cc51(&mut self, layer: &Layer, packet: &Packet) {
        self.ports.insert(packet.source.port());
        self.length(layer, "size", Cc51Header::UNCOUNTED);
        let Some(Value::Bytes(id)) = layer.get("session id") else {
            return;
        };
        let is_discovery = layer.title.starts_with("discovery");
        match &self.assigned_session {
            _ if is_discovery => self.assigned_session = Some(id.clone()),
            Some(assigned) if assigned != id => self.other_session = true,
            _ => {}
        }
    }

    fn uid(&mut self, layer: &Layer) {
        if let Some(Value::Text(uid)) = layer.get("UID")
            && !uid.is_empty()
        {
            self.uid = Some(uid.clone());
        }
    }

    /// Compares a length field, which does not count the first `uncounted` bytes.
    fn length(&mut self, layer: &Layer, field: &str, uncounted: usize) {
        let Some(Value::Number(announced)) = layer.get(field) else {
            return;
        };
        let actual = layer.length.saturating_sub(uncounted);
        let actual = u64::try_from(actual).unwrap_or(u64::MAX);
        match (*announced).cmp(&actual) {
            std::cmp::Ordering::Less => self.lengths = Some(LengthField::TooSmall),
            std::cmp::Ordering::Greater => self.lengths = Some(LengthField::TooLarge),
            std::cmp::Ordering::Equal => {
                self.lengths.get_or_insert(LengthField::Exact);
            }
        }
    }

    fn handshake(&mut self, layer: &Layer, from_camera: bool) {
        let extensions = layer
            .fields
            .iter()
            .filter(|field| field.name == "extension");
        let has = |name: &str| {
            let is = |value: &Value| matches!(value, Value::Text(text) if text == name);
            extensions.clone().any(|field| is(&field.value))
        };
        let extended = has("extended_master_secret");
        if layer.title.starts_with("HelloVerifyRequest") && from_camera {
            self.cookie_exchange = true;
        } else if layer.title.starts_with("ClientHello") && !from_camera {
            self.extended_master_secret_offered |= extended;
        } else if layer.title.starts_with("ServerHello:") && from_camera {
            self.extended_master_secret = Some(extended);
            if let Some(Value::Text(suite)) = layer.get("suite") {
                self.suite = Some(suite.clone());
            }
        }
    }

    fn av(&mut self, layer: &Layer) {
        let Some(Value::Text(kind)) = layer.get("type and flags") else {
            return;
        };
        let number = |name: &str| match layer.get(name) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        };
        match kind.as_str() {
            "00 21" => {
                if let Some(Value::Bytes(random)) = layer.get("random") {
                    self.login_nonce_echoed = Some(self.logins.contains(random));
                }
                self.login_status = number("status").and_then(|status| u8::try_from(status).ok());
                self.two_way_audio = number("two-way audio") == Some(1);
            }
            "00 12" => self.buffer_reset = true,
            "00 70" => self.messages_in = Some(MessagePacket::Ioctl),
            "00 10" => {
                self.messages_in.get_or_insert(MessagePacket::Channel);
            }
            "0c 00" if number("k") == Some(0) => {
                self.messages_in = Some(MessagePacket::Grouped);
            }
            _ => {}
        }
        self.grouped |= number("k").is_some_and(|k| k > 0);
        self.slice_size(layer, &number);
    }

    fn slice_size(&mut self, layer: &Layer, number: &impl Fn(&str) -> Option<u64>) {
        let media = layer.fields.iter().find(|field| field.name == "media");
        let (Some(media), Some(size), Some(_)) = (media, number("size"), number("slice counter"))
        else {
            return;
        };
        let whole = layer.length.saturating_sub(media.offset);
        let [whole, media] = [whole, media.length].map(|len| u64::try_from(len).unwrap_or(0));
        let found = if size == whole {
            SliceSize::Exact
        } else if size == media {
            SliceSize::WithoutInfo
        } else if size < whole {
            SliceSize::TooSmall
        } else {
            SliceSize::TooLarge
        };
        self.slice_size = self.slice_size.max(Some(found));
    }
}
