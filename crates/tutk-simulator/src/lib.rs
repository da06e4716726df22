#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod av;
mod clip;
mod config;
mod device;
mod ear;
mod event;
mod peer;
mod shared;
mod simulator;
mod sound;
mod stream;
mod tickets;

pub use clip::{Clip, ClipError, ClipFrame};
pub use config::{SimulatorConfig, Stamps};
pub use device::{DeviceConfig, DeviceState, Effect, Outcome, Silence, VideoSettings};
pub use event::{ClientId, Heard, LeaveReason, SimulatorEvent, SliceOrigin, SliceSent};
pub use simulator::Simulator;
pub use sound::{Sound, SoundError, SoundFormat};
pub use tutk_session;
