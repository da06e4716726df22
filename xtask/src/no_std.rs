//! The crates that work without the standard library.

use std::fs;
use std::path::Path;

use crate::job::Job;
use crate::report::Outcome;

/// The crates to check, and the arguments that select their features.
const CRATES: [(&str, &[&str]); 8] = [
    ("av-login", &[]),
    ("disco-cipher", &[]),
    (
        "dtls-psk",
        &["--no-default-features", "--features", "rust-crypto"],
    ),
    ("hl-ioctl", &[]),
    ("tutk-frame", &[]),
    (
        "tutk-session",
        &["--no-default-features", "--features", "rust-crypto"],
    ),
    ("tutk-time", &[]),
    ("video-reassembly", &[]),
];

/// The crypto provider without `std`, if all crates are compiled together.
const PROVIDER: [&str; 3] = [
    "--no-default-features",
    "--features",
    "dtls-psk/rust-crypto,tutk-session/rust-crypto",
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
        let mut args = vec!["check", "--target", target];
        args.extend(CRATES.iter().flat_map(|(name, _)| ["--package", *name]));
        args.extend(PROVIDER);
        if let Err(error) = Job::cargo(&args).run() {
            return Outcome::Failed(format!("{target}: {error}"));
        }
    }
    match missing[..] {
        [] => Outcome::Passed,
        _ => Outcome::Limited(format!("not installed: {}", missing.join(", "))),
    }
}

fn is_installed(target: &str) -> Result<bool, String> {
    let sysroot = Job::new("rustc", &["--print", "sysroot"]).output()?;
    let libraries = Path::new(sysroot.trim()).join("lib/rustlib").join(target);
    Ok(libraries.is_dir())
}

/// Checks the attribute, and that no dependency enables `std`. This needs no other target.
pub(crate) fn check() -> Result<(), String> {
    let mut errors = Vec::new();
    for (name, features) in CRATES {
        let source = fs::read_to_string(format!("crates/{name}/src/lib.rs")).unwrap_or_default();
        if !source.lines().any(|line| line.trim() == "#![no_std]") {
            errors.push(format!("{name}: src/lib.rs has no #![no_std]"));
        }
        let edges = "normal,features,no-proc-macro";
        let args = [
            "tree",
            "--package",
            name,
            "--edges",
            edges,
            "--prefix",
            "none",
        ];
        let tree = Job::cargo(&[&args[..], features].concat()).output()?;
        let std = tree.lines().filter(|line| line.contains("feature \"std\""));
        errors.extend(std.map(|line| format!("{name}: depends on {line}")));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors.join("\n"))
    }
}
