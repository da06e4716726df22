//! `cargo xtask bench`: runs the benchmarks and makes one table of what criterion measured.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::page;
use crate::run::Job;
use crate::test::crates;

/// Long enough for a few per cent, short enough to be run.
const CRITERION_ARGS: [&str; 5] = [
    "--",
    "--warm-up-time=1",
    "--measurement-time=3",
    "--noplot",
    "--quiet",
];

const CRITERION_FOLDER: &str = "target/criterion";

/// What is behind the name of a benchmark that another is compared with.
const BARE: &str = "-bare";

/// OpenSSL's handshakes, and what it is built into.
const OPENSSL_SOURCE: &str = "crates/dtls-psk/benches/openssl_handshake.c";
const OPENSSL_PROGRAM: &str = "target/openssl_handshake";

/// A ratio between two benchmarks, by their full names as criterion has them.
struct Ratio {
    name: &'static str,
    /// How many times as much the first does in the same time as the second.
    of: &'static str,
    to: &'static str,
}

/// Everything that is to be compared stands here, save a benchmark `NAME` for which there is a `NAME-bare`.
const RATIOS: [Ratio; 7] = [
    Ratio {
        name: "TransCode, scramble 64 KiB: this crate / byte by byte",
        of: "scramble/disco-cipher/65536",
        to: "scramble/byte-by-byte/65536",
    },
    Ratio {
        name: "TransCode, descramble 64 KiB: this crate / byte by byte",
        of: "descramble/disco-cipher/65536",
        to: "descramble/byte-by-byte/65536",
    },
    Ratio {
        name: "TransCode, scramble 1200 bytes: this crate / byte by byte",
        of: "scramble/disco-cipher/1200",
        to: "scramble/byte-by-byte/1200",
    },
    Ratio {
        name: "TransCode, descramble 1200 bytes: this crate / byte by byte",
        of: "descramble/disco-cipher/1200",
        to: "descramble/byte-by-byte/1200",
    },
    Ratio {
        name: "reassembly, slices in order: frames put together / copied whole",
        of: "reassembly/slice/ordered",
        to: "reassembly/copy",
    },
    Ratio {
        name: "receive path in transcode, datagrams to frames / AEAD alone on the same bytes",
        of: "receive-path/client/transcode",
        to: "receive-path/bare-aead/transcode",
    },
    Ratio {
        name: "receive path in summary, datagrams to frames / AEAD alone on the same bytes",
        of: "receive-path/client/summary",
        to: "receive-path/bare-aead/summary",
    },
];

/// What criterion found out about one benchmark.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Measured {
    /// Of one iteration.
    nanoseconds: f64,
    /// Of one iteration, if the benchmark says.
    bytes: Option<f64>,
}

impl Measured {
    /// Bytes a second if known, else iterations a second.
    fn rate(&self) -> f64 {
        self.bytes.unwrap_or(1.0) * 1e9 / self.nanoseconds
    }
}

/// Runs every benchmark and shows what came of it.
pub(crate) fn all(write: bool) -> bool {
    run() & show(write)
}

fn run() -> bool {
    // Results of benchmarks that are no more would stand in the table.
    if Path::new(CRITERION_FOLDER).exists() && fs::remove_dir_all(CRITERION_FOLDER).is_err() {
        eprintln!("xtask: {CRITERION_FOLDER} cannot be removed");
        return false;
    }
    // Its results are sought there, whatever the environment says of other builds. Criterion runs in the
    // crate's own folder: the path must be whole.
    let target = match std::path::absolute("target") {
        Ok(target) => target.display().to_string(),
        Err(error) => {
            eprintln!("xtask: {error}");
            return false;
        }
    };
    let mut well = true;
    for (name, benches) in crates_with_benches() {
        let mut args = vec!["bench", "--package", &name];
        for bench in &benches {
            args.extend(["--bench", bench]);
        }
        args.extend(CRITERION_ARGS);
        well &= Job::cargo(&args)
            .env("CARGO_TARGET_DIR", &target)
            .succeeds();
    }
    well
}

