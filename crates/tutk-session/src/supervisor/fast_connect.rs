//! Which sessions of a supervisor use early packets.

use crate::client::EarlyPackets;

/// The use of early packets, as the earlier sessions suggest.
///
/// ```text
///       failed, used               succeeded, unused
///  Use ──────────────► AvoidOnce ────────────────────► Avoid
///   ▲                      │
///   └─── failed, unused ───┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum FastConnect {
    #[default]
    Use,
    /// The last attempt failed with early packets. The next one shows if they are the reason.
    AvoidOnce,
    /// An attempt succeeded without early packets after one with them had failed.
    Avoid,
}

impl FastConnect {
    pub(super) fn is_on(self) -> bool {
        self == Self::Use
    }

    /// The camera has authenticated a client.
    pub(super) fn succeeded(&mut self, early: EarlyPackets) {
        let avoids = match early {
            EarlyPackets::Used => false,
            EarlyPackets::Failed => true,
            EarlyPackets::Unused => *self == Self::AvoidOnce,
        };
        if avoids && *self != Self::Avoid {
            tracing::info!("the camera does not accept early packets: connecting without them");
            *self = Self::Avoid;
        }
    }

    /// An attempt to connect failed.
    pub(super) fn failed(&mut self, early: EarlyPackets) {
        *self = match (*self, early) {
            (Self::Avoid, _) => Self::Avoid,
            (_, EarlyPackets::Used) => Self::AvoidOnce,
            _ => Self::Use,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::EarlyPackets::{Failed, Unused, Used};
    use super::*;

    #[test]
    fn failure_with_early_packets_is_tried_once_without_them() {
        let mut fast = FastConnect::default();
        assert!(fast.is_on());
        fast.failed(Unused);
        assert!(fast.is_on(), "an absent camera");
        fast.failed(Used);
        assert!(!fast.is_on());
        fast.failed(Unused);
        assert!(fast.is_on(), "it failed without them, too");
        fast.failed(Used);
        fast.succeeded(Unused);
        assert!(!fast.is_on());
        fast.failed(Unused);
        fast.succeeded(Unused);
        assert!(!fast.is_on(), "for all later sessions");
    }

    #[test]
    fn only_success_after_a_failure_with_early_packets_avoids_them() {
        let mut fast = FastConnect::default();
        for early in [Used, Unused] {
            fast.succeeded(early);
            assert!(fast.is_on(), "{early:?}");
        }
        fast.failed(Failed);
        assert!(fast.is_on(), "failed with and without them");
        fast.succeeded(Failed);
        assert!(!fast.is_on());
    }
}
