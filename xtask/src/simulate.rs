//! `cargo xtask simulate`: Client against Camera over simulated networks.

use crate::page;
use crate::run::Job;

const INTRODUCTION: &str = "\
Written by `cargo xtask simulate --write`; do not edit. A whole session in memory, with simulated time, over each network of \
[netsim](../netsim/src/scenario.rs): 20 seeds of 60 s each; the same seed is the same run. Video of 20 frames a second, with \
a key frame every 2 s that is about ten times as large as the others, and sound beside it. A round trip of 20 ms, and the same both \
ways, unless the network's name says otherwise. The dialect is `transcode`, but for `cc51`.

- mode: plain is without resend mode. In that mode lost packets are asked for again; parity is the camera's choice.
- whole: frames handed out, each compared bit for bit with what was sent. late: of the frames sent, those that were handed out \
more than 50 ms after their time over that network undisturbed: packets were missing, of them or of frames before them. lost: how \
many were not handed out.
- simple client: what a client hands out that drops a frame at its first packet out of place.
- sound: frames of sound that were handed out.
- sent again, parity: bytes of UDP payload, of those of all media sent for the first time.
- delay: how much later than undisturbed 50, 95 and 99 % of the frames handed out were so.
- held: the most that frames in assembly, parity groups and lists of what is missing took in any run. allocated: the most that the \
whole client had on the heap.
- goal: pictures whole, and sound; and the delay of 99 % of each. Where it is *what came whole*: exactly the frames of which all packets came. \
Everywhere: no frame differs from what was sent, and what is held stays under the limits that have names. A goal that was \
missed is marked.
";

/// Simulates every network and prints the table, with `write` into the docs as well. False if a goal is missed.
pub(crate) fn all(args: &[&str], write: bool) -> bool {
    let program = ["run", "--quiet", "--release", "--package", "netsim", "--"];
    let mut table = String::new();
    let well = Job::cargo(&[&program, args].concat()).lines(|line| {
        println!("{line}");
        table.push_str(line);
        table.push('\n');
    });
    // What is missed is marked: a table that says so is better than an old one.
    let written = !write || page::write("simulate", &format!("{INTRODUCTION}\n{table}"));
    well && written
}
