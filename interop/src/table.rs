//! What came out, as a page.

use std::fmt::Write as _;
use std::time::Duration;

use dtls_psk::CipherSuite;

use crate::cell::{Outcome, Passed};
use crate::matrix::{Cell, LOSSY_RECORDS, Peer, SLOW_EVERY, Side};
use crate::peers::Ready;
use crate::relay::{DUPLICATES, JITTER, LATENCY, LOSS, SLOW_LATENCY};

/// Everything that a run brought.
#[derive(Default)]
pub(crate) struct Run {
    pub(crate) ready: Vec<Ready>,
    /// Peers that could not be built, and why.
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

/// Reasons, each told once, below the tables.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    /// The mark of a reason.
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

/// A cell in one line.
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

/// One line about all of it.
pub(crate) fn summary(run: &Run) -> String {
    let tally = |cells: &[(Cell, Outcome)]| {
        let count = Count::of(cells.iter());
        format!(
            "{} passed, {} cannot, {} failed",
            count.passed, count.cannot, count.failed
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
    cannot: usize,
    failed: usize,
}

impl Count {
    fn of<'a>(cells: impl Iterator<Item = &'a (Cell, Outcome)>) -> Self {
        let mut count = Self::default();
        for (_, outcome) in cells {
            match outcome {
                Outcome::Passed(_) => count.passed += 1,
                Outcome::Cannot(_) => count.cannot += 1,
                Outcome::Failed(_) => count.failed += 1,
            }
        }
        count
    }
}

pub(crate) fn page(run: &Run) -> String {
    let mut notes = Notes::default();
    let mut out = String::from(INTRODUCTION);
    out.push_str("\n## All cells without loss\n\n");
    out.push_str(
        "Passed, of those that the peer can do; the peer as client, then as server. \
         A number in brackets says below why others cannot be.\n\n",
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
    let _ = writeln!(out, "\nIn all: {}.", summary(run));
    out
}

const INTRODUCTION: &str = "\
# dtls-psk and others

Written by `cargo xtask interop`; do not edit.

Each cell is a handshake over UDP on loopback between dtls-psk and the peer, 1 MB of application data
each way in numbered records that are checked byte by byte, and close_notify both ways. Both sides must
agree on what the cell is for: the suite, the group, the cookie exchange, the extended master secret (EMS)
and encrypt-then-MAC (EtM). The peer has nothing but the cell's suite and group, dtls-psk has all of its
own. What is not to be agreed on is not offered by the client in the cells with a cookie, and not taken
by the server in those without; where the peer has no switch for it, dtls-psk's is used. A cell counts
as one that the peer cannot do if it says so, or if it fails with the same words when OpenSSL takes
dtls-psk's place. As a server dtls-psk is behind its `Acceptor` in the cells with EMS, and a lone `Connection`
in the others.

The peers are small C programs (interop/peers) on the system's libraries, dimpl in the same process, and
dtls-psk itself.
";

const EACH: &str = "\
Milliseconds from dtls-psk's first datagram to its being connected, in a cell that passed. \"With
cookie\" is a HelloVerifyRequest by whichever side is the server.
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
        if let Outcome::Cannot(why) | Outcome::Failed(why) = outcome {
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
        "\n## Through a lossy relay\n\n\
         {} seeds a suite and side, over all of its variants; every other one with datagrams of 256 bytes \
         at most and an identity hint of 200 bytes, so that flights and messages are cut. The relay \
         (str0m-netem) loses {:.0} % each way, doubles {:.0} %, and delays by {} ms give or take {}, so that \
         datagrams overtake each other; in one of {SLOW_EVERY} networks it delays handshakes by {} ms, longer than \
         dtls-psk's first wait. All timers are those that the libraries come with. The handshake \
         must complete, no record may arrive wrong or twice, and close_notify must be answered; as DTLS \
         does not send that again, the relay spares alerts. Passed, median and longest handshake, and \
         which part of {LOSSY_RECORDS} records made it there and back.\n",
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
                    // A count of seeds: exact.
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
    // The lines, in the order of the cells.
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
                Some(Outcome::Cannot(why)) => format!("cannot {}", notes.mark(peer, why)),
                Some(Outcome::Failed(why)) => format!("**FAILED** {}", notes.mark(peer, why)),
                None => String::from("not run"),
            };
            let _ = write!(out, "| {text} ");
        }
        out.push_str("|\n");
    }
}
