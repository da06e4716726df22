//! The client's side of a session.
//!
//! ```text
//!           0601 >         0402 >       DTLS       00 00, 00 20 >            K10000 … K10003
//! Discovery -----> Session -----> Dtls <----> Login ------------> Authentication ---------> Stream
//!           < 0602         < 0404                  < 00 21
//! ```
//!
//! In `cc51`, command 1002 replaces the first four. Each phase repeats its packets until they are
//! answered or the deadline of the phase has passed.

mod av;
mod claim;
mod config;
mod ending;
mod fast_connect;
mod finished_wait;
mod handshake_offers;
mod keep_alive;
mod machine;
mod media_receiver;
mod phase_timer;
mod rate;
mod repeat;
mod requests;
mod restart;
mod rhythm;
mod round_trip;
mod session_keepalive;
mod setup;
mod setup_log;
mod talk;
mod talk_channel;

pub use self::config::{ClientConfig, MediaRequest, ResendPolicy};
pub(crate) use self::fast_connect::EarlyPackets;
pub use self::fast_connect::KnownCamera;
pub use self::machine::{Client, IDLE_TIMEOUT};
pub use self::requests::{MAX_REQUESTS, REPEAT_INTERVAL};
pub(crate) use self::rhythm::Rhythm;
pub use self::talk_channel::TalkFrame;
