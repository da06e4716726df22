//! A session without recording, for commands, snapshots and talk.

use std::time::Duration;

use tutk_runtime::Session;
use tutk_runtime::tutk_session::hl_ioctl::{ConnectResult, Request};
use tutk_runtime::tutk_session::{
    ConnectionError, Event, MediaRequest, SupervisorConfig, SupervisorEvent,
};

use crate::args::Access;
use crate::camera::{self, SelectedCamera};
use crate::console::Console;
use crate::failure::Failure;
use crate::keylog::KeyLog;
use crate::models;
use crate::recording::{SEARCHING, current_phase};
use crate::report::Report;
use crate::signals::Stop;

/// The time limit for closing the session.
const CLOSE: Duration = Duration::from_secs(3);

/// The phase after authentication, in failures.
pub(crate) const COMMAND: &str = "command";

/// Requests neither video nor audio.
pub(crate) const NO_MEDIA: MediaRequest = MediaRequest {
    video: false,
    audio: false,
};

/// A session that sends one command at a time.
pub(crate) struct CommandSession<'a> {
    pub(crate) report: &'a mut Report,
    stop: &'a mut Stop,
    session: Session,
    console: Console,
    /// The camera's name in the configuration file.
    name: Option<String>,
    keylog: Option<KeyLog>,
    /// The time limit for an answer.
    timeout: Duration,
    /// The model from the camera's address, otherwise from K10003.
    model: Option<String>,
    admitted: bool,
}

impl<'a> CommandSession<'a> {
    /// Resolves the camera's address and starts to connect. Call
    /// [`authenticated`](Self::authenticated) next.
    pub(crate) async fn open(
        camera: SelectedCamera,
        access: &Access,
        media: MediaRequest,
        console: &Console,
        report: &'a mut Report,
        stop: &'a mut Stop,
    ) -> Result<Self, Failure> {
        report.model.clone_from(&camera.model);
        let keylog = access.keylog.as_deref().map(KeyLog::open).transpose()?;
        let address = camera::resolve(&camera, stop).await?;
        let model = camera.model.clone();
        let SelectedCamera { url, name, network } = camera;
        let network = access.network.settings().or(&network);
        let mut config = camera::client(url, address, &network, &access.dialect, media);
        config.key_log = keylog.is_some();
        let timeout = config.deadlines.command;
        let mut config = SupervisorConfig::from(config);
        config.policy.search = network.searches();
        let session = Session::start(config).map_err(|error| Failure::runtime("start", &error))?;
        if !address.ip().is_unspecified() {
            console.line(format_args!("camera at {address}"));
        }
        Ok(Self {
            report,
            stop,
            session,
            console: *console,
            name,
            keylog,
            timeout,
            model,
            admitted: false,
        })
    }

    /// Waits for authentication and returns the camera's K10003.
    pub(crate) async fn authenticated(&mut self) -> Result<Box<ConnectResult>, Failure> {
        let result = loop {
            match self.next_event().await {
                Ok(Event::Authenticated(result)) => break result,
                Ok(_) => {}
                Err(failure) => return Err(models::explain(failure, self.model())),
            }
        };
        self.admitted = true;
        if self.model.is_none() {
            self.model = result.model().map(str::to_owned);
            self.report.model.clone_from(&self.model);
        }
        Ok(result)
    }

    /// Sends a command and returns the payload of the answer, or `None` after the time limit.
    pub(crate) async fn command(&mut self, request: Request) -> Result<Option<Vec<u8>>, Failure> {
        let code = request.code;
        self.report.code = Some(code);
        tracing::debug!(code, payload = ?request.payload, "command");
        let sent = self.session.command(request).await.ok();
        if sent.is_none() {
            tracing::debug!("the session ended before the command was sent");
        }
        loop {
            match self.next_event().await? {
                Event::Answer(answer) if Some(answer.id) == sent => {
                    tracing::debug!(code = answer.code, payload = ?answer.payload, "answer");
                    return Ok(Some(answer.payload));
                }
                Event::Unanswered { id, .. } if Some(id) == sent => return Ok(None),
                _ => {}
            }
        }
    }

    /// Returns the session, for talk.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the model if it is known.
    pub(crate) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Returns the time limit of [`command`](Self::command).
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Closes the session.
    pub(crate) async fn close(self) {
        if tokio::time::timeout(CLOSE, self.session.close())
            .await
            .is_err()
        {
            tracing::debug!("the session did not close in time");
        }
    }

    /// Returns the next event that matters to commands. The end of the session is a failure.
    pub(crate) async fn next_event(&mut self) -> Result<Event, Failure> {
        loop {
            let event = tokio::select! {
                biased;
                () = self.stop.requested() => return Err(Failure::interrupted(self.phase())),
                event = self.session.next_event() => event,
            };
            let event = match event {
                Some(SupervisorEvent::Session(event)) => event,
                Some(SupervisorEvent::Frame(next)) => Event::Frame(next.frame),
                Some(SupervisorEvent::Searching) => {
                    self.console.line(SEARCHING);
                    continue;
                }
                Some(SupervisorEvent::Moved { to, .. }) => {
                    self.console.line(camera::moved(self.name.as_deref(), to));
                    continue;
                }
                Some(SupervisorEvent::Ended(Err(error))) => return Err(self.ended(error)),
                Some(SupervisorEvent::Ended(Ok(()))) | None => {
                    let what = "the session ended unexpectedly";
                    return Err(Failure::other(self.phase(), what, "try again"));
                }
                Some(_) => continue,
            };
            match event {
                Event::Found { dialect, .. } => self.report.dialect = Some(dialect.name.clone()),
                Event::Phase(phase) => {
                    let time = self.report.phase(&phase);
                    tracing::debug!("{time}");
                }
                Event::KeyLog(line) => {
                    self.keylog.as_mut().map_or(Ok(()), |log| log.line(&line))?;
                }
                event => return Ok(event),
            }
        }
    }

    fn ended(&self, error: ConnectionError) -> Failure {
        let mut failure = Failure::runtime("start", &error.into());
        if self.admitted {
            failure.phase = COMMAND;
        }
        failure
    }

    fn phase(&self) -> &'static str {
        if self.admitted {
            COMMAND
        } else {
            current_phase(self.report)
        }
    }
}
