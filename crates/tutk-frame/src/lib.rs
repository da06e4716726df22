#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
// The derived `Arbitrary` impls keep a recursion count in a thread local.
#[cfg(any(test, feature = "arbitrary"))]
extern crate std;

pub mod av;
mod buffer;
pub mod cc51;
pub mod content;
pub mod control;
pub mod datagram;
pub mod error;
pub mod header;
pub mod ids;
pub mod ioctl;
pub mod media;
mod read;
pub mod resend;
pub mod setup;
pub mod wrapper;

pub use av::{AvHeader, AvKind, AvPacket, AvStamp, GroupHeader, LinkClock, MediaLayout};
pub use buffer::{Buffer, SliceBuffer, write_to_slice};
pub use cc51::{Cc51Discovery, Cc51Header, Cc51Keepalive};
pub use content::{AvContent, AvMedia};
pub use control::{BufferReset, ChannelMessage, Heartbeat, Probe, ProbeAnswer};
pub use datagram::{Cc51, Iotc, IotcLayout};
pub use error::Error;
pub use header::{Direction, IotcHeader};
pub use ids::{AuthKey, SessionId, Uid};
pub use ioctl::{IoctlAck, IoctlMessage, IoctlRequest};
pub use media::{
    AudioFlags, Codec, Fragment, FragmentHeader, FrameDevice, FrameInfo, FrameNumbers,
    GroupedMedia, MediaKind, Parity, Slice, SliceHeader, SlicePlace, TalkPacket,
};
pub use resend::{MediaAck, MediaAckLayout, MissingSlices};
pub use setup::{
    Close, DiscoveryAnswer, DiscoveryLayout, DiscoveryRequest, Keepalive, SessionAnswer,
    SessionRequest, SessionStamp, SessionTrailer, Stage,
};
pub use wrapper::{DataHeader, WrapperLayout};

// A crate whose types are part of this crate's API.
pub use bytes;
