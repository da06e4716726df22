//! `tutk replay`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::secret_text::{ENR_VARIABLE, SecretText};
use crate::value_parsers::camera_listen;

pub(crate) const HELP: &str = "\
The simulated camera has the dialect, the deviations, the answers and the frames of the captured one, at
the captured times. It repeats the frames endlessly. Its credentials are fake unless they are given.
docs/protocol.md, section 23, says what a replay takes from a capture.

Exit status: 0 success, 2 invalid command line or capture, 1 another error, for example a port in use";

#[derive(clap::Args)]
pub(crate) struct ReplayArgs {
    /// Capture file of `tutk record --capture` or `tutk doctor --report`, or another one with
    /// --keys
    #[arg(value_name = "CAPTURE")]
    pub(crate) file: PathBuf,
    /// UDP address to listen on; port 0 selects a free port
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:32761", value_parser = camera_listen)]
    pub(crate) listen: SocketAddr,
    /// Key log in SSLKEYLOGFILE format; can be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: Vec<PathBuf>,
    /// Session to replay [default: the first one with video]
    #[arg(long, value_name = "N")]
    pub(crate) session: Option<NonZeroUsize>,
    /// The camera's UID [default: that of the capture]
    #[arg(long, value_name = "U")]
    pub(crate) uid: Option<String>,
    /// The camera's ENR [default: a fake one]
    #[arg(long, value_name = "E", env = ENR_VARIABLE, hide_env_values = true)]
    pub(crate) enr: Option<SecretText>,
    /// The camera's MAC address [default: a fake one]
    #[arg(long, value_name = "M")]
    pub(crate) mac: Option<String>,
    /// Exit when the first client has left
    #[arg(long)]
    pub(crate) once: bool,
}
