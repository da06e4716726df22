//! `tutk demo`: a simulated camera, and a client that records from it, over real UDP.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tutk_runtime::tutk_session::{
    CameraConfig, ClientConfig, Clip, Credentials, Frame, MediaRequest,
};
use tutk_runtime::{Impairment, Session, serve};

use crate::args::DemoArgs;
use crate::clip::{self, SHIPPED_FPS};
use crate::console::Console;
use crate::failure::Failure;
use crate::recording::{Limits, Recording};
use crate::report::{Report, plural};
use crate::signals::Stop;
use crate::sink::Target;

/// Nobody's camera.
const UID: &str = "TUTKDEMOCAMERA00111A";
const ENR: &str = "NobodysSecret+/0";
const MAC: &str = "02005EC0FFEE";

pub(crate) async fn run(
    args: &DemoArgs,
    console: &Console,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let target = Target::new(&args.output, None)?;
    if target.is_stdout() {
        let what = "the demo writes a file";
        return Err(Failure::usage("arguments", what, "give --output a file"));
    }
    report.output = Some(args.output.display().to_string());
    let clip = clip::load(None, SHIPPED_FPS)?.clip;
    let credentials = Credentials::new(UID, ENR, MAC)
        .map_err(|error| Failure::other("start", error.to_string(), "report this"))?;

    let mut camera = CameraConfig::new(credentials.clone(), clip.clone());
    if let Some(dialects) = args.dialect.chosen() {
        camera.dialects = dialects;
    }
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = serve(camera, listen, Impairment::default())
        .map_err(|error| Failure::runtime("listen", &error))?;
    let address = server.local_addr();
    console.line(format_args!(
        "simulated camera at {address}, and a client beside it"
    ));

    let mut config = ClientConfig::new(address, credentials);
    if let Some(dialects) = args.dialect.chosen() {
        config.dialects = dialects;
    }
    config.media = MediaRequest {
        video: true,
        audio: false,
    };
    let sink = target.open()?;
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
    let mut comparison = Comparison::new(&clip);
    let recording = Recording::new(sink, limits, console, report, |frame: &Frame| {
        comparison.look_at(frame);
    });
    let result = recording.run(session, stop).await;
    server.close().await;

    if report.frames > 0 {
        console.line(&*report);
    }
    result.and_then(|()| comparison.verdict(console))
}

/// What was sent beside what came.
struct Comparison<'a> {
    clip: &'a Clip,
    frames: u64,
    /// The first frame that is not the clip's.
    differs: Option<u64>,
}

impl<'a> Comparison<'a> {
    fn new(clip: &'a Clip) -> Self {
        Self {
            clip,
            frames: 0,
            differs: None,
        }
    }

    fn look_at(&mut self, frame: &Frame) {
        let round = self.clip.frames().len() as u64;
        let index = usize::try_from(self.frames % round).unwrap_or(usize::MAX);
        let sent = self.clip.frames().get(index);
        if sent.is_none_or(|sent| sent.data != frame.data || sent.key != frame.is_key()) {
            self.differs = self.differs.or(Some(self.frames));
        }
        self.frames += 1;
    }

    fn verdict(&self, console: &Console) -> Result<(), Failure> {
        if let Some(frame) = self.differs {
            let what = format!("frame {frame} that came is not the one that was sent");
            return Err(Failure::other("stream", what, "run it again, with -v"));
        }
        console.line(format_args!(
            "the {} frame{} that came are those that were sent, byte for byte",
            self.frames,
            plural(self.frames)
        ));
        Ok(())
    }
}

/// How many frames of the clip last that long: at least one.
fn frames_of(length: Duration) -> u64 {
    let frames = (length.as_millis() * u128::from(SHIPPED_FPS) + 500) / 1000;
    u64::try_from(frames).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use tutk_runtime::tutk_session::MediaKind;

    fn frame(data: &Bytes, key: bool) -> Frame {
        Frame {
            kind: if key {
                MediaKind::Key
            } else {
                MediaKind::Delta
            },
            codec: None,
            audio: None,
            number: 0,
            timestamp: Duration::ZERO,
            info: None,
            resolution_changed: false,
            data: data.clone(),
        }
    }

    #[test]
    fn the_comparison_can_fail() {
        let clip = clip::load(None, SHIPPED_FPS).unwrap().clip;
        let console = Console::new(true);
        let mut comparison = Comparison::new(&clip);
        for sent in clip.frames().iter().chain(clip.frames()) {
            comparison.look_at(&frame(&sent.data, sent.key));
        }
        assert!(comparison.verdict(&console).is_ok());

        let mut comparison = Comparison::new(&clip);
        let [first, _, third, ..] = clip.frames() else {
            panic!("a clip of two frames");
        };
        comparison.look_at(&frame(&first.data, first.key));
        comparison.look_at(&frame(&third.data, third.key));
        let failure = comparison.verdict(&console).unwrap_err();
        assert!(failure.what.contains("frame 1 "), "{failure}");
    }

    #[test]
    fn five_seconds_are_the_whole_clip() {
        assert_eq!(frames_of(Duration::from_secs(5)), 100);
        assert_eq!(frames_of(Duration::from_millis(1)), 1);
    }
}
