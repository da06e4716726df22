//! A camera's state as JSON.

use serde::Serialize;
use utoipa::ToSchema;

use super::problem;
use crate::clock::{millis, unix_millis};
use crate::hub::{Camera, CameraState, RecordingState};

/// The state of a camera.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[schema(as = CameraState)]
pub(super) struct StateJson {
    /// `idle` (no viewers), `connecting`, `up`, `down` (the next attempt is at `next_attempt`),
    /// `failed` (the next attempt is made for a new viewer, or in half a minute) or `closed`.
    state: &'static str,
    /// When the state began, in milliseconds since 1970.
    since: u64,
    /// What failed.
    error: Option<String>,
    /// What to do.
    advice: Option<String>,
    /// Failed attempts since the last session.
    attempts: Option<u32>,
    /// When the next attempt begins, in milliseconds since 1970.
    next_attempt: Option<u64>,
    /// `off`, `on` (recorded whenever there are frames) or `failed` (tried again).
    recording: &'static str,
    /// Why recording failed.
    recording_error: Option<String>,
}

impl StateJson {
    /// Returns the current state of a camera.
    pub(super) fn of(camera: &Camera) -> Self {
        let details = camera.details();
        let (state, error, fall) = match camera.state() {
            CameraState::Idle => ("idle", None, None),
            CameraState::Connecting => ("connecting", None, None),
            CameraState::Up => ("up", None, None),
            CameraState::Down(fall) => ("down", Some(fall.error.clone().into()), Some(fall)),
            CameraState::Failed(error) => ("failed", Some(error), None),
            CameraState::Closed => ("closed", None, None),
        };
        let (recording, recording_error) = match camera.recording() {
            RecordingState::Off => ("off", None),
            RecordingState::On => ("on", None),
            RecordingState::Failed(reason) => ("failed", Some(reason)),
        };
        let next = fall
            .as_ref()
            .and_then(|fall| fall.at.checked_add(fall.next?));
        Self {
            state,
            since: unix_millis(details.since),
            error: error.as_ref().map(ToString::to_string),
            advice: error.map(|error| problem::session_advice(&error).to_owned()),
            attempts: fall.map(|fall| fall.attempts),
            next_attempt: next.map(millis),
            recording,
            recording_error,
        }
    }
}
