//! The results of steps, and the closing summary.
#![expect(clippy::disallowed_methods, reason = "steps are timed")]

use std::fmt;
use std::time::{Duration, Instant};

use crate::job::is_interrupted;

/// The result of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    Passed,
    /// The reason for the failure, of any number of lines.
    Failed(String),
    /// The reason why the step did not run.
    Skipped(String),
    /// What was not checked because this machine cannot have it. The run is complete without it.
    Limited(String),
}

impl From<Result<(), String>> for Outcome {
    fn from(result: Result<(), String>) -> Self {
        result.map_or_else(Self::Failed, |()| Self::Passed)
    }
}

/// Fails with all errors, one per line, if there are any.
pub(crate) fn all_passed(errors: &[String]) -> Result<(), String> {
    match errors {
        [] => Ok(()),
        _ => Err(errors.join("\n")),
    }
}

/// The results so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    steps: Vec<(String, Outcome, Duration)>,
    missing: Vec<String>,
    pub(crate) tests: TestCounts,
}

impl Report {
    /// Runs a step, unless the user pressed Ctrl-C.
    pub(crate) fn step<O: Into<Outcome>>(
        &mut self,
        name: &str,
        step: impl FnOnce(&mut TestCounts) -> O,
    ) {
        println!("\n=== {name}");
        let start = Instant::now();
        let outcome = if is_interrupted() {
            Outcome::Skipped("interrupted".into())
        } else {
            step(&mut self.tests).into()
        };
        let took = start.elapsed();
        println!("=== {name}: {outcome} ({:.1} s)", took.as_secs_f64());
        self.steps.push((name.into(), outcome, took));
    }

    /// Adds a tool that steps need and that is not installed.
    pub(crate) fn missing(&mut self, tool: String) {
        self.missing.push(tool);
    }

    /// Prints the summary. Fails if a step failed, and with `strict` also if anything was skipped.
    pub(crate) fn finish(&self, strict: bool) -> Result<(), String> {
        println!("\n=== summary");
        for (name, outcome, took) in &self.steps {
            println!("{name:<34} {:>8.1} s   {outcome}", took.as_secs_f64());
        }
        let (mut failed, mut skipped) = (0, self.missing.len());
        for (name, outcome, _) in &self.steps {
            match outcome {
                Outcome::Passed => {}
                Outcome::Limited(reason) => println!("\nlimited {name}: {reason}"),
                Outcome::Failed(reason) => {
                    failed += 1;
                    println!("\nFAILED {name}: {reason}");
                }
                Outcome::Skipped(reason) => {
                    skipped += 1;
                    println!("\nskipped {name}: {reason}");
                }
            }
        }
        for tool in &self.missing {
            println!("missing {tool}");
        }
        println!(
            "\nsteps: {failed} of {} failed, {skipped} skipped or incomplete",
            self.steps.len()
        );
        if self.tests != TestCounts::default() {
            println!("tests: {}", self.tests);
        }
        if failed > 0 {
            Err(format!("{failed} steps failed"))
        } else if skipped > 0 && (strict || is_interrupted()) {
            Err("the run is not complete".into())
        } else {
            Ok(())
        }
    }
}

/// The numbers of tests that ran.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TestCounts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl TestCounts {
    /// Adds the counts of a summary line of cargo test or nextest. Ignores all other lines.
    pub(crate) fn add_line(&mut self, line: &str) {
        // nextest indents the output of failed tests, which ends in a line of the first kind.
        if !line.starts_with("test result:") && !line.trim_start().starts_with("Summary [") {
            return;
        }
        let words: Vec<&str> = line
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        for pair in words.windows(2) {
            let [count, kind] = pair else { continue };
            let count = count.parse().unwrap_or(0);
            match *kind {
                "passed" => self.passed += count,
                "failed" | "timed" | "exec" => self.failed += count,
                "ignored" | "skipped" => self.skipped += count,
                _ => {}
            }
        }
    }
}

impl fmt::Display for TestCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passed",
            Self::Failed(_) => "FAILED",
            Self::Skipped(_) => "skipped",
            Self::Limited(_) => "limited",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds_counts_of_cargo_test_and_nextest() {
        let mut counts = TestCounts::default();
        counts.add_line(
            "test result: ok. 22 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.07s",
        );
        counts.add_line("test mp4::tests::ticks_are_rounded ... ok");
        counts.add_line("    test result: FAILED. 0 passed; 1 failed; 0 ignored");
        counts.add_line(
            "     Summary [   4.187s] 9 tests run: 6 passed (1 slow), 2 failed, 1 timed out, 4 skipped",
        );
        assert_eq!(counts.to_string(), "28 passed, 3 failed, 5 skipped");
    }

    #[test]
    fn skipped_steps_fail_only_a_strict_run() {
        let mut report = Report::default();
        report.step("a", |_| Ok(()));
        assert!(report.finish(true).is_ok());
        report.step("b", |_| Outcome::Skipped("no tool".into()));
        assert!(report.finish(false).is_ok());
        assert!(report.finish(true).is_err());
        report.step("c", |_| Err("exit status: 1".into()));
        assert!(report.finish(false).is_err());
    }
}
