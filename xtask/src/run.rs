//! Running other programs.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use crate::report::TestCounts;

/// A command whose output is everybody's.
pub(crate) struct Job {
    command: Command,
    shown: String,
}

impl Job {
    pub(crate) fn new(program: &str, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(args);
        Self {
            command,
            shown: format!("{program} {}", args.join(" ")),
        }
    }

    /// The cargo that runs this program.
    pub(crate) fn cargo(args: &[&str]) -> Self {
        let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let mut job = Self::new(&program, args);
        job.shown = format!("cargo {}", args.join(" "));
        job
    }

    /// The cargo of another toolchain, which only rustup's own `cargo` can find.
    pub(crate) fn nightly_cargo(args: &[&str]) -> Self {
        let args: Vec<&str> = std::iter::once("+nightly")
            .chain(args.iter().copied())
            .collect();
        let mut job = Self::new("cargo", &args);
        job.command
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("CARGO")
            .env_remove("RUSTC");
        job
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.shown = format!("{name}={:?} {}", value.as_ref(), self.shown);
        self.command.env(name, value);
        self
    }

    /// Runs it, and says whether it succeeded.
    pub(crate) fn succeeds(mut self) -> bool {
        println!("$ {}", self.shown);
        match self.command.status() {
            Ok(status) => status.success(),
            Err(error) => {
                eprintln!("xtask: {}: {error}", self.shown);
                false
            }
        }
    }

    /// Runs it with its output passed on line by line, and counts the tests that it reports.
    pub(crate) fn counting(self, counts: &mut TestCounts) -> bool {
        self.lines(|line| {
            counts.add_line(line);
            println!("{line}");
        })
    }

    /// Runs it, and hands over what it prints on standard output line by line.
    pub(crate) fn lines(mut self, mut take: impl FnMut(&str)) -> bool {
        println!("$ {}", self.shown);
        let child = self.command.stdout(Stdio::piped()).spawn();
        let Ok(mut child) = child.inspect_err(|error| eprintln!("xtask: {}: {error}", self.shown))
        else {
            return false;
        };
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                take(&line);
            }
        }
        child.wait().is_ok_and(|status| status.success())
    }

    /// Runs it without a word: whether it succeeded, and all that it printed.
    pub(crate) fn output_of_both(mut self) -> (bool, String) {
        match self.command.stdin(Stdio::null()).output() {
            Ok(output) => {
                let texts =
                    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
                (output.status.success(), texts.concat())
            }
            Err(error) => (false, format!("xtask: {}: {error}", self.shown)),
        }
    }

    /// Runs it without a word and returns what it printed, if it succeeded.
    pub(crate) fn output(mut self) -> Option<String> {
        let output = self.command.stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then_some(text)
    }
}

/// Runs a program, and says whether it succeeded.
pub(crate) fn succeeds(program: &str, args: &[&str]) -> bool {
    Job::new(program, args).succeeds()
}
