//! The results as a Markdown page.

use std::fmt::Write as _;
use std::time::Duration;

use dtls_psk::CipherSuite;

use crate::cell::{Outcome, Passed};
use crate::matrix::{Cell, LOSSY_RECORDS, MIN_MTU, Peer, SLOW_EVERY, Side};
use crate::peers::Ready;
use crate::relay::{DUPLICATES, JITTER, LATENCY, LOSS, SLOW_LATENCY};

/// The results of a run.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) ready: Vec<Ready>,
    /// Peers that could not be built, with reasons.
    pub(crate) missing: Vec<(Peer, String)>,
    pub(crate) lossless: Vec<(Cell, Outcome)>,
    pub(crate) lossless_took: Duration,
    pub(crate) lossy: Vec<(Cell, Outcome)>,
    pub(crate) lossy_took: Duration,
    pub(crate) seeds: u64,
}

impl Run {
    pub(crate) fn failures(&self) -> impl Iterator<Item = (&Cell, &str)> {
        let all = self.lossless.iter().chain(&self.lossy);
        all.filter_map(|(cell, outcome)| match outcome {
            Outcome::Failed(why) => Some((cell, why.as_str())),
            _ => None,
        })
    }

    fn name(&self, peer: Peer) -> String {
        let ready = self.ready.iter().find(|ready| ready.peer == peer);
        match ready {
            Some(ready) if peer == Peer::Itself => format!("itself ({})", ready.abilities.version),
            Some(ready) => ready.abilities.version.clone(),
            None => peer.name().to_owned(),
        }
    }
}

/// Footnotes with the reasons for cells that did not pass.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    /// Returns the footnote mark of a reason.
    fn mark(&mut self, peer: Peer, why: &str) -> String {
        let note = format!("{}: {}", peer.name(), why.replace('|', "/"));
        let at = self.0.iter().position(|known| *known == note);
        let number = at.unwrap_or_else(|| {
            self.0.push(note);
            self.0.len() - 1
        });
        format!("[{}]", number + 1)
    }
}

/// Returns a one-line description of a cell.
pub(crate) fn describe(cell: &Cell) -> String {
    let on = |name: &str, on: bool| format!("{}{name}", if on { "" } else { "no " });
    let mut line = format!(
        "{} as {}, {:#06X}",
        cell.peer.name(),
        cell.peer_side.name(),
        cell.suite.id()
    );
    if let Some(group) = cell.group {
        let _ = write!(line, ", {}", group.name());
    }
    let _ = write!(
        line,
        ", {}, {}",
        on("cookie", cell.cookie),
        on("EMS", cell.ems)
    );
    if cell.suite.is_cbc() {
        let _ = write!(line, ", {}", on("EtM", cell.etm));
    }
    if let Some(seed) = cell.seed {
        let _ = write!(line, ", seed {seed}");
    }
    line
}

/// Returns a one-line summary of the run.
pub(crate) fn summary(run: &Run) -> String {
    let tally = |cells: &[(Cell, Outcome)]| {
        let count = Count::of(cells.iter());
        format!(
            "{} passed, {} unsupported, {} failed",
            count.passed, count.unsupported, count.failed
        )
    };
    format!(
        "without loss: {} ({:.0} s); lossy: {} ({:.0} s); missing peers: {}",
        tally(&run.lossless),
        run.lossless_took.as_secs_f64(),
        tally(&run.lossy),
        run.lossy_took.as_secs_f64(),
        run.missing.len()
    )
}

#[derive(Default)]
struct Count {
    passed: usize,
    unsupported: usize,
    failed: usize,
}

impl Count {
    fn of<'a>(cells: impl Iterator<Item = &'a (Cell, Outcome)>) -> Self {
        let mut count = Self::default();
        for (_, outcome) in cells {
            match outcome {
                Outcome::Passed(_) => count.passed += 1,
                Outcome::Unsupported(_) => count.unsupported += 1,
                Outcome::Failed(_) => count.failed += 1,
            }
        }
        count
    }
}

pub(crate) fn page(run: &Run) -> String {
    let mut notes = Notes::default();
    let mut out = String::from(INTRODUCTION);
    out.push_str("\n## Without loss\n\n");
    out.push_str(
        "Passed cells of those that the peer supports, first with the peer as client, then as server. \
         The numbers in brackets refer to the reasons for unsupported cells.\n\n",
    );
    overview(&mut out, run, &mut notes);
    if !run.lossy.is_empty() {
        lossy(&mut out, run, &mut notes);
    }
    out.push_str("\n## Each cell\n\n");
    out.push_str(EACH);
    for ready in &run.ready {
        each(&mut out, run, ready.peer, &mut notes);
    }
    if !notes.0.is_empty() {
        out.push_str("\n## Reasons\n\n");
        for (number, note) in (1..).zip(&notes.0) {
            let _ = writeln!(out, "{number}. {note}");
        }
    }
    let _ = writeln!(out, "\nTotal: {}.", summary(run));
    out
}

