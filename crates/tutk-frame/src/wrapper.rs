//! The data wrapper around DTLS records (docs/protocol.md, sections 8 and 9).

use core::ops::Range;

use crate::buffer::Buffer;
use crate::cc51::{self, Cc51Header};
use crate::error::Error;
use crate::header::{Direction, IotcHeader, command, flags, mode};
use crate::ids::SessionId;
use crate::read::{array, layout_after, skip};

const WHAT: &str = "data header";

/// The layout of the data wrapper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum WrapperLayout {
    /// An IOTC header and 14 bytes. Used by `summary`.
    Iotc30,
    /// An IOTC header and 12 bytes. Used by `transcode`.
    Iotc28,
    /// A cc51 header and 12 bytes, and a tag of 20 bytes after the payload. Used by `cc51`.
    Cc51,
}

/// The header of a datagram with DTLS records.
///
/// [`WrapperLayout::Iotc30`] and [`WrapperLayout::Iotc28`]:
///
/// | in `Iotc30` | in `Iotc28` | size | content |
/// |---|---|---|---|
/// | 0 | 0 | 12 | IOTC header, mode 0x0b, with the sequence at 6; commands below |
/// | 12 | 12 | 2 | first 2 bytes of the session id; not checked |
/// | - | 14 | 1 | channel: 0 main, 1 backchannel |
/// | - | 15 | 1 | 0x01; not checked |
/// | 14 | - | 2 | 0x0001, the channel in the high byte (this project's choice) |
/// | 16 | 16 | 2 | `0c 00`; not checked |
/// | 18 | 18 | 4, 2 | zero |
/// | 22 | 20 | 8 | session id |
/// | 30 | 28 | | one or more DTLS records |
///
/// | | to the camera | from the camera |
/// |---|---|---|
/// | `Iotc30` | 0x0704, flags 0x0021 | 0x0408, flags 0x0021 |
/// | `Iotc28` | 0x0407, flags 0x0021 | 0x0408, flags 0x0012 |
///
/// [`WrapperLayout::Cc51`]:
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 12 | [`Cc51Header`], command 0x1502, size 16 + payload + 20 |
/// | 12 | 2 | 0x0010, the channel in the high byte |
/// | 14 | 2 | ticket |
/// | 16 | 8 | session id |
/// | 24 | 4 | 1; not checked |
/// | 28 | | one or more DTLS records |
/// | end - 20 | 20 | tag over bytes 0..28 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DataHeader {
    /// The layout of the wrapper.
    pub layout: WrapperLayout,
    /// The direction. In `cc51` it is not reliable, see [`Cc51Header`].
    pub direction: Direction,
    /// The channel: 0 main, 1 backchannel.
    pub channel: u8,
    /// The sequence number of the data packet. In `cc51`, the ticket.
    pub sequence: u16,
    /// The session id.
    pub session: SessionId,
    /// The payload's length in bytes, at most [`DataHeader::MAX_PAYLOAD`].
    pub payload_len: u16,
}

impl WrapperLayout {
    /// Returns the number of bytes before the payload.
    #[must_use]
    pub fn header_len(self) -> usize {
        match self {
            Self::Iotc30 => 30,
            Self::Iotc28 | Self::Cc51 => 28,
        }
    }

    /// Returns the number of bytes after the payload.
    #[must_use]
    pub fn tag_len(self) -> usize {
        match self {
            Self::Iotc30 | Self::Iotc28 => 0,
            Self::Cc51 => cc51::TAG_LEN,
        }
    }

    /// Returns the command of data in this direction.
    #[must_use]
    pub fn command(self, direction: Direction) -> u16 {
        match (self, direction) {
            (Self::Cc51, _) => cc51::command::DATA,
            (Self::Iotc30, Direction::ToCamera) => command::DATA_TO_CAMERA_SWAPPED,
            (Self::Iotc28, Direction::ToCamera) => command::DATA_TO_CAMERA,
            (_, Direction::FromCamera) => command::DATA_FROM_CAMERA,
        }
    }

    /// Returns the direction of data with this command, or `None` if it is not data.
    pub(crate) fn direction(self, command: u16) -> Option<Direction> {
        [Direction::ToCamera, Direction::FromCamera]
            .into_iter()
            .find(|&direction| self.command(direction) == command)
    }

    /// Returns the IOTC flags of data in this direction.
    fn flags(self, direction: Direction) -> u16 {
        match (self, direction) {
            (Self::Iotc28, Direction::FromCamera) => flags::CAMERA,
            _ => flags::CLIENT,
        }
    }

