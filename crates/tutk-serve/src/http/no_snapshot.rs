//! `/NAME/snapshot.jpg` without a video decoder.

use axum::http::StatusCode;

use super::extract::PathCamera;
use super::problem::Problem;

pub(super) async fn snapshot(_: PathCamera) -> Problem {
    let error = "this program was built without the feature `snapshot`";
    let advice = "extract a picture from /NAME/stream.mp4 with ffmpeg";
    Problem::new(StatusCode::NOT_IMPLEMENTED, error, advice)
}
