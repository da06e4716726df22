//! `tutk record`: records a camera's video and audio to a file or to standard output.

use tutk_runtime::Session;
use tutk_runtime::tutk_session::{ClientConfig, MediaRequest, ReconnectPolicy, SupervisorConfig};

use crate::args::Global;
use crate::args::record::{AudioChoice, RecordArgs};
use crate::camera;
use crate::console::Console;
use crate::failure::Failure;
use crate::keylog::KeyLog;
use crate::models;
use crate::quality;
use crate::recording::{Limits, Recording};
use crate::report::Report;
use crate::signals::Stop;
use crate::sink::{Retention, Target};

pub(crate) async fn run(
    args: &RecordArgs,
    global: &Global,
    console: &Console,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    // Reports invalid arguments before anything is sent or written.
    let target = match args.segment {
        None => Target::new(&args.output, args.format)?,
        Some(length) => {
            let retention = Retention {
                keep: args.keep,
                max_bytes: args.max_size.map(|size| size.as_u64()),
            };
            Target::segments(&args.output, args.format, length, retention)?
        }
    };
    let (target, audio) = match args.audio {
        AudioChoice::Auto => target.with_sound(),
        AudioChoice::None => (target, false),
    };
    if target.is_stdout() && global.json {
        let what = "standard output cannot receive both the stream and the report of --json";
        return Err(Failure::usage(
            "arguments",
            what,
            "set --output to a file, or omit --json",
        ));
    }
    let camera = camera::read(&args.camera, global.config.as_deref())?;
    report.output = Some(args.output.display().to_string());
    let keylog = args.keylog.as_deref().map(KeyLog::open).transpose()?;
    let sink = target.open()?;

    let address = match camera::resolve(&camera, stop).await {
        Ok(address) => address,
        Err(failure) => {
            sink.discard();
            return Err(failure);
        }
    };

    let (model, subtype) = (camera.model.clone(), camera.subtype);
    let host = camera::name(&camera);
    let mut config = ClientConfig::for_url(address, camera);
    if let Some(dialects) = args.dialect.chosen() {
        config.dialects = dialects;
    }
    config.key_log = keylog.is_some();
    config.resend = args.resend.policy();
    config.media = MediaRequest { video: true, audio };
    let mut policy = ReconnectPolicy::default();
    policy.give_up_after = Some(args.reconnect);
    policy.host = host;
    let session = match Session::start(SupervisorConfig::new(config, policy)) {
        Ok(session) => session,
        Err(error) => {
            sink.discard();
            return Err(Failure::runtime("start", &error));
        }
    };

    let limits = Limits {
        frames: args.frames,
        seconds: args.seconds,
    };
    console.line(format_args!("camera at {address}"));
    let mut recording = Recording::new(sink, limits, console, report, |_| ());
    recording.keylog = keylog;
    recording.stats = args.stats;
    let model = model.as_deref();
    recording.quality = subtype.map(|subtype| quality::request(model, subtype));
    let result = recording.run(session, stop).await;
    if report.frames > 0 {
        console.line(&*report);
    }
    result.map_err(|failure| models::explain(failure, model))
}
