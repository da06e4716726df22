//! `/NAME/snapshot.jpg` without a video decoder.

use axum::http::StatusCode;
use axum::response::Response;

use super::problem::Problem;
use super::state::AppState;
use crate::hub::Camera;

#[expect(clippy::unused_async, reason = "as with the decoder")]
pub(super) async fn response(_: &AppState, _: &Camera, _: String) -> Result<Response, Problem> {
    let error = "this program was built without the feature `snapshot`";
    let advice = "extract a picture from /NAME/stream.mp4 with ffmpeg";
    Err(Problem::new(StatusCode::NOT_IMPLEMENTED, error, advice))
}
