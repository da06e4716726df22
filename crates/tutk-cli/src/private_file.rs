//! Files with secrets: readable only by their owner, and replaced atomically.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

/// Creates or replaces the file, and creates its directories. A symbolic link stays and points to
/// the new file. A replaced file keeps its owner.
pub(crate) fn write(path: &Path, text: &str) -> io::Result<()> {
    let target = match fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => path.to_owned(),
        Err(error) => return Err(error),
    };
    let folder = match target.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    make_folder(folder)?;
    // Mode 0600 on Unix from its creation, and removed if a step fails. On other systems, a user's
    // directories are private.
    let mut file = tempfile::Builder::new()
        .prefix(".tutk-")
        .tempfile_in(folder)?;
    #[cfg(unix)]
    if let Ok(replaced) = fs::metadata(&target) {
        use std::os::unix::fs::{MetadataExt as _, fchown};
        let own = file.as_file().metadata()?;
        if (own.uid(), own.gid()) != (replaced.uid(), replaced.gid()) {
            // The user of a service must still be able to read its file.
            fchown(file.as_file(), Some(replaced.uid()), Some(replaced.gid()))?;
        }
    }
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(&target)?;
    Ok(())
}

/// Creates missing directories.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn creates_and_replaces_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/file");
        for text in ["one", "two"] {
            write(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        // No temporary file is left.
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/file");
        write(&path, "").unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        write(&path, "").unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn keeps_a_symbolic_link() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        write(&link, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn keeps_the_old_file_on_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "old").unwrap();
        // A file is in the place of a directory.
        assert!(write(&path.join("below"), "new").is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    }
}
