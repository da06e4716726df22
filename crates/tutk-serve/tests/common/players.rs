//! Programs that people watch with.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and each test file uses a part of this"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use super::sync::Seen;
use tokio::task::JoinSet;
use tutk_runtime::SimulatedCamera;
use tutk_runtime::tutk_simulator::SimulatorConfig;
use tutk_serve::{Camera, CameraState, Hub, RtspConfig, RtspServer};

/// Whether these tools of a package are there, by asking for their version. Where CI=true they must
/// be.
pub fn are_there(tools: &[&str], argument: &str, package: &str) -> bool {
    let there = |tool: &&str| {
        let out = Command::new(tool).arg(argument).output();
        out.is_ok_and(|out| out.status.success())
    };
    let missing: Vec<_> = tools.iter().filter(|tool| !there(tool)).collect();
    if !missing.is_empty() {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "{missing:?} missing: install the package {package}"
        );
        eprintln!("SKIPPED: {missing:?} missing");
    }
    missing.is_empty()
}

pub fn ffmpeg_is_there() -> bool {
    are_there(&["ffmpeg", "ffprobe"], "-version", "ffmpeg")
}

/// A camera that shows its clip once, a hub and a server for it.
pub struct Show {
    camera: SimulatedCamera,
    pub hub: Hub,
    pub front: Camera,
    pub server: RtspServer,
    pub url: String,
}

impl Show {
    /// `frames` of the picture, and then the end.
    pub async fn start(mut config: SimulatorConfig, frames: Option<u64>, rtsp: RtspConfig) -> Self {
        config.frames = frames;
        let sound = config.sound.is_some();
        let camera = super::served(config);
        let mut settings = super::settings(&camera);
        settings.client.media.audio = sound;
        // It would show all of it again.
        settings.policy.initial_delay = Duration::from_secs(600);
        settings.policy.max_delay = settings.policy.initial_delay;
        let (hub, front) = super::hub(settings);
        let server = RtspServer::start(hub.clone(), rtsp).await.unwrap();
        let url = format!("rtsp://{}/front", server.local_addr());
        Self {
            camera,
            hub,
            front,
            server,
            url,
        }
    }

    /// Runs a program that watches, `URL` among its arguments replaced, until the camera has shown
    /// all. And what a viewer of the hub saw meanwhile.
    pub async fn watch(self, program: &str, args: &[&str]) -> (Output, Seen) {
        let watching = self.spawn(program, args);
        // The camera begins when the player asks what it shows, however long the player takes to
        // come up.
        while self.front.stats().await.viewers.is_empty() && !watching.is_finished() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut viewer = self.front.watch("test");
        let seeing = tokio::spawn(Seen::all(self.front.watch("all")));
        // The camera says that this was all, and the session falls.
        super::state(&mut viewer, |state| matches!(state, CameraState::Down(_))).await;
        drop(viewer);
        self.hub.close().await;
        let out = super::patient(watching).await.unwrap();
        self.server.close().await;
        (out, seeing.await.unwrap())
    }

    pub fn spawn(&self, program: &str, args: &[&str]) -> tokio::task::JoinHandle<Output> {
        let mut command = Command::new(program);
        command.args(args.iter().map(|arg| arg.replace("URL", &self.url)));
        tokio::task::spawn_blocking(move || command.output().unwrap())
    }
}

/// What a program printed; what it complained about fails the test.
pub fn printed(out: Output) -> Vec<u8> {
    let complaints = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success() && complaints.is_empty(),
        "{}: {complaints}",
        out.status
    );
    out.stdout
}

/// A file of this name in the build folder's place for tests.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

/// Runs all of them at once, and fails as the first that does.
pub async fn at_once(cases: impl IntoIterator<Item: Future<Output = ()> + Send + 'static>) {
    let mut cases: JoinSet<()> = cases.into_iter().collect();
    while let Some(case) = cases.join_next().await {
        case.unwrap();
    }
}
