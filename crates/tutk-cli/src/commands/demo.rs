//! `tutk demo`: records from a simulated camera over UDP.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use tutk_runtime::simulate;
use tutk_runtime::tutk_session::{
    ClientConfig, Credentials, MediaKind, MediaRequest, ReconnectPolicy,
};
use tutk_runtime::tutk_simulator::{Clip, ClipAudio, SimulatorConfig};
use tutk_serve::recorder::{RecordingLimits, Target};
use tutk_serve::{CameraSettings, LiveFrame};

use crate::args::{DemoArgs, SoundChoice};
use crate::clip::{self, BUILT_IN_FPS};
use crate::console::Console;
use crate::failure::Failure;
use crate::recording::{self, Job};
use crate::report::{Report, plural};
use crate::signals::Stop;
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
    let target = Target::new(&args.output, None)
        .map_err(|error| Failure::recording("arguments", error))?
        .with_overwrite(args.overwrite)
        .with_audio();
    if target.is_stdout() {
        let what = "the demo writes a file";
        return Err(Failure::usage("arguments", what, "set --output to a file"));
    }
    report.output = Some(args.output.display().to_string());
    let sink = recording::open(&target)?;
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
    config.media = MediaRequest {
        video: true,
        audio: target.has_audio(),
    };
    let mut settings = CameraSettings::new(config);
    // The demo does not reconnect, so that a failure is visible.
    settings.policy = ReconnectPolicy::never();
    let limits = RecordingLimits {
        frames: Some(frames_of(args.seconds)),
        length: None,
    };
    let mut comparison = Comparison::new(&clip, sound.as_ref());
    let job = Job::new(limits, console, report, |frame: &LiveFrame| {
        comparison.compare(frame.kind, &frame.data);
    });
    let result = job.run(settings, sink, stop).await;
    server.close().await;
    result.and_then(|()| comparison.verdict(console))
}

/// Compares received frames with sent ones.
struct Comparison<'a> {
    clip: &'a Clip,
    sound: Option<&'a ClipAudio>,
    video_frames: u64,
    audio_frames: u64,
    /// The index of the next audio frame. The first one that was recorded may not be the first one
    /// that was sent.
    next_audio: Option<u64>,
    /// The first frame that differs.
    differs: Option<String>,
}

impl<'a> Comparison<'a> {
    fn new(clip: &'a Clip, sound: Option<&'a ClipAudio>) -> Self {
        Self {
            clip,
            sound,
            video_frames: 0,
            audio_frames: 0,
            next_audio: None,
            differs: None,
        }
    }

    fn compare(&mut self, kind: MediaKind, data: &Bytes) {
        let (what, number, same) = if kind == MediaKind::Audio {
            let sent = self.sound.map(ClipAudio::frames).unwrap_or_default();
            let first = || sent.iter().position(|sent| sent == data).unwrap_or(0) as u64;
            let number = self.next_audio.unwrap_or_else(first);
            self.next_audio = Some(number + 1);
            self.audio_frames += 1;
            ("audio", number, nth(sent, number) == Some(data))
        } else {
            let number = self.video_frames;
            self.video_frames += 1;
            let same = nth(self.clip.frames(), number)
                .is_some_and(|sent| sent.data == data && sent.key == (kind == MediaKind::Key));
            ("video", number, same)
        };
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
            self.video_frames,
            plural(self.video_frames),
            self.audio_frames,
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

    #[test]
    fn comparison_detects_a_different_frame() {
        let clip = clip::load(None, BUILT_IN_FPS).unwrap().clip;
        let sound = sound::load(SoundChoice::Aac).unwrap().unwrap();
        let console = Console::new(true);
        let compare_video = |comparison: &mut Comparison<'_>, at: usize| {
            let sent = &clip.frames()[at];
            let kind = match sent.key {
                true => MediaKind::Key,
                false => MediaKind::Delta,
            };
            comparison.compare(kind, &sent.data);
        };
        let mut comparison = Comparison::new(&clip, Some(&sound));
        for at in (0..100).chain(0..100) {
            compare_video(&mut comparison, at);
        }
        // It starts with a later frame, and loops.
        for at in 5..130 {
            comparison.compare(MediaKind::Audio, &sound.frames()[at % 125]);
        }
        assert!(comparison.verdict(&console).is_ok());
        comparison.compare(MediaKind::Audio, &sound.frames()[6]);
        let failure = comparison.verdict(&console).unwrap_err();
        assert!(failure.what.starts_with("audio frame 130 "), "{failure}");

        let mut comparison = Comparison::new(&clip, None);
        compare_video(&mut comparison, 0);
        compare_video(&mut comparison, 2);
        let failure = comparison.verdict(&console).unwrap_err();
        assert!(failure.what.starts_with("video frame 1 "), "{failure}");
    }

    #[test]
    fn converts_seconds_to_frames() {
        assert_eq!(frames_of(Duration::from_secs(5)), 100);
        assert_eq!(frames_of(Duration::from_millis(1)), 1);
    }
}
