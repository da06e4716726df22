//! `/NAME/talk`: a WebSocket for sound to the camera.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tutk_media::{AudioCodec, AudioFormat, PcmEncoder, talk_frame};
use tutk_runtime::TalkSound;
use tutk_session::{AudioFlags, Codec};

use super::app::{App, Going, Named};
use super::problem::Problem;
use super::websocket::{GOING_AWAY, Handshake, NORMAL, Said, Socket};
use crate::error::Error;
use crate::hub::{Camera, HubTalker};

/// Who opens it and says nothing for so long is sent away: others may want to talk.
pub const TALK_SILENCE: Duration = Duration::from_secs(30);

/// Messages that wait to be said. While as many do, no more are read.
const WAITING: usize = 4;

/// Sound that comes later than this behind what came before is said when it comes: what was said in between is
/// silence, and not made up for.
const PAUSE: Duration = Duration::from_millis(200);

/// What the server says.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Told {
    /// The camera listens: to sound of this rate.
    Ready { codec: String, rate: u32 },
    /// All was said.
    Done { seconds: f64 },
}

/// What a client says beside sound.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
enum Word {
    /// Sound of this rate follows.
    Begin { rate: u32 },
    /// That was all.
    End,
}

/// How it ends, if not well.
enum End {
    Gone,
    Stopped,
    Problem(Problem),
}

impl<E: Into<Problem>> From<E> for End {
    fn from(error: E) -> Self {
        Self::Problem(error.into())
    }
}

/// What the camera takes.
#[derive(Debug, Clone, Copy)]
struct Takes {
    format: AudioFormat,
    codec: Codec,
    flags: AudioFlags,
}

/// The task that says what comes, in time.
type Saying = JoinHandle<Result<Duration, Error>>;

pub(super) async fn talk(
    State(app): State<App>,
    Named(camera): Named,
    mut request: Request,
) -> Result<Response, Problem> {
    let (response, handshake) = Handshake::accept(&mut request, app.limits)?;
    let mut going = app.going();
    tokio::spawn(async move {
        let Some(mut socket) = handshake.open().await else {
            return;
        };
        match serve(&camera, &mut socket, &mut going).await {
            Ok(()) => socket.close(NORMAL, "all was said").await,
            Err(End::Gone) => {}
            Err(End::Stopped) => socket.close(GOING_AWAY, "the server ends").await,
            Err(End::Problem(problem)) => {
                tracing::info!(camera = camera.name(), %problem, "talking failed");
                socket.fail(problem).await;
            }
        }
    });
    Ok(response)
}

async fn serve(camera: &Camera, socket: &mut Socket, going: &mut Going) -> Result<(), End> {
    let opening = async {
        let takes = takes(camera).await?;
        let talker = camera.talk().await?;
        Ok::<_, Problem>((takes, talker))
    };
    let (takes, talker) = tokio::select! {
        opened = opening => opened?,
        () = going.stopped() => return Err(End::Stopped),
        said = socket.next() => return Err(match said {
            Said::Gone => End::Gone,
            _ => wrong("the camera does not listen yet", "wait for the message `ready`").into(),
        }),
    };
    tracing::info!(camera = camera.name(), "somebody talks");
    let AudioFormat { codec, rate, .. } = takes.format;
    let ready = Told::Ready {
        codec: codec.to_string(),
        rate,
    };
    socket.tell(&ready).await.map_err(|_| End::Gone)?;
    let encoder = PcmEncoder::new(takes.format).map_err(|error| unheard(&error.to_string()))?;
    let (sender, sounds) = mpsc::channel(WAITING);
    let mut saying = tokio::spawn(say(talker, encoder, takes, sounds));
    let result = hear(socket, going, rate, sender, &mut saying).await;
    if result.is_err() {
        // To drop what it has ends it for the camera, too.
        saying.abort();
    }
    tracing::info!(camera = camera.name(), "talking ended");
    let seconds = result?.as_secs_f64();
    socket
        .tell(&Told::Done { seconds })
        .await
        .map_err(|_| End::Gone)
}

/// What the camera sends, and so takes.
async fn takes(camera: &Camera) -> Result<Takes, Problem> {
    let description = camera.description().await?;
    let Some(sound) = description.sound else {
        return Err(unheard(
            "the camera sends no sound, so that it is not known what it takes",
        ));
    };
    let sent = sound.config.format();
    // One channel, whatever the camera sends.
    let format = AudioFormat {
        channels: 1,
        ..sent
    };
    let codec = match sent.codec {
        AudioCodec::Pcm => Codec::Pcm,
        AudioCodec::Pcmu => Codec::Pcmu,
        AudioCodec::Pcma => Codec::Pcma,
        other => {
            return Err(unheard(&format!(
                "the camera takes {other}, which is not encoded here"
            )));
        }
    };
    let flags = AudioFlags::new(format.rate, 16, 1);
    let flags = flags.ok_or_else(|| unheard("the camera's rate has no number in the protocol"))?;
    Ok(Takes {
        format,
        codec,
        flags,
    })
}

