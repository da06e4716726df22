//! A slice as the reassembler takes it, whichever layout it came in.

use tutk_frame::{AudioFlags, Codec, Fragment, MediaKind};

/// One media packet's part of a frame, of either media layout; the bytes are borrowed.
///
/// Made from [`tutk_frame::Slice`] (wire.md section 10) or [`Fragment`] (summary.md
/// phase 6) by `From`. Parity packets of resend mode are not slices and must not be made into one
/// (wire.md section 12).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice<'a> {
    /// What the frame is.
    pub kind: MediaKind,
    /// How the slice came here.
    pub origin: Origin,
    /// The slice counter over all kinds, where the layout has one: what resend mode knows the slice
    /// by. It makes no difference to the frame.
    pub counter: Option<u16>,
    /// The frame's number.
    pub number: FrameNumber,
    /// The number of the frame before, where the layout says it.
    pub previous: Option<u32>,
    /// The slice's index in its frame, from 0.
    pub index: u32,
    /// Slices in the frame.
    pub count: u32,
    /// Its part of the frame.
    pub payload: &'a [u8],
    /// The frame info, 16, 24 or 40 bytes, on the last slice; empty before, and where there is none.
    pub info: &'a [u8],
    /// What the summary's header says of the frame in each of its slices.
    pub metadata: Option<FrameMetadata>,
}

/// How a slice came to this side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// In its packet.
    Sent,
    /// In a packet that was sent again (kinds 4, 6, 8). Counted; otherwise as good as the first.
    Resent,
    /// Not at all: it was made of its group's other packets and their parity (wire.md section 12).
    /// The parity code is not sure, so such a slice is held to account: it is dropped where it would
    /// make a frame of another size than the frame info says, where it is the last one and has no
    /// frame info, or where the slice itself comes and is another; and it never moves the count of
    /// frames.
    Recovered,
}

/// A frame number as wide as its layout has it. Both wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameNumber {
    /// The summary's frame sequence.
    Short(u16),
    /// The slice header's frame number.
    Long(u32),
}

/// What each slice of the summary's layout says of its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameMetadata {
    /// Bytes of the frame.
    pub frame_bytes: u32,
    /// The timestamp, taken as milliseconds (this project's choice), wrapping.
    pub millis: u32,
    /// The codec, if it is a known one.
    pub codec: Option<Codec>,
    /// The format of audio; `None` for video.
    pub audio: Option<AudioFlags>,
}

impl FrameNumber {
    /// The number's value.
    #[must_use]
    pub fn value(self) -> u32 {
        match self {
            Self::Short(value) => value.into(),
            Self::Long(value) => value,
        }
    }
}

impl<'a> From<tutk_frame::Slice<'a>> for Slice<'a> {
    fn from(slice: tutk_frame::Slice<'a>) -> Self {
        let header = slice.header;
        Self {
            kind: header.kind,
            origin: if header.resent {
                Origin::Resent
            } else {
                Origin::Sent
            },
            counter: Some(header.counter),
            number: FrameNumber::Long(header.frame),
            previous: Some(header.previous_frame),
            index: header.index().into(),
            count: header.slices.into(),
            payload: slice.payload,
            info: slice.info,
            metadata: None,
        }
    }
}

impl<'a> From<Fragment<'a>> for Slice<'a> {
    fn from(packet: Fragment<'a>) -> Self {
        let header = packet.header;
        Self {
            kind: header.kind,
            origin: Origin::Sent,
            counter: None,
            number: FrameNumber::Short(header.sequence),
            previous: None,
            index: header.index,
            count: header.fragments,
            payload: packet.payload,
            info: &[],
            metadata: Some(FrameMetadata {
                frame_bytes: header.frame_size,
                millis: header.timestamp,
                codec: header.codec(),
                audio: header.audio(),
            }),
        }
    }
}
