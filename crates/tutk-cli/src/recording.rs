//! Records one camera through a hub, with progress on the console and a report.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior};
use tutk_runtime::tutk_session::video_reassembly::StreamKind;
use tutk_runtime::tutk_session::{ConnectionError, Event, Phase, SupervisorEvent, Tally};
use tutk_serve::recorder::{
    Gap, Recorder, RecorderEvent, Recording, RecordingLimits, Sink, Target,
};
use tutk_serve::{CameraSettings, CameraStats, Error, Hub, LiveFrame};

use crate::camera;
use crate::console::{Console, Progress};
use crate::failure::{Failure, Status};
use crate::keylog::KeyLog;
use crate::report::{self, AudioReport, Report};
use crate::signals::Stop;

/// Printed when the camera does not answer at a known address.
pub(crate) const SEARCHING: &str = "searching the local networks for the camera by its UID";

/// The interval of `--stats`.
const STATS: Duration = Duration::from_secs(5);

/// A recording, and where its progress is reported.
pub(crate) struct Job<'a, F> {
    limits: RecordingLimits,
    pub(crate) keylog: Option<KeyLog>,
    /// Prints statistics.
    pub(crate) stats: bool,
    /// The camera's name in the configuration file.
    pub(crate) name: Option<String>,
    report: &'a mut Report,
    console: &'a Console,
    progress: Progress,
    /// Inspects every video and audio frame that was written.
    inspect: F,
    lost_audio: u64,
    /// The number of gaps that were printed.
    gaps: usize,
}

/// Statistics since the previous line.
struct Meter {
    ticks: Option<Interval>,
    since: Instant,
    before: Tally,
    video_frames: u64,
}

impl<'a, F: FnMut(&LiveFrame)> Job<'a, F> {
    pub(crate) fn new(
        limits: RecordingLimits,
        console: &'a Console,
        report: &'a mut Report,
        inspect: F,
    ) -> Self {
        Self {
            limits,
            keylog: None,
            stats: false,
            name: None,
            report,
            console,
            progress: console.progress(limits.frames),
            inspect,
            lost_audio: 0,
            gaps: 0,
        }
    }

    /// Connects, records until the end, completes the file, and closes the session.
    pub(crate) async fn run(
        mut self,
        settings: CameraSettings,
        sink: Sink,
        stop: &mut Stop,
    ) -> Result<(), Failure> {
        let hub = Hub::new();
        let camera = hub
            .add("camera", settings)
            .map_err(|error| Failure::recording("start", error))?;
        let mut recorder = Recorder::new(&camera, sink, self.limits);
        let mut meter = Meter::new(self.stats);
        let mut result = Ok(());
        loop {
            let event = tokio::select! {
                biased;
                () = stop.requested() => break,
                () = meter.due() => {
                    self.progress.line(meter.line(&camera.stats().await));
                    continue;
                }
                event = recorder.next_event() => event,
            };
            let Some(event) = event else { break };
            result = self.event(event, recorder.recording());
            if result.is_err() {
                break;
            }
        }
        self.progress.finish();
        let tally = camera.tally().await;
        if tally != Tally::default() {
            tracing::debug!(?tally, "sums of all sessions");
        }
        let (recording, finished) = recorder.finish();
        hub.close().await;
        self.write_report(&recording, &tally);
        result?;
        finished.map_err(|error| self.ended(error, &recording))?;
        if stop.is_requested() && recording.frames == 0 {
            return Err(Failure::interrupted(current_phase(self.report)));
        }
        Ok(())
    }

    fn event(&mut self, event: RecorderEvent, recording: &Recording) -> Result<(), Failure> {
        match event {
            RecorderEvent::Frame(frame) => {
                (self.inspect)(&frame);
                for gap in recording.gaps.iter().skip(self.gaps) {
                    let Gap { at, length, .. } = gap;
                    let [at, length] = [at, length].map(Duration::as_secs_f64);
                    self.progress
                        .line(format_args!("a gap of {length:.1} s at {at:.1} s"));
                }
                self.gaps = recording.gaps.len();
                if frame.kind.is_video() {
                    let (frames, bytes) = (recording.frames, recording.bytes);
                    self.progress.update(frames, bytes, self.report.lost);
                }
            }
            RecorderEvent::AudioOmitted(reason) => self
                .progress
                .line(format_args!("the camera's audio is not recorded: {reason}")),
            RecorderEvent::Session(event) => return self.session_event(event),
            _ => {}
        }
        Ok(())
    }

