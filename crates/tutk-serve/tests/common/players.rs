//! Players that are installed on the machine.
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

use super::timestamps::Timestamps;
pub use testkit::tools::{are_installed, has_ffmpeg, has_gstreamer, output_or_skip};
use tokio::task::JoinSet;
use tutk_runtime::SimulatedCamera;
use tutk_runtime::tutk_simulator::SimulatorConfig;
use tutk_serve::{Camera, CameraState, Hub, RtspConfig, RtspServer};

/// A camera that sends its clip once, a hub and an RTSP server for it.
pub struct RtspFixture {
    camera: SimulatedCamera,
    pub hub: Hub,
    pub front: Camera,
    pub server: RtspServer,
    pub url: String,
}

impl RtspFixture {
    /// The camera ends the session after `frames` video frames.
    pub async fn start(mut config: SimulatorConfig, frames: Option<u64>, rtsp: RtspConfig) -> Self {
        config.frames = frames;
        let sound = config.audio.is_some();
        let camera = super::start_camera(config);
        let mut settings = super::settings(&camera);
        settings.client.media.audio = sound;
        // The camera would send the clip again.
        settings.policy.initial_delay = Duration::from_secs(600);
        settings.policy.max_delay = settings.policy.initial_delay;
        let (hub, front) = super::hub_with_camera(settings);
        let scheme = if rtsp.tls.is_some() { "rtsps" } else { "rtsp" };
        let server = RtspServer::start(hub.clone(), rtsp).await.unwrap();
        let url = format!("{scheme}://{}/front", server.local_addr());
        Self {
            camera,
            hub,
            front,
            server,
            url,
        }
    }

    /// Runs a player until the camera has sent its clip. Replaces `URL` in the arguments. Returns
    /// the output of the player, and the timestamps that a viewer of the hub received.
    pub async fn play(self, program: &str, args: &[&str]) -> (Output, Timestamps) {
        let player = self.spawn(program, args);
        // The camera starts when the player requests the description.
        while self.front.stats().await.viewers.is_empty() && !player.is_finished() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let mut viewer = self.front.watch("test");
        let timestamps = tokio::spawn(Timestamps::record(self.front.watch("all")));
        // The camera ends the session.
        super::wait_for_state(&mut viewer, |state| matches!(state, CameraState::Down(_))).await;
        drop(viewer);
        self.hub.close().await;
        let out = super::with_timeout(player).await.unwrap();
        self.server.close().await;
        (out, timestamps.await.unwrap())
    }

    pub fn spawn(&self, program: &str, args: &[&str]) -> tokio::task::JoinHandle<Output> {
        let mut command = Command::new(program);
        command.args(args.iter().map(|arg| arg.replace("URL", &self.url)));
        tokio::task::spawn_blocking(move || command.output().unwrap())
    }
}

/// Returns the standard output of a program that succeeded and wrote nothing to standard error.
pub fn checked_stdout(out: Output) -> Vec<u8> {
    let stderr = String::from_utf8_lossy(&out.stderr);
    assert!(
        out.status.success() && stderr.is_empty(),
        "{}: {stderr}",
        out.status
    );
    out.stdout
}

/// Returns the path of a temporary file of this process.
pub fn temp_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

/// Runs test cases concurrently.
pub async fn run_concurrently(
    cases: impl IntoIterator<Item: Future<Output = ()> + Send + 'static>,
) {
    let mut cases: JoinSet<()> = cases.into_iter().collect();
    while let Some(case) = cases.join_next().await {
        case.unwrap();
    }
}
