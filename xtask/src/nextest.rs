//! Tests, run by cargo-nextest. Its time limits are in .config/nextest.toml.

use std::thread::available_parallelism;

use crate::job::Job;
use crate::report::TestCounts;

/// The number of lines that the summary quotes of a failed test.
const TAIL: usize = 20;

/// Compiles the tests of the packages and features in `args`.
pub(crate) fn build(args: &[&str]) -> Result<(), String> {
    Job::cargo(&[&["nextest", "run", "--no-run"], args].concat()).run()
}

/// Runs the tests of the packages and features in `args`.
pub(crate) fn run(args: &[&str], counts: &mut TestCounts) -> Result<(), String> {
    // Most tests wait for sockets most of the time.
    let threads = (2 * available_parallelism().map_or(1, usize::from)).to_string();
    let options = ["--no-input-handler", "--test-threads", &threads];
    let mut summary = Vec::new();
    let result = Job::cargo(&[&["nextest", "run"], &options[..], args].concat())
        // Beyond the limit of nextest itself, which names the tests that it stopped.
        .minutes(25)
        .watch(|_, line| {
            counts.add_line(line);
            if !summary.is_empty() || line.trim_start().starts_with("Summary [") {
                summary.push(line.to_owned());
            }
        });
    // Without a summary no test ran: the compiler's output says why.
    result.map_err(|error| {
        if summary.is_empty() {
            error
        } else {
            shorten(&summary)
        }
    })
}

/// Runs the documentation tests of the packages and features in `args`.
pub(crate) fn run_doc_tests(args: &[&str], counts: &mut TestCounts) -> Result<(), String> {
    Job::cargo(&[&["test", "--doc", "--no-fail-fast"], args].concat())
        .watch(|_, line| counts.add_line(line))
}

/// Keeps the last lines of each test's output in nextest's summary.
fn shorten(summary: &[String]) -> String {
    let mut lines: Vec<&str> = Vec::new();
    let mut output = 0;
    for line in summary {
        if line.starts_with("    ") && !is_status(line) || line.is_empty() {
            output += 1;
            if output > TAIL {
                lines.remove(lines.len() - TAIL);
            }
        } else {
            output = 0;
        }
        lines.push(line);
    }
    lines.join("\n")
}

/// Returns `true` for a line such as `FAIL [   1.964s] (2/4) package::binary test`.
fn is_status(line: &str) -> bool {
    let status = line.split(" [").next().unwrap_or_default().trim();
    line.contains(" [")
        && status
            .chars()
            .all(|c| c.is_ascii_uppercase() || " +-".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_keeps_every_name_and_the_end_of_each_output() {
        let mut summary = vec!["     Summary [   4.1s] 4 tests run: 2 passed, 2 failed".to_owned()];
        for test in [
            "        FAIL [   1.9s] (2/4) a one",
            " FAIL + LEAK [   0.3s] (3/4) a two",
        ] {
            summary.push(test.into());
            summary.push("  output ───".into());
            summary.extend((0..50).map(|line| format!("    line {line}")));
        }
        let short = shorten(&summary);
        assert_eq!(short.lines().count(), 1 + 2 * (2 + TAIL));
        assert!(
            short.contains("a one\n  output ───\n    line 30\n"),
            "{short}"
        );
        assert!(short.ends_with("line 49"), "{short}");
    }
}
