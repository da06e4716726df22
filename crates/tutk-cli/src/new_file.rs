//! Output files that do not replace existing ones.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use crate::failure::Failure;

/// Creates a file. An existing file is an error unless `overwrite` is set. On Unix, a new file is
/// readable only by its owner, because captures contain secrets.
pub(crate) fn create(path: &Path, overwrite: bool) -> Result<File, Failure> {
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
        io::ErrorKind::AlreadyExists => Failure::usage(
            "output",
            format!("{name} exists"),
            "choose another name, or replace the file with --overwrite",
        ),
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
        let failure = create(&path, false).unwrap_err();
        assert_eq!(failure.status, Status::Usage);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        create(&path, true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }
}
