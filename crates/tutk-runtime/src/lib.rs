#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this crate is the one that owns sockets and clocks (docs/architecture.md, rule 2)"
)]

mod discover;
mod error;
#[cfg(feature = "simulator")]
mod netem;
mod reconnect;
mod session;
#[cfg(feature = "simulator")]
mod simulate;
mod socket;
mod talk;
mod tally;

pub use discover::{Found, Whom, discover};
pub use error::Error;
#[cfg(feature = "simulator")]
pub use netem::Impairment;
pub use reconnect::{
    ContinuousFrame, Fall, OUTAGES, Outage, ReconnectEvent, ReconnectPolicy, Reconnecting,
};
pub use session::{EVENT_QUEUE, Session, connect};
pub use socket::{ReceiveBuffer, SocketStats};
pub use talk::{TalkSound, Talker};
pub use tally::Tally;
pub use tutk_session;
#[cfg(feature = "simulator")]
pub use {
    simulate::{SimulatedCamera, simulate},
    tutk_simulator,
};

// The repository's own README is tested as this crate's: its example uses it.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct RepositoryReadme;
