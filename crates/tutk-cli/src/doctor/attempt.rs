//! A running attempt to open a session.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tutk_runtime::tutk_session::{
    ClientConfig, ConnectionError, Event, Mac, Phase, Stats, SupervisorEvent,
};
use tutk_runtime::{Observer, Session};

use super::observations::{Attempt, AttemptKind, Fault};
use super::recorder::Recorder;
use super::session::fault;
use super::stream::{StreamMeter, StreamReport};
use crate::report::{PhaseTime, milliseconds};

/// The time limit for closing a session.
const CLOSE: Duration = Duration::from_secs(2);

/// How often the session's counters are read, so that they are known after a failure, too.
const COUNTERS: Duration = Duration::from_millis(500);

/// What an attempt is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal {
    /// This phase completes.
    Phase(Phase),
    /// Frames arrive for this time.
    Stream(Duration),
}

/// What happened in an attempt.
#[derive(Debug)]
pub(super) enum Progress {
    /// A phase is complete.
    Phase(Phase, Duration),
    /// The first key frame arrived, after this time since the camera's authentication.
    KeyFrame(Duration),
    /// The camera reported its model.
    Model(String),
    /// The attempt is over.
    Ended,
}

/// A session, and what was seen of it.
pub(super) struct Running {
    session: Session,
    goal: Goal,
    attempt: Attempt,
    meter: StreamMeter,
    stats: Stats,
    /// Packets that this machine dropped, as far as known.
    kernel_drops: u64,
    read_counters_at: Instant,
    authenticated: Option<Instant>,
    /// When the last phase began.
    pub(super) phase_began: Instant,
    ends: Instant,
}

impl Running {
    /// Starts to connect. The attempt takes at most `limit`.
    pub(super) fn start(
        kind: AttemptKind,
        goal: Goal,
        mut config: ClientConfig,
        mac: Option<Mac>,
        recorder: Option<Recorder>,
        limit: Duration,
    ) -> Result<Self, tutk_runtime::Error> {
        let now = Instant::now();
        config.key_log = recorder.is_some();
        let observer = recorder.map(|recorder| Arc::new(recorder) as Arc<dyn Observer>);
        Ok(Self {
            session: Session::start_observed(config, observer)?,
            goal,
            attempt: Attempt::new(kind),
            meter: StreamMeter::new(mac),
            stats: Stats::default(),
            kernel_drops: 0,
            read_counters_at: now,
            authenticated: None,
            phase_began: now,
            ends: now + limit,
        })
    }

    /// Returns the next thing that happens. Cancel-safe.
    pub(super) async fn next(&mut self) -> Progress {
        loop {
            let event = tokio::select! {
                biased;
                () = tokio::time::sleep_until(self.ends) => {
                    self.read_counters().await;
                    self.time_is_over();
                    return Progress::Ended;
                }
                event = self.session.next_event() => event,
            };
            if let Some(progress) = self.handle(event) {
                return progress;
            }
            if self.authenticated.is_some() && Instant::now() >= self.read_counters_at {
                self.read_counters_at = Instant::now() + COUNTERS;
                self.read_counters().await;
            }
        }
    }

    fn handle(&mut self, event: Option<SupervisorEvent>) -> Option<Progress> {
        // The task of the session is gone, which follows its end.
        let Some(event) = event else {
            return Some(Progress::Ended);
        };
        match event {
            SupervisorEvent::Frame(next) => {
                let since = self.authenticated?.elapsed();
                let first = next.frame.is_key() && !self.meter.has_key_frame();
                self.meter.frame(since, &next.frame);
                first.then_some(Progress::KeyFrame(since))
            }
            SupervisorEvent::Session(event) => self.handle_session(event),
            SupervisorEvent::Ended(Err(ConnectionError::Session(error))) => {
                let (phase, fault) = fault(&error);
                self.fail(phase, fault, error.to_string());
                Some(Progress::Ended)
            }
            SupervisorEvent::Ended(Err(error)) => {
                self.fail(self.phase(), Fault::Local, error.to_string());
                Some(Progress::Ended)
            }
            SupervisorEvent::Ended(Ok(())) => Some(Progress::Ended),
            _ => None,
        }
    }

    fn handle_session(&mut self, event: Event) -> Option<Progress> {
        match event {
            Event::Found { dialect, .. } => {
                self.attempt.dialect = Some(dialect.name.clone());
                None
            }
            Event::Phase(report) => {
                let time = PhaseTime {
                    phase: report.phase.name(),
                    ms: milliseconds(report.took),
                };
                self.phase_began = Instant::now();
                self.attempt.phases.push(time);
                self.attempt.reached = self.attempt.reached.max(Some(report.phase));
                if matches!(self.goal, Goal::Phase(goal) if goal <= report.phase) {
                    self.ends = self.phase_began;
                }
                Some(Progress::Phase(report.phase, report.took))
            }
            Event::Authenticated(result) => {
                let now = Instant::now();
                self.authenticated = Some(now);
                if let Goal::Stream(length) = self.goal {
                    self.ends = self.ends.min(now + length);
                }
                result
                    .model()
                    .map(|model| Progress::Model(model.to_owned()))
            }
            Event::Lost(lost) => {
                self.meter.lost(&lost);
                None
            }
            _ => None,
        }
    }

    async fn read_counters(&mut self) {
        if let Some(stats) = self.session.stats().await {
            self.stats = stats;
        }
        // Unknown after the end of the session, whose last counters stay.
        if let Some(drops) = self.session.tally().await.kernel_drops {
            self.kernel_drops = drops;
        }
    }

    /// The time of the goal, or of the attempt, is over.
    fn time_is_over(&mut self) {
        let phase = self.phase();
        match self.goal {
            Goal::Phase(goal) if self.attempt.completed(goal) => {}
            Goal::Stream(_) if self.meter.has_key_frame() => {}
            Goal::Stream(_) if self.authenticated.is_some() => {
                self.fail(phase, Fault::Silent, "no key frame arrived".to_owned());
            }
            _ => self.fail(phase, Fault::OutOfTime, "the time was over".to_owned()),
        }
    }

    fn fail(&mut self, phase: Phase, fault: Fault, error: String) {
        // The phase is shown beside the error.
        let prefix = format!("{phase}: ");
        let error = error.strip_prefix(&prefix).unwrap_or(&error).to_owned();
        self.attempt.failed_in = Some(phase);
        self.attempt.fault = Some(fault);
        self.attempt.error = Some(error);
    }

    /// The phase that is under way.
    fn phase(&self) -> Phase {
        match self.attempt.reached {
            None => Phase::Discovery,
            Some(reached) => reached.next().unwrap_or(reached),
        }
    }

    /// Closes the session, and returns what was seen. The report is `None` unless frames arrived.
    pub(super) async fn close(mut self) -> (Attempt, Option<StreamReport>) {
        let length = self.authenticated.map(|since| since.elapsed());
        self.read_counters().await;
        if tokio::time::timeout(CLOSE, self.session.close())
            .await
            .is_err()
        {
            tracing::debug!("the session did not close in time");
        }
        let report = length.map(|length| StreamReport {
            kernel_drops: self.kernel_drops,
            ..self.meter.finish(length, &self.stats)
        });
        let report = report.filter(|report| report.frames() > 0);
        (self.attempt, report)
    }
}
