//! The option `--resend`.

use clap::ValueEnum;
use tutk_runtime::tutk_session::ResendPolicy;

/// When to request retransmission of lost packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ResendChoice {
    /// If the model is known to support it
    Auto,
    /// Always
    On,
    /// Never
    Off,
}

impl ResendChoice {
    pub(crate) fn policy(self) -> ResendPolicy {
        match self {
            Self::Auto => ResendPolicy::Auto,
            Self::On => ResendPolicy::On,
            Self::Off => ResendPolicy::Off,
        }
    }
}
