//! The generated parts of docs/benchmarks.md.

use std::fs;

const PAGE: &str = "docs/benchmarks.md";

/// Replaces one part of the page and keeps the others.
pub(crate) fn write(part: &str, text: &str) -> Result<(), String> {
    let error = |error| format!("cannot update {PAGE}: {error}");
    let page = fs::read_to_string(PAGE).map_err(error)?;
    let page = replace(&page, part, text)
        .ok_or_else(|| format!("cannot update {PAGE}: no part `{part}`"))?;
    fs::write(PAGE, page).map_err(error)?;
    println!("updated {PAGE}");
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