/// Shows what the last run has left, and with `write` puts it into the docs.
pub(crate) fn show(write: bool) -> bool {
    let mut found = BTreeMap::new();
    collect(Path::new(CRITERION_FOLDER), &mut found);
    if found.is_empty() {
        eprintln!("xtask: no results in {CRITERION_FOLDER}");
        return false;
    }
    let table = format!("{}{}{}", table(&found), handshakes(&found), memory());
    println!("\n{table}");
    !write || page::write("bench", &format!("{}{table}", header()))
}

/// Names of the crates that have benchmarks, and the benchmarks' names. They are named one by one to
/// cargo, as the unit tests that it would run too do not understand criterion's arguments.
fn crates_with_benches() -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for folder in crates() {
        let files = fs::read_dir(folder.join("benches")).into_iter().flatten();
        let mut names: Vec<String> = files
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
            .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
            .collect();
        names.sort();
        let name = folder
            .file_name()
            .and_then(|name| name.to_str())
            .map(str::to_owned);
        if let (Some(name), false) = (name, names.is_empty()) {
            found.push((name, names));
        }
    }
    found
}

/// Finds every `new` folder below: criterion's newest result of one benchmark.
fn collect(folder: &Path, found: &mut BTreeMap<String, Measured>) {
    for entry in fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
    {
        let path = entry.path();
        if !path.is_dir() {
            continue;
        }
        let read = |name: &str| fs::read_to_string(path.join(name)).ok();
        if let (true, Some(estimates), Some(benchmark)) = (
            path.ends_with("new"),
            read("estimates.json"),
            read("benchmark.json"),
        ) {
            found.extend(measured(&estimates, &benchmark));
        } else {
            collect(&path, found);
        }
    }
}

/// Reads one result. The files are criterion's own and flat enough to look for names in them.
fn measured(estimates: &str, benchmark: &str) -> Option<(String, Measured)> {
    // Not the mean: whatever else the machine does would be in it.
    let median = &estimates[estimates.find("\"median\"")?..];
    let nanoseconds = number_after(median, "\"point_estimate\":")?;
    let throughput = &benchmark[benchmark.find("\"throughput\"")?..];
    let bytes = number_after(throughput, "\"Bytes\":");
    let name = string_after(benchmark, "\"full_id\":")?;
    Some((name, Measured { nanoseconds, bytes }))
}

fn number_after(text: &str, name: &str) -> Option<f64> {
    let rest = text.get(text.find(name)? + name.len()..)?.trim_start();
    let end = rest.find([',', '}']).unwrap_or(rest.len());
    rest.get(..end)?.trim().parse().ok()
}

fn string_after(text: &str, name: &str) -> Option<String> {
    let rest = text
        .get(text.find(name)? + name.len()..)?
        .trim_start()
        .strip_prefix('"')?;
    Some(rest.get(..rest.find('"')?)?.replace("\\/", "/"))
}

fn table(found: &BTreeMap<String, Measured>) -> String {
    let mut out = String::from("| benchmark | time | rate |\n|---|--:|--:|\n");
    for (name, measured) in found {
        let rate = if measured.bytes.is_some() {
            format!("{:.1} MB/s", measured.rate() / 1e6)
        } else {
            String::from("-")
        };
        let _ = writeln!(out, "| {name} | {} | {rate} |", time(measured.nanoseconds));
    }
    out.push_str("\n| ratio of rates | |\n|---|--:|\n");
    for (name, measured) in found {
        if let Some(bare) = found.get(&format!("{name}{BARE}")) {
            let ratio = measured.rate() / bare.rate();
            let _ = writeln!(out, "| {name} / its cryptography alone | {ratio:.2} |");
        }
    }
    for ratio in &RATIOS {
        let value = match (found.get(ratio.of), found.get(ratio.to)) {
            (Some(of), Some(to)) => format!("{:.2}", of.rate() / to.rate()),
            (None, _) => format!("missing: {}", ratio.of),
            (_, None) => format!("missing: {}", ratio.to),
        };
        let _ = writeln!(out, "| {} | {value} |", ratio.name);
    }
    out
}

