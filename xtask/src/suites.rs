//! The programs that `cargo test` makes, run side by side: most of them wait for sockets most of the time.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::parallel::side_by_side;
use crate::report::TestCounts;
use crate::run::Job;

/// How many run at a time. Each has threads of its own.
const SIDE_BY_SIDE: usize = 2;

/// Those that run alone, behind all others: they measure how late something is.
const ALONE: [&str; 1] = ["page"];

/// A program of tests.
#[derive(Debug, PartialEq, Eq)]
struct Suite {
    program: PathBuf,
    /// Its package, where it is run.
    folder: PathBuf,
}

/// `cargo test` with these arguments: what it builds is run here, and doc tests by cargo itself. All are run,
/// whichever fail.
pub(crate) fn test(args: &[&str], strict: bool, counts: &mut TestCounts) -> bool {
    let build = [
        &["test"],
        args,
        &["--no-run", "--message-format=json-render-diagnostics"],
    ]
    .concat();
    let mut suites = Vec::new();
    let built = Job::cargo(&build).lines(|line| suites.extend(suite(line)));
    if !built || suites.is_empty() {
        return false;
    }
    let (alone, others): (Vec<_>, Vec<_>) = suites.into_iter().partition(Suite::runs_alone);
    println!("{} programs, {SIDE_BY_SIDE} at a time", others.len());
    let passed = run(others, SIDE_BY_SIDE, strict, counts) & run(alone, 1, strict, counts);
    let docs = Job::cargo(&[&["test"], args, &["--doc", "--no-fail-fast"]].concat());
    passed & docs.counting(counts)
}

/// Runs all of them, so many at a time.
fn run(suites: Vec<Suite>, at_a_time: usize, strict: bool, counts: &mut TestCounts) -> bool {
    let mut all = true;
    let take = |(passed, output): (bool, String)| {
        // In one piece, so that two do not get mixed up.
        print!("{output}");
        output.lines().for_each(|line| counts.add_line(line));
        all &= passed;
    };
    side_by_side(suites, at_a_time, |suite| suite.run(strict), take);
    all
}

/// The program that a line of cargo's JSON tells of, if it is one of tests.
fn suite(line: &str) -> Option<Suite> {
    let is_artifact = line.contains(r#""reason":"compiler-artifact""#);
    // A target that may have tests says so too, before its profile.
    let (_, profile) = line.split_once(r#""profile":{"#)?;
    let (profile, _) = profile.split_once('}')?;
    let is_test = is_artifact && profile.contains(r#""test":true"#);
    let program = text(line, "executable").filter(|_| is_test)?;
    let manifest = Path::new(text(line, "manifest_path")?);
    Some(Suite {
        program: program.into(),
        folder: manifest.parent()?.into(),
    })
}

/// The text under a key of a line of JSON. Paths with a quote or a backslash in them are not found.
fn text<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(&format!(r#""{key}":""#))?;
    let (text, _) = rest.split_once('"')?;
    (!text.contains('\\')).then_some(text)
}

impl Suite {
    /// Its file is called by its name and a hash.
    fn runs_alone(&self) -> bool {
        let file = self.program.file_stem().and_then(|file| file.to_str());
        let name = file.and_then(|file| Some(file.rsplit_once('-')?.0));
        name.is_some_and(|name| ALONE.contains(&name))
    }

    /// Whether it passed, and what it printed.
    fn run(&self, strict: bool) -> (bool, String) {
        let mut command = Command::new(&self.program);
        command
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder)
            .stdin(Stdio::null());
        if strict {
            command.env("CI", "true");
        }
        let package = self.folder.file_name().unwrap_or_default().display();
        let name = self.program.file_name().unwrap_or_default().display();
        #[expect(clippy::disallowed_methods, reason = "it times another program")]
        let start = Instant::now();
        match command.output() {
            Ok(output) => {
                let mut text = format!("\n     Running {package}: {name}\n");
                text += &String::from_utf8_lossy(&output.stdout);
                text += &String::from_utf8_lossy(&output.stderr);
                let took = start.elapsed().as_secs_f64();
                text += &format!("     {package}: {name}: {} ({took:.1} s)\n", output.status);
                (output.status.success(), text)
            }
            Err(error) => (false, format!("\nxtask: {package}: {name}: {error}\n")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_tests_are_told_from_other_artifacts() {
        let line = |test, executable| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"x","manifest_path":"/a/b/Cargo.toml","target":{{"name":"n","test":true}},"profile":{{"opt_level":"1","test":{test}}},"features":[],"filenames":["/t/n"],"executable":{executable},"fresh":true}}"#
            )
        };
        let found = suite(&line("true", r#""/t/n""#));
        let expected = Suite {
            program: "/t/n".into(),
            folder: "/a/b".into(),
        };
        assert_eq!(found, Some(expected));
        assert_eq!(suite(&line("false", r#""/t/n""#)), None);
        assert_eq!(suite(&line("true", "null")), None);
        assert_eq!(suite(r#"{"reason":"build-finished","success":true}"#), None);
    }
}
