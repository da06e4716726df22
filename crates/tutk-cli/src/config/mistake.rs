//! An error in the configuration file.

use std::fmt;

/// One error in the file. It never contains a value, because any value may be a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// The camera that it concerns, or `None` if it concerns the whole file.
    pub(crate) camera: Option<String>,
    /// The line, from 1.
    pub(crate) line: usize,
    pub(crate) key: Option<String>,
    /// The error, and what is allowed.
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
