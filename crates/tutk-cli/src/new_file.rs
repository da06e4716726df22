//! Output files. They replace existing ones only with `--overwrite`.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;

use crate::failure::Failure;

/// Creates a file. An existing file is an error unless `overwrite` is set. Devices and pipes are
/// opened in any case.
///
/// On Unix, a new file is readable only by its owner, because captures contain secrets.
pub(crate) fn create(path: &Path, overwrite: bool) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    match overwrite || is_device(path) {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let name = path.display().to_string();
    options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::exists(&name),
        _ => Failure::write("output", &name, &error),
    })
}

/// Returns an error if the file exists and `overwrite` is not set, for files that are created
/// later. Devices and pipes are no error.
pub(crate) fn check(path: &Path, overwrite: bool) -> Result<(), Failure> {
    match !overwrite && path.is_file() {
        true => Err(Failure::exists(path.display())),
        false => Ok(()),
    }
}

/// Returns an error if an output of a command is also its input or another output.
pub(crate) fn check_distinct(path: &Path, others: &[Option<&Path>]) -> Result<(), Failure> {
    let is_same = |other: &&Path| {
        let paths = [path, other].map(fs::canonicalize);
        path == *other || matches!(paths, [Ok(own), Ok(other)] if own == other)
    };
    if is_device(path) || !others.iter().flatten().any(is_same) {
        return Ok(());
    }
    let what = format!("{} has two uses in one command", path.display());
    Err(Failure::usage("output", what, "choose another name"))
}

/// Removes a file that is of no use, but no device or pipe.
pub(crate) fn remove(path: &Path) {
    if !is_device(path) {
        // A useless file is no reason to fail.
        let _ = fs::remove_file(path);
    }
}

/// Returns `true` for a device or pipe. Nothing can be replaced there.
fn is_device(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Status;

    #[test]
    fn existing_file_is_replaced_only_on_request() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        create(&path, false).unwrap();
        std::fs::write(&path, "old").unwrap();
        for failure in [create(&path, false).map(drop), check(&path, false)] {
            assert_eq!(failure.unwrap_err().status, Status::Usage);
        }
        check(&path, true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        create(&path, true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_opened() {
        let null = Path::new("/dev/null");
        create(null, false).unwrap();
        check(null, false).unwrap();
        check_distinct(null, &[Some(null)]).unwrap();
    }

    #[test]
    fn one_file_has_one_use() {
        let folder = tempfile::tempdir().unwrap();
        let [path, other] = ["a", "b"].map(|name| folder.path().join(name));
        check_distinct(&path, &[None, Some(&other)]).unwrap();
        assert!(check_distinct(&path, &[None, Some(&path)]).is_err());
        std::fs::write(&path, "").unwrap();
        let again = folder.path().join(".").join("a");
        assert!(check_distinct(&path, &[Some(&again)]).is_err());
    }
}
