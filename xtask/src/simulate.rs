//! `cargo xtask simulate`: client and simulated camera over simulated networks.

use crate::generated;
use crate::job::{Job, Stream};

const INTRODUCTION: &str = "\
Written by `cargo xtask simulate --write`. Do not edit.

Each row is a network of [netsim](../netsim/src/scenario.rs). A client and a simulated camera run \
a whole session in memory, in simulated time, for 60 s with each of 20 seeds. A seed determines a \
run. The camera sends 20 video frames per second, with a key frame of about 10 times the size \
every 2 s, and audio. Unless the name of the network states otherwise, the round-trip time is 20 \
ms, both directions have the same conditions, and the dialect is `transcode`.

- mode: in *resend* mode, the camera sends groups of 20 packets and retransmits lost packets on \
request. With *parity*, a Reed-Solomon packet follows each group, as real cameras send it.
- delivered: video frames delivered, each compared bit for bit with the sent frame.
- late: frames delivered more than 50 ms later than on an ideal path, as a share of the sent \
frames. They, or a frame before them, had lost packets.
- lost: frames that were not delivered.
- baseline: frames that a client delivers that drops a frame at its first packet out of order.
- audio: audio frames delivered.
- resent, parity: UDP payload bytes, relative to the bytes of all media sent for the first time.
- delay: percentiles of the delay of delivered frames, compared with an ideal path.
- buffered: the peak size of the client's incomplete frames, parity groups and lists of missing \
packets. heap: the peak size of the client's heap.
- goal: the minimum share of delivered frames, for video and audio separately, and the maximum \
delay of 99 % of them. *all complete* means exactly the frames whose packets all arrived. In all \
rows, each delivered frame equals the sent one, and buffers stay within their limits. A missed \
goal is marked.
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
