//! The simulated networks, each with a goal.

use std::time::Duration;

use tutk_session::Dialect;
use tutk_session::video_reassembly::{Limits, ParityLimits, ResendConfig};

use crate::path::{Bottleneck, Conditions, Loss, Outage};
use crate::results::Results;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// The bit rates of 1080p and 2K video.
const HD: u64 = 4_000_000;
const TWO_K: u64 = 8_000_000;

/// A round trip of 20 ms.
const CLEAN: Conditions = Conditions::clean(Duration::from_millis(10));

/// A network, with the modes of client and camera.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The name of the network.
    pub name: String,
    /// The dialect.
    pub dialect: Dialect,
    /// The bit rate of the video.
    pub rate: u64,
    /// The camera's resend mode, or `None` if the client does not request it.
    pub resend: Option<ResendConfig>,
    /// From client to camera.
    pub up: Conditions,
    /// From camera to client.
    pub down: Conditions,
    /// The goal.
    pub goal: Goal,
}

/// The goal for video and audio separately.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Goal {
    /// The minimum share of delivered frames, 0 to 1.
    pub share: f64,
    /// The maximum delay of 99 % of the frames.
    pub delay: Option<Duration>,
}

impl Goal {
    /// Returns a message for each part of the goal that was missed.
    #[must_use]
    pub fn missed(&self, results: &Results) -> Vec<String> {
        let mut missed = Vec::new();
        let mut check = |met: bool, why: String| {
            if !met {
                missed.push(why);
            }
        };
        let (failed, runs, buffered) = (results.failed, results.runs, results.buffered);
        check(failed == 0, format!("{failed} of {runs} runs failed"));
        let limit = max_buffered();
        check(
            buffered <= limit,
            format!("{buffered} bytes buffered, limit {limit}"),
        );
        for (name, stream) in [("video", &results.video), ("audio", &results.audio)] {
            check(stream.sent > 0, format!("{name}: no frame was sent"));
            let (wrong, mismatched) = (stream.wrong, stream.mismatched);
            check(wrong == 0, format!("{name}: {wrong} wrong frames"));
            check(
                mismatched == 0,
                format!("{name}: {mismatched} frames do not match their received slices"),
            );
            let (share, goal) = (stream.share() * 100.0, self.share * 100.0);
            check(
                share >= goal,
                format!("{name}: {share:.3} % delivered, goal {goal:.3} %"),
            );
            if let Some(goal) = self.delay {
                let delay = stream.delay(99);
                check(
                    delay <= goal,
                    format!("{name}: 99 % within {delay:?}, goal {goal:?}"),
                );
            }
        }
        missed
    }
}

/// Returns the maximum of bytes in a client's buffers by its default [`Limits`] and
/// [`ParityLimits`], for two streams.
fn max_buffered() -> u64 {
    let (limits, parity) = (Limits::default(), ParityLimits::default());
    let frames = 2 * limits.frames * limits.frame_bytes;
    // The simulated camera sends groups of 20 slices.
    (3 * frames + parity.groups * 20 * parity.body_bytes) as u64
}

impl Scenario {
    /// Returns all scenarios.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        plain(&mut all);
        resend(&mut all);
        all
    }

    /// Creates a scenario with the same network in both directions, without resend mode.
    fn plain(name: &str, net: Conditions, share: f64) -> Self {
        Self {
            name: name.to_owned(),
            dialect: Dialect::TRANSCODE,
            rate: HD,
            resend: None,
            up: net,
            down: net,
            goal: Goal { share, delay: None },
        }
    }

    /// Creates a scenario with the same network in both directions, with resend mode and parity.
    fn resend(name: &str, net: Conditions, share: f64) -> Self {
        Self {
            resend: Some(ResendConfig::OBSERVED),
            goal: Goal {
                share,
                delay: Some(delay(2 * net.latency)),
            },
            ..Self::plain(name, net, share)
        }
    }

    fn without_parity(mut self) -> Self {
        self.resend = self.resend.map(|config| ResendConfig {
            parity: 0,
            ..config
        });
        self
    }

    fn two_k(mut self) -> Self {
        self.rate = TWO_K;
        self
    }

    fn cc51(mut self) -> Self {
        self.dialect = Dialect::CC51;
        self
    }
}

/// Returns the maximum delay of 99 % of the frames in resend mode: three round trips and 50 ms.
fn delay(round_trip: Duration) -> Duration {
    3 * round_trip + MS(50)
}

fn reordered(share: f32) -> Conditions {
    Conditions {
        reordered: share,
        ..CLEAN
    }
}

fn duplicated(share: f32) -> Conditions {
    Conditions {
        duplicated: share,
        ..CLEAN
    }
}

fn lossy(share: f32) -> Conditions {
    Conditions {
        loss: Loss::Uniform(share),
        ..CLEAN
    }
}

fn bursts(share: f32) -> Conditions {
    Conditions {
        loss: Loss::Bursts(share, 8.0),
        ..CLEAN
    }
}

