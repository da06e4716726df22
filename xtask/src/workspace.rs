//! Facts about this workspace.

use std::path::{Path, PathBuf};

use cargo_metadata::{MetadataCommand, Package};

use crate::job::Job;

pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).into()
}

/// Returns the packages of this workspace by name.
pub(crate) fn packages() -> Result<Vec<Package>, String> {
    let metadata = MetadataCommand::new().no_deps().exec();
    let mut packages = metadata.map_err(|error| error.to_string())?.packages;
    packages.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(packages)
}

/// Returns the Rust files under version control.
pub(crate) fn rust_files() -> Result<Vec<PathBuf>, String> {
    let list = Job::new("git", &["ls-files", "*.rs"]).output()?;
    Ok(list
        .lines()
        .map(PathBuf::from)
        .filter(|file| file.exists())
        .collect())
}

pub(crate) fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true")
}
