//! The package for browsers and Node.js.

use crate::job::Job;
use crate::no_std;
use crate::report::Outcome;

const TARGET: &str = "wasm32-unknown-unknown";
const MODULE: &str = "target/wasm32-unknown-unknown/release/tutk_wasm.wasm";
const PACKAGE: &str = "bindings/wasm/pkg";

/// Writes the package and tests it, if the target is installed (`rustup target add`).
pub(crate) fn test() -> Outcome {
    match no_std::is_installed(TARGET) {
        Ok(true) => build().and_then(|()| node()).into(),
        Ok(false) => Outcome::Limited(format!("not installed: {TARGET}")),
        Err(error) => Outcome::Failed(error),
    }
}

fn build() -> Result<(), String> {
    let args = [
        "--locked",
        "--release",
        "--package",
        "tutk-wasm",
        "--target",
    ];
    Job::cargo(&[&["build"], &args[..], &[TARGET]].concat()).run()?;
    let generate = [
        "run",
        "--locked",
        "--manifest-path",
        "bindings/wasm/generate/Cargo.toml",
    ];
    Job::cargo(&[&generate[..], &["--", MODULE, PACKAGE]].concat()).run()
}

fn node() -> Result<(), String> {
    let tests = ["vectors", "page"].map(|name| format!("bindings/wasm/test/{name}.test.mjs"));
    Job::new("node", &["--test", &tests[0], &tests[1]]).run()
}
