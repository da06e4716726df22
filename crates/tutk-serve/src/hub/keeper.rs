//! The task that keeps a camera's session: up when it is needed, and down when it is not.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tutk_runtime::tutk_session::hl_ioctl::Request;
use tutk_runtime::tutk_session::{Answer, Event};
use tutk_runtime::{ContinuousFrame, ReconnectEvent, Reconnecting, Talker, Tally};

use super::camera::{CameraSettings, Keep};
use super::description::Describer;
use super::gop_buffer::LiveFrame;
use super::shared::Shared;
use super::stats::CameraState;
use crate::error::Error;

/// The most commands of all callers that wait for their answers. A session takes twice as many, and some are its own.
pub const MAX_COMMANDS: usize = 32;

/// How long a camera is left alone whose session cannot be begun at all, or was given up.
const RESPITE: Duration = Duration::from_secs(30);

/// The longest that a session is kept which nobody needs: thirty years.
const FOR_EVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// How long to wait for a session's end when all ends. It takes no time but that of sending two datagrams.
const FAREWELL: Duration = Duration::from_secs(2);

/// The camera begins to listen.
pub(super) type Opening = Pin<Box<dyn Future<Output = Result<Talker, tutk_runtime::Error>> + Send>>;

/// What is asked of the keeper. Its channel is bounded: whoever asks waits.
pub(super) enum Control {
    Command(Request, oneshot::Sender<Result<Answer, Error>>),
    Talk(oneshot::Sender<Result<Opening, Error>>),
    Tally(oneshot::Sender<Option<Tally>>),
    Close,
}

/// Who waits for the answer to a command.
type Asker = oneshot::Sender<Result<Answer, Error>>;

pub(super) struct Keeper {
    name: Arc<str>,
    settings: CameraSettings,
    shared: Arc<Shared>,
    control: mpsc::Receiver<Control>,
    session: Option<Reconnecting>,
    /// The end of the session was asked for.
    closing: bool,
    /// The camera has let us in, and was not told yet what it is told then.
    greet: bool,
    /// By code. Those of one code are answered in the order in which they were asked.
    askers: HashMap<u16, VecDeque<Asker>>,
    describer: Describer,
    line: Line,
    /// Until when an unneeded session is kept.
    until: Option<Instant>,
    /// No session is begun before, unless somebody new needs it.
    not_before: Option<Instant>,
    /// How many needed the session when last looked, and how many had come by then.
    users: usize,
    visits: u64,
}

/// One time line over all that is ever served of the camera.
#[derive(Debug, Default)]
struct Line {
    /// When its zero was.
    zero: Option<(Instant, SystemTime)>,
    /// Where the newest frame stands.
    newest: Duration,
    /// Where this session's zero stands; `None` before its first frame.
    base: Option<Duration>,
    /// Which streams have to say that there was a gap: pictures and sound.
    gaps: [bool; 2],
}

impl Keeper {
    pub(super) fn new(
        name: Arc<str>,
        settings: CameraSettings,
        shared: Arc<Shared>,
        control: mpsc::Receiver<Control>,
    ) -> Self {
        Self {
            describer: Describer::new(settings.client.media),
            name,
            settings,
            shared,
            control,
            session: None,
            closing: false,
            greet: false,
            askers: HashMap::new(),
            line: Line::default(),
            until: None,
            not_before: None,
            users: 0,
            visits: 0,
        }
    }

    /// Until it is closed, or nobody can ask for anything any more.
    pub(super) async fn run(mut self) {
        loop {
            self.look().await;
            if std::mem::take(&mut self.greet) {
                for request in self.settings.greeting.clone() {
                    // Nobody waits for the answer. If the camera refuses, it is as it was.
                    self.command(request, oneshot::channel().0).await;
                }
            }
            let wake = match (self.until, self.not_before) {
                (Some(until), _) => until,
                (None, Some(not_before)) => not_before,
                (None, None) => Instant::now() + RESPITE,
            };
            tokio::select! {
                control = self.control.recv() => match control {
                    Some(Control::Close) | None => break,
                    Some(control) => self.control(control).await,
                },
                event = next_event(self.session.as_mut()) => self.event(event),
                () = self.shared.users.notified() => {}
                () = tokio::time::sleep_until(wake) => {}
            }
        }
        self.askers.clear();
        if let Some(session) = self.session.take() {
            // What had gone wrong before was told then.
            let _ = tokio::time::timeout(FAREWELL, session.close()).await;
        }
        tracing::debug!(camera = %self.name, "served no more");
        self.shared.change(CameraState::Closed);
    }

