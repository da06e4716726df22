//! The target of a recording.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::ZonedDateTime;
use tutk_media::Codec;

use super::Sink;
use super::output::Output;
use super::pattern::Pattern;
use super::segments::{Retention, Segments};
use crate::failure::Failure;
use crate::format::Format;

/// The target from the command line, checked as far as possible without a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(super) place: Place,
    /// The format. `None` is an elementary stream in the camera's codec.
    pub(super) format: Option<Format>,
    /// Whether to write audio if the format supports it.
    pub(super) sound: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Stdout,
    File(PathBuf),
    Segments(Segments),
}

impl Target {
    /// Creates a target. Without a format, the extension selects it.
    pub(crate) fn new(output: &Path, format: Option<Format>) -> Result<Self, Failure> {
        if output == Path::new("-") {
            return Ok(Self {
                place: Place::Stdout,
                format,
                sound: false,
            });
        }
        Ok(Self {
            place: Place::File(output.to_owned()),
            format: Some(format.map_or_else(|| format_of(output), Ok)?),
            sound: false,
        })
    }

    /// Creates a target of segments with a length and retention.
    pub(crate) fn segments(
        output: &Path,
        format: Option<Format>,
        length: Duration,
        retention: Retention,
    ) -> Result<Self, Failure> {
        if output == Path::new("-") {
            let what = "segments cannot be written to standard output";
            let advice = "set --output to a pattern, for example recordings/%Y-%m-%d/%H-%M-%S.mp4";
            return Err(Failure::usage("arguments", what, advice));
        }
        let pattern = Pattern::new(output)?;
        if retention != Retention::default() && !pattern.tells_time(&ZonedDateTime::now()) {
            let what = format!("{}: the names do not contain the day", output.display());
            let advice = "deletion by age requires it; add %Y, %m and %d to the pattern";
            return Err(Failure::usage("arguments", what, advice));
        }
        Ok(Self {
            place: Place::Segments(Segments {
                pattern,
                length,
                retention,
            }),
            format: Some(format.map_or_else(|| format_of(output), Ok)?),
            sound: false,
        })
    }

    /// Enables audio if the format supports it. Returns whether it does.
    pub(crate) fn with_sound(mut self) -> (Self, bool) {
        self.sound = matches!(self.format, Some(Format::Mp4 | Format::Ts));
        let sound = self.sound;
        (self, sound)
    }

    pub(crate) fn is_stdout(&self) -> bool {
        self.place == Place::Stdout
    }

    /// Opens the output. An existing file keeps its contents until the first frame arrives.
    pub(crate) fn open(&self) -> Result<Sink, Failure> {
        let ready = match &self.place {
            Place::Stdout => Some((Output::stdout(), None)),
            Place::File(path) => {
                let failure = |e| Failure::write("output", &path.display().to_string(), &e);
                let (output, new) = Output::open(path).map_err(failure)?;
                Some((output, new.then(|| path.clone())))
            }
            Place::Segments(segments) => {
                let failure = |e| Failure::write("output", &self.place.name(), &e);
                segments.pattern.prepare().map_err(failure)?;
                None
            }
        };
        Ok(Sink::new(self, ready))
    }
}

impl Place {
    /// Returns the name for messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Stdout => "standard output".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Segments(segments) => segments.pattern.to_string(),
        }
    }
}

impl Format {
    pub(super) fn holds(self, codec: Codec) -> bool {
        match self {
            Self::H264 => codec == Codec::H264,
            Self::H265 => codec == Codec::H265,
            Self::Mp4 | Self::Ts => true,
        }
    }
}

fn format_of(path: &Path) -> Result<Format, Failure> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("h264" | "264") => Ok(Format::H264),
        Some("h265" | "265" | "hevc") => Ok(Format::H265),
        Some("mp4") => Ok(Format::Mp4),
        Some("ts" | "mpegts") => Ok(Format::Ts),
        _ => {
            let what = format!("{}: the extension does not tell the format", path.display());
            let advice = "use the extension .h264, .h265, .mp4 or .ts, or set --format";
            Err(Failure::usage("arguments", what, advice))
        }
    }
}
