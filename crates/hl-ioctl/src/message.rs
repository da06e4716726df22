//! The HL message: a header of 16 bytes and a payload.

use alloc::vec::Vec;

use bytes::BufMut;
use nom::bytes::complete::take;
use nom::number::complete::{le_u16, le_u32};

use crate::Error;
use crate::parse::{array, parse};

/// The first two bytes of every message.
pub const MAGIC: [u8; 2] = *b"HL";
/// The size of the header in bytes.
pub const HEADER_SIZE: usize = 16;
/// The version that a client writes.
pub const CLIENT_VERSION: u16 = 5;
/// The version that cameras usually write. Other versions are accepted.
pub const CAMERA_VERSION: u16 = 0x25;
/// The longest payload that is accepted, in bytes.
///
/// Up to this length the length fields of all dialects have the same bytes. The longest known
/// message, K10003, has less than 2 KiB.
pub const MAX_PAYLOAD: usize = 0xffff;

const WHAT: &str = "HL message";

/// An HL message, borrowed from its packet (docs/protocol.md, section 13).
///
/// | at | size | field |
/// |---|---|---|
/// | 0 | 2 | `HL` |
/// | 2 | 2 | version, u16: 5 from a client, 0x25 and others from a camera |
/// | 4 | 2 | code, u16: 10000 … |
/// | 6 | 4 | payload length, u32 |
/// | 10 | 6 | zero; ignored when parsed |
/// | 16 | | payload |
///
/// Integers are little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HlMessage<'a> {
    /// The protocol version of the sender.
    pub version: u16,
    /// The code. The code of an answer is the code of its request plus one.
    pub code: u16,
    /// The payload, whose layout depends on the code.
    pub payload: &'a [u8],
}

impl<'a> HlMessage<'a> {
    /// Parses a message. Bytes after the payload are ignored.
    ///
    /// # Errors
    ///
    /// [`Error::Magic`], [`Error::Truncated`], and [`Error::TooLong`] for a payload over
    /// [`MAX_PAYLOAD`].
    pub fn parse(input: &'a [u8]) -> Result<Self, Error> {
        // A short packet with another magic is not a truncated HL message.
        if let Some(&got) = input.first_chunk::<2>()
            && got != MAGIC
        {
            return Err(Error::Magic { got });
        }
        let header = (array::<2>(), le_u16, le_u16, le_u32, array::<6>());
        let (_, version, code, length, _) = parse(WHAT, 0, HEADER_SIZE, input, header)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MAX_PAYLOAD {
            return Err(too_long(length));
        }
        let layout = (take(HEADER_SIZE), take(length));
        let (_, payload) = parse(WHAT, 0, HEADER_SIZE + length, input, layout)?;
        Ok(Self {
            version,
            code,
            payload,
        })
    }

    /// The number of bytes that [`write`](Self::write) needs.
    #[must_use]
    pub fn size(&self) -> usize {
        HEADER_SIZE.saturating_add(self.payload.len())
    }

    /// Writes the message.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for a payload over [`MAX_PAYLOAD`], and [`Error::BufferFull`]. Nothing is
    /// written in these cases.
    pub fn write(&self, out: &mut impl BufMut) -> Result<(), Error> {
        let length = match u16::try_from(self.payload.len()) {
            Ok(length) => u32::from(length),
            Err(_) => return Err(too_long(self.payload.len())),
        };
        if out.remaining_mut() < self.size() {
            return Err(Error::BufferFull {
                needed: self.size(),
                available: out.remaining_mut(),
            });
        }
        out.put_slice(&MAGIC);
        out.put_u16_le(self.version);
        out.put_u16_le(self.code);
        out.put_u32_le(length);
        out.put_bytes(0, 6);
        out.put_slice(self.payload);
        Ok(())
    }

    /// Returns the message as a vector.
    ///
    /// # Errors
    ///
    /// [`Error::TooLong`] for a payload over [`MAX_PAYLOAD`].
    pub fn to_vec(&self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(self.size());
        self.write(&mut out)?;
        Ok(out)
    }

    /// Returns the payload if the message has this code.
    ///
    /// # Errors
    ///
    /// [`Error::Code`].
    pub fn expect_code(&self, expected: u16) -> Result<&'a [u8], Error> {
        if self.code == expected {
            Ok(self.payload)
        } else {
            Err(Error::Code {
                expected,
                got: self.code,
            })
        }
    }
}

fn too_long(got: usize) -> Error {
    Error::TooLong {
        what: "HL payload",
        limit: MAX_PAYLOAD,
        got,
    }
}
