//! `tutk record`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;
use clap::ValueEnum;
use jiff::{Span, SpanRelativeTo};
use tutk_session::ResendPolicy;

use tutk_runtime::tutk_session;

use super::{DialectChoice, SecretText, seconds};

#[derive(clap::Args)]
pub(crate) struct RecordArgs {
    /// wyze://HOST[:PORT]?uid=…&enr=…&mac=…, or a name from the file of --config
    #[arg(value_name = "CAMERA")]
    pub(crate) camera: SecretText,
    /// File to write, or - for standard output; with --segment a pattern with directives of strftime, as
    /// recordings/%Y-%m-%d/%H-%M-%S.mp4
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Format of the file [default: told by its name; on standard output the camera's codec, bare]
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<Format>,
    /// Begin a new file at the first key frame after so long, as 10m or 1h30m
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub(crate) segment: Option<Duration>,
    /// Delete segments that began longer ago, as 7d; only files that the pattern names
    #[arg(long, value_name = "TIME", value_parser = span, requires = "segment")]
    pub(crate) keep: Option<Duration>,
    /// Delete the oldest segments so that all together stay below so many bytes, as 20G or 512MiB; looked at
    /// when a segment begins
    #[arg(long, value_name = "SIZE", requires = "segment")]
    pub(crate) max_size: Option<ByteSize>,
    /// Stop after so many seconds of video
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) seconds: Option<Duration>,
    /// Stop after so many frames
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "seconds")]
    pub(crate) frames: Option<u64>,
    /// Sound beside the picture: auto takes the camera's where the format has a place for it
    #[arg(long, value_name = "AUDIO", default_value = "auto")]
    pub(crate) audio: AudioChoice,
    /// How long to go on trying when the stream has broken off, seconds; 0 not at all
    #[arg(long, value_name = "S", default_value = "300", value_parser = seconds_or_none)]
    pub(crate) reconnect: Duration,
    /// Ask for lost packets again; auto does where the camera's model is known to send them. Not verified with
    /// real cameras: one that does not do it is asked for its plain stream
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub(crate) resend: ResendChoice,
    /// Print a line every 5 seconds: frames, bitrate, lost, round trip, reconnects
    #[arg(long)]
    pub(crate) stats: bool,
    /// Dialect to speak: auto asks the camera
    #[arg(long, value_name = "DIALECT", default_value = "auto", value_parser = DialectChoice::from_str)]
    pub(crate) dialect: DialectChoice,
    /// Append the session's keys to this file, for Wireshark (the format of SSLKEYLOGFILE)
    #[arg(long, value_name = "FILE")]
    pub(crate) keylog: Option<PathBuf>,
}

/// Format of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Bare H.264 (Annex B)
    H264,
    /// Bare H.265 (Annex B)
    H265,
    /// Fragmented MP4
    Mp4,
    /// MPEG transport stream
    Ts,
}

/// Sound of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AudioChoice {
    /// The camera's, where the format has a place for it
    Auto,
    /// None
    None,
}

/// Whether lost packets are asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ResendChoice {
    /// Where the model is known to do it
    Auto,
    /// Always
    On,
    /// Never
    Off,
}

impl ResendChoice {
    pub(crate) fn policy(self) -> ResendPolicy {
        match self {
            Self::Auto => ResendPolicy::Auto,
            Self::On => ResendPolicy::On,
            Self::Off => ResendPolicy::Off,
        }
    }
}

/// A time of whole units, a second at least: 90s, 10m, 1h30m, 7d, 2w.
pub(crate) fn span(text: &str) -> Result<Duration, String> {
    let span: Span = text
        .parse()
        .map_err(|_| "must be as 90s, 10m, 1h30m or 7d")?;
    let length = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| "must be in weeks, days, hours, minutes and seconds")?;
    let length = Duration::try_from(length).map_err(|_| "must be more than 0")?;
    if length < Duration::from_secs(1) {
        return Err("must be a second at least".to_owned());
    }
    Ok(length)
}

/// Seconds, or 0 for not at all.
fn seconds_or_none(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(0.0) => Ok(Duration::ZERO),
        _ => seconds(text).map_err(|_| "must be a number of seconds, or 0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_be_none() {
        assert_eq!(seconds_or_none("0"), Ok(Duration::ZERO));
        assert!(seconds_or_none("-1").is_err() && seconds_or_none("x").is_err());
    }

    #[test]
    fn spans_have_units() {
        for (text, seconds) in [
            ("90s", 90),
            ("10m", 600),
            ("1h30m", 5_400),
            ("7d", 604_800),
            ("2w", 1_209_600),
        ] {
            assert_eq!(span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "10", "0s", "500ms", "-10m", "1mo", "1y", "ten"] {
            assert!(span(bad).is_err(), "{bad}");
        }
        for (text, bytes) in [
            ("20G", 20_000_000_000),
            ("512MiB", 512 << 20),
            ("1000", 1000),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
    }
}
