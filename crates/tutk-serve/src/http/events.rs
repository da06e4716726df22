//! `/api/events`: what changes, as it does (server-sent events, HTML Living Standard section 9.2).

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};
use serde::Serialize;
use tokio::sync::{broadcast, watch};

use super::app::{App, Going, Shared};
use super::cameras::{self, StateJson, millis};
use super::controls::SetJson;
use crate::hub::Camera;

/// Events that are kept for clients that come back, and that may wait for one that is slow. One who misses more is told
/// how all cameras stand.
pub const KEPT_EVENTS: usize = 256;

/// How often something is said when there is nothing to say.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What was told, and who is told more.
#[derive(Debug)]
pub(super) struct Events {
    log: Mutex<Log>,
    news: broadcast::Sender<Entry>,
    /// Begins every id, so that those of another run are not taken for this one's.
    run: u64,
}

#[derive(Debug, Default)]
struct Log {
    newest: u64,
    kept: VecDeque<Entry>,
}

/// One event.
#[derive(Debug, Clone)]
struct Entry {
    number: u64,
    kind: &'static str,
    json: std::sync::Arc<str>,
}

#[derive(Debug, Serialize)]
struct StateEvent<'a> {
    camera: &'a str,
    #[serde(flatten)]
    state: &'a StateJson,
}

#[derive(Debug, Serialize)]
struct ControlEvent<'a> {
    camera: &'a str,
    #[serde(flatten)]
    set: &'a SetJson,
}

#[derive(Debug, Serialize)]
struct RemovedEvent<'a> {
    camera: &'a str,
}

#[derive(Debug, Serialize)]
struct MissedEvent {
    events: u64,
}

/// One client.
struct Listening {
    app: App,
    going: Going,
    news: broadcast::Receiver<Entry>,
    /// What it is told before what is new.
    first: VecDeque<Event>,
}

impl Events {
    pub(super) fn new() -> Self {
        Self {
            log: Mutex::default(),
            news: broadcast::Sender::new(KEPT_EVENTS),
            run: millis(SystemTime::now()),
        }
    }

    /// A control was set.
    pub(super) fn set(&self, camera: &str, set: &SetJson) {
        self.tell("control", &ControlEvent { camera, set });
    }

    fn tell(&self, kind: &'static str, what: &impl Serialize) {
        // Nothing here has keys that are no text.
        let Ok(json) = serde_json::to_string(what) else {
            return;
        };
        let mut log = self.lock();
        log.newest += 1;
        let entry = Entry {
            number: log.newest,
            kind,
            json: json.into(),
        };
        if log.kept.len() == KEPT_EVENTS {
            log.kept.pop_front();
        }
        log.kept.push_back(entry.clone());
        // In the order of their numbers: the lock is held. Nobody may listen.
        let _ = self.news.send(entry);
    }

    /// To hear of what is new, and what the client has missed since it was here last, if that is known.
    fn listen(&self, last: Option<&str>) -> (broadcast::Receiver<Entry>, Option<VecDeque<Event>>) {
        let log = self.lock();
        let news = self.news.subscribe();
        let last = last.and_then(|last| {
            let (run, number) = last.split_once('-')?;
            let number: u64 = number.parse().ok()?;
            (run == self.run.to_string() && number <= log.newest).then_some(number)
        });
        let missed = last.and_then(|last| {
            let oldest = log.newest - log.kept.len() as u64;
            let missed = log.kept.iter().filter(|entry| entry.number > last);
            (last >= oldest).then(|| missed.map(|entry| self.event(entry)).collect())
        });
        (news, missed)
    }

    fn event(&self, entry: &Entry) -> Event {
        Event::default()
            .id(format!("{}-{}", self.run, entry.number))
            .event(entry.kind)
            .data(&*entry.json)
    }

    /// The id of the newest.
    fn id(&self) -> String {
        format!("{}-{}", self.run, self.lock().newest)
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells of each camera's state when it changes, until the app is gone or ends.
pub(super) async fn watch(app: Weak<Shared>, mut stopping: watch::Receiver<bool>) {
    let mut told: BTreeMap<String, StateJson> = BTreeMap::new();
    let Some(mut changes) = App::upgrade(&app).map(|app| app.hub.changes()) else {
        return;
    };
    loop {
        {
            let Some(app) = App::upgrade(&app) else {
                return;
            };
            changes.borrow_and_update();
            let cameras = app.hub.cameras();
            told.retain(|name, _| {
                let is_there = cameras.iter().any(|camera| camera.name() == name);
                if !is_there {
                    app.events.tell("removed", &RemovedEvent { camera: name });
                }
                is_there
            });
            for camera in &cameras {
                let state = cameras::state(camera);
                if told.get(camera.name()) != Some(&state) {
                    let camera = camera.name();
                    let state = told.entry(camera.to_owned()).insert_entry(state);
                    let state = state.get();
                    app.events.tell("state", &StateEvent { camera, state });
                }
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            _ = stopping.changed() => return,
        }
    }
}

pub(super) async fn events(
    State(app): State<App>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = headers
        .get(LAST_EVENT_ID)
        .and_then(|last| last.to_str().ok());
    let (news, missed) = app.events.listen(last);
    let listening = Listening {
        first: missed.unwrap_or_else(|| states(&app)),
        going: app.going(),
        news,
        app,
    };
    let stream = stream::unfold(listening, async |mut listening: Listening| {
        let event = listening.next().await?;
        Some((Ok(event), listening))
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// How all cameras stand, as if it were news.
fn states(app: &App) -> VecDeque<Event> {
    let id = app.events.id();
    let event = |camera: &Camera| {
        let state = &cameras::state(camera);
        let camera = camera.name();
        let json = serde_json::to_string(&StateEvent { camera, state }).unwrap_or_default();
        Event::default().id(id.clone()).event("state").data(json)
    };
    app.hub.cameras().iter().map(event).collect()
}

impl Listening {
    /// `None` when the server ends.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(first) = self.first.pop_front() {
                return Some(first);
            }
            let next = tokio::select! {
                next = self.news.recv() => next,
                () = self.going.stopped() => return None,
            };
            match next {
                Ok(entry) => return Some(self.app.events.event(&entry)),
                Err(broadcast::error::RecvError::Lagged(events)) => {
                    let json = serde_json::to_string(&MissedEvent { events }).unwrap_or_default();
                    self.first = states(&self.app);
                    self.first
                        .push_front(Event::default().event("missed").data(json));
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_back_is_told_what_was_missed_if_that_is_known() {
        let events = Events::new();
        let missed = |last: &str| events.listen(Some(last)).1.map(|missed| missed.len());
        let id = |number: u64| format!("{}-{number}", events.run);
        assert_eq!(missed(&id(0)), Some(0));
        for _ in 0..300 {
            events.tell("removed", &RemovedEvent { camera: "front" });
        }
        assert_eq!(events.lock().kept.len(), KEPT_EVENTS);
        assert_eq!((missed(&id(300)), missed(&id(290))), (Some(0), Some(10)));
        assert_eq!((missed(&id(44)), missed(&id(43))), (Some(256), None));
        for odd in ["", "1-1", &id(301), "x", &format!("{}-x", events.run)] {
            assert_eq!(missed(odd), None, "{odd}");
        }
    }
}
