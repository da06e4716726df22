//! `tutk dissect`: explains a capture packet by packet.

use std::fs::File;
use std::io::{self, BufWriter, Cursor, Read as _, Seek as _, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tutk_dissect::capture::{Block, CaptureReader};
use tutk_dissect::report::MAGIC;
use tutk_dissect::{Dissector, Error, Exporter, JsonLine, Keys, Packet, Session};

use crate::args::Global;
use crate::args::dissect::DissectArgs;
use crate::camera;
use crate::console::Console;
use crate::extraction::Extraction;
use crate::failure::Failure;
use crate::new_file;
use crate::report::{self, Report, plural};
use crate::signals::Stop;

const INPUT: &str = "input";

/// The number of packets between two checks for a signal.
const STOP_INTERVAL: u64 = 256;

/// Where the packets are printed.
struct Printer {
    out: BufWriter<io::Stdout>,
    json: bool,
    fields: bool,
    start: Option<Duration>,
}

pub(crate) async fn run(
    args: &DissectArgs,
    global: &Global,
    console: &Console,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let keys = keys(args, global)?;
    let mut capture = open(&args.file)?;
    let outputs = [args.extract.as_deref(), args.export.as_deref()];
    for (at, output) in outputs.into_iter().enumerate() {
        let others = [
            Some(args.file.as_path()),
            outputs.get(at + 1).copied().flatten(),
        ];
        output.map_or(Ok(()), |path| new_file::check_distinct(path, &others))?;
    }
    let extract = args.extract.as_deref().map(|path| {
        let session = args.session.map(NonZeroUsize::get);
        Extraction::create(path, args.overwrite, session)
    });
    let mut extraction = extract.transpose()?;
    let mut exporter = match &args.export {
        Some(path) => {
            let file = BufWriter::new(new_file::create(path, args.overwrite)?);
            Some(Exporter::new(file).map_err(|error| not_written(path, &error))?)
        }
        None => None,
    };
    let mut printer = Printer {
        out: BufWriter::new(io::stdout()),
        json: global.json,
        fields: args.fields,
        start: None,
    };
    let mut dissector = Dissector::new(keys);
    let mut blocks = 0;
    while let Some(block) = capture
        .next_block()
        .map_err(|error| not_read(&args.file, error))?
    {
        blocks += 1;
        if blocks % STOP_INTERVAL == 0 {
            tokio::task::yield_now().await;
            if stop.is_requested() {
                break;
            }
        }
        let Block::Packet(captured) = block else {
            continue;
        };
        let Some(packet) = dissector.handle(&captured) else {
            continue;
        };
        if let (Some(exporter), Some(path)) = (&mut exporter, &args.export) {
            exporter
                .packet(&packet)
                .map_err(|error| not_written(path, &error))?;
        }
        extract_frames(&mut dissector, extraction.as_mut())?;
        // Output files are completed without a reader, too.
        if !printed(printer.packet(&packet))? {
            printer.out = BufWriter::new(io::stdout());
            if exporter.is_none() && extraction.is_none() {
                return Ok(());
            }
        }
    }
    dissector.finish();
    extract_frames(&mut dissector, extraction.as_mut())?;
    printed(printer.sessions(dissector.sessions()))?;
    if let (Some(exporter), Some(path)) = (exporter, &args.export) {
        exporter
            .finish()
            .map_err(|error| not_written(path, &error))?;
    }
    summarize(console, &capture, &dissector);
    write_report(report, &dissector);
    if let Some(mut extraction) = extraction {
        extraction.finish()?;
        report.output = args.extract.as_ref().map(|path| path.display().to_string());
        report.frames = extraction.frames;
        report.keyframes = extraction.key_frames;
        report.bytes = extraction.bytes;
        report.codec = extraction.codec.map(|codec| codec.name());
    }
    Ok(())
}

/// Returns `false` if the reader has closed the pipe.
fn printed(result: io::Result<()>) -> Result<bool, Failure> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::write("output", "standard output", &error)),
    }
}

/// Collects the keys of the command line and those in the capture.
fn keys(args: &DissectArgs, global: &Global) -> Result<Keys, Failure> {
    let mut keys = key_logs(&args.file, &args.keys)?;
    keys.show_secrets = args.show_secrets;
    for camera in &args.camera {
        let camera = camera::read(camera, global.config.as_deref())?;
        keys.add_credentials(&camera.credentials);
    }
    Ok(keys)
}

/// Reads key logs, and those in the capture.
pub(super) fn key_logs(capture: &Path, logs: &[PathBuf]) -> Result<Keys, Failure> {
    let mut keys = Keys::new();
    for path in logs {
        let name = path.display();
        let advice = "use a file that `tutk record --keylog` has written";
        let log = std::fs::read(path)
            .map_err(|error| Failure::usage(INPUT, format!("{name}: {error}"), advice))?;
        let found = keys
            .add_key_log(&log)
            .map_err(|error| Failure::usage(INPUT, format!("{name}: {error}"), advice))?;
        if found == 0 {
            let what = format!("{name}: no line begins with CLIENT_RANDOM");
            return Err(Failure::usage(INPUT, what, advice));
        }
    }
    let mut blocks = open(capture)?;
    keys.add_capture(&mut blocks)
        .map_err(|error| not_read(capture, error))?;
    Ok(keys)
}

