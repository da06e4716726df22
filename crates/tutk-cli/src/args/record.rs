//! `tutk record`.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use bytesize::ByteSize;
use clap::ValueEnum;
use tutk_serve::recorder::FileFormat;

use crate::args::network::NetworkArgs;
use crate::capture::DEFAULT_SIZE;
use crate::dialect_choice::DialectChoice;
use crate::resend_choice::ResendChoice;
use crate::secret_text::SecretText;
use crate::value_parsers::{file_format, seconds, seconds_or_none, span};

#[derive(clap::Args)]
pub(crate) struct RecordArgs {
    /// wyze://HOST[:PORT]?uid=…&enr=…&mac=…, or a name from the configuration file
    #[arg(value_name = "CAMERA")]
    pub(crate) camera: SecretText,
    /// File to write, or - for standard output; with --segment a strftime pattern such as
    /// recordings/%Y-%m-%d/%H-%M-%S.mp4
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Replace existing files of --output and --capture; segments always get new names
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// File format [default: from the file name; on standard output the plain H.264 or H.265
    /// stream]
    #[arg(long, value_name = "FORMAT", value_parser = file_format())]
    pub(crate) format: Option<FileFormat>,
    /// Start a new file at the first key frame after this time, for example 10m or 1h30m
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub(crate) segment: Option<Duration>,
    /// Delete segments older than this, for example 7d; only files that match the pattern
    #[arg(long, value_name = "TIME", value_parser = span, requires = "segment")]
    pub(crate) keep: Option<Duration>,
    /// Delete the oldest segments when all segments together exceed this size, for example 20G or
    /// 512MiB; checked when a segment starts
    #[arg(long, value_name = "SIZE", requires = "segment")]
    pub(crate) max_size: Option<ByteSize>,
    /// Stop after this many seconds of video
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) seconds: Option<Duration>,
    /// Stop after this many frames
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "seconds")]
    pub(crate) frames: Option<u64>,
    /// Audio track; auto records the camera's audio if the format supports its codec
    #[arg(long, value_name = "AUDIO", default_value = "auto")]
    pub(crate) audio: AudioChoice,
    /// Seconds to keep reconnecting after the stream was interrupted; 0 disables reconnecting
    #[arg(long, value_name = "S", default_value = "300", value_parser = seconds_or_none)]
    pub(crate) reconnect: Duration,
    /// Request retransmission of lost packets; auto does so for models known to support it. Not
    /// verified with real cameras; tutk falls back to the plain stream
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) resend: ResendChoice,
    /// Set the camera's clock to the current time after each login. The camera keeps the setting
    #[arg(long)]
    pub(crate) set_clock: bool,
    /// Print statistics every 5 seconds: frames, bitrate, losses, round trip, reconnects
    #[arg(long)]
    pub(crate) stats: bool,
    #[command(flatten)]
    pub(crate) network: NetworkArgs,
    /// Dialect to speak; auto detects it
    #[arg(long, value_name = "DIALECT", default_value = "auto", value_parser = DialectChoice::from_str)]
    pub(crate) dialect: DialectChoice,
    /// Append the session's keys to this file in SSLKEYLOGFILE format, for Wireshark
    #[arg(long, value_name = "FILE")]
    pub(crate) keylog: Option<PathBuf>,
    /// Write all packets of the session to this pcapng file, with the keys that decrypt them, for
    /// `tutk dissect`
    #[arg(long, value_name = "FILE")]
    pub(crate) capture: Option<PathBuf>,
    /// Size at which the capture ends, for example 10MB; recording continues
    #[arg(long, value_name = "SIZE", default_value_t = DEFAULT_SIZE, requires = "capture")]
    pub(crate) capture_size: ByteSize,
}

/// Audio of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AudioChoice {
    /// The camera's audio, if the format supports its codec
    Auto,
    /// No audio
    None,
}
