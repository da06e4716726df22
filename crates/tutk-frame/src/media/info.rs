//! The frame info (FRAMEINFO) at the end of a frame's last slice.

use nom::Parser;
use nom::number::complete::{le_u16, le_u32, u8};

use super::codec::{AudioFlags, Codec};
use crate::buffer::Buffer;
use crate::error::Error;
use crate::read::{array, layout};

/// The frame info: the last 40 bytes of the last slice, 16 or 24 on some devices
/// (docs/protocol.md, section 15).
///
/// | at | size | content |
/// |---|---|---|
/// | 0 | 2 | codec |
/// | 2 | 1 | flags; for audio, [`AudioFlags`] |
/// | 3 | 1 | camera |
/// | 4 | 1 | viewers |
/// | 5 | 1 | frames per second |
/// | 6 | 1 | resolution |
/// | 7 | 1 | bitrate, kB/s |
/// | 8 | 4 | microseconds within the second |
/// | 12 | 4 | Unix seconds; on the backchannel, milliseconds |
/// | 16 | 4 | bytes of the frame ([`FrameNumbers`], if there are 24 bytes) |
/// | 20 | 4 | frame number |
/// | 24 | 12 | MAC, ASCII ([`FrameDevice`], if there are 40 bytes) |
/// | 36 | 4 | not known |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct FrameInfo {
    /// The codec.
    pub codec: Codec,
    /// The flags. For audio they are the format, see [`FrameInfo::audio`].
    pub flags: u8,
    /// The camera index.
    pub camera: u8,
    /// The number of viewers at the camera.
    pub viewers: u8,
    /// The frame rate in frames per second.
    pub fps: u8,
    /// The resolution code.
    pub resolution: u8,
    /// The bitrate in kB/s.
    pub bitrate: u8,
    /// The microseconds within the second.
    pub micros: u32,
    /// The Unix time in seconds. Some firmware keeps it constant; then the time is `micros` alone,
    /// which wraps at 1,000,000. On the backchannel, milliseconds.
    pub seconds: u32,
    /// Bytes 16..40.
    pub numbers: Option<FrameNumbers>,
}

/// Bytes 16..40 of a [`FrameInfo`] of 24 bytes or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct FrameNumbers {
    /// The length of the frame in bytes.
    pub bytes: u32,
    /// The frame's number.
    pub frame: u32,
    /// Bytes 24..40.
    pub device: Option<FrameDevice>,
}

/// Bytes 24..40 of a [`FrameInfo`] of 40 bytes or more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct FrameDevice {
    /// The MAC, 12 ASCII hex digits.
    pub mac: [u8; 12],
    /// A word of unknown meaning.
    pub word: u32,
}

impl FrameInfo {
    /// The length of a complete frame info in bytes.
    pub const LEN: usize = 40;
    /// The length of the shortest frame info in bytes.
    pub const MIN_LEN: usize = 16;
    /// The length of a frame info with [`FrameNumbers`] and no [`FrameDevice`].
    pub const NUMBERS_LEN: usize = 24;

    /// Parses 16, 24 or 40 bytes, as many as there are. Further bytes are ignored, since devices
    /// choose the length.
    ///
    /// # Errors
    /// [`Error::Length`] for fewer than 16 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        const WHAT: &str = "frame info";
        let base = (le_u16, u8, u8, u8, u8, u8, u8, le_u32, le_u32);
        let (base, rest) = layout(WHAT, Self::MIN_LEN, bytes, base)?;
        let (codec, flags, camera, viewers, fps, resolution, bitrate, micros, seconds) = base;
        let mut numbers = None;
        if bytes.len() >= Self::NUMBERS_LEN {
            let ((frame_bytes, frame), rest) = layout(WHAT, 8, rest, (le_u32, le_u32))?;
            let mut device = None;
            if bytes.len() >= Self::LEN {
                let parser = (array, le_u32).map(|(mac, word)| FrameDevice { mac, word });
                device = Some(layout(WHAT, 16, rest, parser)?.0);
            }
            numbers = Some(FrameNumbers {
                bytes: frame_bytes,
                frame,
                device,
            });
        }
        Ok(Self {
            codec: codec.into(),
            flags,
            camera,
            viewers,
            fps,
            resolution,
            bitrate,
            micros,
            seconds,
            numbers,
        })
    }

    /// Writes [`FrameInfo::len`] bytes.
    pub fn write(&self, out: &mut impl Buffer) {
        out.put_u16_le(self.codec.id());
        out.put_u8(self.flags);
        out.put_u8(self.camera);
        out.put_u8(self.viewers);
        out.put_u8(self.fps);
        out.put_u8(self.resolution);
        out.put_u8(self.bitrate);
        out.put_u32_le(self.micros);
        out.put_u32_le(self.seconds);
        if let Some(numbers) = self.numbers {
            out.put_u32_le(numbers.bytes);
            out.put_u32_le(numbers.frame);
            if let Some(device) = numbers.device {
                out.put_slice(&device.mac);
                out.put_u32_le(device.word);
            }
        }
    }

    /// Returns the length of this frame info in bytes: 16, 24 or 40.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it is never empty")]
    pub fn len(&self) -> u16 {
        match self.numbers {
            None => 16,
            Some(FrameNumbers { device: None, .. }) => 24,
            Some(_) => 40,
        }
    }

    /// Returns the flags of an audio frame.
    #[must_use]
    pub fn audio(&self) -> AudioFlags {
        AudioFlags(self.flags)
    }

    /// Returns the length of the frame in bytes, if present.
    #[must_use]
    pub fn frame_bytes(&self) -> Option<u32> {
        self.numbers.map(|n| n.bytes)
    }

    /// Returns the frame's number, if present.
    #[must_use]
    pub fn frame(&self) -> Option<u32> {
        self.numbers.map(|n| n.frame)
    }

    /// Returns the device's MAC, 12 ASCII hex digits, if present.
    #[must_use]
    pub fn mac(&self) -> Option<[u8; 12]> {
        self.numbers.and_then(|n| n.device).map(|d| d.mac)
    }
}
