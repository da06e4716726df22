//! One module for each subcommand.

pub(crate) mod cameras;
#[cfg(feature = "cloud")]
pub(crate) mod cloud;
pub(crate) mod control;
pub(crate) mod demo;
pub(crate) mod discover;
pub(crate) mod dissect;
pub(crate) mod doctor;
pub(crate) mod info;
#[cfg(feature = "serve")]
pub(crate) mod passwd;
pub(crate) mod record;
pub(crate) mod replay;
#[cfg(feature = "serve")]
pub(crate) mod serve;
pub(crate) mod simulate;
mod simulate_many;
pub(crate) mod snapshot;
pub(crate) mod talk;
