//! `/NAME/talk`: a WebSocket for audio to the camera.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tutk_media::{AudioCodec, AudioFormat, PcmEncoder, talk_frame};
use tutk_session::{AudioFlags, Codec, TalkFrame};
use utoipa::ToSchema;

use super::extract::{CameraPath, Controller, PathCamera};
use super::problem::Problem;
use super::responses::Errors;
use super::stop::{Stop, Stopped};
use super::websocket::{Incoming, NORMAL, SWITCHING, Socket, Upgrade};
use crate::error::Error;
use crate::hub::{Camera, HubTalker};
use crate::log_limit::log_limited;

/// How long a client may keep the backchannel without sending anything.
pub const TALK_SILENCE: Duration = Duration::from_secs(30);

/// The number of queued messages. While the queue is full, no messages are read.
const QUEUE: usize = 4;

/// Audio that arrives later than this after the previous audio is played when it arrives. The time
/// in between remains silent.
const PAUSE: Duration = Duration::from_millis(200);

/// A message to the client.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum TalkMessage {
    /// The backchannel is open for audio of this sample rate.
    Ready { codec: String, rate: u32 },
    /// All audio was played.
    Done { seconds: f64 },
}

/// A text message from the client.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum TalkCommand {
    /// Audio of this sample rate follows.
    Begin { rate: u32 },
    /// There is no more audio.
    End,
}

/// Why talking failed.
enum End {
    Disconnected,
    Stopped(Stopped),
    Problem(Problem),
}

impl<E: Into<Problem>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Problem(error.into())
    }
}

/// The audio format of the backchannel.
#[derive(Debug, Clone, Copy)]
struct TalkFormat {
    format: AudioFormat,
    codec: Codec,
    flags: AudioFlags,
}

/// The task that sends audio in real time.
type Playback = JoinHandle<Result<Duration, Error>>;

/// A WebSocket for audio to the camera
///
/// Text messages are JSON: `TalkMessage` or `ErrorMessage` from the server, `TalkCommand` from the
/// client. Binary messages from the client are mono 16-bit little-endian PCM at the sample rate of
/// `ready`.
#[utoipa::path(
    get,
    path = "/{name}/talk",
    tag = "streams",
    params(CameraPath),
    responses((status = 101, description = SWITCHING), Errors<403, 404, 426>),
)]
pub(super) async fn talk(
    PathCamera(camera): PathCamera,
    Controller(_): Controller,
    mut stop: Stop,
    upgrade: Upgrade,
) -> Response {
    upgrade.start(
        async move |mut socket| match serve(&camera, &mut socket, &mut stop).await {
            Ok(()) => socket.close(NORMAL, "all audio was played").await,
            Err(End::Disconnected) => {}
            Err(End::Stopped(stopped)) => socket.stop(stopped).await,
            Err(End::Problem(problem)) => {
                log_limited!(info, camera = camera.name(), %problem, "talking failed");
                socket.fail(problem).await;
            }
        },
    )
}

async fn serve(camera: &Camera, socket: &mut Socket, stop: &mut Stop) -> Result<(), End> {
    let opening = async {
        let format = talk_format(camera).await?;
        let talker = camera.talk().await?;
        Ok::<_, Problem>((format, talker))
    };
    let (format, talker) = tokio::select! {
        opened = opening => opened?,
        stopped = stop.requested() => return Err(End::Stopped(stopped)),
        message = socket.next() => return Err(match message {
            Incoming::Closed => End::Disconnected,
            _ => invalid("the backchannel is not open yet", "wait for the message `ready`").into(),
        }),
    };
    log_limited!(info, camera = camera.name(), "backchannel opened");
    let AudioFormat { codec, rate, .. } = format.format;
    let ready = TalkMessage::Ready {
        codec: codec.to_string(),
        rate,
    };
    socket
        .send_json(&ready)
        .await
        .map_err(|_| End::Disconnected)?;
    let encoder =
        PcmEncoder::new(format.format).map_err(|error| unsupported(&error.to_string()))?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    let mut playback = tokio::spawn(play(talker, encoder, format, receiver));
    let result = receive(socket, stop, rate, sender, &mut playback).await;
    if result.is_err() {
        // Dropping the talker closes the backchannel.
        playback.abort();
    }
    log_limited!(info, camera = camera.name(), "backchannel closed");
    let seconds = result?.as_secs_f64();
    socket
        .send_json(&TalkMessage::Done { seconds })
        .await
        .map_err(|_| End::Disconnected)
}

/// Returns the format of the backchannel. It is the format of the camera's own audio.
async fn talk_format(camera: &Camera) -> Result<TalkFormat, Problem> {
    let description = camera.description().await?;
    let Some(sound) = description.sound else {
        return Err(unsupported(
            "the camera sends no audio, so the format of its backchannel is unknown",
        ));
    };
    let sent = sound.config.format();
    // The backchannel is mono.
    let format = AudioFormat {
        channels: 1,
        ..sent
    };
    let codec = match sent.codec {
        AudioCodec::Pcm => Codec::Pcm,
        AudioCodec::Pcmu => Codec::Pcmu,
        AudioCodec::Pcma => Codec::Pcma,
        other => {
            return Err(unsupported(&format!(
                "the backchannel uses {other}, and there is no encoder for it"
            )));
        }
    };
    let flags = AudioFlags::new(format.rate, 16, 1);
    let flags = flags
        .ok_or_else(|| unsupported("the protocol does not support the camera's sample rate"))?;
    Ok(TalkFormat {
        format,
        codec,
        flags,
    })
}

