//! The camera that a request's path names.

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use utoipa::IntoParams;

use super::problem::Problem;
use super::state::AppState;
use crate::accounts::{Role, User};
use crate::hub::Camera;

/// The parameters of a path.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct CameraPath {
    /// The camera.
    name: String,
}

/// Extracts the camera that the path names, if the user may see it.
pub(super) struct PathCamera(pub(super) Camera);

/// Extracts the user, which [`guard`](super::guard) has authenticated.
pub(super) struct Authenticated(pub(super) User);

/// Extracts a user that may control cameras.
pub(super) struct Controller(pub(super) User);

/// Extracts an administrator.
pub(super) struct Administrator(pub(super) User);

impl FromRequestParts<AppState> for Authenticated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        with_role(parts, Role::View).map(Self)
    }
}

impl FromRequestParts<AppState> for Controller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        with_role(parts, Role::Control).map(Self)
    }
}

impl FromRequestParts<AppState> for Administrator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Self, Problem> {
        with_role(parts, Role::Admin).map(Self)
    }
}

fn with_role(parts: &Parts, role: Role) -> Result<User, Problem> {
    let user = parts.extensions.get::<User>().cloned();
    // The guard adds a user to each request that needs one.
    let user = user.ok_or_else(|| role_needed(role))?;
    if user.role() < role {
        return Err(role_needed(role));
    }
    Ok(user)
}

/// The error for a user with a lower role.
pub(super) fn role_needed(role: Role) -> Problem {
    let error = format!("this needs the role {}", role.name());
    let advice = "log in with another account, or change the role of this one in [users]";
    Problem::new(StatusCode::FORBIDDEN, error, advice)
}

impl FromRequestParts<AppState> for PathCamera {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Authenticated(user) = Authenticated::from_request_parts(parts, state).await?;
        let path = Path::<CameraPath>::from_request_parts(parts, state).await;
        let name = path.ok().map(|Path(path)| path.name);
        let seen = name.as_deref().filter(|name| user.sees(name));
        let camera = seen.and_then(|name| state.hub.camera(name));
        camera.map(Self).ok_or_else(|| {
            let error = match name {
                Some(name) => format!("there is no camera {name:?}"),
                None => "the camera name in the path is not UTF-8".to_owned(),
            };
            let cameras = state.cameras(&user);
            let names = cameras.map(|camera| camera.name().to_owned());
            let advice = "see /api/cameras for all cameras";
            Problem::new(StatusCode::NOT_FOUND, error, advice).allowing(names)
        })
    }
}
