//! `/NAME/stream.mp4` and `/NAME/stream.ts`: streams without an end, for players.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use tutk_media::{AccessUnit, Codec, Error, LiveMp4, TsWriter};

use super::extract::PathCamera;
use super::media::{self, LeftOut, Sound, SoundChoice};
use super::problem::Problem;
use super::state::{AppState, Shutdown, StreamSlot};
use crate::hub::{Camera, LiveFrame, SoundDescription, Viewer, ViewerEvent};

/// Says what is not in the stream, and why.
const LEFT_OUT: HeaderName = HeaderName::from_static("tutk-left-out");

/// What makes frames into bytes.
enum Writer {
    Mp4(Box<LiveMp4>),
    Ts(TsWriter),
}

/// A stream on its way to one client.
struct Streaming {
    viewer: Viewer,
    /// Of the picture.
    codec: Codec,
    writer: Writer,
    /// Bytes that were made and not taken: two parts of them at most.
    made: VecDeque<Bytes>,
    shutdown: Shutdown,
    _slot: StreamSlot,
    /// It was said that sound is left out.
    silent: bool,
}

pub(super) async fn mp4(
    State(state): State<AppState>,
    PathCamera(camera): PathCamera,
    Sound(choice): Sound,
    request: Request,
) -> Result<Response, Problem> {
    let choice = choice.unwrap_or(SoundChoice::Camera);
    let label = label(&request, "mp4");
    drop(request);
    begin(&state, &camera, label, "video/mp4", |shown| {
        let (codec, sound) = shown;
        let (mp4, left_out) = media::mp4(codec, sound, choice);
        (Writer::Mp4(Box::new(mp4.with_one_init())), left_out)
    })
    .await
}

pub(super) async fn ts(
    State(state): State<AppState>,
    PathCamera(camera): PathCamera,
    request: Request,
) -> Result<Response, Problem> {
    let label = label(&request, "ts");
    drop(request);
    begin(&state, &camera, label, "video/mp2t", |shown| {
        let (codec, sound) = shown;
        let (ts, left_out) = media::ts(codec, sound);
        (Writer::Ts(ts), left_out)
    })
    .await
}

/// Who watches, for the statistics: no more than what kind, and from where.
pub(super) fn label(request: &Request, kind: &str) -> String {
    match request.extensions().get::<ConnectInfo<SocketAddr>>() {
        Some(ConnectInfo(peer)) => format!("http {peer} {kind}"),
        None => format!("http {kind}"),
    }
}

type Shown = (Codec, Option<SoundDescription>);

async fn begin(
    state: &AppState,
    camera: &Camera,
    label: String,
    content: &'static str,
    writer: impl FnOnce(Shown) -> (Writer, Option<LeftOut>),
) -> Result<Response, Problem> {
    let slot = state.stream_slot()?;
    let mut shutdown = state.shutdown();
    // It has a place from now on: what comes while the camera is asked is not missed.
    let viewer = camera.watch(label);
    let described = tokio::select! {
        described = camera.description() => described,
        () = shutdown.started() => return Err(shutting_down()),
    };
    let described = described.map_err(|error| {
        tracing::info!(camera = camera.name(), %error, content, "nothing to stream");
        Problem::from(error)
    })?;
    let codec = media::picture(&described)?;
    let (writer, left_out) = writer((codec, described.sound));
    let mut headers = vec![(CONTENT_TYPE, HeaderValue::from_static(content))];
    if let Some(LeftOut(why)) = &left_out {
        tracing::info!(camera = camera.name(), content, why, "no sound in a stream");
        headers.extend(HeaderValue::from_str(&format!("sound: {why}")).map(|why| (LEFT_OUT, why)));
    }
    tracing::info!(camera = camera.name(), content, "HTTP viewer");
    let streaming = Streaming {
        viewer,
        codec,
        writer,
        made: VecDeque::new(),
        shutdown,
        _slot: slot,
        silent: left_out.is_some(),
    };
    let body = stream::unfold(streaming, async |mut streaming: Streaming| {
        let bytes = streaming.next().await?;
        Some((Ok::<_, Infallible>(bytes), streaming))
    });
    let mut response = Body::from_stream(body).into_response();
    response
        .headers_mut()
        .extend(headers.into_iter().map(|(name, value)| (Some(name), value)));
    Ok(response)
}

/// The error for requests while the server shuts down.
pub(super) fn shutting_down() -> Problem {
    let error = "the server is shutting down";
    let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, error, "try again later");
    problem.retry_after(10)
}

impl Streaming {
    /// The next part; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(made) = self.made.pop_front() {
                return Some(made);
            }
            let event = tokio::select! {
                event = self.viewer.next_event() => event?,
                () = self.shutdown.started() => return None,
            };
            match event {
                ViewerEvent::Frame(frame) => self.frame(&frame),
                ViewerEvent::Description(description) => {
                    let video = description.video.as_ref();
                    // Another codec has no place in the stream: whoever plays it begins anew.
                    if video.is_some_and(|video| video.codec() != self.codec) {
                        return None;
                    }
                }
                _ => {}
            }
        }
    }

    fn frame(&mut self, frame: &LiveFrame) {
        let made = match frame.kind.is_video() {
            true => self.writer.picture(self.codec, frame),
            false => self.writer.sound(frame),
        };
        match made {
            Ok(made) => self
                .made
                .extend(made.into_iter().filter(|made| !made.is_empty())),
            Err(error) if frame.kind.is_video() || !self.silent => {
                self.silent |= !frame.kind.is_video();
                tracing::info!(%error, "a frame was left out of a stream, and others may be");
            }
            Err(_) => {}
        }
    }
}

impl Writer {
    fn picture(&mut self, codec: Codec, frame: &LiveFrame) -> Result<[Bytes; 2], Error> {
        let unit = AccessUnit::new(codec, frame.data.clone()).with_key_flag(frame.is_key());
        let time = frame.timestamp;
        match self {
            Self::Mp4(mp4) => Ok(parts(mp4.write(&unit, time)?)),
            Self::Ts(ts) => Ok([ts.write(&unit, time)?.into(), Bytes::new()]),
        }
    }

    fn sound(&mut self, frame: &LiveFrame) -> Result<[Bytes; 2], Error> {
        let Some(sound) = frame.description.sound else {
            return Ok([const { Bytes::new() }; 2]);
        };
        let (format, data, time) = (sound.format, &frame.data, frame.timestamp);
        match self {
            Self::Mp4(mp4) => Ok(parts(mp4.write_audio(format, data, time)?)),
            Self::Ts(ts) => Ok([ts.write_audio(format, data, time)?.into(), Bytes::new()]),
        }
    }
}

/// What stands before a segment, and the segment.
fn parts(segment: Option<tutk_media::Segment>) -> [Bytes; 2] {
    segment.map_or([const { Bytes::new() }; 2], |segment| {
        let init = segment.init.map(|init| init.data);
        [init.unwrap_or_default(), segment.data]
    })
}
