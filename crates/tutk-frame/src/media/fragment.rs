//! Media packets of the `summary` dialect.

use nom::number::complete::le_u32;

use super::codec::{AudioFlags, Codec, MediaKind};
use crate::av::AvHeader;
use crate::buffer::Buffer;
use crate::error::Error;
use crate::read::{field, layout_after};

const WHAT: &str = "fragment header";

/// The header of a fragment, 32 bytes (docs/protocol.md, section 15).
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 2 | `05 08` key, `05 00` delta, `05 01` audio |
/// | 2 | 2 | version, 0x000b |
/// | 4 | 2 | frame sequence |
/// | 6 | 2 | timestamp, low 16 bits |
/// | 8 | 4 | timestamp |
/// | 12 | 4 | bytes of the frame |
/// | 16 | 4 | fragments in the frame, at least 1 |
/// | 20 | 4 | index of the fragment, from 0 |
/// | 24 | 4 | codec info; 0x00040000 is H.264 |
/// | 28 | 4 | zero |
///
/// This project's choices: all three magics have the same layout; the index counts from 0; the
/// codec info of another codec is 0x00040000 + its [id](Codec::id), and audio has its
/// [`AudioFlags`] in the highest byte; the timestamp's unit is the sender's (milliseconds in this
/// project's simulator).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FragmentHeader {
    /// The kind of the frame.
    pub kind: MediaKind,
    /// The AV version. Never checked.
    pub version: u16,
    /// The sequence number of the frame. Wraps.
    pub sequence: u16,
    /// The timestamp. The packet repeats its low 16 bits.
    pub timestamp: u32,
    /// The length of the whole frame in bytes.
    pub frame_size: u32,
    /// The number of fragments in the frame, at least 1.
    pub fragments: u32,
    /// The index of this fragment, from 0.
    pub index: u32,
    /// The codec info, see [`FragmentHeader::codec`].
    pub codec_info: u32,
}

/// A media packet of the `summary` dialect: a header and a fragment of a frame. Borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Fragment<'a> {
    /// The first 32 bytes.
    pub header: FragmentHeader,
    /// The rest of the packet.
    pub payload: &'a [u8],
}

impl FragmentHeader {
    /// The header's length in bytes.
    pub const LEN: usize = 32;
    /// The codec info of H.264.
    pub const H264: u32 = 0x0004_0000;

    /// Parses the header from the packet's first byte and returns it with the bytes after it.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 32 bytes, [`Error::Magic`] at 0; [`Error::Field`] if the
    /// low timestamp is not the timestamp's (6), for no fragments (16) or an index beyond them
    /// (20).
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let (header, body) = AvHeader::parse(bytes)?;
        Self::from_body(header, body)
    }

    /// Parses the bytes after the AV header. Returns the header and the bytes after it.
    fn from_body(header: AvHeader, body: &[u8]) -> Result<(Self, &[u8]), Error> {
        let kind = match header.magic() {
            [0x05, 0x08] => MediaKind::Key,
            [0x05, 0x00] => MediaKind::Delta,
            [0x05, 0x01] => MediaKind::Audio,
            actual => {
                return Err(Error::Magic {
                    what: WHAT,
                    offset: 0,
                    expected: [0x05, 0x08],
                    actual,
                });
            }
        };
        let parser = (le_u32, le_u32, le_u32, le_u32, le_u32, le_u32);
        let (fields, rest) = layout_after(AvHeader::LEN, WHAT, Self::LEN, body, parser)?;
        let (timestamp, frame_size, fragments, index, codec_info, _) = fields;
        let low = header.stamp.tail;
        let low_fits = u32::from(low) == timestamp & 0xffff;
        field(WHAT, "timestamp low", 6, low, low_fits)?;
        field(WHAT, "fragment count", 16, fragments, fragments > 0)?;
        field(WHAT, "fragment index", 20, index, index < fragments)?;
        let header = Self {
            kind,
            version: header.stamp.version,
            sequence: header.stamp.counter,
            timestamp,
            frame_size,
            fragments,
            index,
            codec_info,
        };
        Ok((header, rest))
    }

    /// Writes the 32 bytes.
    pub fn write(&self, out: &mut impl Buffer) {
        out.put_slice(&self.magic());
        out.put_u16_le(self.version);
        out.put_u16_le(self.sequence);
        let [low_0, low_1, ..] = self.timestamp.to_le_bytes();
        out.put_slice(&[low_0, low_1]);
        out.put_u32_le(self.timestamp);
        out.put_u32_le(self.frame_size);
        out.put_u32_le(self.fragments);
        out.put_u32_le(self.index);
        out.put_u32_le(self.codec_info);
        out.put_u32_le(0);
    }

    /// Returns bytes 0..2.
    #[must_use]
    pub fn magic(&self) -> [u8; 2] {
        match self.kind {
            MediaKind::Key => [0x05, 0x08],
            MediaKind::Delta => [0x05, 0x00],
            MediaKind::Audio => [0x05, 0x01],
        }
    }

    /// Returns the codec, or `None` if the codec info has no known form.
    #[must_use]
    pub fn codec(&self) -> Option<Codec> {
        match (self.codec_info & 0x00ff_ffff).checked_sub(Self::H264)? {
            0 => Some(Codec::H264),
            id => u16::try_from(id).ok().map(Codec::from),
        }
    }

    /// Returns the audio format, or `None` for video.
    #[must_use]
    pub fn audio(&self) -> Option<AudioFlags> {
        let [.., flags] = self.codec_info.to_le_bytes();
        (self.kind == MediaKind::Audio).then_some(AudioFlags(flags))
    }

    /// Makes the codec info of a codec and an audio format.
    #[must_use]
    pub fn codec_info(codec: Codec, audio: Option<AudioFlags>) -> u32 {
        let codec = match codec {
            Codec::H264 => Self::H264,
            other => Self::H264 + u32::from(other.id()),
        };
        codec | audio.map_or(0, |AudioFlags(flags)| u32::from(flags) << 24)
    }
}

impl<'a> Fragment<'a> {
    /// Parses the packet from its first byte.
    ///
    /// # Errors
    /// The errors of [`FragmentHeader::parse`]; [`Error::Field`] at 12 if the fragment is larger
    /// than its frame.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let (header, body) = AvHeader::parse(bytes)?;
        Self::from_body(header, body)
    }

    /// Parses the bytes after the AV header.
    pub(crate) fn from_body(header: AvHeader, body: &'a [u8]) -> Result<Self, Error> {
        let (header, payload) = FragmentHeader::from_body(header, body)?;
        let size = header.frame_size;
        let fits = u32::try_from(payload.len()).is_ok_and(|n| n <= size);
        field(WHAT, "frame size", 12, size, fits)?;
        Ok(Self { header, payload })
    }

    /// Writes header and fragment.
    pub fn write(&self, out: &mut impl Buffer) {
        self.header.write(out);
        out.put_slice(self.payload);
    }
}

/// Generates at least one fragment and an index within the fragments.
#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for FragmentHeader {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let fragments = u.int_in_range(1..=u32::MAX)?;
        Ok(Self {
            kind: u.arbitrary()?,
            version: u.arbitrary()?,
            sequence: u.arbitrary()?,
            timestamp: u.arbitrary()?,
            frame_size: u.int_in_range(0x1_0000..=u32::MAX)?,
            fragments,
            index: u.int_in_range(0..=fragments - 1)?,
            codec_info: u.arbitrary()?,
        })
    }
}
