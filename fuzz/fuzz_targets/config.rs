//! `cameras.toml` as arbitrary text, and as tables with existing keys and arbitrary values.
//!
//! - Each error has a line of the text, and names its key or an existing key. Keys that need quotes
//!   are not shown, because they may be misplaced secrets.
//! - No error contains a value that may be a secret.
//! - The accounts and recordings of a file without errors can be used.
#![no_main]

// The program has no library. These are the modules that read the file.
#[allow(
    dead_code,
    unexpected_cfgs,
    unused_imports,
    reason = "a part of tutk-cli"
)]
#[path = "../../crates/tutk-cli/src/config/mod.rs"]
mod config;
#[allow(dead_code, reason = "a part of tutk-cli")]
#[path = "../../crates/tutk-cli/src/dialect_choice.rs"]
mod dialect_choice;
#[allow(dead_code, unexpected_cfgs, reason = "a part of tutk-cli")]
#[path = "../../crates/tutk-cli/src/failure.rs"]
mod failure;
#[allow(dead_code, reason = "a part of tutk-cli")]
#[path = "../../crates/tutk-cli/src/listen.rs"]
mod listen;
#[path = "../../crates/tutk-cli/src/local_ports.rs"]
mod local_ports;
#[allow(dead_code, reason = "a part of tutk-cli")]
#[path = "../../crates/tutk-cli/src/models.rs"]
mod models;
#[allow(dead_code, reason = "a part of tutk-cli")]
#[path = "../../crates/tutk-cli/src/private_file.rs"]
mod private_file;
#[allow(dead_code, reason = "a part of tutk-cli")]
#[path = "../../crates/tutk-cli/src/resend_choice.rs"]
mod resend_choice;
#[path = "../../crates/tutk-cli/src/secret_text.rs"]
mod secret_text;
#[path = "../../crates/tutk-cli/src/suggest.rs"]
mod suggest;
#[allow(dead_code, reason = "a part of tutk-cli")]
#[path = "../../crates/tutk-cli/src/value_parsers.rs"]
mod value_parsers;

/// The constant of `capture` that `config` reads.
mod capture {
    pub(crate) const DEFAULT_SIZE: bytesize::ByteSize = bytesize::ByteSize::mib(64);
}

use std::env::VarError;
use std::fmt::Write as _;

use arbitrary::{Arbitrary, Unstructured};
use config::Contents;
use libfuzzer_sys::fuzz_target;

/// A part of every value that may be a secret. No error contains it.
const SECRET: &str = "Zq7Xw9Kv";

/// The keys of all tables.
const KEYS: &[&str] = &[
    "url",
    "host",
    "port",
    "uid",
    "enr",
    "mac",
    "auth_key",
    "parent_enr",
    "parent_mac",
    "model",
    "subtype",
    "user_id",
    "local_ports",
    "search",
    "fast_connect",
    "connect",
    "linger",
    "sound",
    "record",
    "dialect",
    "resend",
    "set_clock",
    "capture",
    "capture_size",
    "rtsp",
    "rtsp_udp",
    "rtsps",
    "http",
    "https",
    "cert",
    "key",
    "allow_plain_auth",
    "http_names",
    "trusted_proxies",
    "max_rtsp_viewers",
    "max_http_viewers",
    "no_auth",
    "path",
    "segment",
    "keep",
    "max_size",
    "access",
    "password",
    "role",
    "cameras",
    "anna",
    "ben",
    "users",
    "serve",
    "front",
    "eNr",
    "hosts",
    "x",
];

/// Values that some key accepts.
const VALID: [&str; 30] = [
    "\"192.0.2.7\"",
    "\"HSBJYB5HSETGCDWD111A\"",
    "\"aKzdqckqZ8HUHFe5\"",
    "\"AA:BB:CC:DD:EE:FF\"",
    "\"wyze://192.0.2.7?uid=HSBJYB5HSETGCDWD111A&enr=aKzdqckqZ8HUHFe5&mac=AABBCCDDEEFF\"",
    "\"HL_CAM4\"",
    "\"hd\"",
    "\"40000-40019\"",
    "\"always\"",
    "\"on-demand\"",
    "\"90s\"",
    "\"1h30m\"",
    "\"transcode\"",
    "\"auto\"",
    "\"off\"",
    "\"a.pcapng\"",
    "\"20G\"",
    "\":8554\"",
    "\"127.0.0.1:8080\"",
    "[\"cameras.home.arpa\"]",
    "[\"127.0.0.1\", \"10.0.0.0/8\"]",
    "[\"front\"]",
    "\"/recordings/{camera}/%Y-%m-%d/%H-%M-%S.mp4\"",
    "\"owner\"",
    "\"view\"",
    "\"secret\"",
    "\"$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA\"",
    "true",
    "8554",
    "{ password = \"x\", role = \"view\", cameras = [\"front\"] }",
];

#[derive(Debug, Arbitrary)]
enum Input<'a> {
    Text(&'a str),
    Tables { enr: bool, tables: Vec<Table<'a>> },
}

#[derive(Debug, Arbitrary)]
struct Table<'a> {
    header: Header<'a>,
    entries: Vec<(Key<'a>, Value<'a>)>,
}

