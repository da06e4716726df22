//! Programs of other projects that tests run.

use std::io::Write as _;
use std::process::Command;

/// Returns the standard output of a command that succeeds if a program is usable. If it fails,
/// panics with CI=true, and otherwise prints that the test is skipped. `package` is the package of
/// Debian to install.
#[track_caller]
pub fn output_or_skip(command: &mut Command, package: &str) -> Option<String> {
    let output = command.output();
    if let Ok(output) = output
        && output.status.success()
    {
        return Some(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let failed = format!("{command:?} fails: install the package {package}");
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!ci, "{failed}");
    print_line(&format!("SKIPPED: {failed}"));
    None
}

/// Returns `true` if the programs of a package are installed, as [`output_or_skip`]. `argument`
/// prints the version.
#[track_caller]
pub fn are_installed(programs: &[&str], argument: &str, package: &str) -> bool {
    let is_installed =
        |program: &&str| output_or_skip(Command::new(program).arg(argument), package).is_some();
    programs.iter().all(is_installed)
}

#[track_caller]
pub fn has_ffmpeg() -> bool {
    are_installed(&["ffmpeg", "ffprobe", "ffplay"], "-version", "ffmpeg")
}

#[track_caller]
pub fn has_gstreamer() -> bool {
    let packages = "gstreamer1.0-tools, and gstreamer1.0-plugins-base, -good and -bad";
    are_installed(&["gst-launch-1.0"], "--version", packages)
}

/// Prints a line. Not with `eprintln!`, which the test harness captures when a test passes.
pub fn print_line(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