fn plain(all: &mut Vec<Scenario>) {
    let plain = Scenario::plain;
    all.extend([
        plain("clean", CLEAN, 1.0),
        plain("1 % reordered by up to 8 places", reordered(0.01), 1.0),
        plain("5 % reordered by up to 8 places", reordered(0.05), 1.0),
        plain("5 % reordered by up to 8 places", reordered(0.05), 1.0).two_k(),
        plain("5 % reordered by up to 8 places", reordered(0.05), 1.0).cc51(),
        plain("5 % duplicated", duplicated(0.05), 1.0),
        plain(
            "jitter of 8 ms",
            Conditions {
                jitter: MS(8),
                ..CLEAN
            },
            1.0,
        ),
        plain("0.1 % lost", lossy(0.001), 0.0),
        plain("1 % lost", lossy(0.01), 0.0),
        plain("5 % lost", lossy(0.05), 0.0),
        plain("1 % lost in bursts of 8", bursts(0.01), 0.0),
        plain("outages of 2 s", outages(2_000), 0.0),
    ]);
}

fn outages(length: u64) -> Conditions {
    let every = Duration::from_secs(14);
    Conditions {
        outage: Some(Outage {
            every,
            length: MS(length),
        }),
        ..CLEAN
    }
}

fn resend(all: &mut Vec<Scenario>) {
    let resend = Scenario::resend;
    let jittery = Conditions {
        jitter: MS(8),
        ..lossy(0.01)
    };
    let far = |round_trip: u64| Conditions {
        latency: MS(round_trip / 2),
        ..lossy(0.01)
    };
    // A key frame of 200 kB in 25 ms is far above the rate.
    let narrow = |queue| Conditions {
        bottleneck: Some(Bottleneck {
            rate: 6_000_000,
            queue,
        }),
        ..CLEAN
    };
    let everything = Conditions {
        jitter: MS(4),
        reordered: 0.05,
        duplicated: 0.02,
        ..bursts(0.02)
    };
    let mut asymmetric = resend(
        "asymmetric: 5 % lost and 40 ms up, 1 % lost and 5 ms down",
        lossy(0.01),
        0.999,
    );
    asymmetric.up = Conditions {
        latency: MS(40),
        ..lossy(0.05)
    };
    asymmetric.down.latency = MS(5);
    asymmetric.goal.delay = Some(delay(MS(45)));
    // The largest key frames, or all of them, exceed the queue. Retransmissions wait in it too.
    let mut narrow_queue = resend("6 Mbit/s, queue of 256 kB", narrow(256_000), 0.999);
    narrow_queue.goal.delay = Some(delay(MS(20 + 341)));
    let mut narrower_queue = resend("6 Mbit/s, queue of 128 kB", narrow(128_000), 0.99);
    narrower_queue.goal.delay = Some(delay(MS(20 + 171)));
    let mut short = resend("outages of 0.5 s", outages(500), 1.0);
    let mut long = resend("outages of 2 s", outages(2_000), 0.9);
    // Frames of an outage are delivered after it.
    short.goal.delay = None;
    long.goal.delay = None;
    all.extend([
        resend("clean", CLEAN, 1.0),
        resend("1 % reordered by up to 8 places", reordered(0.01), 1.0),
        resend("5 % reordered by up to 8 places", reordered(0.05), 1.0),
        resend("5 % duplicated", duplicated(0.05), 1.0),
        resend("0.1 % lost", lossy(0.001), 1.0),
        resend("0.1 % lost", lossy(0.001), 1.0).without_parity(),
        resend("1 % lost", lossy(0.01), 0.999),
        resend("1 % lost", lossy(0.01), 0.999).without_parity(),
        resend("5 % lost", lossy(0.05), 0.99),
        resend("5 % lost", lossy(0.05), 0.99).without_parity(),
        resend("1 % lost in bursts of 8", bursts(0.01), 0.99),
        resend("1 % lost in bursts of 8", bursts(0.01), 0.99).without_parity(),
        resend("5 % lost", lossy(0.05), 0.99).two_k(),
        resend("1 % lost in bursts of 8", bursts(0.01), 0.99)
            .two_k()
            .without_parity(),
        resend("5 % lost", lossy(0.05), 0.99).cc51(),
        resend("1 % lost in bursts of 8", bursts(0.01), 0.99)
            .cc51()
            .without_parity(),
        resend("1 % lost, jitter of 8 ms", jittery, 0.999),
        asymmetric,
        resend("1 % lost, round trip of 100 ms", far(100), 0.999),
        resend("1 % lost, round trip of 100 ms", far(100), 0.999).without_parity(),
        resend("1 % lost, round trip of 200 ms", far(200), 0.999),
        resend("1 % lost, round trip of 200 ms", far(200), 0.999).without_parity(),
        resend("6 Mbit/s, queue of 512 kB", narrow(512_000), 1.0),
        narrow_queue,
        narrower_queue,
        resend(
            "combined: 2 % lost in bursts, 5 % reordered, jitter",
            everything,
            0.99,
        ),
        short,
        long,
    ]);
}
