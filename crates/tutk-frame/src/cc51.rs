//! The packets of the `cc51` dialect (wire.md section 6). Tags are fields here; what they are
//! computed with is another crate's.

use bytes::BufMut;
use nom::number::complete::{le_u16, le_u32};

use crate::Error;
use crate::header::Direction;
use crate::ids::SessionId;
use crate::read::{array, layout, length, magic, skip};

/// Bytes of a tag, HMAC-SHA1, the last of every packet.
pub const TAG_LEN: usize = 20;

/// cc51 commands.
pub mod command {
    /// Discovery, both ways.
    pub const DISCOVERY: u16 = 0x1002;
    /// Keepalive, both ways.
    pub const KEEPALIVE: u16 = 0x1202;
    /// Data, both ways.
    pub const DATA: u16 = 0x1502;
}

/// The first 16 bytes of every cc51 packet.
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 2 | `51 cc` |
/// | 2 | 2 | zero |
/// | 4 | 2 | command |
/// | 6 | 2 | payload size: the datagram's bytes less 12 |
/// | 8 | 2 | direction: 0 request, 0xffff response |
/// | 10 | 2 | zero |
/// | 12 | 2 | sequence |
/// | 14 | 2 | ticket |
///
/// After it stand 8 bytes of session id at 16, except in keepalives. What the payload size counts
/// follows from the sizes that wire.md gives for all three packets. A direction that is not 0xffff
/// reads as a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Cc51Header {
    /// What the packet is.
    pub command: u16,
    /// The datagram's bytes less 12.
    pub size: u16,
    /// Request to, or response from, the camera.
    pub direction: Direction,
    /// Sequence.
    pub sequence: u16,
    /// The ticket that the camera gave.
    pub ticket: u16,
}

/// cc51 discovery, 52 bytes, command 0x1002.
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 16 | [`Cc51Header`], size 0x28 |
/// | 16 | 8 | session id |
/// | 24 | 4 | `00 08 03 04` |
/// | 28 | 4 | 0x1d |
/// | 32 | 20 | tag over bytes 0..32 |
///
/// Client sequence 0 and ticket 0; camera sequence 1 with a ticket; client sequence 2 with that
/// ticket; camera sequence 3. Bytes 24..32 are not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Cc51Discovery {
    /// Who sends it.
    pub direction: Direction,
    /// 0 to 3.
    pub sequence: u16,
    /// The camera's ticket; 0 at first.
    pub ticket: u16,
    /// The session id.
    pub session: SessionId,
    /// The tag over the bytes before it.
    pub tag: [u8; TAG_LEN],
}

/// cc51 keepalive, 48 bytes, command 0x1202.
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 16 | [`Cc51Header`], size 0x24 |
/// | 16 | 4 | counter: 2, 4, 6 .. in answers |
/// | 20 | 8 | session id |
/// | 28 | 20 | tag over bytes 0..28 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Cc51Keepalive {
    /// Who sends it.
    pub direction: Direction,
    /// Sequence.
    pub sequence: u16,
    /// Ticket.
    pub ticket: u16,
    /// Counter.
    pub counter: u32,
    /// The session id.
    pub session: SessionId,
    /// The tag over the bytes before it.
    pub tag: [u8; TAG_LEN],
}

impl Cc51Header {
    /// Bytes of the header.
    pub const LEN: usize = 16;
    /// Bytes 0..2.
    pub const MAGIC: [u8; 2] = [0x51, 0xcc];
    /// Bytes of a datagram that its size field does not count.
    pub const UNCOUNTED: usize = 12;

