//! Client against Camera over simulated networks: what is delivered, how late, and what it costs.
//!
//! A run is a whole session in memory, with simulated time ([`run`]): a client, a camera that shows [`Media`] in
//! which no frame is like another, and a [`Path`](path::Path) each way. A [`Scenario`] says what the paths do. A
//! [`Tally`] is what came of one run, or of many. The same seed is the same run.
//!
//! ```
//! use netsim::{Media, Scenario, run};
//!
//! let scenario = &Scenario::all()[0];
//! let media = Media::new(scenario.rate, 2)?;
//! let tally = run(scenario, &media, 1, None)?;
//! assert_eq!((tally.video.sent, tally.video.delivered), (40, 40));
//! # Ok::<(), netsim::Error>(())
//! ```
#![forbid(unsafe_code)]

mod media;
pub mod path;
mod run;
mod scenario;
mod simple;
mod table;
mod tally;

pub use media::{FPS, Media, frame_interval};
pub use run::{Meter, run};
pub use scenario::{Goal, Scenario};
pub use table::{header, row};
pub use tally::{LATE, Stream, Tally, share};

/// Anything that keeps a simulation from being made.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
