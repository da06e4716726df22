//! Datagrams with an IOTC header (docs/protocol.md, sections 5, 7 and 8).

use tutk_frame::header::{command, flags, mode};
use tutk_frame::{
    AuthKey, DiscoveryLayout, DiscoveryRequest, IotcHeader, IotcLayout, SessionId, SessionTrailer,
    Uid, WrapperLayout,
};

use super::dtls::content;
use super::{Outer, Step};
use crate::packet::Direction;
use crate::walk::Walk;

/// Dissects a datagram with the layouts of its dialect.
pub(crate) fn dissect(bytes: &[u8], layout: IotcLayout, show_secrets: bool) -> Outer {
    let mut datagram = Iotc {
        walk: Walk::new("IOTC", bytes),
        layout,
        show_secrets,
        outer: Outer::new("IOTC"),
    };
    if datagram.fields(bytes).is_none() {
        datagram
            .walk
            .note("the datagram is shorter than its layout");
    }
    Outer {
        layer: datagram.walk.finish(),
        ..datagram.outer
    }
}

struct Iotc<'a> {
    walk: Walk<'a>,
    layout: IotcLayout,
    show_secrets: bool,
    outer: Outer,
}

impl Iotc<'_> {
    fn fields(&mut self, bytes: &[u8]) -> Option<()> {
        let walk = &mut self.walk;
        walk.array::<2>("magic")?;
        let generation = walk.u8("SDK generation")?;
        walk.last_is(format!("{generation:#04x}"));
        let actual_mode = walk.u8("mode")?;
        walk.last_is(mode_name(actual_mode));
        let length = usize::from(walk.u16("length")?);
        walk.u16("sequence")?;
        let command = walk.named_u16("command", command_name)?;
        walk.named_u16("flags", flags_name)?;
        let body = bytes.len().saturating_sub(IotcHeader::LEN);
        if length != body {
            walk.note(format!(
                "the length field announces {length} bytes, but {body} follow"
            ));
        }
        match command_name(command) {
            Some(name) => walk.title(name),
            None => walk.title(format!("unknown command {command:#06x}")),
        }
        self.outer.direction = direction(command);
        match command {
            command::DISCOVERY_REQUEST => self.discovery_request(),
            command::DISCOVERY_ANSWER => self.discovery_answer(),
            command::SESSION_REQUEST | command::SESSION_ANSWER => self.session_set_up(command),
            command::KEEPALIVE | command::KEEPALIVE_ANSWER => {
                self.walk.zeros(4)?;
                self.walk.array::<8>("body")?;
                Some(())
            }
            command::CLOSE => {
                self.walk.zeros(4)?;
                self.outer.session = Some(self.walk.array("session id")?);
                Some(())
            }
            command::DATA_TO_CAMERA
            | command::DATA_TO_CAMERA_SWAPPED
            | command::DATA_FROM_CAMERA => self.data(command, bytes),
            _ => Some(()),
        }
    }

    fn discovery_request(&mut self) -> Option<()> {
        self.outer.step = Some(Step::DiscoveryRequest);
        self.walk.zeros(4)?;
        self.read_uid()?;
        // The offsets of SDK version and AuthKey; the other fields follow.
        let (version, auth_key) = match self.layout.discovery {
            DiscoveryLayout::SessionAt52 => (48, 72),
            _ => (52, 74),
        };
        let walk = &mut self.walk;
        walk.zeros_to(version)?;
        let [d, c, b, a] = walk.array("SDK version")?;
        walk.last_is(format!("{a}.{b}.{c}.{d}"));
        self.outer.session = Some(walk.array("session id")?);
        let stage = walk.u32("stage")?;
        walk.title(format!("discovery request, stage {stage}"));
        walk.zeros_to(auth_key)?;
        walk.secret("AuthKey", AuthKey::LEN, self.show_secrets)?;
        walk.zeros(
            walk.remaining()
                .min(DiscoveryRequest::LEN.saturating_sub(walk.offset())),
        )
    }

    fn discovery_answer(&mut self) -> Option<()> {
        self.outer.step = Some(Step::DiscoveryAnswer);
        self.walk.zeros(4)?;
        self.read_uid()?;
        let walk = &mut self.walk;
        let session_at = match self.layout.discovery {
            DiscoveryLayout::SessionAt52 => {
                if walk.peek::<4>().is_some_and(|ip| *ip != [0; 4]) {
                    let [a, b, c, d] = walk.array("address")?;
                    walk.last_is(format!("{a}.{b}.{c}.{d}"));
                    walk.u16("port")?;
                }
                52
            }
            _ => 56,
        };
        walk.zeros_to(session_at)?;
        // Only the UID is verified for real cameras, so other bytes may be in this place.
        if walk.peek::<{ SessionId::LEN }>() != Some(&[0; SessionId::LEN]) {
            self.outer.session = Some(walk.array("session id")?);
        }
        walk.zeros(walk.remaining())
    }

    fn session_set_up(&mut self, command: u16) -> Option<()> {
        let is_request = command == command::SESSION_REQUEST;
        self.outer.step = Some(match is_request {
            true => Step::SessionRequest,
            false => Step::SessionAnswer,
        });
        self.walk.zeros(4)?;
        // The body of a real camera's answer is not known.
        if !is_request && self.walk.remaining() < Uid::LEN + SessionId::LEN {
            return Some(());
        }
        self.read_uid()?;
        let walk = &mut self.walk;
        self.outer.session = Some(walk.array("session id")?);
        walk.zeros(4)?;
        if is_request {
            let is_crc = self.layout.session == SessionTrailer::Crc32;
            walk.u32(if is_crc { "CRC-32" } else { "Unix seconds" })?;
            return Some(());
        }
        walk.zeros(walk.remaining())
    }

    fn data(&mut self, command: u16, bytes: &[u8]) -> Option<()> {
        let layout = wrapper(command, bytes, self.layout.wrapper);
        let walk = &mut self.walk;
        walk.array::<2>("session id prefix")?;
        if layout == WrapperLayout::Iotc30 {
            walk.u8("constant 1")?;
            self.outer.channel = walk.u8("channel")?;
        } else {
            self.outer.channel = walk.u8("channel")?;
            walk.u8("constant 1")?;
        }
        walk.u16("constant 12")?;
        walk.zeros_to(layout.header_len() - SessionId::LEN)?;
        self.outer.session = Some(walk.array("session id")?);
        let start = walk.offset();
        walk.inner(walk.remaining())?;
        self.outer.records = Some(start..bytes.len());
        Some(())
    }

    fn read_uid(&mut self) -> Option<()> {
        let uid = self.walk.text("UID", Uid::LEN)?;
        if !uid.is_empty() {
            self.outer.uid = Some(uid.escape_ascii().to_string());
        }
        Some(())
    }
}

