//! AV control packets other than login and IOCTL: heartbeat, link probe, buffer reset and channel
//! message (docs/protocol.md, section 12).
//!
//! Parsers ignore bytes after the end of these layouts. Firmware may append some, as the heartbeat
//! of resend mode does ([`MediaAck`](crate::MediaAck)).

use nom::number::complete::{le_u16, u8};

use crate::av::{AvHeader, AvStamp, LinkClock};
use crate::buffer::Buffer;
use crate::error::Error;
use crate::ioctl::write_header;
use crate::read::{array, layout_after, magic, skip};

/// A heartbeat, `09 00`, 24 bytes. It also acknowledges the camera's IOCTLs.
///
/// | at | size | content | in `summary` |
/// |---|---|---|---|
/// | 0 | 2 | `09 00` | |
/// | 2 | 2 | version | 0x000b |
/// | 4 | 4 | counter, tail | AV sequence |
/// | 8 | 2 | newest slice counter at the last heartbeat | 0xffff |
/// | 10 | 2 | newest slice counter now | 0xffff |
/// | 12 | 2 | commands received | |
/// | 14 | 4 | zero | |
/// | 18 | 2 | heartbeats sent, from 1 | zero |
/// | 20 | 2 | low 16 bits of a millisecond clock | |
/// | 22 | 2 | zero | |
///
/// ```
/// use tutk_frame::{AvStamp, Heartbeat};
///
/// let heartbeat = Heartbeat {
///     stamp: AvStamp { version: 0x0b, counter: 7, tail: 0 },
///     reported: 0xffff,
///     newest: 41,
///     commands: 2,
///     heartbeats: 1,
///     clock: 1000,
/// };
/// let mut packet = Vec::new();
/// heartbeat.write(&mut packet);
/// assert_eq!(Heartbeat::parse(&packet)?, heartbeat);
/// # Ok::<(), tutk_frame::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Heartbeat {
    /// Version and counter.
    pub stamp: AvStamp,
    /// The newest slice counter as the last heartbeat reported it. At first 0xffff.
    pub reported: u16,
    /// The newest slice counter now. At first 0xffff.
    pub newest: u16,
    /// The number of commands received.
    pub commands: u16,
    /// The number of heartbeats sent, including this one. In `summary`, zero.
    pub heartbeats: u16,
    /// The low 16 bits of the sender's millisecond clock.
    pub clock: u16,
}

/// A link probe, `0a 08`, 16 bytes.
///
/// | at | size | content |
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

/// The answer to a probe, `0b 00`, 20 bytes. In `summary`, the status message.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 2 | `0b 00` |
/// | 2 | 2 | version |
/// | 4 | 4 | counter, tail |
/// | 8 | 2 | the probe's clock; in `summary`, the sender's own |
/// | 10 | 2 | packets received since the last answer |
/// | 12 | 2 | packets received since the last answer |
/// | 14 | 6 | zero |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ProbeAnswer {
    /// Version and counter.
    pub stamp: AvStamp,
    /// The probe's clock.
    pub clock: u16,
    /// The number of packets received since the last answer. How the two numbers differ is not
    /// known.
    pub received: [u16; 2],
}

/// A buffer reset, `00 12`, 36 bytes, or its acknowledgement, `00 13`, 44 bytes.
///
/// | at | size | content | in the acknowledgement |
/// |---|---|---|---|
/// | 0 | 8 | AV header | |
/// | 8 | 8 | zero | |
/// | 16 | 4 | 12: bytes after 24 | 20 |
/// | 20 | 4 | message id | the same |
/// | 24 | 12 | not known | the same |
/// | 36 | 8 | | zero |
///
/// The parser accepts any packet with an AV header, and reads bytes beyond its end as zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct BufferReset {
    /// `true` for the acknowledgement.
    pub ack: bool,
    /// Version and counter.
    pub stamp: AvStamp,
    /// The message id.
    pub id: u32,
    /// Bytes 24..36.
    pub data: [u8; 12],
}

