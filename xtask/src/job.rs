//! Child processes with a time limit.
#![expect(
    clippy::disallowed_methods,
    reason = "child processes are timed and their output is read in threads"
)]

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// The folder of the cargo subcommands that this program installs. They are prebuilt: compiling
/// cargo-deny takes ten minutes.
pub(crate) const TOOLS_FOLDER: &str = "target/tools";

/// The number of lines of output that a failure quotes.
const TAIL: usize = 40;

const DEFAULT_LIMIT: Duration = Duration::from_secs(40 * 60);

/// The time between SIGTERM and SIGKILL. nextest needs some of it to stop its tests.
const GRACE: Duration = Duration::from_secs(20);

const POLL: Duration = Duration::from_millis(100);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Makes Ctrl-C stop the current job. The jobs themselves run in process groups that the terminal
/// does not signal.
pub(crate) fn stop_on_ctrl_c() -> Result<(), String> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed))
        .map_err(|error| format!("cannot handle Ctrl-C: {error}"))
}

pub(crate) fn is_interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// A command with a time limit.
pub(crate) struct Job {
    command: Command,
    shown: String,
    limit: Duration,
    quiet: bool,
}

/// The stream that a line of output came from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Job {
    pub(crate) fn new(program: &str, args: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(args).env("PATH", search_path());
        Self {
            command,
            shown: [&[program], args].concat().join(" "),
            limit: DEFAULT_LIMIT,
            quiet: false,
        }
    }

    /// A job from a command line without quotes.
    pub(crate) fn shell_words(command: &str) -> Self {
        let (program, args) = command.split_once(' ').unwrap_or((command, ""));
        Self::new(program, &args.split_whitespace().collect::<Vec<_>>())
    }

    /// A job of the cargo that runs this program.
    pub(crate) fn cargo(args: &[&str]) -> Self {
        let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let mut job = Self::new(&program, args);
        job.shown = format!("cargo {}", args.join(" "));
        job
    }

    /// A job of the nightly toolchain's cargo.
    pub(crate) fn nightly_cargo(args: &[&str]) -> Self {
        Self::rustup_cargo("nightly", args)
    }

    /// A job of another toolchain's cargo. Only rustup's proxy accepts `+TOOLCHAIN`.
    pub(crate) fn rustup_cargo(toolchain: &str, args: &[&str]) -> Self {
        let mut job = Self::new("cargo", &[&[&*format!("+{toolchain}")], args].concat());
        for name in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTC"] {
            job.command.env_remove(name);
        }
        job
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.shown = format!("{name}={:?} {}", value.as_ref(), self.shown);
        self.command.env(name, value);
        self
    }

    /// Replaces the default limit of 40 minutes.
    pub(crate) fn minutes(mut self, minutes: u64) -> Self {
        self.limit = Duration::from_secs(60 * minutes);
        self
    }

    /// Shows neither the command nor its output.
    pub(crate) fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// Runs the command. An error has the reason and the last lines of output.
    pub(crate) fn run(self) -> Result<(), String> {
        self.watch(|_, _| {})
    }

    /// Runs the command quietly and returns its standard output.
    pub(crate) fn output(self) -> Result<String, String> {
        let mut output = String::new();
        self.quiet().watch(|stream, line| {
            if stream == Stream::Stdout {
                output.push_str(line);
                output.push('\n');
            }
        })?;
        Ok(output)
    }

    /// Runs the command and calls `on_line` with each line of its output.
    pub(crate) fn watch(mut self, mut on_line: impl FnMut(Stream, &str)) -> Result<(), String> {
        if !self.quiet {
            println!("$ {}", self.shown);
        }
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut self.command, 0);
        self.command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let cannot = |error| format!("cannot run {}: {error}", self.shown);
        let mut child = self.command.spawn().map_err(cannot)?;
        let (sender, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            forward(stdout, Stream::Stdout, sender.clone());
        }
        if let Some(stderr) = child.stderr.take() {
            forward(stderr, Stream::Stderr, sender);
        }
        let mut tail = VecDeque::new();
        let take = |(stream, line): (Stream, String)| {
            match stream {
                _ if self.quiet => {}
                Stream::Stdout => println!("{line}"),
                Stream::Stderr => eprintln!("{line}"),
            }
            on_line(stream, &line);
            if tail.len() == TAIL {
                tail.pop_front();
            }
            tail.push_back(line);
        };
        let reason = match wait(&mut child, &lines, self.limit, take).map_err(cannot)? {
            Ended::Itself(status) if status.success() => return Ok(()),
            Ended::Itself(status) => status.to_string(),
            Ended::TimedOut => format!("timed out after {} s", self.limit.as_secs()),
            Ended::Interrupted => "interrupted".into(),
        };
        tail.push_front(format!("{}: {reason}", self.shown));
        Ok(Vec::from(tail).join("\n")).and_then(Err)
    }
}

