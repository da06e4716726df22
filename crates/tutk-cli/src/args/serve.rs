//! `tutk serve`.

use std::str::FromStr as _;

use crate::listen::Listen;

pub(crate) const HELP: &str = "\
The configuration file lists the cameras, the [users] who may watch and control them, and what to
[record]. docs/cameras.md describes it. Open the HTTP address in a browser, and the RTSP address in a
player. A camera is connected while a viewer watches, unless the file sets connect = \"always\".
SIGHUP reloads the file; unchanged cameras stay connected.

By default, tutk listens on the loopback interface only. Other addresses require [users] in the file
or --no-auth.

Exit status: 0 stopped by a signal, 2 invalid command line or file, 1 another error, for example a port in use";

#[derive(clap::Args)]
pub(crate) struct ServeArgs {
    /// RTSP address, or off [default: 127.0.0.1:8554, or the file's `rtsp`]
    #[arg(long, value_name = "ADDR:PORT", value_parser = Listen::from_str)]
    pub(crate) rtsp: Option<Listen>,
    /// HTTP address for the page, streams and API, or off [default: 127.0.0.1:8888, or the file's
    /// `http`]
    #[arg(long, value_name = "ADDR:PORT", value_parser = Listen::from_str)]
    pub(crate) http: Option<Listen>,
    /// Disable authentication
    #[arg(long)]
    pub(crate) no_auth: bool,
    /// Serve three simulated cameras instead of the configuration file
    #[arg(long, conflicts_with = "config")]
    pub(crate) demo: bool,
}
