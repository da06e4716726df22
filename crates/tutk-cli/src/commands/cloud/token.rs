//! The token of the account that is signed in: `token.json` beside `cameras.toml`.

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

const SIGN_IN_FIRST: &str = "sign in first: `tutk cloud login`";

/// Where it is kept.
pub(super) fn path(phase: &'static str) -> Result<PathBuf, Failure> {
    let folder = config::folder().ok_or_else(|| {
        let what = "there is no configuration folder to keep the token in";
        Failure::usage(phase, what, "set HOME or XDG_CONFIG_HOME")
    })?;
    Ok(folder.join("token.json"))
}

/// The account that is signed in.
pub(super) fn read(phase: &'static str) -> Result<Account, Failure> {
    let path = path(phase)?;
    let shown = path.display();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let what = format!("not signed in: there is no {shown}");
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

/// Keeps it; returns where.
pub(super) fn write(phase: &'static str, account: &Account) -> Result<PathBuf, Failure> {
    let path = path(phase)?;
    private_file::write(&path, account.to_json().reveal())
        .map_err(|error| Failure::write(phase, &path.display().to_string(), &error))?;
    Ok(path)
}

/// What the vendor knows this installation by: kept, or drawn.
pub(super) fn phone_id(phase: &'static str) -> Result<PhoneId, Failure> {
    if let Ok(account) = read(phase) {
        return Ok(account.phone_id);
    }
    let mut random = [0; 8];
    SysRng.try_fill_bytes(&mut random).map_err(|error| {
        let what = format!("no randomness: {error}");
        Failure::other(phase, what, "try again")
    })?;
    Ok(PhoneId::new(random))
}
