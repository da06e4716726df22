//! Runs the `tutk` program and exchanges UDP packets over the loopback interface.
#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and run processes"
)]

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use testkit::tools::has_ffmpeg;

pub const H264: &[u8] = include_bytes!("../../assets/clip.h264");
pub const H265: &[u8] = include_bytes!("../../assets/clip.h265");

pub const UID: &str = "HSBJYB5HSETGCDWD111A";
/// Contains characters that must be percent-encoded in a URL.
pub const ENR: &str = "aKzd+ckq/8HUHF&5";
pub const ENR_ENCODED: &str = "aKzd%2Bckq%2F8HUHF%265";
pub const MAC: &str = "AABBCCDDEEFF";

/// The timeout for the next line of output.
const LINE_TIMEOUT: Duration = Duration::from_secs(30);

/// The result of a finished `tutk` process.
#[derive(Debug)]
pub struct Run {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// A running `tutk` process. Dropping it kills the process.
#[derive(Debug)]
pub struct Service {
    child: Child,
    /// Lines of standard error that were not read yet.
    lines: Receiver<String>,
    read: Vec<String>,
}

/// A running `tutk simulate`.
#[derive(Debug)]
pub struct Simulator {
    service: Service,
    /// The camera URL that it prints.
    pub url: String,
}

/// `tutk` with these arguments and without the user's settings.
pub fn command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tutk"));
    command
        .args(args)
        .env_remove("TUTK_ENR")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .stdin(Stdio::null());
    command
}

/// Runs `tutk` with these arguments until it exits.
pub fn tutk<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Run {
    run(&mut command(args))
}

/// Runs `tutk record`, with further arguments separated by spaces.
pub fn record(camera: &Simulator, output: &Path, args: &str) -> Run {
    let fixed = ["record", &camera.url, "--output", text(output)];
    tutk(fixed.into_iter().chain(args.split_whitespace()))
}

/// Starts `tutk simulate` with arguments separated by spaces.
pub fn simulate(args: &str) -> Simulator {
    Simulator::start(&args.split_whitespace().collect::<Vec<_>>())
}

pub fn run(command: &mut Command) -> Run {
    command.output().unwrap().into()
}

/// Runs a command with this standard input until it exits.
pub fn with_input(command: &mut Command, input: &str) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The program may exit before it has read everything.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap().into()
}

/// Sends a signal to a child process.
pub fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// The URL of a camera with the credentials of the tests.
pub fn url(address: &str) -> String {
    format!("wyze://{address}?uid={UID}&enr={ENR_ENCODED}&mac={MAC}")
}

