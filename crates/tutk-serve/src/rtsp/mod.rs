//! RTSP 1.0 (RFC 2326): what players, recorders and home automation watch cameras with.

mod connection;
mod message;
mod outgoing;
mod requests;
mod response;
mod rtcp;
mod session;
mod target;
mod transport;

pub use self::connection::{
    Connection, ConnectionConfig, End, Event, GRACE, MAX_REFUSALS, Output, SESSION_TIMEOUT,
    Undescribed,
};
pub use self::message::{MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_HEADERS};
pub use self::outgoing::Channel;

/// A pair of UDP ports: for RTP, and for RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// Where RTP goes to, or comes from.
    pub rtp: u16,
    /// Where RTCP goes to, or comes from.
    pub rtcp: u16,
}
