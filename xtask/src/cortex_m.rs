//! A session on a simulated microcontroller.

use crate::job::Job;
use crate::no_std;
use crate::report::Outcome;

const TARGET: &str = "thumbv7em-none-eabihf";

/// Runs the programs of `bindings/cortex-m`, if their target is installed (`rustup target add`).
pub(crate) fn run() -> Outcome {
    match no_std::is_installed(TARGET) {
        Ok(true) => {}
        Ok(false) => return Outcome::Limited(format!("not installed: {TARGET}")),
        Err(error) => return Outcome::Failed(error),
    }
    cargo("clippy", &["--release", "--", "-D", "warnings"])
        .and_then(|()| cargo("run", &["--release", "--bin", "session"]))
        .and_then(|()| cargo("run", &["--release", "--bin", "client"]))
        .into()
}

/// Runs cargo on the package. Its configuration has the target and QEMU.
fn cargo(command: &str, args: &[&str]) -> Result<(), String> {
    let package = [
        command,
        "--locked",
        "--config",
        "bindings/cortex-m/.cargo/config.toml",
        "--manifest-path",
        "bindings/cortex-m/Cargo.toml",
    ];
    Job::cargo(&[&package[..], args].concat()).run()
}
