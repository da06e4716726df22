//! The slice header of the field, and a slice whole.

use bytes::BufMut;
use nom::number::complete::{le_u16, le_u32, u8};

use super::codec::MediaKind;
use crate::Error;
use crate::read::{field, layout, skip};

const WHAT: &str = "slice header";

/// The slice header, 20 bytes (wire.md section 10).
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 1 | kind: 3 audio, 5 key, 7 delta; 4, 6, 8 the same sent again |
/// | 1 | 1 | bit 0: this is the frame's last slice; the other bits are passed over |
/// | 2 | 2 | slice counter over all kinds, never reset, wraps |
/// | 4 | 2 | slices in the frame, at least 1 |
/// | 6 | 2 | index of the slice; on the last slice bytes of the frame info instead |
/// | 8 | 2 | payload bytes, with the frame info |
/// | 10 | 2 | zero |
/// | 12 | 4 | number of the frame before |
/// | 16 | 4 | number of the frame |
///
/// That byte 8 counts the frame info too is sure for the backchannel and likely for media: see
/// [`Slice::parse`], which takes both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SliceHeader {
    /// What the frame is.
    pub kind: MediaKind,
    /// Whether the slice is sent again.
    pub resent: bool,
    /// Counts slices of all kinds, never reset, wraps.
    pub counter: u16,
    /// Slices in the frame, at least 1.
    pub slices: u16,
    /// Which of them this is.
    pub place: SlicePlace,
    /// Payload bytes after the slice header, with the frame info.
    pub size: u16,
    /// Number of the frame before.
    pub previous_frame: u32,
    /// Number of the frame.
    pub frame: u32,
}

/// Where in its frame a slice stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum SlicePlace {
    /// Not the last one: its index from 0, smaller than the number of slices.
    Index(u16),
    /// The last one.
    Last {
        /// Bytes of the frame info at the end of the payload.
        info_len: u16,
    },
}

/// A slice: its header, its part of the frame, and on the last slice the frame info; borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice<'a> {
    /// The slice header.
    pub header: SliceHeader,
    /// The slice's part of the frame, without the frame info.
    pub payload: &'a [u8],
    /// The frame info on the last slice, empty before: for [`FrameInfo::parse`](super::FrameInfo::parse).
    pub info: &'a [u8],
}

impl SliceHeader {
    /// Bytes of the slice header.
    pub const LEN: usize = 20;

    /// Reads the slice header from a media packet's body; gives the bytes after it.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 20 bytes; [`Error::Field`] for an unknown kind (offset 0),
    /// no slices (4), an index beyond them (6).
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let parser = (
            u8,
            u8,
            le_u16,
            le_u16,
            le_u16,
            le_u16,
            skip(2),
            le_u32,
            le_u32,
        );
        let (fields, rest) = layout(WHAT, Self::LEN, bytes, parser)?;
        let (code, last, counter, slices, index, size, _, previous_frame, frame) = fields;
        let Some((kind, resent)) = MediaKind::from_code(code) else {
            return Err(Error::Field {
                what: WHAT,
                field: "kind",
                offset: 0,
                value: code.into(),
            });
        };
        field(WHAT, "slices", 4, slices, slices > 0)?;
        let place = if last & 1 != 0 {
            SlicePlace::Last { info_len: index }
        } else {
            field(WHAT, "index", 6, index, index < slices)?;
            SlicePlace::Index(index)
        };
        let header = Self {
            kind,
            resent,
            counter,
            slices,
            place,
            size,
            previous_frame,
            frame,
        };
        Ok((header, rest))
    }

    /// Writes the 20 bytes.
    pub fn write(&self, out: &mut impl BufMut) {
        let (last, index) = match self.place {
            SlicePlace::Index(index) => (0, index),
            SlicePlace::Last { info_len } => (1, info_len),
        };
        out.put_u8(self.kind.code(self.resent));
        out.put_u8(last);
        out.put_u16_le(self.counter);
        out.put_u16_le(self.slices);
        out.put_u16_le(index);
        out.put_u16_le(self.size);
        out.put_u16_le(0);
        out.put_u32_le(self.previous_frame);
        out.put_u32_le(self.frame);
    }

    /// Whether this is the frame's last slice.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(self.place, SlicePlace::Last { .. })
    }

    /// The slice's index in its frame, from 0.
    #[must_use]
    pub fn index(&self) -> u16 {
        match self.place {
            SlicePlace::Index(index) => index,
            SlicePlace::Last { .. } => self.slices.saturating_sub(1),
        }
    }

    /// Bytes of the frame info at the end of the last slice.
    #[must_use]
    pub fn info_len(&self) -> Option<u16> {
        match self.place {
            SlicePlace::Index(_) => None,
            SlicePlace::Last { info_len } => Some(info_len),
        }
    }

    /// The AV flags that a camera must send with this slice: 0x08 (a link clock follows) on the
    /// first of several, 0x00 between, 0x05 on the last, 0x01 on an only one. Clients in the wild
    /// decide by them.
    #[must_use]
    pub fn av_flags(&self) -> u8 {
        match (self.index(), self.is_last()) {
            (0, true) => 0x01,
            (_, true) => 0x05,
            (0, false) => 0x08,
            (_, false) => 0x00,
        }
    }
}

