//! Formats JSON and tables as text for people.

use comfy_table::{Table, presets};
use serde_json::Value;

/// Formats JSON as text: a single value as it is, otherwise one row per value with its path.
pub(crate) fn of(value: &Value) -> String {
    let mut rows = Vec::new();
    collect(value, String::new(), &mut rows);
    match rows.as_mut_slice() {
        [[path, text]] if path.is_empty() => std::mem::take(text),
        _ => columns(rows),
    }
}

/// Formats rows as aligned columns, without trailing spaces.
pub(crate) fn columns<const N: usize>(rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// Escapes control characters, because the text comes from a camera.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// The recursion depth is bounded by the limit of the JSON parser.
fn collect(value: &Value, path: String, rows: &mut Vec<[String; 2]>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let mut fields: Vec<_> = fields.iter().collect();
            // Numbers come first in numeric order: as text the order is 1, 10, 2.
            fields.sort_by_key(|(key, _)| (key.parse::<u64>().unwrap_or(u64::MAX), *key));
            for (key, value) in fields {
                let key = printable(key);
                let path = match path.as_str() {
                    "" => key,
                    path => format!("{path}.{key}"),
                };
                collect(value, path, rows);
            }
        }
        Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
            for (at, item) in items.iter().enumerate() {
                collect(item, format!("{path}[{at}]"), rows);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let texts: Vec<_> = items.iter().map(scalar).collect();
            rows.push([path, texts.join(", ")]);
        }
        other => rows.push([path, scalar(other)]),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => printable(text),
        Value::Object(_) | Value::Array(_) => "none".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn formats_a_single_value() {
        assert_eq!(of(&json!("auto")), "auto");
        assert_eq!(of(&json!(7)), "7");
        assert_eq!(of(&json!([])), "none");
    }

    #[test]
    fn formats_a_tree_as_rows() {
        let tree = json!({
            "cameraInfo": { "videoParm": { "type": "H264" }, "empty": {} },
            "points": [{ "seconds": 10 }],
            "list": [1, "two", null],
        });
        assert_eq!(
            of(&tree).lines().collect::<Vec<_>>(),
            [
                "cameraInfo.empty           none",
                "cameraInfo.videoParm.type  H264",
                "list                       1, two, -",
                "points[0].seconds          10",
            ]
        );
    }

    #[test]
    fn aligns_columns() {
        let rows = [["a", "bcd", "e"], ["äöü", "", "f"], ["玄関", "h", ""]];
        let rows = rows.map(|row| row.map(str::to_owned));
        let lines = ["a     bcd  e", "äöü        f", "玄関  h"];
        assert_eq!(columns(rows), lines.join("\n"));
    }

    #[test]
    fn sorts_numeric_keys_by_value() {
        let text = of(&json!({ "10": "c", "9": "b", "1": "a" }));
        assert_eq!(text, "1   a\n9   b\n10  c");
    }

    #[test]
    fn escapes_control_characters() {
        assert_eq!(of(&json!("a\u{1b}[2J\nb")), "a\\u{1b}[2J\\nb");
        assert_eq!(of(&json!({ "\r": 1 })), "\\r  1");
    }
}
