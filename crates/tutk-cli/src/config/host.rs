//! Writes a camera's new host into the file. Changes this one value and keeps all other bytes.

use toml::de::DeTable;
use zeroize::Zeroizing;

use super::reader::line_of;
use super::variables::Form;

/// Returns the text with another host for a camera.
///
/// # Errors
/// Says why the text cannot be changed.
pub(super) fn with_host(text: &str, name: &str, host: &str) -> Result<Zeroizing<String>, String> {
    let document = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        format!("line {}: {}", line_of(text, at), error.message())
    })?;
    let cameras = document.get_ref().get("cameras");
    let camera = cameras.and_then(|cameras| cameras.get_ref().as_table()?.get(name));
    let camera = camera.and_then(|camera| camera.get_ref().as_table());
    let camera = camera.ok_or_else(|| format!("there is no camera {name:?}"))?;
    let value = |key| {
        let value = camera.get(key)?;
        Some((value.get_ref().as_str()?, value.span()))
    };
    let mut text = Zeroizing::new(text.to_owned());
    if let Some((url, span)) = value("url") {
        if Form::of(url) != Form::Plain {
            return Err("`url` is in an environment variable: change it there".to_owned());
        }
        let url = url_with_host(url, host).ok_or("`url` is not a wyze:// address")?;
        text.replace_range(span, &quoted(&url));
    } else if let Some((_, span)) = value("host") {
        text.replace_range(span, &quoted(host));
    } else {
        let first = camera.keys().map(|key| key.span().start).min();
        let first = first.ok_or("the camera has no keys")?;
        let before = text.get(..first).unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |end| end + 1);
        let indent = before.get(line..).unwrap_or_default().to_owned();
        let lines_before = before.get(..line).unwrap_or_default();
        let end = match lines_before.ends_with("\r\n") {
            true => "\r\n",
            false => "\n",
        };
        let host = quoted(host);
        // In a table in braces, the key is not the first of its line.
        let (at, new) = match indent.trim().is_empty() {
            true => (line, format!("{indent}host = {}{end}", *host)),
            false => (first, format!("host = {}, ", *host)),
        };
        text.insert_str(at, &new);
    }
    Ok(text)
}

/// Replaces the host of a `wyze://` address, and keeps the port.
fn url_with_host(url: &str, host: &str) -> Option<Zeroizing<String>> {
    let start = url.find("wyze://")? + "wyze://".len();
    let rest = url.get(start..)?;
    let end = rest.find(['?', '/', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end)?;
    let old = match authority.strip_prefix('[') {
        Some(address) => address.find(']')? + 2,
        None => authority.find(':').unwrap_or(end),
    };
    let host = match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    };
    let mut url = Zeroizing::new(url.to_owned());
    url.replace_range(start..start + old, &host);
    Some(url)
}

/// Formats a TOML basic string.
pub(super) fn quoted(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(text.len() + 2));
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => *out += &format!("\\u{:04X}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str) -> Result<String, String> {
        with_host(text, "door", "192.0.2.9").map(|text| text.to_string())
    }

    #[test]
    fn replaces_one_value_and_keeps_every_other_byte() {
        for (before, after) in [
            (
                "\u{feff}# mine\r\n[cameras.door]  # the door\r\nhost = '192.0.2.7'  # old\r\nuid = \"x\"\r\n",
                "\u{feff}# mine\r\n[cameras.door]  # the door\r\nhost = \"192.0.2.9\"  # old\r\nuid = \"x\"\r\n",
            ),
            (
                "[cameras.door]\nurl = \"wyze://192.0.2.7:99?uid=x\" # old\n[cameras.b]\nhost = \"h\"\n",
                "[cameras.door]\nurl = \"wyze://192.0.2.9:99?uid=x\" # old\n[cameras.b]\nhost = \"h\"\n",
            ),
            (
                "[cameras.door]\nurl = \"wyze://[2001:db8::1]:99/?uid=x\"\n",
                "[cameras.door]\nurl = \"wyze://192.0.2.9:99/?uid=x\"\n",
            ),
            (
                "[cameras.door]\nurl = \"wyze://?uid=x\"\n",
                "[cameras.door]\nurl = \"wyze://192.0.2.9?uid=x\"\n",
            ),
            // Without a host.
            (
                "[cameras.door]\r\n# its keys\r\n  uid = \"x\"\r\n  mac = \"y\"\r\n",
                "[cameras.door]\r\n# its keys\r\n  host = \"192.0.2.9\"\r\n  uid = \"x\"\r\n  mac = \"y\"\r\n",
            ),
            (
                "cameras.door = { uid = \"x\", mac = \"y\" }",
                "cameras.door = { host = \"192.0.2.9\", uid = \"x\", mac = \"y\" }",
            ),
        ] {
            assert_eq!(changed(before).as_deref(), Ok(after));
        }
    }

    #[test]
    fn says_why_a_file_cannot_be_changed() {
        for (text, expected) in [
            ("[cameras.a]\nhost = \"h\"", "no camera \"door\""),
            ("[cameras.door]\nurl = \"${URL}\"", "environment variable"),
            (
                "[cameras.door]\nurl = \"rtsp://h\"",
                "not a wyze:// address",
            ),
            ("[cameras.door]\n", "no keys"),
            ("\nx", "line 2"),
        ] {
            let error = changed(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
