#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod clock;
mod congestion;
mod event_queue;
mod frame;
mod group_encoder;
mod limits;
mod parity_decoder;
mod partial_frame;
mod reassembler;
mod reed_solomon;
mod reorder;
mod resend_window;
mod send_order;
mod sequence;
mod slice;
mod slicer;
mod tracker;
mod tracker_config;

pub use clock::{MAX_CLOCK_STEP, MediaClock, Timestamp};
pub use frame::{Event, Frame, FramePolicy, Lost, StreamKind};
pub use limits::{Limits, Stats};
pub use parity_decoder::{ParityDecoder, ParityLimits, ParityStats};
pub use reassembler::Reassembler;
pub use resend_window::{Repair, ResendConfig, SlicerStats};
pub use slice::{FrameMetadata, FrameNumber, Origin, Slice};
pub use slicer::{Error, FrameNumbering, Slicer, SlicerConfig, Slices};
pub use tracker::{Request, ResendTracker};
pub use tracker_config::{TrackerConfig, TrackerStats};
pub use tutk_time::Instant;

// Crates whose types are part of this crate's API.
pub use {bytes, tutk_frame};
