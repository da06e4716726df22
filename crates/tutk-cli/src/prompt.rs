//! Prompts for values: on a terminal with a prompt, otherwise one line of standard input each.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use crate::failure::Failure;
use crate::secret_text::SecretText;
use crate::signals::Stop;

/// The longest accepted line, in bytes.
const MAX_LINE: u64 = 4096;

/// The source of values.
#[derive(Debug)]
pub(crate) struct Prompt {
    terminal: bool,
    /// The phase named in failures.
    phase: &'static str,
}

/// The visibility of typed characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Echo {
    On,
    Off,
}

impl Prompt {
    pub(crate) fn new(phase: &'static str) -> Self {
        let terminal = io::stdin().is_terminal();
        Self { terminal, phase }
    }

    /// Returns `true` if a person types the values.
    #[cfg(feature = "serve")]
    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Reads one line without its line ending. `otherwise` names another way to set the value.
    pub(crate) async fn ask(
        &self,
        what: &str,
        echo: Echo,
        otherwise: &'static str,
        stop: &mut Stop,
    ) -> Result<SecretText, Failure> {
        let failed = |error: &io::Error| {
            let what = format!("standard input: {error}, instead of the {what}");
            Failure::usage(self.phase, what, otherwise)
        };
        if self.terminal {
            let mut out = io::stderr();
            // One write. A closed terminal is reported by the read that follows.
            let _ = out.write_all(format!("{what}: ").as_bytes());
        }
        let hidden = self.terminal && echo == Echo::Off;
        // Created here and not in the reading thread, because that thread may be abandoned.
        #[cfg(unix)]
        let _hidden = hidden
            .then(Hidden::new)
            .transpose()
            .map_err(|error| failed(&error))?;
        let reading = tokio::task::spawn_blocking(move || read_line(hidden));
        let line = tokio::select! {
            biased;
            () = stop.requested() => {
                if self.terminal {
                    let _ = io::stderr().write_all(b"\n");
                }
                return Err(Failure::interrupted(self.phase));
            }
            line = reading => line,
        };
        match line {
            Ok(Ok(line)) => Ok(line),
            Ok(Err(error)) => Err(failed(&error)),
            Err(error) => Err(Failure::other(self.phase, error.to_string(), "report this")),
        }
    }
}

/// Reads a line. Blocks.
#[cfg_attr(unix, expect(unused_variables, reason = "see `Hidden`"))]
fn read_line(hidden: bool) -> io::Result<SecretText> {
    #[cfg(not(unix))]
    if hidden {
        return console::Term::stderr()
            .read_secure_line()
            .map(SecretText::from);
    }
    let mut line = String::new();
    let read = io::stdin().lock().take(MAX_LINE).read_line(&mut line);
    let end = line.trim_end_matches(['\r', '\n']).len();
    let ended = end < line.len();
    line.truncate(end);
    // Wrapped before reading, so that it is zeroed in every case.
    let line = SecretText::from(line);
    match read? {
        0 => Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "unexpected end of input",
        )),
        read if !ended && read as u64 == MAX_LINE => Err(io::Error::other("the line is too long")),
        _ => Ok(line),
    }
}

/// Disables the terminal's echo, and restores it on drop.
#[cfg(unix)]
struct Hidden(rustix::termios::Termios);

#[cfg(unix)]
impl Hidden {
    fn new() -> io::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        // Keeps the echo of the line ending.
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

#[cfg(unix)]
impl Drop for Hidden {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        // A closed terminal cannot be reported.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
