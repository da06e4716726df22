//! Simulated networks between a client and the simulated camera. Measures delivery, delay and cost.
//!
//! A [`run`] is a whole session in memory, in simulated time. It has a client, a simulated camera
//! that sends [`Media`] with unique frames, and a network [`Path`](path::Path) in each direction. A
//! [`Scenario`] sets the conditions of the paths. [`Results`] sum up one or more runs. A seed
//! determines a run.
//!
//! ```
//! use netsim::{Media, Scenario, run};
//!
//! let scenario = &Scenario::all()[0];
//! let media = Media::new(scenario.rate, 2)?;
//! let results = run(scenario, &media, 1, None)?;
//! assert_eq!((results.video.sent, results.video.delivered), (40, 40));
//! # Ok::<(), netsim::Error>(())
//! ```
#![forbid(unsafe_code)]

mod availability;
mod baseline;
mod connect;
mod media;
pub mod path;
mod results;
mod round_trips;
mod run;
mod scenario;
mod table;

pub use availability::{Availability, Outages, PATTERNS, Pattern, availability_header};
pub use connect::{CONNECT_NETWORKS, ConnectNetwork, connect_header};
pub use media::{FPS, Media, frame_interval};
pub use results::{LATE, Results, StreamResults, share};
pub use round_trips::{CONNECTING, Connecting, RoundTrips, round_trips_header, round_trips_row};
pub use run::{HeapMeter, run};
pub use scenario::{Goal, Scenario};
pub use table::{header, row};

/// An error that prevents a simulation.
pub type Error = Box<dyn std::error::Error + Send + Sync>;
