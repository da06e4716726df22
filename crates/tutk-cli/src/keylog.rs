//! The key log file, with which Wireshark decrypts a capture of your own session.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use crate::failure::Failure;

/// A file in SSLKEYLOGFILE format (RFC 9850), opened for appending. It contains secrets. On Unix, a
/// new file is readable only by its owner.
#[derive(Debug)]
pub(crate) struct KeyLog {
    file: File,
    name: String,
}

impl KeyLog {
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        match options.open(path) {
            Ok(file) => Ok(Self { file, name }),
            Err(error) => Err(Failure::write("output", &name, &error)),
        }
    }

    pub(crate) fn line(&mut self, line: &str) -> Result<(), Failure> {
        writeln!(self.file, "{line}").map_err(|error| Failure::write("dtls", &self.name, &error))
    }
}
