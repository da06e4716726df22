#![doc = include_str!("../README.md")]
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod audio;
mod av;
mod backchannel;
mod clip;
mod config;
mod connect_result;
mod context;
mod deviations;
mod device;
mod early;
mod event;
mod impairment;
mod numbered_messages;
mod outgoing;
mod peer;
mod personality;
mod recorded;
mod send_time;
mod session_ids;
mod simulator;
mod stream;

pub use audio::{ClipAudio, ClipAudioError, ClipAudioFormat};
pub use clip::{Clip, ClipError, ClipFrame};
pub use config::SimulatorConfig;
pub use device::{DeviceConfig, DeviceState, Effect, Outcome, UnansweredReason, VideoSettings};
pub use event::{ClientId, LeaveReason, ReceivedAudio, SimulatorEvent, SliceOrigin, SliceSent};
pub use impairment::Impairment;
pub use personality::{
    EarlyPackets, ExtendedMasterSecret, FrameNumbering, IoctlAnswers, Lengths, LoginNonce,
    NamedPersonality, PERSONALITIES, Personality, Ports, ResendConfig, SessionIdRule, SliceSizes,
    SuiteMismatch, Tags, TimestampRule,
};
pub use recorded::RecordedAnswer;
pub use send_time::SEND_TIME_UUID;
pub use simulator::Simulator;
pub use tutk_session;
