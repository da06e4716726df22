//! The events of `/api/events`.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::response::sse::Event;
use serde::Serialize;
use tokio::sync::broadcast;

use super::camera_state::millis;
use crate::accounts::User;

/// The number of events that are kept for clients that reconnect, and that may be queued for a slow
/// client. A client that misses more gets the state of all cameras.
pub const KEPT_EVENTS: usize = 256;

/// The newest events, and the channel for new ones.
#[derive(Debug)]
pub(super) struct EventLog {
    log: Mutex<Log>,
    sender: broadcast::Sender<LogEntry>,
    /// The prefix of all event ids, so that ids of an earlier run are not mistaken for current
    /// ones.
    run: u64,
}

#[derive(Debug, Default)]
struct Log {
    newest: u64,
    kept: VecDeque<LogEntry>,
}

/// An event of the log.
#[derive(Debug, Clone)]
pub(super) struct LogEntry {
    number: u64,
    kind: &'static str,
    camera: Arc<str>,
    json: Arc<str>,
}

impl LogEntry {
    /// Returns `true` if the user may see the camera.
    pub(super) fn is_for(&self, user: &User) -> bool {
        user.sees(&self.camera)
    }
}

impl EventLog {
    pub(super) fn new() -> Self {
        Self {
            log: Mutex::default(),
            sender: broadcast::Sender::new(KEPT_EVENTS),
            run: millis(SystemTime::now()),
        }
    }

    /// Appends an event of a camera and sends it to all clients.
    pub(super) fn publish(&self, kind: &'static str, camera: &str, data: &impl Serialize) {
        // Serialization cannot fail: all map keys are strings.
        let Ok(json) = serde_json::to_string(data) else {
            return;
        };
        let mut log = self.lock();
        log.newest += 1;
        let entry = LogEntry {
            number: log.newest,
            kind,
            camera: camera.into(),
            json: json.into(),
        };
        if log.kept.len() == KEPT_EVENTS {
            log.kept.pop_front();
        }
        log.kept.push_back(entry.clone());
        // Sent while the lock is held, so that the order is that of the numbers.
        let _ = self.sender.send(entry);
    }

    /// Subscribes to new events. Also returns the user's events since the one with id `last`, if
    /// all are kept.
    pub(super) fn subscribe(
        &self,
        last: Option<&str>,
        user: &User,
    ) -> (broadcast::Receiver<LogEntry>, Option<VecDeque<Event>>) {
        let log = self.lock();
        let receiver = self.sender.subscribe();
        let last = last.and_then(|last| {
            let (run, number) = last.split_once('-')?;
            let number: u64 = number.parse().ok()?;
            (run == self.run.to_string() && number <= log.newest).then_some(number)
        });
        let missed = last.and_then(|last| {
            let oldest = log.newest - log.kept.len() as u64;
            let missed = log.kept.iter();
            let missed = missed.filter(|entry| entry.number > last && entry.is_for(user));
            (last >= oldest).then(|| missed.map(|entry| self.event(entry)).collect())
        });
        (receiver, missed)
    }

    pub(super) fn event(&self, entry: &LogEntry) -> Event {
        Event::default()
            .id(format!("{}-{}", self.run, entry.number))
            .event(entry.kind)
            .data(&*entry.json)
    }

    /// Returns the id of the newest event.
    pub(super) fn newest_id(&self) -> String {
        format!("{}-{}", self.run, self.lock().newest)
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reconnecting_clients_get_missed_events_while_they_are_kept() {
        let events = EventLog::new();
        let missed = |last: &str| {
            events
                .subscribe(Some(last), &User::ANONYMOUS)
                .1
                .map(|missed| missed.len())
        };
        let id = |number: u64| format!("{}-{number}", events.run);
        assert_eq!(missed(&id(0)), Some(0));
        for _ in 0..300 {
            events.publish("removed", "front", &"front");
        }
        assert_eq!(events.lock().kept.len(), KEPT_EVENTS);
        assert_eq!((missed(&id(300)), missed(&id(290))), (Some(0), Some(10)));
        assert_eq!((missed(&id(44)), missed(&id(43))), (Some(256), None));
        for invalid in ["", "1-1", &id(301), "x", &format!("{}-x", events.run)] {
            assert_eq!(missed(invalid), None, "{invalid}");
        }
    }
}
