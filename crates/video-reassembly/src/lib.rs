#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod assembly;
mod clock;
mod frame;
mod groups;
mod limits;
mod number;
mod order;
mod outbox;
mod pace;
mod parity;
mod reassembler;
mod resend;
mod slice;
mod slicer;
mod tracker;

pub use clock::{MAX_CLOCK_STEP, MediaClock, Stamp};
pub use frame::{Event, Frame, FramePolicy, Lost, StreamKind};
pub use groups::{GroupLimits, GroupStats, Groups};
pub use limits::{Limits, Stats};
pub use reassembler::Reassembler;
pub use resend::{Repair, ResendConfig, SlicerStats};
pub use slice::{Announced, FrameNumber, Origin, Slice};
pub use slicer::{Error, Slicer, SlicerConfig, Slices};
pub use tracker::{Request, ResendTracker, TrackerConfig, TrackerStats};
