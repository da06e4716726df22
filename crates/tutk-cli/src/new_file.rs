//! Output files that do not replace existing ones.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use crate::failure::Failure;

/// Creates a file. An existing file is an error.
pub(crate) fn create_new(path: &Path) -> Result<File, Failure> {
    open(path, false, "choose another name, or remove the file")
}

/// Creates a file for a command with the option `--overwrite`. An existing file is an error unless
/// it is set.
pub(crate) fn create(path: &Path, overwrite: bool) -> Result<File, Failure> {
    let advice = "choose another name, or replace the file with --overwrite";
    open(path, overwrite, advice)
}

/// On Unix, a new file is readable only by its owner, because captures contain secrets.
fn open(path: &Path, overwrite: bool, advice: &'static str) -> Result<File, Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    match overwrite {
        true => options.create(true).truncate(true),
        false => options.create_new(true),
    };
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let name = path.display().to_string();
    options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => Failure::usage("output", format!("{name} exists"), advice),
        _ => Failure::write("output", &name, &error),
    })
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
        for failure in [create(&path, false), create_new(&path)].map(Result::unwrap_err) {
            assert_eq!(failure.status, Status::Usage);
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        create(&path, true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }
}
