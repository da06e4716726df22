//! The key log file: what Wireshark needs to read a capture of one's own session.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use crate::failure::Failure;

/// A file in the format of RFC 9850 (SSLKEYLOGFILE), appended to. It holds secrets: on Unix a new one
/// can be read by its owner only.
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
