//! `tutk talk`: plays a sound file through a camera's speaker.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tutk_runtime::tutk_session::{Codec, Event, MediaRequest, TalkFrame};
use tutk_runtime::tutk_simulator::ClipAudioFormat;
use tutk_runtime::{Error, Talker};

use crate::args::{Global, TalkArgs, TalkCodec};
use crate::camera;
use crate::command_session::CommandSession;
use crate::console::Console;
use crate::failure::{Failure, Status};
use crate::report::{self, AudioReport, Report};
use crate::signals::Stop;
use crate::talk_input::{TalkClip, TalkInput};

/// The phase after authentication, in failures.
const PHASE: &str = "talk";

/// The time limit for the camera's first audio frame.
const FIRST_SOUND: Duration = Duration::from_secs(5);

pub(crate) async fn run(
    args: &TalkArgs,
    global: &Global,
    console: &Console,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    // Reports invalid input before anything is sent.
    let input = TalkInput::read(&args.input)?;
    let camera = camera::read(&args.camera, global.config.as_deref())?;
    let media = MediaRequest {
        video: false,
        audio: args.codec.is_none(),
    };
    let mut session =
        CommandSession::open(camera, &args.access, media, console, report, stop).await?;
    let result = talk(&mut session, args.codec, input, console).await;
    session.close().await;
    result
}

async fn talk(
    session: &mut CommandSession<'_>,
    codec: Option<TalkCodec>,
    input: TalkInput,
    console: &Console,
) -> Result<(), Failure> {
    session.authenticated().await?;
    let format = match codec {
        Some(codec) => input.own_format(codec.wire()).ok_or_else(|| {
            let what = "the protocol has no code for the file's sample rate";
            Failure::usage("input", what, "convert it to 8000, 16000 or 48000 Hz")
        })?,
        None => camera_format(session).await?,
    };
    let talk_clip = input.encode_for(format)?;
    console.line(format_args!(
        "{:.1} s of {}",
        talk_clip.clip.duration().as_secs_f64(),
        talk_clip.clip.format()
    ));
    send(session, talk_clip, console).await
}

/// Returns the audio format that the camera sends. It is assumed to accept the same.
async fn camera_format(session: &mut CommandSession<'_>) -> Result<ClipAudioFormat, Failure> {
    let until = Instant::now() + FIRST_SOUND;
    loop {
        let event = tokio::select! {
            event = session.next_event() => event?,
            () = tokio::time::sleep_until(until) => {
                let what = format!("the camera sent no sound within {} s, so its codec is not known", FIRST_SOUND.as_secs());
                let advice = "set --codec; most cameras accept pcmu or pcm";
                return Err(Failure::new(Status::Silent, PHASE, what, advice));
            }
        };
        if let Event::Frame(frame) = event
            && let (Some(codec), Some(flags)) = (frame.codec, frame.audio)
        {
            return Ok(ClipAudioFormat { codec, flags });
        }
    }
}

async fn send(
    session: &mut CommandSession<'_>,
    talk_clip: TalkClip,
    console: &Console,
) -> Result<(), Failure> {
    let frames = talk_clip.clip.len() as u64;
    let length = talk_clip.clip.duration();
    let format = talk_clip.clip.format();
    let mut progress = console.progress(Some(frames));
    let (sender, mut said) = watch::channel(0);
    // A separate task, because `select!` would cancel a frame that is being sent.
    let mut opening = std::pin::pin!(session.session().talk());
    let talker = loop {
        tokio::select! {
            talker = &mut opening => break talker.map_err(|error| failure(&error))?,
            event = session.next_event() => { event?; }
        }
    };
    let mut task = tokio::spawn(send_frames(talker, talk_clip, sender));
    let result = loop {
        tokio::select! {
            biased;
            joined = &mut task => break joined,
            Ok(()) = said.changed() => progress.sent(*said.borrow_and_update(), frames, length),
            event = session.next_event() => {
                if let Err(failure) = event {
                    task.abort();
                    progress.finish();
                    return Err(failure);
                }
            }
        }
    };
    progress.finish();
    let sent = *said.borrow();
    session.report.audio = Some(AudioReport {
        frames: sent,
        ..AudioReport::new(format)
    });
    match result {
        Ok(Ok(())) => {
            session.report.seconds = report::seconds(length);
            console.line(format_args!(
                "sent {sent} frames, {:.1} s",
                length.as_secs_f64()
            ));
            Ok(())
        }
        Ok(Err(error)) => Err(failure(&error)),
        Err(error) => Err(Failure::other(PHASE, error.to_string(), "report this")),
    }
}

async fn send_frames(
    mut talker: Talker,
    TalkClip { clip, format }: TalkClip,
    said: watch::Sender<u64>,
) -> Result<(), Error> {
    for (data, timestamp) in clip.frames() {
        talker
            .send(TalkFrame {
                codec: format.codec,
                flags: format.flags,
                timestamp,
                data,
            })
            .await?;
        said.send_modify(|said| *said += 1);
    }
    // Waits until the camera has played the last frame.
    if let Some((_, last)) = clip.frames().last() {
        tokio::time::sleep(clip.duration().saturating_sub(last)).await;
    }
    talker.finish().await
}

fn failure(error: &Error) -> Failure {
    let Error::Talk(error) = error else {
        return Failure::runtime(PHASE, error);
    };
    let advice = "check that the camera has a speaker, and that no other app is using it";
    Failure::new(Status::Refused, PHASE, error.to_string(), advice)
}

impl TalkCodec {
    fn wire(self) -> Codec {
        match self {
            Self::Aac => Codec::AacAdts,
            Self::Pcmu => Codec::Pcmu,
            Self::Pcma => Codec::Pcma,
            Self::Pcm => Codec::Pcm,
        }
    }
}
