//! Pairs of UDP ports.

/// The UDP ports of RTP and RTCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ports {
    /// The port of RTP.
    pub rtp: u16,
    /// The port of RTCP.
    pub rtcp: u16,
}
