//! `tutk cloud`: gets the cameras' keys from the vendor's cloud.

mod cameras;
mod listing;
mod login;
mod token;

use std::sync::Arc;
use std::time::Instant;

use tutk_cloud::{Client, Error, Options, Request, Response};

use crate::args::Global;
use crate::args::cloud::{CloudArgs, CloudCommand, Server};
use crate::console::Console;
use crate::failure::{Failure, Status};
use crate::report::{PhaseTime, Report, milliseconds};
use crate::signals::Stop;

const SIGN_IN: &str = "sign-in";
const CAMERAS: &str = "cameras";

pub(crate) async fn run(
    args: &CloudArgs,
    global: &Global,
    console: &Console,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let mut cloud = Cloud::new(&args.server, report, stop)?;
    match &args.command {
        CloudCommand::Login(args) => login::run(args, console, &mut cloud).await,
        CloudCommand::Cameras(args) => cameras::run(args, global, console, &mut cloud).await,
    }
}

/// The vendor's servers, the report and the stop signal.
struct Cloud<'a> {
    client: Arc<Client>,
    report: &'a mut Report,
    stop: &'a mut Stop,
}

impl<'a> Cloud<'a> {
    fn new(server: &Server, report: &'a mut Report, stop: &'a mut Stop) -> Result<Self, Failure> {
        let roots = server.ca.as_deref().map(|path| {
            std::fs::read(path).map_err(|error| {
                let what = format!("{}: {error}", path.display());
                Failure::usage("arguments", what, "correct --ca")
            })
        });
        let options = Options {
            origin: server.cloud.clone(),
            roots: roots.transpose()?,
        };
        let client = Client::new(&options).map_err(|error| failure("arguments", &error))?;
        Ok(Self {
            client: Arc::new(client),
            report,
            stop,
        })
    }

    /// Sends a request. Fails if a signal arrives before the answer.
    async fn send(&mut self, phase: &'static str, request: Request) -> Result<Response, Failure> {
        let began = Instant::now();
        let client = Arc::clone(&self.client);
        let sending = tokio::task::spawn_blocking(move || client.send(&request));
        let sent = tokio::select! {
            biased;
            () = self.stop.requested() => return Err(Failure::interrupted(phase)),
            sent = sending => sent,
        };
        let answer = sent
            .map_err(|error| Failure::other(phase, error.to_string(), "report this"))?
            .map_err(|error| failure(phase, &error))?;
        let ms = milliseconds(began.elapsed());
        tracing::debug!(phase, status = answer.status(), ms, "answer");
        self.report.phases.push(PhaseTime { phase, ms });
        Ok(answer)
    }
}

fn failure(phase: &'static str, error: &Error) -> Failure {
    let (status, advice) = match error {
        Error::Empty(_)
        | Error::NotPrintable(_)
        | Error::InvalidHash
        | Error::InvalidAccount(_) => (Status::Usage, "see `tutk cloud login --help`"),
        Error::InvalidOrigin | Error::InvalidRoots(_) => (Status::Usage, "check --cloud and --ca"),
        Error::Refused { .. } if phase == SIGN_IN => (
            Status::Refused,
            "check the email address, password, key ID and API key, and that the key has not expired; after many attempts, wait",
        ),
        Error::Refused { .. } => (
            Status::Refused,
            "try again later, or log in again with `tutk cloud login`",
        ),
        Error::TokenRejected(_) => (Status::Refused, "log in again with `tutk cloud login`"),
        Error::Unreachable { .. } | Error::TimedOut { .. } => (
            Status::Silent,
            "check the internet connection, and try again",
        ),
        Error::UntrustedServer { .. } => (
            Status::Other,
            "nothing was sent; check the clock and the system's root certificates (package ca-certificates, or SSL_CERT_FILE), \
             and whether something stands between",
        ),
        _ => (
            Status::Other,
            "the vendor's API may have changed; try again, or report this",
        ),
    };
    Failure::new(status, phase, error.to_string(), advice)
}
