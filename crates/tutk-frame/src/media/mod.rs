//! Media packets: the slice header and frame info of the field, the summary's 32-byte header, and audio
//! to the camera (wire.md sections 10 and 11, summary.md phase 6).

mod codec;
mod fragment;
mod group;
mod info;
mod slice;
mod talk;

pub use codec::{AudioFlags, Codec, MediaKind};
pub use fragment::{Fragment, FragmentHeader};
pub use group::{GroupedMedia, Parity};
pub use info::{FrameDevice, FrameInfo, FrameNumbers};
pub use slice::{Slice, SliceHeader, SlicePlace};
pub use talk::TalkPacket;
