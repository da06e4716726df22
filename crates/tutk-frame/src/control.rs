//! AV control packets beside login and IOCTL: heartbeat, link probe, buffer reset, channel message
//! (wire.md section 8, summary.md "Frame Formats").
//!
//! Bytes after the end of these layouts are passed over: firmware may append to them, as the
//! heartbeat of resend mode does ([`ResendRequest`](crate::ResendRequest)).

use bytes::BufMut;
use nom::Parser;
use nom::number::complete::{le_u16, u8};

use crate::av::{AvHeader, AvStamp, LinkClock};
use crate::read::{array, layout, skip};
use crate::{AvKind, Error, MediaLayout};

/// Heartbeat and acknowledgement, `09 00`, 24 bytes.
///
/// | at | size | field (wire.md section 8) | summary.md |
/// |---|---|---|---|
/// | 0 | 2 | `09 00` | magic 0x0009 |
/// | 2 | 2 | version | 0x000b |
/// | 4 | 4 | counter, tail | AV sequence |
/// | 8 | 2 | newest media counter reported last time | marker 0xffffffff |
/// | 10 | 2 | newest media counter now | " |
/// | 12 | 2 | count, from 1 | counter, must be 2 |
/// | 14 | 4 | zero | zero |
/// | 18 | 2 | the same count | zero |
/// | 20 | 2 | low 16 bits of a millisecond clock | 0x062e |
/// | 22 | 2 | zero | zero |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Heartbeat {
    /// Version and counter; the summary's AV sequence.
    pub stamp: AvStamp,
    /// Newest media counter as reported last time; 0xffff at first.
    pub reported: u16,
    /// Newest media counter now; 0xffff at first.
    pub newest: u16,
    /// Heartbeats sent, from 1.
    pub count: u16,
    /// The same count in the field; zero in the summary.
    pub count_again: u16,
    /// Low 16 bits of the sender's millisecond clock.
    pub clock: u16,
}

/// Link probe, `0a 08`, 16 bytes: AV header and [`LinkClock`].
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 8 | AV header, `0a 08` |
/// | 8 | 8 | link clock |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Probe {
    /// Version and counter.
    pub stamp: AvStamp,
    /// The clock that the answer echoes.
    pub clock: LinkClock,
}

/// The answer to a probe, `0b 00`, 20 bytes: the summary's status message.
///
/// | at | size | field (wire.md section 8) | summary.md |
/// |---|---|---|---|
/// | 0 | 2 | `0b 00` | magic 0x000b |
/// | 2 | 2 | version | 0x000b |
/// | 4 | 4 | counter, tail | AV sequence |
/// | 8 | 2 | the probe's clock | field 1, 0x03b4 |
/// | 10 | 2 | packets received since the last answer | field 2, 0x0002 |
/// | 12 | 2 | likewise | field 3, 0x0003 |
/// | 14 | 6 | zero | zero |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ProbeAnswer {
    /// Version and counter; the summary's AV sequence.
    pub stamp: AvStamp,
    /// The probe's clock.
    pub clock: u16,
    /// Packets received since the last answer. How the two counts differ is not sure.
    pub received: [u16; 2],
}

/// Buffer reset `00 12` and its acknowledgement `00 13`, which echoes 20 bytes.
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 8 | AV header |
/// | 8 | 12 | not known; echoed |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct BufferReset {
    /// Whether this is the acknowledgement.
    pub ack: bool,
    /// Version and counter.
    pub stamp: AvStamp,
    /// Bytes 8..20.
    pub data: [u8; 12],
}

/// Channel message `00 10` and its acknowledgement `00 11`, 36 bytes and a body.
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 2 | `00 10` message, `00 11` acknowledgement (0x1000, 0x1100) |
/// | 2 | 2 | version |
/// | 4 | 4 | counter, tail; the summary's sequence |
/// | 8 | 1 | channel |
/// | 9 | 1 | zero |
/// | 10 | 1 | subtype |
/// | 11 | 1 | zero |
/// | 12 | 24 | data of the channel |
/// | 36 | | an HL message, on some messages of the field (wire.md section 9) |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ChannelMessage<'a> {
    /// Whether this is the acknowledgement.
    pub ack: bool,
    /// Version and counter; the summary's sequence.
    pub stamp: AvStamp,
    /// Channel number.
    pub channel: u8,
    /// Subtype of the message.
    pub subtype: u8,
    /// Data of the channel.
    pub data: [u8; 24],
    /// Bytes 36 and on: an HL message, or nothing.
    pub body: &'a [u8],
}

impl Heartbeat {
    /// Bytes of the packet.
    pub const LEN: usize = 24;
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x09, 0x00];

    /// Reads the packet from its first byte; bytes after 24 are passed over.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 24 bytes, [`Error::Magic`] at 0.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (stamp, rest) = start("heartbeat", Self::LEN, Self::MAGIC, bytes)?;
        let parser = (le_u16, le_u16, le_u16, skip(4), le_u16, le_u16, skip(2));
        let (fields, _) = layout("heartbeat", Self::LEN - AvHeader::LEN, rest, parser)?;
        let (reported, newest, count, _, count_again, clock, _) = fields;
        Ok(Self {
            stamp,
            reported,
            newest,
            count,
            count_again,
            clock,
        })
    }

    /// Writes the 24 bytes.
    pub fn write(&self, out: &mut impl BufMut) {
        AvHeader::new(Self::MAGIC, self.stamp).write(out);
        out.put_u16_le(self.reported);
        out.put_u16_le(self.newest);
        out.put_u16_le(self.count);
        out.put_u32_le(0);
        out.put_u16_le(self.count_again);
        out.put_u16_le(self.clock);
        out.put_u16_le(0);
    }
}

