//! The layers of the protocol, one module each.

pub(crate) mod av;
pub(crate) mod cc51;
pub(crate) mod dtls;
pub(crate) mod hl;
pub(crate) mod iotc;
pub(crate) mod login;
pub(crate) mod media;

use std::ops::Range;

use crate::packet::{Direction, Layer};

/// The outermost layer of a datagram, and what the rest of the dissector needs of it.
pub(crate) struct Outer {
    pub(crate) layer: Layer,
    pub(crate) direction: Option<Direction>,
    pub(crate) session: Option<[u8; 8]>,
    pub(crate) uid: Option<String>,
    pub(crate) step: Option<Step>,
    /// The DTLS records in the datagram.
    pub(crate) records: Option<Range<usize>>,
    pub(crate) channel: u8,
}

impl Outer {
    /// Makes a layer without fields.
    fn new(name: &'static str) -> Self {
        Self {
            layer: Layer::new(name, 0),
            direction: None,
            session: None,
            uid: None,
            step: None,
            records: None,
            channel: 0,
        }
    }
}

/// A step of discovery or session set-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    DiscoveryRequest,
    DiscoveryAnswer,
    SessionRequest,
    SessionAnswer,
}
