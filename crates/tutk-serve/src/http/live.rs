//! `/NAME/live`: a WebSocket for Media Source Extensions.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use serde::Serialize;
use tutk_media::{InitSegment, Segment};
use utoipa::ToSchema;

use super::camera_state::StateJson;
use super::extract::{CameraPath, PathCamera};
use super::media::{self, AudioParameter, StreamQuery};
use super::problem::Problem;
use super::responses::Errors;
use super::state::AppState;
use super::stop::{Stop, Stopped};
use super::stream;
use super::websocket::{Disconnected, Incoming, SWITCHING, Socket, UNSUPPORTED, Upgrade};
use crate::error::Error;
use crate::hub::{
    AudioTrack, Camera, LiveFrame, MuxFormat, MuxedFrame, Muxer, StreamDescription, Viewer,
    ViewerEvent,
};
use crate::log_limit::log_limited;

/// How far a viewer may fall behind before it continues with the newest key frame.
const MAX_LAG: Duration = Duration::from_secs(2);

/// A text message to the client.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum LiveMessage<'a> {
    /// The state of the camera: at the start, and after each change.
    State {
        #[serde(flatten)]
        state: &'a StateJson,
    },
    /// The next binary message is an initialization segment. The media segments of it follow.
    Init {
        mime: String,
        video: VideoJson,
        sound: Option<AudioJson>,
        /// The position of the segments' time 0 on the connection's time line, in seconds. Negative
        /// for a late viewer.
        offset: f64,
        /// The time of the first segment that follows, in seconds.
        start: f64,
        /// The time of day at `offset`, in milliseconds since 1970.
        wall: f64,
    },
    /// A part of the camera's stream is omitted: `what` is `sound`.
    LeftOut { what: &'static str, error: String },
    /// The client was slow and missed frames.
    Missed { frames: u64 },
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LiveVideo)]
pub(super) struct VideoJson {
    codec: String,
    width: u16,
    height: u16,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LiveSound)]
pub(super) struct AudioJson {
    /// The camera's codec.
    codec: String,
    rate: u32,
    channels: u8,
    /// The segments contain FLAC.
    flac: bool,
}

/// One viewer.
struct Live {
    camera: Camera,
    socket: Socket,
    viewer: Viewer,
    stop: Stop,
    format: MuxFormat,
    /// The newest reported state.
    state: Option<StateJson>,
    muxer: Option<Arc<Muxer>>,
    /// The initialization segment that the client has. `None` if the client needs one before the
    /// next segment.
    init: Option<Arc<InitSegment>>,
    /// The time 0 of the connection on the camera's time line, in seconds.
    zero: Option<f64>,
    /// The position of the segments' time 0 on the connection's time line, in seconds.
    offset: f64,
    /// The end of the last video segment on the connection's time line, in seconds.
    end: f64,
}

/// Why the stream ends.
enum End {
    Disconnected,
    Stopped(Stopped),
    UnexpectedMessage,
    Problem(Problem),
}

impl From<Disconnected> for End {
    fn from(_: Disconnected) -> Self {
        Self::Disconnected
    }
}

/// A WebSocket for Media Source Extensions
///
/// Text messages are JSON: `LiveMessage`, or `ErrorMessage` before the end. The first binary
/// message after `init` is an initialization segment. The following ones are its media segments,
/// one for each frame.
#[utoipa::path(
    get,
    path = "/{name}/live",
    tag = "streams",
    params(CameraPath, StreamQuery),
    responses((status = 101, description = SWITCHING), Errors<403, 404, 426>),
)]
pub(super) async fn live(
    State(state): State<AppState>,
    PathCamera(camera): PathCamera,
    AudioParameter(audio): AudioParameter,
    stop: Stop,
    upgrade: Upgrade,
    request: Request,
) -> Response {
    let label = stream::label(&request, "live");
    drop(request);
    let slot = state.stream_slot();
    upgrade.start(async move |socket| {
        let _slot = match slot {
            Ok(slot) => slot,
            Err(problem) => return socket.fail(problem).await,
        };
        let mut viewer = camera.watch(label);
        viewer.set_max_lag(Some(MAX_LAG));
        log_limited!(info, camera = camera.name(), "browser connected");
        let mut live = Live {
            camera,
            socket,
            viewer,
            stop,
            format: MuxFormat::Mp4(audio.unwrap_or(AudioTrack::Flac)),
            state: None,
            muxer: None,
            init: None,
            zero: None,
            offset: 0.0,
            end: 0.0,
        };
        let Err(end) = live.run(state).await;
        let socket = live.socket;
        log_limited!(info, camera = live.camera.name(), "browser disconnected");
        match end {
            End::Disconnected => {}
            End::Stopped(stopped) => socket.stop(stopped).await,
            End::UnexpectedMessage => socket.close(UNSUPPORTED, "no messages are expected").await,
            End::Problem(problem) => socket.fail(problem).await,
        }
    })
}

impl Live {
    async fn run(&mut self, state: AppState) -> Result<std::convert::Infallible, End> {
        let description = self.description(&state).await?;
        self.select_muxer(&description).await?;
        loop {
            let event = tokio::select! {
                event = self.viewer.next_event() => event,
                message = self.socket.next() => return Err(unexpected(&message)),
                stopped = self.stop.requested() => return Err(End::Stopped(stopped)),
            };
            match event {
                Some(ViewerEvent::Frame(frame)) => self.send_frame(&frame).await?,
                Some(ViewerEvent::Description(description)) => {
                    self.select_muxer(&description).await?;
                }
                Some(ViewerEvent::State(_)) => self.send_state().await?,
                Some(ViewerEvent::Missed(frames)) => {
                    self.send(&LiveMessage::Missed { frames }).await?;
                    self.skip_gap();
                }
                None => return Err(End::Problem(Error::Closed.into())),
            }
        }
    }

