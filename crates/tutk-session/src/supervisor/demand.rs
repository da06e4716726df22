//! The demand for a session, and how long one is kept without users.

use core::time::Duration;

use tutk_time::Instant;

use super::config::Keep;

/// The longest time that a session is kept without users: thirty years.
const MAX_LINGER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The users of a supervisor's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demand {
    /// The number of current users.
    pub users: usize,
    /// The number of users so far, including users that left. It counts users that came and left
    /// between two calls of [`handle_demand`](super::Supervisor::handle_demand).
    pub total_users: u64,
}

/// The demand, and the policy that applies to it.
#[derive(Debug)]
pub(super) struct DemandState {
    keep: Keep,
    demand: Demand,
    linger_until: Option<Instant>,
}

impl DemandState {
    pub(super) fn new(keep: Keep) -> Self {
        Self {
            keep,
            demand: Demand::default(),
            linger_until: None,
        }
    }

    /// Takes the new numbers. Returns `true` if there was a new user.
    pub(super) fn update(&mut self, now: Instant, demand: Demand) -> bool {
        let has_new = demand.total_users > self.demand.total_users;
        let left = demand.users < self.demand.users || has_new;
        self.demand = demand;
        if demand.users > 0 {
            self.linger_until = None;
        } else if left && let Keep::OnDemand { linger } = self.keep {
            self.linger_until = Some(now + linger.min(MAX_LINGER));
        }
        has_new
    }

    /// Returns `true` if a session must be started when there is none.
    pub(super) fn starts_session(&self) -> bool {
        self.demand.users > 0 || self.keep == Keep::Always
    }

    /// Returns `true` if a session must be kept.
    pub(super) fn keeps_session(&self, now: Instant) -> bool {
        self.starts_session() || self.linger_until.is_some_and(|until| now < until)
    }

    /// Returns when [`keeps_session`](Self::keeps_session) changes without a call of
    /// [`update`](Self::update).
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.linger_until
    }
}
