//! `tutk doctor`: finds out why a camera does not stream.

use std::fs::File;
use std::io::{Cursor, Write as _};
use std::path::Path;

use serde_json::json;

use crate::args::{DoctorArgs, Global};
use crate::camera;
use crate::console::{self, Console};
use crate::doctor::{Contents, Examination, Findings, Recorder, Schedule, Step, diagnose, notes};
use crate::failure::Failure;
use crate::new_file;
use crate::report::{self, Report};
use crate::signals::Stop;

pub(crate) async fn run(
    args: &DoctorArgs,
    global: &Global,
    console: &Console,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    // A model of another protocol is a finding here, not an error.
    let camera = camera::read_any_model(&args.camera, global.config.as_deref())?;
    let network = args.network.settings().or(&camera.network);
    let camera = camera.url;
    // Before the examination, so that a mistake in the name is known at once.
    let file = match &args.report {
        Some(path) => Some((path, new_file::create(path, args.overwrite)?)),
        None => None,
    };
    let recorder = file.is_some().then(Recorder::default);
    let began = tokio::time::Instant::now();
    let schedule = Schedule::new(args.budget);
    let show: fn(&Step) = match global.json {
        true => |_| {},
        false => |step| console::print(step),
    };
    let mut examination =
        Examination::new(camera.clone(), network, schedule, recorder.clone(), show);
    let interrupted = tokio::select! {
        () = examination.run() => false,
        () = stop.requested() => true,
    };
    if interrupted {
        examination.interrupted().await;
    }
    let Findings { seen, steps, mac } = examination.into_findings();
    let verdict = diagnose(&seen);
    let notes = notes(&seen);
    report.seconds = report::seconds(began.elapsed());
    report.model.clone_from(&seen.model);
    if let Some(best) = seen.best_attempt() {
        report.phases.clone_from(&best.phases);
        report.dialect.clone_from(&best.dialect);
    }
    if let Some(stream) = &seen.stream {
        (report.frames, report.keyframes) = (stream.video_frames, stream.key_frames);
        report.lost = stream.frames_lost;
    }
    if !global.json {
        for note in &notes {
            console::print(format_args!("Note: {note}."));
        }
    }
    report.examination = Some(json!({
        "verdict": verdict.name(),
        "cause": verdict.cause(),
        "advice": verdict.advice(),
        "notes": notes,
        "steps": steps,
        "observations": seen,
    }));
    let conclusion = format!("{}; {}", verdict.cause(), verdict.advice());
    let result = verdict.failure().map_or(Ok(()), Err);
    if !global.json && result.is_ok() {
        console::print(&conclusion);
    }
    if let (Some((path, file)), Some(recorder)) = (file, recorder) {
        let mut report = report.clone();
        report.interrupted = interrupted;
        if let Err(failure) = &result {
            report.fail(failure.clone());
        }
        let contents = Contents {
            camera: &camera,
            mac,
            recording: &recorder.take(),
            steps: &steps,
            notes: &notes,
            conclusion: &conclusion,
            json: &report.to_json(),
        };
        if let Err(failure) = write_report(&contents, path, file) {
            return match result {
                Ok(()) => Err(failure),
                Err(verdict) => {
                    // The verdict is more important.
                    console.error(&failure);
                    Err(verdict)
                }
            };
        }
    }
    if let Some(path) = &args.report {
        report.output = Some(path.display().to_string());
        console.line(format_args!("report without secrets: {}", path.display()));
    }
    result
}

/// Writes the report, or removes the file if it cannot be complete.
fn write_report(contents: &Contents<'_>, path: &Path, mut file: File) -> Result<(), Failure> {
    let mut zip = Cursor::new(Vec::new());
    let made = contents.report().and_then(|report| report.write(&mut zip));
    let written = made.and_then(|()| Ok(file.write_all(zip.get_ref())?));
    written.map_err(|error| {
        new_file::remove(path);
        Failure::capture(&path.display().to_string(), &error)
    })
}
