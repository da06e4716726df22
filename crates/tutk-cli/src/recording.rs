//! A session's events, from the first phase to the last frame, on their way into a sink and a report.

use std::time::Duration;

use tokio::time::Instant;
use tutk_runtime::Session;
use tutk_runtime::tutk_session::hl_ioctl::Request;
use tutk_runtime::tutk_session::video_reassembly::StreamKind;
use tutk_runtime::tutk_session::{Error, Event, Frame, Phase};

use crate::clip::codec_name;
use crate::console::{Console, Progress};
use crate::failure::Failure;
use crate::keylog::KeyLog;
use crate::report::{self, Report};
use crate::signals::Stop;
use crate::sink::{Sink, SinkError, Unit};

/// How long the camera may take to be told that we go.
pub(crate) const CLOSE: Duration = Duration::from_secs(3);

/// How much longer than `--seconds` the wall clock runs. The camera's clock decides; this is for one that
/// runs slow, or stands.
const SLACK: Duration = Duration::from_secs(1);

/// When enough is enough. Without either, a signal ends it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) frames: Option<u64>,
    /// By the camera's clock.
    pub(crate) seconds: Option<Duration>,
}

/// A recording under way.
pub(crate) struct Recording<'a, F> {
    pub(crate) sink: Sink,
    pub(crate) limits: Limits,
    pub(crate) keylog: Option<KeyLog>,
    /// What to ask of the camera once it has let us in.
    pub(crate) quality: Option<Request>,
    report: &'a mut Report,
    progress: Progress,
    /// Looks at every frame that is written.
    inspect: F,
    /// Timestamps of the first and the newest frame.
    span: Option<(Duration, Duration)>,
    /// When it ends by the wall clock.
    deadline: Option<Instant>,
}

/// Why it is over.
enum End {
    /// All that was asked for.
    Enough,
    Interrupted,
    /// Whoever read our output has enough.
    ReaderGone,
    Failed(Failure),
}

impl<'a, F: FnMut(&Frame)> Recording<'a, F> {
    pub(crate) fn new(
        sink: Sink,
        limits: Limits,
        console: &Console,
        report: &'a mut Report,
        inspect: F,
    ) -> Self {
        Self {
            sink,
            limits,
            keylog: None,
            quality: None,
            report,
            progress: console.progress(limits.frames),
            inspect,
            span: None,
            deadline: None,
        }
    }

    /// Takes events until it is over; then completes the file and tells the camera.
    pub(crate) async fn run(
        mut self,
        mut session: Session,
        stop: &mut Stop,
    ) -> Result<(), Failure> {
        let end = loop {
            let event = tokio::select! {
                biased;
                () = stop.requested() => break End::Interrupted,
                () = until(self.deadline) => break End::Enough,
                event = session.next_event() => event,
            };
            if matches!(event, Some(Event::Authenticated(_)))
                && let Some(request) = self.quality.take()
                && session.command(request).await.is_err()
            {
                tracing::debug!("the session ended before the picture could be chosen");
            }
            if let Some(end) = self.event(event) {
                break end;
            }
        };
        self.progress.finish();
        self.report.overrun = session.overrun();
        if let Some(stats) = session.stats().await {
            tracing::debug!(?stats, "what the session counted");
        }
        // Whatever was wrong before is what is told; this only makes the most of it.
        let finished = self.sink.finish();
        if tokio::time::timeout(CLOSE, session.close()).await.is_err() {
            tracing::debug!("the session did not close in time");
        }

        let report = self.report;
        match (end, finished) {
            (End::Failed(failure), _) | (_, Err(SinkError::Failed(failure))) => Err(failure),
            (End::Interrupted, _) if report.frames == 0 => {
                Err(Failure::interrupted(current_phase(report)))
            }
            (End::Interrupted | End::Enough | End::ReaderGone, _) => Ok(()),
        }
    }

