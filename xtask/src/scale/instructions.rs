//! Instructions per datagram and per frame of a viewer, which do not depend on what else runs.

use std::fmt::Write as _;

use crate::job::Job;

const PROGRAM: &str = "target/release/instructions";

/// What is counted: the work, its name, and the maximum number of instructions.
const WORK: [(&str, &str, u64); 2] = [
    ("datagrams", "datagram of a camera, to the frame", 12_000),
    (
        "viewer-frames",
        "frame and RTSP viewer, to the system call",
        7_500,
    ),
];

/// Counts. Returns the table, and the counts that are above their limits.
pub(super) fn measure() -> Result<(String, Vec<String>), String> {
    let mut table = String::from(
        "### Instructions\n\n\
        Counted by callgrind, without system calls. `cargo xtask scale` fails above the limit.\n\n\
        | per | instructions | limit |\n|---|--:|--:|\n",
    );
    let mut above = Vec::new();
    for (work, name, limit) in WORK {
        let count = count(work)?;
        // Writing to a string cannot fail.
        let _ = writeln!(table, "| {name} | {count} | {limit} |");
        if count > limit {
            above.push(format!(
                "{count} instructions per {name}: the limit is {limit}"
            ));
        }
    }
    Ok((table, above))
}

/// Returns the instructions of one unit.
fn count(work: &str) -> Result<u64, String> {
    let [with, without] = ["yes", "no"].map(|run| callgrind(work, run));
    let ((with, units), (without, _)) = (with?, without?);
    Ok(with.saturating_sub(without) / units.max(1))
}

/// Returns the instructions of a run, and the number of units that it prints.
fn callgrind(work: &str, run: &str) -> Result<(u64, u64), String> {
    let options = ["--tool=callgrind", "--callgrind-out-file=/dev/null"];
    let (mut instructions, mut units) = (None, 0);
    Job::new("valgrind", &[&options[..], &[PROGRAM, work, run]].concat())
        .quiet()
        .watch(|_, line| {
            units = line.parse().unwrap_or(units);
            instructions = collected(line).or(instructions);
        })?;
    let instructions = instructions.ok_or("callgrind printed no count")?;
    Ok((instructions, units))
}

/// Parses `==1== Collected : 123`.
fn collected(line: &str) -> Option<u64> {
    let (_, count) = line.split_once("Collected : ")?;
    count.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_the_output_of_callgrind() {
        assert_eq!(collected("==12== Collected : 345"), Some(345));
        assert_eq!(collected("==12== Events    : Ir"), None);
    }
}
