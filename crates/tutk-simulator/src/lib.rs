#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod audio;
mod av;
mod backchannel;
mod clip;
mod config;
mod context;
mod device;
mod event;
mod impairment;
mod peer;
mod session_ids;
mod simulator;
mod stream;

pub use audio::{ClipAudio, ClipAudioError, ClipAudioFormat};
pub use clip::{Clip, ClipError, ClipFrame};
pub use config::{SimulatorConfig, TimestampRule};
pub use device::{DeviceConfig, DeviceState, Effect, Outcome, UnansweredReason, VideoSettings};
pub use event::{ClientId, LeaveReason, ReceivedAudio, SimulatorEvent, SliceOrigin, SliceSent};
pub use impairment::Impairment;
pub use simulator::Simulator;
pub use tutk_session;
