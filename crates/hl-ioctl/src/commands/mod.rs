//! The commands, one type each, for both sides (docs/protocol.md, section 18).
//!
//! Each type holds only values that can be sent, and names its code. The code of an answer is one
//! higher. "Done" is [`SetAnswer`]. A request that reads has no payload unless its type documents
//! one. Values of one byte are 1 for on and 2 for off unless their type documents other ones.

mod connect;
mod connect_result;
mod pan_tilt;
mod parameters;
mod patrol;
mod rtsp_server;
mod settings;
mod untyped_answer;
mod user_auth;
mod values;
mod video;

pub use crate::catalogue::table::types::*;
pub use connect::*;
pub use connect_result::*;
pub use pan_tilt::*;
pub use parameters::*;
pub use patrol::*;
pub use rtsp_server::*;
pub use settings::*;
pub use untyped_answer::*;
pub use user_auth::*;
pub use values::*;
pub use video::*;
