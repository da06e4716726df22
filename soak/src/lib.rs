//! A soak test of the program: `tutk serve` with simulated cameras, recordings and viewers, and a
//! schedule of faults that a seed determines.
//!
//! | module | contents |
//! |---|---|
//! | `schedule` | the faults of a run |
//! | `run` | starts everything, and carries out the faults |
//! | `camera`, `service`, `process` | the processes of `tutk` |
//! | `clock`, `disk` | the wall clock and the file system of `tutk serve` |
//! | `viewers` | clients of all outputs |
//! | `monitor` | memory, descriptors, health and metrics of `tutk serve` |
//! | `files` | checks of the recordings |
//! | `report` | the limits and the table |
#![cfg(target_os = "linux")]
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    missing_docs,
    unreachable_pub,
    reason = "runs processes and clients, and is not published"
)]

mod camera;
mod clock;
mod disk;
mod files;
mod monitor;
mod process;
mod report;
mod run;
mod schedule;
mod service;
mod viewers;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use report::Report;
pub use run::{Options, run};

/// Any error, as text for a person.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// The result of an operation.
pub type Result<T> = std::result::Result<T, Error>;

/// The longest time until a camera is recorded again, or a viewer gets a frame. Failed attempts to
/// connect are up to 30 s apart.
const LIMIT: Duration = Duration::from_secs(45);

/// The segments of the recordings.
#[derive(Debug, Clone, Copy)]
struct Segments {
    length: Duration,
    /// Of one camera, for example `2MiB`.
    max_size: &'static str,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