    /// Waits for the description, for any time, and reports state changes meanwhile.
    async fn description(&mut self, state: &AppState) -> Result<Arc<StreamDescription>, End> {
        let mut changes = state.hub.changes();
        loop {
            changes.borrow_and_update();
            self.send_state().await?;
            let camera = self.camera.clone();
            let description = async {
                match camera.description().await {
                    // There is no description before the state changes.
                    Err(Error::Down(_) | Error::NoFrames(_)) => std::future::pending().await,
                    other => other,
                }
            };
            tokio::select! {
                description = description => {
                    return description.map_err(|error| End::Problem(error.into()));
                }
                // The hub keeps the sender alive.
                _ = changes.changed() => {}
                message = self.socket.next() => return Err(unexpected(&message)),
                stopped = self.stop.requested() => return Err(End::Stopped(stopped)),
            }
        }
    }

    async fn send_state(&mut self) -> Result<(), End> {
        let state = StateJson::of(&self.camera);
        if self.state.as_ref() != Some(&state) {
            self.send(&LiveMessage::State { state: &state }).await?;
            self.state = Some(state);
        }
        Ok(())
    }

    /// Switches to another muxer if the current one cannot continue.
    async fn select_muxer(&mut self, description: &StreamDescription) -> Result<(), End> {
        let current = self.muxer.as_ref();
        if current.is_some_and(|muxer| muxer.accepts(description)) {
            return Ok(());
        }
        let muxer = self.camera.muxer(self.format, description);
        let muxer = muxer.ok_or_else(|| End::Problem(media::no_video()))?;
        if let Some(error) = muxer.omitted_audio.clone() {
            let what = "sound";
            self.send(&LiveMessage::LeftOut { what, error }).await?;
        }
        self.muxer = Some(muxer);
        self.init = None;
        Ok(())
    }

    /// Lets the next segment continue where the last one ended. Browsers do not play over a gap.
    fn skip_gap(&mut self) {
        if self.init.take().is_some() {
            self.zero = None;
        }
    }

    async fn send_frame(&mut self, frame: &LiveFrame) -> Result<(), End> {
        let Some(muxer) = self.muxer.clone() else {
            return Ok(());
        };
        let Some(MuxedFrame::Mp4 { segment, init }) = muxer.mux(frame) else {
            return Ok(());
        };
        let known = self.init.as_ref();
        if known.is_none_or(|known| !Arc::ptr_eq(known, &init)) {
            // A client can start and resume at key frames only.
            if !segment.key {
                return Ok(());
            }
            let message = self.init_message(&muxer, &init, frame, &segment);
            self.send(&message).await?;
            self.send_bytes(init.data.clone()).await?;
            self.init = Some(init);
        }
        if frame.kind.is_video() {
            self.end = self.offset + segment.end.as_secs_f64();
        }
        self.send_bytes(segment.data.clone()).await
    }

    fn init_message(
        &mut self,
        muxer: &Muxer,
        init: &InitSegment,
        frame: &LiveFrame,
        segment: &Segment,
    ) -> LiveMessage<'static> {
        let timestamp = frame.timestamp.as_secs_f64();
        let end = self.end;
        let zero = *self.zero.get_or_insert(timestamp - end);
        // Rounded down, so that no segment starts before time 0. Browsers drop such segments.
        let start = (segment.start.as_secs_f64() * 1_000.0).floor() / 1_000.0;
        self.offset = timestamp - start - zero;
        let since = frame.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = (since.as_secs_f64() - start) * 1_000.0;
        let size = frame.description.video.as_ref();
        let size = size.and_then(|video| video.parameters());
        LiveMessage::Init {
            mime: init.mime_type(),
            video: VideoJson {
                codec: muxer.codec().to_string(),
                width: size.as_ref().map_or(0, |size| size.width),
                height: size.as_ref().map_or(0, |size| size.height),
            },
            sound: muxer.audio().map(|audio| {
                let format = audio.config.format();
                AudioJson {
                    codec: format.codec.to_string(),
                    rate: format.rate,
                    channels: format.channels,
                    flac: init.codecs.ends_with(",flac"),
                }
            }),
            offset: self.offset,
            start,
            wall: wall.round(),
        }
    }

    async fn send(&mut self, message: &LiveMessage<'_>) -> Result<(), End> {
        tokio::select! {
            sent = self.socket.send_json(message) => Ok(sent?),
            stopped = self.stop.requested() => Err(End::Stopped(stopped)),
        }
    }

    async fn send_bytes(&mut self, bytes: Bytes) -> Result<(), End> {
        tokio::select! {
            sent = self.socket.send(bytes) => Ok(sent?),
            stopped = self.stop.requested() => Err(End::Stopped(stopped)),
        }
    }
}

/// Returns how the stream ends after a message from the client. None is expected.
fn unexpected(message: &Incoming) -> End {
    match message {
        Incoming::Closed => End::Disconnected,
        Incoming::Text(_) | Incoming::Binary(_) => End::UnexpectedMessage,
    }
}
