//! What a connection tells its owner.

use std::fmt;
use std::time::Instant;

use crate::group::Group;
use crate::suites::CipherSuite;

/// What [`Connection::poll_output`](crate::Connection::poll_output) hands out.
#[derive(Debug)]
pub enum Output<'a> {
    /// One UDP payload: one or more whole records, at most the configured MTU.
    Transmit(&'a [u8]),
    /// Something happened.
    Event(Event),
    /// Nothing more for now: call `handle_timeout` at this instant, unless something else comes first.
    ///
    /// When nothing is due the instant is one hour after the newest instant that the connection was
    /// given; `handle_timeout` then does nothing, so waking up for it is harmless.
    Timeout(Instant),
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Both Finished messages have been verified (RFC 5246 section 7.4.9): data may flow.
    Connected(Connected),
    /// A line of the NSS key log, `CLIENT_RANDOM <64 hex> <96 hex>`, without a line end; only when
    /// [`Config::with_key_log`](crate::Config::with_key_log) asked for it. **It opens the whole session.**
    KeyLog(String),
    /// The peer's close_notify (RFC 5246 section 7.2.1), authenticated. Nothing follows.
    Closed,
}

// The key log line is a secret: it must not get into a log by way of `{:?}`.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Connected(connected) => f.debug_tuple("Connected").field(connected).finish(),
            Event::KeyLog(_) => f.write_str("KeyLog(..)"),
            Event::Closed => f.write_str("Closed"),
        }
    }
}

/// What was negotiated.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connected {
    /// The cipher suite (RFC 5246 section 7.4.1.3).
    pub suite: CipherSuite,
    /// The group of the ephemeral exchange (RFC 8422 section 5.4), if the suite has one.
    pub group: Option<Group>,
    /// Whether the master secret is bound to the handshake (RFC 7627). Cameras do not offer it.
    pub extended_master_secret: bool,
    /// Whether the MAC of records is over their ciphertext (RFC 7366): only ever with CBC suites.
    pub encrypt_then_mac: bool,
    /// The client's PSK identity (RFC 4279 section 5.1): on the server the one that came, on the client its own.
    pub identity: Vec<u8>,
    /// The server's PSK identity hint (RFC 4279 section 5.2), empty where there is none: on the client the
    /// one that came, on the server its own.
    pub identity_hint: Vec<u8>,
}

/// What was received, sent again, and dropped. All counts are records, unless said otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Datagrams given to `handle_datagram`.
    pub datagrams: u64,
    /// Application-data records handed to `deliver`.
    pub delivered: u64,
    /// Records or fragments whose header makes no sense, and datagram tails that are no record.
    pub malformed: u64,
    /// Records of an epoch, type or role that has no place at this point.
    pub unexpected: u64,
    /// Records that the replay window (RFC 6347 section 4.1.2.6) had seen, or that were older than it reaches.
    pub replayed: u64,
    /// Records that did not authenticate, of any kind.
    pub undecryptable: u64,
    /// Of those, handshake records that came before the peer's Finished was verified: the sign of two
    /// different pre-shared keys.
    pub undecryptable_finished: u64,
    /// Records that came before their keys and were kept.
    pub early_kept: u64,
    /// Kept records that had to make room for newer ones.
    pub early_dropped: u64,
    /// Handshake fragments over a limit or in conflict with those held, on whichever side of the conflict;
    /// and messages in the clear that were held when none could come any more.
    pub fragments_dropped: u64,
    /// Whole handshake messages in the clear that did not parse or had no place where they came. Another
    /// copy was awaited instead.
    pub messages_rejected: u64,
    /// Alerts that were not acted on: warnings, and those that anybody could have forged.
    pub alerts_ignored: u64,
    /// Second handshakes that were refused.
    pub renegotiations_refused: u64,
    /// HelloVerifyRequests: sent by a server, taken by a client.
    pub verify_requests: u64,
    /// Flights sent again because a timer ran out.
    pub flights_retransmitted: u64,
    /// Flights sent again because the peer repeated its own.
    pub flights_answered_again: u64,
    /// Datagrams of a handshake that found the send queue full.
    pub outbox_dropped: u64,
}
