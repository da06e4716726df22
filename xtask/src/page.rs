//! `docs/benchmarks.md`: parts that several chores write, each its own.

use std::fs;

const PAGE: &str = "docs/benchmarks.md";

/// Puts a part into the page, between its marks, and leaves the others as they are.
pub(crate) fn write(part: &str, text: &str) -> bool {
    let written = fs::read_to_string(PAGE)
        .map_err(|error| error.to_string())
        .and_then(|page| replace(&page, part, text).ok_or(format!("no part `{part}`")))
        .and_then(|page| fs::write(PAGE, page).map_err(|error| error.to_string()));
    match &written {
        Ok(()) => println!("written to {PAGE}"),
        Err(error) => eprintln!("xtask: {PAGE}: {error}"),
    }
    written.is_ok()
}

/// The page with another text in that part; `None` if it has no such part.
fn replace(page: &str, part: &str, text: &str) -> Option<String> {
    let (begin, end) = (
        format!("<!-- {part} begins -->\n"),
        format!("<!-- {part} ends -->\n"),
    );
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{}\n\n{end}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
        # Page\n\n<!-- a begins -->\nold\n<!-- a ends -->\nbetween\n<!-- b begins -->\n\nkept\n\n<!-- b ends -->\n";

    #[test]
    fn one_part_is_replaced() {
        let page = replace(TEXT, "a", "\nnew | text\n").unwrap();
        assert_eq!(page, TEXT.replace("\nold\n", "\n\nnew | text\n\n"));
        let again = replace(&page, "a", "new | text").unwrap();
        assert_eq!(again, page);
    }

    #[test]
    fn a_part_that_is_not_there_is_not_written() {
        assert_eq!(replace(TEXT, "c", "new"), None);
        assert_eq!(replace("<!-- a begins -->\n", "a", "new"), None);
    }
}
