//! The heartbeat of resend mode, which requests retransmissions (docs/protocol.md, section 17).

use bytes::BufMut;
use nom::number::complete::le_u16;

use crate::control::Heartbeat;
use crate::error::Error;
use crate::read::{field, layout_after, length};

const WHAT: &str = "resend request";

/// A heartbeat that lists missing slices by their counters, as offsets from an acknowledged base.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 24 | [`Heartbeat`] |
/// | 24 | 2 | base: every slice counter before it was received or is no longer needed |
/// | 26 | 2 | n, the number of offsets, at most [`MAX`](Self::MAX) |
/// | 28 | 2 n | offsets: base + offset is the counter of a missing slice; u16 each, wrapping |
///
/// **Not verified on hardware.** A heartbeat that lists missing counters as offsets from an
/// acknowledged base is verified. The place of the list and the width of its fields are this
/// project's choice: a receiver that does not know the list reads a plain heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResendRequest<'a> {
    /// The first 24 bytes.
    pub heartbeat: Heartbeat,
    /// The base. Every counter before it is settled.
    pub base: u16,
    offsets: &'a [[u8; 2]],
}

impl<'a> ResendRequest<'a> {
    /// The length in bytes of a request without offsets.
    pub const LEN: usize = Heartbeat::LEN + 4;
    /// The maximum number of counters in one request.
    pub const MAX: usize = 256;

    /// Parses the packet from its first byte.
    ///
    /// # Errors
    /// The errors of [`Heartbeat::parse`]; [`Error::Length`] for fewer than 28 bytes, and at 26 if
    /// the number of offsets is not n; [`Error::Field`] at 26 if n is too large.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let heartbeat = Heartbeat::parse(bytes)?;
        Self::from_list(heartbeat, bytes.get(Heartbeat::LEN..).unwrap_or_default())
    }

    /// Parses the bytes after the heartbeat.
    pub(crate) fn from_list(heartbeat: Heartbeat, list: &'a [u8]) -> Result<Self, Error> {
        let parser = (le_u16, le_u16);
        let ((base, count), list) = layout_after(Heartbeat::LEN, WHAT, Self::LEN, list, parser)?;
        let count = usize::from(count);
        field(WHAT, "count", 26, count as u64, count <= Self::MAX)?;
        length(WHAT, 26, 2 * count, list.len())?;
        let (offsets, _) = list.as_chunks();
        Ok(Self {
            heartbeat,
            base,
            offsets,
        })
    }

    /// Returns the counters of the missing slices, in the order of the list.
    pub fn missing(&self) -> impl ExactSizeIterator<Item = u16> + use<'a> {
        let base = self.base;
        let offsets = self.offsets.iter();
        offsets.map(move |offset| base.wrapping_add(u16::from_le_bytes(*offset)))
    }

    /// Writes a heartbeat that requests the slices with these counters. Counters beyond the first
    /// [`MAX`](Self::MAX) are left out.
    pub fn write(heartbeat: &Heartbeat, base: u16, missing: &[u16], out: &mut impl BufMut) {
        let listed = missing.get(..Self::MAX).unwrap_or(missing);
        heartbeat.write(out);
        out.put_u16_le(base);
        out.put_u16_le(u16::try_from(listed.len()).unwrap_or_default());
        for counter in listed {
            out.put_u16_le(counter.wrapping_sub(base));
        }
    }
}

/// Generates at most [`ResendRequest::MAX`] offsets.
#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for ResendRequest<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (heartbeat, base) = u.arbitrary()?;
        let list: &[u8] = u.arbitrary()?;
        let (offsets, _) = list.as_chunks();
        let offsets = offsets.get(..Self::MAX).unwrap_or(offsets);
        Ok(Self {
            heartbeat,
            base,
            offsets,
        })
    }
}
