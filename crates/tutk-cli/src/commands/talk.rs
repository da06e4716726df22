//! `tutk talk`: say something through a camera's speaker.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tutk_runtime::tutk_session::{Codec, Event, MediaRequest};
use tutk_runtime::tutk_simulator::SoundFormat;
use tutk_runtime::{Error, TalkSound, Talker};

use crate::args::{Global, TalkArgs, TalkCodec};
use crate::asking::Asking;
use crate::camera;
use crate::console::Console;
use crate::failure::{Failure, Status};
use crate::report::{self, AudioReport, Report};
use crate::signals::Stop;
use crate::voice::{Speech, Voice};

/// The phase after the camera has let us in, in failures.
const PHASE: &str = "talk";

/// How long the camera may take to send its first frame of sound.
const FIRST_SOUND: Duration = Duration::from_secs(5);

pub(crate) async fn run(
    args: &TalkArgs,
    global: &Global,
    console: &Console,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    // All that can be wrong without a camera, before anything is sent.
    let voice = Voice::read(&args.input)?;
    let camera = camera::read(&args.camera, global.config.as_deref())?;
    let media = MediaRequest {
        video: false,
        audio: args.codec.is_none(),
    };
    let mut asking = Asking::open(camera, &args.access, media, console, report, stop).await?;
    let result = talk(&mut asking, args.codec, voice, console).await;
    asking.close().await;
    result
}

async fn talk(
    asking: &mut Asking<'_>,
    codec: Option<TalkCodec>,
    voice: Voice,
    console: &Console,
) -> Result<(), Failure> {
    asking.enter().await?;
    let format = match codec {
        Some(codec) => voice.own_format(codec.wire()).ok_or_else(|| {
            let what = "the file's rate is none that the protocol has a number for";
            Failure::usage("input", what, "make one of 8000, 16000 or 48000 Hz")
        })?,
        None => camera_format(asking).await?,
    };
    let speech = voice.speech(format)?;
    console.line(format_args!(
        "{:.1} s of {}",
        speech.clip.duration().as_secs_f64(),
        speech.clip.format()
    ));
    say(asking, speech, console).await
}

/// What the camera sends, and so takes.
async fn camera_format(asking: &mut Asking<'_>) -> Result<SoundFormat, Failure> {
    let until = Instant::now() + FIRST_SOUND;
    loop {
        let event = tokio::select! {
            event = asking.next_event() => event?,
            () = tokio::time::sleep_until(until) => {
                let what = format!("the camera sent no sound within {} s, so its codec is not known", FIRST_SOUND.as_secs());
                let advice = "give --codec: what it takes is most often pcmu or pcm";
                return Err(Failure::new(Status::Silent, PHASE, what, advice));
            }
        };
        if let Event::Frame(frame) = event
            && let (Some(codec), Some(flags)) = (frame.codec, frame.audio)
        {
            return Ok(SoundFormat { codec, flags });
        }
    }
}

async fn say(asking: &mut Asking<'_>, speech: Speech, console: &Console) -> Result<(), Failure> {
    let frames = speech.clip.len() as u64;
    let length = speech.clip.duration();
    let format = speech.clip.format();
    let mut progress = console.progress(Some(frames));
    let (sender, mut said) = watch::channel(0);
    // In a task of its own: a frame that is under way must not be given up for an event.
    let mut opening = std::pin::pin!(asking.session().talk());
    let talker = loop {
        tokio::select! {
            talker = &mut opening => break talker.map_err(|error| failure(&error))?,
            event = asking.next_event() => { event?; }
        }
    };
    let mut task = tokio::spawn(say_all(talker, speech, sender));
    let result = loop {
        tokio::select! {
            biased;
            joined = &mut task => break joined,
            Ok(()) = said.changed() => progress.said(*said.borrow_and_update(), frames, length),
            event = asking.next_event() => {
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
    asking.report.audio = Some(AudioReport {
        frames: sent,
        ..AudioReport::new(format)
    });
    match result {
        Ok(Ok(())) => {
            asking.report.seconds = report::seconds(length);
            console.line(format_args!(
                "said {sent} frames, {:.1} s",
                length.as_secs_f64()
            ));
            Ok(())
        }
        Ok(Err(error)) => Err(failure(&error)),
        Err(error) => Err(Failure::other(PHASE, error.to_string(), "report this")),
    }
}

async fn say_all(
    mut talker: Talker,
    Speech { clip, format }: Speech,
    said: watch::Sender<u64>,
) -> Result<(), Error> {
    for (data, timestamp) in clip.frames() {
        talker
            .send(TalkSound {
                codec: format.codec,
                flags: format.flags,
                timestamp,
                data: data.to_vec(),
            })
            .await?;
        said.send_modify(|said| *said += 1);
    }
    // The last frame is to be heard out.
    if let Some((_, last)) = clip.frames().last() {
        tokio::time::sleep(clip.duration().saturating_sub(last)).await;
    }
    talker.finish().await
}

fn failure(error: &Error) -> Failure {
    let Error::Talk(error) = error else {
        return Failure::runtime(PHASE, error);
    };
    let advice = "check that the camera has a speaker, and that no other app talks to it";
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
