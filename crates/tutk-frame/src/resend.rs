//! The heartbeat of resend mode, which asks for slices again (wire.md section 12).

use bytes::BufMut;
use nom::number::complete::le_u16;

use crate::Error;
use crate::control::Heartbeat;
use crate::read::{field, layout, length};

const WHAT: &str = "resend request";

/// Bytes of base and count.
const HEAD: usize = 4;

/// A heartbeat that lists missing slices by their counters, as offsets from an acknowledged base.
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 24 | [`Heartbeat`] |
/// | 24 | 2 | base: every slice counter before it came, or is not wanted any more |
/// | 26 | 2 | n, the number of offsets, at most [`MAX`](Self::MAX) |
/// | 28 | 2 n | offsets: base + offset is the counter of a missing slice; u16 each, wrapping |
///
/// **Not verified on hardware.** Sure is that a heartbeat lists missing counters as offsets from an
/// acknowledged base. Where in it the list stands, and how wide its fields are, is this project's choice:
/// behind the 24 bytes that every heartbeat has, so that who does not know it reads a heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResendRequest<'a> {
    /// The first 24 bytes.
    pub heartbeat: Heartbeat,
    /// Every counter before it is settled.
    pub base: u16,
    offsets: &'a [[u8; 2]],
}

impl<'a> ResendRequest<'a> {
    /// Bytes of a request for nothing.
    pub const LEN: usize = Heartbeat::LEN + HEAD;
    /// The most counters that one request lists.
    pub const MAX: usize = 256;

    /// Reads the packet from its first byte.
    ///
    /// # Errors
    /// Those of [`Heartbeat::parse`]; [`Error::Length`] for fewer than 28 bytes, and at 26 when more or
    /// fewer offsets follow than there should be; [`Error::Field`] at 26 for too many.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let heartbeat = Heartbeat::parse(bytes)?;
        let tail = bytes.get(Heartbeat::LEN..).unwrap_or_default();
        let ((base, count), list) =
            layout(WHAT, HEAD, tail, (le_u16, le_u16)).map_err(|e| e.at(Heartbeat::LEN))?;
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

    /// The counters of the slices that are asked for, in the order in which they are listed.
    pub fn missing(&self) -> impl ExactSizeIterator<Item = u16> + use<'a> {
        let base = self.base;
        let offsets = self.offsets.iter();
        offsets.map(move |offset| base.wrapping_add(u16::from_le_bytes(*offset)))
    }

    /// Writes a heartbeat that asks for the slices with these counters: the first
    /// [`MAX`](Self::MAX) of them.
    pub fn write(heartbeat: &Heartbeat, base: u16, missing: &[u16], out: &mut impl BufMut) {
        let listed = missing.get(..Self::MAX).unwrap_or(missing);
        heartbeat.write(out);
        out.put_u16_le(base);
        // No more than MAX.
        out.put_u16_le(u16::try_from(listed.len()).unwrap_or_default());
        for counter in listed {
            out.put_u16_le(counter.wrapping_sub(base));
        }
    }
}

/// With as many offsets as may be.
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
