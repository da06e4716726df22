//! The option `--dialect`.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use tutk_runtime::tutk_session::Dialect;

/// One dialect, or detection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DialectChoice {
    Auto,
    One(Arc<Dialect>),
}

impl DialectChoice {
    /// Returns the dialects to use, or `None` for detection.
    pub(crate) fn chosen(&self) -> Option<Vec<Arc<Dialect>>> {
        match self {
            Self::Auto => None,
            Self::One(dialect) => Some(vec![Arc::clone(dialect)]),
        }
    }
}

impl fmt::Display for DialectChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::One(dialect) => f.write_str(&dialect.name),
        }
    }
}

impl FromStr for DialectChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        let dialect = Dialect::by_name(text).ok_or_else(|| {
            let known: Vec<_> = Dialect::ALL.iter().map(|dialect| &*dialect.name).collect();
            format!("unknown dialect; use auto, {}", known.join(", "))
        })?;
        Ok(Self::One(dialect.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_dialect_names() {
        assert_eq!("auto".parse(), Ok(DialectChoice::Auto));
        assert_eq!(
            "summary".parse(),
            Ok(DialectChoice::One(Dialect::SUMMARY.into()))
        );
        let error = "klingon".parse::<DialectChoice>().unwrap_err();
        assert!(error.contains("transcode"), "{error}");
    }
}
