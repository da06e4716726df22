//! The stored token: `token.json` in the same directory as `cameras.toml`.

use std::io;
use std::path::PathBuf;

use rand::TryRng as _;
use rand::rngs::SysRng;
use tutk_cloud::{Account, PhoneId};
use zeroize::Zeroizing;

use super::failure;
use crate::config;
use crate::failure::Failure;
use crate::private_file;

const SIGN_IN_FIRST: &str = "log in first with `tutk cloud login`";

/// Returns the path of the token file.
pub(super) fn path(phase: &'static str) -> Result<PathBuf, Failure> {
    let folder = config::folder().ok_or_else(|| {
        let what = "there is no configuration directory for the token";
        Failure::usage(phase, what, "set HOME or XDG_CONFIG_HOME")
    })?;
    Ok(folder.join("token.json"))
}

/// Reads the stored account.
pub(super) fn read(phase: &'static str) -> Result<Account, Failure> {
    let path = path(phase)?;
    let shown = path.display();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let what = format!("not logged in: {shown} does not exist");
            return Err(Failure::usage(phase, what, SIGN_IN_FIRST));
        }
        Err(error) => {
            return Err(Failure::usage(
                phase,
                format!("{shown}: {error}"),
                SIGN_IN_FIRST,
            ));
        }
    };
    Account::from_json(&text).map_err(|error| {
        let failure = failure(phase, &error);
        Failure::usage(phase, format!("{shown}: {}", failure.what), SIGN_IN_FIRST)
    })
}

/// Stores the account and returns the path.
pub(super) fn write(phase: &'static str, account: &Account) -> Result<PathBuf, Failure> {
    let path = path(phase)?;
    private_file::write(&path, account.to_json().reveal())
        .map_err(|error| Failure::write(phase, &path.display().to_string(), &error))?;
    Ok(path)
}

/// Returns the stored installation ID, or a new random one.
pub(super) fn phone_id(phase: &'static str) -> Result<PhoneId, Failure> {
    if let Ok(account) = read(phase) {
        return Ok(account.phone_id);
    }
    let mut random = [0; 8];
    SysRng.try_fill_bytes(&mut random).map_err(|error| {
        let what = format!("cannot get random numbers: {error}");
        Failure::other(phase, what, "try again")
    })?;
    Ok(PhoneId::new(random))
}
