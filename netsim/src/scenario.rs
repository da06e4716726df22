//! The networks that are simulated, and what is to be reached on each.

use std::time::Duration;

use tutk_session::Dialect;
use tutk_session::video_reassembly::{Limits, ParityLimits, ResendConfig};

use crate::path::{Conditions, Link, Loss, Outage};
use crate::tally::Tally;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// 1080p and 2K, bits a second.
const HD: u64 = 4_000_000;
const TWO_K: u64 = 8_000_000;

/// Half of a round trip of 20 ms.
const NEAR: Conditions = Conditions::clean(Duration::from_millis(10));

/// One network, and who speaks over it how.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// What the network does, in a few words.
    pub name: String,
    /// The dialect that is spoken.
    pub dialect: &'static Dialect,
    /// Video, bits a second.
    pub rate: u64,
    /// How the camera sends in resend mode; `None`: the client does not ask for it.
    pub resend: Option<ResendConfig>,
    /// From client to camera.
    pub up: Conditions,
    /// From camera to client.
    pub down: Conditions,
    /// What is to be reached.
    pub goal: Goal,
}

/// What is to be reached, of pictures and of sound, each.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Goal {
    /// The least share of frames that are handed out, 0 to 1.
    pub share: f64,
    /// The most that the delay of 99 % of the frames may be.
    pub delay: Option<Duration>,
}

impl Goal {
    /// What was not reached, in words.
    #[must_use]
    pub fn missed(&self, tally: &Tally) -> Vec<String> {
        let mut missed = Vec::new();
        let mut check = |met: bool, why: String| {
            if !met {
                missed.push(why);
            }
        };
        check(
            tally.failed == 0,
            format!("{} of {} runs failed", tally.failed, tally.runs),
        );
        check(
            tally.held <= most_held(),
            format!("{} bytes held, not {}", tally.held, most_held()),
        );
        for (name, stream) in [("pictures", &tally.video), ("sound", &tally.sound)] {
            check(stream.sent > 0, format!("{name}: nothing was sent"));
            check(
                stream.wrong == 0,
                format!("{name}: {} wrong frames", stream.wrong),
            );
            let differ = stream.not_as_arrived;
            check(
                differ == 0,
                format!("{name}: {differ} frames not as their slices arrived"),
            );
            let (share, goal) = (stream.share() * 100.0, self.share * 100.0);
            check(
                share >= goal,
                format!("{name}: {share:.3} % delivered, not {goal:.3} %"),
            );
            if let Some(goal) = self.delay {
                let delay = stream.delay(99);
                check(
                    delay <= goal,
                    format!("{name}: 99 % within {delay:?}, not {goal:?}"),
                );
            }
        }
        missed
    }
}

/// The most bytes that a client may hold in frames and groups by the limits that it has unless told otherwise: what
/// [`Limits`] and [`ParityLimits`] say, for two streams.
fn most_held() -> u64 {
    let Limits {
        frames,
        frame_bytes,
        ..
    } = Limits::default();
    let ParityLimits { groups, body_bytes } = ParityLimits::default();
    let in_frames = 2 * frames * frame_bytes;
    (in_frames + 2 * in_frames + groups * body_bytes) as u64
}

impl Scenario {
    /// All of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        plain(&mut all);
        resend(&mut all);
        all
    }

    /// Over that network both ways, without resend mode.
    fn plain(name: &str, net: Conditions, share: f64) -> Self {
        Self {
            name: name.to_owned(),
            dialect: &Dialect::TRANSCODE,
            rate: HD,
            resend: None,
            up: net,
            down: net,
            goal: Goal { share, delay: None },
        }
    }

    /// Over that network both ways, with resend mode and parity.
    fn resend(name: &str, net: Conditions, share: f64) -> Self {
        Self {
            resend: Some(ResendConfig::default()),
            goal: Goal {
                share,
                delay: Some(delay(2 * net.latency)),
            },
            ..Self::plain(name, net, share)
        }
    }

    fn without_parity(mut self) -> Self {
        self.resend = self.resend.map(|config| ResendConfig {
            parity: false,
            ..config
        });
        self
    }

    fn two_k(mut self) -> Self {
        self.rate = TWO_K;
        self
    }

    fn cc51(mut self) -> Self {
        self.dialect = &Dialect::CC51;
        self
    }
}

