//! Reads tables and values of the file, and collects errors.

use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::Mistake;
use super::variables::{Environment, Form, resolve};
use crate::secret_text::SecretText;
use crate::suggest::nearest;

/// The state of reading one file.
pub(super) struct Reader<'a> {
    text: &'a str,
    environment: Environment<'a>,
    /// The current camera.
    camera: Option<String>,
    pub(super) mistakes: Vec<Mistake>,
    /// The file itself contains secrets.
    pub(super) has_secrets: bool,
}

/// A table of the file.
pub(super) struct Section<'a> {
    pub(super) table: &'a DeTable<'a>,
    /// The start of the table, at which missing keys are reported.
    at: usize,
}

/// A value and its position.
pub(super) type Placed<T> = Spanned<T>;

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str, environment: Environment<'a>) -> Self {
        Self {
            text,
            environment,
            camera: None,
            mistakes: Vec::new(),
            has_secrets: false,
        }
    }

    /// Sets the camera to which the following errors belong.
    pub(super) fn enter(&mut self, camera: Option<&str>) {
        self.camera = camera.map(str::to_owned);
    }

    /// Adds an error at a byte of the text.
    pub(super) fn mistake(&mut self, at: usize, key: Option<&str>, what: impl Into<String>) {
        self.mistakes.push(Mistake {
            camera: self.camera.clone(),
            line: self.line(at),
            key: key.filter(|key| is_plain(key)).map(str::to_owned),
            what: what.into(),
        });
    }

    /// Adds an error of the TOML parser. Its messages do not contain values.
    pub(super) fn not_toml(&mut self, error: &toml::de::Error) {
        let at = error.span().map_or(0, |span| span.start);
        let key = self.key_of_line(at);
        self.mistake(at, key.as_deref(), error.message());
    }

    /// Reports keys that are not in `known`.
    pub(super) fn no_other_keys(&mut self, section: &Section<'_>, known: &[&str]) {
        for key in section.table.keys() {
            let name = key.get_ref().as_ref();
            if known.contains(&name) {
                continue;
            }
            let what = match nearest(name, known.iter().copied()).as_slice() {
                [] => format!("unknown key; the known keys are {}", known.join(", ")),
                near => format!("unknown key; did you mean `{}`?", near.join("` or `")),
            };
            self.mistake(key.span().start, Some(name), what);
        }
    }

    /// Returns a top-level table if present.
    pub(super) fn top(&mut self, whole: &Section<'a>, key: &str) -> Option<Section<'a>> {
        let value = whole.table.get(key)?;
        self.table(value, key)
    }

    /// Returns a nested table.
    pub(super) fn table(
        &mut self,
        value: &'a Spanned<DeValue<'a>>,
        key: &str,
    ) -> Option<Section<'a>> {
        let at = value.span().start;
        match value.get_ref() {
            DeValue::Table(table) => Some(Section { table, at }),
            other => {
                self.mistake(at, Some(key), expected("a table", other));
                None
            }
        }
    }

    /// Reads text that cannot come from the environment.
    pub(super) fn text(&mut self, section: &Section<'a>, key: &str) -> Option<Placed<SecretText>> {
        let text = self.string(section, key)?;
        if Form::of(text.get_ref()) != Form::Plain {
            let what = "only `url`, `enr`, `auth_key`, `parent_enr` and passwords can come from the environment";
            self.mistake(text.span().start, Some(key), what);
            return None;
        }
        Some(Spanned::new(text.span(), text.get_ref().to_string().into()))
    }

    /// Reads text, or the environment variable that it names.
    pub(super) fn secret(
        &mut self,
        section: &Section<'a>,
        key: &str,
    ) -> Option<Placed<SecretText>> {
        let text = self.string(section, key)?;
        let value = *text.get_ref();
        if Form::of(value) == Form::Plain {
            // An address without keys is not a secret.
            let keys = ["enr=", "auth_key="];
            self.has_secrets |= key != "url" || keys.iter().any(|key| value.contains(key));
        }
        match resolve(value, self.environment) {
            Ok(secret) => Some(Spanned::new(text.span(), secret)),
            Err(what) => {
                self.mistake(text.span().start, Some(key), what);
                None
            }
        }
    }

    /// Reads text and parses it. The error names the allowed values.
    pub(super) fn parsed<T, E: Into<String>>(
        &mut self,
        section: &Section<'a>,
        key: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(section, key)?;
        match parse(text.get_ref().reveal()) {
            Ok(value) => Some(value),
            Err(what) => {
                self.mistake(text.span().start, Some(key), what);
                None
            }
        }
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(&mut self, section: &Section<'a>, key: &str) -> Option<bool> {
        let value = section.table.get(key)?;
        let boolean = value.get_ref().as_bool();
        if boolean.is_none() {
            let what = expected("true or false", value.get_ref());
            self.mistake(value.span().start, Some(key), what);
        }
        boolean
    }

    /// Reads a list of texts.
    pub(super) fn texts(&mut self, section: &Section<'a>, key: &str) -> Vec<String> {
        let Some(value) = section.table.get(key) else {
            return Vec::new();
        };
        let texts = value.get_ref().as_array().and_then(|array| {
            let texts = array
                .iter()
                .map(|value| value.get_ref().as_str().map(str::to_owned));
            texts.collect::<Option<Vec<_>>>()
        });
        if texts.is_none() {
            let what = "expected texts in brackets, for example [\"one\", \"two\"]";
            self.mistake(value.span().start, Some(key), what);
        }
        texts.unwrap_or_default()
    }

    /// Reads a whole number.
    pub(super) fn number(
        &mut self,
        section: &Section<'a>,
        key: &str,
        allowed: RangeInclusive<u16>,
    ) -> Option<u16> {
        let value = section.table.get(key)?;
        let number = value
            .get_ref()
            .as_integer()
            .and_then(|number| u16::from_str_radix(number.as_str(), number.radix()).ok());
        let number = number.filter(|number| allowed.contains(number));
        if number.is_none() {
            let (least, most) = (allowed.start(), allowed.end());
            let what = format!("expected a number from {least} to {most}");
            self.mistake(value.span().start, Some(key), what);
        }
        number
    }

    fn string(&mut self, section: &Section<'a>, key: &str) -> Option<Placed<&'a str>> {
        let value = section.table.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some(Spanned::new(value.span(), text.as_ref())),
            other => {
                let what = expected("text in quotes", other);
                self.mistake(value.span().start, Some(key), what);
                None
            }
        }
    }

    fn line(&self, at: usize) -> usize {
        line_of(self.text, at)
    }

    /// Returns the key of the line that contains a byte.
    fn key_of_line(&self, at: usize) -> Option<String> {
        let line = self.text.lines().nth(self.line(at) - 1)?;
        let (key, _) = line.split_once('=')?;
        Some(key.trim().to_owned())
    }
}

impl<'a> Section<'a> {
    /// Returns the whole file as a section.
    pub(super) fn whole(table: &'a DeTable<'a>) -> Self {
        Self { table, at: 0 }
    }

    /// Returns the position of a key, whatever its value.
    pub(super) fn place(&self, key: &str) -> Option<usize> {
        let (key, _) = self.table.get_key_value(key)?;
        Some(key.span().start)
    }

    /// Returns the start of the section.
    pub(super) fn start(&self) -> usize {
        self.at
    }
}

/// Returns the line number of a byte, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count()
}

fn expected(what: &str, got: &DeValue<'_>) -> String {
    format!("expected {what}, got {}", got.type_str())
}

/// Returns `true` if a key can be shown. A malformed key may be a misplaced secret.
fn is_plain(key: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    key.chars().all(plain)
}
