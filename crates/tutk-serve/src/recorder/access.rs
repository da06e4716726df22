//! The permissions of recordings.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::Path;

/// Who may read the files and directories that a recording creates. Only Unix distinguishes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FileAccess {
    /// The user of the process: modes 0600 and 0700.
    #[default]
    Owner,
    /// Also its group: modes 0640 and 0750.
    Group,
    /// All users of the system: modes 0644 and 0755.
    Everyone,
}

impl FileAccess {
    /// Returns the options that create a new file.
    pub(super) fn new_file(self) -> OpenOptions {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, self.modes().0);
        options
    }

    /// Creates missing directories.
    pub(super) fn create_folders(self, path: &Path) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, self.modes().1);
        builder.create(path)
    }

    /// Returns the modes of files and of directories.
    #[cfg(unix)]
    fn modes(self) -> (u32, u32) {
        match self {
            Self::Owner => (0o600, 0o700),
            Self::Group => (0o640, 0o750),
            Self::Everyone => (0o644, 0o755),
        }
    }
}