    /// Reads the header and leaves its size field unchecked; gives the bytes after it.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 16 bytes, [`Error::Magic`] at 0.
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        const WHAT: &str = "cc51 header";
        let parser = (
            array,
            skip(2),
            le_u16,
            le_u16,
            le_u16,
            skip(2),
            le_u16,
            le_u16,
        );
        let (fields, rest) = layout(WHAT, Self::LEN, bytes, parser)?;
        let (actual, _, command, size, direction, _, sequence, ticket) = fields;
        magic(WHAT, 0, Self::MAGIC, actual)?;
        let header = Self {
            command,
            size,
            direction: match direction {
                0xffff => Direction::FromCamera,
                _ => Direction::ToCamera,
            },
            sequence,
            ticket,
        };
        Ok((header, rest))
    }

    /// Reads the header of a whole datagram, whose bytes must be as many as the size says.
    ///
    /// # Errors
    /// Those of [`Cc51Header::parse`], and [`Error::Length`] at offset 6.
    pub fn parse_datagram(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let (header, rest) = Self::parse(bytes)?;
        let counted = bytes.len().saturating_sub(Self::UNCOUNTED);
        length("cc51 header", 6, usize::from(header.size), counted)?;
        Ok((header, rest))
    }

    /// Writes the 16 bytes.
    pub fn write(&self, out: &mut impl BufMut) {
        out.put_slice(&Self::MAGIC);
        out.put_u16_le(0);
        out.put_u16_le(self.command);
        out.put_u16_le(self.size);
        out.put_u16_le(match self.direction {
            Direction::ToCamera => 0,
            Direction::FromCamera => 0xffff,
        });
        out.put_u16_le(0);
        out.put_u16_le(self.sequence);
        out.put_u16_le(self.ticket);
    }

    /// Reads a whole datagram of `len` bytes that must have this command.
    fn expect<'a>(
        what: &'static str,
        len: usize,
        command: u16,
        bytes: &'a [u8],
    ) -> Result<(Self, &'a [u8]), Error> {
        let (header, rest) = Self::parse_datagram(bytes)?;
        magic(what, 4, command.to_le_bytes(), header.command.to_le_bytes())?;
        // The tag is the last 20 bytes: a longer packet would have it elsewhere.
        length(what, 0, len, bytes.len())?;
        Ok((header, rest))
    }
}

impl Cc51Discovery {
    /// Bytes of the packet.
    pub const LEN: usize = 52;
    /// Bytes that the tag covers.
    pub const COVERED: usize = 32;
    /// Bytes 24..28.
    const VERSION: [u8; 4] = [0x00, 0x08, 0x03, 0x04];
    /// Bytes 28..32.
    const WORD: u32 = 0x1d;

    /// Reads the datagram; the tag is the caller's to check, over the first
    /// [`Cc51Discovery::COVERED`] bytes.
    ///
    /// # Errors
    /// [`Error::Length`] for another length than 52, or at 6; [`Error::Magic`] at 0 and 4.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "cc51 discovery";
        let (header, rest) = Cc51Header::expect(WHAT, Self::LEN, command::DISCOVERY, bytes)?;
        let parser = (array, skip(8), array);
        let ((session, _, tag), _) = layout(WHAT, Self::LEN - Cc51Header::LEN, rest, parser)?;
        Ok(Self {
            direction: header.direction,
            sequence: header.sequence,
            ticket: header.ticket,
            session: SessionId(session),
            tag,
        })
    }

    /// Writes the 52 bytes.
    pub fn write(&self, out: &mut impl BufMut) {
        let header = Cc51Header {
            command: command::DISCOVERY,
            size: 0x28,
            direction: self.direction,
            sequence: self.sequence,
            ticket: self.ticket,
        };
        header.write(out);
        out.put_slice(&self.session.0);
        out.put_slice(&Self::VERSION);
        out.put_u32_le(Self::WORD);
        out.put_slice(&self.tag);
    }
}

impl Cc51Keepalive {
    /// Bytes of the packet.
    pub const LEN: usize = 48;
    /// Bytes that the tag covers.
    pub const COVERED: usize = 28;

    /// Reads the datagram; the tag is the caller's to check, over the first
    /// [`Cc51Keepalive::COVERED`] bytes.
    ///
    /// # Errors
    /// [`Error::Length`] for another length than 48, or at 6; [`Error::Magic`] at 0 and 4.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "cc51 keepalive";
        let (header, rest) = Cc51Header::expect(WHAT, Self::LEN, command::KEEPALIVE, bytes)?;
        let parser = (le_u32, array, array);
        let ((counter, session, tag), _) = layout(WHAT, Self::LEN - Cc51Header::LEN, rest, parser)?;
        Ok(Self {
            direction: header.direction,
            sequence: header.sequence,
            ticket: header.ticket,
            counter,
            session: SessionId(session),
            tag,
        })
    }

    /// Writes the 48 bytes.
    pub fn write(&self, out: &mut impl BufMut) {
        let header = Cc51Header {
            command: command::KEEPALIVE,
            size: 0x24,
            direction: self.direction,
            sequence: self.sequence,
            ticket: self.ticket,
        };
        header.write(out);
        out.put_u32_le(self.counter);
        out.put_slice(&self.session.0);
        out.put_slice(&self.tag);
    }
}
