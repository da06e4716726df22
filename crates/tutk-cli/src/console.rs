//! What is said to people: standard error, with a progress bar on a terminal and plain lines otherwise.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::failure::Failure;

/// How often progress is told where there is no terminal.
const PLAIN_EVERY: Duration = Duration::from_secs(5);

/// Standard error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Console {
    quiet: bool,
    terminal: bool,
}

/// How far a recording is.
#[derive(Debug)]
pub(crate) struct Progress {
    console: Console,
    bar: Option<ProgressBar>,
    told: Instant,
}

impl Console {
    pub(crate) fn new(quiet: bool) -> Self {
        let terminal = io::stderr().is_terminal();
        Self { quiet, terminal }
    }

    /// One line, unless quiet.
    pub(crate) fn line(&self, text: impl fmt::Display) {
        if !self.quiet {
            write_line(text);
        }
    }

    /// Why it failed: said even when quiet.
    pub(crate) fn error(&self, failure: &Failure) {
        write_line(format_args!("tutk: {failure}"));
    }

    /// Progress of a recording of `frames` frames, or of nobody knows how many.
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
            told: Instant::now(),
        }
    }
}

impl Progress {
    /// One line above the bar.
    pub(crate) fn line(&self, text: impl fmt::Display) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.console.line(text)),
            None => self.console.line(text),
        }
    }

    /// So much is written, so many frames are lost.
    pub(crate) fn update(&mut self, frames: u64, bytes: u64, lost: u64) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}, {lost} lost", HumanBytes(bytes)));
            bar.set_position(frames);
        } else if self.is_time() {
            self.console.line(format_args!(
                "… {frames} frames, {}, {lost} lost",
                HumanBytes(bytes)
            ));
        }
    }

    /// So many frames of sound are said.
    pub(crate) fn said(&mut self, frames: u64, of: u64, length: Duration) {
        if let Some(bar) = &self.bar {
            bar.set_message(format!("of {:.1} s", length.as_secs_f64()));
            bar.set_position(frames);
        } else if self.is_time() {
            self.console.line(format_args!("… {frames} of {of} frames"));
        }
    }

    /// Whether a plain line is due again.
    fn is_time(&mut self) -> bool {
        let due = self.told.elapsed() >= PLAIN_EVERY;
        if due {
            self.told = Instant::now();
        }
        due
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// One line of why it fails, beside [`Console::error`]'s.
pub(crate) fn complain(text: impl fmt::Display) {
    write_line(text);
}

/// One line to standard output. If nobody reads it, nobody misses it.
pub(crate) fn print(text: impl fmt::Display) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

fn write_line(text: impl fmt::Display) {
    // In one piece, as other programs may write to the same terminal. It may be closed; then there is
    // nobody to tell.
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}