    /// Returns the number of zeros before the session id.
    fn gap(self) -> usize {
        match self {
            Self::Iotc30 => 4,
            Self::Iotc28 | Self::Cc51 => 2,
        }
    }
}

impl DataHeader {
    /// The maximum length of the payload that the length field can express in every layout.
    pub const MAX_PAYLOAD: u16 = u16::MAX - 36;

    /// Parses the header of a datagram. [`DataHeader::payload_range`] locates the payload.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer bytes than header and tag; [`Error::Magic`] at 0, and for
    /// another command (at 8, in `cc51` at 4).
    pub fn parse(bytes: &[u8], wrapper: WrapperLayout) -> Result<Self, Error> {
        if wrapper == WrapperLayout::Cc51 {
            let (header, body) = Cc51Header::expect(WHAT, cc51::command::DATA, bytes)?;
            return Self::from_cc51(&header, body);
        }
        let (header, body) = IotcHeader::parse(bytes)?;
        let direction = wrapper
            .direction(header.command)
            .ok_or_else(|| header.wrong_command(WHAT, command::DATA_FROM_CAMERA))?;
        Self::from_iotc(&header, direction, body, wrapper)
    }

    /// Parses the bytes after an IOTC header.
    pub(crate) fn from_iotc(
        header: &IotcHeader,
        direction: Direction,
        body: &[u8],
        wrapper: WrapperLayout,
    ) -> Result<Self, Error> {
        let parser = (skip(2), skip(wrapper.gap()), array);
        let len = wrapper.header_len();
        let ((_, _, session), payload) = layout_after(IotcHeader::LEN, WHAT, len, body, parser)?;
        let [_, _, at_14, at_15] = header.tail;
        Ok(Self {
            layout: wrapper,
            direction,
            channel: match wrapper {
                WrapperLayout::Iotc30 => at_15,
                WrapperLayout::Iotc28 | WrapperLayout::Cc51 => at_14,
            },
            sequence: header.sequence,
            session: SessionId(session),
            payload_len: Self::payload_len(payload, wrapper)?,
        })
    }

    /// Parses the bytes after a cc51 header.
    pub(crate) fn from_cc51(header: &Cc51Header, body: &[u8]) -> Result<Self, Error> {
        let wrapper = WrapperLayout::Cc51;
        let len = wrapper.header_len();
        let ((session, _), payload) =
            layout_after(Cc51Header::LEN, WHAT, len, body, (array, skip(4)))?;
        let [_, channel] = header.sequence.to_le_bytes();
        Ok(Self {
            layout: wrapper,
            direction: header.direction,
            channel,
            sequence: header.ticket,
            session: SessionId(session),
            payload_len: Self::payload_len(payload, wrapper)?,
        })
    }

    /// Writes the bytes before the payload.
    ///
    /// The caller writes `payload_len` bytes of payload after them, and in `cc51` the tag. A
    /// datagram with a `payload_len` over [`DataHeader::MAX_PAYLOAD`] does not parse.
    pub fn write(&self, out: &mut impl Buffer) {
        let header_len = u16::try_from(self.layout.header_len()).unwrap_or(u16::MAX);
        let tag_len = u16::try_from(self.layout.tag_len()).unwrap_or(u16::MAX);
        if self.layout == WrapperLayout::Cc51 {
            // The size does not count the first 12 bytes.
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
        out.put_zeros(self.layout.gap());
        out.put_slice(&self.session.0);
    }

    /// Returns the range of the payload in the datagram, for decryption in place.
    #[must_use]
    pub fn payload_range(&self) -> Range<usize> {
        let start = self.layout.header_len();
        start..start + usize::from(self.payload_len)
    }

    /// Returns the range of the tag in the datagram. Empty except in `cc51`.
    #[must_use]
    pub fn tag_range(&self) -> Range<usize> {
        let start = self.payload_range().end;
        start..start + self.layout.tag_len()
    }

    /// Returns the length of the payload, given the bytes of payload and tag.
    fn payload_len(payload: &[u8], wrapper: WrapperLayout) -> Result<u16, Error> {
        let len = payload.len().checked_sub(wrapper.tag_len());
        len.and_then(|n| u16::try_from(n).ok())
            .ok_or(Error::Length {
                what: WHAT,
                offset: wrapper.header_len(),
                expected: wrapper.header_len() + wrapper.tag_len(),
                actual: wrapper.header_len() + payload.len(),
            })
    }
}

/// Generates a payload length that the length field can express.
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