/// A channel message, `00 10`: 36 bytes and a body. Its acknowledgement, `00 11`, is the first 24
/// bytes; in `summary`, all 36.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 2 | `00 10` message, `00 11` acknowledgement |
/// | 2 | 2 | version |
/// | 4 | 4 | counter, tail |
/// | 8 | 1 | channel |
/// | 9 | 1 | zero |
/// | 10 | 1 | subtype |
/// | 11 | 1 | zero |
/// | 12 | 24 | data of the channel |
/// | 36 | | an HL message, in some messages of real cameras (docs/protocol.md, section 13) |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ChannelMessage<'a> {
    /// `true` for the acknowledgement.
    pub ack: bool,
    /// Version and counter.
    pub stamp: AvStamp,
    /// The channel number.
    pub channel: u8,
    /// The subtype of the message.
    pub subtype: u8,
    /// The data of the channel.
    pub data: [u8; 24],
    /// The bytes from 36 on: an HL message or nothing.
    pub body: &'a [u8],
}

impl Heartbeat {
    /// The packet's length in bytes.
    pub const LEN: usize = 24;
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x09, 0x00];

    /// Parses the packet from its first byte. Bytes after 24 are ignored.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 24 bytes, [`Error::Magic`] at 0.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (stamp, body) = AvHeader::expect("heartbeat", Self::MAGIC, bytes)?;
        Self::from_body(stamp, body)
    }

    /// Parses the bytes after the AV header.
    pub(crate) fn from_body(stamp: AvStamp, body: &[u8]) -> Result<Self, Error> {
        let parser = (le_u16, le_u16, le_u16, skip(4), le_u16, le_u16, skip(2));
        let (fields, _) = layout_after(AvHeader::LEN, "heartbeat", Self::LEN, body, parser)?;
        let (reported, newest, commands, _, heartbeats, clock, _) = fields;
        Ok(Self {
            stamp,
            reported,
            newest,
            commands,
            heartbeats,
            clock,
        })
    }

    /// Writes the 24 bytes.
    pub fn write(&self, out: &mut impl Buffer) {
        AvHeader::new(Self::MAGIC, self.stamp).write(out);
        out.put_u16_le(self.reported);
        out.put_u16_le(self.newest);
        out.put_u16_le(self.commands);
        out.put_u32_le(0);
        out.put_u16_le(self.heartbeats);
        out.put_u16_le(self.clock);
        out.put_u16_le(0);
    }
}

impl Probe {
    /// The packet's length in bytes.
    pub const LEN: usize = 16;
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x0a, 0x08];

    /// Parses the packet from its first byte. Bytes after 16 are ignored.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 16 bytes, [`Error::Magic`] at 0.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (stamp, body) = AvHeader::expect("probe", Self::MAGIC, bytes)?;
        let (clock, _) = LinkClock::parse(body).map_err(|e| e.at(AvHeader::LEN))?;
        Ok(Self { stamp, clock })
    }

    /// Writes the 16 bytes.
    pub fn write(&self, out: &mut impl Buffer) {
        AvHeader::new(Self::MAGIC, self.stamp).write(out);
        self.clock.write(out);
    }
}

impl ProbeAnswer {
    /// The packet's length in bytes.
    pub const LEN: usize = 20;
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x0b, 0x00];

    /// Parses the packet from its first byte. Bytes after 20 are ignored.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 20 bytes, [`Error::Magic`] at 0.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (stamp, body) = AvHeader::expect("probe answer", Self::MAGIC, bytes)?;
        Self::from_body(stamp, body)
    }

    /// Parses the bytes after the AV header.
    pub(crate) fn from_body(stamp: AvStamp, body: &[u8]) -> Result<Self, Error> {
        let parser = (le_u16, le_u16, le_u16, skip(6));
        let ((clock, first, second, _), _) =
            layout_after(AvHeader::LEN, "probe answer", Self::LEN, body, parser)?;
        Ok(Self {
            stamp,
            clock,
            received: [first, second],
        })
    }

    /// Writes the 20 bytes.
    pub fn write(&self, out: &mut impl Buffer) {
        AvHeader::new(Self::MAGIC, self.stamp).write(out);
        out.put_u16_le(self.clock);
        for count in self.received {
            out.put_u16_le(count);
        }
        out.put_zeros(6);
    }
}

