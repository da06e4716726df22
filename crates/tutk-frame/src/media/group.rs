//! Grouped media in resend mode: slices and parity.

use nom::number::complete::le_u16;

use super::slice::{Slice, SliceHeader};
use crate::av::{GROUPED, GroupHeader};
use crate::buffer::Buffer;
use crate::error::Error;
use crate::read::{field, layout, skip};

const PARITY: &str = "parity packet";

/// The body of a grouped media packet, after the [`GroupHeader`] (docs/protocol.md, section 17).
///
/// | index in the group | body |
/// |---|---|
/// | 0 .. k | a [`Slice`] |
/// | k .. k + m | [`Parity`] |
///
/// Parity must never be parsed as a slice, so use this type for the body of every grouped packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum GroupedMedia<'a> {
    /// A slice, as in a packet without a group.
    Slice(Slice<'a>),
    /// Parity of the group's slices.
    Parity(Parity<'a>),
}

/// The body of a parity packet: a header as long as a slice header, and the parity.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 2 | `0c 00`, which is no kind of slice |
/// | 2 | 6 | not known |
/// | 8 | 2 | bytes of parity |
/// | 10 | 10 | not known |
/// | 20 | | parity |
///
/// The parity covers the bodies of the group's slices, with their slice headers, each padded with
/// zeros to the longest. The code is Reed–Solomon over GF(2⁸); the crate `video-reassembly`
/// implements it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parity<'a> {
    /// The length field.
    pub size: u16,
    /// All bytes after the header. Use [`bytes`](Self::bytes) to decode.
    pub data: &'a [u8],
}

impl<'a> GroupedMedia<'a> {
    /// Parses the body of a packet with this group header.
    ///
    /// # Errors
    /// [`Error::Field`] for a group of IOCTLs (k = 0, offset 3) or an index beyond the group
    /// (offset 2), with offsets in the group header; the errors of [`Slice::parse_body`] and
    /// [`Parity::parse_body`].
    pub fn parse_body(group: GroupHeader, body: &'a [u8]) -> Result<Self, Error> {
        const WHAT: &str = "group header";
        field(WHAT, "k", 3, group.k, group.k > 0)?;
        if !group.is_parity() {
            return Slice::parse_body(body).map(Self::Slice);
        }
        let parity_index = u32::from(group.index.saturating_sub(group.k));
        field(WHAT, "index", 2, group.index, parity_index < group.m)?;
        Parity::parse_body(body).map(Self::Parity)
    }

    /// Writes the body.
    pub fn write(&self, out: &mut impl Buffer) {
        match self {
            Self::Slice(slice) => slice.write(out),
            Self::Parity(parity) => parity.write(out),
        }
    }
}

impl<'a> Parity<'a> {
    /// The number of bytes before the parity.
    pub const HEADER_LEN: usize = SliceHeader::LEN;

    /// Makes the parity of a packet to send. Parity beyond 65,535 bytes is left out.
    #[must_use]
    pub fn new(data: &'a [u8]) -> Self {
        let size = u16::try_from(data.len()).unwrap_or(u16::MAX);
        let data = data.get(..size.into()).unwrap_or(data);
        Self { size, data }
    }

    /// Parses the body of a parity packet. Of the header only the length is read, since the other
    /// bytes are not known. The length need not match.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 20 bytes.
    pub fn parse_body(body: &'a [u8]) -> Result<Self, Error> {
        let parser = (skip(8), le_u16, skip(10));
        let ((_, size, _), data) = layout(PARITY, Self::HEADER_LEN, body, parser)?;
        Ok(Self { size, data })
    }

    /// Returns `true` if the packet has as many bytes as its length field says.
    #[must_use]
    pub fn has_announced_length(&self) -> bool {
        usize::from(self.size) == self.data.len()
    }

    /// Returns the parity: the bytes after the header, as many as the length field says or fewer.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.data.get(..self.size.into()).unwrap_or(self.data)
    }

    /// Writes header and parity.
    pub fn write(&self, out: &mut impl Buffer) {
        out.put_u8(GROUPED);
        out.put_zeros(7);
        out.put_u16_le(self.size);
        out.put_zeros(10);
        out.put_slice(self.data);
    }
}

/// Generates no more parity than the header can count.
#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Parity<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let data: &[u8] = u.arbitrary()?;
        Ok(Self::new(data))
    }
}
