//! The permissions of recordings.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::path::Path;

#[cfg(unix)]
use crate::log_limit::log_limited;

/// The users that may read the files and directories that a recording creates, whatever the umask
/// of the process. Only Unix distinguishes them.
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
    /// Creates a new file.
    pub(super) fn create_file(self, path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, self.modes().0);
        let file = options.open(path)?;
        #[cfg(unix)]
        allow(&file, path, self.modes().0);
        Ok(file)
    }

    /// Creates missing directories.
    pub(super) fn create_folders(self, path: &Path) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, self.modes().1);
        #[cfg(unix)]
        let missing: Vec<_> = path.ancestors().take_while(|path| !path.exists()).collect();
        builder.create(path)?;
        #[cfg(unix)]
        for folder in missing {
            // A relative path ends with an empty one.
            if let Ok(open) = File::open(folder) {
                allow(&open, folder, self.modes().1);
            }
        }
        Ok(())
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

/// Adds the permissions that the umask has removed.
#[cfg(unix)]
fn allow(file: &File, path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    let allowed = file.metadata().and_then(|metadata| {
        let mut permissions = metadata.permissions();
        let current = permissions.mode();
        if current & mode == mode {
            return Ok(());
        }
        permissions.set_mode(current | mode);
        file.set_permissions(permissions)
    });
    // Not every file system has permissions.
    if let Err(error) = allowed {
        log_limited!(warn, path = %path.display(), %error, "cannot set the permissions of `access`");
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use nix::sys::stat::{Mode, umask};

    use super::*;

    #[test]
    fn modes_do_not_depend_on_the_umask() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let created = |access: FileAccess, name: &str| {
            let inner = folder.path().join(name).join("inner");
            access.create_folders(&inner).unwrap();
            access.create_file(&inner.join("file")).unwrap();
            [inner.parent().unwrap(), &inner, &inner.join("file")].map(mode)
        };
        let before = umask(Mode::from_bits_truncate(0o077));
        let modes = [
            created(FileAccess::Owner, "owner"),
            created(FileAccess::Group, "group"),
            created(FileAccess::Everyone, "everyone"),
        ];
        umask(before);
        let [owner, group, everyone] = modes;
        assert_eq!(owner, [0o700, 0o700, 0o600]);
        assert_eq!(group, [0o750, 0o750, 0o640]);
        assert_eq!(everyone, [0o755, 0o755, 0o644]);
        // Directories that exist keep their modes.
        let inner = folder.path().join("owner/inner");
        FileAccess::Everyone.create_folders(&inner).unwrap();
        assert_eq!(mode(&inner), 0o700);
    }
}
