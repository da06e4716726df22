//! The commands, a type each (commands.md has the table of codes).
//!
//! | code | request | answer |
//! |---|---|---|
//! | 10000 | [`ConnectRequest`] | [`Challenge`] |
//! | 10002 | [`ConnectAuth`] | [`ConnectResult`] |
//! | 10010 | [`MediaControl`] | [`SetAnswer`] |
//! | 10020 | [`ReadParameters`] | [`JsonDocument`](crate::JsonDocument) |
//! | 10052 | [`SetVideoParameters`] | [`SetAnswer`] |
//! | 10056 | [`SetResolution`] | [`SetAnswer`] |

mod connect;
mod connect_result;
mod media_control;
mod parameters;
mod values;
mod video;

pub use connect::{AUDIO_ENCODER_LIST, Challenge, ConnectAuth, ConnectRequest};
pub use connect_result::{AudioParams, ConnectResult, REFUSED, SUCCESS, VideoParams};
pub use media_control::{Media, MediaControl};
pub use parameters::{MAX_PARAMETERS, ReadParameters};
pub use values::{Bitrate, Resolution, SetAnswer, Switch};
pub use video::{SetResolution, SetVideoParameters};
