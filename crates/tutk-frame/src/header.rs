//! The IOTC header (wire.md section 2).

use bytes::BufMut;
use nom::number::complete::{le_u16, u8};

use crate::Error;
use crate::read::{array, layout, length, magic};

/// IOTC commands.
pub mod command {
    /// Discovery request.
    pub const DISCOVERY_REQUEST: u16 = 0x0601;
    /// Answer to a discovery request.
    pub const DISCOVERY_ANSWER: u16 = 0x0602;
    /// Session request.
    pub const SESSION_REQUEST: u16 = 0x0402;
    /// Answer to a session request.
    pub const SESSION_ANSWER: u16 = 0x0404;
    /// Data to the camera, in the field.
    pub const DATA_TO_CAMERA: u16 = 0x0407;
    /// Data to the camera, in the summary.
    pub const DATA_TO_CAMERA_SWAPPED: u16 = 0x0704;
    /// Data from the camera, in both.
    pub const DATA_FROM_CAMERA: u16 = 0x0408;
    /// Keepalive from the camera.
    pub const KEEPALIVE: u16 = 0x0428;
    /// Answer to a keepalive.
    pub const KEEPALIVE_ANSWER: u16 = 0x0427;
}

/// Values of the IOTC header's flags.
pub mod flags {
    /// From the client: discovery, data, keepalive answers.
    pub const CLIENT: u16 = 0x0021;
    /// The session request and its answer.
    pub const SESSION: u16 = 0x0033;
    /// From the camera.
    pub const CAMERA: u16 = 0x0012;
}

/// Values of the IOTC header's mode.
pub mod mode {
    /// Discovery and session set-up.
    pub const SET_UP: u8 = 0x02;
    /// Keepalives.
    pub const SESSION: u8 = 0x0a;
    /// Data: bit 0 says that only the first 64 bytes are scrambled.
    pub const DATA: u8 = 0x0b;
}

/// Which way a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Direction {
    /// From the client to the camera.
    ToCamera,
    /// From the camera to the client.
    FromCamera,
}

/// The IOTC header, 16 bytes, before every datagram of the `summary` and `transcode` dialects.
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 2 | `04 02` |
/// | 2 | 1 | SDK generation: 0x1a on Wyze, any accepted |
/// | 3 | 1 | mode, see [`mode`]; any accepted |
/// | 4 | 2 | bytes after the header |
/// | 6 | 2 | sequence, counts data packets |
/// | 8 | 2 | command, see [`command`] |
/// | 10 | 2 | flags, see [`flags`]; any accepted |
/// | 12 | 4 | zero, or as the data wrapper says |
///
/// summary.md prints bytes 0..4 as "version 0x0402, header length 0x021a": the same bytes
/// `04 02 1a 02`. Its other numbers are read as the little-endian that they are in wire.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IotcHeader {
    /// SDK generation.
    pub generation: u8,
    /// Mode.
    pub mode: u8,
    /// Bytes after the header.
    pub length: u16,
    /// Counts data packets; zero elsewhere.
    pub sequence: u16,
    /// What the datagram is.
    pub command: u16,
    /// Who sends it.
    pub flags: u16,
    /// Bytes 12..16.
    pub tail: [u8; 4],
}

impl IotcHeader {
    /// Bytes of the header.
    pub const LEN: usize = 16;
    /// Bytes 0..2.
    pub const MAGIC: [u8; 2] = [0x04, 0x02];
    /// The SDK generation of Wyze cameras.
    pub const GENERATION: u8 = 0x1a;

    /// Reads the header and leaves its length field unchecked; gives the bytes after it.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 16 bytes, [`Error::Magic`] at 0.
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        const WHAT: &str = "IOTC header";
        let parser = (array, u8, u8, le_u16, le_u16, le_u16, le_u16, array);
        let (fields, rest) = layout(WHAT, Self::LEN, bytes, parser)?;
        let (actual, generation, mode, length, sequence, command, flags, tail) = fields;
        magic(WHAT, 0, Self::MAGIC, actual)?;
        let header = Self {
            generation,
            mode,
            length,
            sequence,
            command,
            flags,
            tail,
        };
        Ok((header, rest))
    }

    /// Reads the header of a whole datagram, whose bytes after the header must be as many as it
    /// says, no fewer and no more: UDP keeps datagrams whole, so others are not of this protocol.
    ///
    /// # Errors
    /// Those of [`IotcHeader::parse`], and [`Error::Length`] at offset 4.
    pub fn parse_datagram(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let (header, rest) = Self::parse(bytes)?;
        length("IOTC header", 4, usize::from(header.length), rest.len())?;
        Ok((header, rest))
    }

    /// The header of a datagram with this command, and `length` bytes after the header.
    #[must_use]
    pub fn new(mode: u8, length: u16, command: u16, flags: u16) -> Self {
        Self {
            generation: Self::GENERATION,
            mode,
            length,
            sequence: 0,
            command,
            flags,
            tail: [0; 4],
        }
    }

    /// Writes the 16 bytes.
    ///
    /// # Panics
    /// As every `write` of this crate: when `out` is a fixed buffer with too little room.
    pub fn write(&self, out: &mut impl BufMut) {
        out.put_slice(&Self::MAGIC);
        out.put_u8(self.generation);
        out.put_u8(self.mode);
        out.put_u16_le(self.length);
        out.put_u16_le(self.sequence);
        out.put_u16_le(self.command);
        out.put_u16_le(self.flags);
        out.put_slice(&self.tail);
    }

    /// Reads a whole datagram that must have one of these commands.
    pub(crate) fn expect<'a>(
        what: &'static str,
        commands: &[u16],
        bytes: &'a [u8],
    ) -> Result<(Self, &'a [u8]), Error> {
        let (header, rest) = Self::parse_datagram(bytes)?;
        if commands.contains(&header.command) {
            return Ok((header, rest));
        }
        Err(Error::Magic {
            what,
            offset: 8,
            expected: commands.first().copied().unwrap_or(0).to_le_bytes(),
            actual: header.command.to_le_bytes(),
        })
    }
}
