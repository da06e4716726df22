//! The packets of the `cc51` dialect (docs/protocol.md, section 9). The crate `disco-cipher`
//! computes and checks their tags.

use nom::number::complete::{le_u16, le_u32};

use crate::buffer::Buffer;
use crate::error::Error;
use crate::header::Direction;
use crate::ids::SessionId;
use crate::read::{array, layout, layout_after, magic, skip};

const DISCOVERY: &str = "cc51 discovery";
const KEEPALIVE: &str = "cc51 keepalive";

/// The length of a tag (HMAC-SHA1) in bytes. Every packet ends with one.
pub const TAG_LEN: usize = 20;

/// cc51 commands.
pub mod command {
    /// Discovery, in both directions.
    pub const DISCOVERY: u16 = 0x1002;
    /// Keepalive, in both directions.
    pub const KEEPALIVE: u16 = 0x1202;
    /// Data, in both directions.
    pub const DATA: u16 = 0x1502;

    /// All commands.
    pub const ALL: [u16; 3] = [DISCOVERY, KEEPALIVE, DATA];
}

/// The first 16 bytes of every cc51 packet.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 2 | `51 cc` |
/// | 2 | 2 | zero |
/// | 4 | 2 | command |
/// | 6 | 2 | size: the datagram's length less 12 |
/// | 8 | 2 | direction: 0 request, 0xffff response |
/// | 10 | 2 | zero |
/// | 12 | 2 | sequence |
/// | 14 | 2 | ticket |
///
/// The session id follows at 16, except in keepalives. A direction other than 0xffff is parsed as a
/// request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Cc51Header {
    /// The command.
    pub command: u16,
    /// The datagram's length less 12.
    pub size: u16,
    /// The direction: a request to the camera or a response from it.
    pub direction: Direction,
    /// The sequence number.
    pub sequence: u16,
    /// The ticket that the camera assigned.
    pub ticket: u16,
}

/// A cc51 discovery packet, 52 bytes, command 0x1002.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 16 | [`Cc51Header`], size 0x28 |
/// | 16 | 8 | session id |
/// | 24 | 4 | `00 08 03 04` |
/// | 28 | 4 | 0x1d |
/// | 32 | 20 | tag over bytes 0..32 |
///
/// The client sends sequence 0 with ticket 0. The camera answers with sequence 1 and a ticket. The
/// client sends sequence 2 with that ticket, and the camera answers with sequence 3. Bytes 24..32
/// are not checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Cc51Discovery {
    /// The direction.
    pub direction: Direction,
    /// The sequence number, 0 to 3.
    pub sequence: u16,
    /// The camera's ticket. At first 0.
    pub ticket: u16,
    /// The session id.
    pub session: SessionId,
    /// The tag over the bytes before it.
    pub tag: [u8; TAG_LEN],
}

/// A cc51 keepalive, 48 bytes, command 0x1202.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 16 | [`Cc51Header`], size 0x24 |
/// | 16 | 4 | counter: 2, 4, 6 .. in answers |
/// | 20 | 8 | session id |
/// | 28 | 20 | tag over bytes 0..28 |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Cc51Keepalive {
    /// The direction.
    pub direction: Direction,
    /// The sequence number.
    pub sequence: u16,
    /// The ticket.
    pub ticket: u16,
    /// The counter.
    pub counter: u32,
    /// The session id.
    pub session: SessionId,
    /// The tag over the bytes before it.
    pub tag: [u8; TAG_LEN],
}

impl Cc51Header {
    /// The header's length in bytes.
    pub const LEN: usize = 16;
    /// Bytes 0..2.
    pub const MAGIC: [u8; 2] = [0x51, 0xcc];
    /// The number of bytes of a datagram that the size does not count.
    pub const UNCOUNTED: usize = 12;

    /// Parses the header and returns it with the bytes after it. Does not check the size, see
    /// [`Cc51Header::has_exact_length`].
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

    /// Returns `true` if the size field of a datagram is its length less 12. Parsers ignore the
    /// size.
    #[must_use]
    pub fn has_exact_length(datagram: &[u8]) -> bool {
        let counted = datagram.len().checked_sub(Self::UNCOUNTED);
        let field = datagram.get(6..).and_then(<[u8]>::first_chunk);
        field.is_some_and(|&field| Some(u16::from_le_bytes(field).into()) == counted)
    }

    /// Writes the 16 bytes.
    pub fn write(&self, out: &mut impl Buffer) {
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

    /// Parses a datagram that must have this command.
    pub(crate) fn expect<'a>(
        what: &'static str,
        command: u16,
        bytes: &'a [u8],
    ) -> Result<(Self, &'a [u8]), Error> {
        let (header, rest) = Self::parse(bytes)?;
        magic(what, 4, command.to_le_bytes(), header.command.to_le_bytes())?;
        Ok((header, rest))
    }
}

impl Cc51Discovery {
    /// The packet's length in bytes.
    pub const LEN: usize = 52;
    /// The number of bytes that the tag covers.
    pub const COVERED: usize = 32;
    /// Bytes 24..28.
    const VERSION: [u8; 4] = [0x00, 0x08, 0x03, 0x04];
    /// Bytes 28..32.
    const WORD: u32 = 0x1d;

    /// Parses the datagram. The caller must check the tag over the first
    /// [`Cc51Discovery::COVERED`] bytes. Bytes after the tag are ignored.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 52 bytes; [`Error::Magic`] at 0 and 4.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (header, body) = Cc51Header::expect(DISCOVERY, command::DISCOVERY, bytes)?;
        Self::from_body(&header, body)
    }

    /// Parses the bytes after the header.
    pub(crate) fn from_body(header: &Cc51Header, body: &[u8]) -> Result<Self, Error> {
        let parser = (array, skip(8), array);
        let ((session, _, tag), _) =
            layout_after(Cc51Header::LEN, DISCOVERY, Self::LEN, body, parser)?;
        Ok(Self {
            direction: header.direction,
            sequence: header.sequence,
            ticket: header.ticket,
            session: SessionId(session),
            tag,
        })
    }

    /// Writes the 52 bytes.
    pub fn write(&self, out: &mut impl Buffer) {
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
    /// The packet's length in bytes.
    pub const LEN: usize = 48;
    /// The number of bytes that the tag covers.
    pub const COVERED: usize = 28;

    /// Parses the datagram. The caller must check the tag over the first
    /// [`Cc51Keepalive::COVERED`] bytes. Bytes after the tag are ignored.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 48 bytes; [`Error::Magic`] at 0 and 4.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let (header, body) = Cc51Header::expect(KEEPALIVE, command::KEEPALIVE, bytes)?;
        Self::from_body(&header, body)
    }

    /// Parses the bytes after the header.
    pub(crate) fn from_body(header: &Cc51Header, body: &[u8]) -> Result<Self, Error> {
        let parser = (le_u32, array, array);
        let ((counter, session, tag), _) =
            layout_after(Cc51Header::LEN, KEEPALIVE, Self::LEN, body, parser)?;
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
    pub fn write(&self, out: &mut impl Buffer) {
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
