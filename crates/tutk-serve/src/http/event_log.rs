//! The events of `/api/events`.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::response::sse::Event;
use serde::Serialize;
use tokio::sync::watch;

use crate::accounts::User;
use crate::clock::unix_millis;

/// The number of events of each camera that are kept for slow clients and clients that reconnect. A
/// client that misses more gets the state of all cameras.
pub const KEPT_EVENTS: usize = 256;

/// The newest events of each camera.
///
/// Events are numbered for each user, from those of the cameras that the user may see. Otherwise,
/// gaps between the numbers would show when other cameras are active.
#[derive(Debug)]
pub(super) struct EventLog {
    log: Mutex<Log>,
    changed: watch::Sender<()>,
    /// The prefix of all event ids, so that ids of an earlier run are not mistaken for current
    /// ones.
    run: u64,
}

#[derive(Debug, Default)]
struct Log {
    /// The events of all cameras.
    count: u64,
    /// By name. A removed camera stays, because clients have counted its events.
    cameras: BTreeMap<String, CameraLog>,
}

#[derive(Debug, Default)]
struct CameraLog {
    count: u64,
    /// Oldest first.
    kept: VecDeque<LogEntry>,
}

#[derive(Debug)]
struct LogEntry {
    /// The position among the events of all cameras.
    order: u64,
    kind: &'static str,
    json: String,
}

impl EventLog {
    pub(super) fn new() -> Self {
        Self {
            log: Mutex::default(),
            changed: watch::Sender::new(()),
            run: unix_millis(SystemTime::now()),
        }
    }

    /// Appends an event of a camera, and wakes all clients.
    pub(super) fn publish(&self, kind: &'static str, camera: &str, data: &impl Serialize) {
        // Serialization cannot fail: all map keys are strings.
        let Ok(json) = serde_json::to_string(data) else {
            return;
        };
        let mut log = self.lock();
        log.count += 1;
        let entry = LogEntry {
            order: log.count,
            kind,
            json,
        };
        let camera = log.cameras.entry(camera.to_owned()).or_default();
        camera.count += 1;
        if camera.kept.len() == KEPT_EVENTS {
            camera.kept.pop_front();
        }
        camera.kept.push_back(entry);
        drop(log);
        self.changed.send_replace(());
    }

    /// Returns a receiver that is marked as changed when there is a new event.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Returns how many events of a user there are.
    pub(super) fn count(&self, user: &User) -> u64 {
        seen(&self.lock(), user).map(|camera| camera.count).sum()
    }

    /// Returns the number of the user's event with this id, if all later ones are kept.
    pub(super) fn number(&self, id: &str, user: &User) -> Option<u64> {
        let (run, number) = id.split_once('-')?;
        let number: u64 = number.parse().ok()?;
        let later = self.count(user).checked_sub(number)?;
        (run == self.run.to_string() && later <= KEPT_EVENTS as u64).then_some(number)
    }

    /// Returns the id of a user's event.
    pub(super) fn id(&self, number: u64) -> String {
        format!("{}-{number}", self.run)
    }

    /// Returns the user's events after the one with this number, which becomes the newest one.
    ///
    /// # Errors
    /// The number of these events, if some are no longer kept.
    pub(super) fn after(&self, number: &mut u64, user: &User) -> Result<VecDeque<Event>, u64> {
        let log = self.lock();
        let newest = seen(&log, user).map(|camera| camera.count).sum();
        let first = std::mem::replace(number, newest);
        let missed = newest.saturating_sub(first);
        let count = usize::try_from(missed).ok();
        let count = count.filter(|&count| count <= KEPT_EVENTS).ok_or(missed)?;
        let newest = seen(&log, user).flat_map(|camera| camera.kept.iter().rev().take(count));
        let mut entries: Vec<_> = newest.collect();
        entries.sort_unstable_by_key(|entry| Reverse(entry.order));
        entries.truncate(count);
        let numbered = (first + 1..).zip(entries.into_iter().rev());
        let events = numbered.map(|(number, entry)| {
            let event = Event::default().id(self.id(number)).event(entry.kind);
            event.data(&entry.json)
        });
        Ok(events.collect())
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the events of the cameras that the user may see.
fn seen<'a>(log: &'a Log, user: &User) -> impl Iterator<Item = &'a CameraLog> {
    let cameras = log.cameras.iter();
    let seen = cameras.filter(|(camera, _)| user.sees(camera));
    seen.map(|(_, log)| log)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::Role;

    #[test]
    fn reconnecting_clients_get_missed_events_while_they_are_kept() {
        let events = EventLog::new();
        let missed = |last: &str| {
            let mut number = events.number(last, &User::ANONYMOUS)?;
            let missed = events.after(&mut number, &User::ANONYMOUS).unwrap();
            assert_eq!(number, events.count(&User::ANONYMOUS));
            Some(missed.len())
        };
        assert_eq!(missed(&events.id(0)), Some(0));
        for _ in 0..300 {
            events.publish("removed", "front", &"front");
        }
        assert_eq!(events.lock().cameras["front"].kept.len(), KEPT_EVENTS);
        for (number, expected) in [(300, Some(0)), (290, Some(10)), (44, Some(256)), (43, None)] {
            assert_eq!(missed(&events.id(number)), expected, "{number}");
        }
        for invalid in [
            "",
            "1-1",
            &events.id(301),
            "x",
            &format!("{}-x", events.run),
        ] {
            assert_eq!(missed(invalid), None, "{invalid}");
        }
        let mut number = 43;
        assert_eq!(events.after(&mut number, &User::ANONYMOUS).err(), Some(257));
        assert_eq!(number, 300);
    }

    #[test]
    fn events_of_hidden_cameras_change_nothing() {
        let events = EventLog::new();
        let cameras = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        let eve = User::new("eve", Role::View).with_cameras(cameras(&["back", "side"]));
        let texts = |number: &mut u64| {
            let events = events.after(number, &eve).unwrap();
            let texts = events.into_iter().map(|event| format!("{event:?}"));
            texts.collect::<Vec<_>>()
        };
        let mut number = 0;
        for round in 0..3_u64 {
            // More than are kept.
            for _ in 0..2 * KEPT_EVENTS {
                events.publish("state", "front", &"hidden");
            }
            events.publish("state", "side", &"first");
            events.publish("state", "back", &"second");
            events.publish("state", "front", &"hidden");
            assert_eq!(events.count(&eve), 2 * round + 2);
            let mut last = events.number(&events.id(2 * round), &eve).unwrap();
            let new = texts(&mut number);
            assert_eq!(new, texts(&mut last));
            let [first, second] = &new[..] else {
                panic!("{new:?}");
            };
            assert!(first.contains("first") && first.contains(&events.id(2 * round + 1)));
            assert!(second.contains("second") && second.contains(&events.id(2 * round + 2)));
        }
        assert_eq!(
            events.count(&User::ANONYMOUS),
            3 * (2 * KEPT_EVENTS as u64 + 3)
        );
    }
}