/// Hands on what comes, until that was all. Returns how long it was.
async fn hear(
    socket: &mut Socket,
    going: &mut Going,
    rate: u32,
    sender: mpsc::Sender<Vec<i16>>,
    saying: &mut Saying,
) -> Result<Duration, End> {
    let mut begun = false;
    let mut heard = Instant::now();
    loop {
        let said = tokio::select! {
            said = socket.next() => said,
            ended = &mut *saying => return Err(said_all(ended).err().unwrap_or(End::Gone)),
            () = going.stopped() => return Err(End::Stopped),
            () = tokio::time::sleep_until(heard + TALK_SILENCE) => {
                let error = format!("nothing was said for {} s", TALK_SILENCE.as_secs());
                let advice = "open it when there is something to say";
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, error, advice).into());
            }
        };
        match said {
            Said::Gone => return Err(End::Gone),
            Said::Text(text) => match word(&text)? {
                Word::Begin { rate: given } if given != rate => {
                    let error =
                        format!("sound of {given} Hz came, where the camera takes {rate} Hz");
                    let advice = "record at that rate: `new AudioContext({ sampleRate })` does it";
                    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error, advice);
                    return Err(problem.allowing([rate.to_string()]).into());
                }
                Word::Begin { .. } => begun = true,
                Word::End => break,
            },
            Said::Binary(_) if !begun => {
                let advice = format!("send {{\"type\":\"begin\",\"rate\":{rate}}} before");
                return Err(wrong("sound came before its rate was told", &advice).into());
            }
            Said::Binary(bytes) => {
                let samples = samples(&bytes)?;
                tokio::select! {
                    // Who is gone says so by its end.
                    sent = sender.send(samples) => drop(sent),
                    () = going.stopped() => return Err(End::Stopped),
                }
            }
        }
        heard = Instant::now();
    }
    drop(sender);
    tokio::select! {
        ended = saying => said_all(ended),
        () = going.stopped() => Err(End::Stopped),
    }
}

/// Says what comes, each frame when it is time.
async fn say(
    mut talker: HubTalker,
    mut encoder: PcmEncoder,
    takes: Takes,
    mut sounds: mpsc::Receiver<Vec<i16>>,
) -> Result<Duration, Error> {
    let mut begun = None;
    let mut shift = Duration::ZERO;
    let mut end = Duration::ZERO;
    loop {
        let next = sounds.recv().await;
        let last = next.is_none();
        encoder.push(&next.unwrap_or_default());
        while let Some((data, time)) = encoder
            .next_frame()
            .or_else(|| last.then(|| encoder.finish()).flatten())
        {
            let passed = begun.get_or_insert_with(Instant::now).elapsed();
            if passed > time + shift + PAUSE {
                shift = passed.saturating_sub(time);
            }
            end = time + shift + talk_frame(takes.format);
            let sound = TalkSound {
                codec: takes.codec,
                flags: takes.flags,
                timestamp: time + shift,
                data,
            };
            talker.send(sound).await?;
        }
        if last {
            // The last frame is to be heard out.
            tokio::time::sleep(talk_frame(takes.format)).await;
            talker.finish().await?;
            return Ok(end);
        }
    }
}

fn said_all(
    ended: Result<Result<Duration, Error>, tokio::task::JoinError>,
) -> Result<Duration, End> {
    match ended {
        Ok(ended) => Ok(ended?),
        // It does not panic, and is stopped by nobody else.
        Err(_) => Err(End::Gone),
    }
}

fn word(text: &str) -> Result<Word, Problem> {
    serde_json::from_str(text).map_err(|error| {
        let error = format!("the message is none that is known: {error}");
        let allowed = ["{\"type\":\"begin\",\"rate\":HERTZ}", "{\"type\":\"end\"}"];
        wrong(
            &error,
            "send text as is allowed, or sound as binary messages",
        )
        .allowing(allowed)
    })
}

fn samples(bytes: &Bytes) -> Result<Vec<i16>, Problem> {
    let (samples, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        let error = format!("{} bytes are no whole samples", bytes.len());
        let advice = "send mono PCM, 16 bits, little-endian";
        return Err(wrong(&error, advice));
    }
    Ok(samples.iter().map(|two| i16::from_le_bytes(*two)).collect())
}

/// The client errs.
fn wrong(error: &str, advice: &str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error, advice)
}

/// The camera cannot be talked to from here.
fn unheard(error: &str) -> Problem {
    let advice = "`tutk talk` says files that are encoded already";
    Problem::new(StatusCode::NOT_IMPLEMENTED, error, advice)
}
