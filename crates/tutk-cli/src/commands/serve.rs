//! `tutk serve`: serves the configured cameras over RTSP and HTTP, and records them.

use std::time::Duration;

use tokio::time::Instant;

use crate::args::Global;
use crate::args::serve::ServeArgs;
use crate::camera::enr_from_environment;
use crate::config::{self, Mistake};
use crate::console::{self, Console};
use crate::failure::Failure;
use crate::report::{self, Report, plural};
use crate::secret_text::SecretText;
use crate::serving::demo;
use crate::serving::plan::Plan;
use crate::serving::service::Service;
use crate::serving::service_manager::ServiceManager;
use crate::serving::status_log::StatusLog;
use crate::signals::{Reload, Stop};

/// The interval at which camera states are polled for the log.
const STATUS_INTERVAL: Duration = Duration::from_millis(500);

pub(crate) async fn run(
    args: &ServeArgs,
    global: &Global,
    console: &Console,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    // Installed first, because an unhandled SIGHUP terminates the program.
    let mut reload = Reload::listen()?;
    let began = Instant::now();
    let (simulated, plan) = if args.demo {
        let (servers, cameras) = demo::begin()?;
        (servers, Plan::demo(args, cameras)?)
    } else {
        (Vec::new(), read(args, global)?)
    };
    let mut service = Service::open(plan).await?;
    announce(&service, console);
    let mut manager = ServiceManager::new();
    manager.ready();
    let mut status_log = StatusLog::default();
    let mut look = tokio::time::interval(STATUS_INTERVAL);
    loop {
        tokio::select! {
            biased;
            () = stop.requested() => break,
            () = reload.requested() => {
                if args.demo {
                    continue;
                }
                match read(args, global) {
                    Ok(plan) => reload_plan(&mut service, plan, console).await,
                    Err(failure) => {
                        console.error(&failure);
                        console.line("the file was not reloaded; the previous configuration stays in effect");
                    }
                }
            }
            _ = look.tick() => {
                status_log.update(&service.hub, console);
                manager.alive();
            }
        }
    }
    console.line("stopping");
    manager.stopping();
    service.close().await;
    for server in simulated {
        server.close().await;
    }
    report.seconds = report::seconds(began.elapsed());
    Ok(())
}

/// Reads the file and prints every error in it.
fn read(args: &ServeArgs, global: &Global) -> Result<Plan, Failure> {
    let enr = enr_from_environment();
    let enr = enr.as_ref().map(SecretText::reveal);
    let (path, contents) = config::check(global.config.as_deref(), enr)?;
    print_errors(&path, &contents.mistakes)?;
    Plan::new(args, &path, contents)
}

fn print_errors(path: &std::path::Path, mistakes: &[Mistake]) -> Result<(), Failure> {
    let path = path.display();
    // Printed also with --quiet, because they explain the failure.
    for mistake in mistakes {
        console::error_line(format_args!("{path}, {mistake}"));
    }
    match mistakes.len() as u64 {
        0 => Ok(()),
        count => {
            let what = format!("{path}: {count} error{}", plural(count));
            let advice = "docs/cameras.md describes the file";
            Err(Failure::usage("arguments", what, advice))
        }
    }
}

fn announce(service: &Service, console: &Console) {
    for address in service.addresses() {
        console.line(address);
    }
}

/// Applies the changed file.
async fn reload_plan(service: &mut Service, plan: Plan, console: &Console) {
    match service.apply(plan).await {
        Ok(changes) => {
            for (what, names) in [
                ("added", &changes.added),
                ("changed", &changes.changed),
                ("removed", &changes.removed),
            ] {
                if !names.is_empty() {
                    console.line(format_args!("{what}: {}", names.join(", ")));
                }
            }
            if changes == crate::serving::service::Changes::default() {
                console.line("configuration reloaded: nothing has changed");
            }
            if changes.servers {
                console.line("the listeners were restarted; clients must reconnect");
            }
            announce(service, console);
        }
        Err(failure) => console.error(&failure),
    }
}