impl Probe {
    /// Bytes of the packet.
    pub const LEN: usize = 16;
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x0a, 0x08];

    /// Reads the packet from its first byte; bytes after 16 are passed over.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 16 bytes, [`Error::Magic`] at 0.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (stamp, rest) = start("probe", Self::LEN, Self::MAGIC, bytes)?;
        let (clock, _) = LinkClock::parse(rest).map_err(|e| e.at(AvHeader::LEN))?;
        Ok(Self { stamp, clock })
    }

    /// Writes the 16 bytes.
    pub fn write(&self, out: &mut impl BufMut) {
        AvHeader::new(Self::MAGIC, self.stamp).write(out);
        self.clock.write(out);
    }
}

impl ProbeAnswer {
    /// Bytes of the packet.
    pub const LEN: usize = 20;
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x0b, 0x00];

    /// Reads the packet from its first byte; bytes after 20 are passed over.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 20 bytes, [`Error::Magic`] at 0.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (stamp, rest) = start("probe answer", Self::LEN, Self::MAGIC, bytes)?;
        let parser = (le_u16, le_u16, le_u16, skip(6));
        let ((clock, first, second, _), _) =
            layout("probe answer", Self::LEN - AvHeader::LEN, rest, parser)?;
        Ok(Self {
            stamp,
            clock,
            received: [first, second],
        })
    }

    /// Writes the 20 bytes.
    pub fn write(&self, out: &mut impl BufMut) {
        AvHeader::new(Self::MAGIC, self.stamp).write(out);
        out.put_u16_le(self.clock);
        for count in self.received {
            out.put_u16_le(count);
        }
        out.put_bytes(0, 6);
    }
}

impl BufferReset {
    /// Bytes of the packet that are echoed.
    pub const LEN: usize = 20;
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x00, 0x12];
    /// Type and flags of the acknowledgement.
    pub const ACK_MAGIC: [u8; 2] = [0x00, 0x13];

    /// Reads the packet from its first byte; bytes after 20 are passed over.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 20 bytes, [`Error::Magic`] at 0.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let ack = has_magic(bytes, AvKind::BufferResetAck);
        let magic = if ack { Self::ACK_MAGIC } else { Self::MAGIC };
        let (stamp, rest) = start("buffer reset", Self::LEN, magic, bytes)?;
        let (data, _) = layout("buffer reset", Self::LEN - AvHeader::LEN, rest, array)?;
        Ok(Self { ack, stamp, data })
    }

    /// Writes the 20 bytes.
    pub fn write(&self, out: &mut impl BufMut) {
        let magic = if self.ack {
            Self::ACK_MAGIC
        } else {
            Self::MAGIC
        };
        AvHeader::new(magic, self.stamp).write(out);
        out.put_slice(&self.data);
    }

    /// The acknowledgement: the same bytes with the other magic.
    #[must_use]
    pub fn acknowledge(self) -> Self {
        Self { ack: true, ..self }
    }
}

impl<'a> ChannelMessage<'a> {
    /// Bytes before the body.
    pub const LEN: usize = 36;
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x00, 0x10];
    /// Type and flags of the acknowledgement.
    pub const ACK_MAGIC: [u8; 2] = [0x00, 0x11];

    /// Reads the packet from its first byte.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 36 bytes, [`Error::Magic`] at 0.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let ack = has_magic(bytes, AvKind::ChannelAck);
        let magic = if ack { Self::ACK_MAGIC } else { Self::MAGIC };
        let (stamp, rest) = start("channel message", Self::LEN, magic, bytes)?;
        let parser = (u8, skip(1), u8, skip(1), array);
        let ((channel, _, subtype, _, data), body) =
            layout("channel message", Self::LEN - AvHeader::LEN, rest, parser)?;
        Ok(Self {
            ack,
            stamp,
            channel,
            subtype,
            data,
            body,
        })
    }

    /// Writes the 36 bytes and the body.
    pub fn write(&self, out: &mut impl BufMut) {
        let magic = if self.ack {
            Self::ACK_MAGIC
        } else {
            Self::MAGIC
        };
        AvHeader::new(magic, self.stamp).write(out);
        out.put_slice(&[self.channel, 0, self.subtype, 0]);
        out.put_slice(&self.data);
        out.put_slice(self.body);
    }

    /// The acknowledgement: the same 36 bytes with the other magic and no body. That the bytes are
    /// echoed is this project's choice.
    #[must_use]
    pub fn acknowledge(self) -> ChannelMessage<'static> {
        ChannelMessage {
            ack: true,
            stamp: self.stamp,
            channel: self.channel,
            subtype: self.subtype,
            data: self.data,
            body: &[],
        }
    }
}

/// The AV header of a packet that takes `len` bytes in all.
pub(crate) fn start<'a>(
    what: &'static str,
    len: usize,
    magic: [u8; 2],
    bytes: &'a [u8],
) -> Result<(AvStamp, &'a [u8]), Error> {
    // The magic first: a short packet of another kind is another kind.
    let after_header = AvHeader::expect(what, magic, bytes)?;
    layout(what, len, bytes, skip(len).map(|_| ()))?;
    Ok(after_header)
}

/// Whether the packet says that it is of this kind.
fn has_magic(bytes: &[u8], kind: AvKind) -> bool {
    // Control packets are the same in both media layouts.
    AvHeader::parse(bytes).is_ok_and(|(header, _)| header.kind(MediaLayout::Slice) == kind)
}
