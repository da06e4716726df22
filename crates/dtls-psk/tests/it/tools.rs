//! Programs that some tests need.

use std::io::Write as _;
use std::process::Command;

/// Runs a program and returns its standard output. If the program is missing or fails, the test
/// fails in CI, and prints that it is skipped otherwise.
pub(crate) fn output_or_skip(test: &str, program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output();
    if let Ok(output) = output
        && output.status.success()
    {
        return Some(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let ci = std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false");
    assert!(!ci, "no usable {program}, and CI is set");
    print_line(&format!(
        "SKIPPED {test}: `{program} {}` fails",
        args.join(" ")
    ));
    None
}

/// Returns `true` if there is an `openssl` with the default suite.
pub(crate) fn openssl_or_skip(test: &str) -> bool {
    output_or_skip(test, "openssl", &["ciphers", "ECDHE-PSK-CHACHA20-POLY1305"]).is_some()
}

/// Prints a line. Not with `eprintln!`, which the test harness captures when a test passes.
pub(crate) fn print_line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