/// Forwards audio to `playback` until the client ends it. Returns its duration.
async fn receive(
    socket: &mut Socket,
    stop: &mut Stop,
    rate: u32,
    sender: mpsc::Sender<Vec<i16>>,
    playback: &mut Playback,
) -> Result<Duration, End> {
    let mut rate_known = false;
    let mut received = Instant::now();
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            ended = &mut *playback => return Err(played(ended).err().unwrap_or(End::Disconnected)),
            stopped = stop.requested() => return Err(End::Stopped(stopped)),
            () = tokio::time::sleep_until(received + TALK_SILENCE) => {
                let error = format!("no audio for {} s", TALK_SILENCE.as_secs());
                let advice = "open the backchannel when there is audio to send";
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, error, advice).into());
            }
        };
        match message {
            Incoming::Closed => return Err(End::Disconnected),
            Incoming::Text(text) => match command(&text)? {
                TalkCommand::Begin { rate: given } if given != rate => {
                    let error =
                        format!("audio has {given} Hz, but the backchannel needs {rate} Hz");
                    let advice = "record at that sample rate, for example with `new AudioContext({ sampleRate })`";
                    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error, advice);
                    return Err(problem.allowing([rate.to_string()]).into());
                }
                TalkCommand::Begin { .. } => rate_known = true,
                TalkCommand::End => break,
            },
            Incoming::Binary(_) if !rate_known => {
                let advice = format!("send {{\"type\":\"begin\",\"rate\":{rate}}} first");
                return Err(invalid("audio before its sample rate", &advice).into());
            }
            Incoming::Binary(bytes) => {
                let samples = samples(&bytes)?;
                tokio::select! {
                    // If the playback task has ended, its result is read in the next round.
                    sent = sender.send(samples) => drop(sent),
                    stopped = stop.requested() => return Err(End::Stopped(stopped)),
                }
            }
        }
        received = Instant::now();
    }
    drop(sender);
    tokio::select! {
        ended = playback => played(ended),
        stopped = stop.requested() => Err(End::Stopped(stopped)),
    }
}

/// Sends audio in real time.
async fn play(
    mut talker: HubTalker,
    mut encoder: PcmEncoder,
    format: TalkFormat,
    mut receiver: mpsc::Receiver<Vec<i16>>,
) -> Result<Duration, Error> {
    let mut start = None;
    let mut shift = Duration::ZERO;
    let mut end = Duration::ZERO;
    loop {
        let next = receiver.recv().await;
        let last = next.is_none();
        encoder.push(&next.unwrap_or_default());
        while let Some((data, time)) = encoder
            .next_frame()
            .or_else(|| last.then(|| encoder.finish()).flatten())
        {
            let passed = start.get_or_insert_with(Instant::now).elapsed();
            if passed > time + shift + PAUSE {
                shift = passed.saturating_sub(time);
            }
            end = time + shift + talk_frame(format.format);
            let frame = TalkFrame {
                codec: format.codec,
                flags: format.flags,
                timestamp: time + shift,
                data: &data,
            };
            talker.send(frame).await?;
        }
        if last {
            // Waits until the camera has played the last frame.
            tokio::time::sleep(talk_frame(format.format)).await;
            talker.finish().await?;
            return Ok(end);
        }
    }
}

fn played(ended: Result<Result<Duration, Error>, tokio::task::JoinError>) -> Result<Duration, End> {
    match ended {
        Ok(ended) => Ok(ended?),
        // The task does not panic.
        Err(_) => Err(End::Disconnected),
    }
}

fn command(text: &str) -> Result<TalkCommand, Problem> {
    serde_json::from_str(text).map_err(|error| {
        let error = format!("invalid message: {error}");
        let allowed = ["{\"type\":\"begin\",\"rate\":HERTZ}", "{\"type\":\"end\"}"];
        invalid(
            &error,
            "send an allowed text message, or audio as binary messages",
        )
        .allowing(allowed)
    })
}

fn samples(bytes: &Bytes) -> Result<Vec<i16>, Problem> {
    let (samples, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        let error = format!("{} bytes are not a whole number of samples", bytes.len());
        let advice = "send mono 16-bit little-endian PCM";
        return Err(invalid(&error, advice));
    }
    Ok(samples.iter().map(|two| i16::from_le_bytes(*two)).collect())
}

/// The client sent an invalid message.
fn invalid(error: &str, advice: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error, advice)
}

/// The camera's backchannel cannot be used from here.
fn unsupported(error: &str) -> Problem {
    let advice = "`tutk talk` can play files that are already encoded";
    Problem::new(StatusCode::NOT_IMPLEMENTED, error, advice)
}
