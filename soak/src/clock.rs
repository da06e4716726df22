//! The wall clock of `tutk serve`, which libfaketime steps. The monotonic clock is the system's.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folders that contain the library in Fedora and Arch Linux.
const FOLDERS: [&str; 2] = ["/usr/lib64/faketime", "/usr/lib/faketime"];
const LIBRARY: &str = "libfaketimeMT.so.1";

/// A clock that can be stepped while a process runs.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
    /// Seconds ahead of the system's clock.
    offset: i64,
}

impl Clock {
    /// Returns `None` if libfaketime is not installed. Keeps the time in a file in `folder`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn open(folder: &Path) -> io::Result<Option<Self>> {
        let Some(library) = library() else {
            return Ok(None);
        };
        let mut clock = Self {
            library,
            file: folder.join("clock"),
            offset: 0,
        };
        clock.step(0)?;
        Ok(Some(clock))
    }

    /// Makes a process use this clock.
    pub fn apply(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("FAKETIME_TIMESTAMP_FILE", &self.file)
            // Seconds until the file is read again.
            .env("FAKETIME_CACHE_DURATION", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1")
            .env("DONT_FAKE_MONOTONIC", "1")
            .env("NO_FAKE_STAT", "1");
    }

    /// Steps the clock.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn step(&mut self, seconds: i64) -> io::Result<()> {
        self.offset += seconds;
        // A process must not read an incomplete file.
        let new = self.file.with_extension("new");
        std::fs::write(&new, format!("{:+}\n", self.offset))?;
        std::fs::rename(&new, &self.file)
    }

    /// Returns the seconds that the clock is ahead of the system's.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.offset
    }
}

fn library() -> Option<PathBuf> {
    // Debian has a folder for each platform, for example /usr/lib/x86_64-linux-gnu/faketime.
    let platforms = std::fs::read_dir("/usr/lib").into_iter().flatten();
    let platforms = platforms
        .flatten()
        .map(|entry| entry.path().join("faketime"));
    let folders = FOLDERS.iter().map(PathBuf::from).chain(platforms);
    folders
        .map(|folder| folder.join(LIBRARY))
        .find(|library| library.exists())
}
