//! `/NAME/live`: a WebSocket for a browser's Media Source Extensions.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::extract::{Request, State};
use axum::response::Response;
use serde::Serialize;
use tutk_media::{AccessUnit, AudioConfig, Codec, InitSegment, LiveMp4, Segment};

use super::camera_state::StateJson;
use super::extract::PathCamera;
use super::media::{self, LeftOut, Sound, SoundChoice};
use super::problem::Problem;
use super::state::{AppState, Shutdown};
use super::stream;
use super::websocket::{Disconnected, GOING_AWAY, Incoming, Socket, UNSUPPORTED, Upgrade};
use crate::error::Error;
use crate::hub::{Camera, LiveFrame, StreamDescription, Viewer, ViewerEvent};

/// How far a viewer may fall behind, by the frames' times, before it goes on with the newest key frame.
const MAX_LAG: Duration = Duration::from_secs(2);

/// What is said beside the segments.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Told<'a> {
    /// Where the camera stands: first of all, and whenever it changes.
    State {
        #[serde(flatten)]
        state: &'a StateJson,
    },
    /// The next binary message is an initialization segment, those after it are media segments of it.
    Init {
        mime: String,
        video: VideoTold,
        sound: Option<SoundTold>,
        /// Where the time 0 of its segments stands, in seconds from that of the first one's of this connection.
        offset: f64,
        /// The time of day of that, in milliseconds since 1970.
        wall: f64,
    },
    /// Something of what the camera shows is not there.
    LeftOut { what: &'static str, error: String },
    /// Frames were left out, because this client is slow.
    Missed { frames: u64 },
}

#[derive(Debug, Serialize)]
struct VideoTold {
    codec: String,
    width: u16,
    height: u16,
}

#[derive(Debug, Serialize)]
struct SoundTold {
    /// The camera's.
    codec: String,
    rate: u32,
    channels: u8,
    /// As it is in the segments.
    flac: bool,
}

/// One viewer.
struct Live {
    camera: Camera,
    socket: Socket,
    viewer: Viewer,
    shutdown: Shutdown,
    choice: SoundChoice,
    /// The newest state that was told.
    state: Option<StateJson>,
    writing: Option<Writing>,
    /// Where the first segment of this connection stands.
    zero: Option<Duration>,
}

/// Segments of one kind.
struct Writing {
    mp4: LiveMp4,
    codec: Codec,
    /// The sound that was there when it began, whether it is in the segments or not.
    sound: Option<AudioConfig>,
    /// The frame that it began with, once it was there: its time and time of day.
    start: Option<(Duration, f64)>,
}

/// Why it ends.
enum End {
    /// The client is gone.
    Gone,
    /// The server ends.
    Stopped,
    /// The client did what is not expected.
    Odd,
    Problem(Problem),
}

impl From<Disconnected> for End {
    fn from(_: Disconnected) -> Self {
        Self::Gone
    }
}

pub(super) async fn live(
    State(state): State<AppState>,
    PathCamera(camera): PathCamera,
    Sound(choice): Sound,
    upgrade: Upgrade,
    request: Request,
) -> Response {
    let label = stream::label(&request, "live");
    drop(request);
    let (slot, shutdown) = (state.stream_slot(), state.shutdown());
    upgrade.start(async move |socket| {
        let _slot = match slot {
            Ok(slot) => slot,
            Err(problem) => return socket.fail(problem).await,
        };
        let mut viewer = camera.watch(label);
        viewer.set_max_lag(Some(MAX_LAG));
        tracing::info!(camera = camera.name(), "browser");
        let mut live = Live {
            camera,
            socket,
            viewer,
            shutdown,
            choice: choice.unwrap_or(SoundChoice::Flac),
            state: None,
            writing: None,
            zero: None,
        };
        let Err(end) = live.run(state).await;
        let socket = live.socket;
        tracing::info!(camera = live.camera.name(), "browser left");
        match end {
            End::Gone => {}
            End::Stopped => {
                socket
                    .close(GOING_AWAY, "the server is shutting down")
                    .await
            }
            End::Odd => socket.close(UNSUPPORTED, "no messages are expected").await,
            End::Problem(problem) => socket.fail(problem).await,
        }
    })
}

impl Live {
    async fn run(&mut self, state: AppState) -> Result<std::convert::Infallible, End> {
        let mut description = self.described(&state).await?;
        self.begin(&description).await?;
        loop {
            let event = tokio::select! {
                event = self.viewer.next_event() => event,
                message = self.socket.next() => return Err(unexpected(&message)),
                () = self.shutdown.started() => return Err(End::Stopped),
            };
            match event {
                Some(ViewerEvent::Frame(frame)) => self.frame(&frame).await?,
                Some(ViewerEvent::Description(new)) => {
                    description = new;
                    self.begin(&description).await?;
                }
                Some(ViewerEvent::State(_)) => self.tell_state().await?,
                Some(ViewerEvent::Missed(frames)) => {
                    self.send(&Told::Missed { frames }).await?;
                }
                None => return Err(End::Problem(Error::Closed.into())),
            }
        }
    }

