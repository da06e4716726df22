//! The generated parts of pages in docs/.

use std::fs;

const BENCHMARKS: &str = "docs/benchmarks.md";

/// Replaces one part of docs/benchmarks.md and keeps the others.
pub(crate) fn write(part: &str, text: &str) -> Result<(), String> {
    write_in(BENCHMARKS, part, text)
}

/// Replaces one part of a page and keeps the others.
pub(crate) fn write_in(path: &str, part: &str, text: &str) -> Result<(), String> {
    let error = |error| format!("cannot update {path}: {error}");
    let page = fs::read_to_string(path).map_err(error)?;
    let page = replace(&page, part, text)
        .ok_or_else(|| format!("cannot update {path}: no part `{part}`"))?;
    fs::write(path, page).map_err(error)?;
    println!("updated {path}");
    Ok(())
}

/// Replaces the text between the markers of a part. Returns `None` if the page does not have it.
fn replace(page: &str, part: &str, text: &str) -> Option<String> {
    let begin = format!("<!-- {part} begins -->\n");
    let end = format!("<!-- {part} ends -->\n");
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{}\n\n{end}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
        # Page\n\n<!-- a begins -->\nold\n<!-- a ends -->\nbetween\n\
        <!-- b begins -->\n\nkept\n\n<!-- b ends -->\n";

    #[test]
    fn replaces_one_part() {
        let page = replace(TEXT, "a", "\nnew | text\n").unwrap();
        assert_eq!(page, TEXT.replace("\nold\n", "\n\nnew | text\n\n"));
        assert_eq!(replace(&page, "a", "new | text").unwrap(), page);
    }

    #[test]
    fn rejects_unknown_parts() {
        assert_eq!(replace(TEXT, "c", "new"), None);
        assert_eq!(replace("<!-- a begins -->\n", "a", "new"), None);
    }
}