impl<'a> Slice<'a> {
    /// Reads a slice from the body of a media packet.
    ///
    /// The body's bytes after the slice header are `size`, or on the last slice `size` and the
    /// frame info's bytes after them: which of the two firmware means is not sure, and the frame
    /// info is the body's end either way.
    ///
    /// # Errors
    /// Those of [`SliceHeader::parse`]; [`Error::Length`] at offset 8 when `size` does not fit the
    /// body, [`Error::Field`] at offset 6 when the frame info is longer than the payload.
    pub fn parse(body: &'a [u8]) -> Result<Self, Error> {
        let (header, rest) = SliceHeader::parse(body)?;
        let size = usize::from(header.size);
        let info_len = header.info_len().map_or(0, usize::from);
        if rest.len() != size && rest.len() != size + info_len {
            return Err(Error::Length {
                what: WHAT,
                offset: 8,
                expected: size,
                actual: rest.len(),
            });
        }
        let split = rest.len().checked_sub(info_len);
        let Some((payload, info)) = split.and_then(|at| rest.split_at_checked(at)) else {
            return Err(Error::Field {
                what: WHAT,
                field: "frame info length",
                offset: 6,
                value: info_len as u64,
            });
        };
        Ok(Self {
            header,
            payload,
            info,
        })
    }

    /// Writes header, payload and frame info. The header's `size` and `info_len` are the caller's:
    /// [`Slice::parse`] refuses what does not fit.
    pub fn write(&self, out: &mut impl BufMut) {
        self.header.write(out);
        out.put_slice(self.payload);
        out.put_slice(self.info);
    }
}

/// With at least one slice, and an index among them.
#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for SliceHeader {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let slices = u.int_in_range(1..=u16::MAX)?;
        let place = match u.arbitrary()? {
            SlicePlace::Index(_) => SlicePlace::Index(u.int_in_range(0..=slices - 1)?),
            last @ SlicePlace::Last { .. } => last,
        };
        Ok(Self {
            kind: u.arbitrary()?,
            resent: u.arbitrary()?,
            counter: u.arbitrary()?,
            slices,
            place,
            size: u.arbitrary()?,
            previous_frame: u.arbitrary()?,
            frame: u.arbitrary()?,
        })
    }
}

/// With lengths in the header that are those of the parts.
#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Slice<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut header: SliceHeader = u.arbitrary()?;
        let payload: &[u8] = u.arbitrary()?;
        let payload = payload.get(..0x7fff).unwrap_or(payload);
        let mut info: &[u8] = &[];
        if header.is_last() {
            info = u.arbitrary()?;
            info = info.get(..0x7fff).unwrap_or(info);
            let info_len = u16::try_from(info.len()).unwrap_or(0);
            header.place = SlicePlace::Last { info_len };
        }
        header.size = u16::try_from(payload.len() + info.len()).unwrap_or(0);
        Ok(Self {
            header,
            payload,
            info,
        })
    }
}
