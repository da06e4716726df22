//! Grouped media in resend mode: slices and parity.

use bytes::BufMut;
use nom::number::complete::le_u16;

use super::slice::{Slice, SliceHeader};
use crate::av::GroupHeader;
use crate::error::Error;
use crate::read::{field, layout, length, skip};

const PARITY: &str = "parity packet";

/// The body of a grouped media packet, after the [`GroupHeader`] (docs/protocol.md, section 17).
///
/// | index in the group | body |
/// |---|---|
/// | 0 .. k | a [`Slice`] |
/// | k .. k + m | [`Parity`] |
///
/// Parity likely follows the slices; this is not verified. Parity must never be parsed as a slice,
/// so use this type for the body of every grouped packet.
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
/// | 0 | 8 | zero, which no slice has (this project's choice) |
/// | 8 | 2 | bytes of parity |
/// | 10 | 10 | zero (this project's choice) |
/// | 20 | | parity |
///
/// **Not verified on hardware.** The parity of a group with m = 1 is assumed to be the exclusive or
/// of the bodies of its k data packets. Each body is padded with zeros to the longest one, whose
/// length bytes 8..10 give. That a body includes the slice header is this project's choice: without
/// it, the place of a recovered slice in its frame would be unknown. The code for m > 1 is not
/// known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parity<'a> {
    /// The parity.
    pub data: &'a [u8],
}

impl<'a> GroupedMedia<'a> {
    /// Parses the body of a packet with this group header.
    ///
    /// # Errors
    /// [`Error::Field`] for a group of IOCTLs (k = 0, offset 3) or an index beyond the group
    /// (offset 2), with offsets in the group header; the errors of [`Slice::parse`] and
    /// [`Parity::parse`].
    pub fn parse(group: GroupHeader, body: &'a [u8]) -> Result<Self, Error> {
        const WHAT: &str = "group header";
        field(WHAT, "k", 3, group.k, group.k > 0)?;
        if !group.is_parity() {
            return Slice::parse(body).map(Self::Slice);
        }
        let parity_index = u32::from(group.index.saturating_sub(group.k));
        field(WHAT, "index", 2, group.index, parity_index < group.m)?;
        Parity::parse(body).map(Self::Parity)
    }

    /// Writes the body.
    pub fn write(&self, out: &mut impl BufMut) {
        match self {
            Self::Slice(slice) => slice.write(out),
            Self::Parity(parity) => parity.write(out),
        }
    }
}

impl<'a> Parity<'a> {
    /// The number of bytes before the parity.
    pub const HEADER_LEN: usize = SliceHeader::LEN;

    /// Parses the body of a parity packet. Of the header only the length is read, since the other
    /// bytes are not known.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 20 bytes, and at 8 for another number of parity bytes.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let parser = (skip(8), le_u16, skip(10));
        let ((_, size, _), data) = layout(PARITY, Self::HEADER_LEN, body, parser)?;
        length(PARITY, 8, size.into(), data.len())?;
        Ok(Self { data })
    }

    /// Writes header and parity. Parity beyond 65,535 bytes is left out.
    pub fn write(&self, out: &mut impl BufMut) {
        let size = u16::try_from(self.data.len()).unwrap_or(u16::MAX);
        out.put_bytes(0, 8);
        out.put_u16_le(size);
        out.put_bytes(0, 10);
        out.put_slice(self.data.get(..size.into()).unwrap_or_default());
    }
}

/// Generates no more parity than the header can count.
#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Parity<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let data: &[u8] = u.arbitrary()?;
        let data = data.get(..usize::from(u16::MAX)).unwrap_or(data);
        Ok(Self { data })
    }
}
