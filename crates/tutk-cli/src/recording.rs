//! Records the events of a session to a sink and a report.

use std::time::Duration;

use tokio::time::{Instant, Interval, MissedTickBehavior};
use tutk_media::AudioFormat;
use tutk_runtime::Session;
use tutk_runtime::tutk_session::hl_ioctl::Request;
use tutk_runtime::tutk_session::video_reassembly::StreamKind;
use tutk_runtime::tutk_session::{
    ConnectionError, ContinuousFrame, Disconnect, Error, Event, Frame, Phase, SupervisorEvent,
    Tally,
};

use crate::console::{Console, Progress};
use crate::failure::{Failure, Status};
use crate::keylog::KeyLog;
use crate::report::{self, AudioReport, Gap, Report};
use crate::signals::Stop;
use crate::sink::{SOUND_DELAY, Sink, SinkError, SoundUnit, Unit};

/// The time limit for closing the session.
pub(crate) const CLOSE: Duration = Duration::from_secs(3);

/// How much longer than `--seconds` a recording may take by the wall clock, for cameras whose clock
/// is slow or stopped.
const SLACK: Duration = Duration::from_secs(1);

/// The interval of `--stats`.
const STATS: Duration = Duration::from_secs(5);

/// The end of a recording. Without limits, a signal ends it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Limits {
    pub(crate) frames: Option<u64>,
    /// By the camera's clock.
    pub(crate) seconds: Option<Duration>,
}

/// A running recording.
pub(crate) struct Recording<'a, F> {
    pub(crate) sink: Sink,
    pub(crate) limits: Limits,
    pub(crate) keylog: Option<KeyLog>,
    /// The command to send after each authentication.
    pub(crate) quality: Option<Request>,
    /// Whether to print statistics.
    pub(crate) stats: bool,
    report: &'a mut Report,
    progress: Progress,
    /// Inspects every video and audio frame.
    inspect: F,
    /// The timestamps of the first and the newest video frame.
    span: Option<(Duration, Duration)>,
    /// The end by the wall clock.
    deadline: Option<Instant>,
    /// The end of the last video frame, while its audio is still missing.
    tail: Option<Duration>,
    /// The reason for the interruption, until the stream is back.
    broken: Option<Error>,
    /// Whether a message about unsupported audio was printed.
    unsound: bool,
    lost_sound: u64,
}

/// The reason for the end.
enum End {
    /// The limit is reached.
    Enough,
    Interrupted,
    /// The reader closed the pipe.
    ReaderGone,
    Failed(Failure),
}

