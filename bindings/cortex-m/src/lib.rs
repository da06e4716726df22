//! What the programs `session` and `client` share.
#![no_std]

pub mod memory;
pub mod recording;
mod session;
pub mod ticks;

pub use session::{CAMERA, CLIENT, Input, LARGEST_FRAME, Session, credentials, epoch};

/// Ends the program with an error.
pub fn fail(error: impl core::fmt::Display) -> ! {
    semihosting::eprintln!("error: {error}");
    semihosting::process::exit(1)
}
