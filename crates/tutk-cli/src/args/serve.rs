//! `tutk serve`.

use std::str::FromStr;

use crate::config::Listen;

pub(crate) const HELP: &str = "\
The file of --config names the cameras, [users] who may watch and control, and [record] what is recorded where;
docs/cameras.md says all of it. A browser shows them at the address of HTTP; players take those of RTSP. Cameras are
connected while somebody watches, unless the file says connect = \"always\". SIGHUP reads the file again: cameras that are
as they were go on.

Without a word it listens on this machine alone. Where others can reach it, it wants [users] in the file, or --no-auth.

Exit status: 0 it was told to end, 2 the command line or the file is not usable, 1 anything else: port in use, …";

#[derive(clap::Args)]
pub(crate) struct ServeArgs {
    /// Where RTSP listens, or off [default: 127.0.0.1:8554, or as the file has it]
    #[arg(long, value_name = "ADDR:PORT", value_parser = Listen::from_str)]
    pub(crate) rtsp: Option<Listen>,
    /// Where HTTP listens (page, streams, API), or off [default: 127.0.0.1:8888, or as the file has it]
    #[arg(long, value_name = "ADDR:PORT", value_parser = Listen::from_str)]
    pub(crate) http: Option<Listen>,
    /// Let everybody watch and control who can reach it
    #[arg(long)]
    pub(crate) no_auth: bool,
    /// Serve three simulated cameras, and no file
    #[arg(long, conflicts_with = "config")]
    pub(crate) demo: bool,
}
