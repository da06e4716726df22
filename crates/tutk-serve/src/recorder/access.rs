//! Who may read recordings, and directories on the disk.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Who may read the files and directories that a recording creates. Only Unix distinguishes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileAccess {
    /// The user of the process: modes 0600 and 0700.
    #[default]
    Owner,
    /// Also its group: modes 0640 and 0750.
    Group,
    /// Everyone: modes 0644 and 0755.
    Everyone,
}

impl FileAccess {
    /// Returns the options that create a new file.
    pub(super) fn new_file(self) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(
            &mut options,
            match self {
                Self::Owner => 0o600,
                Self::Group => 0o640,
                Self::Everyone => 0o644,
            },
        );
        options
    }

    /// Creates missing directories.
    pub(super) fn create_folders(self, path: &Path) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(
            &mut builder,
            match self {
                Self::Owner => 0o700,
                Self::Group => 0o750,
                Self::Everyone => 0o755,
            },
        );
        builder.create(path)
    }
}

/// The number of directories above a new file that may be new as well.
const NEW_FOLDERS: usize = 4;

/// Flushes the directories above a new file to the disk, so that the file has its name after a
/// power failure.
pub(super) fn sync_folders(file: &Path) {
    for folder in file.ancestors().skip(1).take(NEW_FOLDERS) {
        let folder = match folder.as_os_str().is_empty() {
            true => PathBuf::from("."),
            false => folder.to_owned(),
        };
        // Not every system can open or flush a directory.
        if let Err(error) = File::open(&folder).and_then(|open| open.sync_all()) {
            tracing::debug!(folder = %folder.display(), %error, "directory not flushed");
            return;
        }
    }
}
