//! Media packets: the slice header and frame info of the field, and the summary's 32-byte header
//! (wire.md section 10, summary.md phase 6).

mod codec;
mod group;
mod info;
mod slice;
mod summary;

pub use codec::{AudioFlags, Codec, MediaKind};
pub use group::{GroupedMedia, Parity};
pub use info::{FrameDevice, FrameInfo, FrameNumbers};
pub use slice::{Slice, SliceHeader, SlicePlace};
pub use summary::{SummaryMediaHeader, SummaryMediaPacket};