impl BufferReset {
    /// The length of a buffer reset in bytes.
    pub const LEN: usize = 36;
    /// The length of its acknowledgement in bytes.
    pub const ACK_LEN: usize = 44;
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x00, 0x12];
    /// Type and flags of the acknowledgement.
    pub const ACK_MAGIC: [u8; 2] = [0x00, 0x13];

    /// Parses the packet from its first byte.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 8 bytes, [`Error::Magic`] at 0.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (ack, stamp, body) =
            expect_either("buffer reset", Self::MAGIC, Self::ACK_MAGIC, bytes)?;
        Ok(Self::from_body(ack, stamp, body))
    }

    /// Parses the bytes after the AV header.
    pub(crate) fn from_body(ack: bool, stamp: AvStamp, body: &[u8]) -> Self {
        // The message id and the data, after eight zeros and the size.
        let [i0, i1, i2, i3, data @ ..] = padded::<16>(body.get(12..).unwrap_or_default());
        Self {
            ack,
            stamp,
            id: u32::from_le_bytes([i0, i1, i2, i3]),
            data,
        }
    }

    /// Writes the 36 or 44 bytes.
    pub fn write(&self, out: &mut impl Buffer) {
        let (magic, more) = match self.ack {
            true => (Self::ACK_MAGIC, Self::ACK_LEN - Self::LEN),
            false => (Self::MAGIC, 0),
        };
        let size = if self.ack { 20 } else { 12 };
        write_header(magic, self.stamp, size, self.id, out);
        out.put_slice(&self.data);
        out.put_zeros(more);
    }

    /// Returns the acknowledgement.
    #[must_use]
    pub fn acknowledge(self) -> Self {
        Self { ack: true, ..self }
    }
}

impl<'a> ChannelMessage<'a> {
    /// The number of bytes before the body.
    pub const LEN: usize = 36;
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x00, 0x10];
    /// Type and flags of the acknowledgement.
    pub const ACK_MAGIC: [u8; 2] = [0x00, 0x11];

    /// Parses the packet from its first byte.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 36 bytes, in an acknowledgement 8; [`Error::Magic`] at 0.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let (ack, stamp, body) =
            expect_either("channel message", Self::MAGIC, Self::ACK_MAGIC, bytes)?;
        Self::from_body(ack, stamp, body)
    }

    /// Parses the bytes after the AV header.
    pub(crate) fn from_body(ack: bool, stamp: AvStamp, body: &'a [u8]) -> Result<Self, Error> {
        // An acknowledgement may be shorter. Bytes beyond its end are read as zero.
        let short = (ack && AvHeader::LEN + body.len() < Self::LEN).then(|| padded::<28>(body));
        let (fields, body) = match &short {
            Some(padded) => (padded.as_slice(), &[][..]),
            None => (body, body.get(28..).unwrap_or_default()),
        };
        let parser = (u8, skip(1), u8, skip(1), array);
        let ((channel, _, subtype, _, data), _) =
            layout_after(AvHeader::LEN, "channel message", Self::LEN, fields, parser)?;
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
    pub fn write(&self, out: &mut impl Buffer) {
        let magic = match self.ack {
            true => Self::ACK_MAGIC,
            false => Self::MAGIC,
        };
        AvHeader::new(magic, self.stamp).write(out);
        out.put_slice(&[self.channel, 0, self.subtype, 0]);
        out.put_slice(&self.data);
        out.put_slice(self.body);
    }

    /// Writes the acknowledgement: the first 24 bytes with the other magic and size 0.
    pub fn write_ack(&self, out: &mut impl Buffer) {
        let [a, b, c, d, _, _, _, _, id @ ..] = self.data;
        let [i0, i1, i2, i3, ..] = id;
        AvHeader::new(Self::ACK_MAGIC, self.stamp).write(out);
        out.put_slice(&[self.channel, 0, self.subtype, 0, a, b, c, d]);
        out.put_slice(&[0, 0, 0, 0, i0, i1, i2, i3]);
    }

    /// Returns the acknowledgement of `summary`: the same 36 bytes with the other magic, and no
    /// body.
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

/// Returns the first `N` bytes, and zeros for those beyond the end.
fn padded<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut padded = [0; N];
    let len = bytes.len().min(N);
    if let (Some(to), Some(from)) = (padded.get_mut(..len), bytes.get(..len)) {
        to.copy_from_slice(from);
    }
    padded
}

/// Parses the AV header of a message or of its acknowledgement. Returns `true` for the latter.
fn expect_either<'a>(
    what: &'static str,
    message: [u8; 2],
    ack: [u8; 2],
    bytes: &'a [u8],
) -> Result<(bool, AvStamp, &'a [u8]), Error> {
    let (header, body) = AvHeader::parse(bytes)?;
    let is_ack = header.magic() == ack;
    magic(what, 0, if is_ack { ack } else { message }, header.magic())?;
    Ok((is_ack, header.stamp, body))
}
