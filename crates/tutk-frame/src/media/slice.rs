//! Slices of frames.

use nom::number::complete::{le_u16, le_u32, u8};

use super::codec::MediaKind;
use crate::buffer::Buffer;
use crate::error::Error;
use crate::read::{field, layout, skip};

const WHAT: &str = "slice header";

/// The slice header, 20 bytes (docs/protocol.md, section 15).
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 1 | kind: 3 audio, 5 key, 7 delta; 4, 6, 8 the same sent again |
/// | 1 | 1 | bit 0: the frame's last slice; the other bits are ignored |
/// | 2 | 2 | slice counter over all kinds, never reset, wraps |
/// | 4 | 2 | slices in the frame, at least 1 |
/// | 6 | 2 | index of the slice; in the last slice, bytes of the frame info |
/// | 8 | 2 | payload bytes, including the frame info |
/// | 10 | 2 | zero |
/// | 12 | 4 | number of the previous frame |
/// | 16 | 4 | number of the frame |
///
/// Byte 8 counts the frame info on the backchannel. In media this is likely but not verified, so
/// [`Slice::parse_body`] accepts both, and any other number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SliceHeader {
    /// The kind of the frame.
    pub kind: MediaKind,
    /// `true` if the slice is a retransmission.
    pub resent: bool,
    /// The slice counter over all kinds. It is never reset and wraps.
    pub counter: u16,
    /// The number of slices in the frame, at least 1.
    pub slices: u16,
    /// The place of this slice in the frame.
    pub place: SlicePlace,
    /// The number of payload bytes, including the frame info.
    pub size: u16,
    /// The number of the previous frame.
    pub previous_frame: u32,
    /// The number of the frame.
    pub frame: u32,
}

/// The place of a slice in its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum SlicePlace {
    /// The index of a slice that is not the last one, from 0.
    Index(u16),
    /// The last slice.
    Last {
        /// The length of the frame info at the end of the payload.
        info_len: u16,
    },
}

/// A slice: its header, its part of the frame and, in the last slice, the frame info. Borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice<'a> {
    /// The slice header.
    pub header: SliceHeader,
    /// The slice's part of the frame, without the frame info.
    pub payload: &'a [u8],
    /// The frame info, for [`FrameInfo::parse`](super::FrameInfo::parse). Empty if the slice is not
    /// the last one.
    pub info: &'a [u8],
}

impl SliceHeader {
    /// The header's length in bytes.
    pub const LEN: usize = 20;

    /// Parses the header from a media packet's body and returns it with the bytes after it.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 20 bytes; [`Error::Field`] for an unknown kind (0), no
    /// slices (4) or an index beyond them (6).
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

    /// Returns `true` if the size in the header of a media packet's body is the number of bytes
    /// after the header, with or without the frame info.
    #[must_use]
    pub fn has_exact_size(body: &[u8]) -> bool {
        let Some(&[_, last, _, _, _, _, i0, i1, s0, s1, ..]) = body.first_chunk::<{ Self::LEN }>()
        else {
            return false;
        };
        let info_len = match last & 1 {
            0 => 0,
            _ => usize::from(u16::from_le_bytes([i0, i1])),
        };
        let size = usize::from(u16::from_le_bytes([s0, s1]));
        let rest = body.len() - Self::LEN;
        rest == size || rest == size + info_len
    }

    /// Writes the 20 bytes.
    pub fn write(&self, out: &mut impl Buffer) {
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

    /// Returns `true` for the frame's last slice.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(self.place, SlicePlace::Last { .. })
    }

    /// Returns the slice's index in its frame, from 0.
    #[must_use]
    pub fn index(&self) -> u16 {
        match self.place {
            SlicePlace::Index(index) => index,
            SlicePlace::Last { .. } => self.slices.saturating_sub(1),
        }
    }

    /// Returns the length of the frame info, or `None` if this is not the last slice.
    #[must_use]
    pub fn info_len(&self) -> Option<u16> {
        match self.place {
            SlicePlace::Index(_) => None,
            SlicePlace::Last { info_len } => Some(info_len),
        }
    }

    /// Returns the AV flags that a camera must send with this slice: 0x08 (a link clock follows)
    /// for the first of several slices, 0x05 for the last one, 0x00 in between, 0x01 for a single
    /// slice. Existing clients depend on them.
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
    /// Parses a slice from the body of a media packet.
    ///
    /// The body has `size` bytes after the slice header. If the frame info is not counted, the last
    /// slice has the frame info in addition. Either way, the frame info is at the end. If `size`
    /// does not fit the body, the slice ends with the shorter of the two, see
    /// [`SliceHeader::has_exact_size`].
    ///
    /// # Errors
    /// The errors of [`SliceHeader::parse`]; [`Error::Field`] at 6 if the frame info is longer than
    /// the payload.
    pub fn parse_body(body: &'a [u8]) -> Result<Self, Error> {
        let (header, rest) = SliceHeader::parse(body)?;
        let size = usize::from(header.size);
        let info_len = header.info_len().map_or(0, usize::from);
        // A size of 0 is not filled in.
        let rest = match rest.len() == size + info_len || size == 0 {
            true => rest,
            false => rest.get(..size).unwrap_or(rest),
        };
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

    /// Writes header, payload and frame info. The caller sets the header's `size` and `info_len`;
    /// if they do not match, [`Slice::parse_body`] returns another slice.
    pub fn write(&self, out: &mut impl Buffer) {
        self.header.write(out);
        out.put_slice(self.payload);
        out.put_slice(self.info);
    }
}

/// Generates at least one slice and an index within the slices.
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

/// Generates matching lengths in the header.
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
