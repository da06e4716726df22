#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

// The derived `Arbitrary` impls keep a recursion count in a thread local.
#[cfg(any(test, feature = "arbitrary"))]
extern crate std;

pub mod av;
pub mod error;
pub mod ids;
pub mod media;
mod read;

pub use av::{AvHeader, AvKind, AvPacket, AvStamp, GroupHeader, LinkClock, MediaLayout};
pub use error::Error;
pub use ids::{AuthKey, SessionId, Uid};
pub use media::{
    AudioFlags, Codec, FrameDevice, FrameInfo, FrameNumbers, MediaKind, Slice, SliceHeader,
    SlicePlace, SummaryMediaHeader, SummaryMediaPacket,
};
