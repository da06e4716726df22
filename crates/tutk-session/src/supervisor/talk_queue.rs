//! The users of the audio channel to the camera.

use alloc::collections::VecDeque;

use tutk_time::Instant;

use super::machine::Supervisor;
use super::output::CommandError;

/// The users of a supervisor's audio channel to the camera, for drivers. One user has the channel
/// at a time. `T` is a driver's handle of a user.
#[derive(Debug)]
pub struct TalkQueue<T> {
    /// The first one has the channel. There is a second one only while that is `stopping`.
    users: VecDeque<T>,
    /// The first user has left, and the camera has not confirmed yet.
    stopping: bool,
}

impl<T> Default for TalkQueue<T> {
    fn default() -> Self {
        Self {
            users: VecDeque::new(),
            stopping: false,
        }
    }
}

impl<T> TalkQueue<T> {
    /// Opens the channel for a user, now or after the current one has stopped.
    ///
    /// # Errors
    /// Returns the user with [`CommandError::TalkInUse`] or [`CommandError::NotConnected`].
    pub fn start(
        &mut self,
        supervisor: &mut Supervisor,
        now: Instant,
        user: T,
    ) -> Result<(), (T, CommandError)> {
        if self.users.len() > usize::from(self.stopping) {
            return Err((user, CommandError::TalkInUse));
        }
        if !self.stopping
            && let Err(error) = supervisor.start_talk(now)
        {
            return Err((user, error));
        }
        self.users.push_back(user);
        Ok(())
    }

    /// Returns the user that has the channel, unless it has left.
    #[must_use]
    pub fn current(&self) -> Option<&T> {
        self.users.front().filter(|_| !self.stopping)
    }

    /// The current user has left. Closes the channel.
    pub fn stop(&mut self, supervisor: &mut Supervisor, now: Instant) {
        self.stopping = true;
        supervisor.stop_talk(now);
    }

    /// The channel has ended ([`TalkEvent::Ended`](crate::TalkEvent::Ended)). Opens it for the next
    /// user, if there is one. Returns the user that had it.
    pub fn ended(&mut self, supervisor: &mut Supervisor, now: Instant) -> Option<T> {
        let user = self.users.pop_front();
        self.stopping = false;
        if !self.users.is_empty() && supervisor.start_talk(now).is_err() {
            self.users.clear();
        }
        user
    }

    /// The session has ended. Returns all users.
    pub fn take(&mut self) -> impl Iterator<Item = T> + use<T> {
        core::mem::take(self).users.into_iter()
    }
}
