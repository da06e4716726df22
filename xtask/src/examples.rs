//! The examples as packages of other projects: each with only the crates that it names.

use std::fs;
use std::path::{Path, PathBuf};

use crate::job::Job;
use crate::{report, workspace};

const FOLDER: &str = "target/outside";
/// The line of a program that names its dependencies, with features as in `mio[net,os-poll]`, and
/// with backticks where rustdoc would read a link.
const DEPENDENCIES: &str = "//! Dependencies: ";

/// A program that names its dependencies.
struct Example {
    name: String,
    source: PathBuf,
    dependencies: Vec<String>,
    /// Lines that are neither blank nor comments, attributes of lints not counted.
    lines: usize,
}

/// Compiles each example in a package of its own and prints its lines of code.
pub(crate) fn check() -> Result<(), String> {
    let mut errors = Vec::new();
    let mut rows = Vec::new();
    let crates = workspace::packages()?;
    for example in examples()? {
        if let Err(error) = compile(&example, &crates) {
            errors.push(format!("{}: {error}", example.name));
        }
        rows.push(format!(
            "{:<16} {:>3}   {}",
            example.name,
            example.lines,
            example.dependencies.join(", ")
        ));
    }
    println!("\nexample          lines dependencies\n{}", rows.join("\n"));
    report::all_passed(&errors)
}

fn examples() -> Result<Vec<Example>, String> {
    let mut examples = Vec::new();
    for source in workspace::rust_files()? {
        if !source.iter().any(|folder| folder == "examples") {
            continue;
        }
        let text = fs::read_to_string(&source)
            .map_err(|error| format!("cannot read {}: {error}", source.display()))?;
        let Some(names) = text
            .lines()
            .find_map(|line| line.strip_prefix(DEPENDENCIES))
        else {
            continue;
        };
        examples.push(Example {
            name: source
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into(),
            dependencies: names
                .replace('`', "")
                .split(", ")
                .map(str::to_owned)
                .collect(),
            lines: lines_of_code(&text),
            source,
        });
    }
    Ok(examples)
}

fn lines_of_code(text: &str) -> usize {
    let mut in_attribute = false;
    text.lines()
        .map(str::trim)
        .filter(|line| {
            let is_attribute = in_attribute || line.starts_with("#![");
            in_attribute = is_attribute && !line.ends_with(']');
            !is_attribute && !line.is_empty() && !line.starts_with("//")
        })
        .count()
}

/// Compiles an example with the versions of the workspace's lock file, and with default features.
fn compile(example: &Example, crates: &[cargo_metadata::Package]) -> Result<(), String> {
    let package = Path::new(FOLDER).join(&example.name);
    let error = |error| format!("cannot write {}: {error}", package.display());
    fs::create_dir_all(package.join("src")).map_err(error)?;
    fs::copy(&example.source, package.join("src/main.rs")).map_err(error)?;
    fs::copy("Cargo.lock", package.join("Cargo.lock")).map_err(error)?;
    let mut manifest = format!(
        "[workspace]\n\n[package]\nname = \"{}\"\nedition = \"2024\"\n\n[dependencies]\n",
        example.name
    );
    for dependency in &example.dependencies {
        let (name, features) = dependency.split_once('[').unwrap_or((dependency, ""));
        let features: Vec<&str> = features
            .trim_end_matches(']')
            .split_terminator(',')
            .collect();
        let own = crates.iter().find(|package| *package.name == *name);
        let requirement = crates.iter().flat_map(|package| &package.dependencies);
        let requirement = requirement.into_iter().find(|known| known.name == name);
        let place = match (own.and_then(|own| own.manifest_path.parent()), requirement) {
            (Some(folder), _) => format!("path = {:?}", folder.as_str()),
            (None, Some(known)) => format!("version = \"{}\"", known.req),
            (None, None) => return Err(format!("no crate of the workspace depends on {name}")),
        };
        manifest += &format!("{name} = {{ {place}, features = {features:?} }}\n");
    }
    fs::write(package.join("Cargo.toml"), manifest).map_err(error)?;
    let manifest = package.join("Cargo.toml");
    Job::cargo(&[
        "check",
        "--quiet",
        "--manifest-path",
        &manifest.to_string_lossy(),
    ])
    .env("CARGO_TARGET_DIR", "target")
    .run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_blank_lines_and_lint_attributes_do_not_count() {
        let text = "//! Text\n\n#![allow(\n    a,\n    reason = \"b\"\n)]\n\nfn main() {\n    // why\n    f();\n}\n";
        assert_eq!(lines_of_code(text), 3);
    }
}