const INTRODUCTION: &str = "\
# Interoperability of dtls-psk

Written by `cargo xtask interop`; do not edit.

Each cell is a handshake between dtls-psk and a peer over loopback UDP, 1 MB of application data in each
direction in numbered records whose bytes are checked, and close_notify in both directions. Both sides must
negotiate the parameters of the cell: the suite, the group, the cookie exchange, the extended master secret
(EMS) and encrypt-then-MAC (EtM).

The peer supports only the suite and group of the cell, dtls-psk supports all. In cells with a cookie, the
client does not offer the features that are off. In cells without, the server does not accept them. If the
peer has no switch for a feature, dtls-psk's is used. As a server, dtls-psk uses its `Acceptor` in the cells
with EMS, and a single `Connection` in the others.

A cell is unsupported if the peer reports so, or if it fails with the same error when OpenSSL replaces
dtls-psk.

The peers are small C programs (interop/peers) that use the system's libraries, dimpl in the same process,
and dtls-psk itself.
";

const EACH: &str = "\
Milliseconds from dtls-psk's first datagram to its being connected. \"Cookie\" means that the server, whichever
side that is, sends a HelloVerifyRequest.
";

const COLUMNS: [(&str, bool, bool); 4] = [
    ("cookie, EMS", true, true),
    ("cookie, no EMS", true, false),
    ("no cookie, EMS", false, true),
    ("no cookie, no EMS", false, false),
];

fn header(out: &mut String, first: &[&str], rest: &[String]) {
    for name in first {
        let _ = write!(out, "| {name} ");
    }
    for name in rest {
        let _ = write!(out, "| {name} ");
    }
    out.push_str("|\n");
    out.push_str(&"|---".repeat(first.len()));
    out.push_str(&"|--:".repeat(rest.len()));
    out.push_str("|\n");
}

fn suite_names() -> Vec<String> {
    let short = |suite: &CipherSuite| suite.name().trim_start_matches("TLS_").to_owned();
    let name = |suite: &CipherSuite| format!("{:#06X} {}", suite.id(), short(suite));
    CipherSuite::ALL.iter().map(name).collect()
}

fn overview(out: &mut String, run: &Run, notes: &mut Notes) {
    header(out, &["peer"], &suite_names());
    for peer in Peer::ALL {
        if let Some((_, why)) = run.missing.iter().find(|(missing, _)| *missing == peer) {
            let mark = notes.mark(peer, why);
            let cells = format!("missing {mark} |").repeat(CipherSuite::ALL.len());
            let _ = writeln!(out, "| {} | {cells}", peer.name());
        } else if run.ready.iter().any(|ready| ready.peer == peer) {
            let _ = write!(out, "| {} ", run.name(peer));
            for &suite in CipherSuite::ALL {
                let sides = Side::BOTH.map(|side| {
                    let cells = run.lossless.iter().filter(|(cell, _)| {
                        (cell.peer, cell.suite, cell.peer_side) == (peer, suite, side)
                    });
                    tally(peer, cells, notes)
                });
                let _ = match &sides {
                    [one, other] if one == other => write!(out, "| {one} "),
                    [client, server] => write!(out, "| {client}; {server} "),
                };
            }
            out.push_str("|\n");
        }
    }
}

fn tally<'a>(
    peer: Peer,
    cells: impl Iterator<Item = &'a (Cell, Outcome)> + Clone,
    notes: &mut Notes,
) -> String {
    let count = Count::of(cells.clone());
    let mut marks: Vec<String> = Vec::new();
    for (_, outcome) in cells {
        if let Outcome::Unsupported(why) | Outcome::Failed(why) = outcome {
            let mark = notes.mark(peer, why);
            if !marks.contains(&mark) {
                marks.push(mark);
            }
        }
    }
    let tried = count.passed + count.failed;
    let mut text = if tried == 0 {
        String::from("-")
    } else {
        format!("{}/{tried}", count.passed)
    };
    if count.failed > 0 {
        text = format!("**{text}**");
    }
    for mark in marks {
        let _ = write!(text, " {mark}");
    }
    text
}

