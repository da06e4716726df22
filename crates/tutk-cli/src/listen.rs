//! The address of a listener.

use std::net::SocketAddr;

/// A listening address, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listen {
    Off,
    At(SocketAddr),
}

impl std::str::FromStr for Listen {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "off" => Ok(Self::Off),
            address => {
                let address = address.parse().map(Self::At);
                address.map_err(
                    |_| "expected ADDRESS:PORT, for example 0.0.0.0:8554 or [::]:8554, or `off`",
                )
            }
        }
    }
}
