//! `tutk passwd`: hashes a password, and writes the hash into the configuration file.

use crate::args::{Global, PasswdArgs};
use crate::config;
use crate::console::{self, Console};
use crate::failure::Failure;
use crate::prompt::{Echo, Prompt};
use crate::signals::Stop;

const PHASE: &str = "arguments";

pub(crate) async fn run(
    args: &PasswdArgs,
    global: &Global,
    console: &Console,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let prompt = Prompt::new(PHASE);
    let otherwise = "type it, or write one line with it to standard input";
    let password = prompt.ask("Password", Echo::Off, otherwise, stop).await?;
    if password.reveal().is_empty() {
        let advice = "choose one of several words";
        return Err(Failure::usage(PHASE, "the password is empty", advice));
    }
    if prompt.is_terminal() {
        let again = prompt.ask("Once more", Echo::Off, otherwise, stop).await?;
        if again.reveal() != password.reveal() {
            return Err(Failure::usage(
                PHASE,
                "the two passwords differ",
                "try again",
            ));
        }
    }
    // Checks name and password: no client could send some of them.
    let name = args.user.as_deref().unwrap_or("user");
    let invalid = |error: tutk_serve::Error| {
        Failure::usage(PHASE, error.to_string(), "choose another name or password")
    };
    tutk_serve::Account::new(name, password.reveal()).map_err(invalid)?;
    let hash = tutk_serve::hash_password(password.reveal()).map_err(invalid)?;
    let Some(user) = args.user.as_deref() else {
        console::print(hash);
        return Ok(());
    };
    let path = config::write_password(global.config.as_deref(), user, &hash)?;
    console.line(format_args!(
        "{}: the password of {user} is hashed; `tutk serve` reads it after SIGHUP or a restart",
        path.display()
    ));
    Ok(())
}
