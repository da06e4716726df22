//! Where a recording is written, and in which format.

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use jiff::ZonedDateTime;
use tutk_media::Codec;

use super::access::FileAccess;
use super::pattern::{PATTERN_ADVICE, Pattern};
use super::segments::{Retention, Segments};
use crate::error::Error;

/// The format of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// An H.264 elementary stream (Annex B).
    H264,
    /// An H.265 elementary stream (Annex B).
    H265,
    /// Fragmented MP4.
    Mp4,
    /// An MPEG transport stream.
    Ts,
}

/// Where a recording is written. It is checked as far as possible without a camera.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub(super) place: Place,
    /// `None` is an elementary stream in the camera's codec.
    pub(super) format: Option<FileFormat>,
    /// Audio is written.
    pub(super) audio: bool,
    /// An existing file is replaced.
    pub(super) overwrite: bool,
    /// The users that may read new files.
    pub(super) access: FileAccess,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Stdout,
    File(PathBuf),
    Segments(Segments),
}

impl Target {
    /// A single file, or standard output for `-`. Without a format, the extension selects it;
    /// standard output then gets an elementary stream.
    ///
    /// # Errors
    /// [`Error::InvalidTarget`].
    pub fn new(output: &Path, format: Option<FileFormat>) -> Result<Self, Error> {
        let (place, format) = match output == Path::new("-") {
            true => (Place::Stdout, format),
            false => (
                Place::File(output.to_owned()),
                Some(format.map_or_else(|| format_of(output), Ok)?),
            ),
        };
        Ok(Self {
            place,
            format,
            audio: false,
            overwrite: false,
            access: FileAccess::Owner,
        })
    }

    /// Segments: a new file at the first key frame after each `length`. Their names are made from
    /// the `strftime` pattern `output`, for example `recordings/%Y-%m-%d/%H-%M-%S.mp4`. If a file
    /// exists, `-2`, `-3` and so on is inserted before the extension.
    ///
    /// # Errors
    /// [`Error::InvalidTarget`], also if names without the day make the age of a segment unknown
    /// and `retention` has limits.
    pub fn segments(
        output: &Path,
        format: Option<FileFormat>,
        length: Duration,
        retention: Retention,
    ) -> Result<Self, Error> {
        if output == Path::new("-") {
            let problem = "segments cannot be written to standard output";
            return Err(invalid(output, problem, PATTERN_ADVICE));
        }
        let pattern = Pattern::new(output)?;
        if retention != Retention::default() && !pattern.tells_time(&ZonedDateTime::now()) {
            let problem = "the names do not contain the day";
            let advice = "deletion by age requires it; add %Y, %m and %d to the pattern";
            return Err(invalid(output, problem, advice));
        }
        let segments = Segments {
            pattern,
            length,
            retention,
        };
        Ok(Self {
            place: Place::Segments(segments),
            format: Some(format.map_or_else(|| format_of(output), Ok)?),
            audio: false,
            overwrite: false,
            access: FileAccess::Owner,
        })
    }

    /// Adds audio if the format can hold it: MP4 and MPEG-TS.
    #[must_use]
    pub fn with_audio(mut self) -> Self {
        self.audio = matches!(self.format, Some(FileFormat::Mp4 | FileFormat::Ts));
        self
    }

    /// Replaces an existing file at the first frame. Otherwise, an existing file is an error.
    /// Segments never replace a file.
    #[must_use]
    pub fn with_overwrite(mut self, overwrite: bool) -> Self {
        self.overwrite = overwrite;
        self
    }

    /// Sets the users that may read new files and directories. By default, this is only the owner.
    #[must_use]
    pub fn with_access(mut self, access: FileAccess) -> Self {
        self.access = access;
        self
    }

    /// Returns `true` if audio is written.
    #[must_use]
    pub fn has_audio(&self) -> bool {
        self.audio
    }

    /// Returns `true` for standard output.
    #[must_use]
    pub fn is_stdout(&self) -> bool {
        self.place == Place::Stdout
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

impl FileFormat {
    /// Returns `true` if the format can hold video in `codec`.
    #[must_use]
    pub fn holds(self, codec: Codec) -> bool {
        match self {
            Self::H264 => codec == Codec::H264,
            Self::H265 => codec == Codec::H265,
            Self::Mp4 | Self::Ts => true,
        }
    }
}

/// Parses the name or file extension of a format, in any case.
impl FromStr for FileFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.to_ascii_lowercase().as_str() {
            "h264" | "264" => Ok(Self::H264),
            "h265" | "265" | "hevc" => Ok(Self::H265),
            "mp4" => Ok(Self::Mp4),
            "ts" | "mpegts" => Ok(Self::Ts),
            _ => Err("the extension does not tell the format"),
        }
    }
}

pub(super) fn write_error(name: String, error: io::Error) -> Error {
    let source = error.into();
    Error::Write { name, source }
}

fn invalid(target: &Path, problem: &str, advice: &'static str) -> Error {
    Error::InvalidTarget {
        target: target.display().to_string(),
        problem: problem.to_owned(),
        advice,
    }
}

fn format_of(path: &Path) -> Result<FileFormat, Error> {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let format = extension.unwrap_or_default().parse();
    format.map_err(|problem| {
        let advice = "use the extension .h264, .h265, .mp4 or .ts, or set --format";
        invalid(path, problem, advice)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_selects_the_format() {
        for (name, format) in [
            ("a.h264", FileFormat::H264),
            ("a.264", FileFormat::H264),
            ("a.H265", FileFormat::H265),
            ("a.hevc", FileFormat::H265),
            ("a.mp4", FileFormat::Mp4),
            ("a.mpegts", FileFormat::Ts),
        ] {
            let target = Target::new(Path::new(name), None).unwrap();
            assert_eq!(target.format, Some(format), "{name}");
        }
        let avi = Path::new("a.avi");
        assert!(Target::new(avi, None).is_err());
        assert!(Target::new(avi, Some(FileFormat::H264)).is_ok());
        assert_eq!(Target::new(Path::new("-"), None).unwrap().format, None);
    }

    #[test]
    fn the_error_names_a_missing_directory() {
        let target = Target::new(Path::new("/nowhere/out.mp4"), None).unwrap();
        let error = target.open().unwrap_err();
        assert!(error.to_string().contains("/nowhere/out.mp4"), "{error}");
    }
}
