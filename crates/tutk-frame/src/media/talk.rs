//! Audio to the camera, on the backchannel.

use nom::Parser;
use nom::number::complete::{le_u16, le_u32, u8};

use super::codec::{AudioFlags, Codec, MediaKind};
use crate::av::{AvHeader, AvStamp, VERSION_CONTROL};
use crate::buffer::Buffer;
use crate::error::Error;
use crate::read::{field, layout_after, length, skip};

const WHAT: &str = "talk packet";

/// The length of the frame info, the short form of a [`FrameInfo`](super::FrameInfo).
const INFO_LEN: u16 = 16;

/// The word at 12 of every packet after the first.
const LATER: u32 = 0x0010_0001;

/// A frame of audio to the camera, `03 09`, on channel 1 (docs/protocol.md, section 16). The packet
/// consists of header, link clock, slice header, audio and frame info.
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 2 | `03 09`: audio; a single slice; a link clock follows |
/// | 2 | 2 | version, 0x000c |
/// | 4 | 4 | sequence |
/// | 8 | 4 | microseconds |
/// | 12 | 4 | 1 in the first packet, 0x00100001 in later ones |
/// | 16 | 1 | 3, the kind of the slice |
/// | 17 | 1 | 1, the last slice |
/// | 18 | 2 | low 16 bits of the previous frame's number, in place of a slice counter |
/// | 20 | 2 | 1, slices of the frame |
/// | 22 | 2 | 16, bytes of the frame info |
/// | 24 | 4 | bytes of audio + 16 |
/// | 28 | 4 | number of the previous frame |
/// | 32 | 4 | number of the frame |
/// | 36 | n | audio |
/// | 36 + n | 2 | codec |
/// | 38 + n | 1 | [`AudioFlags`] |
/// | 39 + n | 1 | zero |
/// | 40 + n | 1 | 1 |
/// | 41 + n | 7 | zero |
/// | 48 + n | 4 | milliseconds |
///
/// ```
/// use tutk_frame::{AudioFlags, Codec, TalkPacket};
///
/// let packet = TalkPacket {
///     sequence: 0,
///     micros: 0,
///     first: true,
///     previous_frame: 0,
///     frame: 1,
///     codec: Codec::Pcmu,
///     flags: AudioFlags::new(8_000, 16, 1).ok_or("no such format")?,
///     millis: 0,
///     audio: &[0xff; 160],
/// };
/// let mut bytes = Vec::new();
/// packet.write(&mut bytes);
/// assert_eq!(bytes.len(), 160 + TalkPacket::OVERHEAD);
/// # Ok::<(), &str>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct TalkPacket<'a> {
    /// The packet's number. Whether cameras count from 0 or from 1 is not known.
    pub sequence: u32,
    /// The sender's clock in microseconds.
    pub micros: u32,
    /// `true` for the first packet of the talk.
    pub first: bool,
    /// The number of the previous frame. The packet repeats its low 16 bits.
    pub previous_frame: u32,
    /// The number of the frame.
    pub frame: u32,
    /// The codec. It must be the one that the camera sends.
    pub codec: Codec,
    /// The audio format. It must be the one that the camera sends.
    pub flags: AudioFlags,
    /// The time of the frame in milliseconds.
    pub millis: u32,
    /// The encoded frame.
    pub audio: &'a [u8],
}

impl<'a> TalkPacket<'a> {
    /// Type and flags.
    pub const MAGIC: [u8; 2] = [0x03, 0x09];
    /// The number of bytes besides the audio: 36 before it and 16 after it.
    pub const OVERHEAD: usize = 52;

    /// Parses the packet from its first byte.
    ///
    /// Ignores version and bytes 18..20, and reads only codec, flags and time of the frame info.
    /// Any word other than 1 at 12 marks a later packet.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 52 bytes, or at 24 if the size is not that of audio and
    /// frame info; [`Error::Magic`] at 0; [`Error::Field`] for another kind (16), a slice that is
    /// not the last (17), several slices (20) or a frame info of another length (22).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Error> {
        let (stamp, rest) = AvHeader::expect(WHAT, Self::MAGIC, bytes)?;
        let clock = (le_u32, le_u32);
        let slice = (u8, u8, le_u16, le_u16, le_u16, le_u32, le_u32, le_u32);
        let ((clock, slice), rest) =
            layout_after(AvHeader::LEN, WHAT, Self::OVERHEAD, rest, (clock, slice))?;
        let (micros, word) = clock;
        let (kind, last, _, slices, info_len, size, previous_frame, frame) = slice;
        field(WHAT, "kind", 16, kind, kind == MediaKind::Audio.code(false))?;
        field(WHAT, "last", 17, last, last & 1 == 1)?;
        field(WHAT, "slices", 20, slices, slices == 1)?;
        field(
            WHAT,
            "frame info length",
            22,
            info_len,
            info_len == INFO_LEN,
        )?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        length(WHAT, 24, size, rest.len())?;
        let at = rest.len().saturating_sub(INFO_LEN.into());
        let (audio, info) = rest.split_at_checked(at).unwrap_or_default();
        let parser = (le_u16.map(Codec::from), u8, skip(9), le_u32);
        let before = 36 + audio.len();
        let ((codec, flags, _, millis), _) =
            layout_after(before, WHAT, Self::OVERHEAD, info, parser)?;
        Ok(Self {
            sequence: stamp.sequence(),
            micros,
            first: word == 1,
            previous_frame,
            frame,
            codec,
            flags: AudioFlags(flags),
            millis,
            audio,
        })
    }

    /// Writes the 52 bytes and the audio.
    pub fn write(&self, out: &mut impl Buffer) {
        let [low_0, low_1, ..] = self.previous_frame.to_le_bytes();
        let size = u32::try_from(self.audio.len()).unwrap_or(u32::MAX);
        let stamp = AvStamp::from_sequence(VERSION_CONTROL, self.sequence);
        AvHeader::new(Self::MAGIC, stamp).write(out);
        out.put_u32_le(self.micros);
        out.put_u32_le(if self.first { 1 } else { LATER });
        out.put_slice(&[MediaKind::Audio.code(false), 1, low_0, low_1]);
        out.put_u16_le(1);
        out.put_u16_le(INFO_LEN);
        out.put_u32_le(size.saturating_add(INFO_LEN.into()));
        out.put_u32_le(self.previous_frame);
        out.put_u32_le(self.frame);
        out.put_slice(self.audio);
        out.put_u16_le(self.codec.id());
        out.put_slice(&[self.flags.0, 0, 1]);
        out.put_zeros(7);
        out.put_u32_le(self.millis);
    }
}
