//! The configuration of a supervisor.

use alloc::vec::Vec;
use core::time::Duration;

use hl_ioctl::Request;

use super::policy::ReconnectPolicy;
use crate::client::ClientConfig;

/// The configuration of a [`Supervisor`](super::Supervisor). Made by [`SupervisorConfig::new`] or
/// from a [`ClientConfig`]; the fields may be changed after.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SupervisorConfig {
    /// The camera, and the configuration of each session.
    pub client: ClientConfig,
    /// When a session that failed is followed by another.
    pub policy: ReconnectPolicy,
    /// When there is a session; always by default.
    pub keep: Keep,
    /// The commands to send after each authentication.
    pub initial_commands: Vec<Request>,
}

/// When there is a session with the camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Always.
    Always,
    /// While there are users, and for some time after the last one has left.
    OnDemand {
        /// How long the session is kept without users; [`LINGER`] by default.
        linger: Duration,
    },
}

/// How long a session is kept without users by default.
pub const LINGER: Duration = Duration::from_secs(10);

impl Default for Keep {
    fn default() -> Self {
        Self::OnDemand { linger: LINGER }
    }
}

impl SupervisorConfig {
    /// A supervisor that always keeps a session, as `policy` allows.
    #[must_use]
    pub fn new(client: ClientConfig, policy: ReconnectPolicy) -> Self {
        Self {
            client,
            policy,
            keep: Keep::Always,
            initial_commands: Vec::new(),
        }
    }
}

/// A single session: the supervisor ends with it.
impl From<ClientConfig> for SupervisorConfig {
    fn from(client: ClientConfig) -> Self {
        Self::new(client, ReconnectPolicy::never())
    }
}
