//! The outputs and counters of a connection.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use tutk_time::Instant;

use crate::cipher_suite::CipherSuite;
use crate::group::Group;

/// An output of [`Connection::poll_output`](crate::Connection::poll_output).
#[derive(Debug)]
pub enum Output<'a> {
    /// One UDP payload: one or more whole records, at most the configured MTU.
    Transmit(&'a [u8]),
    /// An event.
    Event(Event),
    /// Nothing to do until this instant: call `handle_timeout` then, unless there is other input
    /// first.
    ///
    /// If no timer is running, this is one hour after the latest instant passed to the connection.
    /// Calling `handle_timeout` then has no effect.
    Timeout(Instant),
}

/// An event of a connection.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Both Finished messages are verified (RFC 5246 section 7.4.9). Data can be sent.
    Connected(Connected),
    /// A line of the NSS key log, `CLIENT_RANDOM <64 hex> <96 hex>`, without a line end. Emitted
    /// only if [`Config::with_key_log`](crate::Config::with_key_log) is on. **It decrypts the whole
    /// session.**
    KeyLog(String),
    /// The connection has ended: the peer sent an authenticated close_notify (RFC 5246 section
    /// 7.2.1), this side closed it, or a function returned an error. This is the last event.
    Closed,
}

// `Debug` redacts the key log line, to keep it out of logs.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Connected(connected) => f.debug_tuple("Connected").field(connected).finish(),
            Event::KeyLog(_) => f.write_str("KeyLog(..)"),
            Event::Closed => f.write_str("Closed"),
        }
    }
}

/// The negotiated parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connected {
    /// The cipher suite (RFC 5246 section 7.4.1.3).
    pub suite: CipherSuite,
    /// The group of the ephemeral key exchange (RFC 8422 section 5.4), if the suite has one.
    pub group: Option<Group>,
    /// `true` if the extended master secret is used (RFC 7627).
    pub extended_master_secret: bool,
    /// `true` if encrypt-then-MAC is used (RFC 7366). Only CBC suites use it.
    pub encrypt_then_mac: bool,
    /// The client's PSK identity (RFC 4279 section 5.1).
    pub identity: Vec<u8>,
    /// The server's PSK identity hint (RFC 4279 section 5.2), or empty.
    pub identity_hint: Vec<u8>,
}

/// Counters of a connection. All count records, unless noted otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams passed to `handle_datagram`.
    pub datagrams: u64,
    /// Application-data records passed to `deliver`.
    pub delivered: u64,
    /// Records and fragments with an invalid header, and trailing bytes that are not a record.
    pub malformed: u64,
    /// Records of an epoch, type or role that is not expected in the current state.
    pub unexpected: u64,
    /// Records that repeat a sequence number, or that are older than the replay window (RFC 6347
    /// section 4.1.2.6).
    pub replayed: u64,
    /// Records of epoch 1 that were opened after one with a higher sequence number.
    pub reordered: u64,
    /// Records that failed authentication.
    pub undecryptable: u64,
    /// The handshake records among them that arrived before the peer's Finished was verified. They
    /// indicate different pre-shared keys.
    pub undecryptable_finished: u64,
    /// Records that arrived before their keys and were kept.
    pub pending_kept: u64,
    /// Kept records that were dropped to make room for newer ones.
    pub pending_dropped: u64,
    /// Handshake fragments that exceeded a limit or conflicted with other fragments, and incomplete
    /// messages in the clear that were discarded when only the Finished could follow.
    pub fragments_dropped: u64,
    /// Complete handshake messages in the clear that did not parse or were not expected. The
    /// connection continued to wait for the expected message.
    pub messages_rejected: u64,
    /// Alerts that were ignored: warnings, and alerts that could have been forged.
    pub alerts_ignored: u64,
    /// Renegotiation attempts that were refused.
    pub renegotiations_refused: u64,
    /// HelloVerifyRequests: sent by a server, accepted by a client.
    pub verify_requests: u64,
    /// Flights retransmitted because a timer expired.
    pub flights_retransmitted: u64,
    /// Flights retransmitted because the peer retransmitted its own.
    pub flights_resent: u64,
    /// Handshake datagrams dropped because the send queue was full.
    pub send_queue_dropped: u64,
}
