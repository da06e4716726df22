//! Values from environment variables: `enr = "${DOOR_ENR}"`.

use std::env::VarError;

use crate::secret_text::SecretText;

/// Looks up variables: [`std::env::var`], except in tests.
pub(crate) type Environment<'a> = &'a dyn Fn(&str) -> Result<String, VarError>;

/// The form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form<'a> {
    /// A literal value.
    Plain,
    /// `${NAME}`.
    Variable(&'a str),
    /// Contains `${` but is not a name in braces.
    Malformed,
}

impl<'a> Form<'a> {
    pub(super) fn of(value: &'a str) -> Self {
        if !value.contains("${") {
            return Self::Plain;
        }
        let name = value
            .strip_prefix("${")
            .and_then(|rest| rest.strip_suffix('}'));
        name.filter(|name| is_name(name))
            .map_or(Self::Malformed, Self::Variable)
    }
}

/// Resolves a value that may name a variable. The error does not contain the value.
pub(super) fn resolve(value: &str, environment: Environment<'_>) -> Result<SecretText, String> {
    match Form::of(value) {
        Form::Plain => Ok(value.to_owned().into()),
        Form::Malformed => Err(
            "a variable must be the whole value, in the form ${NAME}, with letters, digits and `_` in its name"
                .to_owned(),
        ),
        Form::Variable(name) => match environment(name) {
            Ok(value) if value.is_empty() => {
                Err(format!("the environment variable {name} is empty"))
            }
            Ok(value) => Ok(value.into()),
            Err(VarError::NotPresent) => Err(format!("the environment variable {name} is not set")),
            Err(VarError::NotUnicode(_)) => {
                Err(format!("the environment variable {name} is not text"))
            }
        },
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == b'_')
        && bytes.all(|c| c.is_ascii_alphanumeric() || c == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recognizes_variables() {
        for (value, form) in [
            ("aKzdqckqZ8HUHFe5", Form::Plain),
            ("a$b{c}", Form::Plain),
            ("${DOOR_ENR}", Form::Variable("DOOR_ENR")),
            ("${_1}", Form::Variable("_1")),
            ("${}", Form::Malformed),
            ("${1A}", Form::Malformed),
            ("${A B}", Form::Malformed),
            ("${A}${B}", Form::Malformed),
            ("wyze://h?enr=${A}", Form::Malformed),
        ] {
            assert_eq!(Form::of(value), form, "{value}");
        }
    }

    #[test]
    fn errors_name_the_variable() {
        let environment = |name: &str| match name {
            "SET" => Ok("the value".to_owned()),
            "EMPTY" => Ok(String::new()),
            _ => Err(VarError::NotPresent),
        };
        let resolve = |value| resolve(value, &environment);
        assert_eq!(resolve("${SET}").unwrap().reveal(), "the value");
        assert_eq!(resolve("plain").unwrap().reveal(), "plain");
        for (value, word) in [
            ("${UNSET}", "UNSET is not set"),
            ("${EMPTY}", "EMPTY is empty"),
            ("x${SET}", "${NAME}"),
        ] {
            let error = resolve(value).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
