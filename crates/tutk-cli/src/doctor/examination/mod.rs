//! The steps, in order, within the time budget.

mod network;
mod sessions;

use std::time::Duration;

use tutk_runtime::tutk_session::{CameraUrl, Mac};

use super::attempt::Running;
use super::observations::{CutShort, Host, Observations, QueryKind};
use super::recorder::Recorder;
use super::schedule::Schedule;
use super::step::{Mark, Step};
use crate::config::Network;
use crate::weak_key;

/// Examines one camera.
pub(crate) struct Examination {
    camera: CameraUrl,
    network: Network,
    schedule: Schedule,
    seen: Observations,
    steps: Vec<Step>,
    show: fn(&Step),
    running: Option<Running>,
    recorder: Option<Recorder>,
    /// The MAC of the device at the camera's address.
    mac: Option<Mac>,
}

/// The results of an examination.
pub(crate) struct Findings {
    pub(crate) seen: Observations,
    pub(crate) steps: Vec<Step>,
    /// The MAC of the device at the camera's address, if it is known. Not part of the observations,
    /// which contain no personal data.
    pub(crate) mac: Option<Mac>,
}

impl Examination {
    /// `show` prints a line as soon as its step is complete. `recorder` gets all datagrams.
    pub(crate) fn new(
        camera: CameraUrl,
        network: Network,
        schedule: Schedule,
        recorder: Option<Recorder>,
        show: fn(&Step),
    ) -> Self {
        let seen = Observations {
            host: camera.host.clone(),
            model: camera.model.clone(),
            weak_key: weak_key::warning(&camera.credentials),
            ..Observations::default()
        };
        Self {
            camera,
            network,
            schedule,
            seen,
            steps: Vec::new(),
            show,
            running: None,
            recorder,
            mac: None,
        }
    }

    /// Runs all steps. After it was cancelled, [`interrupted`](Self::interrupted) must be called.
    pub(crate) async fn run(&mut self) {
        let Some(address) = self.resolve().await else {
            return;
        };
        if !self.find_route(address).await {
            return;
        }
        let (reach, mac) = self.test_reach(address).await;
        if reach.host() != Host::Absent {
            self.ask(QueryKind::Own, address, 2.5).await;
            if let Some(port) = self.local_port() {
                self.ask_from(QueryKind::FixedPort, address, port, 2.0)
                    .await;
            }
        }
        if self.seen.answered(QueryKind::Own) || self.seen.answered(QueryKind::FixedPort) {
            self.open_sessions(address).await;
        } else {
            self.explain_silence(address, reach, mac).await;
        }
        if self.schedule.left().is_zero() {
            self.seen.cut_short = Some(CutShort::OutOfTime);
        }
    }

    /// Returns the port of `--local-port` or `local_ports`: the first one of a range.
    fn local_port(&self) -> Option<u16> {
        let first = *self.network.local_ports().start();
        (first != 0).then_some(first)
    }

    /// Ends an examination that was cancelled.
    pub(crate) async fn interrupted(&mut self) {
        self.seen.cut_short = Some(CutShort::Interrupted);
        self.finish_attempt().await;
    }

    pub(crate) fn into_findings(self) -> Findings {
        Findings {
            seen: self.seen,
            steps: self.steps,
            mac: self.mac,
        }
    }

    fn step(&mut self, mark: Mark, name: &'static str, text: impl Into<String>, took: Duration) {
        let step = Step::new(mark, name, text.into(), took);
        (self.show)(&step);
        self.steps.push(step);
    }
}
