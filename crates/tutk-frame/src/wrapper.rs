//! The data wrapper around DTLS records (wire.md sections 5 and 6, summary.md phase 3).

use core::ops::Range;

use bytes::BufMut;

use crate::Error;
use crate::cc51::{self, Cc51Header};
use crate::header::{Direction, IotcHeader, command, flags, mode};
use crate::ids::SessionId;
use crate::read::{array, layout, magic, skip};

const WHAT: &str = "data header";

/// Which data wrapper: a field of the dialect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum WrapperLayout {
    /// 30 bytes, `summary`.
    Iotc30,
    /// 28 bytes, `transcode`.
    Iotc28,
    /// 28 bytes, and a tag of 20 after the payload, `cc51`.
    Cc51,
}

/// The header of a datagram with DTLS records in it, and where they are.
///
/// `summary`, 30 bytes, and `transcode`, 28 bytes:
///
/// | summary | field | size | what |
/// |---|---|---|---|
/// | 0 | 0 | 12 | IOTC header, mode 0x0b, with the sequence at 6; commands below |
/// | 12 | 12 | 2 | first 2 bytes of the session id; not checked |
/// | - | 14 | 1 | channel: 0 main, 1 backchannel |
/// | - | 15 | 1 | 0x01; not checked |
/// | 14 | - | 2 | flags 0x0001 (`01 00`): the low byte 1, the high byte the channel |
/// | 16 | 16 | 2 | `0c 00`; not checked |
/// | 18 | 18 | 4, 2 | zero |
/// | 22 | 20 | 8 | session id |
/// | 30 | 28 | | one or more DTLS records |
///
/// | | to the camera | from it |
/// |---|---|---|
/// | summary | 0x0704, flags 0x0021 | 0x0408, flags 0x0021 |
/// | transcode | 0x0407, flags 0x0021 | 0x0408, flags 0x0012 |
///
/// The summary's flags at 14 are read as a little-endian number like its others; that the channel
/// stands in their high byte is this project's choice, and nothing with channel 0.
///
/// `cc51`, 28 bytes:
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 12 | [`Cc51Header`], command 0x1502, size 16 + payload + 20 |
/// | 12 | 2 | 0x0010, the channel in the high byte |
/// | 14 | 2 | ticket |
/// | 16 | 8 | session id |
/// | 24 | 4 | 1; not checked |
/// | 28 | | one or more DTLS records |
/// | end - 20 | 20 | tag over bytes 0..28 only |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DataHeader {
    /// The wrapper.
    pub layout: WrapperLayout,
    /// Which way it goes. In `cc51` only a hint: see [`Cc51Header`].
    pub direction: Direction,
    /// 0 main, 1 backchannel.
    pub channel: u8,
    /// Counts data packets; in `cc51` the ticket.
    pub sequence: u16,
    /// The session id.
    pub session: SessionId,
    /// Bytes of payload, at most [`DataHeader::MAX_PAYLOAD`].
    pub payload_len: u16,
}

impl WrapperLayout {
    /// Bytes before the payload.
    #[must_use]
    pub fn header_len(self) -> usize {
        match self {
            Self::Iotc30 => 30,
            Self::Iotc28 | Self::Cc51 => 28,
        }
    }

    /// Bytes after the payload.
    #[must_use]
    pub fn tag_len(self) -> usize {
        match self {
            Self::Iotc30 | Self::Iotc28 => 0,
            Self::Cc51 => cc51::TAG_LEN,
        }
    }

    /// The command of data that goes this way.
    #[must_use]
    pub fn command(self, direction: Direction) -> u16 {
        match (self, direction) {
            (Self::Cc51, _) => cc51::command::DATA,
            (Self::Iotc30, Direction::ToCamera) => command::DATA_TO_CAMERA_SWAPPED,
            (Self::Iotc28, Direction::ToCamera) => command::DATA_TO_CAMERA,
            (_, Direction::FromCamera) => command::DATA_FROM_CAMERA,
        }
    }

    /// The direction of data with this command; `None` when it is not data. `cc51` has one command
    /// for both.
    fn direction(self, command: u16) -> Option<Direction> {
        [Direction::ToCamera, Direction::FromCamera]
            .into_iter()
            .find(|&direction| self.command(direction) == command)
    }

    /// Whether an IOTC datagram with this command is data.
    pub(crate) fn is_iotc_data(self, command: u16) -> bool {
        self != Self::Cc51 && self.direction(command).is_some()
    }

    /// The IOTC flags of data that goes this way.
    fn flags(self, direction: Direction) -> u16 {
        match (self, direction) {
            (Self::Iotc28, Direction::FromCamera) => flags::CAMERA,
            _ => flags::CLIENT,
        }
    }

    /// Zeros before the session id.
    fn gap(self) -> usize {
        match self {
            Self::Iotc30 => 4,
            Self::Iotc28 | Self::Cc51 => 2,
        }
    }
}

impl DataHeader {
    /// Most bytes of payload: what the length field has room for, in every layout.
    pub const MAX_PAYLOAD: u16 = u16::MAX - 36;