    /// Waits until it is known what the camera shows, however long it is away, and says where it stands meanwhile.
    async fn described(&mut self, state: &AppState) -> Result<Arc<StreamDescription>, End> {
        let mut changes = state.hub.changes();
        loop {
            changes.borrow_and_update();
            self.tell_state().await?;
            let camera = self.camera.clone();
            let description = async {
                match camera.description().await {
                    // It is down: there is nothing to ask for before that changes.
                    Err(Error::Down(_) | Error::NoFrames(_)) => std::future::pending().await,
                    other => other,
                }
            };
            tokio::select! {
                description = description => {
                    return description.map_err(|error| End::Problem(error.into()));
                }
                // The sender is in the hub.
                _ = changes.changed() => {}
                message = self.socket.next() => return Err(unexpected(&message)),
                () = self.shutdown.started() => return Err(End::Stopped),
            }
        }
    }

    async fn tell_state(&mut self) -> Result<(), End> {
        let state = StateJson::of(&self.camera);
        if self.state.as_ref() != Some(&state) {
            self.send(&Told::State { state: &state }).await?;
            self.state = Some(state);
        }
        Ok(())
    }

    /// Begins segments of another kind, where those of now cannot go on.
    async fn begin(&mut self, description: &StreamDescription) -> Result<(), End> {
        let sound = description.sound;
        if let Some(writing) = &self.writing {
            let codec = description.video.as_ref().map(|video| video.codec());
            let other_picture = codec.is_some_and(|codec| codec != writing.codec);
            // Sound that is not there, or not yet, is no other sound.
            let config = sound.map(|sound| sound.config);
            let other_sound = config.is_some() && config != writing.sound;
            if !other_picture && !other_sound {
                return Ok(());
            }
        }
        let codec = media::picture(description).map_err(End::Problem)?;
        let (mp4, left_out) = media::mp4(codec, sound, self.choice);
        if let Some(LeftOut(error)) = &left_out {
            let error = error.clone();
            let what = "sound";
            self.send(&Told::LeftOut { what, error }).await?;
        }
        self.writing = Some(Writing {
            mp4,
            codec,
            sound: sound.map(|sound| sound.config),
            start: None,
        });
        Ok(())
    }

    async fn frame(&mut self, frame: &LiveFrame) -> Result<(), End> {
        let Some(writing) = &mut self.writing else {
            return Ok(());
        };
        let segment = match writing.write(frame) {
            Ok(Some(segment)) => segment,
            Ok(None) => return Ok(()),
            Err(error) => {
                tracing::debug!(%error, "a frame was left out of a stream, and others may be");
                return Ok(());
            }
        };
        if let Some(init) = segment.init {
            let zero = *self.zero.get_or_insert(frame.timestamp);
            let (start, wall) = *writing.start.get_or_insert_with(|| {
                let since = frame.wall.duration_since(UNIX_EPOCH).unwrap_or_default();
                (frame.timestamp, since.as_secs_f64() * 1_000.0)
            });
            let told = writing.init(&init, frame, start.saturating_sub(zero), wall.round());
            self.send(&told).await?;
            self.bytes(init.data).await?;
        }
        self.bytes(segment.data).await
    }

    async fn send(&mut self, told: &Told<'_>) -> Result<(), End> {
        tokio::select! {
            sent = self.socket.send_json(told) => Ok(sent?),
            () = self.shutdown.started() => Err(End::Stopped),
        }
    }

    async fn bytes(&mut self, bytes: bytes::Bytes) -> Result<(), End> {
        tokio::select! {
            sent = self.socket.send(bytes) => Ok(sent?),
            () = self.shutdown.started() => Err(End::Stopped),
        }
    }
}

impl Writing {
    fn write(&mut self, frame: &LiveFrame) -> Result<Option<Segment>, tutk_media::Error> {
        let (data, time) = (&frame.data, frame.timestamp);
        if frame.kind.is_video() {
            let unit = AccessUnit::new(self.codec, data.clone()).with_key_flag(frame.is_key());
            return self.mp4.write(&unit, time);
        }
        match frame.description.sound {
            Some(sound) if self.has_sound() => self.mp4.write_audio(sound.format, data, time),
            _ => Ok(None),
        }
    }

    fn has_sound(&self) -> bool {
        self.mp4.writer().audio_format().is_some()
    }

    fn init(
        &self,
        init: &InitSegment,
        frame: &LiveFrame,
        offset: Duration,
        wall: f64,
    ) -> Told<'static> {
        let video = frame.description.video.as_ref();
        let size = video.and_then(|video| video.parameters());
        let sound = self.sound.filter(|_| self.has_sound());
        Told::Init {
            mime: init.mime_type(),
            video: VideoTold {
                codec: self.codec.to_string(),
                width: size.map_or(0, |size| size.width),
                height: size.map_or(0, |size| size.height),
            },
            sound: sound.map(|sound| {
                let format = sound.format();
                SoundTold {
                    codec: format.codec.to_string(),
                    rate: format.rate,
                    channels: format.channels,
                    flac: init.codecs.ends_with(",flac"),
                }
            }),
            offset: offset.as_secs_f64(),
            wall,
        }
    }
}

/// Returns how the stream ends after a message from the client. None is expected.
fn unexpected(message: &Incoming) -> End {
    match message {
        Incoming::Closed => End::Gone,
        Incoming::Text(_) | Incoming::Binary(_) => End::Odd,
    }
}
