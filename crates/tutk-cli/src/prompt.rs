//! Questions to people: at a terminal with a prompt, and else a line of standard input for each.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use crate::failure::Failure;
use crate::secret_text::SecretText;
use crate::signals::Stop;

/// The longest answer, in bytes.
const MAX_LINE: u64 = 4096;

/// Who is asked.
#[derive(Debug)]
pub(crate) struct Prompt {
    terminal: bool,
    /// In failures.
    phase: &'static str,
}

/// Whether what is typed shows.
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

    /// One line, without its end. `otherwise` says how else it can be given.
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
            // In one piece. A terminal that is closed is told by what is read.
            let _ = out.write_all(format!("{what}: ").as_bytes());
        }
        let hidden = self.terminal && echo == Echo::Off;
        // It lives here and not in the thread that reads: that thread may be left reading.
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

/// Blocks.
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
    // In here already, so that it is zeroed whatever is returned.
    let line = SecretText::from(line);
    match read? {
        0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it has ended")),
        read if !ended && read as u64 == MAX_LINE => {
            Err(io::Error::other("a line that is too long"))
        }
        _ => Ok(line),
    }
}

/// A terminal that does not show what is typed; as before when this goes.
#[cfg(unix)]
struct Hidden(rustix::termios::Termios);

#[cfg(unix)]
impl Hidden {
    fn new() -> io::Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        // But for the end of the line.
        hidden.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(before))
    }
}

#[cfg(unix)]
impl Drop for Hidden {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        // There is nobody to tell if the terminal has gone.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
