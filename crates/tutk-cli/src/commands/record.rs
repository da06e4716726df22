//! `tutk record`: records a camera's video and audio to a file or to standard output.

use tutk_serve::recorder::{RecordingLimits, Retention, Target};

use crate::args::Global;
use crate::args::record::{AudioChoice, RecordArgs};
use crate::camera::{self, SelectedCamera};
use crate::capture::Capture;
use crate::console::Console;
use crate::failure::Failure;
use crate::keylog::KeyLog;
use crate::models;
use crate::new_file;
use crate::recording::{self, Job};
use crate::report::Report;
use crate::signals::Stop;
use crate::weak_key;

pub(crate) async fn run(
    args: &RecordArgs,
    global: &Global,
    console: &Console,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    // Reports invalid arguments before anything is sent or written.
    let target = match args.segment {
        None => Target::new(&args.output, args.format),
        Some(length) => {
            let retention = Retention {
                keep: args.keep,
                max_bytes: args.max_size.map(|size| size.as_u64()),
            };
            Target::segments(&args.output, args.format, length, retention)
        }
    };
    let target = target.map_err(|error| Failure::recording("arguments", error))?;
    let mut target = target.with_overwrite(args.overwrite);
    if args.audio == AudioChoice::Auto {
        target = target.with_audio();
    }
    if target.is_stdout() && global.json {
        let what = "standard output cannot receive both the stream and the report of --json";
        return Err(Failure::usage(
            "arguments",
            what,
            "set --output to a file, or omit --json",
        ));
    }
    let camera = camera::read(&args.camera, global.config.as_deref())?;
    if let Some(path) = &args.capture {
        new_file::check_distinct(path, &[Some(&args.output)])?;
    }
    report.output = Some(args.output.display().to_string());
    let keylog = args.keylog.as_deref().map(KeyLog::open).transpose()?;
    // Dropping it removes a file that is new and empty.
    let sink = recording::open(&target)?;
    let capture = args.capture.as_deref();
    let capture = capture.map(|path| Capture::create(path, args.overwrite, args.capture_size));
    let capture = capture.transpose()?;
    if let Some(warning) = weak_key::warning(&camera.credentials) {
        console.line(warning);
    }
    let address = camera::resolve(&camera, stop).await?;
    if !address.ip().is_unspecified() {
        console.line(format_args!("camera at {address}"));
    }

    let SelectedCamera { url, name, network } = camera;
    let (model, network) = (url.model.clone(), args.network.settings().or(&network));
    let audio = target.has_audio();
    let mut settings = camera::settings(url, address, &network, &args.dialect, args.resend, audio);
    settings.client.set_clock = args.set_clock;
    settings.client.key_log = keylog.is_some() || capture.is_some();
    settings.observer = capture.as_ref().map(Capture::observer);
    // A wrong ENR is reported at once.
    settings.policy.retry_first = false;
    settings.policy.give_up_after = Some(args.reconnect);
    let limits = RecordingLimits {
        frames: args.frames,
        length: args.seconds,
    };
    let mut job = Job::new(limits, console, report, |_| ());
    job.keylog = keylog;
    job.name = name;
    job.stats = args.stats;
    let mut result = job.run(settings, sink, stop).await;
    if let Some(capture) = capture {
        // The failure of the session is more important.
        result = result.and(capture.finish(console));
    }
    result.map_err(|failure| models::explain(failure, model.as_deref()))
}
