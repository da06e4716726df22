//! Checks with old compilers.

use cargo_metadata::TargetKind;

use crate::job::Job;
use crate::workspace;

/// Checks each published library with the compiler that its `rust-version` names.
pub(crate) fn all() -> Result<(), String> {
    for package in workspace::packages()? {
        let is_library = package
            .targets
            .iter()
            .any(|target| target.is_kind(TargetKind::Lib));
        let is_published = package.publish.is_none();
        let Some(version) = package.rust_version.filter(|_| is_library && is_published) else {
            continue;
        };
        let version = version.to_string();
        Job::new(
            "rustup",
            &["toolchain", "install", &version, "--profile", "minimal"],
        )
        .run()?;
        let check = [
            "check",
            "--locked",
            "--all-features",
            "--target-dir",
            "target/msrv",
        ];
        Job::rustup_cargo(
            &version,
            &[&check[..], &["--package", &package.name]].concat(),
        )
        .run()?;
    }
    Ok(())
}