/// The path of a file in `assets/`.
pub fn asset(name: &str) -> String {
    format!("{}/assets/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The codec, width, height and number of packets of each stream, as ffprobe prints them. `None`
/// if ffmpeg is not installed, which is an error in CI.
pub fn probe(path: &Path) -> Option<String> {
    if !has_ffmpeg() {
        return None;
    }
    let entries = "stream=codec_name,width,height,nb_read_packets";
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_packets", "-of", "csv=p=0"])
        .args(["-show_entries", entries])
        .arg(path)
        .output()
        .unwrap();
    assert!(output.status.success(), "ffprobe: {output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// A stream of a file according to ffprobe.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    pub codec: String,
    pub packets: u64,
    /// Seconds.
    pub start: f64,
    pub end: f64,
}

/// The streams of a file that ffmpeg decodes without errors or warnings. `None` if ffmpeg is not
/// installed, which is an error in CI.
pub fn streams(path: &Path) -> Option<Vec<Stream>> {
    probe(path)?;
    let decoded = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-i", text(path)])
        .args(["-f", "null", "-"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&decoded.stderr), "");
    assert!(decoded.status.success());
    let probed = Command::new("ffprobe")
        .args(["-v", "error", "-count_packets", "-of", "json"])
        .args(["-show_packets", "-show_streams", text(path)])
        .output()
        .unwrap();
    let json: Value = serde_json::from_slice(&probed.stdout).unwrap();
    let seconds = |value: &Value| value.as_str().unwrap().parse::<f64>().unwrap();
    let streams = json["streams"].as_array().unwrap().iter();
    let packets = json["packets"].as_array().unwrap();
    Some(
        streams
            .map(|stream| {
                let own = |packet: &&Value| packet["stream_index"] == stream["index"];
                let (first, last) = (
                    packets.iter().find(own).unwrap(),
                    packets.iter().rfind(own).unwrap(),
                );
                Stream {
                    codec: stream["codec_name"].as_str().unwrap().to_owned(),
                    packets: packets.iter().filter(own).count() as u64,
                    start: seconds(&first["pts_time"]),
                    end: seconds(&last["pts_time"]) + seconds(&last["duration_time"]),
                }
            })
            .collect(),
    )
}

/// Writes a file that only its owner can read.
#[cfg(unix)]
pub fn write_private(path: &Path, text: &str) {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Returns `true` if ffmpeg decodes this number of video frames of a stream. `None` if ffmpeg is
/// not installed, which is an error in CI.
pub fn plays(url: &str, frames: u32) -> Option<bool> {
    probe(Path::new(&asset("clip.h264")))?;
    // ffmpeg fails after 20 s without a packet.
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-timeout", "20000000"])
        .args(match url.starts_with("rtsp:") {
            true => ["-rtsp_transport", "tcp"].as_slice(),
            false => &[],
        })
        .args(["-i", url])
        .args(["-frames:v", &frames.to_string(), "-f", "null", "-"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    if !output.status.success() {
        eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Some(output.status.success())
}

/// Sends an HTTP request, for example `GET /`, with additional header lines. Returns the complete
/// response, head and body.
pub fn http(page: &str, request: &str, headers: &str, body: &str) -> Vec<u8> {
    let host = &page[page.find("://").unwrap() + 3..].trim_end_matches('/');
    let mut stream = TcpStream::connect(host).unwrap();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    response
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            status: output.status,
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Run {
    #[track_caller]
    pub fn exits(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "{}", self.stderr);
        self
    }

    /// Checks that the last line of standard error is an error message that contains all of these.
    #[track_caller]
    pub fn reports(&self, parts: &[&str]) -> &Self {
        let line = self.stderr.lines().last().unwrap_or_default();
        assert!(line.starts_with("tutk: "), "{}", self.stderr);
        for part in parts {
            assert!(line.contains(part), "{line}\nlacks {part}");
        }
        self
    }

    /// Parses standard output as one line of JSON and checks the fields of every report.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = std::str::from_utf8(&self.stdout).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        let json: Value = serde_json::from_str(text).unwrap();
        for key in ["frames", "keyframes", "lost", "bytes", "seconds"] {
            assert!(json[key].is_number(), "{key}: {json}");
        }
        for phase in json["phases"].as_array().unwrap() {
            assert!(
                phase["phase"].is_string() && phase["ms"].is_number(),
                "{json}"
            );
        }
        for key in ["dialect", "codec"] {
            assert!(json.get(key).is_some(), "{key}: {json}");
        }
        let failed = !self.status.success();
        assert_eq!(
            json.get("error").is_some_and(Value::is_string),
            failed,
            "{json}"
        );
        assert_eq!(
            json.get("phase").is_some_and(Value::is_string),
            failed,
            "{json}"
        );
        json
    }
}

impl Service {
    /// Starts `tutk` with these arguments.
    pub fn start(args: &[&str]) -> Self {
        Self::spawn(&mut command(args))
    }

    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            child,
            lines,
            read: Vec::new(),
        }
    }

    /// Waits for a line of standard error that contains this text and returns the line.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            let Ok(line) = self.lines.recv_timeout(LINE_TIMEOUT) else {
                panic!("no {text:?} in {:#?}", self.read);
            };
            self.read.push(line.clone());
            if line.contains(text) {
                return line;
            }
        }
    }

    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Kills the process without a chance to clean up.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal and waits until the process exits with status 0.
    #[track_caller]
    pub fn stop(self, name: &str) -> Run {
        signal(&self.child, name);
        let run = self.end();
        run.exits(0);
        run
    }

    /// Waits until the process exits.
    pub fn end(mut self) -> Run {
        let mut stdout = Vec::new();
        let mut pipe = self.child.stdout.take().unwrap();
        pipe.read_to_end(&mut stdout).unwrap();
        let status = self.child.wait().unwrap();
        let mut lines = std::mem::take(&mut self.read);
        lines.extend(self.lines.iter());
        Run {
            status,
            stdout,
            stderr: lines.join("\n"),
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // The process may have exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Simulator {
    /// Starts a simulator on a free port and waits until it listens.
    pub fn start(args: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", args)
    }

    /// Starts a simulator on this address.
    pub fn start_at(listen: &str, args: &[&str]) -> Self {
        let fixed = [
            "simulate", "--listen", listen, "--uid", UID, "--enr", ENR, "--mac", MAC,
        ];
        Self::spawn(&mut command(fixed.iter().chain(args)))
    }

    pub fn spawn(command: &mut Command) -> Self {
        let mut service = Service::spawn(command);
        let line = service.wait_for("wyze://");
        let url = line[line.find("wyze://").unwrap()..].to_owned();
        Self { service, url }
    }

    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> String {
        self.service.wait_for(text)
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        let rest = self.url.strip_prefix("wyze://").unwrap();
        &rest[..rest.find('?').unwrap()]
    }

    pub fn child(&self) -> &Child {
        self.service.child()
    }

    pub fn kill(&mut self) {
        self.service.kill();
    }

    pub fn end(self) -> Run {
        self.service.end()
    }
}
