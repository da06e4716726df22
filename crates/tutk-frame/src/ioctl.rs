//! The frames around HL messages (wire.md section 9, summary.md "Frame Formats"). What is inside
//! them is another crate's.

use bytes::BufMut;
use nom::number::complete::{le_u16, le_u32};

use crate::Error;
use crate::av::{AvHeader, AvStamp, GroupHeader};
use crate::control::start;
use crate::read::{array, field, layout, length, magic, skip};

/// The u32 in both directions that says "HL message".
const IO_TYPE: u32 = 0x100;

/// An IOCTL to the camera, `0c 00`, 40 bytes and the HL message.
///
/// | at | size | what | summary.md |
/// |---|---|---|---|
/// | 0 | 2 | `0c 00` | magic 0x000c |
/// | 2 | 2 | version | 0x000b |
/// | 4 | 4 | counter, tail | AV sequence |
/// | 8 | 8 | group header, zeros | zero |
/// | 16 | 2 | `00 70` | channel type 0x7000 |
/// | 18 | 2 | index: 0, 1, 2 .., one a request | sub-channel 0, 1 |
/// | 20 | 4 | 1 | IOCTL sequence, 1 |
/// | 24 | 4 | HL bytes + 4 | payload size |
/// | 28 | 4 | index | flag 0, 1 |
/// | 32 | 4 | 0 | zero |
/// | 36 | 4 | 0x100 | IO type 0x0100, zero |
/// | 40 | | HL message | HL payload |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IoctlRequest<'a> {
    /// Version and counter; the summary's AV sequence.
    pub stamp: AvStamp,
    /// The request's index. Its low 16 bits stand in the packet a second time.
    pub index: u32,
    /// The HL message.
    pub hl: &'a [u8],
}

/// An IOCTL from the camera, `00 70`, 32 bytes and the HL message.
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 2 | `00 70` (0x7000) |
/// | 2 | 2 | version |
/// | 4 | 4 | counter, tail; the summary's sequence |
/// | 8 | 8 | zero |
/// | 16 | 2 | size |
/// | 18 | 10 | zero |
/// | 28 | 4 | 0x100 |
/// | 32 | | HL message |
///
/// What the size counts is not sure. This crate writes the packet's bytes less 24, as the size in
/// the login packets and in the two-way login answer counts (this project's choice), and takes any
/// that is no more than the packet. Bytes 8..16 and 18..32 are not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IoctlMessage<'a> {
    /// Version and counter; the summary's sequence.
    pub stamp: AvStamp,
    /// The HL message.
    pub hl: &'a [u8],
}

/// The acknowledgement of an IOCTL from the camera, `00 71`.
///
/// Only type and flags are known. This crate writes the 32 bytes of an [`IoctlMessage`] without an
/// HL message (this project's choice), and takes anything that has an AV header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IoctlAck {
    /// Version and counter: those of the message that is acknowledged.
    pub stamp: AvStamp,
}

impl<'a> IoctlRequest<'a> {
    /// Bytes before the HL message.
    pub const LEN: usize = 40;
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x0c, 0x00];
    /// Bytes 16..18: the channel type, an IOCTL.
    pub const CHANNEL_TYPE: [u8; 2] = [0x00, 0x70];

    /// Reads the packet from its first byte.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 40 bytes, or at 24 when the size is not that of the HL
    /// message; [`Error::Magic`] at 0 and 16; [`Error::Field`] for a group that is media (11), two
    /// indices that differ (28), another IO type (36).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        const WHAT: &str = "IOCTL request";
        let (stamp, rest) = start(WHAT, Self::LEN, Self::MAGIC, bytes)?;
        let (group, rest) = GroupHeader::parse(rest).map_err(|e| e.at(AvHeader::LEN))?;
        field(WHAT, "group k", 11, group.k, group.is_ioctl())?;
        let parser = (array, le_u16, le_u32, le_u32, le_u32, le_u32, le_u32);
        let (fields, hl) = layout(WHAT, 24, rest, parser)?;
        let (channel_type, index_low, _, size, index, _, io_type) = fields;
        magic(WHAT, 16, Self::CHANNEL_TYPE, channel_type)?;
        // A size that a usize cannot hold is no size of these bytes either.
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        length(WHAT, 24, size, hl.len().saturating_add(4))?;
        let indices_agree = index & 0xffff == u32::from(index_low);
        field(WHAT, "index", 28, index, indices_agree)?;
        field(WHAT, "IO type", 36, io_type, io_type == IO_TYPE)?;
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
    /// Bytes before the HL message.
    pub const LEN: usize = 32;
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x00, 0x70];

    /// Reads the packet from its first byte.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 32 bytes, or at 16 when the size is more than the packet;
    /// [`Error::Magic`] at 0.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        const WHAT: &str = "IOCTL message";
        let (stamp, rest) = start(WHAT, Self::LEN, Self::MAGIC, bytes)?;
        let parser = (skip(8), le_u16, skip(14));
        let ((_, size, _), hl) = layout(WHAT, Self::LEN - AvHeader::LEN, rest, parser)?;
        let size = usize::from(size);
        if size > bytes.len() {
            return Err(Error::Length {
                what: WHAT,
                offset: 16,
                expected: size,
                actual: bytes.len(),
            });
        }
        Ok(Self { stamp, hl })
    }

    /// Writes the 32 bytes and the HL message.
    pub fn write(&self, out: &mut impl BufMut) {
        header_32(Self::MAGIC, self.stamp, self.hl.len(), out);
        out.put_slice(self.hl);
    }

    /// The acknowledgement of this message.
    #[must_use]
    pub fn acknowledge(&self) -> IoctlAck {
        IoctlAck { stamp: self.stamp }
    }
}

impl IoctlAck {
    /// Bytes that are written.
    pub const LEN: usize = 32;
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x00, 0x71];

    /// Reads the AV header of the packet; the rest is passed over.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 8 bytes, [`Error::Magic`] at 0.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (stamp, _) = AvHeader::expect("IOCTL ack", Self::MAGIC, bytes)?;
        Ok(Self { stamp })
    }

    /// Writes the 32 bytes.
    pub fn write(&self, out: &mut impl BufMut) {
        header_32(Self::MAGIC, self.stamp, 0, out);
    }
}

/// The 32 bytes of [`IoctlMessage`].
fn header_32(magic: [u8; 2], stamp: AvStamp, hl_len: usize, out: &mut impl BufMut) {
    AvHeader::new(magic, stamp).write(out);
    out.put_bytes(0, 8);
    // Packets are far below 64 KiB; a size beyond is one that no reader would believe.
    out.put_u16_le(u16::try_from(hl_len.saturating_add(8)).unwrap_or(u16::MAX));
    out.put_bytes(0, 10);
    out.put_u32_le(IO_TYPE);
}
