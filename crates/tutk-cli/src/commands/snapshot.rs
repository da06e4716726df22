//! `tutk snapshot`: saves a camera's next key frame as a JPEG file.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use tutk_runtime::tutk_session::video_reassembly::StreamKind;
use tutk_runtime::tutk_session::{Codec, Event, MediaRequest, Phase};

use crate::args::{Global, SnapshotArgs};
use crate::camera;
use crate::command_session::CommandSession;
use crate::console::{self, Console};
use crate::failure::{Failure, Status};
use crate::models;
use crate::new_file;
use crate::report::Report;
use crate::signals::Stop;

/// The time limit for the next key frame. Known cameras send one every few seconds.
const KEY_FRAME: Duration = Duration::from_secs(20);

const PICTURE: MediaRequest = MediaRequest {
    video: true,
    audio: false,
};

pub(crate) async fn run(
    args: &SnapshotArgs,
    global: &Global,
    console: &Console,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let stdout = args.output == Path::new("-");
    if stdout && global.json {
        let what = "standard output cannot receive both the picture and the report of --json";
        let advice = "set --output to a file, or omit --json";
        return Err(Failure::usage("arguments", what, advice));
    }
    if cfg!(not(feature = "snapshot")) {
        let what = "this tutk was built without a video decoder (feature `snapshot`)";
        let advice = "record, and extract a picture with ffmpeg";
        return Err(Failure::usage("arguments", what, advice));
    }
    let camera = camera::read(&args.camera, global.config.as_deref())?;
    if !stdout {
        new_file::check(&args.output, args.overwrite)?;
    }
    let (model, subtype) = (camera.model.clone(), camera.subtype);
    let mut session =
        CommandSession::open(camera, &args.access, PICTURE, console, report, stop).await?;
    let result = async {
        session.authenticated().await?;
        if let Some(subtype) = subtype {
            // The picture is usable without an answer, too.
            session.command(subtype.request(model.as_deref())).await?;
        }
        key_frame(&mut session).await
    };
    let result = result.await;
    session.close().await;
    let unit = result.map_err(|failure| models::explain(failure, model.as_deref()))?;
    let jpeg = encode(&unit, args.quality, report)?;
    let name = match stdout {
        true => "standard output".to_owned(),
        false => args.output.display().to_string(),
    };
    let written = match stdout {
        true => console::to_reader(|out| out.write_all(&jpeg)).map(drop),
        false => write(&args.output, args.overwrite, &jpeg),
    };
    written.map_err(|error| Failure::write("output", &name, &error))?;
    report.output = Some(args.output.display().to_string());
    (report.frames, report.keyframes) = (1, 1);
    report.bytes = jpeg.len() as u64;
    if !stdout {
        console.line(format_args!("{} bytes: {name}", jpeg.len()));
    }
    Ok(())
}

/// Returns the first key frame.
async fn key_frame(session: &mut CommandSession<'_>) -> Result<Bytes, Failure> {
    let until = Instant::now() + KEY_FRAME;
    loop {
        let event = tokio::select! {
            event = session.next_event() => event?,
            () = tokio::time::sleep_until(until) => {
                let what = format!("no key frame arrived within {} s", KEY_FRAME.as_secs());
                return Err(Failure::new(Status::Silent, Phase::Stream.name(), what, "try again"));
            }
        };
        let Event::Frame(frame) = event else { continue };
        if frame.stream() != StreamKind::Video || !frame.is_key() {
            continue;
        }
        session.report.codec = match frame.codec {
            Some(Codec::H264) | None => Some("h264"),
            Some(Codec::H265) => Some("h265"),
            Some(_) => None,
        };
        return Ok(frame.data);
    }
}

#[cfg(feature = "snapshot")]
fn encode(unit: &Bytes, quality: u8, report: &mut Report) -> Result<Vec<u8>, Failure> {
    let codec = match report.codec {
        Some("h265") => tutk_media::Codec::H265,
        _ => tutk_media::Codec::H264,
    };
    let unit = tutk_media::AccessUnit::new(codec, unit.clone());
    let sets = tutk_media::ParameterSets::of(&unit);
    if let Some(parameters) = sets.parameters() {
        (report.width, report.height) = (Some(parameters.width), Some(parameters.height));
    }
    tutk_media::snapshot(&sets, &unit, quality).map_err(|error| {
        let advice = match codec {
            tutk_media::Codec::H264 => "try again",
            tutk_media::Codec::H265 => {
                "use ffmpeg: tutk record CAMERA -o - --frames 1 | ffmpeg -i - out.jpg"
            }
        };
        Failure::other(Phase::Stream.name(), error.to_string(), advice)
    })
}

#[cfg(not(feature = "snapshot"))]
fn encode(_: &Bytes, _: u8, _: &mut Report) -> Result<Vec<u8>, Failure> {
    let what = "no video decoder";
    Err(Failure::other(
        Phase::Stream.name(),
        what,
        "use `tutk record`",
    ))
}

/// Creates or replaces the file atomically, because snapshots are often repeated under one name
/// while others read it.
fn write(path: &Path, overwrite: bool, bytes: &[u8]) -> io::Result<()> {
    // Devices and pipes are written in place.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return fs::write(path, bytes);
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    // The permissions of an ordinary new file, restricted by the umask.
    #[cfg(unix)]
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    #[cfg(unix)]
    builder.permissions(mode);
    let mut file = builder.prefix(".tutk-").tempfile_in(folder)?;
    file.write_all(bytes)?;
    match overwrite {
        true => file.persist(path)?,
        // Another program may have created it since the beginning.
        false => file.persist_noclobber(path)?,
    };
    Ok(())
}
