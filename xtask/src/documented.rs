//! The tests that docs/limits.md names.

use std::collections::BTreeSet;
use std::fs;

use crate::report;
use crate::workspace::rust_files;

/// Each row of its tables ends with a column of tests.
const PAGE: &str = "docs/limits.md";

/// Fails if a row names no test, or a function that does not exist.
pub(crate) fn check() -> Result<(), String> {
    let read = |path: &str| {
        fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))
    };
    let mut functions = BTreeSet::new();
    for file in rust_files()? {
        functions.extend(names_of_functions(&read(&file.to_string_lossy())?));
    }
    report::all_passed(&errors(&read(PAGE)?, &functions))
}

fn names_of_functions(source: &str) -> Vec<String> {
    let after = source.split("fn ").skip(1);
    after
        .filter_map(|after| after.split_once('('))
        .map(|(name, _)| name.to_owned())
        .collect()
}

fn errors(page: &str, functions: &BTreeSet<String>) -> Vec<String> {
    let mut errors = Vec::new();
    // Headings and their underlines have no test.
    let mut lines = page.lines().peekable();
    while let Some(line) = lines.next() {
        let is_heading = lines.peek().is_some_and(|next| next.starts_with("|--"));
        if is_heading || !line.starts_with("| ") {
            continue;
        }
        let tests = line.trim_end_matches(" |").rsplit(" | ").next();
        let names: Vec<_> = tests
            .unwrap_or_default()
            .split('`')
            .skip(1)
            .step_by(2)
            .collect();
        if names.is_empty() {
            errors.push(format!("{PAGE}: no test in the last column: {line}"));
        }
        let missing = names.iter().filter(|name| !functions.contains(**name));
        errors.extend(missing.map(|name| format!("{PAGE}: there is no test {name}")));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_without_an_existing_test_are_reported() {
        let functions = names_of_functions("#[test]\nfn holds() {}\n")
            .into_iter()
            .collect();
        let page =
            "| what | test |\n|---|---|\n| a `b` | `holds` |\n| c | none |\n| d | `gone` |\n";
        assert_eq!(
            errors(page, &functions),
            [
                "docs/limits.md: no test in the last column: | c | none |",
                "docs/limits.md: there is no test gone",
            ]
        );
    }
}