#[derive(Debug, Arbitrary)]
enum Header<'a> {
    Camera(Name<'a>),
    User(Name<'a>),
    Serve,
    Users,
    Record,
    Other(&'a str),
}

#[derive(Debug, Arbitrary)]
enum Name<'a> {
    Front,
    Back,
    Other(&'a str),
}

#[derive(Debug, Arbitrary)]
enum Key<'a> {
    Known(u8),
    Other(&'a str),
}

#[derive(Debug, Arbitrary)]
enum Value<'a> {
    Valid(u8),
    /// A valid value with a secret in it.
    Changed(u8, u8),
    Text(&'a str),
    /// A `wyze://` address with these parts.
    Url(&'a str, Vec<(Key<'a>, &'a str)>),
    Unterminated(&'a str),
    Variable(u8),
    Number(i64),
    Boolean(bool),
    Texts(Vec<&'a str>),
    Raw(&'a str),
}

fuzz_target!(|data: &[u8]| {
    // libFuzzer learns the secret from comparisons, and would use it as a key.
    let knows_secret = data
        .windows(SECRET.len())
        .any(|part| part == SECRET.as_bytes());
    let input = Input::arbitrary_take_rest(Unstructured::new(data));
    let (Ok(input), false) = (input, knows_secret) else {
        return;
    };
    let environment = |name: &str| match name {
        "SET" => Ok(format!("text {SECRET}")),
        "EMPTY" => Ok(String::new()),
        _ => Err(VarError::NotPresent),
    };
    let (text, enr) = match &input {
        Input::Text(text) => ((*text).to_owned(), None),
        Input::Tables { enr, tables } => {
            let mut text = String::new();
            for table in tables {
                table.write(&mut text);
            }
            (text, enr.then_some("Zq7Xw9KvZq7Xw9Kv"))
        }
    };
    let contents = Contents::read(&text, enr, &environment);
    let is_toml = toml::de::DeTable::parse(&text).is_ok();
    for mistake in &contents.mistakes {
        let shown = mistake.to_string();
        assert!(!shown.contains(SECRET), "{shown}");
        assert!(!shown.contains('\n'), "{shown}");
        let lines = text.bytes().filter(|&byte| byte == b'\n').count() + 1;
        assert!((1..=lines).contains(&mistake.line), "{shown}");
        let names_key = mistake.key.is_some() || mistake.what.contains(['`', '[']);
        let lists_keys = mistake.what.contains("known keys");
        let needs_key = is_toml && has_plain_key(&text, mistake.line);
        assert!(names_key || lists_keys || !needs_key, "{shown}");
    }
    assert!(is_toml || !contents.mistakes.is_empty());
    if contents.mistakes.is_empty() {
        assert!(contents.users.accounts().is_ok());
        for camera in &contents.cameras {
            let target = contents
                .record
                .as_ref()
                .map(|record| record.target(&camera.name));
            assert!(
                target.is_none_or(|target| target.is_ok()),
                "{}",
                camera.name
            );
        }
    }
});

/// Returns `true` if a line begins with a key that needs no quotes.
fn has_plain_key(text: &str, line: usize) -> bool {
    let line = text.split('\n').nth(line - 1).unwrap_or_default();
    let key = line.split_once('=').map(|(key, _)| key.trim());
    key.is_some_and(|key| !key.contains('"'))
}

impl Table<'_> {
    fn write(&self, out: &mut String) {
        match &self.header {
            Header::Camera(name) => *out += &format!("[cameras.{}]\n", name.quoted()),
            Header::User(name) => *out += &format!("[users.{}]\n", name.quoted()),
            Header::Serve => *out += "[serve]\n",
            Header::Users => *out += "[users]\n",
            Header::Record => *out += "[record]\n",
            Header::Other(text) => *out += &format!("{text}\n"),
        }
        for (key, value) in &self.entries {
            let key = key.text();
            // Paths appear in errors and are no secrets.
            let secret = if key == "path" { "" } else { SECRET };
            let _ = write!(out, "{key} = ");
            value.write(secret, out);
            out.push('\n');
        }
    }
}

impl Name<'_> {
    fn quoted(&self) -> String {
        quoted(match self {
            Self::Front => "front",
            Self::Back => "back",
            Self::Other(name) => name,
        })
    }
}

impl Key<'_> {
    fn text(&self) -> String {
        match self {
            Self::Known(index) => KEYS[usize::from(*index) % KEYS.len()].to_owned(),
            Self::Other(text) => quoted(text),
        }
    }
}

impl Value<'_> {
    fn write(&self, secret: &str, out: &mut String) {
        match self {
            Self::Valid(index) => *out += VALID[usize::from(*index) % VALID.len()],
            Self::Changed(index, at) => {
                let valid = VALID[usize::from(*index) % VALID.len()];
                // The texts of lists and tables are names.
                let at = if valid.starts_with('"') {
                    1 + usize::from(*at) % (valid.len() - 1)
                } else {
                    0
                };
                let (before, after) = valid.split_at(at);
                let secret = if at == 0 { "" } else { secret };
                let _ = write!(out, "{before}{secret}{after}");
            }
            Self::Text(text) => *out += &quoted(&format!("{text}{secret}")),
            Self::Url(host, parts) => {
                let mut url = format!("wyze://{host}?");
                for (key, value) in parts {
                    let key = key.text();
                    let _ = write!(url, "{}={value}{secret}&", key.trim_matches('"'));
                }
                *out += &quoted(&url);
            }
            Self::Unterminated(text) => {
                let quoted = quoted(&format!("{text}{secret}"));
                *out += quoted.strip_suffix('"').unwrap_or(&quoted);
            }
            Self::Variable(which) => {
                let variables = ["${SET}", "${EMPTY}", "${UNSET}", "x${SET}", "${SET", "${}"];
                *out += &quoted(variables[usize::from(*which) % variables.len()]);
            }
            Self::Number(number) => *out += &number.to_string(),
            Self::Boolean(boolean) => *out += &boolean.to_string(),
            Self::Texts(texts) => {
                let texts: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
                let _ = write!(out, "[{}]", texts.join(", "));
            }
            Self::Raw(text) => *out += text,
        }
    }
}

/// Returns a TOML basic string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
