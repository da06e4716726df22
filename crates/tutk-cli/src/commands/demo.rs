//! `tutk demo`: records from a simulated camera over UDP.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tutk_runtime::tutk_session::{ClientConfig, Credentials, Frame, MediaKind, MediaRequest};
use tutk_runtime::tutk_simulator::{Clip, ClipAudio, SimulatorConfig};
use tutk_runtime::{Session, simulate};

use crate::args::{DemoArgs, SoundChoice};
use crate::clip::{self, BUILT_IN_FPS};
use crate::console::Console;
use crate::failure::Failure;
use crate::recording::{Limits, Recording};
use crate::report::{Report, plural};
use crate::signals::Stop;
use crate::sink::Target;
use crate::sound;

/// Credentials of no real camera.
const UID: &str = "TUTKDEMOCAMERA00111A";
const ENR: &str = "NobodysSecret+/0";
const MAC: &str = "02005EC0FFEE";

pub(crate) async fn run(
    args: &DemoArgs,
    console: &Console,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let (target, audio) = Target::new(&args.output, None)?.with_sound();
    if target.is_stdout() {
        let what = "the demo writes a file";
        return Err(Failure::usage("arguments", what, "set --output to a file"));
    }
    report.output = Some(args.output.display().to_string());
    let clip = clip::load(None, BUILT_IN_FPS)?.clip;
    let credentials = Credentials::new(UID, ENR, MAC)
        .map_err(|error| Failure::other("start", error.to_string(), "report this"))?;

    let sound = sound::load(SoundChoice::Aac)?;
    let mut camera = SimulatorConfig::new(credentials.clone(), clip.clone());
    camera.audio.clone_from(&sound);
    if let Some(dialects) = args.dialect.chosen() {
        camera.dialects = dialects;
    }
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = simulate(camera, listen).map_err(|error| Failure::runtime("listen", &error))?;
    let address = server.local_addr();
    console.line(format_args!("simulated camera at {address}"));

    let mut config = ClientConfig::new(address, credentials);
    if let Some(dialects) = args.dialect.chosen() {
        config.dialects = dialects;
    }
    config.media = MediaRequest { video: true, audio };
    let sink = target.open()?;
    // The demo does not reconnect, so that a failure is visible.
    let session = match Session::start(config) {
        Ok(session) => session,
        Err(error) => {
            sink.discard();
            return Err(Failure::runtime("start", &error));
        }
    };
    let limits = Limits {
        frames: Some(frames_of(args.seconds)),
        seconds: None,
    };
    let mut comparison = Comparison::new(&clip, sound.as_ref());
    let recording = Recording::new(sink, limits, console, report, |frame: &Frame| {
        comparison.compare(frame);
    });
    let result = recording.run(session, stop).await;
    server.close().await;

    if report.frames > 0 {
        console.line(&*report);
    }
    result.and_then(|()| comparison.verdict(console))
}

/// Compares received frames with sent ones.
struct Comparison<'a> {
    clip: &'a Clip,
    sound: Option<&'a ClipAudio>,
    pictures: u64,
    sounds: u64,
    /// The first frame that differs.
    differs: Option<String>,
}

impl<'a> Comparison<'a> {
    fn new(clip: &'a Clip, sound: Option<&'a ClipAudio>) -> Self {
        Self {
            clip,
            sound,
            pictures: 0,
            sounds: 0,
            differs: None,
        }
    }

    fn compare(&mut self, frame: &Frame) {
        let is_sound = frame.kind == MediaKind::Audio;
        let (what, number, same) = if is_sound {
            // Audio frames before the first key frame are skipped. The protocol numbers frames from
            // 1.
            let number = u64::from(frame.number).saturating_sub(1);
            let sent = self.sound.and_then(|sound| nth(sound.frames(), number));
            (
                "audio",
                number,
                sent.is_some_and(|sent| *sent == frame.data),
            )
        } else {
            let number = self.pictures;
            let sent = nth(self.clip.frames(), number);
            let same =
                sent.is_some_and(|sent| sent.data == frame.data && sent.key == frame.is_key());
            ("video", number, same)
        };
        match is_sound {
            true => self.sounds += 1,
            false => self.pictures += 1,
        }
        if !same {
            self.differs
                .get_or_insert_with(|| format!("{what} frame {number}"));
        }
    }

    fn verdict(&self, console: &Console) -> Result<(), Failure> {
        if let Some(frame) = &self.differs {
            let what = format!("{frame} differs from the one that was sent");
            return Err(Failure::other("stream", what, "run it again with -v"));
        }
        console.line(format_args!(
            "all {} video frame{} and {} audio frames match the sent ones byte for byte",
            self.pictures,
            plural(self.pictures),
            self.sounds,
        ));
        Ok(())
    }
}

/// Returns frame `number` of a looped clip.
fn nth<T>(frames: &[T], number: u64) -> Option<&T> {
    let index = number.checked_rem(frames.len() as u64)?;
    frames.get(usize::try_from(index).ok()?)
}

/// Returns the number of frames in `length`, at least one.
fn frames_of(length: Duration) -> u64 {
    let frames = (length.as_millis() * u128::from(BUILT_IN_FPS) + 500) / 1000;
    u64::try_from(frames).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn frame(data: &Bytes, kind: MediaKind, number: u32) -> Frame {
        Frame {
            kind,
            codec: None,
            audio: None,
            number,
            timestamp: Duration::ZERO,
            info: None,
            resolution_changed: false,
            data: data.clone(),
        }
    }

    fn picture(clip: &Clip, at: usize) -> Frame {
        let sent = &clip.frames()[at];
        let kind = match sent.key {
            true => MediaKind::Key,
            false => MediaKind::Delta,
        };
        frame(&sent.data, kind, 0)
    }

    #[test]
    fn comparison_detects_a_different_frame() {
        let clip = clip::load(None, BUILT_IN_FPS).unwrap().clip;
        let sound = sound::load(SoundChoice::Aac).unwrap().unwrap();
        let console = Console::new(true);
        let mut comparison = Comparison::new(&clip, Some(&sound));
        for at in (0..100).chain(0..100) {
            comparison.compare(&picture(&clip, at));
        }
        for number in [5, 6, 130] {
            let data = &sound.frames()[(number - 1) % 125];
            let number = number.try_into().unwrap();
            comparison.compare(&frame(data, MediaKind::Audio, number));
        }
        assert!(comparison.verdict(&console).is_ok());
        comparison.compare(&frame(&sound.frames()[0], MediaKind::Audio, 2));
        let failure = comparison.verdict(&console).unwrap_err();
        assert!(failure.what.starts_with("audio frame 1 "), "{failure}");

        let mut comparison = Comparison::new(&clip, None);
        comparison.compare(&picture(&clip, 0));
        comparison.compare(&picture(&clip, 2));
        let failure = comparison.verdict(&console).unwrap_err();
        assert!(failure.what.starts_with("video frame 1 "), "{failure}");
    }

    #[test]
    fn converts_seconds_to_frames() {
        assert_eq!(frames_of(Duration::from_secs(5)), 100);
        assert_eq!(frames_of(Duration::from_millis(1)), 1);
    }
}
