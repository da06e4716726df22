//! The answers of a captured camera.

use std::time::Duration;

/// The answer of a captured camera to a command: see
/// [`SimulatorConfig::answers`](crate::SimulatorConfig::answers).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordedAnswer {
    /// The payload of the answer; `None` for a command that is not answered. Ignored for K10000 to
    /// K10008, whose answers depend on the client.
    pub payload: Option<Vec<u8>>,
    /// The time from the command to its answer.
    pub delay: Duration,
}
