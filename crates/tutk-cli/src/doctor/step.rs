//! One line for each step.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::report::milliseconds;

/// The result of a step, for people.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Step {
    pub(crate) mark: Mark,
    pub(crate) name: &'static str,
    pub(crate) text: String,
    pub(crate) ms: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Mark {
    Passed,
    Failed,
    /// Neither: the result does not decide anything.
    Noted,
}

impl Step {
    pub(crate) fn new(mark: Mark, name: &'static str, text: String, took: Duration) -> Self {
        Self {
            mark,
            name,
            // Messages of libraries can have several lines.
            text: text.replace(['\n', '\r'], " "),
            ms: milliseconds(took),
        }
    }
}

impl Mark {
    pub(crate) fn of(passed: bool) -> Self {
        if passed { Self::Passed } else { Self::Failed }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.mark {
            Mark::Passed => "✔",
            Mark::Failed => "✘",
            Mark::Noted => "·",
        };
        write!(
            f,
            "{mark} {:<15}{:>9.1} ms  {}",
            self.name, self.ms, self.text
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_has_mark_name_time_and_text() {
        let took = Duration::from_micros(12_345);
        let step = Step::new(Mark::of(false), "dtls", "no\nanswer".to_owned(), took);
        assert_eq!(step.to_string(), "✘ dtls                12.3 ms  no answer");
    }
}
