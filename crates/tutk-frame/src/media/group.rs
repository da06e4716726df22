//! What grouped media packets carry in resend mode: slices, and parity.

use bytes::BufMut;
use nom::number::complete::le_u16;

use super::slice::{Slice, SliceHeader};
use crate::Error;
use crate::av::GroupHeader;
use crate::read::{field, layout, length, skip};

const PARITY: &str = "parity packet";

/// The body of a grouped media packet, after the [`GroupHeader`] (wire.md sections 8, 10 and 12).
///
/// | index in the group | body |
/// |---|---|
/// | 0 .. k | a [`Slice`] |
/// | k .. k + m | [`Parity`] |
///
/// That parity comes behind the slices is likely and not sure. Parity must never be taken for a slice,
/// so this is the one way to read a grouped packet's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum GroupedMedia<'a> {
    /// A slice, as in a packet without a group.
    Slice(Slice<'a>),
    /// Parity of the group's slices.
    Parity(Parity<'a>),
}

/// The body of a parity packet: a header as long as a slice's, and the parity.
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 8 | zero: no kind of slice, so that nobody takes it for one (this project's choice) |
/// | 8 | 2 | bytes of parity |
/// | 10 | 10 | zero (this project's choice) |
/// | 20 | | parity |
///
/// **Not verified on hardware.** The parity of a group with m = 1 is taken to be the exclusive or of the
/// bodies of its k data packets, slice header and payload, each padded with zeros to the longest: so
/// bytes 8..10 say how long that one is. That the slice headers are part of it is this project's choice:
/// without them a lost slice's place in its frame could not be known. How parity is made for m > 1 is not
/// known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parity<'a> {
    /// The parity.
    pub data: &'a [u8],
}

impl<'a> GroupedMedia<'a> {
    /// Reads the body of a media packet in that group.
    ///
    /// # Errors
    /// [`Error::Field`] for a group of IOCTLs (k = 0, offset 3) and an index beyond the group (offset
    /// 2), with offsets in the group header; those of [`Slice::parse`] and [`Parity::parse`].
    pub fn parse(group: GroupHeader, body: &'a [u8]) -> Result<Self, Error> {
        const WHAT: &str = "group header";
        field(WHAT, "k", 3, group.k, group.k > 0)?;
        if !group.is_parity() {
            return Slice::parse(body).map(Self::Slice);
        }
        let behind = u32::from(group.index.saturating_sub(group.k));
        field(WHAT, "index", 2, group.index, behind < group.m)?;
        Parity::parse(body).map(Self::Parity)
    }

    /// Writes the body; the group header says which of the two it is.
    pub fn write(&self, out: &mut impl BufMut) {
        match self {
            Self::Slice(slice) => slice.write(out),
            Self::Parity(parity) => parity.write(out),
        }
    }
}

impl<'a> Parity<'a> {
    /// Bytes before the parity.
    pub const HEADER_LEN: usize = SliceHeader::LEN;

    /// Reads the body of a parity packet. All of its header but the length is passed over, as it is not
    /// known what cameras write there.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 20 bytes, and at 8 for another number of bytes of parity.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let parser = (skip(8), le_u16, skip(10));
        let ((_, size, _), data) = layout(PARITY, Self::HEADER_LEN, body, parser)?;
        length(PARITY, 8, size.into(), data.len())?;
        Ok(Self { data })
    }

    /// Writes header and parity: at most 65,535 bytes of it, the rest is left out.
    pub fn write(&self, out: &mut impl BufMut) {
        let size = u16::try_from(self.data.len()).unwrap_or(u16::MAX);
        out.put_bytes(0, 8);
        out.put_u16_le(size);
        out.put_bytes(0, 10);
        out.put_slice(self.data.get(..size.into()).unwrap_or_default());
    }
}

/// As much as the header can count.
#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Parity<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let data: &[u8] = u.arbitrary()?;
        let data = data.get(..usize::from(u16::MAX)).unwrap_or(data);
        Ok(Self { data })
    }
}
