//! RTSP 1.0 (RFC 2326) without I/O.

mod connection;
mod message;
mod outgoing;
mod ports;
mod requests;
mod response;
mod rtcp;
mod session;
mod target;
mod transport;
mod unwritten;

pub use self::connection::{
    Connection, ConnectionConfig, DescriptionError, End, Event, GRACE, MAX_REFUSALS, Output,
    SESSION_TIMEOUT,
};
pub use self::message::{MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_HEADERS};
pub use self::outgoing::{Channel, MAX_DATAGRAMS};
pub use self::ports::Ports;
pub use self::target::MAX_START_DELAY;
pub use self::unwritten::Unwritten;