    /// One event; `None` to go on.
    fn event(&mut self, event: Option<Event>) -> Option<End> {
        match event {
            Some(Event::Found { dialect, .. }) => self.report.dialect = Some(dialect.name),
            Some(Event::Phase(phase)) => {
                let time = self.report.phase(&phase);
                self.progress.line(time);
            }
            Some(Event::Frame(frame)) if frame.stream() == StreamKind::Video => {
                return self.frame(&frame);
            }
            Some(Event::Lost(lost)) if lost.stream == StreamKind::Video => {
                tracing::debug!(?lost, "frames lost");
                self.report.lost += run_length(lost.first, lost.last);
            }
            Some(Event::Unanswered { code }) => {
                self.progress
                    .line(format_args!("the camera did not answer K{code}"));
            }
            Some(Event::KeyLog(line)) => {
                let result = self.keylog.as_mut().map(|keylog| keylog.line(&line));
                if let Some(Err(failure)) = result {
                    return Some(End::Failed(failure));
                }
            }
            Some(Event::Ended(Err(error))) => {
                let closed = matches!(error, Error::ClosedByCamera { .. });
                if closed && self.has_all_seconds() {
                    return Some(End::Enough);
                }
                return Some(End::Failed(Failure::session(&error)));
            }
            Some(Event::Ended(Ok(()))) | None => {
                let phase = current_phase(self.report);
                let failure = Failure::other(phase, "the session ended by itself", "try again");
                return Some(End::Failed(failure));
            }
            Some(_) => {}
        }
        None
    }

    fn frame(&mut self, frame: &Frame) -> Option<End> {
        if let (Some(seconds), Some((first, _))) = (self.limits.seconds, self.span)
            && frame.timestamp.saturating_sub(first) >= seconds
        {
            return Some(End::Enough);
        }
        tracing::trace!(
            number = frame.number,
            key = frame.is_key(),
            bytes = frame.data.len(),
            time = ?frame.timestamp,
            "frame"
        );
        let unit = Unit {
            data: &frame.data,
            key: frame.is_key(),
            codec: frame.codec,
            time: frame.timestamp,
        };
        match self.sink.write(unit) {
            Ok(()) => {}
            Err(SinkError::Skipped) => {
                self.report.skipped += 1;
                return None;
            }
            Err(SinkError::ReaderGone) => return Some(End::ReaderGone),
            Err(SinkError::Failed(failure)) => return Some(End::Failed(failure)),
        }
        (self.inspect)(frame);
        self.count(frame);
        (self.limits.frames == Some(self.report.frames)).then_some(End::Enough)
    }

    /// A frame was written.
    fn count(&mut self, frame: &Frame) {
        let report = &mut *self.report;
        report.frames += 1;
        report.keyframes += u64::from(frame.is_key());
        report.bytes += frame.data.len() as u64;
        match &mut self.span {
            Some((_, newest)) => *newest = frame.timestamp,
            None => {
                self.span = Some((frame.timestamp, frame.timestamp));
                let seconds = self.limits.seconds;
                self.deadline = seconds.map(|seconds| Instant::now() + seconds + SLACK);
            }
        }
        if let Some(picture) = self.sink.picture() {
            report.codec = Some(codec_name(picture.codec));
            (report.width, report.height) = picture.size.unzip();
        }
        let length = self.length();
        let report = &mut *self.report;
        report.seconds = report::seconds(length);
        self.progress
            .update(report.frames, report.bytes, report.lost);
    }

    /// Length of what was written, by the camera's clock: the last frame lasts as long as the others did.
    fn length(&self) -> Duration {
        let Some((first, newest)) = self.span else {
            return Duration::ZERO;
        };
        let span = newest.saturating_sub(first);
        let gaps = u32::try_from(self.report.frames.saturating_sub(1)).unwrap_or(u32::MAX);
        span + span.checked_div(gaps).unwrap_or_default()
    }

    /// A camera that closes after its last frame need not send the one that would end the recording.
    fn has_all_seconds(&self) -> bool {
        let half_a_frame = Duration::from_millis(25);
        let length = self.length() + half_a_frame;
        self.limits.seconds.is_some_and(|seconds| length >= seconds)
    }
}

/// The first phase that is not complete.
pub(crate) fn current_phase(report: &Report) -> &'static str {
    let phase = Phase::ALL.get(report.phases.len());
    phase.copied().unwrap_or(Phase::Stream).name()
}

/// How many numbers there are from `first` to `last`. They wrap at 2^32, in the summary's layout at 2^16.
fn run_length(first: u32, last: u32) -> u64 {
    let wide = last.wrapping_sub(first);
    let step = if last < first && first <= u32::from(u16::MAX) {
        wide & u32::from(u16::MAX)
    } else {
        wide
    };
    u64::from(step) + 1
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_lost_frames_are_counted_across_the_wrap() {
        assert_eq!(run_length(7, 7), 1);
        assert_eq!(run_length(7, 9), 3);
        assert_eq!(run_length(0xffff, 1), 3);
        assert_eq!(run_length(u32::MAX, 1), 3);
    }

    #[test]
    fn the_phase_under_way_is_the_first_that_is_not_complete() {
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
