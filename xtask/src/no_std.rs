//! The crates that work without the standard library.

use std::fs;
use std::path::Path;

use crate::job::Job;
use crate::report::{self, Outcome};

/// The crates to check, and the feature that selects a crypto provider without `std`.
const CRATES: [(&str, Option<&str>); 9] = [
    ("av-login", None),
    ("disco-cipher", None),
    ("dtls-psk", Some("dtls-psk/rust-crypto")),
    ("hl-ioctl", None),
    ("tutk-frame", None),
    ("tutk-session", Some("tutk-session/rust-crypto")),
    ("tutk-simulator", Some("tutk-simulator/rust-crypto")),
    ("tutk-time", None),
    ("video-reassembly", None),
];

/// Targets without the standard library, and without an operating system.
const TARGETS: [&str; 2] = ["thumbv7em-none-eabihf", "wasm32-unknown-unknown"];

/// Compiles the crates for each of [`TARGETS`] that is installed (`rustup target add`).
pub(crate) fn build() -> Outcome {
    let mut missing = Vec::new();
    for target in TARGETS {
        match is_installed(target) {
            Ok(true) => {}
            Ok(false) => {
                missing.push(target);
                continue;
            }
            Err(error) => return Outcome::Failed(error),
        }
        let mut args = vec!["check", "--no-default-features", "--target", target];
        for (name, feature) in CRATES {
            args.extend(["--package", name]);
            args.extend(feature.iter().flat_map(|feature| ["--features", *feature]));
        }
        if let Err(error) = Job::cargo(&args).run() {
            return Outcome::Failed(format!("{target}: {error}"));
        }
    }
    match missing[..] {
        [] => Outcome::Passed,
        _ => Outcome::Limited(format!("not installed: {}", missing.join(", "))),
    }
}

pub(crate) fn is_installed(target: &str) -> Result<bool, String> {
    let sysroot = Job::new("rustc", &["--print", "sysroot"]).output()?;
    let libraries = Path::new(sysroot.trim()).join("lib/rustlib").join(target);
    Ok(libraries.is_dir())
}

/// Checks the attribute, and that no dependency enables `std`. This needs no other target.
pub(crate) fn check() -> Result<(), String> {
    let mut errors = Vec::new();
    for (name, feature) in CRATES {
        let source = fs::read_to_string(format!("crates/{name}/src/lib.rs")).unwrap_or_default();
        if !source.lines().any(|line| line.trim() == "#![no_std]") {
            errors.push(format!("{name}: src/lib.rs has no #![no_std]"));
        }
        let edges = "normal,features,no-proc-macro";
        let mut args = vec!["tree", "--no-default-features", "--package", name];
        args.extend(["--edges", edges, "--prefix", "none"]);
        args.extend(feature.iter().flat_map(|feature| ["--features", *feature]));
        let tree = Job::cargo(&args).output()?;
        let std = tree.lines().filter(|line| line.contains("feature \"std\""));
        errors.extend(std.map(|line| format!("{name}: depends on {line}")));
    }
    report::all_passed(&errors)
}
