//! `/NAME/snapshot.jpg`, without a decoder for pictures.

use axum::http::StatusCode;

use super::app::Named;
use super::problem::Problem;

/// Nothing is made.
#[derive(Debug, Default)]
pub(super) struct Desks {}

pub(super) async fn snapshot(_: Named) -> Problem {
    let error = "this program was built without a decoder for pictures (the feature `snapshot`)";
    let advice = "take a picture out of /NAME/stream.mp4 with ffmpeg";
    Problem::new(StatusCode::NOT_IMPLEMENTED, error, advice)
}