pub(super) fn open(path: &Path) -> Result<CaptureReader<'static>, Failure> {
    let mut file = File::open(path).map_err(|error| not_read(path, error.into()))?;
    let capture = match is_report(&mut file) {
        Ok(true) => tutk_dissect::report::Report::read(file)
            .and_then(|report| CaptureReader::new(Cursor::new(report.capture))),
        Ok(false) => CaptureReader::new(file),
        Err(error) => Err(error.into()),
    };
    capture.map_err(|error| not_read(path, error))
}

/// Returns `true` for a report of `tutk doctor`.
fn is_report(file: &mut File) -> io::Result<bool> {
    let mut magic = Vec::new();
    io::Read::by_ref(file)
        .take(MAGIC.len() as u64)
        .read_to_end(&mut magic)?;
    file.rewind()?;
    Ok(magic == MAGIC)
}

fn extract_frames(
    dissector: &mut Dissector,
    mut extraction: Option<&mut Extraction>,
) -> Result<(), Failure> {
    while let Some(frame) = dissector.poll_frame() {
        if let Some(extraction) = &mut extraction {
            extraction.frame(&frame)?;
        }
    }
    Ok(())
}

impl Printer {
    fn packet(&mut self, packet: &Packet) -> io::Result<()> {
        if self.json {
            return self.json(&JsonLine::Packet(packet));
        }
        let start = *self.start.get_or_insert(packet.time);
        writeln!(self.out, "{}", packet.line(start))?;
        if self.fields {
            for layer in &packet.layers {
                writeln!(self.out, "    {} {}", layer.name, layer.title)?;
                for field in &layer.fields {
                    writeln!(
                        self.out,
                        "        {:<4} {}: {}",
                        field.offset, field.name, field.value
                    )?;
                }
                for part in &layer.undecoded {
                    let bytes: String = part.bytes.iter().map(|b| format!("{b:02x}")).collect();
                    writeln!(self.out, "        {:<4} undecoded: {bytes}", part.offset)?;
                }
            }
        }
        Ok(())
    }

    /// Prints the sessions after the packets.
    fn sessions(&mut self, sessions: &[Session]) -> io::Result<()> {
        for session in sessions {
            match self.json {
                true => self.json(&JsonLine::Session(session))?,
                false => write_session(&mut self.out, session)?,
            }
        }
        self.out.flush()
    }

    fn json(&mut self, line: &JsonLine<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, line)?;
        self.out.write_all(b"\n")
    }
}

fn write_session(out: &mut impl Write, session: &Session) -> io::Result<()> {
    let Session {
        number,
        client,
        camera,
        packets,
        media,
        ..
    } = session;
    let dialect = session
        .dialect
        .as_ref()
        .map_or("plain", |dialect| &dialect.name);
    write!(
        out,
        "session {number}: {client} → {camera}, {dialect}, {packets} packets"
    )?;
    if let Some(uid) = &session.uid {
        write!(out, ", UID {uid}")?;
    }
    writeln!(out)?;
    for end in &session.phases {
        let ms = report::milliseconds(end.after);
        writeln!(
            out,
            "  {:<15}{ms:>9.1} ms, packet {}",
            end.phase, end.packet
        )?;
    }
    let phase = session.phase();
    if session.phases.iter().all(|end| end.phase != phase.name()) {
        writeln!(out, "  {phase:<15} not completed")?;
    }
    for (channel, suite) in &session.suites {
        writeln!(out, "  channel {channel}: {suite}")?;
    }
    if session.encrypted > 0 {
        writeln!(
            out,
            "  {} records decrypted, {} not: give the key log of this session with --keys",
            session.decrypted, session.encrypted
        )?;
    }
    if media.video + media.audio + media.lost > 0 {
        writeln!(
            out,
            "  {} video frames ({} key frames), {} audio frames, {} lost",
            media.video, media.key, media.audio, media.lost
        )?;
    }
    for (note, count) in &session.notes {
        writeln!(out, "  {count} × {note}")?;
    }
    Ok(())
}

/// Says what was skipped.
fn summarize(console: &Console, capture: &CaptureReader<'_>, dissector: &Dissector) {
    if capture.is_cut_off() {
        console.line("the capture ends in the middle of a packet");
    }
    let sessions = u64::try_from(dissector.sessions().len()).unwrap_or(u64::MAX);
    let skipped = dissector.skipped();
    let others: u64 = skipped.other_udp + skipped.not_udp.values().sum::<u64>();
    let mut line = format!("{sessions} session{}", plural(sessions));
    if others > 0 {
        let s = plural(others);
        line += &format!(", {others} packet{s} of other protocols skipped");
    }
    console.line(line);
}

/// Fills in the report from the last session.
fn write_report(report: &mut Report, dissector: &Dissector) {
    let Some(session) = dissector.sessions().last() else {
        return;
    };
    report.dialect = session.dialect.as_ref().map(|dialect| dialect.name.clone());
    report.frames = session.media.video;
    report.keyframes = session.media.key;
    report.bytes = session.media.bytes;
    report.lost = session.media.lost;
    report.seconds = report::seconds(session.last.saturating_sub(session.first));
    let mut before = Duration::ZERO;
    for end in &session.phases {
        report.phases.push(report::PhaseTime {
            phase: end.phase,
            ms: report::milliseconds(end.after.saturating_sub(before)),
        });
        before = end.after;
    }
}

pub(super) fn not_read(path: &Path, error: Error) -> Failure {
    let what = format!("{}: {error}", path.display());
    let advice = match error {
        Error::Io(_) => "check the name",
        _ => "use a capture in pcap or pcapng format",
    };
    Failure::usage(INPUT, what, advice)
}

fn not_written(path: &Path, error: &Error) -> Failure {
    Failure::capture(&path.display().to_string(), error)
}
