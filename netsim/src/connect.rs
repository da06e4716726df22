//! How long a client takes until the camera has authenticated it.

use std::fmt::Write as _;
use std::time::Duration;

use tutk_session::Dialect;

use crate::Error;
use crate::media::Media;
use crate::path::{Conditions, Loss};
use crate::run::connect_time;
use crate::scenario::{Goal, Scenario};

/// A network on which clients connect, with the same conditions in both directions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConnectNetwork {
    /// The time of a round trip.
    pub round_trip: Duration,
    /// The share of lost packets.
    pub loss: f32,
    /// The maximum time of 80 % of the sessions.
    pub goal: Duration,
}

const fn network(round_trip: u64, loss: f32, goal: u64) -> ConnectNetwork {
    ConnectNetwork {
        round_trip: Duration::from_millis(round_trip),
        loss,
        goal: Duration::from_millis(goal),
    }
}

/// The networks. Without loss, a session takes five round trips, in `cc51` six (docs/protocol.md,
/// section "Fast connect").
pub const CONNECT_NETWORKS: &[ConnectNetwork] = &[
    network(0, 0.0, 10),
    network(0, 0.02, 350),
    network(0, 0.05, 500),
    network(50, 0.0, 500),
    network(50, 0.02, 800),
    network(50, 0.05, 1000),
];

impl ConnectNetwork {
    /// Connects once with each of `seeds` seeds. Returns the sorted times.
    ///
    /// # Errors
    /// If a session fails, or the simulated camera cannot be created.
    pub fn run(&self, dialect: &Dialect, seeds: u64) -> Result<Vec<Duration>, Error> {
        let mut conditions = Conditions::clean(self.round_trip / 2);
        if self.loss > 0.0 {
            conditions.loss = Loss::Uniform(self.loss);
        }
        let scenario = Scenario {
            name: "connect".into(),
            dialect: dialect.clone(),
            rate: 1_000_000,
            resend: None,
            up: conditions,
            down: conditions,
            goal: Goal::default(),
        };
        // Longer than any session needs to connect: the camera closes it after its last frame.
        let media = Media::new(scenario.rate, 10)?;
        let mut times = Vec::new();
        for seed in 0..seeds {
            times.push(connect_time(&scenario, &media, seed)?);
        }
        times.sort_unstable();
        Ok(times)
    }

    /// Returns `true` if 80 % of the sorted times are within the goal.
    #[must_use]
    pub fn is_reached(&self, times: &[Duration]) -> bool {
        percentile(times, 80) <= self.goal
    }

    /// Returns the row of the table for sorted times.
    #[must_use]
    pub fn row(&self, dialect: &Dialect, times: &[Duration]) -> String {
        let missed = match self.is_reached(times) {
            true => "",
            false => ": **missed**",
        };
        let milliseconds = |percent| percentile(times, percent).as_millis();
        let mut row = String::new();
        let _ = writeln!(
            row,
            "| {dialect} | {} ms | {} % | {} ms | {} ms | {} ms | {} ms{missed} |",
            self.round_trip.as_millis(),
            self.loss * 100.0,
            milliseconds(50),
            milliseconds(80),
            milliseconds(95),
            self.goal.as_millis(),
        );
        row
    }
}

/// Returns the head of the table.
#[must_use]
pub fn connect_header() -> String {
    String::from(
        "| dialect | round trip | lost | 50 % | 80 % | 95 % | goal for 80 % |\n\
         |---|--:|--:|--:|--:|--:|--:|\n",
    )
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    let at = (times.len() * percent).div_ceil(100).saturating_sub(1);
    times.get(at).copied().unwrap_or(Duration::MAX)
}
