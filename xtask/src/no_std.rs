//! The crates that work without the standard library.

use std::fs;

use crate::job::Job;

/// The crates to check, and the arguments that select their features. No target without the
/// standard library has to be installed: the check looks at the attribute, and at the features of
/// all dependencies.
const CRATES: [(&str, &[&str]); 7] = [
    ("av-login", &[]),
    ("disco-cipher", &[]),
    (
        "dtls-psk",
        &["--no-default-features", "--features", "rust-crypto"],
    ),
    ("hl-ioctl", &[]),
    ("tutk-frame", &[]),
    ("tutk-time", &[]),
    ("video-reassembly", &[]),
];

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