    /// Begins or ends the session, as needed.
    async fn look(&mut self) {
        let (users, visits) = {
            let inner = self.shared.lock();
            (inner.users, inner.visits)
        };
        // Somebody may have come and gone since.
        let more = visits > self.visits;
        let fewer = users < self.users || more;
        (self.users, self.visits) = (users, visits);
        let now = Instant::now();
        let needed = match self.settings.keep {
            Keep::Always => true,
            Keep::OnDemand { linger } => {
                if users > 0 {
                    self.until = None;
                } else if fewer {
                    self.until = Some(now + linger.min(FOR_EVER));
                } else {
                    self.until = self.until.filter(|until| now < *until);
                }
                users > 0 || self.until.is_some()
            }
        };
        self.not_before = self.not_before.filter(|at| !more && now < *at);
        // A session that nobody needs any more is kept for a while, but not begun.
        let begun = users > 0 || self.settings.keep == Keep::Always;
        match &mut self.session {
            None if begun && self.not_before.is_none() => self.begin(),
            Some(session) if !needed && !self.closing => {
                tracing::info!(camera = %self.name, "nobody watches: the session ends");
                self.closing = true;
                session.request_close().await;
                self.forget();
            }
            _ => {}
        }
    }

    fn begin(&mut self) {
        let settings = &self.settings;
        match Reconnecting::start(settings.client.clone(), settings.policy.clone()) {
            Ok(session) => {
                tracing::info!(camera = %self.name, "connecting");
                self.session = Some(session);
                self.closing = false;
                self.describer = Describer::new(settings.client.media);
                self.line.begin();
                self.shared.change(CameraState::Connecting);
            }
            Err(error) => self.fail(error),
        }
    }

    fn fail(&mut self, error: tutk_runtime::Error) {
        tracing::info!(camera = %self.name, %error, "no session");
        self.not_before = Instant::now().checked_add(RESPITE);
        self.shared.change(CameraState::Failed(error));
    }

    async fn control(&mut self, control: Control) {
        match control {
            Control::Command(request, asker) => self.command(request, asker).await,
            Control::Talk(reply) => {
                let session = self.session.as_ref().and_then(Reconnecting::session);
                let opening = session.map(|session| Box::pin(session.talk()) as Opening);
                // Whoever has given up does not miss it.
                let _ = reply.send(opening.ok_or(Error::Down(tutk_runtime::Error::Down)));
            }
            Control::Tally(reply) => {
                let tally = match &self.session {
                    Some(session) => Some(session.tally().await),
                    None => None,
                };
                let _ = reply.send(tally);
            }
            Control::Close => {}
        }
    }

    async fn command(&mut self, request: Request, asker: Asker) {
        let waiting = self.askers.values().map(VecDeque::len).sum::<usize>();
        if waiting >= MAX_COMMANDS {
            let _ = asker.send(Err(Error::Busy(waiting)));
            return;
        }
        let code = request.code;
        let sent = match &self.session {
            Some(session) => session.command(request).await,
            None => Err(tutk_runtime::Error::Down),
        };
        match sent {
            Ok(()) => self.askers.entry(code).or_default().push_back(asker),
            Err(error) => {
                let _ = asker.send(Err(Error::Down(error)));
            }
        }
    }

    /// The first who asked with this code hears of it.
    fn answer(&mut self, code: u16, answer: Result<Answer, Error>) {
        let Some(askers) = self.askers.get_mut(&code) else {
            return;
        };
        if let Some(asker) = askers.pop_front() {
            let _ = asker.send(answer);
        }
        if askers.is_empty() {
            self.askers.remove(&code);
        }
    }

    fn event(&mut self, event: Option<ReconnectEvent>) {
        match event {
            Some(ReconnectEvent::Frame(frame)) => self.frame(frame),
            Some(ReconnectEvent::Session(event)) => self.session_event(event),
            Some(ReconnectEvent::Fell(fall)) => {
                let (error, next) = (&fall.error, fall.next);
                match fall.lasted {
                    Some(lasted) => {
                        tracing::info!(camera = %self.name, %error, ?lasted, ?next, "the session fell");
                    }
                    None => tracing::info!(camera = %self.name, %error, ?next, "not connected"),
                }
                self.fell(error, fall.lasted.is_some());
                self.shared.change(CameraState::Down(fall));
            }
            Some(ReconnectEvent::Ended(Err(error))) => {
                self.fell(&error, false);
                self.session = None;
                self.fail(error);
            }
            Some(ReconnectEvent::Ended(Ok(()))) | None => {
                self.fell(&tutk_runtime::Error::Gone, false);
                self.session = None;
                self.closing = false;
                self.forget();
                self.shared.change(CameraState::Idle);
            }
            Some(_) => {}
        }
    }

