//! Options of every command that talks to a camera.

use std::str::FromStr as _;

use crate::config::Network;
use crate::local_ports::LocalPorts;

#[derive(clap::Args)]
pub(crate) struct NetworkArgs {
    /// Local UDP port, for firewalls and containers; with a range, the first free one [default: any
    /// port, or the file's `local_ports`]
    #[arg(long, value_name = "PORT|FIRST-LAST", value_parser = LocalPorts::from_str)]
    pub(crate) local_port: Option<LocalPorts>,
    /// Do not ask the hosts of the local networks for a camera that does not answer at its address
    #[arg(long)]
    pub(crate) no_search: bool,
    /// Send no packet before its turn, for a camera that does not accept it. Fast connect is not
    /// verified with real cameras; tutk falls back by itself
    #[arg(long)]
    pub(crate) no_fast_connect: bool,
}

impl NetworkArgs {
    /// Returns the options, which take precedence over the file.
    pub(crate) fn settings(&self) -> Network {
        Network {
            local_ports: self.local_port.clone(),
            search: self.no_search.then_some(false),
            fast_connect: self.no_fast_connect.then_some(false),
        }
    }
}
