//! What is to be written, and where.

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

/// What the command line asks for, checked as far as it can be before there is a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(super) place: Place,
    /// `None` is the camera's codec, bare.
    pub(super) format: Option<Format>,
    /// Whether sound is wanted, where the format has a place for it.
    pub(super) sound: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Stdout,
    File(PathBuf),
    Segments(Segments),
}

impl Target {
    /// Tells the format from the name where it is not given.
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

    /// A new file each time that one is as long as that, and the old ones go.
    pub(crate) fn segments(
        output: &Path,
        format: Option<Format>,
        length: Duration,
        retention: Retention,
    ) -> Result<Self, Failure> {
        if output == Path::new("-") {
            let what = "standard output cannot be cut into segments";
            let advice = "give --output a pattern, as recordings/%Y-%m-%d/%H-%M-%S.mp4";
            return Err(Failure::usage("arguments", what, advice));
        }
        let pattern = Pattern::new(output)?;
        if retention != Retention::default() && !pattern.tells_time(&ZonedDateTime::now()) {
            let what = format!("{}: the names do not tell the day", output.display());
            let advice =
                "without it nothing can be deleted by age: have %Y, %m and %d in the pattern";
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

    /// The same with sound beside the picture, if the format has a place for it; whether it has.
    pub(crate) fn with_sound(mut self) -> (Self, bool) {
        self.sound = matches!(self.format, Some(Format::Mp4 | Format::Ts));
        let sound = self.sound;
        (self, sound)
    }

    pub(crate) fn is_stdout(&self) -> bool {
        self.place == Place::Stdout
    }

    /// Opens the output. A file that is there keeps what it has until the first frame comes.
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
    /// What it is called where something is wrong with it.
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
            let what = format!("{}: the name does not tell the format", path.display());
            let advice = "end it in .h264, .h265, .mp4 or .ts, or give --format";
            Err(Failure::usage("arguments", what, advice))
        }
    }
}
