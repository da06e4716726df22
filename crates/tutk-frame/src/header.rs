//! The IOTC header (docs/protocol.md, section 5).

use nom::number::complete::{le_u16, u8};

use crate::buffer::Buffer;
use crate::error::Error;
use crate::read::{array, layout, magic};

/// IOTC commands.
pub mod command {
    /// A discovery request.
    pub const DISCOVERY_REQUEST: u16 = 0x0601;
    /// The answer to a discovery request.
    pub const DISCOVERY_ANSWER: u16 = 0x0602;
    /// A session request.
    pub const SESSION_REQUEST: u16 = 0x0402;
    /// The answer to a session request.
    pub const SESSION_ANSWER: u16 = 0x0404;
    /// Data to the camera in `transcode`.
    pub const DATA_TO_CAMERA: u16 = 0x0407;
    /// Data to the camera in `summary`: the bytes of [`DATA_TO_CAMERA`] swapped.
    pub const DATA_TO_CAMERA_SWAPPED: u16 = 0x0704;
    /// Data from the camera, in both dialects.
    pub const DATA_FROM_CAMERA: u16 = 0x0408;
    /// A keepalive from the camera.
    pub const KEEPALIVE: u16 = 0x0428;
    /// A keepalive from the client, or its answer to one from the camera.
    pub const KEEPALIVE_ANSWER: u16 = 0x0427;
    /// The client closes the session.
    pub const CLOSE: u16 = 0x0417;

    /// All commands.
    pub const ALL: [u16; 10] = [
        DISCOVERY_REQUEST,
        DISCOVERY_ANSWER,
        SESSION_REQUEST,
        SESSION_ANSWER,
        DATA_TO_CAMERA,
        DATA_TO_CAMERA_SWAPPED,
        DATA_FROM_CAMERA,
        KEEPALIVE,
        KEEPALIVE_ANSWER,
        CLOSE,
    ];
}

/// Values of the flags in the IOTC header.
pub mod flags {
    /// Discovery, data and keepalive answers from the client.
    pub const CLIENT: u16 = 0x0021;
    /// The session request and its answer.
    pub const SESSION: u16 = 0x0033;
    /// Packets from the camera.
    pub const CAMERA: u16 = 0x0012;
}

/// Values of the mode in the IOTC header.
pub mod mode {
    /// Discovery and session set-up.
    pub const SET_UP: u8 = 0x02;
    /// Keepalives.
    pub const SESSION: u8 = 0x0a;
    /// Data. Bit 0: only the first 64 bytes are scrambled.
    pub const DATA: u8 = 0x0b;
}

/// The direction of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Direction {
    /// From the client to the camera.
    ToCamera,
    /// From the camera to the client.
    FromCamera,
}

/// The IOTC header, the first 16 bytes of every datagram in `summary` and `transcode`.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 2 | `04 02` |
/// | 2 | 1 | SDK generation: 0x1a on Wyze cameras, any accepted |
/// | 3 | 1 | mode, see [`mode`]; any accepted |
/// | 4 | 2 | bytes after the header |
/// | 6 | 2 | sequence, counts data packets |
/// | 8 | 2 | command, see [`command`] |
/// | 10 | 2 | flags, see [`flags`]; any accepted |
/// | 12 | 4 | zero, except in data packets: see [`DataHeader`](crate::DataHeader) |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IotcHeader {
    /// The SDK generation.
    pub generation: u8,
    /// The mode.
    pub mode: u8,
    /// The number of bytes after the header.
    pub length: u16,
    /// The sequence number of data packets. Zero elsewhere.
    pub sequence: u16,
    /// The command.
    pub command: u16,
    /// The flags.
    pub flags: u16,
    /// Bytes 12..16.
    pub tail: [u8; 4],
}

impl IotcHeader {
    /// The header's length in bytes.
    pub const LEN: usize = 16;
    /// Bytes 0..2.
    pub const MAGIC: [u8; 2] = [0x04, 0x02];
    /// The SDK generation of Wyze cameras.
    pub const GENERATION: u8 = 0x1a;

    /// Parses the header and returns it with the bytes after it. Does not check the length field,
    /// see [`IotcHeader::has_exact_length`].
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

    /// Returns `true` if the length field of a datagram is the number of bytes after the header.
    ///
    /// Parsers ignore the length field, as other clients do: UDP does not split datagrams, and
    /// each content knows its own length.
    #[must_use]
    pub fn has_exact_length(datagram: &[u8]) -> bool {
        let remaining = datagram.len().checked_sub(Self::LEN);
        let field = datagram.get(4..).and_then(<[u8]>::first_chunk);
        field.is_some_and(|&field| Some(u16::from_le_bytes(field).into()) == remaining)
    }

    /// Makes the header of a datagram with this command and `length` bytes after the header.
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
    pub fn write(&self, out: &mut impl Buffer) {
        out.put_slice(&Self::MAGIC);
        out.put_u8(self.generation);
        out.put_u8(self.mode);
        out.put_u16_le(self.length);
        out.put_u16_le(self.sequence);
        out.put_u16_le(self.command);
        out.put_u16_le(self.flags);
        out.put_slice(&self.tail);
    }

    /// Parses a datagram that must have one of these commands.
    pub(crate) fn expect<'a>(
        what: &'static str,
        commands: &[u16],
        bytes: &'a [u8],
    ) -> Result<(Self, &'a [u8]), Error> {
        let (header, rest) = Self::parse(bytes)?;
        if commands.contains(&header.command) {
            return Ok((header, rest));
        }
        let expected = commands.first().copied().unwrap_or(0);
        Err(header.wrong_command(what, expected))
    }

    /// Makes the error for a command that the caller did not expect.
    pub(crate) fn wrong_command(&self, what: &'static str, expected: u16) -> Error {
        Error::Magic {
            what,
            offset: 8,
            expected: expected.to_le_bytes(),
            actual: self.command.to_le_bytes(),
        }
    }
}
