//! `/NAME/snapshot.jpg`: the newest key frame as JPEG.

use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use tutk_media::{Codec, Error as MediaError, SNAPSHOT_QUALITY};

use super::problem::Problem;
use super::snapshot_cache::{CachedSnapshot, Snapshot};
use super::state::AppState;
use super::stop::Stopped;
use crate::error::Error;
use crate::hub::{Camera, CameraState, LiveFrame, ViewerEvent};

/// The timeout for a key frame, including the time to connect.
const KEY_FRAME_TIMEOUT: Duration = Duration::from_secs(20);

/// Answers a request. `label` names its viewer.
pub(super) async fn response(
    state: &AppState,
    camera: &Camera,
    label: String,
) -> Result<Response, Problem> {
    let cached = state.snapshots.of(&state.hub, camera);
    let mut shutdown = state.shutdown();
    let jpeg = tokio::select! {
        jpeg = jpeg(cached, camera, label) => jpeg?,
        () = shutdown.started() => return Err(Stopped::Shutdown.into()),
    };
    Ok(([(CONTENT_TYPE, "image/jpeg")], jpeg).into_response())
}

/// Returns the newest key frame as JPEG.
async fn jpeg(cached: CachedSnapshot, camera: &Camera, label: String) -> Result<Bytes, Problem> {
    // One request decodes. Those that wait here get the same picture if the key frame is the same.
    let mut newest = cached.lock_owned().await;
    let frame = tokio::time::timeout(KEY_FRAME_TIMEOUT, key_frame(camera, label)).await;
    let frame = frame.map_err(|_| Problem::from(Error::NoFrames(KEY_FRAME_TIMEOUT)))??;
    if let Some(snapshot) = &*newest
        && snapshot.of == frame.data
    {
        return Ok(snapshot.jpeg.clone());
    }
    // The lock is held until the decoder is done, even if the client disconnects.
    let decoding = tokio::task::spawn_blocking(move || {
        let jpeg = decode(&frame)?;
        let of = frame.data.clone();
        Ok(newest.insert(Snapshot { of, jpeg }).jpeg.clone())
    });
    decoding.await.map_err(|error| {
        tracing::error!(%error, "the snapshot task failed");
        let error = "the decoder failed";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error, "report this")
    })?
}

/// Returns the kept key frame, or the next one.
async fn key_frame(camera: &Camera, label: String) -> Result<LiveFrame, Problem> {
    let mut viewer = camera.watch(label);
    loop {
        match viewer.next_event().await {
            Some(ViewerEvent::Frame(frame)) if frame.is_key() => return Ok(frame),
            // A session that was up may be back at the next attempt.
            Some(ViewerEvent::State(CameraState::Down(fall))) if fall.lasted.is_none() => {
                return Err(Error::Down(fall.error.into()).into());
            }
            Some(ViewerEvent::State(CameraState::Failed(error))) => {
                return Err(Error::Down(error).into());
            }
            Some(_) => {}
            None => return Err(Error::Closed.into()),
        }
    }
}

fn decode(frame: &LiveFrame) -> Result<Bytes, Problem> {
    let not_supported = |error, advice| Problem::new(StatusCode::NOT_IMPLEMENTED, error, advice);
    let (Some(sets), Some(unit)) = (&frame.description.video, &frame.unit) else {
        let error = "the camera does not send H.264, and there is no decoder for other codecs";
        return Err(not_supported(
            error.to_owned(),
            "see /api/cameras for the camera's codec",
        ));
    };
    let jpeg = tutk_media::snapshot(sets, unit, SNAPSHOT_QUALITY);
    jpeg.map(Bytes::from).map_err(|error| {
        let text = error.to_string();
        match (error, sets.codec()) {
            (MediaError::SnapshotCodec { .. }, _) | (_, Codec::H265) => {
                let advice = "extract a picture from /NAME/stream.mp4 with ffmpeg, or set the camera to H.264";
                not_supported(text, advice)
            }
            (MediaError::SnapshotTooLarge { .. }, _) => {
                not_supported(text, "set the camera to a lower resolution")
            }
            _ => Problem::new(StatusCode::BAD_GATEWAY, text, "try again with the next key frame"),
        }
    })
}
