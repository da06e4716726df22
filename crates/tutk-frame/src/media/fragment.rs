//! The summary's media packet.

use bytes::BufMut;
use nom::number::complete::{le_u16, le_u32};

use super::codec::{AudioFlags, Codec, MediaKind};
use crate::Error;
use crate::read::{array, field, layout};

const WHAT: &str = "summary media header";

/// The summary's media header, 32 bytes (summary.md phase 6).
///
/// | at | size | what |
/// |---|---|---|
/// | 0 | 2 | magic, bytes as printed: `05 08` key, `05 00` delta, `05 01` audio |
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
/// This project's choice, where the summary is silent: the same layout for all three magics; the
/// index counts from 0; codec info of another codec is 0x00040000 + its id of wire.md section 10, of
/// audio with the [`AudioFlags`] of the same section in its highest byte; the timestamp's unit is
/// whatever the sender counts (this project's camera: milliseconds).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FragmentHeader {
    /// What the frame is.
    pub kind: MediaKind,
    /// The AV version; never checked.
    pub version: u16,
    /// Sequence of the frame, wraps.
    pub sequence: u16,
    /// Timestamp; its low 16 bits stand in the packet a second time.
    pub timestamp: u32,
    /// Bytes of the whole frame.
    pub frame_size: u32,
    /// Fragments in the frame, at least 1.
    pub fragments: u32,
    /// Which of them this is, from 0.
    pub index: u32,
    /// Codec info, see [`FragmentHeader::codec`].
    pub codec_info: u32,
}

/// A media packet of the summary: header and fragment; borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Fragment<'a> {
    /// The first 32 bytes.
    pub header: FragmentHeader,
    /// The fragment: the packet's rest.
    pub payload: &'a [u8],
}

impl FragmentHeader {
    /// Bytes of the header.
    pub const LEN: usize = 32;
    /// Codec info of H.264, the only one that the summary names.
    pub const H264: u32 = 0x0004_0000;

    /// Reads the header of a media packet from the packet's first byte; gives the bytes after it.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 32 bytes, [`Error::Magic`] for another magic;
    /// [`Error::Field`] for a low timestamp that is not the timestamp's (offset 6), no fragments
    /// (16), an index beyond them (20).
    pub fn parse(bytes: &[u8]) -> Result<(Self, &[u8]), Error> {
        let parser = (
            array, le_u16, le_u16, le_u16, le_u32, le_u32, le_u32, le_u32, le_u32, le_u32,
        );
        let (fields, rest) = layout(WHAT, Self::LEN, bytes, parser)?;
        let (magic, version, sequence, low, timestamp, frame_size, fragments, index, codec_info, _) =
            fields;
        let kind = match magic {
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
        let low_fits = u32::from(low) == timestamp & 0xffff;
        field(WHAT, "timestamp low", 6, low, low_fits)?;
        field(WHAT, "fragment count", 16, fragments, fragments > 0)?;
        field(WHAT, "fragment index", 20, index, index < fragments)?;
        let header = Self {
            kind,
            version,
            sequence,
            timestamp,
            frame_size,
            fragments,
            index,
            codec_info,
        };
        Ok((header, rest))
    }

    /// Writes the 32 bytes.
    pub fn write(&self, out: &mut impl BufMut) {
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

    /// Bytes 0..2.
    #[must_use]
    pub fn magic(&self) -> [u8; 2] {
        match self.kind {
            MediaKind::Key => [0x05, 0x08],
            MediaKind::Delta => [0x05, 0x00],
            MediaKind::Audio => [0x05, 0x01],
        }
    }

    /// The codec that the codec info stands for; `None` when it is none of this project's.
    #[must_use]
    pub fn codec(&self) -> Option<Codec> {
        match (self.codec_info & 0x00ff_ffff).checked_sub(Self::H264)? {
            0 => Some(Codec::H264),
            id => u16::try_from(id).ok().map(Codec::from),
        }
    }

    /// The format of audio that the codec info says; `None` for video.
    #[must_use]
    pub fn audio(&self) -> Option<AudioFlags> {
        let [.., flags] = self.codec_info.to_le_bytes();
        (self.kind == MediaKind::Audio).then_some(AudioFlags(flags))
    }

    /// The codec info of a codec, and of audio's format.
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
    /// Reads a media packet from its first byte.
    ///
    /// # Errors
    /// Those of [`FragmentHeader::parse`]; [`Error::Field`] at offset 12 when the fragment is
    /// larger than its frame.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let (header, payload) = FragmentHeader::parse(bytes)?;
        let size = header.frame_size;
        let fits = u32::try_from(payload.len()).is_ok_and(|n| n <= size);
        field(WHAT, "frame size", 12, size, fits)?;
        Ok(Self { header, payload })
    }

    /// Writes header and fragment.
    pub fn write(&self, out: &mut impl BufMut) {
        self.header.write(out);
        out.put_slice(self.payload);
    }
}

/// With at least one fragment, and an index among them.
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
