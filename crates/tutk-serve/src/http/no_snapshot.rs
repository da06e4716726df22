//! `/NAME/snapshot.jpg` without a video decoder.

use axum::http::StatusCode;

use super::extract::{CameraPath, PathCamera};
use super::problem::Problem;
use super::responses::{Binary, Errors};

/// The newest key frame as JPEG
#[utoipa::path(
    get,
    path = "/{name}/snapshot.jpg",
    tag = "streams",
    params(CameraPath),
    responses(
        (status = 200, description = "JPEG.", content_type = "image/jpeg", body = inline(Binary)),
        Errors<404>,
        Errors<501, 502, 503, 504>,
    ),
)]
pub(super) async fn snapshot(_: PathCamera) -> Problem {
    let error = "this program was built without the feature `snapshot`";
    let advice = "extract a picture from /NAME/stream.mp4 with ffmpeg";
    Problem::new(StatusCode::NOT_IMPLEMENTED, error, advice)
}
