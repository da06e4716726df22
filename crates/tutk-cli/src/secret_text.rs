//! Text that holds a secret.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

/// The environment variable that may hold the ENR.
pub(crate) const ENR_VARIABLE: &str = "TUTK_ENR";

/// Text that holds a secret. It is redacted in `Debug` and zeroed on drop.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl FromStr for SecretText {
    type Err = Infallible;

    // Never returns an error, because clap would print the value in it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::from(text.to_owned()))
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_redacts_the_secret() {
        let secret: SecretText = "aKzdqckqZ8HUHFe5".parse().unwrap();
        assert!(!format!("{secret:?}").contains("aKz"));
    }
}
