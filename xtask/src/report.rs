//! What was run, how long it took, and what could not be run.

#![expect(clippy::disallowed_methods, reason = "it times other programs")]

use std::fmt;
use std::time::{Duration, Instant};

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    Failed,
    /// It could not be run, and why.
    CouldNot(String),
}

impl From<bool> for Outcome {
    fn from(passed: bool) -> Self {
        if passed { Self::Passed } else { Self::Failed }
    }
}

/// The steps so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    steps: Vec<(String, Outcome, Duration)>,
    /// Things that other steps silently went without, and why.
    missing: Vec<String>,
    pub(crate) tests: TestCounts,
}

impl Report {
    /// Runs a step under its name.
    pub(crate) fn step<O: Into<Outcome>>(
        &mut self,
        name: &str,
        step: impl FnOnce(&mut TestCounts) -> O,
    ) {
        println!("\n=== {name}");
        let start = Instant::now();
        let outcome = step(&mut self.tests).into();
        let took = start.elapsed();
        println!("=== {name}: {outcome} ({:.1} s)", took.as_secs_f64());
        self.steps.push((name.into(), outcome, took));
    }

    /// Notes something that steps will go without.
    pub(crate) fn missing(&mut self, what: String) {
        self.missing.push(what);
    }

    /// Prints the table. True if all is well; where nothing may be missing (`strict`), that too.
    pub(crate) fn finish(&self, strict: bool) -> bool {
        println!("\n=== summary");
        for (name, outcome, took) in &self.steps {
            println!("{name:<34} {:>8.1} s   {outcome}", took.as_secs_f64());
        }
        let could_not: Vec<String> = self
            .steps
            .iter()
            .filter_map(|(name, outcome, _)| match outcome {
                Outcome::CouldNot(why) => Some(format!("{name}: {why}")),
                _ => None,
            })
            .chain(self.missing.iter().cloned())
            .collect();
        for line in &could_not {
            println!("could not: {line}");
        }
        let failed = self
            .steps
            .iter()
            .filter(|(_, outcome, _)| *outcome == Outcome::Failed)
            .count();
        let passed = self
            .steps
            .iter()
            .filter(|(_, outcome, _)| *outcome == Outcome::Passed)
            .count();
        let well = failed == 0 && (could_not.is_empty() || !strict);
        println!(
            "steps: {passed} passed; {failed} failed; {} could not be run{}",
            could_not.len(),
            if strict && !could_not.is_empty() {
                " (a failure where CI=true)"
            } else {
                ""
            }
        );
        if self.tests != TestCounts::default() {
            println!("tests: {}", self.tests);
        }
        println!("{}", if well { "all well" } else { "NOT well" });
        well
    }
}

/// Tests as `cargo test` reports them, added up.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TestCounts {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl TestCounts {
    /// Adds a line `test result: ok. 22 passed; 0 failed; 0 ignored; ...`; others change nothing.
    pub(crate) fn add_line(&mut self, line: &str) {
        let Some(result) = line.trim_start().strip_prefix("test result:") else {
            return;
        };
        let words: Vec<&str> = result
            .split([' ', ';', '.'])
            .filter(|word| !word.is_empty())
            .collect();
        for pair in words.windows(2) {
            let [count, what] = pair else { continue };
            let Ok(count) = count.parse::<u64>() else {
                continue;
            };
            match *what {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }
}

impl fmt::Display for TestCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed; {} failed; {} ignored",
            self.passed, self.failed, self.ignored
        )
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed => "FAILED",
            Self::CouldNot(_) => "could not be run",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up() {
        let mut counts = TestCounts::default();
        counts.add_line(
            "test result: ok. 22 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.07s",
        );
        counts.add_line(
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out",
        );
        counts.add_line("test mp4::tests::ticks_are_rounded ... ok");
        assert_eq!(
            counts,
            TestCounts {
                passed: 24,
                failed: 1,
                ignored: 1
            }
        );
    }

    #[test]
    fn what_could_not_be_run_fails_only_where_it_must() {
        let mut report = Report::default();
        report.step("a", |_| true);
        assert!(report.finish(true));
        report.step("b", |_| Outcome::CouldNot("no tool".into()));
        assert!(report.finish(false));
        assert!(!report.finish(true));
        report.step("c", |_| false);
        assert!(!report.finish(false));
    }
}
