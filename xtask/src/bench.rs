//! `cargo xtask bench`: runs the benchmarks and makes tables of criterion's results.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use cargo_metadata::TargetKind;
use serde_json::Value;

use crate::generated;
use crate::job::Job;
use crate::workspace::packages;

/// Long enough for an accuracy of a few per cent.
const CRITERION_ARGS: [&str; 5] = [
    "--",
    "--warm-up-time=1",
    "--measurement-time=3",
    "--noplot",
    "--quiet",
];

const CRITERION_FOLDER: &str = "target/criterion";

/// The suffix of a benchmark of the cryptography that another benchmark includes.
const BARE: &str = "-bare";

/// The handshake benchmark of OpenSSL.
const OPENSSL_SOURCE: &str = "crates/dtls-psk/benches/openssl_handshake.c";
const OPENSSL_PROGRAM: &str = "target/openssl_handshake";

/// Pairs of benchmarks whose rates are divided, in addition to each `NAME` and `NAME-bare`.
#[rustfmt::skip]
const RATIOS: [(&str, &str); 7] = [
    ("scramble/disco-cipher/65536", "scramble/byte-by-byte/65536"),
    ("descramble/disco-cipher/65536", "descramble/byte-by-byte/65536"),
    ("scramble/disco-cipher/1200", "scramble/byte-by-byte/1200"),
    ("descramble/disco-cipher/1200", "descramble/byte-by-byte/1200"),
    ("reassembly/slice/ordered", "reassembly/copy"),
    ("receive-path/client/transcode", "receive-path/bare-aead/transcode"),
    ("receive-path/client/summary", "receive-path/bare-aead/summary"),
];

/// The result of one benchmark.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Measurement {
    /// The duration of one iteration.
    nanoseconds: f64,
    /// The bytes that one iteration processes, if the benchmark declares them.
    bytes: Option<f64>,
}

impl Measurement {
    /// Returns bytes per second, or iterations per second.
    fn rate(&self) -> f64 {
        self.bytes.unwrap_or(1.0) * 1e9 / self.nanoseconds
    }
}

/// Runs every benchmark.
pub(crate) fn run() -> Result<(), String> {
    // Results of benchmarks that no longer exist would appear in the table.
    if Path::new(CRITERION_FOLDER).exists() {
        fs::remove_dir_all(CRITERION_FOLDER)
            .map_err(|error| format!("cannot remove {CRITERION_FOLDER}: {error}"))?;
    }
    // Criterion runs in the folder of the crate, so that it needs an absolute path.
    let target = std::path::absolute("target").map_err(|error| error.to_string())?;
    for package in packages()? {
        let benches = package
            .targets
            .iter()
            .filter(|target| target.is_kind(TargetKind::Bench));
        // cargo would also run the unit tests, which do not accept the arguments of criterion.
        let names: Vec<&str> = benches.flat_map(|bench| ["--bench", &bench.name]).collect();
        if !names.is_empty() {
            let args = [
                &["bench", "--package", &package.name],
                &names[..],
                &CRITERION_ARGS,
            ];
            Job::cargo(&args.concat())
                .env("CARGO_TARGET_DIR", &target)
                .minutes(60)
                .run()?;
        }
    }
    Ok(())
}

/// Prints the results of the last run. With `write`, also updates the documentation.
pub(crate) fn show(write: bool) -> Result<(), String> {
    let mut results = BTreeMap::new();
    collect(Path::new(CRITERION_FOLDER), &mut results);
    if results.is_empty() {
        return Err(format!(
            "no results in {CRITERION_FOLDER}; run cargo xtask bench"
        ));
    }
    let tables = format!("{}{}{}", table(&results), handshakes(&results), memory());
    println!("\n{tables}");
    if write {
        generated::write("bench", &format!("{}{tables}", header()))
    } else {
        Ok(())
    }
}

/// Finds the newest results of all benchmarks, which are in folders named `new`.
fn collect(folder: &Path, results: &mut BTreeMap<String, Measurement>) {
    for entry in fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
    {
        let path = entry.path();
        let read = |name| fs::read_to_string(path.join(name));
        if !path.is_dir() {
        } else if !path.ends_with("new") {
            collect(&path, results);
        } else if let (Ok(estimates), Ok(benchmark)) =
            (read("estimates.json"), read("benchmark.json"))
        {
            results.extend(measurement(&estimates, &benchmark));
        }
    }
}

/// Parses the files that criterion writes for one benchmark.
fn measurement(estimates: &str, benchmark: &str) -> Option<(String, Measurement)> {
    let estimates: Value = serde_json::from_str(estimates).ok()?;
    let benchmark: Value = serde_json::from_str(benchmark).ok()?;
    // The mean would include interruptions by other processes.
    let nanoseconds = estimates.pointer("/median/point_estimate")?.as_f64()?;
    let bytes = benchmark
        .pointer("/throughput/Bytes")
        .and_then(Value::as_f64);
    let name = benchmark.get("full_id")?.as_str()?;
    Some((name.to_owned(), Measurement { nanoseconds, bytes }))
}

fn table(results: &BTreeMap<String, Measurement>) -> String {
    let mut out = String::from("| benchmark | time | rate |\n|---|--:|--:|\n");
    for (name, result) in results {
        let rate = match result.bytes {
            Some(_) => format!("{:.1} MB/s", result.rate() / 1e6),
            None => String::from("-"),
        };
        let _ = writeln!(out, "| {name} | {} | {rate} |", time(result.nanoseconds));
    }
    out.push_str("\n| ratio of rates | |\n|---|--:|\n");
    for (name, result) in results {
        if let Some(bare) = results.get(&format!("{name}{BARE}")) {
            let ratio = result.rate() / bare.rate();
            let _ = writeln!(out, "| {name} / its cryptography alone | {ratio:.2} |");
        }
    }
    for (of, to) in RATIOS {
        let value = match (results.get(of), results.get(to)) {
            (Some(of), Some(to)) => format!("{:.2}", of.rate() / to.rate()),
            _ => "missing".into(),
        };
        let _ = writeln!(out, "| {of} / {to} | {value} |");
    }
    out
}

