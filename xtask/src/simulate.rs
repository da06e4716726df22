//! `cargo xtask simulate`: client and camera over simulated networks.

use crate::generated;
use crate::job::{Job, Stream};

const INTRODUCTION: &str = "\
Written by `cargo xtask simulate --write`; do not edit. Each row is a whole session in memory, with \
simulated time, over one network of [netsim](../netsim/src/scenario.rs). It has 20 runs of 60 s, each \
with its own seed; a seed always gives the same run. The camera sends video at 20 frames a second, and \
audio. A key frame comes every 2 s and is about ten times as large as other frames. The round-trip time is \
20 ms, equal in both directions, unless the name of the network says otherwise. The dialect is \
`transcode`, except in rows marked `cc51`.

- mode: `plain` is without resend mode. In resend mode the client requests lost packets again. The camera \
chooses the parity.
- whole: complete frames that the client delivered, each equal to the frame that was sent. late: frames \
that were delivered more than 50 ms later than over the same network without impairment, because packets \
of them or of earlier frames were missing. lost: frames that were not delivered.
- simple client: frames that a client would deliver that drops a frame at its first packet out of order.
- sound: audio frames that were delivered.
- sent again, parity: bytes of UDP payload, relative to all media that was sent for the first time.
- delay: the 50th, 95th and 99th percentile of the delay of delivered frames, relative to the same network \
without impairment.
- held: the largest amount of memory in any run for frames in assembly, parity groups and lists of missing \
packets. allocated: the largest heap usage of the whole client.
- goal: the required share of video frames and of audio frames, and the required 99th percentile of each \
delay. *what came whole* means exactly the frames whose packets all arrived. Every run also requires that no frame \
differs from what was sent, and that memory stays within the named limits. A missed goal is marked.
";

/// Simulates every network and prints the table. Fails if a network misses its goal.
pub(crate) fn all(args: &[&str], write: bool) -> Result<(), String> {
    let program = ["run", "--quiet", "--release", "--package", "netsim", "--"];
    let mut table = String::new();
    let result = Job::cargo(&[&program, args].concat())
        .minutes(120)
        .watch(|stream, line| {
            if stream == Stream::Stdout {
                table.push_str(line);
                table.push('\n');
            }
        });
    // A table that marks a missed goal is better than an old one.
    if write {
        generated::write("simulate", &format!("{INTRODUCTION}\n{table}"))?;
    }
    result
}
