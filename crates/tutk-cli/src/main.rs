//! The program `tutk`, which streams Wyze and other TUTK cameras on the local network.

#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the program may use files and clocks (docs/architecture.md, rule 2)"
)]

mod args;
mod camera;
mod capture;
mod captured_camera;
mod clip;
mod clock;
mod command_session;
mod commands;
#[cfg_attr(
    not(feature = "serve"),
    allow(dead_code, reason = "only `tutk serve` uses all keys")
)]
mod config;
mod console;
mod dialect_choice;
mod doctor;
mod extraction;
mod failure;
mod keylog;
mod listen;
mod local_ports;
mod models;
mod new_file;
mod open_files;
mod personality_choice;
mod private_file;
#[cfg(any(feature = "cloud", feature = "serve"))]
mod prompt;
mod recording;
mod report;
mod resend_choice;
mod secret_text;
#[cfg(feature = "serve")]
mod serving;
mod signals;
mod sound;
mod suggest;
mod table;
mod talk_input;
mod talk_output;
mod value_parsers;
mod weak_key;

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::{ContextKind, ContextValue};

use crate::args::{Args, Command};
#[cfg(feature = "cloud")]
use crate::commands::cloud;
use crate::commands::{
    cameras, control, demo, discover, dissect, info, record, replay, simulate, snapshot, talk,
};
#[cfg(feature = "serve")]
use crate::commands::{passwd, serve};
use crate::console::Console;
use crate::failure::{Failure, Status};
use crate::report::Report;
use crate::signals::Stop;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return not_understood(&error),
    };
    start_log(args.global.quiet, args.global.verbose);
    let console = Console::new(args.global.quiet);

    // Several threads, so that a slow disk or pipe blocks only the thread that writes to it, while
    // sessions continue and the hub keeps the frames (`tutk_serve::KeptLimits`).
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let failure = Failure::other(
                "start",
                format!("cannot start the async runtime: {error}"),
                "try again",
            );
            return finish(&console, args.global.json, Report::default(), Err(failure));
        }
    };
    let mut report = Report::new(args.command.name());
    let result = runtime.block_on(run(&args, &console, &mut report));
    // A blocked name lookup must not delay the exit.
    runtime.shutdown_background();
    finish(&console, args.global.json, report, result)
}

async fn run(args: &Args, console: &Console, report: &mut Report) -> Result<(), Failure> {
    let mut stop = Stop::listen(*console, args.command.reloads())?;
    let global = &args.global;
    let result = match &args.command {
        Command::Demo(args) => demo::run(args, console, report, &mut stop).await,
        Command::Simulate(args) => simulate::run(args, console, report, &mut stop).await,
        Command::Record(args) => record::run(args, global, console, report, &mut stop).await,
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(args, global, console, report, &mut stop).await,
        #[cfg(feature = "serve")]
        Command::Passwd(args) => passwd::run(args, global, console, &mut stop).await,
        Command::Snapshot(args) => snapshot::run(args, global, console, report, &mut stop).await,
        Command::Talk(args) => talk::run(args, global, console, report, &mut stop).await,
        Command::Discover(args) => discover::run(args, global, console, report, &mut stop).await,
        Command::Doctor(args) => {
            commands::doctor::run(args, global, console, report, &mut stop).await
        }
        Command::Info(args) => info::run(args, global, console, report, &mut stop).await,
        Command::Replay(args) => replay::run(args, console, report, &mut stop).await,
        Command::Dissect(args) => dissect::run(args, global, console, report, &mut stop).await,
        Command::Control(args) => control::run(args, global, console, report, &mut stop).await,
        #[cfg(feature = "cloud")]
        Command::Cloud(args) => cloud::run(args, global, console, report, &mut stop).await,
        Command::Cameras => cameras::run(global, console, report),
    };
    report.interrupted = stop.is_requested();
    result
}

/// Prints the failure, and the report with `--json`.
fn finish(
    console: &Console,
    json: bool,
    mut report: Report,
    result: Result<(), Failure>,
) -> ExitCode {
    let mut status = Status::Done;
    if let Err(failure) = result {
        console.error(&failure);
        status = failure.status;
        report.fail(failure);
    }
    if json {
        console::print(report.to_json());
    }
    if let Some(error) = console::print_error() {
        console.error(&Failure::write("output", "standard output", error));
        if status == Status::Done {
            status = Status::Other;
        }
    }
    status.into()
}

/// Handles an invalid command line, and requests for help.
fn not_understood(error: &clap::Error) -> ExitCode {
    match error.get(ContextKind::Custom) {
        Some(ContextValue::String(help)) => console::print(help),
        // An error here cannot be printed.
        _ => drop(error.print()),
    }
    if !error.use_stderr() {
        return Status::Done.into();
    }
    if std::env::args_os().any(|arg| arg == "--json") {
        let mut report = Report::default();
        // Only the kind of error, because the whole message may contain a secret.
        let what = error.kind().to_string();
        report.fail(Failure::usage("arguments", what, "see `tutk --help`"));
        console::print(report.to_json());
    }
    Status::Usage.into()
}

/// Starts logging: warnings unless `--quiet` is set, more with each `-v`. The types of secrets
/// redact them.
fn start_log(quiet: bool, verbose: u8) {
    use tracing_subscriber::filter::LevelFilter;
    let level = match (quiet, verbose) {
        (true, _) => LevelFilter::OFF,
        (false, 0) => LevelFilter::WARN,
        (false, 1) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    // As it is whatever features of tracing-subscriber other crates of a build enable.
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .finish();
    // Fails if there is one already.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
