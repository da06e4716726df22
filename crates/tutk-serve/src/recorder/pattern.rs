//! Names of segments: a `strftime` pattern, and the files that it matches.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

use super::access::FileAccess;
use crate::error::Error;

pub(super) const PATTERN_ADVICE: &str =
    "use a strftime pattern, for example recordings/%Y-%m-%d/%H-%M-%S.mp4";

/// The largest number of segments with the same name except for their number. They occur with a
/// pattern without seconds and a camera that disconnects often.
const MAX_SAME: u32 = 10_000;

/// A pattern for the names of segments, for example `/recordings/front/%Y-%m-%d/%H-%M-%S.mp4`.
///
/// If a file exists, `-2`, `-3` and so on is inserted before the extension. Files are never
/// overwritten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    /// The directory before the first directive.
    folder: PathBuf,
    /// The rest of the path. Its first part contains a directive.
    parts: Vec<String>,
}

/// A file that matches the pattern.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Recorded {
    /// The start time in its name.
    pub(super) begun: Timestamp,
    /// The number before the extension, otherwise 1.
    number: u32,
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
}

impl Pattern {
    /// Parses the path as a pattern and tests it.
    pub(super) fn new(path: &Path) -> Result<Self, Error> {
        let unusable = |problem| Error::InvalidTarget {
            target: path.display().to_string(),
            problem,
            advice: PATTERN_ADVICE,
        };
        let text = path
            .to_str()
            .ok_or_else(|| unusable("not Unicode".to_owned()))?;
        if text.ends_with(['/', '\\']) {
            return Err(unusable("the path is a directory".to_owned()));
        }
        let mut folder = PathBuf::new();
        let mut parts = Vec::new();
        for component in path.components() {
            let part = component.as_os_str().to_string_lossy();
            if parts.is_empty() && !part.contains('%') {
                folder.push(component);
            } else if matches!(component, Component::Normal(_)) {
                parts.push(part.into_owned());
            } else {
                return Err(unusable(format!("{part} after a directive")));
            }
        }
        if parts.is_empty() {
            return Err(unusable(
                "every segment would have the same name".to_owned(),
            ));
        }
        let pattern = Self { folder, parts };
        pattern.name(&ZonedDateTime::now()).map_err(unusable)?;
        Ok(pattern)
    }

    /// Returns `true` if the names contain the day, which is required to delete files by age.
    pub(super) fn tells_time(&self, now: &ZonedDateTime) -> bool {
        self.name(now)
            .is_ok_and(|name| self.begun(&name, now.time_zone()).is_some())
    }

    /// Creates the directory before the first directive, to report errors early.
    pub(super) fn prepare(&self, access: FileAccess) -> io::Result<()> {
        match self.folder.as_os_str().is_empty() {
            true => Ok(()),
            false => access.create_folders(&self.folder),
        }
    }

