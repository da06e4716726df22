//! The packages that are published.

use cargo_metadata::Package;

use crate::job::Job;
use crate::{report, workspace};

/// What a package can contain beside its sources.
const ALLOWED: [&str; 12] = [
    ".cargo_vcs_info.json",
    "Cargo.lock",
    "Cargo.toml",
    "Cargo.toml.orig",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "assets",
    "benches",
    "examples",
    "src",
    "tests",
];

const REQUIRED: [&str; 3] = ["LICENSE-APACHE", "LICENSE-MIT", "README.md"];

/// Checks the metadata and the list of files of each package. Builds nothing.
pub(crate) fn check() -> Result<(), String> {
    let mut errors = Vec::new();
    for package in published()? {
        let name = &package.name;
        let missing = missing_metadata(&package);
        errors.extend(missing.map(|field| format!("{name}: Cargo.toml has no {field}")));
        errors.extend(
            wrong_files(&files(&package)?)
                .into_iter()
                .map(|error| format!("{name}: {error}")),
        );
    }
    report::all_passed(&errors)
}

fn published() -> Result<Vec<Package>, String> {
    let mut packages = workspace::packages()?;
    packages.retain(|package| package.publish.is_none());
    Ok(packages)
}

fn missing_metadata(package: &Package) -> impl Iterator<Item = &'static str> {
    let is_library = package.targets.iter().any(cargo_metadata::Target::is_lib);
    let docs_rs = |field| package.metadata.pointer(&format!("/docs/rs/{field}"));
    let has_features = docs_rs("all-features").is_some() || docs_rs("features").is_some();
    [
        (package.description.is_none(), "description"),
        (package.license.is_none(), "license"),
        (package.readme.is_none(), "readme"),
        (package.keywords.is_empty(), "keywords"),
        (package.categories.is_empty(), "categories"),
        (package.rust_version.is_none(), "rust-version"),
        (
            is_library && package.documentation.is_none(),
            "documentation",
        ),
        (is_library && !has_features, "package.metadata.docs.rs"),
    ]
    .into_iter()
    .filter_map(|(is_missing, field)| is_missing.then_some(field))
}

fn files(package: &Package) -> Result<Vec<String>, String> {
    let args = ["package", "--list", "--allow-dirty", "--package"];
    let list = Job::cargo(&[&args[..], &[&*package.name]].concat()).output()?;
    // Windows separates with backslashes.
    Ok(list.lines().map(|file| file.replace('\\', "/")).collect())
}

fn wrong_files(files: &[String]) -> Vec<String> {
    let mut errors: Vec<String> = files
        .iter()
        .filter(|file| !ALLOWED.contains(&file.split('/').next().unwrap_or(file)))
        .map(|file| format!("the package contains {file}"))
        .collect();
    let missing = REQUIRED
        .into_iter()
        .filter(|name| !files.iter().any(|file| file == name));
    errors.extend(missing.map(|name| format!("the package does not contain {name}")));
    if !files.iter().any(|file| file.starts_with("src/")) {
        errors.push("the package does not contain its sources".into());
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_files_that_do_not_belong_into_a_package() {
        let files = [
            "README.md",
            "LICENSE-MIT",
            "src/lib.rs",
            "captures/a.pcapng",
        ];
        assert_eq!(
            wrong_files(&files.map(String::from)),
            [
                "the package contains captures/a.pcapng",
                "the package does not contain LICENSE-APACHE"
            ]
        );
    }

    #[test]
    fn names_missing_sources() {
        let files = REQUIRED.map(String::from);
        assert_eq!(
            wrong_files(&files),
            ["the package does not contain its sources"]
        );
    }
}