/// The most delay of 99 % of the frames where lost slices are asked for: three round trips, and 50 ms.
fn delay(round_trip: Duration) -> Duration {
    3 * round_trip + MS(50)
}

fn late(share: f32) -> Conditions {
    Conditions {
        late: share,
        ..NEAR
    }
}

fn twice(share: f32) -> Conditions {
    Conditions {
        twice: share,
        ..NEAR
    }
}

fn lossy(share: f32) -> Conditions {
    Conditions {
        loss: Loss::Uniform(share),
        ..NEAR
    }
}

fn bursts(share: f32) -> Conditions {
    Conditions {
        loss: Loss::Bursts(share, 8.0),
        ..NEAR
    }
}

fn plain(all: &mut Vec<Scenario>) {
    let plain = Scenario::plain;
    all.extend([
        plain("nothing", NEAR, 1.0),
        plain("1 % up to 8 places late", late(0.01), 1.0),
        plain("5 % up to 8 places late", late(0.05), 1.0),
        plain("5 % up to 8 places late", late(0.05), 1.0).two_k(),
        plain("5 % up to 8 places late", late(0.05), 1.0).cc51(),
        plain("5 % twice", twice(0.05), 1.0),
        plain(
            "jitter of 8 ms",
            Conditions {
                jitter: MS(8),
                ..NEAR
            },
            1.0,
        ),
        plain("0.1 % lost", lossy(0.001), 0.0),
        plain("1 % lost", lossy(0.01), 0.0),
        plain("5 % lost", lossy(0.05), 0.0),
        plain("1 % lost in bursts of 8", bursts(0.01), 0.0),
        plain("outages of 2 s", out(2_000), 0.0),
    ]);
}

fn out(length: u64) -> Conditions {
    let every = Duration::from_secs(14);
    Conditions {
        outage: Some(Outage {
            every,
            length: MS(length),
        }),
        ..NEAR
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
    // A key frame of 200 kB in 25 ms is far over the rate.
    let narrow = |queue| Conditions {
        link: Some(Link {
            rate: 6_000_000,
            queue,
        }),
        ..NEAR
    };
    let everything = Conditions {
        jitter: MS(4),
        late: 0.05,
        twice: 0.02,
        ..bursts(0.02)
    };
    let mut lopsided = resend(
        "5 % lost and 40 ms there, 1 % and 5 ms back",
        lossy(0.01),
        0.999,
    );
    lopsided.up = Conditions {
        latency: MS(40),
        ..lossy(0.05)
    };
    lopsided.down.latency = MS(5);
    lopsided.goal.delay = Some(delay(MS(45)));
    // The largest key frames, or all of them, do not fit the queue. What is sent again waits in it like the rest.
    let mut narrow_queue = resend("6 Mbit/s, queue of 256 kB", narrow(256_000), 0.999);
    narrow_queue.goal.delay = Some(delay(MS(20 + 341)));
    let mut narrower_queue = resend("6 Mbit/s, queue of 128 kB", narrow(128_000), 0.99);
    narrower_queue.goal.delay = Some(delay(MS(20 + 171)));
    let mut short = resend("outages of half a second", out(500), 1.0);
    let mut long = resend("outages of 2 s", out(2_000), 0.9);
    // What was sent in an outage comes after it.
    short.goal.delay = None;
    long.goal.delay = None;
    all.extend([
        resend("nothing", NEAR, 1.0),
        resend("1 % up to 8 places late", late(0.01), 1.0),
        resend("5 % up to 8 places late", late(0.05), 1.0),
        resend("5 % twice", twice(0.05), 1.0),
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
        lopsided,
        resend("1 % lost, round trip of 100 ms", far(100), 0.999),
        resend("1 % lost, round trip of 100 ms", far(100), 0.999).without_parity(),
        resend("1 % lost, round trip of 200 ms", far(200), 0.999),
        resend("1 % lost, round trip of 200 ms", far(200), 0.999).without_parity(),
        resend("6 Mbit/s, queue of 512 kB", narrow(512_000), 1.0),
        narrow_queue,
        narrower_queue,
        resend(
            "all together: bursts of 2 %, 5 % late, jitter",
            everything,
            0.99,
        ),
        short,
        long,
    ]);
}
