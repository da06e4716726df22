//! A run: starts everything, carries out the faults, and collects the results.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use reqwest::Client;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::camera::{Camera, GUEST, MODELS};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::files::Files;
use crate::monitor::{Monitor, sample};
use crate::report::{Report, Results, Step};
use crate::schedule::{Fault, Kind, schedule};
use crate::service::{Extras, Service};
use crate::viewers::{Context, Totals, come_and_go, read_nothing};
use crate::{Result, Segments, lock, process};

/// Viewers at the same time, besides those that do not read.
const VIEWERS: u64 = 8;

/// A run from this duration on has longer segments, and the limits of long runs.
pub(crate) const LONG: Duration = Duration::from_secs(300);

/// The interval at which new recordings are checked, and a full disk is filled again.
const INTERVAL: Duration = Duration::from_millis(200);

/// The time in which the cameras must be recorded at first.
const START: Duration = Duration::from_secs(60);

/// The time after the last viewer, until its descriptors are closed.
const SETTLE: Duration = Duration::from_secs(3);

/// The H.265 stream of some cameras.
const CLIP: &[u8] = include_bytes!("../../crates/tutk-cli/assets/clip.h265");

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The program `tutk`.
    pub program: PathBuf,
    pub duration: Duration,
    /// Determines the faults and the viewers.
    pub seed: u64,
}

/// The parts of a run that faults change.
struct Stage<'a> {
    cameras: &'a [Arc<Camera>],
    guest: Camera,
    /// The guest is in the configuration.
    has_guest: bool,
    disk: Disk,
    clock: Option<Clock>,
    segments: Segments,
    service: Service,
    context: Arc<Context>,
    steps: Vec<Step>,
}

/// Runs the program with all faults.
///
/// # Errors
/// A part could not be started, or did not react at all. Missed limits are part of the report.
pub fn run(options: &Options) -> Result<Report> {
    let folder = tempfile::Builder::new().prefix("soak-").tempdir()?;
    let results = run_in(folder.path(), options);
    let report = results.map(|results| Report::new(options, results));
    if !report.as_ref().is_ok_and(Report::passed) {
        let kept = folder.keep();
        eprintln!("the log and damaged files are in {}", kept.display());
    }
    report
}

fn run_in(folder: &Path, options: &Options) -> Result<Results> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let program = &options.program;
    let clip = folder.join("clip.h265");
    std::fs::write(&clip, CLIP)?;
    let new = |(number, model)| Camera::new(model, number, options.seed, program, &clip);
    let cameras: Vec<_> = (0..).zip(MODELS).map(new).map(Arc::new).collect();
    let guest = new((MODELS.len(), GUEST));
    for camera in cameras.iter().map(Arc::as_ref).chain([&guest]) {
        camera.start(false)?;
    }
    let segments = match options.duration >= LONG {
        true => Segments {
            length: Duration::from_secs(10),
            max_size: "2MiB",
        },
        false => Segments {
            length: Duration::from_secs(5),
            max_size: "1MiB",
        },
    };
    let (disk, clock) = (Disk::open(folder)?, Clock::open(folder)?);
    let mut files = Files::open(disk.recordings_outside(), folder.join("copies"))?;
    for model in MODELS.iter().filter(|model| model.lossy) {
        files.set_lossy(model.name, true);
    }
    let extras = Extras {
        disk: &disk,
        segments,
        guest: None,
    };
    let service = Service::start(program, folder, &cameras, extras, clock.as_ref())?;
    let pid = service.pid();
    for camera in &cameras {
        let line = format!("{}: connected", camera.model.name);
        process::wait_for(&service.log, 0, &line, START)?;
        camera.remove_obstacle();
    }
    let begun = Instant::now();
    let before = sample(pid, Duration::ZERO).unwrap_or_default();
    let client = Client::builder().no_proxy().build()?;
    let context = Arc::new(Context {
        http: service.http.clone(),
        rtsp: service.rtsp.clone(),
        client: client.clone(),
        cameras: cameras.clone(),
        totals: Mutex::default(),
        until: begun + options.duration,
    });
    let stop = Arc::new(AtomicBool::new(false));
    let monitor = Monitor {
        pid,
        http: service.http.clone(),
        client,
        cameras: cameras.clone(),
        begun,
        stop: Arc::clone(&stop),
    };
    let monitor = runtime.spawn(monitor.run());
    let mut viewers = JoinSet::new();
    for number in 0..VIEWERS {
        let seed = options.seed.wrapping_mul(1_000).wrapping_add(number);
        viewers.spawn_on(come_and_go(Arc::clone(&context), seed), runtime.handle());
    }
    let faults = schedule(options.seed, options.duration, cameras.len());
    let mut stage = Stage {
        cameras: &cameras,
        guest,
        has_guest: false,
        disk,
        clock,
        segments,
        service,
        context: Arc::clone(&context),
        steps: Vec::new(),
    };
    let count = carry_out(&mut stage, &faults, &mut files, &mut viewers, &runtime)?;
    while runtime.block_on(viewers.join_next()).is_some() {}
    thread::sleep(SETTLE);
    let after = sample(pid, begun.elapsed()).unwrap_or_default();
    stop.store(true, Ordering::Relaxed);
    let observed = runtime.block_on(monitor)?;
    let Stage {
        service,
        disk,
        clock,
        guest,
        steps,
        ..
    } = stage;
    let log = Arc::clone(&service.log);
    let available = cameras.iter().map(|camera| camera.available()).collect();
    let end = service.stop().map_err(|error| error.to_string());
    files.check(None);
    let decoded = files.finish();
    let mut panics = process::panics(&log);
    panics.extend(cameras.iter().flat_map(|camera| camera.panics()));
    panics.extend(guest.panics());
    let log = lock(&log);
    let (lines, failed_recordings) = (log.count, log.failed_recordings);
    Ok(Results {
        names: cameras.iter().map(|camera| camera.model).collect(),
        available,
        faults: count,
        files,
        decoded,
        observed,
        viewers: std::mem::take(&mut *lock::<Totals>(&context.totals)),
        before,
        after,
        end,
        panics,
        lines,
        failed_recordings,
        disk: disk.description(),
        has_clock: clock.is_some(),
        steps,
        segments,
    })
}