/// Returns the table of handshakes per second, with those of OpenSSL on the same machine.
fn handshakes(results: &BTreeMap<String, Measurement>) -> String {
    let mut out = String::from(
        "\n| DTLS handshakes per second, with cookie | client | OpenSSL client | server | OpenSSL server |\n\
         |---|--:|--:|--:|--:|\n",
    );
    let args = [
        "-O2",
        OPENSSL_SOURCE,
        "-lssl",
        "-lcrypto",
        "-o",
        OPENSSL_PROGRAM,
    ];
    let openssl = Job::new("cc", &args)
        .run()
        .and_then(|()| Job::new(OPENSSL_PROGRAM, &[]).output());
    let openssl = openssl.unwrap_or_default();
    let openssl = nanoseconds_by_suite(&openssl);
    let rate = |nanoseconds: Option<f64>| match nanoseconds {
        Some(nanoseconds) => format!("{:.0}", 1e9 / nanoseconds),
        None => String::from("missing"),
    };
    for suite in results
        .keys()
        .filter_map(|name| name.strip_suffix("/handshake-client"))
    {
        let own = |side| {
            Some(
                results
                    .get(&format!("{suite}/handshake-{side}"))?
                    .nanoseconds,
            )
        };
        let (client, server) = openssl.get(suite).copied().unzip();
        let [own_client, client, own_server, server] =
            [own("client"), client, own("server"), server].map(rate);
        let _ = writeln!(
            out,
            "| {suite} | {own_client} | {client} | {own_server} | {server} |"
        );
    }
    out
}

/// Parses lines of a cipher suite and the nanoseconds of a client and of a server.
fn nanoseconds_by_suite(lines: &str) -> BTreeMap<&str, (f64, f64)> {
    let parse = |line: &'_ str| -> Option<(f64, f64)> {
        let mut numbers = line.split(' ').skip(1);
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    };
    lines
        .lines()
        .filter_map(|line| Some((line.split(' ').next()?, parse(line)?)))
        .collect()
}

/// Returns the table of memory usage. A test prints it, because it has a counting allocator.
fn memory() -> String {
    let args = [
        "test",
        "--quiet",
        "--package",
        "dtls-psk",
        "--test",
        "allocations",
    ];
    let output = Job::cargo(&[&args[..], &["--", "--nocapture"]].concat()).output();
    let output = output.unwrap_or_default();
    let rows: Vec<&str> = output
        .lines()
        .filter(|line| line.starts_with('|'))
        .collect();
    format!("\n{}\n", rows.join("\n"))
}

fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns < 1e3 => format!("{ns:.1} ns"),
        ns if ns < 1e6 => format!("{:.2} us", ns / 1e3),
        ns => format!("{:.2} ms", ns / 1e6),
    }
}

fn header() -> String {
    let compiler = Job::new("rustc", &["--version"])
        .output()
        .unwrap_or_default();
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = processors
        .lines()
        .find(|line| line.starts_with("model name"));
    let name = name.and_then(|line| Some(line.split_once(':')?.1.trim()));
    format!(
        "Written by `cargo xtask bench --write`; do not edit. One thread, {}, on {}. \
         Times are medians, as measured by criterion. 1 MB is 10^6 bytes.\n\n",
        compiler.trim(),
        name.unwrap_or("an unknown processor")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESTIMATES: &str = r#"{"mean":{"point_estimate":1.0},
        "median":{"confidence_interval":{"confidence_level":0.95},"point_estimate":500.0}}"#;

    #[test]
    fn parses_results_of_criterion() {
        let benchmark = |throughput| {
            format!(r#"{{"group_id":"open","throughput":{throughput},"full_id":"open/record"}}"#)
        };
        let (name, result) = measurement(ESTIMATES, &benchmark(r#"{"Bytes":1200}"#)).unwrap();
        assert_eq!(name, "open/record");
        assert_eq!(
            result,
            Measurement {
                nanoseconds: 500.0,
                bytes: Some(1200.0)
            }
        );
        assert!((result.rate() - 2.4e9).abs() < 1.0);
        let (_, result) = measurement(ESTIMATES, &benchmark("null")).unwrap();
        assert_eq!(result.bytes, None);
        assert_eq!(measurement("{}", "{}"), None);
    }

    #[test]
    fn table_has_ratios_and_marks_missing_results() {
        let result = |nanoseconds| Measurement {
            nanoseconds,
            bytes: Some(1200.0),
        };
        let results = BTreeMap::from([
            ("SUITE/open".to_owned(), result(1000.0)),
            ("SUITE/open-bare".to_owned(), result(500.0)),
        ]);
        let table = table(&results);
        assert!(
            table.contains("| SUITE/open / its cryptography alone | 0.50 |"),
            "{table}"
        );
        assert!(!table.contains("open-bare / its"), "{table}");
        assert!(
            table.contains("receive-path/bare-aead/summary | missing |"),
            "{table}"
        );
    }

    #[test]
    fn parses_results_of_openssl() {
        let results = nanoseconds_by_suite("A 10 20\nB 1\n\nC x y\n");
        assert_eq!(
            results.into_iter().collect::<Vec<_>>(),
            [("A", (10.0, 20.0))]
        );
    }
}
