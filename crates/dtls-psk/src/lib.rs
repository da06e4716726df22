#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(test)]
#[macro_use]
extern crate std;

mod acceptor;
mod alert;
mod cipher_suite;
mod client;
mod config;
mod connection;
mod constant_time;
mod cookie;
pub mod crypto;
mod engine;
mod error;
mod event;
mod flight;
mod group;
mod key_schedule;
mod key_share;
mod messages;
pub mod passive;
mod pending_records;
mod protection;
mod reassembly;
mod record;
mod record_layer;
mod seed;
mod send_queue;
mod server;
mod suites;
#[cfg(test)]
mod test_vectors;
mod transcript;
mod window;

pub use acceptor::{Accept, Acceptor, AcceptorStats};
pub use alert::{AlertDescription, AlertLevel};
pub use cipher_suite::CipherSuite;
pub use config::{
    Config, DEFAULT_GROUPS, DEFAULT_INITIAL_TIMEOUT, DEFAULT_MAX_RETRANSMITS, DEFAULT_MAX_TIMEOUT,
    DEFAULT_MTU, DEFAULT_SUITES, MAX_HANDSHAKE_MESSAGE, MAX_IDENTITY, MIN_MTU, Psk, PskLookup,
    PskSelect,
};
pub use connection::Connection;
pub use error::{Error, Stage};
pub use event::{Connected, Event, Output, Stats};
pub use group::Group;
pub use tutk_time::Instant;
pub use window::REPLAY_WINDOW;
