//! `/NAME/stream.mp4` and `/NAME/stream.ts`: endless streams for players.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::HeaderValue;
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use hyper::body::Frame;
use tokio::time::{Instant, Sleep, sleep};

use super::extract::{CameraPath, PathCamera};
use super::media::{self, AudioParameter, StreamQuery};
use super::problem::Problem;
use super::responses::{Binary, Errors};
use super::state::{AppState, StreamSlot};
use super::stop::{Stop, Stopped};
use crate::hub::{AudioTrack, Camera, MuxFormat, MuxedFrame, Muxer, Viewer, ViewerEvent};
use crate::log_limit::log_limited;

/// Names what is not in the stream, and why.
const LEFT_OUT: HeaderName = HeaderName::from_static("tutk-left-out");

/// How long audio waits for the next video frame, with which it is written. A camera sends up to 50
/// audio frames per second. Each write costs more than all other work for a viewer.
const AUDIO_HOLD: Duration = Duration::from_millis(50);

/// The description of the response.
const STREAM: &str =
    "The stream. The header Tutk-Left-Out names audio that the format cannot carry.";

/// A stream to one client.
struct Streaming {
    viewer: Viewer,
    muxer: Arc<Muxer>,
    /// MP4: the start of the stream on the muxer's time line. `None` before the first key frame.
    start: Option<Duration>,
    /// Muxed bytes that are not sent yet, at most those of one video frame and of the audio frames
    /// before it.
    queue: VecDeque<Bytes>,
    /// There is only audio in the queue, and it waits for a video frame or for `release`.
    holds_audio: bool,
    release: Pin<Box<Sleep>>,
    /// The stream ends after the queue.
    ended: bool,
    /// Completes when the stream must end.
    stop: Pin<Box<dyn Future<Output = Stopped> + Send>>,
    _slot: StreamSlot,
}

/// Endless fragmented MP4
#[utoipa::path(
    get,
    path = "/{name}/stream.mp4",
    operation_id = "streamMp4",
    tag = "streams",
    params(CameraPath, StreamQuery),
    responses(
        (status = 200, description = STREAM, content_type = "video/mp4", body = inline(Binary)),
        Errors<404, 501, 503, 504>,
    ),
)]
pub(super) async fn mp4(
    State(state): State<AppState>,
    PathCamera(camera): PathCamera,
    AudioParameter(audio): AudioParameter,
    stop: Stop,
    request: Request,
) -> Result<Response, Problem> {
    let format = MuxFormat::Mp4(audio.unwrap_or(AudioTrack::Camera));
    start(&state, &camera, label(&request, "mp4"), stop, format).await
}

/// Endless MPEG transport stream
#[utoipa::path(
    get,
    path = "/{name}/stream.ts",
    operation_id = "streamTs",
    tag = "streams",
    params(CameraPath),
    responses(
        (status = 200, description = STREAM, content_type = "video/mp2t", body = inline(Binary)),
        Errors<404, 501, 503, 504>,
    ),
)]
pub(super) async fn ts(
    State(state): State<AppState>,
    PathCamera(camera): PathCamera,
    stop: Stop,
    request: Request,
) -> Result<Response, Problem> {
    let label = label(&request, "ts");
    start(&state, &camera, label, stop, MuxFormat::Ts).await
}

/// Returns the label of a viewer in statistics: the kind of output, and the client's address.
pub(super) fn label(request: &Request, kind: &str) -> String {
    match request.extensions().get::<ConnectInfo<SocketAddr>>() {
        Some(ConnectInfo(peer)) => format!("http {peer} {kind}"),
        None => format!("http {kind}"),
    }
}

async fn start(
    state: &AppState,
    camera: &Camera,
    label: String,
    mut stop: Stop,
    format: MuxFormat,
) -> Result<Response, Problem> {
    let content = match format {
        MuxFormat::Mp4(_) => "video/mp4",
        MuxFormat::Ts => "video/mp2t",
    };
    let slot = state.stream_slot()?;
    // Subscribes before the description is known, so that no frame is missed.
    let viewer = camera.watch(label);
    let described = tokio::select! {
        described = camera.description() => described,
        stopped = stop.requested() => return Err(stopped.into()),
    };
    let description = described.map_err(|error| {
        log_limited!(info, camera = camera.name(), %error, content, "cannot start a stream");
        Problem::from(error)
    })?;
    let muxer = camera.muxer(format, &description);
    let muxer = muxer.ok_or_else(media::no_video)?;
    let mut headers = vec![(CONTENT_TYPE, HeaderValue::from_static(content))];
    if let Some(error) = &muxer.omitted_audio {
        log_limited!(
            info,
            camera = camera.name(),
            content,
            error,
            "stream without audio"
        );
        let value = HeaderValue::from_str(&format!("sound: {error}"));
        headers.extend(value.map(|value| (LEFT_OUT, value)));
    }
    log_limited!(info, camera = camera.name(), content, "HTTP viewer");
    let streaming = Streaming {
        viewer,
        muxer,
        start: None,
        queue: VecDeque::new(),
        holds_audio: false,
        release: Box::pin(sleep(AUDIO_HOLD)),
        ended: false,
        stop: Box::pin(async move { stop.requested().await }),
        _slot: slot,
    };
    let mut response = Body::new(streaming).into_response();
    let headers = headers.into_iter().map(|(name, value)| (Some(name), value));
    response.headers_mut().extend(headers);
    Ok(response)
}

impl HttpBody for Streaming {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            if !self.holds_audio
                && let Some(bytes) = self.queue.pop_front()
            {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            let event = match self.viewer.poll_event(context) {
                Poll::Ready(event) => event,
                Poll::Pending if self.holds_audio => {
                    ready!(self.release.as_mut().poll(context));
                    self.holds_audio = false;
                    continue;
                }
                Poll::Pending => {
                    ready!(self.stop.as_mut().poll(context));
                    None
                }
            };
            self.handle_event(event);
        }
    }
}

impl Streaming {
    fn handle_event(&mut self, event: Option<ViewerEvent>) {
        match event {
            Some(ViewerEvent::Frame(frame)) => {
                let was_empty = self.queue.is_empty();
                if let Some(muxed) = self.muxer.mux(&frame) {
                    self.push(muxed);
                }
                if frame.kind.is_video() {
                    self.holds_audio = false;
                } else if was_empty && !self.queue.is_empty() {
                    self.holds_audio = true;
                    self.release.as_mut().reset(Instant::now() + AUDIO_HOLD);
                }
            }
            Some(ViewerEvent::Description(description)) => {
                let video = description.video.as_ref();
                // A player has to reconnect if the video codec changes.
                self.ended = video.is_some_and(|video| video.codec() != self.muxer.codec());
            }
            Some(_) => {}
            None => self.ended = true,
        }
        self.holds_audio &= !self.ended;
    }

    /// Queues a muxed frame. The stream starts at a key frame, at time 0.
    fn push(&mut self, muxed: MuxedFrame) {
        match muxed {
            MuxedFrame::Mp4 { segment, init } => {
                if self.start.is_none() && segment.key {
                    self.start = Some(segment.start);
                    self.queue.push_back(init.data.clone());
                }
                match self.start {
                    Some(start) if segment.start >= start => {
                        self.queue.extend(segment.rebased(start))
                    }
                    _ => {}
                }
            }
            MuxedFrame::Ts { key, data } => {
                if key || self.start.is_some() {
                    self.start = Some(Duration::ZERO);
                    self.queue.push_back(data);
                }
            }
        }
    }
}
