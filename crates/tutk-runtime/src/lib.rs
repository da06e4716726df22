#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this crate is the one that owns sockets and clocks (docs/architecture.md, rule 2)"
)]

#[cfg(feature = "simulator")]
mod batch;
mod connect;
mod controller;
mod discover;
mod driver;
mod error;
mod observer;
mod restart;
mod session;
#[cfg(feature = "simulator")]
mod simulate;
mod socket;
mod talk;
mod workers;

pub use controller::{Controller, Lease, spawn, spawn_observed};
pub use discover::{Discovery, interfaces};
pub use driver::{MAX_AWAITED_REQUESTS, MAX_BACKLOG};
pub use error::Error;
pub use observer::{ObservedDatagram, Observer};
pub use restart::Panicked;
pub use session::{EVENT_QUEUE, EVENT_QUEUE_BYTES, Session, connect};
pub use socket::RECEIVE_BUFFER;
pub use talk::Talker;
pub use tutk_session;
pub use workers::Workers;
#[cfg(feature = "simulator")]
pub use {
    simulate::{SimulatedCamera, simulate},
    tutk_simulator,
};

// The repository's own README is tested as this crate's: its example uses it.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct RepositoryReadme;
