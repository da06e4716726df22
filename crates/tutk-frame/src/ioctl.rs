//! The frames around HL messages (docs/protocol.md, section 13). The crate `hl-ioctl` parses the
//! messages.

use nom::number::complete::le_u32;

use crate::av::{AvHeader, AvPacket, AvStamp, GroupHeader, MediaLayout};
use crate::buffer::Buffer;
use crate::error::Error;
use crate::read::{array, field, layout_after, magic, skip};

const REQUEST: &str = "IOCTL request";
const MESSAGE: &str = "IOCTL message";

/// The IO type of HL messages, in both directions.
const IO_TYPE: u32 = 0x100;

/// An IOCTL to the camera, `0c 00`: 40 bytes and the HL message. Some cameras answer in the same
/// layout.
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
///
/// The parser checks type, k and bytes 16..18 only, because the HL message contains its own size.
///
/// ```
/// use tutk_frame::{AvStamp, IoctlRequest};
///
/// let hl = *b"HL\x05\0\x2e\x27\0\0\0\0\0\0\0\0\0\0"; // K10030
/// let request = IoctlRequest { stamp: AvStamp::default(), index: 2, hl: &hl };
/// let mut packet = Vec::new();
/// request.write(&mut packet);
/// assert_eq!(IoctlRequest::parse(&packet)?, request);
/// # Ok::<(), tutk_frame::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IoctlRequest<'a> {
    /// Version and counter.
    pub stamp: AvStamp,
    /// The request's index at 28. The packet repeats its low 16 bits.
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
/// | 16 | 4 | the packet's length less 24 |
/// | 20 | 4 | message id, which the acknowledgement repeats |
/// | 24 | 4 | zero |
/// | 28 | 4 | 0x100 |
/// | 32 | | HL message |
///
/// The parser ignores bytes 8..16, the size, because the HL message contains its own, and bytes
/// 24..32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IoctlMessage<'a> {
    /// Version and counter.
    pub stamp: AvStamp,
    /// The message id, zero if the camera does not number its messages.
    pub id: u32,
    /// The HL message.
    pub hl: &'a [u8],
}

/// The acknowledgement of an IOCTL, `00 71`, 24 bytes: the header of the message with size 0.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 2 | `00 71` |
/// | 2 | 2 | version of the message |
/// | 4 | 4 | counter and tail of the message |
/// | 8 | 8 | zero |
/// | 16 | 4 | 0 |
/// | 20 | 4 | message id of the message |
///
/// The parser accepts any packet with an AV header, and reads an id beyond its end as zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IoctlAck {
    /// Version and counter of the acknowledged message.
    pub stamp: AvStamp,
    /// The id of the acknowledged message.
    pub id: u32,
}

impl<'a> IoctlRequest<'a> {
    /// The number of bytes before the HL message.
    pub const LEN: usize = 40;
    /// The number of bytes between the group header and the HL message.
    const BODY_LEN: usize = 24;
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x0c, 0x00];
    /// Bytes 16..18, the channel type of an IOCTL.
    pub const CHANNEL_TYPE: [u8; 2] = [0x00, 0x70];

    /// Parses the packet from its first byte.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 40 bytes; [`Error::Magic`] for another type (0) or content
    /// (16); [`Error::Field`] for a group of media (11).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        // The grammar of control packets does not depend on the media layout.
        Self::from_packet(&AvPacket::parse(bytes, MediaLayout::Slice)?)
    }

    /// Parses the body of a packet.
    pub(crate) fn from_packet(packet: &AvPacket<'a>) -> Result<Self, Error> {
        let [packet_type, _] = Self::MAGIC;
        let actual = [packet.header.packet_type, packet.header.flags];
        let expected = [packet_type, packet.header.flags];
        magic(REQUEST, 0, expected, actual)?;
        let k = packet.group.unwrap_or_default().k;
        field(REQUEST, "group k", 11, k, k == 0)?;
        let before = packet.body_offset();
        let parser = (array, skip(10), le_u32, skip(8));
        let len = before + Self::BODY_LEN;
        let (fields, hl) = layout_after(before, REQUEST, len, packet.body, parser)?;
        let (channel_type, _, index, _) = fields;
        magic(REQUEST, before, Self::CHANNEL_TYPE, channel_type)?;
        let stamp = packet.header.stamp;
        Ok(Self { stamp, index, hl })
    }

    /// Writes the 40 bytes and the HL message.
    pub fn write(&self, out: &mut impl Buffer) {
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
    /// [`Error::Length`] for fewer than 32 bytes, [`Error::Magic`] at 0.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let (stamp, body) = AvHeader::expect(MESSAGE, Self::MAGIC, bytes)?;
        Self::from_body(stamp, body)
    }

    /// Parses the bytes after the AV header.
    pub(crate) fn from_body(stamp: AvStamp, body: &'a [u8]) -> Result<Self, Error> {
        let parser = (skip(12), le_u32, skip(8));
        let ((_, id, _), hl) = layout_after(AvHeader::LEN, MESSAGE, Self::LEN, body, parser)?;
        Ok(Self { stamp, id, hl })
    }

    /// Writes the 32 bytes and the HL message.
    pub fn write(&self, out: &mut impl Buffer) {
        let size = u32::try_from(self.hl.len()).map_or(u32::MAX, |n| n.saturating_add(8));
        write_header(Self::MAGIC, self.stamp, size, self.id, out);
        out.put_u32_le(0);
        out.put_u32_le(IO_TYPE);
        out.put_slice(self.hl);
    }

    /// Returns the acknowledgement of this message.
    #[must_use]
    pub fn acknowledge(&self) -> IoctlAck {
        IoctlAck {
            stamp: self.stamp,
            id: self.id,
        }
    }
}

impl IoctlAck {
    /// The number of bytes that are written.
    pub const LEN: usize = 24;
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x00, 0x71];

    /// Parses the AV header of the packet. The rest is ignored.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 8 bytes, [`Error::Magic`] at 0.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (stamp, body) = AvHeader::expect("IOCTL ack", Self::MAGIC, bytes)?;
        Ok(Self::from_body(stamp, body))
    }

    /// Parses the bytes after the AV header.
    pub(crate) fn from_body(stamp: AvStamp, body: &[u8]) -> Self {
        let id = body.get(12..).and_then(<[u8]>::first_chunk);
        let id = id.map_or(0, |&id| u32::from_le_bytes(id));
        Self { stamp, id }
    }

    /// Writes the 24 bytes.
    pub fn write(&self, out: &mut impl Buffer) {
        write_header(Self::MAGIC, self.stamp, 0, self.id, out);
    }
}

/// Writes the 24 bytes that control messages and their acknowledgements begin with
/// (docs/protocol.md, section 12). `size` is the number of bytes after them.
pub(crate) fn write_header(
    magic: [u8; 2],
    stamp: AvStamp,
    size: u32,
    id: u32,
    out: &mut impl Buffer,
) {
    AvHeader::new(magic, stamp).write(out);
    out.put_zeros(8);
    out.put_u32_le(size);
    out.put_u32_le(id);
}
