//! The state of a simulated camera that commands read and change.

mod commands;
mod parameters;
mod state;

pub use commands::{Effect, Outcome, UnansweredReason};
pub use state::{DeviceConfig, DeviceState, VideoSettings};
