//! Media packets: slices with their frame info, fragments, and audio to the camera
//! (docs/protocol.md, sections 15 to 17).

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
