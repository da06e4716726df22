//! What a camera can be told, and remembers: the state behind every command, for a simulated
//! camera.

mod handle;
mod parameters;
mod state;

pub use handle::{Effect, Outcome, Silence};
pub use state::{DeviceConfig, DeviceState, VideoSettings};