    fn session_event(&mut self, event: SupervisorEvent) -> Result<(), Failure> {
        match event {
            SupervisorEvent::Disconnected(disconnect) => {
                if let (ConnectionError::Session(error), Some(next)) =
                    (&disconnect.error, disconnect.next)
                {
                    let next = next.as_secs_f64();
                    self.progress
                        .line(format_args!("{error}; retrying in {next:.1} s"));
                }
            }
            SupervisorEvent::Restored(outage) => {
                self.report.reconnects += 1;
                let down = outage.down.unwrap_or_default().as_secs_f64();
                self.progress
                    .line(format_args!("reconnected after {down:.1} s"));
            }
            SupervisorEvent::Searching => self.progress.line(SEARCHING),
            SupervisorEvent::Moved { to, .. } => {
                self.progress.line(camera::moved(self.name.as_deref(), to));
            }
            SupervisorEvent::Session(Event::Found { dialect, .. }) => {
                self.report.dialect = Some(dialect.name.clone());
            }
            // Each phase once, because a reconnect repeats them.
            SupervisorEvent::Session(Event::Phase(phase))
                if Phase::ALL.get(self.report.phases.len()) == Some(&phase.phase) =>
            {
                let time = self.report.phase(&phase);
                self.progress.line(time);
            }
            SupervisorEvent::Session(Event::Lost(lost)) => {
                tracing::debug!(?lost, "frames lost");
                let frames = run_length(lost.first, lost.last);
                match lost.stream {
                    StreamKind::Video => self.report.lost += frames,
                    StreamKind::Audio => self.lost_audio += frames,
                }
            }
            SupervisorEvent::Session(Event::Unanswered { code, .. }) => {
                self.progress
                    .line(format_args!("the camera did not answer K{code}"));
            }
            SupervisorEvent::Session(Event::KeyLog(line)) => {
                if let Some(keylog) = &mut self.keylog {
                    keylog.line(&line)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn write_report(&mut self, recording: &Recording, tally: &Tally) {
        let report = &mut *self.report;
        report.frames = recording.frames;
        report.keyframes = recording.key_frames;
        report.bytes = recording.bytes;
        report.seconds = report::seconds(recording.length());
        report.overrun = recording.missed;
        report.resent = tally.resent;
        report.recovered = tally.recovered;
        report.skipped = recording.skipped + tally.awaiting_key_frame;
        report.segments = recording.segments;
        report.gaps = recording.gaps.iter().map(report::Gap::from).collect();
        if let Some(video) = recording.video {
            report.codec = Some(video.codec.name());
            (report.width, report.height) = video.size.unzip();
        }
        report.audio = recording.audio.map(|audio| AudioReport {
            frames: audio.frames,
            lost: self.lost_audio,
            skipped: audio.skipped,
            ..AudioReport::new(audio.format)
        });
        if recording.frames > 0 {
            self.console.line(&*self.report);
        }
    }

    /// Returns the failure that ended the recording.
    fn ended(&self, error: Error, recording: &Recording) -> Failure {
        let phase = current_phase(self.report);
        match error {
            Error::Down(error) => {
                let last = Failure::runtime(phase, &error);
                match &recording.interruption {
                    Some(error) if recording.frames > 0 => {
                        let first = Failure::session(error);
                        let what = match first.what == last.what {
                            true => first.what,
                            false => format!("{}; then {}: {}", first.what, last.phase, last.what),
                        };
                        Failure::new(Status::BrokeOff, Phase::Stream.name(), what, last.advice)
                    }
                    _ => last,
                }
            }
            Error::Closed => Failure::other(phase, "the session ended unexpectedly", "try again"),
            error => Failure::recording(Phase::Stream.name(), error),
        }
    }
}

/// Opens the output.
pub(crate) fn open(target: &Target) -> Result<Sink, Failure> {
    let opened = target.open();
    opened.map_err(|error| Failure::recording("output", error))
}

impl Meter {
    fn new(on: bool) -> Self {
        let ticks = on.then(|| {
            let mut ticks = tokio::time::interval_at(Instant::now() + STATS, STATS);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        Self {
            ticks,
            since: Instant::now(),
            before: Tally::default(),
            video_frames: 0,
        }
    }

    /// Waits until the next line is due. Cancel-safe.
    async fn due(&mut self) {
        match &mut self.ticks {
            Some(ticks) => _ = ticks.tick().await,
            None => std::future::pending().await,
        }
    }

    /// Formats a line.
    fn line(&mut self, stats: &CameraStats) -> String {
        let seconds = self.since.elapsed().as_secs_f64().max(0.001);
        let tally = stats.session.unwrap_or_default();
        let new = tally.since(&self.before);
        let frames = stats.video_frames - self.video_frames;
        self.video_frames = stats.video_frames;
        self.since = Instant::now();
        self.before = tally;
        #[expect(clippy::cast_precision_loss, reason = "a rate, to a thousandth")]
        let (frames, bits) = (frames as f64 / seconds, new.bytes as f64 * 8.0 / seconds);
        let round_trip = match tally.round_trip {
            Some(round_trip) => format!("{} ms", round_trip.as_millis()),
            None => "-".to_owned(),
        };
        format!(
            "{frames:.1} frames/s, {:.0} kbit/s, {} lost, {} packets recovered, round trip {round_trip}, {} reconnects",
            bits / 1_000.0,
            new.lost,
            new.resent + new.recovered,
            tally.reconnects,
        )
    }
}

/// Returns the first phase that is not complete.
pub(crate) fn current_phase(report: &Report) -> &'static str {
    let phase = Phase::ALL.get(report.phases.len());
    phase.copied().unwrap_or(Phase::Stream).name()
}

/// Returns the count of numbers from `first` to `last`. They wrap at 2^32, in the dialect `summary`
/// at 2^16.
fn run_length(first: u32, last: u32) -> u64 {
    let wide = last.wrapping_sub(first);
    let step = if last < first && first <= u32::from(u16::MAX) {
        wide & u32::from(u16::MAX)
    } else {
        wide
    };
    u64::from(step) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_length_counts_across_the_wrap() {
        assert_eq!(run_length(7, 7), 1);
        assert_eq!(run_length(7, 9), 3);
        assert_eq!(run_length(0xffff, 1), 3);
        assert_eq!(run_length(u32::MAX, 1), 3);
    }

    #[test]
    fn current_phase_is_the_first_incomplete_one() {
        let mut report = Report::new("record");
        assert_eq!(current_phase(&report), "discovery");
        for phase in Phase::ALL {
            report.phase(&tutk_runtime::tutk_session::PhaseReport {
                phase,
                took: Duration::ZERO,
            });
        }
        assert_eq!(current_phase(&report), "stream");
    }
}
