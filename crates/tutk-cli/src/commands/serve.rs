//! `tutk serve`: the cameras of the file over RTSP and HTTP, and their recordings.

use std::time::Duration;

use tokio::time::Instant;

use crate::args::Global;
use crate::args::serve::ServeArgs;
use crate::camera::enr_of_environment;
use crate::config::{self, Mistake};
use crate::console::{self, Console};
use crate::failure::Failure;
use crate::report::{self, Report, plural};
use crate::secret_text::SecretText;
use crate::serving::chronicle::Chronicle;
use crate::serving::demo;
use crate::serving::house::House;
use crate::serving::plan::Plan;
use crate::signals::{Reload, Stop};

/// How often the cameras are looked at, for what is told of them.
const LOOK: Duration = Duration::from_millis(500);

pub(crate) async fn run(
    args: &ServeArgs,
    global: &Global,
    console: &Console,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    // Before anything is served, so that none is taken for the end.
    let mut reload = Reload::listen()?;
    let began = Instant::now();
    let (simulated, plan) = if args.demo {
        let (servers, cameras) = demo::begin()?;
        (servers, Plan::demo(args, cameras)?)
    } else {
        (Vec::new(), read(args, global)?)
    };
    let mut house = House::open(plan).await?;
    announce(&house, console);
    let mut chronicle = Chronicle::default();
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            biased;
            () = stop.requested() => break,
            () = reload.requested() => {
                if args.demo {
                    continue;
                }
                match read(args, global) {
                    Ok(plan) => again(&mut house, plan, console).await,
                    Err(failure) => {
                        console.error(&failure);
                        console.line("the file is not taken; everything goes on as it was");
                    }
                }
            }
            _ = look.tick() => chronicle.look(&house.hub, console),
        }
    }
    console.line("ending");
    house.close().await;
    for server in simulated {
        server.close().await;
    }
    report.seconds = report::seconds(began.elapsed());
    Ok(())
}

/// What the file says; every mistake in it is told.
fn read(args: &ServeArgs, global: &Global) -> Result<Plan, Failure> {
    let enr = enr_of_environment();
    let enr = enr.as_ref().map(SecretText::reveal);
    let (path, contents) = config::check(global.config.as_deref(), enr)?;
    tell(&path, &contents.mistakes)?;
    Plan::new(args, &path, contents)
}

fn tell(path: &std::path::Path, mistakes: &[Mistake]) -> Result<(), Failure> {
    let path = path.display();
    // Said even when quiet: they are why it fails.
    for mistake in mistakes {
        console::complain(format_args!("{path}, {mistake}"));
    }
    match mistakes.len() as u64 {
        0 => Ok(()),
        count => {
            let what = format!("{path}: {count} mistake{}", plural(count));
            let advice = "docs/cameras.md says what may stand there";
            Err(Failure::usage("arguments", what, advice))
        }
    }
}

fn announce(house: &House, console: &Console) {
    for address in house.addresses() {
        console.line(address);
    }
}

/// Becomes what the file says by now.
async fn again(house: &mut House, plan: Plan, console: &Console) {
    match house.become_as(plan).await {
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
            if changes == crate::serving::house::Changes::default() {
                console.line("the file was read again: nothing has changed");
            }
            if changes.servers {
                console.line("clients have to connect again");
            }
            announce(house, console);
        }
        Err(failure) => console.error(&failure),
    }
}
