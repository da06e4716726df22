//! A line of `tutk dissect --json`.

use serde::Serialize;

use crate::packet::Packet;
use crate::session::Session;

/// A dissected capture as JSON, one object a line: all packets, then all sessions. Serialized as
/// `{"packet": …}` or `{"session": …}`.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum JsonLine<'a> {
    /// A packet.
    Packet(&'a Packet),
    /// A session.
    Session(&'a Session),
}
