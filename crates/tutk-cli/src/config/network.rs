//! The keys of `[cameras.NAME]` and `[serve]` that concern the network.

use std::ops::RangeInclusive;

use super::reader::{Reader, Section};
use crate::local_ports::LocalPorts;

/// How a camera is reached, as far as configured.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Network {
    /// The local UDP ports. Default: any.
    pub(crate) local_ports: Option<LocalPorts>,
    /// Searches every host of the local networks for a camera with another address. Default: yes.
    pub(crate) search: Option<bool>,
    /// Sends some packets before their turn. Default: yes.
    pub(crate) fast_connect: Option<bool>,
}

impl Network {
    /// Reads the keys of a camera's table or of `[serve]`.
    pub(super) fn read<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> Self {
        Self {
            local_ports: reader.parsed(section, "local_ports", str::parse),
            search: reader.boolean(section, "search"),
            fast_connect: reader.boolean(section, "fast_connect"),
        }
    }

    /// Returns these settings, completed by `others`.
    pub(crate) fn or(self, others: &Self) -> Self {
        Self {
            local_ports: self.local_ports.or_else(|| others.local_ports.clone()),
            search: self.search.or(others.search),
            fast_connect: self.fast_connect.or(others.fast_connect),
        }
    }

    /// Returns the ports to bind a camera's socket to.
    pub(crate) fn local_ports(&self) -> RangeInclusive<u16> {
        let any = || LocalPorts(0..=0);
        self.local_ports.clone().unwrap_or_else(any).0
    }

    /// Returns `true` if a camera that does not answer is searched for on the whole network.
    pub(crate) fn searches(&self) -> bool {
        self.search.unwrap_or(true)
    }

    /// Returns `true` if some packets are sent before their turn.
    pub(crate) fn connects_fast(&self) -> bool {
        self.fast_connect.unwrap_or(true)
    }
}
