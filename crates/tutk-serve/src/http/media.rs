//! Query parameters of streams.

use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;
use super::state::AppState;
use crate::hub::AudioTrack;

/// The query of a stream. Unknown parameters are errors.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamQuery {
    /// The audio track: `camera` keeps the camera's codec, `flac` converts PCM and G.711 to FLAC,
    /// which browsers play, and `none` omits audio. The default is `flac` for the WebSocket, and
    /// otherwise `camera`.
    #[param(inline)]
    sound: Option<Sound>,
}

#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Sound {
    Camera,
    Flac,
    None,
}

/// Extracts the audio track from the parameter `sound`.
#[derive(Debug)]
pub(super) struct AudioParameter(pub(super) Option<AudioTrack>);

impl FromRequestParts<AppState> for AudioParameter {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        match Query::<StreamQuery>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query.sound.map(|sound| match sound {
                Sound::Camera => AudioTrack::Camera,
                Sound::Flac => AudioTrack::Flac,
                Sound::None => AudioTrack::None,
            }))),
            Err(error) => {
                let advice = "omit the query, or use ?sound= with an allowed value";
                let problem = Problem::new(StatusCode::BAD_REQUEST, error.body_text(), advice);
                Err(problem.allowing(["camera", "flac", "none"]))
            }
        }
    }
}

/// The error for a camera without H.264 or H.265.
pub(super) fn no_video() -> Problem {
    let error = "the camera sends neither H.264 nor H.265";
    let advice = "check the camera's settings";
    Problem::new(StatusCode::NOT_IMPLEMENTED, error, advice)
}