/// Begins and ends the faults, and checks recordings meanwhile. Returns the kinds of the faults
/// that were carried out.
fn carry_out(
    stage: &mut Stage<'_>,
    faults: &[Fault],
    files: &mut Files,
    viewers: &mut JoinSet<()>,
    runtime: &Runtime,
) -> Result<Vec<Kind>> {
    let begun = Instant::now();
    let mut actions: Vec<(Duration, bool, Fault)> = faults
        .iter()
        .flat_map(|fault| {
            [
                (fault.at, true, *fault),
                (fault.at + fault.length, false, *fault),
            ]
        })
        .collect();
    actions.sort_by_key(|(at, ..)| *at);
    let mut kinds = Vec::new();
    let mut actions = actions.into_iter().peekable();
    while Instant::now() < stage.context.until || actions.peek().is_some() {
        while let Some((_, begins, fault)) = actions.next_if(|(at, ..)| *at <= begun.elapsed()) {
            let failed = |error: crate::Error| format!("{}: {error}", fault.kind.text());
            if !begins {
                stage.end(fault).map_err(failed)?;
            } else if stage.begin(fault).map_err(failed)? {
                kinds.push(fault.kind);
            }
            if !begins && fault.kind.restarts() {
                let model = stage.camera(&fault)?.model;
                let lossy = model.lossy || fault.kind == Kind::Lossy;
                files.set_lossy(model.name, lossy);
            }
            if begins && fault.kind == Kind::SlowViewer {
                let camera = stage.camera(&fault)?;
                let viewer = read_nothing(Arc::clone(&stage.context), Arc::clone(camera));
                viewers.spawn_on(viewer, runtime.handle());
            }
        }
        if let Some(status) = stage.service.has_ended() {
            let tail = process::tail(&stage.service.log);
            return Err(format!("tutk serve ended early: {status}\n{tail}").into());
        }
        stage.disk.refill();
        files.check(Some(stage.service.pid()));
        // Ended viewers.
        while viewers.try_join_next().is_some() {}
        thread::sleep(INTERVAL);
    }
    Ok(kinds)
}

impl Stage<'_> {
    fn camera(&self, fault: &Fault) -> Result<&Arc<Camera>> {
        let camera = self.cameras.get(fault.camera);
        camera.ok_or_else(|| "the schedule has a camera that does not exist".into())
    }

    /// Begins a fault. Returns `false` if that is not possible on this machine.
    fn begin(&mut self, fault: Fault) -> Result<bool> {
        let camera = Arc::clone(self.camera(&fault)?);
        match fault.kind {
            Kind::Killed | Kind::Rebooted | Kind::Lossy | Kind::Readdressed => {
                camera.add_obstacle(fault.kind);
                camera.stop(fault.kind == Kind::Rebooted)?;
            }
            Kind::Frozen => {
                camera.add_obstacle(fault.kind);
                camera.signal(Signal::SIGSTOP)?;
            }
            // At once, so that it answers before the search for it.
            Kind::Moved => {
                camera.add_obstacle(fault.kind);
                camera.stop(false)?;
                camera.change_host();
                camera.start(false)?;
                camera.remove_obstacle();
            }
            Kind::DiskFull => {
                for camera in self.cameras {
                    camera.add_obstacle(fault.kind);
                }
                self.disk.fill()?;
            }
            Kind::ClockStepped => {
                let Some(clock) = &mut self.clock else {
                    return Ok(false);
                };
                clock.step(fault.step)?;
                self.steps.push(Step {
                    at: Instant::now(),
                    ahead: clock.offset(),
                });
            }
            Kind::Reloaded => {
                self.has_guest = !self.has_guest;
                let change = if self.has_guest { "added" } else { "removed" };
                self.reload(&format!("{change}: {}", GUEST.name))?;
            }
            Kind::BadReload => self.service.reload_mistake()?,
            // Its task is started by the caller.
            Kind::SlowViewer => {}
        }
        Ok(true)
    }

    /// Ends a fault.
    fn end(&mut self, fault: Fault) -> Result<()> {
        let camera = Arc::clone(self.camera(&fault)?);
        match fault.kind {
            Kind::Killed | Kind::Rebooted => camera.start(false)?,
            Kind::Lossy => camera.start(true)?,
            Kind::Frozen => camera.signal(Signal::SIGCONT)?,
            Kind::Readdressed => {
                camera.change_port();
                camera.start(false)?;
                camera.configure();
                self.reload(&format!("changed: {}", camera.model.name))?;
            }
            Kind::DiskFull => {
                self.disk.free()?;
                for camera in self.cameras {
                    camera.remove_obstacle();
                }
                return Ok(());
            }
            Kind::Moved
            | Kind::ClockStepped
            | Kind::Reloaded
            | Kind::BadReload
            | Kind::SlowViewer => return Ok(()),
        }
        camera.remove_obstacle();
        Ok(())
    }

    fn reload(&self, line: &str) -> Result<()> {
        let extras = Extras {
            disk: &self.disk,
            segments: self.segments,
            guest: self.has_guest.then_some(&self.guest),
        };
        self.service.reload(self.cameras, extras, line)
    }
}
