//! Output for people on standard error: a progress bar on a terminal, plain lines otherwise.

use std::fmt;
use std::io::{self, IsTerminal as _, StdoutLock, Write as _};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::failure::Failure;

/// The interval of progress lines without a terminal.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// The first error of [`print()`].
static PRINT_ERROR: OnceLock<io::Error> = OnceLock::new();

/// Standard error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    quiet: bool,
    terminal: bool,
}

/// The progress of a recording or of talk.
#[derive(Debug)]
pub(crate) struct Progress {
    console: Console,
    bar: Option<ProgressBar>,
    last_line: Instant,
}

impl Console {
    pub(crate) fn new(quiet: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        Self { quiet, terminal }
    }

    /// Prints one line unless `--quiet` is set.
    pub(crate) fn line(&self, text: impl fmt::Display) {
        if !self.quiet {
            write_line(text);
        }
    }

    /// Prints a failure, also with `--quiet`.
    pub(crate) fn error(&self, failure: &Failure) {
        write_line(format_args!("tutk: {failure}"));
    }

    /// Starts the progress display of `frames` frames, or of an unknown number.
    pub(crate) fn progress(&self, frames: Option<u64>) -> Progress {
        let bar = (self.terminal && !self.quiet).then(|| {
            let (bar, template) = match frames {
                Some(frames) => (
                    ProgressBar::new(frames),
                    "{bar:30} {pos}/{len} frames {msg}",
                ),
                None => (ProgressBar::new_spinner(), "{spinner} {pos} frames {msg}"),
            };
            match ProgressStyle::with_template(template) {
                Ok(style) => bar.with_style(style),
                Err(_) => bar,
            }
        });
        Progress {
            console: *self,
            bar,
            last_line: Instant::now(),
        }
    }
}

impl Progress {
    /// Prints one line above the bar.
    pub(crate) fn line(&self, text: impl fmt::Display) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.console.line(text)),
            None => self.console.line(text),
        }
    }

    /// Shows how much was written and lost.
    pub(crate) fn update(&mut self, frames: u64, bytes: u64, lost: u64) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}, {lost} lost", HumanBytes(bytes)));
            bar.set_position(frames);
        } else if self.line_is_due() {
            self.console.line(format_args!(
                "… {frames} frames, {}, {lost} lost",
                HumanBytes(bytes)
            ));
        }
    }

    /// Shows how many audio frames were sent.
    pub(crate) fn sent(&mut self, frames: u64, of: u64, length: Duration) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("of {:.1} s", length.as_secs_f64()));
            bar.set_position(frames);
        } else if self.line_is_due() {
            self.console.line(format_args!("… {frames} of {of} frames"));
        }
    }

    /// Returns `true` if the next plain line is due.
    fn line_is_due(&mut self) -> bool {
        let due = self.last_line.elapsed() >= PLAIN_EVERY;
        if due {
            self.last_line = Instant::now();
        }
        due
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Prints one more line about a failure, also with `--quiet`.
pub(crate) fn error_line(text: impl fmt::Display) {
    write_line(text);
}

/// Prints one line to standard output. An error is kept for [`print_error`].
pub(crate) fn print(text: impl fmt::Display) {
    if let Err(error) = to_reader(|out| writeln!(out, "{text}")) {
        // The first error explains the others.
        let _ = PRINT_ERROR.set(error);
    }
}

/// Returns the first error of [`print()`], for example of a full disk.
pub(crate) fn print_error() -> Option<&'static io::Error> {
    PRINT_ERROR.get()
}

/// Writes to standard output. Returns `false` if the reader has closed the pipe, which is not an
/// error.
pub(crate) fn to_reader(
    write: impl FnOnce(&mut StdoutLock<'static>) -> io::Result<()>,
) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    match write(&mut out).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error),
    }
}

fn write_line(text: impl fmt::Display) {
    // One write, because other programs may write to the same terminal. A closed standard error
    // cannot be reported.
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}
