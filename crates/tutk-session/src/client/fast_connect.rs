//! Packets before their turn (docs/protocol.md, section "Fast connect").

use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;

use tutk_time::Instant;

use super::config::ClientConfig;
use crate::dialect::Dialect;

/// How long the client waits for an answer after the early session request. Then it continues with
/// another session id, because the camera may ignore this one.
const SESSION_TIMEOUT: Duration = Duration::from_secs(1);

/// Where a camera was found, and in which dialect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownCamera {
    /// The source address of its discovery answer.
    pub address: SocketAddr,
    /// Its dialect.
    pub dialect: Arc<Dialect>,
}

/// The use of early packets in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EarlyPackets {
    /// None were sent.
    Unused,
    /// The current session began with early packets.
    Used,
    /// A session that began with early packets failed. Another one followed without them.
    Failed,
}

/// The early packets of a client.
#[derive(Debug)]
pub(super) struct FastConnect {
    is_on: bool,
    /// The destination of the early session request, until it is sent.
    target: Option<KnownCamera>,
    /// The dialect of the early session request.
    requested: Option<Arc<Dialect>>,
    /// The source of its answer, until discovery is answered, too.
    granted_by: Option<SocketAddr>,
    login_sent: bool,
    failed: bool,
}

impl FastConnect {
    pub(super) fn new(config: &ClientConfig) -> Self {
        Self {
            is_on: config.fast_connect,
            target: session_target(config).filter(|_| config.fast_connect),
            requested: None,
            granted_by: None,
            login_sent: false,
            failed: false,
        }
    }

    /// Returns `true` if the login may be sent before the camera's Finished.
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Returns once where to send the early session request.
    pub(super) fn take_session_target(&mut self) -> Option<KnownCamera> {
        let target = self.target.take()?;
        self.requested = Some(Arc::clone(&target.dialect));
        Some(target)
    }

    /// The camera has answered a session request before discovery. Returns `false` if there was no
    /// request in this dialect.
    pub(super) fn grant(&mut self, dialect: &Dialect, from: SocketAddr) -> bool {
        let is_requested = self.requested.as_deref() == Some(dialect);
        self.granted_by = is_requested.then_some(from);
        is_requested
    }

    /// Returns the source of the answer to the early session request, if there was one in this
    /// dialect.
    pub(super) fn take_grant(&mut self, dialect: &Dialect) -> Option<SocketAddr> {
        let from = self.granted_by.take();
        from.filter(|_| self.requested.as_deref() == Some(dialect))
    }

    /// Returns `true` if discovery or session have waited too long since an early session request.
    pub(super) fn session_is_overdue(&self, now: Instant, waiting_since: Instant) -> bool {
        self.requested.is_some() && waiting_since + SESSION_TIMEOUT <= now
    }

    /// The camera did not answer discovery. It is probably absent.
    pub(super) fn forget_session_request(&mut self) {
        self.requested = None;
        self.granted_by = None;
    }

    pub(super) fn login_sent(&mut self) {
        self.login_sent = true;
    }

    /// Returns `true` if the login of the current handshake was sent early.
    pub(super) fn has_sent_login(&self) -> bool {
        self.login_sent
    }

    /// The session failed. The next one has no early packets.
    pub(super) fn session_failed(&mut self) {
        if self.early_packets() == EarlyPackets::Used {
            tracing::debug!("a session with early packets failed: continuing without them");
            self.failed = true;
        }
        self.is_on = false;
        self.target = None;
        self.forget_session_request();
        self.login_sent = false;
    }

    pub(super) fn early_packets(&self) -> EarlyPackets {
        if self.requested.is_some() || self.login_sent {
            EarlyPackets::Used
        } else if self.failed {
            EarlyPackets::Failed
        } else {
            EarlyPackets::Unused
        }
    }
}

/// Returns where the session can be requested beside discovery: if dialect and address of the
/// camera are known, and the client draws the session id.
fn session_target(config: &ClientConfig) -> Option<KnownCamera> {
    let target = match (&config.known_camera, &*config.dialects) {
        (Some(known), _) => known.clone(),
        (None, [dialect]) => KnownCamera {
            address: config.camera,
            dialect: Arc::clone(dialect),
        },
        (None, _) => return None,
    };
    let is_at_camera = target.address.ip().to_canonical() == config.camera.ip().to_canonical();
    let is_usable = !config.broadcast
        && is_at_camera
        && config.dialects.contains(&target.dialect)
        && !target.dialect.has_tickets();
    is_usable.then_some(target)
}