/// Finds the layout of the data wrapper. Only the commands to the camera tell; for the others, a
/// DTLS record must follow the wrapper.
fn wrapper(command: u16, bytes: &[u8], usual: WrapperLayout) -> WrapperLayout {
    let expected = match command {
        command::DATA_TO_CAMERA_SWAPPED => WrapperLayout::Iotc30,
        command::DATA_TO_CAMERA => WrapperLayout::Iotc28,
        _ => usual,
    };
    let has_record = |layout: WrapperLayout| {
        let record = bytes.get(layout.header_len()..).unwrap_or_default();
        matches!(record, [content_type, 0xfe, ..] if content::ALL.contains(content_type))
    };
    [expected, WrapperLayout::Iotc28, WrapperLayout::Iotc30]
        .into_iter()
        .find(|layout| has_record(*layout))
        .unwrap_or(expected)
}

fn direction(command: u16) -> Option<Direction> {
    match command {
        command::DISCOVERY_REQUEST
        | command::SESSION_REQUEST
        | command::KEEPALIVE_ANSWER
        | command::CLOSE
        | command::DATA_TO_CAMERA
        | command::DATA_TO_CAMERA_SWAPPED => Some(Direction::ToCamera),
        command::DISCOVERY_ANSWER
        | command::SESSION_ANSWER
        | command::KEEPALIVE
        | command::DATA_FROM_CAMERA => Some(Direction::FromCamera),
        _ => None,
    }
}

fn command_name(command: u16) -> Option<&'static str> {
    Some(match command {
        command::DISCOVERY_REQUEST => "discovery request",
        command::DISCOVERY_ANSWER => "discovery answer",
        command::SESSION_REQUEST => "session request",
        command::SESSION_ANSWER => "session answer",
        command::DATA_TO_CAMERA | command::DATA_TO_CAMERA_SWAPPED => "data to the camera",
        command::DATA_FROM_CAMERA => "data from the camera",
        command::KEEPALIVE => "keepalive",
        command::KEEPALIVE_ANSWER => "keepalive answer",
        command::CLOSE => "close",
        _ => return None,
    })
}

fn flags_name(value: u16) -> Option<&'static str> {
    match value {
        flags::CLIENT => Some("client"),
        flags::SESSION => Some("session"),
        flags::CAMERA => Some("camera"),
        _ => None,
    }
}

fn mode_name(value: u8) -> String {
    match value {
        mode::SET_UP => "set-up".to_owned(),
        mode::SESSION => "session".to_owned(),
        mode::DATA => "data".to_owned(),
        other => format!("{other:#04x}"),
    }
}
