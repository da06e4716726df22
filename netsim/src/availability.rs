//! How much of the time a supervisor has the camera's video while the camera or the network fails
//! again and again.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use testkit::session::supervised::SupervisorSimulation;
use testkit::session::{camera_address, credentials};
use tutk_session::{
    ClientConfig, Codec, Dialect, ReconnectPolicy, SupervisorConfig, SupervisorEvent,
};
use tutk_simulator::{Clip, ClipFrame, SimulatorConfig};

use crate::Error;

/// The simulated time of a run.
const LENGTH: Duration = Duration::from_secs(900);

/// What fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outages {
    /// The camera loses power: it forgets its sessions without closing them.
    PowerLoss,
    /// The camera restarts: it closes its sessions.
    Restart,
    /// No packet of the camera arrives. The camera keeps its session for 10 s.
    Network,
}

/// Repeated outages of one kind.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// The name.
    pub name: &'static str,
    /// What fails.
    pub outages: Outages,
    /// The time between outages.
    pub up: Duration,
    /// The length of each outage.
    pub down: Duration,
    /// The camera's video frames per second. A key frame every 4 s.
    pub fps: u8,
    /// The minimum share of the time, 0 to 1, for which video is received.
    pub goal: f64,
}

/// The results of one run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Availability {
    /// The share of the time for which video was received.
    pub share: f64,
    /// Sessions that ended.
    pub disconnects: u32,
    /// The number of outages.
    pub outages: u32,
}

const fn pattern(
    name: &'static str,
    outages: Outages,
    seconds: (u64, u64),
    fps: u8,
    goal: f64,
) -> Pattern {
    Pattern {
        name,
        outages,
        up: Duration::from_secs(seconds.0),
        down: Duration::from_secs(seconds.1),
        fps,
        goal,
    }
}

/// The patterns. The goal leaves 3.3 s for each outage that ends the session, and 0.5 s for others.
pub const PATTERNS: &[Pattern] = &[
    pattern("power loss", Outages::PowerLoss, (20, 2), 20, 0.85),
    pattern("power loss", Outages::PowerLoss, (18, 2), 20, 0.835),
    pattern("power loss", Outages::PowerLoss, (60, 10), 20, 0.83),
    pattern("power loss", Outages::PowerLoss, (300, 30), 20, 0.87),
    pattern("power loss, 1 fps", Outages::PowerLoss, (60, 2), 1, 0.93),
    pattern("restart", Outages::Restart, (20, 2), 20, 0.85),
    pattern("restart", Outages::Restart, (5, 2), 20, 0.6),
    pattern("network", Outages::Network, (20, 2), 20, 0.88),
    pattern("network", Outages::Network, (20, 1), 1, 0.9),
    pattern("network", Outages::Network, (60, 10), 20, 0.8),
    pattern("none", Outages::Network, (900, 0), 20, 0.99),
    pattern("none, 1 fps", Outages::Network, (900, 0), 1, 0.99),
];

impl Pattern {
    /// Runs the pattern for 15 simulated minutes. A seed determines the run.
    ///
    /// # Errors
    /// If the simulated camera cannot be created. Does not occur with [`PATTERNS`].
    pub fn run(&self, dialect: &Dialect, seed: u64) -> Result<Availability, Error> {
        let mut client = ClientConfig::new(camera_address(), credentials());
        client.dialects = vec![Arc::new(dialect.clone())];
        let mut camera = SimulatorConfig::new(credentials(), clip(self.fps)?);
        camera.dialects.clone_from(&client.dialects);
        let config = SupervisorConfig::new(client, ReconnectPolicy::default());
        let mut simulation = SupervisorSimulation::new(config, camera, seed);
        let end = simulation.start + LENGTH;
        let mut outages = 0;
        while simulation.now < end {
            simulation.run(self.up.min(end.duration_since(simulation.now)));
            if simulation.now >= end {
                break;
            }
            outages += 1;
            match self.outages {
                Outages::PowerLoss => simulation.camera = None,
                Outages::Restart => simulation.close_camera(),
                Outages::Network => simulation.muted = true,
            }
            simulation.run(self.down);
            match self.outages {
                Outages::PowerLoss | Outages::Restart => simulation.start_camera(),
                Outages::Network => simulation.muted = false,
            }
        }
        let count = |is: fn(&SupervisorEvent) -> bool| {
            let events = simulation.events.iter();
            let count = events.filter(|(_, event)| is(event)).count();
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        let frames = count(|event| match event {
            SupervisorEvent::Frame(frame) => frame.frame.kind.is_video(),
            _ => false,
        });
        let elapsed = simulation
            .now
            .duration_since(simulation.start)
            .as_secs_f64();
        Ok(Availability {
            share: f64::from(frames) / f64::from(self.fps) / elapsed,
            disconnects: count(|event| matches!(event, SupervisorEvent::Disconnected(_))),
            outages,
        })
    }

    /// Returns the pattern's row in the table.
    #[must_use]
    pub fn row(&self, of: &Availability) -> String {
        let (up, down) = (self.up.as_secs(), self.down.as_secs());
        let (share, goal) = (of.share * 100.0, self.goal * 100.0);
        let max = self.up.as_secs_f64() / (self.up + self.down).as_secs_f64() * 100.0;
        let missed = if of.share < self.goal {
            ": **missed**"
        } else {
            ""
        };
        let mut row = String::new();
        let _ = writeln!(
            row,
            "| {} | {up} s | {down} s | {} | {max:.1} % | {share:.1} % | {} | {goal:.1} %{missed} |",
            self.name, self.fps, of.disconnects,
        );
        row
    }
}

/// Returns the head of the table of availability.
#[must_use]
pub fn availability_header() -> String {
    String::from(
        "| outages | up | down | fps | possible | received | disconnects | goal |\n\
         |---|--:|--:|--:|--:|--:|--:|--:|\n",
    )
}

/// A clip of 4 s that starts with a key frame.
fn clip(fps: u8) -> Result<Clip, Error> {
    let frames = (0..4 * usize::from(fps)).map(|at| ClipFrame {
        data: vec![7; if at == 0 { 8000 } else { 800 }].into(),
        key: at == 0,
    });
    Ok(Clip::new(frames, Codec::H264, fps)?)
}
