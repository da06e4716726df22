//! The frames around HL messages (docs/protocol.md, section 13). The crate `hl-ioctl` parses the
//! messages.

use bytes::BufMut;
use nom::number::complete::{le_u16, le_u32};

use crate::av::{AvHeader, AvPacket, AvStamp, GroupHeader, MediaLayout};
use crate::error::Error;
use crate::read::{array, field, layout_after, length, magic, skip};

const REQUEST: &str = "IOCTL request";
const MESSAGE: &str = "IOCTL message";

/// The IO type of HL messages, in both directions.
const IO_TYPE: u32 = 0x100;

/// An IOCTL to the camera, `0c 00`: 40 bytes and the HL message.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 2 | `0c 00` |
/// | 2 | 2 | version |
/// | 4 | 4 | counter, tail |
/// | 8 | 8 | group header, zeros |
/// | 16 | 2 | `00 70` |
/// | 18 | 2 | index: 0, 1, 2 .., one per request |
/// | 20 | 4 | 1 |
/// | 24 | 4 | HL bytes + 4 |
/// | 28 | 4 | index |
/// | 32 | 4 | 0 |
/// | 36 | 4 | 0x100 |
/// | 40 | | HL message |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IoctlRequest<'a> {
    /// Version and counter.
    pub stamp: AvStamp,
    /// The request's index. The packet repeats its low 16 bits.
    pub index: u32,
    /// The HL message.
    pub hl: &'a [u8],
}

/// An IOCTL from the camera, `00 70`: 32 bytes and the HL message.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 2 | `00 70` |
/// | 2 | 2 | version |
/// | 4 | 4 | counter, tail |
/// | 8 | 8 | zero |
/// | 16 | 2 | size |
/// | 18 | 10 | zero |
/// | 28 | 4 | 0x100 |
/// | 32 | | HL message |
///
/// What the size counts is not known. This crate writes the packet's length less 24, as in login
/// packets and in the login answer of the backchannel (this project's choice). The parser accepts
/// any size up to the packet's length, and ignores bytes 8..16 and 18..32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IoctlMessage<'a> {
    /// Version and counter.
    pub stamp: AvStamp,
    /// The HL message.
    pub hl: &'a [u8],
}

/// The acknowledgement of an IOCTL from the camera, `00 71`.
///
/// Only type and flags are known. This crate writes the 32 bytes of an [`IoctlMessage`] without an
/// HL message (this project's choice). The parser accepts any packet with an AV header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IoctlAck {
    /// Version and counter of the acknowledged message.
    pub stamp: AvStamp,
}

impl<'a> IoctlRequest<'a> {
    /// The number of bytes before the HL message.
    pub const LEN: usize = 40;
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x0c, 0x00];
    /// Bytes 16..18, the channel type of an IOCTL.
    pub const CHANNEL_TYPE: [u8; 2] = [0x00, 0x70];

    /// Parses the packet from its first byte.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 40 bytes, or at 24 if the size is not that of the HL
    /// message; [`Error::Magic`] at 0 and 16; [`Error::Field`] for a group of media (11), two
    /// different indices (28) or another IO type (36).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        // The grammar of control packets does not depend on the media layout.
        Self::from_packet(&AvPacket::parse(bytes, MediaLayout::Slice)?)
    }

    /// Parses the body of a packet.
    pub(crate) fn from_packet(packet: &AvPacket<'a>) -> Result<Self, Error> {
        magic(REQUEST, 0, Self::MAGIC, packet.header.magic())?;
        let k = packet.group.unwrap_or_default().k;
        field(REQUEST, "group k", 11, k, k == 0)?;
        let parser = (array, le_u16, le_u32, le_u32, le_u32, le_u32, le_u32);
        let (fields, hl) = layout_after(
            packet.body_offset(),
            REQUEST,
            Self::LEN,
            packet.body,
            parser,
        )?;
        let (channel_type, index_low, _, size, index, _, io_type) = fields;
        magic(REQUEST, 16, Self::CHANNEL_TYPE, channel_type)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        length(REQUEST, 24, size, hl.len().saturating_add(4))?;
        let indices_agree = index & 0xffff == u32::from(index_low);
        field(REQUEST, "index", 28, index, indices_agree)?;
        field(REQUEST, "IO type", 36, io_type, io_type == IO_TYPE)?;
        let stamp = packet.header.stamp;
        Ok(Self { stamp, index, hl })
    }

    /// Writes the 40 bytes and the HL message.
    pub fn write(&self, out: &mut impl BufMut) {
        let [index_0, index_1, ..] = self.index.to_le_bytes();
        let size = u32::try_from(self.hl.len()).map_or(u32::MAX, |n| n.saturating_add(4));
        AvHeader::new(Self::MAGIC, self.stamp).write(out);
        GroupHeader::default().write(out);
        out.put_slice(&Self::CHANNEL_TYPE);
        out.put_slice(&[index_0, index_1]);
        out.put_u32_le(1);
        out.put_u32_le(size);
        out.put_u32_le(self.index);
        out.put_u32_le(0);
        out.put_u32_le(IO_TYPE);
        out.put_slice(self.hl);
    }
}

impl<'a> IoctlMessage<'a> {
    /// The number of bytes before the HL message.
    pub const LEN: usize = 32;
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x00, 0x70];

    /// Parses the packet from its first byte.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 32 bytes, or at 16 if the size exceeds the packet's length;
    /// [`Error::Magic`] at 0.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let (stamp, body) = AvHeader::expect(MESSAGE, Self::MAGIC, bytes)?;
        Self::from_body(stamp, body)
    }

    /// Parses the bytes after the AV header.
    pub(crate) fn from_body(stamp: AvStamp, body: &'a [u8]) -> Result<Self, Error> {
        let parser = (skip(8), le_u16, skip(14));
        let ((_, size, _), hl) = layout_after(AvHeader::LEN, MESSAGE, Self::LEN, body, parser)?;
        let (size, len) = (usize::from(size), AvHeader::LEN + body.len());
        if size > len {
            return Err(Error::Length {
                what: MESSAGE,
                offset: 16,
                expected: size,
                actual: len,
            });
        }
        Ok(Self { stamp, hl })
    }

    /// Writes the 32 bytes and the HL message.
    pub fn write(&self, out: &mut impl BufMut) {
        write_header(Self::MAGIC, self.stamp, self.hl.len(), out);
        out.put_slice(self.hl);
    }

    /// Returns the acknowledgement of this message.
    #[must_use]
    pub fn acknowledge(&self) -> IoctlAck {
        IoctlAck { stamp: self.stamp }
    }
}

impl IoctlAck {
    /// The number of bytes that are written.
    pub const LEN: usize = 32;
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x00, 0x71];

    /// Parses the AV header of the packet. The rest is ignored.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 8 bytes, [`Error::Magic`] at 0.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (stamp, _) = AvHeader::expect("IOCTL ack", Self::MAGIC, bytes)?;
        Ok(Self { stamp })
    }

    /// Writes the 32 bytes.
    pub fn write(&self, out: &mut impl BufMut) {
        write_header(Self::MAGIC, self.stamp, 0, out);
    }
}

/// Writes the 32 bytes before the HL message of an [`IoctlMessage`].
fn write_header(magic: [u8; 2], stamp: AvStamp, hl_len: usize, out: &mut impl BufMut) {
    AvHeader::new(magic, stamp).write(out);
    out.put_bytes(0, 8);
    out.put_u16_le(u16::try_from(hl_len.saturating_add(8)).unwrap_or(u16::MAX));
    out.put_bytes(0, 10);
    out.put_u32_le(IO_TYPE);
}
