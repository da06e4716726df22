//! The camera that a request's path names.

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::Problem;
use super::state::AppState;
use crate::hub::Camera;

/// The parameters of a path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct CameraPath {
    /// The camera.
    name: String,
}

/// Extracts the camera that the path names.
pub(super) struct PathCamera(pub(super) Camera);

impl FromRequestParts<AppState> for PathCamera {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let path = Path::<CameraPath>::from_request_parts(parts, state).await;
        let name = path.ok().map(|Path(path)| path.name);
        let camera = name.as_deref().and_then(|name| state.hub.camera(name));
        camera.map(Self).ok_or_else(|| {
            let error = match name {
                Some(name) => format!("there is no camera {name:?}"),
                None => "the camera name in the path is not UTF-8".to_owned(),
            };
            let cameras = state.hub.cameras();
            let names = cameras.iter().map(Camera::name);
            let advice = "see /api/cameras for all cameras";
            Problem::new(StatusCode::NOT_FOUND, error, advice).allowing(names)
        })
    }
}
