//! The configuration of a supervisor.

use alloc::vec::Vec;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
use core::net::{Ipv4Addr, SocketAddr};
use core::time::Duration;

use hl_ioctl::Request;

use super::policy::ReconnectPolicy;
use crate::client::ClientConfig;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
use crate::url::CameraUrl;

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

    /// As [`new`](Self::new), for the camera of a URL.
    ///
    /// Its host is the host of the policy, which is resolved before each attempt. Without a host,
    /// the camera is searched for by its UID. The picture quality of the URL is requested after
    /// each authentication.
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    #[must_use]
    pub fn for_url(url: CameraUrl, mut policy: ReconnectPolicy) -> Self {
        policy.host.clone_from(&url.host);
        let quality = url.subtype;
        let quality = quality.map(|subtype| subtype.request(url.model.as_deref()));
        let address = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), url.port);
        let mut config = Self::new(ClientConfig::for_url(address, url), policy);
        config.initial_commands.extend(quality);
        config
    }
}

/// A single session: the supervisor ends with it.
impl From<ClientConfig> for SupervisorConfig {
    fn from(client: ClientConfig) -> Self {
        Self::new(client, ReconnectPolicy::never())
    }
}

/// A single session with the camera of [`for_url`](SupervisorConfig::for_url).
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
impl From<CameraUrl> for SupervisorConfig {
    fn from(url: CameraUrl) -> Self {
        Self::for_url(url, ReconnectPolicy::never())
    }
}
