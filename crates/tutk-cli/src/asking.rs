//! A session for commands, and for what is said to the camera: in, one question after the other, out.

use std::time::Duration;

use tutk_runtime::Session;
use tutk_runtime::tutk_session::hl_ioctl::{ConnectResult, Request};
use tutk_runtime::tutk_session::{CameraUrl, ClientConfig, Event, MediaRequest};

use crate::args::Access;
use crate::camera;
use crate::console::Console;
use crate::failure::Failure;
use crate::keylog::KeyLog;
use crate::models;
use crate::recording::{CLOSE, current_phase};
use crate::report::Report;
use crate::signals::Stop;

/// The phase after the camera has let us in, in failures.
pub(crate) const COMMAND: &str = "command";

/// Neither picture nor sound.
pub(crate) const NO_MEDIA: MediaRequest = MediaRequest {
    video: false,
    audio: false,
};

/// A camera that can be asked.
pub(crate) struct Asking<'a> {
    pub(crate) report: &'a mut Report,
    stop: &'a mut Stop,
    session: Session,
    keylog: Option<KeyLog>,
    /// How long an answer may take.
    patience: Duration,
    /// The model, by the camera's address or else by itself.
    model: Option<String>,
    admitted: bool,
}

impl<'a> Asking<'a> {
    /// Looks the camera up and knocks; [`enter`](Self::enter) is next.
    pub(crate) async fn open(
        camera: CameraUrl,
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
        let mut config = ClientConfig::for_url(address, camera);
        if let Some(dialects) = access.dialect.chosen() {
            config.dialects = dialects;
        }
        config.key_log = keylog.is_some();
        config.media = media;
        let patience = config.deadlines.command;
        let session = Session::start(config).map_err(|error| Failure::runtime("start", &error))?;
        console.line(format_args!("camera at {address}"));
        Ok(Self {
            report,
            stop,
            session,
            keylog,
            patience,
            model,
            admitted: false,
        })
    }

    /// Waits until the camera lets us in: its K10003.
    pub(crate) async fn enter(&mut self) -> Result<Box<ConnectResult>, Failure> {
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

    /// The payload of the answer; `None` if there was none in time.
    pub(crate) async fn ask(&mut self, request: Request) -> Result<Option<Vec<u8>>, Failure> {
        let code = request.code;
        self.report.code = Some(code);
        tracing::debug!(code, payload = ?request.payload, "command");
        if self.session.command(request).await.is_err() {
            tracing::debug!("the session ended before the command; its last event says why");
        }
        loop {
            match self.next_event().await? {
                Event::Answer(answer) if answer.code == code.wrapping_add(1) => {
                    tracing::debug!(code = answer.code, payload = ?answer.payload, "answer");
                    return Ok(Some(answer.payload));
                }
                Event::Unanswered { code: unanswered } if unanswered == code => return Ok(None),
                _ => {}
            }
        }
    }

    /// The session, to talk to the camera.
    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// The model, once it is known.
    pub(crate) fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// How long [`ask`](Self::ask) waits.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    /// Tells the camera that we go.
    pub(crate) async fn close(self) {
        if tokio::time::timeout(CLOSE, self.session.close())
            .await
            .is_err()
        {
            tracing::debug!("the session did not close in time");
        }
    }

    /// The next event that matters to whoever asks; an end of the session is a failure here.
    pub(crate) async fn next_event(&mut self) -> Result<Event, Failure> {
        loop {
            let event = tokio::select! {
                biased;
                () = self.stop.requested() => return Err(Failure::interrupted(self.phase())),
                event = self.session.next_event() => event,
            };
            match event {
                Some(Event::Found { dialect, .. }) => self.report.dialect = Some(dialect.name),
                Some(Event::Phase(phase)) => {
                    let time = self.report.phase(&phase);
                    tracing::debug!("{time}");
                }
                Some(Event::KeyLog(line)) => {
                    self.keylog.as_mut().map_or(Ok(()), |log| log.line(&line))?;
                }
                Some(Event::Ended(Err(error))) => {
                    let mut failure = Failure::session(&error);
                    if self.admitted {
                        failure.phase = COMMAND;
                    }
                    return Err(failure);
                }
                Some(Event::Ended(Ok(()))) | None => {
                    let what = "the session ended by itself";
                    return Err(Failure::other(self.phase(), what, "try again"));
                }
                Some(event) => return Ok(event),
            }
        }
    }

    fn phase(&self) -> &'static str {
        if self.admitted {
            COMMAND
        } else {
            current_phase(self.report)
        }
    }
}
