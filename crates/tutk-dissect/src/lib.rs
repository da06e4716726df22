#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod behaviour;
pub mod capture;
mod channel;
mod dissector;
mod error;
mod export;
mod json_line;
mod keys;
mod layers;
mod media;
mod obfuscation;
mod opened;
mod packet;
pub mod redact;
#[cfg(feature = "report")]
pub mod report;
mod session;
mod walk;

pub use behaviour::{
    Behaviour, FrameNumbers, LengthField, MAX_KEPT_FRAMES, MessagePacket, SliceSize,
};
pub use dissector::{CapturedMessage, Dissector, MAX_FOLLOWED, Skipped};
pub use dtls_psk;
pub use error::Error;
pub use export::Exporter;
pub use json_line::JsonLine;
pub use keys::{Keys, MAX_CONNECTIONS, MAX_PSKS};
pub use media::{CapturedFrame, MAX_MEDIA_BYTES};
pub use opened::{Opened, OpenedRecord};
pub use packet::{Direction, Field, Layer, Line, Packet, Undecoded, Value};
pub use session::{MAX_SESSIONS, MediaCounts, PhaseEnd, Session};
