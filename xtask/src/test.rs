//! `cargo xtask test`: everything that must hold.

use std::fs;
use std::path::{Path, PathBuf};

use crate::report::{Outcome, Report};
use crate::run::Job;
use crate::{fuzz, interop, suites, tools};

/// Crates that must do without the standard library. No target without it need be installed: the
/// attribute and the features of what they stand on are looked at instead.
const NO_STD: [&str; 5] = [
    "av-login",
    "disco-cipher",
    "hl-ioctl",
    "tutk-frame",
    "video-reassembly",
];

/// Feature names that bring in the standard library.
const STD_FEATURE: &str = "feature \"std\"";

/// The second crypto backend. Crates that know it are those whose manifest has the feature.
const RUST_CRYPTO: [&str; 3] = ["--no-default-features", "--features", "rust-crypto"];

/// The crates whose tests are run again with it: the others only pass it on.
const RUST_CRYPTO_TESTS: [&str; 4] = ["-p", "dtls-psk", "-p", "tutk-session"];

pub(crate) fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|ci| ci == "true")
}

/// Runs every step, whatever the others say, and prints the table. In CI (`strict`) a missing
/// tool is a failure.
pub(crate) fn all(strict: bool, fast: bool) -> bool {
    let mut report = Report::default();
    let tools = tools::look(&mut report);

    report.step("format", |_| {
        let fuzz = ["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"];
        Job::cargo(&["fmt", "--all", "--check"]).succeeds() & Job::cargo(&fuzz).succeeds()
    });
    report.step("clippy", |_| {
        Job::cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ])
        .succeeds()
    });
    if !fast {
        report.step("clippy, rust-crypto", |_| clippy_rust_crypto());
    }
    report.step("no_std", |_| no_std());
    report.step("licences, bans, sources", |_| {
        if !tools.deny {
            return Outcome::CouldNot("cargo-deny is missing".into());
        }
        // Not `advisories`: that list comes over the network and changes under the tests' feet.
        Job::cargo(&["deny", "check", "bans", "licenses", "sources"])
            .succeeds()
            .into()
    });
    report.step("tests", |counts| {
        suites::test(&["--workspace"], strict, counts)
    });
    if !fast {
        report.step("tests, rust-crypto", |counts| {
            suites::test(
                &[&RUST_CRYPTO_TESTS[..], &RUST_CRYPTO].concat(),
                strict,
                counts,
            )
        });
    }
    report.step("interop, short", |_| interop::short(strict));
    report.step("docs", |_| {
        Job::cargo(&["doc", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings")
            .succeeds()
    });
    report.step("benches compile", |_| {
        // As tests are built, whose dependencies are there: `cargo xtask bench` builds them to be measured.
        let build = ["bench", "--workspace", "--bench", "*", "--no-run"];
        Job::cargo(&[&build[..], &["--profile", "dev"]].concat()).succeeds()
    });
    if !fast {
        fuzz::short(&mut report, tools.fuzz);
    }
    report.finish(strict)
}

fn clippy_rust_crypto() -> bool {
    let crates = crates_with_rust_crypto();
    let mut args = vec!["clippy", "--all-targets"];
    for name in &crates {
        args.extend(["-p", name]);
    }
    args.extend(RUST_CRYPTO);
    args.extend(["--", "-D", "warnings"]);
    !crates.is_empty() && Job::cargo(&args).succeeds()
}

/// Crates whose manifest has a feature `rust-crypto`.
fn crates_with_rust_crypto() -> Vec<String> {
    let has_feature = |folder: &PathBuf| {
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
        manifest
            .lines()
            .any(|line| line.starts_with("rust-crypto ="))
    };
    crates()
        .iter()
        .filter(|folder| has_feature(folder))
        .filter_map(|folder| Some(folder.file_name()?.to_str()?.to_owned()))
        .collect()
}

/// The folders of the crates, by name.
pub(crate) fn crates() -> Vec<PathBuf> {
    let entries = fs::read_dir("crates").into_iter().flatten();
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    folders.sort();
    folders
}

fn no_std() -> bool {
    let mut well = true;
    for name in NO_STD {
        let library = Path::new("crates").join(name).join("src/lib.rs");
        let source = fs::read_to_string(library).unwrap_or_default();
        if !source.lines().any(|line| line.trim() == "#![no_std]") {
            eprintln!("{name}: src/lib.rs has no #![no_std]");
            well = false;
        }
        let args = [
            "tree",
            "--package",
            name,
            "--edges",
            "normal,features,no-proc-macro",
        ];
        let tree = Job::cargo(&[&args[..], &["--prefix", "none"]].concat()).output();
        // The crate itself is the tree's first line: an empty tree would prove nothing.
        let Some(tree) = tree.filter(|tree| tree.starts_with(name)) else {
            eprintln!("{name}: cargo {} gave no tree", args.join(" "));
            well = false;
            continue;
        };
        for line in tree.lines().filter(|line| line.contains(STD_FEATURE)) {
            eprintln!("{name}: stands on {line}");
            well = false;
        }
    }
    well
}
