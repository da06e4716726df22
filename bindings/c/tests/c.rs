//! Compiles C programs with the header and the libraries, and runs them. Cameras are simulated, on
//! loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
#![expect(clippy::disallowed_methods, reason = "programs run as processes")]

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::{env, fs, thread};

use serde_json::Value;
use testkit::runtime::{camera_config, clip, loopback};
use testkit::session::{ENR, MAC, UID, credentials};
use testkit::tools::{are_installed, output_or_skip};
use tokio::runtime::Runtime;
use tutk_bindings::tutk_runtime::{SimulatedCamera, simulate};

const FRAMES: usize = 30;
const STRICT: [&str; 4] = ["-Wall", "-Wextra", "-Werror", "-pedantic"];

/// If this variable is set, the header is written instead of compared.
const WRITE: &str = "TUTK_WRITE_HEADER";

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder of the libraries, in which this program is, too.
fn built() -> PathBuf {
    env::current_exe().unwrap().parent().unwrap().into()
}

fn run(command: &mut Command) -> Output {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    output
}

fn has_compiler() -> bool {
    are_installed(&["cc", "c++"], "--version", "g++")
        && are_installed(&["pkg-config", "make"], "--version", "pkgconf and make")
}

/// The libraries as `make install` installs them.
struct Installed {
    folder: tempfile::TempDir,
}

impl Installed {
    fn new() -> Self {
        let this = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let make = |name: &str, value: &Path| format!("{name}={}", value.display());
        run(Command::new("make")
            .args([
                "install",
                &make("PREFIX", this.folder.path()),
                &make("BUILT", &built()),
            ])
            .current_dir(folder()));
        this
    }

    fn lib(&self) -> PathBuf {
        self.folder.path().join("lib")
    }

    fn flags(&self, args: &[&str]) -> Vec<String> {
        let mut command = Command::new("pkg-config");
        command.env("PKG_CONFIG_PATH", self.lib().join("pkgconfig"));
        let output = run(command.args(args).arg("tutk"));
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// Compiles a program with the shared library.
    fn compile(&self, source: &str) -> PathBuf {
        self.compile_with(source, "shared", &self.flags(&["--libs"]))
    }

    /// Compiles a program with the static library.
    fn compile_static(&self, source: &str) -> PathBuf {
        let mut libs = self.flags(&["--static", "--libs"]);
        let own = libs.iter_mut().find(|lib| *lib == "-ltutk").unwrap();
        *own = "-l:libtutk.a".to_owned();
        self.compile_with(source, "static", &libs)
    }

    fn compile_with(&self, source: &str, kind: &str, libs: &[String]) -> PathBuf {
        let name = Path::new(source).file_stem().unwrap().to_str().unwrap();
        let program = self.folder.path().join(format!("{name}-{kind}"));
        run(Command::new("cc")
            .args(["-std=c11", "-pthread"])
            .args(STRICT)
            .args(self.flags(&["--cflags"]))
            .arg(folder().join(source))
            .args(libs)
            .arg("-o")
            .arg(&program));
        program
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env("LD_LIBRARY_PATH", self.lib());
        command
    }

    fn valgrind(&self, program: &Path) -> Command {
        let mut command = self.command(Path::new("valgrind"));
        let suppressions = folder().join("tests/valgrind.supp");
        let options = ["--error-exitcode=1", "--leak-check=full", "--quiet"];
        let suppressions = format!("--suppressions={}", suppressions.display());
        command.args(options).arg(suppressions).arg(program);
        command
    }
}

fn has_valgrind() -> bool {
    output_or_skip(Command::new("valgrind").arg("--version"), "valgrind").is_some()
}

/// A simulated camera, in a thread of its own.
struct Camera {
    _runtime: Runtime,
    _camera: SimulatedCamera,
    address: SocketAddr,
}

impl Camera {
    fn start() -> Self {
        let runtime = Runtime::new().unwrap();
        let context = runtime.enter();
        let camera = simulate(camera_config(&clip(30)), loopback()).unwrap();
        drop(context);
        Self {
            address: camera.local_addr(),
            _runtime: runtime,
            _camera: camera,
        }
    }

