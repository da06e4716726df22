//! The width of comments.

use std::fs;

use crate::workspace::rust_files;

const WIDTH: usize = 100;

/// Fails if a comment in a Rust file is wider than 100 columns.
pub(crate) fn check() -> Result<(), String> {
    let mut wide = Vec::new();
    for file in rust_files()? {
        let source = fs::read_to_string(&file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        for (number, line) in (1..).zip(source.lines()) {
            if is_too_wide(line) {
                wide.push(format!("{}:{number}", file.display()));
            }
        }
    }
    if wide.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} comments are wider than {WIDTH} columns:\n{}",
        wide.len(),
        wide.join("\n")
    ))
}

/// Returns `true` for a comment that a line break would make narrow enough.
fn is_too_wide(line: &str) -> bool {
    let Some(start) = line.find("//") else {
        return false;
    };
    let (code, comment) = line.split_at(start);
    // Behind code, `//` can be part of a string.
    let is_comment = code.trim().is_empty() || comment.starts_with("// ") && code.ends_with(' ');
    // Rows of tables, diagrams and continued commands cannot be wrapped.
    let text = comment.trim_start_matches(['/', '!']).trim_start();
    if text.starts_with('|') || text.contains(['─', '►']) || text.ends_with('\\') {
        return false;
    }
    let longest_word = comment
        .split(' ')
        .map(|word| word.chars().count())
        .max()
        .unwrap_or(0);
    is_comment && line.chars().count() > WIDTH && longest_word + start + 4 <= WIDTH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_comments_that_can_be_wrapped_are_too_wide() {
        let words = "word ".repeat(20);
        let url = format!("https://example.com/{}", "x".repeat(100));
        assert!(is_too_wide(&format!("    /// {words}")));
        assert!(is_too_wide(&format!("let x = 1; // {words}")));
        assert!(!is_too_wide(&format!("/// {}", "é".repeat(96))));
        assert!(!is_too_wide(&format!("// {url}")));
        assert!(!is_too_wide(&format!("/// | {words} |")));
        assert!(!is_too_wide(&format!("let url = \"http://{words}\";")));
    }
}
