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
mod limits;
mod number;
mod order;
mod outbox;
mod reassembler;
mod slice;
mod slicer;

pub use clock::{MAX_CLOCK_STEP, MediaClock, Stamp};
pub use frame::{Event, Frame, FramePolicy, Lost, StreamKind};
pub use limits::{Limits, Stats};
pub use reassembler::Reassembler;
pub use slice::{Announced, FrameNumber, Origin, Slice};
pub use slicer::{Error, Slicer, SlicerConfig, Slices};
