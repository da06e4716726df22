//! The reassembler's input: a slice in either media layout.

use tutk_frame::{AudioFlags, Codec, Fragment, MediaKind};

/// One media packet's part of a frame, in either media layout. Borrows the packet.
///
/// Created with `From` from a [`tutk_frame::Slice`] or a [`Fragment`] (docs/protocol.md, section
/// 15). Parity packets must not be converted to a slice (docs/protocol.md, section 17).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice<'a> {
    /// Audio, key frame or delta frame.
    pub kind: MediaKind,
    /// How the slice was received.
    pub origin: Origin,
    /// The slice counter, if the layout has one: a sequence number over the slices of all kinds.
    /// Reassembly ignores it.
    pub counter: Option<u16>,
    /// The frame number.
    pub number: FrameNumber,
    /// The previous frame's number, if the layout has one.
    pub previous: Option<u32>,
    /// The index of the slice in its frame, from 0.
    pub index: u32,
    /// The number of slices in the frame.
    pub count: u32,
    /// The slice's part of the frame.
    pub payload: &'a [u8],
    /// The frame info on the last slice: 16, 24 or 40 bytes. Empty on other slices, and in the
    /// fragment layout.
    pub info: &'a [u8],
    /// The frame's metadata, which every fragment header repeats.
    pub metadata: Option<FrameMetadata>,
}

/// How a slice was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Origin {
    /// In its first packet.
    Sent,
    /// In a retransmission (kinds 4, 6 and 8). Counted, and otherwise equal to
    /// [`Sent`](Self::Sent).
    Resent,
    /// Recovered from the other packets of its group (docs/protocol.md, section 17).
    ///
    /// DTLS authenticates packets, not what is computed from them, so the reassembler validates
    /// such a slice. It drops it if
    /// - the complete frame's size differs from the size in the frame info,
    /// - it is the last slice and has no frame info,
    /// - the slice itself is received and differs, or
    /// - the stream's frame numbers would jump because of it.
    Recovered,
}

/// A frame number of either width. Both wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FrameNumber {
    /// The sequence number of the fragment header.
    Short(u16),
    /// The frame number of the slice header.
    Long(u32),
}

/// The frame's metadata in a fragment header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FrameMetadata {
    /// The size of the frame in bytes.
    pub frame_bytes: u32,
    /// The timestamp in milliseconds. It wraps. The unit is not verified.
    pub millis: u32,
    /// The codec, if it is known.
    pub codec: Option<Codec>,
    /// The audio format. `None` for video.
    pub audio: Option<AudioFlags>,
}

impl FrameNumber {
    /// Returns the value of the number.
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
            origin: match header.resent {
                true => Origin::Resent,
                false => Origin::Sent,
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
    fn from(fragment: Fragment<'a>) -> Self {
        let header = fragment.header;
        Self {
            kind: header.kind,
            origin: Origin::Sent,
            counter: None,
            number: FrameNumber::Short(header.sequence),
            previous: None,
            index: header.index,
            count: header.fragments,
            payload: fragment.payload,
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
