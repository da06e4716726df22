//! `/NAME/snapshot.jpg`: the newest key frame as a JPEG file.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use tutk_media::{Codec, Error as MediaError, SNAPSHOT_QUALITY};

use super::app::{App, Named};
use super::problem::Problem;
use super::stream;
use crate::error::Error;
use crate::hub::{Camera, CameraState, Hub, LiveFrame, ViewerEvent};

/// How long a camera may take to begin a picture anew, the time to be let in included.
const KEY_FRAME: Duration = Duration::from_secs(20);

/// Where snapshots are made, by camera; those of cameras that are served no more go.
#[derive(Debug, Default)]
pub(super) struct Desks {
    desks: Mutex<BTreeMap<String, Desk>>,
}

/// Where one camera's are made, one at a time. The newest is kept for who asks before there is another key frame.
type Desk = Arc<tokio::sync::Mutex<Option<Made>>>;

/// A picture, and the frame that it was made of.
#[derive(Debug)]
struct Made {
    of: Bytes,
    jpeg: Bytes,
}

pub(super) async fn snapshot(
    State(app): State<App>,
    Named(camera): Named,
    request: Request,
) -> Result<Response, Problem> {
    let label = stream::label(&request, "snapshot");
    drop(request);
    let desk = app.desks.of(&app.hub, &camera);
    let mut going = app.going();
    let jpeg = tokio::select! {
        jpeg = picture(desk, &camera, label) => jpeg?,
        () = going.stopped() => return Err(stream::ending()),
    };
    Ok(([(CONTENT_TYPE, "image/jpeg")], jpeg).into_response())
}

impl Desks {
    fn of(&self, hub: &Hub, camera: &Camera) -> Desk {
        let mut desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        desks.retain(|name, _| hub.camera(name).is_some());
        Arc::clone(desks.entry(camera.name().to_owned()).or_default())
    }
}

/// The newest key frame as JPEG.
async fn picture(desk: Desk, camera: &Camera, label: String) -> Result<Bytes, Problem> {
    // Who waits here gets what is made meanwhile, if it is of the same frame.
    let mut newest = desk.lock_owned().await;
    let frame = tokio::time::timeout(KEY_FRAME, key_frame(camera, label)).await;
    let frame = frame.map_err(|_| Problem::from(Error::Nothing(KEY_FRAME)))??;
    if let Some(made) = &*newest
        && made.of == frame.data
    {
        return Ok(made.jpeg.clone());
    }
    // The lock goes along: it is held until this is done, even if the client does not wait for it.
    let making = tokio::task::spawn_blocking(move || {
        let jpeg = decode(&frame)?;
        let of = frame.data;
        Ok(newest.insert(Made { of, jpeg }).jpeg.clone())
    });
    making.await.map_err(|error| {
        tracing::error!(%error, "a snapshot broke off");
        let error = "the decoder broke off";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error, "report this")
    })?
}

/// The key frame that is there, or the next.
async fn key_frame(camera: &Camera, label: String) -> Result<LiveFrame, Problem> {
    let mut viewer = camera.watch(label);
    loop {
        match viewer.next_event().await {
            Some(ViewerEvent::Frame(frame)) if frame.is_key() => return Ok(frame),
            // One that was up a moment ago may be there at the next attempt.
            Some(ViewerEvent::State(CameraState::Down(fall))) if fall.lasted.is_none() => {
                return Err(Error::Down(fall.error).into());
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
    let not_here = |error, advice| Problem::new(StatusCode::NOT_IMPLEMENTED, error, advice);
    let Some(sets) = &frame.description.video else {
        let error = "the camera shows no picture in H.264, and no other is decoded here";
        return Err(not_here(
            error.to_owned(),
            "see /api/cameras for what it shows",
        ));
    };
    let jpeg = tutk_media::snapshot(sets, &frame.data, SNAPSHOT_QUALITY);
    jpeg.map(Bytes::from).map_err(|error| {
        let text = error.to_string();
        match (error, sets.codec()) {
            (MediaError::SnapshotCodec { .. }, _) | (_, Codec::H265) => {
                let advice = "take a picture out of /NAME/stream.mp4 with ffmpeg, or set the camera to H.264";
                not_here(text, advice)
            }
            (MediaError::SnapshotTooLarge { .. }, _) => {
                not_here(text, "set the camera to a smaller picture")
            }
            _ => Problem::new(StatusCode::BAD_GATEWAY, text, "try again with the next key frame"),
        }
    })
}
