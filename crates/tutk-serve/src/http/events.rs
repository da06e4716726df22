//! `/api/events`: server-sent events (HTML Living Standard section 9.2).

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Weak;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt as _, stream};
use serde::Serialize;
use tokio::sync::watch;
use utoipa::ToSchema;

use super::camera_state::StateJson;
use super::extract::Authenticated;
use super::responses::Errors;
use super::state::{AppState, Shared, Shutdown};
use super::stop::Stop;
use crate::accounts::User;
use crate::hub::Camera;

/// The interval of keep-alive comments while there are no events.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StateEvent<'a> {
    camera: &'a str,
    #[serde(flatten)]
    state: &'a StateJson,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RemovedEvent<'a> {
    camera: &'a str,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MissedEvent {
    events: u64,
}

/// The event stream of one client.
struct Subscription {
    state: AppState,
    user: User,
    changes: watch::Receiver<()>,
    /// The number of the user's newest event that is queued or sent.
    number: u64,
    queue: VecDeque<Event>,
}

/// Publishes changes of camera states until the app is dropped or shuts down.
pub(super) async fn watch(weak: Weak<Shared>, mut shutdown: Shutdown) {
    let mut published: BTreeMap<String, StateJson> = BTreeMap::new();
    let Some(mut changes) = AppState::upgrade(&weak).map(|state| state.hub.changes()) else {
        return;
    };
    loop {
        {
            let Some(state) = AppState::upgrade(&weak) else {
                return;
            };
            changes.borrow_and_update();
            let cameras = state.hub.cameras();
            published.retain(|name, _| {
                let exists = cameras.iter().any(|camera| camera.name() == name);
                if !exists {
                    let removed = RemovedEvent { camera: name };
                    state.events.publish("removed", name, &removed);
                }
                exists
            });
            for camera in &cameras {
                let json = StateJson::of(camera);
                if published.get(camera.name()) != Some(&json) {
                    let event = StateEvent {
                        camera: camera.name(),
                        state: &json,
                    };
                    state.events.publish("state", camera.name(), &event);
                    published.insert(camera.name().to_owned(), json);
                }
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = shutdown.started() => return,
        }
    }
}

/// Events
///
/// Server-sent events: `state` with `StateEvent`, `control` with `ControlEvent`, `removed` with
/// `RemovedEvent`, `missed` with `MissedEvent` as data.
#[utoipa::path(
    get,
    path = "/api/events",
    tag = "cameras",
    params((
        "Last-Event-ID" = Option<String>,
        Header,
        description = "The last received event. Later events are sent first, if still kept.",
    )),
    responses(
        (status = 200, description = "Events.", content_type = "text/event-stream", body = String),
        Errors<403>,
    ),
)]
pub(super) async fn events(
    State(state): State<AppState>,
    Authenticated(user): Authenticated,
    mut stop: Stop,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = headers
        .get(LAST_EVENT_ID)
        .and_then(|last| last.to_str().ok());
    let last = last.and_then(|last| state.events.number(last, &user));
    let number = last.unwrap_or_else(|| state.events.count(&user));
    let subscription = Subscription {
        number,
        queue: match last {
            Some(_) => VecDeque::new(),
            None => all_states(&state, &user, number),
        },
        user,
        changes: state.events.changes(),
        state,
    };
    let stream = stream::unfold(subscription, async |mut subscription: Subscription| {
        let event = subscription.next().await?;
        Some((Ok(event), subscription))
    });
    let stream = stream.take_until(async move { stop.requested().await });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// Returns the states of all cameras that the user may see, as events with the id of the one with
/// this number.
fn all_states(state: &AppState, user: &User, number: u64) -> VecDeque<Event> {
    let id = state.events.id(number);
    let event = |camera: Camera| {
        let state = &StateJson::of(&camera);
        let camera = camera.name();
        let json = serde_json::to_string(&StateEvent { camera, state }).unwrap_or_default();
        Event::default().id(id.clone()).event("state").data(json)
    };
    state.cameras(user).map(event).collect()
}

impl Subscription {
    /// Waits for the next event.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some(event);
            }
            self.changes.mark_unchanged();
            match self.state.events.after(&mut self.number, &self.user) {
                Ok(events) => self.queue = events,
                Err(events) => {
                    let json = serde_json::to_string(&MissedEvent { events }).unwrap_or_default();
                    let missed = Event::default().event("missed").data(json);
                    self.queue = all_states(&self.state, &self.user, self.number);
                    self.queue.push_front(missed);
                }
            }
            if self.queue.is_empty() {
                self.changes.changed().await.ok()?;
            }
        }
    }
}
