//! What is wrong in the file, and where.

use std::fmt;

/// One thing that must be mended. It never repeats a value: behind any key may stand a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The camera that it is in; `None` if it spoils the file for all.
    pub(crate) camera: Option<String>,
    /// From 1.
    pub(crate) line: usize,
    pub(crate) key: Option<String>,
    /// What is wrong, and what is allowed.
    pub(crate) what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(key) = &self.key {
            write!(f, ", key `{key}`")?;
        }
        write!(f, ": {}", self.what)
    }
}