    fn session_event(&mut self, event: Event) {
        match event {
            Event::Found { dialect, .. } => {
                self.shared.lock().details.dialect = Some(dialect.name);
                self.connecting();
            }
            Event::Authenticated(result) => {
                tracing::info!(camera = %self.name, "connected");
                let mut inner = self.shared.lock();
                inner.counts.sessions += 1;
                let details = &mut inner.details;
                if self.settings.client.model.is_none() {
                    details.model = result.model().map(str::to_owned);
                }
                details.firmware = result.firmware().map(str::to_owned);
                details.fps = result.video().and_then(|video| video.fps);
                drop(inner);
                self.greet = true;
                self.shared.change(CameraState::Up);
            }
            Event::Answer(answer) => self.answer(answer.code.wrapping_sub(1), Ok(answer)),
            Event::Unanswered { code } => self.answer(code, Err(Error::Unanswered { code })),
            _ => self.connecting(),
        }
    }

    /// The next attempt has begun.
    fn connecting(&self) {
        let down = matches!(self.shared.lock().state, CameraState::Down(_));
        if down {
            self.shared.change(CameraState::Connecting);
        }
    }

    /// There is no session now.
    fn fell(&mut self, error: &tutk_runtime::Error, was_up: bool) {
        for asker in self.askers.drain().flat_map(|(_, askers)| askers) {
            let _ = asker.send(Err(Error::Down(error.clone())));
        }
        let mut inner = self.shared.lock();
        inner.counts.falls += u64::from(was_up);
        inner.close_gop();
    }

    /// Whoever comes next begins with the next session.
    fn forget(&self) {
        let mut inner = self.shared.lock();
        inner.description = None;
        inner.close_gop();
    }

    fn frame(&mut self, next: ContinuousFrame) {
        let ContinuousFrame {
            frame,
            discontinuity,
            ..
        } = next;
        let fps = frame.info.map_or(0, |info| u32::from(info.fps));
        if frame.is_key() && fps > 0 {
            self.shared.lock().details.fps = Some(fps);
        }
        let description = Arc::clone(self.describer.frame(&frame));
        let (timestamp, wall, gap) = self.line.place(frame.timestamp, frame.kind.is_video());
        self.shared.push(LiveFrame::new(
            frame.kind,
            frame.data,
            self.describer.take_unit(),
            timestamp,
            wall,
            discontinuity || gap,
            description,
        ));
    }
}

async fn next_event(session: Option<&mut Reconnecting>) -> Option<ReconnectEvent> {
    match session {
        Some(session) => session.next_event().await,
        None => std::future::pending().await,
    }
}

impl Line {
    /// Another session's frames follow, with a time line of their own.
    fn begin(&mut self) {
        self.base = None;
        self.gaps = [self.zero.is_some(); 2];
    }

    /// Where a frame stands, at what time of day, and whether it is its stream's first after a gap.
    fn place(&mut self, own: Duration, video: bool) -> (Duration, SystemTime, bool) {
        let now = Instant::now();
        let (zero, wall) = *self.zero.get_or_insert_with(|| {
            let wall = SystemTime::now();
            let zero = now.checked_sub(own).unwrap_or(now);
            (zero, wall.checked_sub(own).unwrap_or(wall))
        });
        let newest = self.newest;
        let base = *self.base.get_or_insert_with(|| {
            let passed = now.saturating_duration_since(zero).max(newest);
            passed.saturating_sub(own)
        });
        let timestamp = base.saturating_add(own);
        self.newest = newest.max(timestamp);
        let [pictures, sound] = &mut self.gaps;
        let gap = std::mem::take(if video { pictures } else { sound });
        // A time of day that cannot be said is as good as none.
        let wall = wall.checked_add(timestamp).unwrap_or(wall);
        (timestamp, wall, gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_goes_on_over_sessions_on_demand() {
        let mut line = Line::default();
        let millis = Duration::from_millis;
        line.begin();
        let (first, wall, gap) = line.place(millis(0), true);
        assert_eq!((first, gap), (millis(0), false));
        let (sound, sound_wall, _) = line.place(millis(20), false);
        assert_eq!(sound_wall.duration_since(wall).unwrap(), millis(20));
        assert_eq!(sound, millis(20));
        tokio::time::advance(millis(5_000)).await;
        line.begin();
        assert_eq!(line.place(millis(0), true).0, millis(5_000));
        let (time, wall_again, gap) = line.place(millis(50), false);
        assert_eq!((time, gap), (millis(5_050), true));
        assert_eq!(wall_again.duration_since(wall).unwrap(), millis(5_050));
        assert!(!line.place(millis(60), false).2);
        // A camera whose clock is fast was ahead of ours: time does not go back.
        assert_eq!(line.place(millis(9_000), true).0, millis(14_000));
        line.begin();
        assert_eq!(
            line.place(millis(0), true),
            (millis(14_000), wall + millis(14_000), true)
        );
    }
}