fn lossy(out: &mut String, run: &Run, notes: &mut Notes) {
    let _ = writeln!(
        out,
        "\n## With a lossy relay\n\n\
         {} seeds for each suite and side, spread over all variants. Every other one limits datagrams, \
         each to another size from {MIN_MTU} bytes on, and has an identity hint of 200 bytes, so that flights and \
         messages are cut at many places. The relay \
         (str0m-netem) loses {:.0} % of the datagrams in each direction, duplicates {:.0} %, and delays them \
         by {} ms ± {} ms, which reorders them. In one of {SLOW_EVERY} networks it delays handshakes by {} ms, \
         longer than dtls-psk's first timeout. All libraries use their default timers. The handshake must \
         complete, no record may arrive changed or twice, and close_notify must be answered. DTLS does not \
         retransmit close_notify, so the relay does not lose alerts. The columns contain passed cells, the \
         median and longest handshake, and the share of the {LOSSY_RECORDS} records that were echoed.\n",
        run.seeds,
        LOSS * 100.0,
        DUPLICATES * 100.0,
        LATENCY.as_millis(),
        JITTER.as_millis(),
        SLOW_LATENCY.as_millis(),
    );
    header(out, &["peer", "as"], &suite_names());
    for ready in &run.ready {
        let peer = ready.peer;
        if !run.lossy.iter().any(|(cell, _)| cell.peer == peer) {
            continue;
        }
        for side in Side::BOTH {
            let _ = write!(out, "| {} | {} ", run.name(peer), side.name());
            for &suite in CipherSuite::ALL {
                let cells = run.lossy.iter().filter(|(cell, _)| {
                    (cell.peer, cell.suite, cell.peer_side) == (peer, suite, side)
                });
                let mut handshakes: Vec<Duration> = passed(cells.clone())
                    .map(|passed| passed.handshake)
                    .collect();
                handshakes.sort();
                let mut text = tally(peer, cells.clone(), notes);
                let median = handshakes.get(handshakes.len() / 2);
                if let (Some(median), Some(longest)) = (median, handshakes.last()) {
                    // A count of seeds is exact.
                    let returned: f64 = passed(cells).map(|passed| passed.returned).sum();
                    let _ = write!(
                        text,
                        ", {:.2} s, {:.1} s, {:.0} %",
                        median.as_secs_f64(),
                        longest.as_secs_f64(),
                        100.0 * returned / handshakes.len() as f64
                    );
                }
                let _ = write!(out, "| {text} ");
            }
            out.push_str("|\n");
        }
    }
}

fn passed<'a>(cells: impl Iterator<Item = &'a (Cell, Outcome)>) -> impl Iterator<Item = Passed> {
    cells.filter_map(|(_, outcome)| match outcome {
        Outcome::Passed(passed) => Some(*passed),
        _ => None,
    })
}

fn each(out: &mut String, run: &Run, peer: Peer, notes: &mut Notes) {
    let _ = writeln!(out, "\n### {}\n", run.name(peer));
    let columns = COLUMNS.map(|(name, ..)| name.to_owned());
    header(out, &["suite", "group", "MAC", "peer is"], &columns);
    let cells: Vec<&(Cell, Outcome)> = run
        .lossless
        .iter()
        .filter(|(cell, _)| cell.peer == peer)
        .collect();
    // The lines in the order of the cells.
    let line = |cell: &Cell| (cell.suite, cell.group, cell.etm, cell.peer_side);
    let mut lines = Vec::new();
    for (cell, _) in &cells {
        if !lines.contains(&line(cell)) {
            lines.push(line(cell));
        }
    }
    for (suite, group, etm, side) in lines {
        let mac = match (suite.is_cbc(), etm) {
            (false, _) => "AEAD",
            (true, true) => "EtM",
            (true, false) => "no EtM",
        };
        let group_name = group.map_or("-", |group| group.name());
        let _ = write!(
            out,
            "| {:#06X} | {group_name} | {mac} | {} ",
            suite.id(),
            side.name()
        );
        for (_, cookie, ems) in COLUMNS {
            let found = cells.iter().find(|(cell, _)| {
                line(cell) == (suite, group, etm, side) && (cell.cookie, cell.ems) == (cookie, ems)
            });
            let text = match found.map(|(_, outcome)| outcome) {
                Some(Outcome::Passed(passed)) => {
                    format!("{:.1}", passed.handshake.as_secs_f64() * 1e3)
                }
                Some(Outcome::Unsupported(why)) => format!("unsupported {}", notes.mark(peer, why)),
                Some(Outcome::Failed(why)) => format!("**FAILED** {}", notes.mark(peer, why)),
                None => String::from("not run"),
            };
            let _ = write!(out, "| {text} ");
        }
        out.push_str("|\n");
    }
}
