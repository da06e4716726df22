//! The option `--personality`.

use std::ffi::OsStr;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};
use tutk_runtime::tutk_simulator::{NamedPersonality, PERSONALITIES};

/// The name that prints all names.
const LIST: &str = "list";

/// Parses the name of a personality.
#[derive(Clone)]
pub(crate) struct PersonalityParser;

impl TypedValueParser for PersonalityParser {
    type Value = &'static NamedPersonality;

    /// `list` is a request for help, so that it needs no other options. The text is in the error's
    /// context, because clap would print it as an error.
    fn parse_ref(
        &self,
        command: &Command,
        option: Option<&Arg>,
        value: &OsStr,
    ) -> Result<Self::Value, Error> {
        if value == LIST {
            let mut help = Error::new(ErrorKind::DisplayHelp);
            help.insert(ContextKind::Custom, ContextValue::String(list()));
            return Err(help);
        }
        let names = PERSONALITIES.iter().map(|named| named.name);
        PossibleValuesParser::new(names.chain([LIST]))
            .try_map(|name| {
                let found = PERSONALITIES.iter().find(|named| named.name == name);
                found.ok_or("not a personality")
            })
            .parse_ref(command, option, value)
    }
}

fn list() -> String {
    let width = PERSONALITIES.iter().map(|named| named.name.len()).max();
    let width = width.unwrap_or(0);
    let lines = PERSONALITIES.iter();
    lines
        .map(|named| format!("{:width$}  {}", named.name, named.description))
        .collect::<Vec<_>>()
        .join("\n")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Args;

    fn parse(name: &str) -> Error {
        match Args::try_parse_from(["tutk", "simulate", "--personality", name]) {
            Err(error) => error,
            Ok(_) => panic!("accepted"),
        }
    }

    #[test]
    fn list_needs_no_other_options() {
        let error = parse("list");
        assert!(!error.use_stderr());
        let Some(ContextValue::String(text)) = error.get(ContextKind::Custom) else {
            panic!("no text");
        };
        for named in PERSONALITIES {
            assert!(text.contains(named.name), "{text}");
        }
    }

    #[test]
    fn unknown_name_lists_the_known_ones() {
        let text = parse("strickt").to_string();
        assert!(text.contains("strict") && text.contains("list"), "{text}");
    }
}