    /// Creates a new file for a segment that starts now.
    pub(super) fn create(
        &self,
        now: &ZonedDateTime,
        access: FileAccess,
    ) -> io::Result<(PathBuf, File)> {
        let name = self.name(now).map_err(io::Error::other)?;
        let path = self.folder.join(name);
        if let Some(folder) = path.parent().filter(|folder| *folder != Path::new("")) {
            access.create_folders(folder)?;
        }
        for number in 1..=MAX_SAME {
            let path = numbered(&path, number);
            match access.create_file(&path) {
                Ok(file) => return Ok((path, file)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        let what = format!(
            "{} and {MAX_SAME} numbered files already exist",
            path.display()
        );
        Err(io::Error::new(io::ErrorKind::AlreadyExists, what))
    }

    /// Returns all files that match the pattern, oldest first. Ignores other files.
    pub(super) fn recorded(&self, zone: &TimeZone) -> Vec<Recorded> {
        let folder = match self.folder.as_os_str().is_empty() {
            true => Path::new("."),
            false => &self.folder,
        };
        let mut found = Vec::new();
        self.collect(folder, &mut Vec::new(), zone, &mut found);
        found.sort_unstable();
        found
    }

    /// Removes the file's directories below the first directive if they are empty.
    pub(super) fn remove_empty_folders(&self, path: &Path) {
        for folder in path.ancestors().skip(1).take(self.parts.len() - 1) {
            if fs::remove_dir(folder).is_err() {
                return;
            }
        }
    }

    fn collect(
        &self,
        folder: &Path,
        above: &mut Vec<String>,
        zone: &TimeZone,
        found: &mut Vec<Recorded>,
    ) {
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        let last = above.len() + 1 == self.parts.len();
        for entry in entries.flatten() {
            // The entry itself, because links are not followed.
            let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string()) else {
                continue;
            };
            if kind.is_dir() && !last {
                above.push(name);
                self.collect(&entry.path(), above, zone, found);
                above.pop();
            } else if kind.is_file() && last {
                let begun = |name: &str| {
                    let whole = above.iter().map(String::as_str).chain([name]);
                    self.begun(&whole.collect::<Vec<_>>().join("/"), zone)
                };
                let (begun, number) = match (begun(&name), without_number(&name)) {
                    (None, Some((plain, number))) => (begun(&plain), number),
                    (plain, _) => (plain, 1),
                };
                let bytes = entry.metadata().map(|metadata| metadata.len());
                if let (Some(begun), Ok(bytes)) = (begun, bytes) {
                    found.push(Recorded {
                        begun,
                        number,
                        path: entry.path(),
                        bytes,
                    });
                }
            }
        }
    }

    /// Formats the name of a segment that starts at this time.
    fn name(&self, time: &ZonedDateTime) -> Result<String, String> {
        let name =
            strtime::format(self.parts.join("/"), time).map_err(|error| error.to_string())?;
        let normal = Path::new(&name)
            .components()
            .all(|component| matches!(component, Component::Normal(_)));
        if normal && name.split('/').count() == self.parts.len() {
            Ok(name)
        } else {
            Err(format!("a directive contains a path separator: {name}"))
        }
    }

    /// Returns the start time in a name that matches the pattern.
    fn begun(&self, name: &str, zone: &TimeZone) -> Option<Timestamp> {
        let time = strtime::parse(self.parts.join("/"), name).ok()?;
        let begun = time.to_timestamp().or_else(|_| {
            let civil = time.to_datetime()?;
            Ok::<_, jiff::Error>(civil.to_zoned_datetime(zone.clone())?.timestamp())
        });
        let begun = begun.ok()?;
        // Parsing is lenient, but deleting files requires an exact match.
        let again = self.name(&begun.to_zoned_datetime(zone.clone())).ok()?;
        (again == name).then_some(begun)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.folder.join(self.parts.join("/"));
        path.display().fmt(f)
    }
}

/// Returns `name-2.mp4` for `name.mp4`, and the name itself for 1.
fn numbered(path: &Path, number: u32) -> PathBuf {
    let Some(stem) = path.file_stem().filter(|_| number > 1) else {
        return path.to_owned();
    };
    let mut name = stem.to_owned();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// Splits `name-2.mp4` into `name.mp4` and 2.
fn without_number(name: &str) -> Option<(String, u32)> {
    let path = Path::new(name);
    let (stem, digits) = path.file_stem()?.to_str()?.rsplit_once('-')?;
    let number: u32 = digits.parse().ok()?;
    let plain = match path.extension() {
        Some(extension) => format!("{stem}.{}", extension.to_str()?),
        None => stem.to_owned(),
    };
    (numbered(Path::new(&plain), number) == path).then_some((plain, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> ZonedDateTime {
        text.parse().unwrap()
    }

    fn pattern(folder: &Path, rest: &str) -> Pattern {
        Pattern::new(&folder.join(rest)).unwrap()
    }

    #[test]
    fn existing_names_get_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let pattern = pattern(folder.path(), "front/%Y-%m-%d/%H-%M.mp4");
        let now = time("2026-11-25T23:59:58+01:00[Europe/Paris]");
        for name in ["23-59.mp4", "23-59-2.mp4", "23-59-3.mp4"] {
            let (path, _) = pattern.create(&now, FileAccess::Owner).unwrap();
            assert_eq!(path, folder.path().join("front/2026-11-25").join(name));
        }
        let recorded = pattern.recorded(now.time_zone());
        let numbers: Vec<_> = recorded.iter().map(|file| file.number).collect();
        assert_eq!(numbers, [1, 2, 3]);
        assert!(
            recorded
                .iter()
                .all(|file| file.begun == now.timestamp() - jiff::SignedDuration::from_secs(58))
        );
    }

    #[test]
    fn only_files_that_match_the_pattern_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let pattern = pattern(folder.path(), "%Y/%m-%d_%H.ts");
        fs::create_dir_all(folder.path().join("2026/11-25_12")).unwrap();
        fs::create_dir_all(folder.path().join("26")).unwrap();
        for name in [
            "2026/11-25_12.ts",
            "2026/11-25_12-10.ts",
            // These do not match.
            "2026/11-25_12-1.ts",
            "2026/11-25_12-02.ts",
            "2026/11-25_12.mp4",
            "2026/11-25_7.ts",
            "2026/02-30_12.ts",
            "2026/x11-25_12.ts",
            "2026/11-25_12/11-25_13.ts",
            "26/11-25_12.ts",
            "11-25_12.ts",
        ] {
            fs::write(folder.path().join(name), "12345").unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink("11-25_12.ts", folder.path().join("2026/11-25_14.ts")).unwrap();
        let found: Vec<_> = pattern
            .recorded(&TimeZone::UTC)
            .into_iter()
            .map(|file| {
                (
                    file.path.strip_prefix(folder.path()).unwrap().to_owned(),
                    file.bytes,
                )
            })
            .collect();
        let expected =
            ["2026/11-25_12.ts", "2026/11-25_12-10.ts"].map(|name| (PathBuf::from(name), 5));
        assert_eq!(found, expected);
    }

    #[test]
    fn invalid_patterns_are_rejected() {
        for bad in ["out.mp4", "%Y/", "%Y/../a.mp4", "%D.mp4", "%!.mp4", "%"] {
            let error = Pattern::new(Path::new(bad)).unwrap_err();
            assert!(error.to_string().starts_with(bad), "{error}");
        }
        let now = time("2026-11-25T12:00:00+00:00[UTC]");
        for (text, tells) in [
            ("%s.mp4", true),
            ("%F_%T%z.mp4", true),
            ("a/%Y%m%dT%H%M%S.mp4", true),
            ("%H-%M.mp4", false),
        ] {
            let pattern = Pattern::new(Path::new(text)).unwrap();
            assert_eq!(pattern.tells_time(&now), tells, "{text}");
        }
    }

    #[test]
    fn the_offset_distinguishes_the_repeated_hour() {
        let pattern = Pattern::new(Path::new("%F_%H-%M%z.mp4")).unwrap();
        for text in [
            "2026-10-25T02:30:00+02:00[Europe/Paris]",
            "2026-10-25T02:30:00+01:00[Europe/Paris]",
        ] {
            let time = time(text);
            let name = pattern.name(&time).unwrap();
            assert_eq!(
                pattern.begun(&name, time.time_zone()),
                Some(time.timestamp())
            );
        }
    }

    #[test]
    fn empty_folders_below_the_first_directive_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let pattern = pattern(folder.path(), "front/%Y/%m/%d.ts");
        let (path, _) = pattern
            .create(&time("2026-11-25T12:00:00+00:00[UTC]"), FileAccess::Owner)
            .unwrap();
        pattern.remove_empty_folders(&path);
        assert!(path.exists());
        fs::remove_file(&path).unwrap();
        pattern.remove_empty_folders(&path);
        assert!(!folder.path().join("front/2026").exists() && folder.path().join("front").exists());
    }
}
