//! The answers of a captured camera.

use alloc::vec::Vec;
use core::time::Duration;

/// The answer of a captured camera to a command: see
/// [`SimulatorConfig::answers`](crate::SimulatorConfig::answers).
///
/// ```
/// use core::time::Duration;
/// use tutk_simulator::{RecordedAnswer, SimulatorConfig};
///
/// // K10030 (status light) is answered with 1, after 40 ms.
/// fn answer_as_captured(config: &mut SimulatorConfig) {
///     let answer = RecordedAnswer { payload: Some(vec![1]), delay: Duration::from_millis(40) };
///     config.answers.insert(10030, answer);
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecordedAnswer {
    /// The payload of the answer; `None` for a command that is not answered. Ignored for K10000 to
    /// K10008, whose answers depend on the client.
    pub payload: Option<Vec<u8>>,
    /// The time from the command to its answer.
    pub delay: Duration,
}
