//! Puts the package together from the module that cargo has built, and uses it with the Python of
//! this machine. `cargo xtask test` runs the other tests with this package.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use testkit::tools::output_or_skip;

/// Reads a frame from a simulated camera, and compares it with the camera's video.
const PROGRAM: &str = "
import sys, tutk
video = open(sys.argv[1], 'rb').read()
with tutk.SimulatedCamera(video) as camera, tutk.Camera(camera.url) as client:
    frame = client.next_frame(timeout=60)
assert frame.is_key and video.startswith(frame.data), frame
print(tutk.__version__)
";

/// Makes the package in the folder `target/python/package`, and returns the folder.
fn package() -> PathBuf {
    let built = env::current_exe().unwrap();
    let built = built.parent().unwrap();
    let target = built.parent().and_then(Path::parent).unwrap();
    let folder = target.join("python/package");
    let package = folder.join("tutk");
    fs::create_dir_all(&package).unwrap();
    for file in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("python/tutk")).unwrap() {
        let file = file.unwrap();
        if file.file_type().unwrap().is_file() {
            fs::copy(file.path(), package.join(file.file_name())).unwrap();
        }
    }
    // A process may have the module mapped, so it is replaced and not overwritten.
    let new = package.join("new");
    fs::copy(built.join("lib_tutk.so"), &new).unwrap();
    fs::rename(new, package.join("_tutk.abi3.so")).unwrap();
    folder
}

#[test]
fn package_reads_a_frame() {
    let supported = "import sys; sys.exit(sys.version_info < (3, 11))";
    let python = || Command::new("python3");
    if output_or_skip(python().args(["-c", supported]), "python3, 3.11 or later").is_none() {
        return;
    }
    let clip = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/tutk-cli/assets/clip.h264");
    let output = python()
        .env("PYTHONPATH", package())
        .args(["-c", PROGRAM])
        .arg(clip)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    let version = String::from_utf8_lossy(&output.stdout);
    assert_eq!(version.trim(), env!("CARGO_PKG_VERSION"));
}