/// Statistics since the previous line.
struct Meter {
    ticks: Option<Interval>,
    since: Instant,
    before: Tally,
    pictures: u64,
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
            stats: false,
            report,
            progress: console.progress(limits.frames),
            inspect,
            span: None,
            deadline: None,
            tail: None,
            broken: None,
            unsound: false,
            lost_sound: 0,
        }
    }

    /// Records until the end, completes the file, and closes the session.
    pub(crate) async fn run(
        mut self,
        mut session: Session,
        stop: &mut Stop,
    ) -> Result<(), Failure> {
        let mut meter = Meter::new(self.stats);
        let end = loop {
            let event = tokio::select! {
                biased;
                () = stop.requested() => break End::Interrupted,
                () = until(self.deadline) => break End::Enough,
                () = meter.due() => {
                    let tally = session.tally().await;
                    self.progress.line(meter.line(self.report.frames, tally));
                    continue;
                }
                event = session.next_event() => event,
            };
            if matches!(
                event,
                Some(SupervisorEvent::Session(Event::Authenticated(_)))
            ) && let Some(request) = self.quality.clone()
                && session.command(request).await.is_err()
            {
                tracing::debug!("the session ended before the video quality was set");
            }
            if let Some(end) = self.event(event) {
                break end;
            }
        };
        self.progress.finish();
        let tally = session.tally().await;
        tracing::debug!(?tally, "what the sessions counted");
        self.report.overrun = tally.overrun;
        self.report.resent = tally.resent;
        self.report.recovered = tally.recovered;
        self.report.skipped += tally.awaiting_key_frame;
        self.report.audio = self.sound();
        self.report.segments = self.sink.segments();
        // An earlier failure takes precedence. The file is completed in any case.
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

    /// Handles one event. Returns `None` to continue.
    fn event(&mut self, event: Option<SupervisorEvent>) -> Option<End> {
        match event {
            Some(SupervisorEvent::Frame(frame)) => match frame.frame.stream() {
                StreamKind::Video => self.picture(&frame),
                StreamKind::Audio => self.sound_frame(&frame.frame),
            },
            Some(SupervisorEvent::Session(event)) => self.session(event),
            Some(SupervisorEvent::Disconnected(disconnect)) => self.disconnected(&disconnect),
            Some(SupervisorEvent::Restored(outage)) => {
                self.report.reconnects += 1;
                let down = outage.down.unwrap_or_default();
                self.progress.line(format_args!(
                    "reconnected after {:.1} s",
                    down.as_secs_f64()
                ));
                None
            }
            Some(SupervisorEvent::Ended(Err(error))) => Some(End::Failed(self.ended(error))),
            Some(SupervisorEvent::Ended(Ok(()))) | None => {
                let phase = current_phase(self.report);
                let failure = Failure::other(phase, "the session ended unexpectedly", "try again");
                Some(End::Failed(failure))
            }
            Some(_) => None,
        }
    }

    fn session(&mut self, event: Event) -> Option<End> {
        match event {
            Event::Found { dialect, .. } => self.report.dialect = Some(dialect.name),
            // Each phase once, because a reconnect repeats them.
            Event::Phase(phase)
                if Phase::ALL.get(self.report.phases.len()) == Some(&phase.phase) =>
            {
                let time = self.report.phase(&phase);
                self.progress.line(time);
            }
            Event::Lost(lost) => {
                tracing::debug!(?lost, "frames lost");
                let frames = run_length(lost.first, lost.last);
                match lost.stream {
                    StreamKind::Video => self.report.lost += frames,
                    StreamKind::Audio => self.lost_sound += frames,
                }
            }
            Event::Unanswered { code } => {
                self.progress
                    .line(format_args!("the camera did not answer K{code}"));
            }
            Event::KeyLog(line) => {
                let result = self.keylog.as_mut().map(|keylog| keylog.line(&line));
                if let Some(Err(failure)) = result {
                    return Some(End::Failed(failure));
                }
            }
            _ => {}
        }
        None
    }

    /// Handles an interruption, or a failed attempt to reconnect.
    fn disconnected(&mut self, disconnect: &Disconnect) -> Option<End> {
        let ConnectionError::Session(error) = &disconnect.error else {
            return None;
        };
        let closed = matches!(error, Error::ClosedByCamera { .. });
        if closed && self.has_all_seconds() {
            return Some(End::Enough);
        }
        if let Some(next) = disconnect.next {
            self.progress.line(format_args!(
                "{error}; retrying in {:.1} s",
                next.as_secs_f64()
            ));
        }
        self.broken.get_or_insert_with(|| error.clone());
        None
    }

    /// Returns the failure after the last attempt.
    fn ended(&self, error: ConnectionError) -> Failure {
        let last = Failure::runtime(current_phase(self.report), &error.into());
        match &self.broken {
            Some(broken) if self.report.frames > 0 => {
                let first = Failure::session(broken);
                let what = match first.what == last.what {
                    true => first.what,
                    false => format!("{}; then {}: {}", first.what, last.phase, last.what),
                };
                Failure::new(Status::BrokeOff, Phase::Stream.name(), what, last.advice)
            }
            _ => last,
        }
    }

    fn picture(&mut self, frame: &ContinuousFrame) -> Option<End> {
        let ContinuousFrame {
            frame,
            discontinuity,
            ..
        } = frame;
        if let Some(end) = self.tail {
            // Audio that is this late does not exist.
            return (frame.timestamp >= end + SOUND_DELAY).then_some(End::Enough);
        }
        if let (Some(seconds), Some((first, _))) = (self.limits.seconds, self.span)
            && frame.timestamp.saturating_sub(first) >= seconds
        {
            return self.wait_for_sound(first + seconds);
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
            Err(SinkError::Skipped | SinkError::Sound(_)) => {
                self.report.skipped += 1;
                return None;
            }
            Err(SinkError::ReaderGone) => return Some(End::ReaderGone),
            Err(SinkError::Failed(failure)) => return Some(End::Failed(failure)),
        }
        (self.inspect)(frame);
        if *discontinuity {
            self.gap(frame.timestamp);
        }
        self.broken = None;
        self.count(frame);
        if self.limits.frames == Some(self.report.frames) {
            let (first, _) = self.span?;
            return self.wait_for_sound(first + self.length());
        }
        None
    }

    /// Waits for the audio of the last video frame, which ends at `end`.
    fn wait_for_sound(&mut self, end: Duration) -> Option<End> {
        if self.sink.sound_track().is_none() {
            return Some(End::Enough);
        }
        self.tail = Some(end);
        let latest = Instant::now() + SOUND_DELAY;
        self.deadline = Some(
            self.deadline
                .map_or(latest, |deadline| deadline.min(latest)),
        );
        None
    }

    fn sound_frame(&mut self, frame: &Frame) -> Option<End> {
        if self.tail.is_some_and(|end| frame.timestamp >= end) {
            return Some(End::Enough);
        }
        let Some(format) = AudioFormat::from_tutk(frame.codec, frame.audio) else {
            self.unsound(format_args!("{:?} with {:?}", frame.codec, frame.audio));
            return None;
        };
        let unit = SoundUnit {
            data: &frame.data,
            format,
            time: frame.timestamp,
        };
        match self.sink.write_sound(unit) {
            Ok(()) => (self.inspect)(frame),
            Err(SinkError::Skipped) => {}
            Err(SinkError::Sound(error)) => {
                tracing::debug!(%error, "sound left out");
                // Damaged frames are counted. These errors apply to all frames.
                if let tutk_media::Error::AudioNotInMp4 { .. }
                | tutk_media::Error::AudioNotCarried { .. }
                | tutk_media::Error::AudioFormat { .. }
                | tutk_media::Error::AudioChanged { .. } = error
                {
                    self.unsound(format_args!("{error}"));
                }
            }
            Err(SinkError::ReaderGone) => return Some(End::ReaderGone),
            Err(SinkError::Failed(failure)) => return Some(End::Failed(failure)),
        }
        None
    }

    fn unsound(&mut self, why: std::fmt::Arguments<'_>) {
        if !std::mem::replace(&mut self.unsound, true) {
            self.progress
                .line(format_args!("the camera's audio is not recorded: {why}"));
        }
    }

    /// Records a gap before the video frame at `time`.
    fn gap(&mut self, time: Duration) {
        let Some((first, newest)) = self.span else {
            return;
        };
        let broken = self.broken.as_ref();
        let error =
            broken.map_or_else(|| "the stream was interrupted".to_owned(), Error::to_string);
        let gap = Gap {
            at: report::seconds(newest.saturating_sub(first)),
            seconds: report::seconds(time.saturating_sub(newest)),
            error,
        };
        self.progress.line(format_args!(
            "a gap of {:.1} s at {:.1} s",
            gap.seconds, gap.at
        ));
        self.report.gaps.push(gap);
    }

    /// Counts a written video frame.
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
            report.codec = Some(picture.codec.name());
            (report.width, report.height) = picture.size.unzip();
        }
        let length = self.length();
        let report = &mut *self.report;
        report.seconds = report::seconds(length);
        self.progress
            .update(report.frames, report.bytes, report.lost);
    }

    fn sound(&self) -> Option<AudioReport> {
        let track = self.sink.sound_track()?;
        Some(AudioReport {
            frames: track.frames,
            lost: self.lost_sound,
            skipped: track.skipped,
            ..AudioReport::new(track.format)
        })
    }

    /// Returns the length of the recording by the camera's clock. The last frame has the average
    /// duration.
    fn length(&self) -> Duration {
        let Some((first, newest)) = self.span else {
            return Duration::ZERO;
        };
        let span = newest.saturating_sub(first);
        let gaps: f64 = self.report.gaps.iter().map(|gap| gap.seconds).sum();
        let shown = span.saturating_sub(Duration::from_secs_f64(gaps));
        let between = self.report.frames.saturating_sub(1);
        let between = between.saturating_sub(self.report.gaps.len() as u64);
        let between = u32::try_from(between).unwrap_or(u32::MAX);
        span + shown.checked_div(between).unwrap_or_default()
    }

    /// Returns `true` if the limit is reached within half a frame, for a camera that closes after
    /// its last frame.
    fn has_all_seconds(&self) -> bool {
        let half_a_frame = Duration::from_millis(25);
        let length = self.length() + half_a_frame;
        self.limits.seconds.is_some_and(|seconds| length >= seconds)
    }
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
            pictures: 0,
        }
    }

    /// Waits until the next line is due. Cancel-safe.
    async fn due(&mut self) {
        match &mut self.ticks {
            Some(ticks) => _ = ticks.tick().await,
            None => std::future::pending().await,
        }
    }

    /// Formats a line. `pictures` is the number of written video frames.
    fn line(&mut self, pictures: u64, tally: Tally) -> String {
        let seconds = self.since.elapsed().as_secs_f64().max(0.001);
        let new = tally.since(&self.before);
        let shown = pictures - self.pictures;
        self.pictures = pictures;
        self.since = Instant::now();
        self.before = tally;
        #[expect(clippy::cast_precision_loss, reason = "a rate, to a thousandth")]
        let (frames, bits) = (shown as f64 / seconds, new.bytes as f64 * 8.0 / seconds);
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