    /// Reads the header of a whole datagram; the payload is at [`DataHeader::payload_range`].
    ///
    /// # Errors
    /// [`Error::Length`] for fewer bytes than header and tag, or when the length field (at 4, in
    /// `cc51` at 6) is not the datagram's; [`Error::Magic`] at 0, and for a command that is not
    /// data (at 8, in `cc51` at 4).
    pub fn parse(bytes: &[u8], wrapper: WrapperLayout) -> Result<Self, Error> {
        if wrapper == WrapperLayout::Cc51 {
            return Self::parse_cc51(bytes);
        }
        let (header, rest) = IotcHeader::parse_datagram(bytes)?;
        let Some(direction) = wrapper.direction(header.command) else {
            return Err(Error::Magic {
                what: WHAT,
                offset: 8,
                expected: command::DATA_FROM_CAMERA.to_le_bytes(),
                actual: header.command.to_le_bytes(),
            });
        };
        let payload_len = Self::payload_len(bytes, wrapper)?;
        let [_, _, at_14, at_15] = header.tail;
        let len = wrapper.header_len() - IotcHeader::LEN;
        let parser = (skip(2), skip(wrapper.gap()), array);
        let ((_, _, session), _) = layout(WHAT, len, rest, parser)?;
        Ok(Self {
            layout: wrapper,
            direction,
            channel: match wrapper {
                WrapperLayout::Iotc30 => at_15,
                WrapperLayout::Iotc28 | WrapperLayout::Cc51 => at_14,
            },
            sequence: header.sequence,
            session: SessionId(session),
            payload_len,
        })
    }

    /// Writes the bytes before the payload. The caller writes `payload_len` bytes of payload after
    /// them, and in `cc51` the tag. A `payload_len` over [`DataHeader::MAX_PAYLOAD`] makes a
    /// datagram that does not parse.
    pub fn write(&self, out: &mut impl BufMut) {
        let header_len = u16::try_from(self.layout.header_len()).unwrap_or(u16::MAX);
        let tag_len = u16::try_from(self.layout.tag_len()).unwrap_or(u16::MAX);
        if self.layout == WrapperLayout::Cc51 {
            // The size does not count 12 bytes of the header.
            let more = header_len.saturating_add(tag_len).saturating_sub(12);
            let header = Cc51Header {
                command: cc51::command::DATA,
                size: self.payload_len.saturating_add(more),
                direction: self.direction,
                sequence: 0x0010 | u16::from(self.channel) << 8,
                ticket: self.sequence,
            };
            header.write(out);
            out.put_slice(&self.session.0);
            out.put_u32_le(1);
            return;
        }
        let [prefix_0, prefix_1] = self.session.prefix();
        let length = self
            .payload_len
            .saturating_add(header_len.saturating_sub(16));
        let command = self.layout.command(self.direction);
        let flags = self.layout.flags(self.direction);
        let header = IotcHeader {
            sequence: self.sequence,
            tail: match self.layout {
                WrapperLayout::Iotc30 => [prefix_0, prefix_1, 0x01, self.channel],
                _ => [prefix_0, prefix_1, self.channel, 0x01],
            },
            ..IotcHeader::new(mode::DATA, length, command, flags)
        };
        header.write(out);
        out.put_slice(&[0x0c, 0x00]);
        out.put_bytes(0, self.layout.gap());
        out.put_slice(&self.session.0);
    }

    /// Where in the datagram the payload is: so that it can be decrypted in place.
    #[must_use]
    pub fn payload_range(&self) -> Range<usize> {
        let start = self.layout.header_len();
        start..start + usize::from(self.payload_len)
    }

    /// Where in the datagram the tag is: empty, except in `cc51`.
    #[must_use]
    pub fn tag_range(&self) -> Range<usize> {
        let start = self.payload_range().end;
        start..start + self.layout.tag_len()
    }

    fn parse_cc51(bytes: &[u8]) -> Result<Self, Error> {
        let (header, rest) = Cc51Header::parse_datagram(bytes)?;
        magic(
            WHAT,
            4,
            cc51::command::DATA.to_le_bytes(),
            header.command.to_le_bytes(),
        )?;
        let payload_len = Self::payload_len(bytes, WrapperLayout::Cc51)?;
        let ((session, _), _) = layout(WHAT, 12, rest, (array, skip(4)))?;
        let [_, channel] = header.sequence.to_le_bytes();
        Ok(Self {
            layout: WrapperLayout::Cc51,
            direction: header.direction,
            channel,
            sequence: header.ticket,
            session: SessionId(session),
            payload_len,
        })
    }

    /// What a datagram has beside header and tag.
    fn payload_len(bytes: &[u8], wrapper: WrapperLayout) -> Result<u16, Error> {
        let around = wrapper.header_len() + wrapper.tag_len();
        let len = bytes.len().checked_sub(around);
        len.and_then(|n| u16::try_from(n).ok())
            .ok_or(Error::Length {
                what: WHAT,
                offset: bytes.len().min(wrapper.header_len()),
                expected: around,
                actual: bytes.len(),
            })
    }
}

/// With a payload that the length field has room for.
#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for DataHeader {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self {
            layout: u.arbitrary()?,
            direction: u.arbitrary()?,
            channel: u.arbitrary()?,
            sequence: u.arbitrary()?,
            session: u.arbitrary()?,
            payload_len: u.int_in_range(0..=Self::MAX_PAYLOAD)?,
        })
    }
}
