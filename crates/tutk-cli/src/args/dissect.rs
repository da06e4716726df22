//! `tutk dissect`.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::secret_text::SecretText;

pub(crate) const HELP: &str = "\
A capture of `tutk record --capture` contains its own keys. For other captures, record the keys with
--keylog and give them with --keys. The keys of a camera (--camera) decrypt only the backchannel, and
the main channel of WYZEDB3: other sessions have an ephemeral key exchange.

Examples:
  tutk dissect a.pcapng
  tutk dissect tcpdump.pcap --keys keys.log --export decrypted.pcapng
  tutk dissect a.pcapng --extract video.mp4
  tutk dissect report.zip

Exit status: 0 success, 2 invalid command line or file, 1 another error";

#[derive(clap::Args)]
pub(crate) struct DissectArgs {
    /// Capture file, pcap or pcapng, or a report of `tutk doctor`
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Key log in SSLKEYLOGFILE format; can be repeated
    #[arg(long, value_name = "FILE")]
    pub(crate) keys: Vec<PathBuf>,
    /// Camera whose ENR and AuthKey are used as keys: an address or a name in the configuration
    /// file; can be repeated
    #[arg(long, value_name = "CAMERA")]
    pub(crate) camera: Vec<SecretText>,
    /// Write the packets without obfuscation and encryption to this pcapng file, for Wireshark
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,
    /// Write the video to this file: .mp4 with audio, or .h264 or .h265 for the plain stream
    #[arg(long, value_name = "FILE")]
    pub(crate) extract: Option<PathBuf>,
    /// Session whose video is written [default: the first one with video]
    #[arg(long, value_name = "N", requires = "extract")]
    pub(crate) session: Option<NonZeroUsize>,
    /// Show all fields of each packet
    #[arg(long)]
    pub(crate) fields: bool,
    /// Show passwords and AuthKeys
    #[arg(long)]
    pub(crate) show_secrets: bool,
    /// Replace existing output files
    #[arg(long)]
    pub(crate) overwrite: bool,
}