/// Handshakes a second of either side, beside OpenSSL's in the same run.
fn handshakes(found: &BTreeMap<String, Measured>) -> String {
    let mut out = String::from(
        "\n| DTLS handshakes a second, cookie and all | client | OpenSSL's | server | OpenSSL's |\n|---|--:|--:|--:|--:|\n",
    );
    let arguments = [
        "-O2",
        OPENSSL_SOURCE,
        "-lssl",
        "-lcrypto",
        "-o",
        OPENSSL_PROGRAM,
    ];
    let theirs = if Job::new("cc", &arguments).succeeds() {
        Job::new(OPENSSL_PROGRAM, &[]).output().unwrap_or_default()
    } else {
        String::new()
    };
    let theirs = nanoseconds_by_suite(&theirs);
    let second = |nanoseconds: Option<f64>| match nanoseconds {
        Some(nanoseconds) => format!("{:.0}", 1e9 / nanoseconds),
        None => String::from("missing"),
    };
    for name in found.keys() {
        let Some(suite) = name.strip_suffix("/handshake-client") else {
            continue;
        };
        let ours = |side: &str| Some(found.get(&format!("{suite}/handshake-{side}"))?.nanoseconds);
        let (client, server) = theirs.get(suite).copied().unzip();
        let _ = writeln!(
            out,
            "| {suite} | {} | {} | {} | {} |",
            second(ours("client")),
            second(client),
            second(ours("server")),
            second(server)
        );
    }
    out
}

/// Lines of a suite's name, and the nanoseconds of a client and of a server.
fn nanoseconds_by_suite(lines: &str) -> BTreeMap<&str, (f64, f64)> {
    let read = |line: &'_ str| -> Option<(f64, f64)> {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    };
    lines
        .lines()
        .filter_map(|line| Some((line.split(' ').next()?, read(line)?)))
        .collect()
}

/// The table that a test prints, which is where a counting allocator is.
fn memory() -> String {
    let test = Job::cargo(&[
        "test",
        "--quiet",
        "--package",
        "dtls-psk",
        "--test",
        "allocations",
        "--",
        "--nocapture",
    ]);
    let printed = test.output().unwrap_or_default();
    let rows: Vec<&str> = printed
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
    let processor = fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| "a processor of unknown name".into());
    format!(
        "Written by `cargo xtask bench --write`; do not edit. One thread, {}, on {processor}. \
         Times are criterion's medians; MB is 10^6 bytes.\n\n",
        compiler.trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESTIMATES: &str = r#"{"mean":{"point_estimate":1.0},"median":{"confidence_interval":{"confidence_level":0.95,
        "lower_bound":480.1,"upper_bound":520.3},"point_estimate":500.0,"standard_error":7.4},
        "slope":{"point_estimate":2.0}}"#;

    fn benchmark(throughput: &str) -> String {
        format!(
            r#"{{"group_id":"open","function_id":"record","value_str":null,
            "throughput":{throughput},"full_id":"open/record","directory_name":"open/record","title":"x"}}"#
        )
    }

    #[test]
    fn a_result_is_read() {
        let (name, result) = measured(ESTIMATES, &benchmark(r#"{"Bytes":1200}"#)).unwrap();
        assert_eq!(name, "open/record");
        assert_eq!(
            result,
            Measured {
                nanoseconds: 500.0,
                bytes: Some(1200.0)
            }
        );
        assert!((result.rate() - 2.4e9).abs() < 1.0);
        let (_, result) = measured(ESTIMATES, &benchmark("null")).unwrap();
        assert_eq!(result.bytes, None);
        assert_eq!(measured("{}", "{}"), None);
    }

    #[test]
    fn ratios_and_what_is_missing() {
        let result = |nanoseconds| Measured {
            nanoseconds,
            bytes: Some(1200.0),
        };
        let found = BTreeMap::from([
            ("SUITE/open".to_owned(), result(1000.0)),
            ("SUITE/open-bare".to_owned(), result(500.0)),
        ]);
        let table = table(&found);
        assert!(
            table.contains("| SUITE/open / its cryptography alone | 0.50 |"),
            "{table}"
        );
        assert!(!table.contains("open-bare / its"), "{table}");
        assert!(table.contains("missing: receive-path/client"), "{table}");
    }

    #[test]
    fn what_openssl_took() {
        let read = nanoseconds_by_suite("A 10 20\nB 1\n\nC x y\n");
        assert_eq!(read.into_iter().collect::<Vec<_>>(), [("A", (10.0, 20.0))]);
    }
}
