//! Parses values from text.

use alloc::string::{String, ToString as _};

use super::{Payload, Scalar, ToJson};
use crate::Error;
use crate::schema::{OMITTED, Values};

/// The length of a text excerpt in errors, in characters.
const MAX_EXCERPT: usize = 32;

/// A payload that can be parsed from text, one text per value.
pub(crate) trait FromText: Payload + ToJson {
    const VALUES: Values;

    /// Parses the texts. Errors name the control.
    fn from_texts(control: &'static str, texts: &[&str]) -> Result<Self, Error>;
}

impl<T: Scalar> FromText for T {
    const VALUES: Values = Values::One(T::KIND);

    fn from_texts(control: &'static str, texts: &[&str]) -> Result<Self, Error> {
        match texts {
            [text] => scalar(control, "value", text),
            _ => Err(count(control, &Self::VALUES, texts.len())),
        }
    }
}

/// Parses texts one after the other.
pub(crate) struct Arguments<'a> {
    control: &'static str,
    texts: core::slice::Iter<'a, &'a str>,
}

impl<'a> Arguments<'a> {
    /// Checks the number of texts.
    pub(crate) fn new(
        control: &'static str,
        values: Values,
        texts: &'a [&'a str],
    ) -> Result<Self, Error> {
        let fields = values.fields();
        let least = fields.iter().filter(|field| !field.optional).count();
        if !(least..=fields.len()).contains(&texts.len()) {
            return Err(count(control, &values, texts.len()));
        }
        Ok(Self {
            control,
            texts: texts.iter(),
        })
    }

    /// Parses the next value, whose field has this name.
    pub(crate) fn value<T: Scalar>(&mut self, name: &'static str) -> Result<T, Error> {
        let text = self.texts.next().copied().unwrap_or(OMITTED);
        match T::from_number(0) {
            Some(omitted) if T::OPTIONAL && text == OMITTED => Ok(omitted),
            _ => scalar(self.control, name, text),
        }
    }
}

/// Parses one value.
pub(crate) fn scalar<T: Scalar>(
    control: &'static str,
    field: &'static str,
    text: &str,
) -> Result<T, Error> {
    T::KIND
        .parse(text)
        .and_then(T::from_number)
        .ok_or_else(|| argument(control, field, T::KIND.to_string(), text))
}

/// Returns the error for a text that is not allowed.
pub(crate) fn argument(
    control: &'static str,
    field: &'static str,
    allowed: String,
    text: &str,
) -> Error {
    Error::Argument {
        control,
        field,
        allowed,
        got: text.chars().take(MAX_EXCERPT).collect(),
    }
}

/// Returns the error for a wrong number of texts.
fn count(control: &'static str, values: &Values, got: usize) -> Error {
    Error::ArgumentCount {
        control,
        allowed: values.to_string(),
        got,
    }
}