/// Returns the search path of child processes.
fn search_path() -> OsString {
    let tools = std::path::absolute(TOOLS_FOLDER)
        .unwrap_or_default()
        .join("bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = std::env::split_paths(&path).chain([tools]);
    std::env::join_paths(all).unwrap_or(path)
}

/// How a process ended.
enum Ended {
    Itself(ExitStatus),
    TimedOut,
    Interrupted,
}

fn forward(output: impl Read + Send + 'static, stream: Stream, lines: Sender<(Stream, String)>) {
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line)
                .trim_end_matches('\r')
                .to_owned();
            if lines.send((stream, line)).is_err() {
                break;
            }
        }
    });
}

/// Waits for a process, and stops its process group at the time limit.
fn wait(
    child: &mut Child,
    lines: &Receiver<(Stream, String)>,
    limit: Duration,
    mut take: impl FnMut((Stream, String)),
) -> std::io::Result<Ended> {
    let mut signal_at = Instant::now() + limit;
    let mut stopped = None;
    let status = loop {
        match lines.recv_timeout(POLL) {
            Ok(line) => take(line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => thread::sleep(POLL),
        }
        if let Some(status) = child.try_wait()? {
            break status;
        }
        let interrupted = is_interrupted() && stopped.is_none();
        if interrupted || Instant::now() >= signal_at {
            signal(child, stopped.is_some());
            stopped.get_or_insert(if interrupted {
                Ended::Interrupted
            } else {
                Ended::TimedOut
            });
            signal_at = Instant::now() + GRACE;
        }
    };
    // The rest of the output. A process that outlived its parent can hold the pipes open.
    let end = Instant::now() + Duration::from_secs(5);
    while let Ok(line) = lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
        take(line);
    }
    if stopped.is_some() {
        signal(child, true);
    }
    Ok(stopped.unwrap_or(Ended::Itself(status)))
}

/// Terminates the process group of `child`, or kills it with `force`.
fn signal(child: &mut Child, force: bool) {
    #[cfg(unix)]
    if let Ok(id) = child.id().try_into() {
        use nix::sys::signal::{Signal, killpg};
        let signal = if force {
            Signal::SIGKILL
        } else {
            Signal::SIGTERM
        };
        // An error means that the group has ended.
        let _ = killpg(nix::unistd::Pid::from_raw(id), signal);
    }
    #[cfg(not(unix))]
    let _ = (force, child.kill());
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Job {
        Job::new("sh", &["-c", script]).quiet()
    }

    #[test]
    fn returns_standard_output() {
        assert_eq!(
            shell("echo a; echo b; echo c >&2").output().unwrap(),
            "a\nb\n"
        );
    }

    #[test]
    fn failure_has_the_last_lines_of_output() {
        let error = shell("seq 100 >&2; exit 3").run().unwrap_err();
        let lines: Vec<&str> = error.lines().collect();
        assert_eq!(lines[0], "sh -c seq 100 >&2; exit 3: exit status: 3");
        assert_eq!((lines[1], lines[TAIL]), ("61", "100"));
    }

    #[test]
    fn stops_the_process_group_at_the_limit() {
        let started = Instant::now();
        let mut job = shell("sleep 60 & echo started; wait");
        job.limit = Duration::from_millis(500);
        let error = job.run().unwrap_err();
        assert!(error.contains("timed out after 0 s\nstarted"), "{error}");
        assert!(started.elapsed() < GRACE);
    }

    #[test]
    fn does_not_wait_for_processes_left_behind() {
        let started = Instant::now();
        shell("sleep 30 &").run().unwrap();
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}
