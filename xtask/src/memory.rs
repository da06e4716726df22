//! Tests under tools that find undefined behaviour and memory errors: `cargo xtask miri` and
//! `cargo xtask sanitize`.

use std::thread::available_parallelism;

use crate::job::Job;
use crate::report;

/// The tests of the codecs, and the unit tests of dtls-psk with the provider that Miri can run. Its
/// other tests take hours.
const MIRI: [&[&str]; 2] = [
    &[
        "--package",
        "av-login",
        "--package",
        "disco-cipher",
        "--package",
        "hl-ioctl",
        "--package",
        "tutk-frame",
        "--package",
        "video-reassembly",
        "--test",
        "*",
    ],
    &[
        "--package",
        "dtls-psk",
        "--no-default-features",
        "--features",
        "rust-crypto,std",
    ],
];

/// The target whose libraries have the sanitizer's runtime.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Runs the tests of the protocol crates in Miri.
pub(crate) fn miri() -> Result<(), String> {
    Job::new(
        "rustup",
        &[
            "component",
            "add",
            "miri",
            "rust-src",
            "--toolchain",
            "nightly",
        ],
    )
    .run()?;
    let results = MIRI.map(|selected| {
        let threads = available_parallelism().map_or(1, usize::from).to_string();
        // With the profile default-miri.
        let args = [
            "miri",
            "nextest",
            "run",
            "--lib",
            "--test-threads",
            &threads,
        ];
        Job::nightly_cargo(&[&args[..], selected].concat())
            // Tests read files of vectors, and seeds of the system.
            .env("MIRIFLAGS", "-Zmiri-disable-isolation")
            .env("PROPTEST_CASES", "2")
            .minutes(180)
            .run()
    });
    report::all_passed(
        &results
            .into_iter()
            .filter_map(Result::err)
            .collect::<Vec<_>>(),
    )
}

/// Runs the tests that call the C library aws-lc with AddressSanitizer, in C and in Rust.
pub(crate) fn sanitize() -> Result<(), String> {
    let args = [
        "nextest",
        "run",
        "--target",
        TARGET,
        "--package",
        "dtls-psk",
        "--package",
        "tutk-session",
        "--lib",
        "--test",
        "*",
        // They run example programs of the other toolchain.
        "-E",
        "not (binary(examples) | test(/^examples::/))",
    ];
    Job::nightly_cargo(&args)
        .env("RUSTFLAGS", "-Zsanitizer=address")
        // clang has the same runtime as rustc. Undefined behaviour in C ends the test.
        .env("CC", "clang")
        .env(
            "CFLAGS",
            "-fsanitize=address -fsanitize=undefined -fsanitize-trap=undefined",
        )
        .env("CARGO_TARGET_DIR", "target/sanitize")
        .run()
}