    fn url(&self, enr: &str) -> String {
        format!("wyze://{}?uid={UID}&enr={enr}&mac={MAC}", self.address)
    }
}

/// Runs a program that records, and compares its file with the clip. Returns what it printed.
fn records(mut command: Command) -> String {
    let folder = tempfile::tempdir().unwrap();
    let camera = Camera::start();
    let file = folder.path().join("out.h264");
    let args = [&camera.url(ENR), &FRAMES.to_string()];
    let output = run(command.args(args).arg(&file));
    let recorded = fs::read(file).unwrap();
    let sent: Vec<u8> = (clip(30).frames().iter())
        .flat_map(|frame| frame.data.to_vec())
        .collect();
    assert!(
        recorded == sent,
        "{} bytes of {}",
        recorded.len(),
        sent.len()
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn header_is_current() {
    let mut config = cbindgen::Config::from_file(folder().join("cbindgen.toml")).unwrap();
    config.header = Some(fs::read_to_string(folder().join("header.txt")).unwrap());
    let mut header = Vec::new();
    cbindgen::Builder::new()
        .with_src(folder().join("src/lib.rs"))
        .with_config(config)
        .generate()
        .unwrap()
        .write(&mut header);
    let path = folder().join("include/tutk.h");
    if env::var_os(WRITE).is_some() {
        fs::write(path, header).unwrap();
        return;
    }
    assert!(
        fs::read(path).unwrap_or_default() == header,
        "bindings/c/include/tutk.h is stale: run `cargo xtask header`"
    );
}

#[test]
fn records_with_a_thread_of_the_library() {
    if !has_compiler() {
        return;
    }
    let installed = Installed::new();
    let shared = installed.compile("examples/record.c");
    records(installed.command(&shared));
    let alone = installed.compile_static("examples/record.c");
    records(Command::new(&alone));
    if has_valgrind() {
        records(installed.valgrind(&shared));
    }
}

#[test]
fn records_with_poll() {
    if !has_compiler() {
        return;
    }
    let installed = Installed::new();
    let program = installed.compile("examples/poll.c");
    let printed = records(installed.command(&program));
    assert_eq!(printed, "night-vision: \"auto\"\n");
    if has_valgrind() {
        records(installed.valgrind(&program));
    }
}

#[test]
fn threads_share_a_camera() {
    if !has_compiler() {
        return;
    }
    let installed = Installed::new();
    let program = installed.compile("tests/threads.c");
    let camera = Camera::start();
    run(installed.command(&program).arg(camera.url(ENR)));
    if has_valgrind() {
        run(installed.valgrind(&program).arg(camera.url(ENR)));
    }
}

#[test]
fn wrong_enr_is_reported() {
    if !has_compiler() {
        return;
    }
    let installed = Installed::new();
    let folder = tempfile::tempdir().unwrap();
    let camera = Camera::start();
    // The AuthKey is right, so that the camera answers.
    let auth_key = String::from_utf8(credentials().auth_key.0.to_vec()).unwrap();
    let url = camera
        .url("bKzdqckqZ8HUHFe5")
        .replace(&format!("mac={MAC}"), &format!("auth_key={auth_key}"));
    for source in ["examples/record.c", "examples/poll.c"] {
        let mut command = installed.command(&installed.compile(source));
        let output = command
            .args([&url, "1"])
            .arg(folder.path().join("out"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1), "{source}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains("dtls: wrong ENR"), "{source}: {error}");
    }
}

#[test]
fn misuse_is_an_error() {
    if !has_compiler() {
        return;
    }
    let installed = Installed::new();
    let program = installed.compile("tests/misuse.c");
    run(&mut installed.command(&program));
    if has_valgrind() {
        run(&mut installed.valgrind(&program));
    }
}

#[test]
fn header_is_valid_cpp() {
    if !has_compiler() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("a.cpp");
    // Without `extern "C"` the name would not be found.
    fs::write(
        &source,
        "#include <tutk.h>\nint main() { return tutk_abi_version() == TUTK_ABI_VERSION ? 0 : 1; }\n",
    )
    .unwrap();
    let installed = Installed::new();
    let program = folder.path().join("a");
    run(Command::new("c++")
        .arg("-std=c++17")
        .args(STRICT)
        .arg(&source)
        .args(installed.flags(&["--cflags", "--libs"]))
        .arg("-o")
        .arg(&program));
    run(&mut installed.command(&program));
}

/// Passes lines to `tests/vectors.c`, and returns the lines of its answer.
struct Vectors {
    installed: Installed,
    program: PathBuf,
}

impl Vectors {
    fn new() -> Self {
        let installed = Installed::new();
        Self {
            program: installed.compile("tests/vectors.c"),
            installed,
        }
    }

    fn run(&self, lines: &[String]) -> Vec<String> {
        let mut command = self.installed.command(&self.program);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = lines.join("\n");
        let writer = thread::spawn(move || stdin.write_all(input.as_bytes()).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.status.success(), "{}", output.status);
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

fn vectors(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder().join("../vectors").join(name)).unwrap();
    let parse = |line: &str| serde_json::from_str(line).unwrap();
    text.lines().map(parse).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Asserts that a line of the answer is the value, or the error.
#[track_caller]
fn matches(line: &str, value: &Value, error: &Value) {
    match line.strip_prefix("error ") {
        Some(message) => assert_eq!(message, text(error)),
        None => assert_eq!(&serde_json::from_str::<Value>(line).unwrap(), value),
    }
}

#[test]
fn agrees_with_the_vectors() {
    if !has_compiler() {
        return;
    }
    let program = Vectors::new();

    let urls = vectors("urls.jsonl");
    let lines: Vec<_> = urls
        .iter()
        .map(|url| format!("url\t{}", text(&url["url"])))
        .collect();
    let answers = program.run(&lines);
    assert_eq!(answers.len(), urls.len());
    for (line, url) in answers.iter().zip(&urls) {
        matches(line, &url["camera"], &url["error"]);
    }

    let catalogue = program.run(&["controls".to_owned()]);
    matches(
        &catalogue[0],
        &vectors("controls.jsonl").into(),
        &Value::Null,
    );

    for case in vectors("requests.jsonl") {
        let values: Vec<_> = case["values"]
            .as_array()
            .unwrap()
            .iter()
            .map(text)
            .collect();
        let control = [&[text(&case["control"])], &values[..]].concat().join("\t");
        let request = format!(
            "request\t{}\t{}\t{control}",
            case["unix_millis"],
            text(&case["model"])
        );
        let mut lines = vec![request];
        if case["error"].is_null() {
            lines.push(format!("answer\t{}\t\t{control}", text(&case["answer"])));
        }
        let answers = program.run(&lines);
        matches(&answers[0], &case["request"], &case["error"]);
        if let Some(answer) = answers.get(1) {
            matches(answer, &case["described"], &case["answer_error"]);
        }
    }

    let datagrams = vectors("datagrams.jsonl");
    let lines: Vec<_> = (datagrams.iter())
        .map(|case| {
            let [from, to, bytes] =
                ["source", "destination", "datagram"].map(|key| text(&case[key]));
            format!("datagram\t{from}\t{to}\t{bytes}")
        })
        .collect();
    let answers = program.run(&lines);
    assert_eq!(answers.len(), datagrams.len());
    for (line, case) in answers.iter().zip(&datagrams) {
        matches(line, &case["packet"], &Value::Null);
    }

    let capture = folder().join("../../captures/simulated.pcapng");
    let lines = program.run(&[format!("dissect\t{}", capture.display())]);
    let expected = vectors("simulated.jsonl");
    assert_eq!(lines.len(), expected.len());
    for (line, expected) in lines.iter().zip(&expected) {
        matches(line, expected, &Value::Null);
    }
}
