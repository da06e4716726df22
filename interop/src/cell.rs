//! Runs one cell: two sides, optionally with a relay between them.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::application::{self, Endpoint, Finished, Negotiated};
use crate::dimpl_endpoint::DimplEndpoint;
use crate::link::{self, Link};
use crate::matrix::{Cell, Peer, Settings, Side, Switch};
use crate::ours::Ours;
use crate::peers::{Process, Ready};
use crate::relay::Relay;

/// The time limit of a cell.
const LIMIT: Duration = Duration::from_secs(130);
/// The time that one side has to report its error after the other failed.
const GRACE: Duration = Duration::from_millis(500);
const POLL_INTERVAL: Duration = Duration::from_millis(2);

/// The result of a cell.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Passed(Passed),
    /// The peer does not support it. Contains the reason.
    Unsupported(String),
    Failed(String),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed {
    /// The time from dtls-psk's first datagram to its being connected.
    pub(crate) handshake: Duration,
    /// The fraction of the client's records that were echoed.
    pub(crate) returned: f64,
}

/// Runs `cell` with `peer`.
///
/// A failure is attributed to the peer if it fails with the same error when `reference`, another
/// implementation, replaces dtls-psk.
pub(crate) fn run(cell: &Cell, peer: &Ready, reference: Option<&Ready>) -> Outcome {
    let (theirs, ours) = match cell.settings(&peer.abilities) {
        Ok(settings) => settings,
        Err(why) => return Outcome::Unsupported(why),
    };
    let party = Party::of(peer);
    let (by_peer, by_us) = match run_sides(cell, (party, theirs), (Party::Ours, ours)) {
        Ok((Ok(theirs), Ok(ours))) => {
            return check(cell, &theirs, &ours).unwrap_or_else(Outcome::Failed);
        }
        Ok((theirs, ours)) => (theirs.err(), ours.err()),
        Err(why) => return Outcome::Failed(why),
    };
    if let Some(why) = &by_peer {
        // The peer itself gives the reason for a requirement.
        if is_required(cell, peer) {
            return Outcome::Unsupported(why.clone());
        }
        let reference = reference.filter(|reference| reference.peer != peer.peer);
        if let (Some(reference), None) = (reference, cell.seed) {
            let ours = Settings {
                suite: Some(cell.suite),
                ..ours
            };
            let again = run_sides(cell, (party, theirs), (Party::of(reference), ours));
            if matches!(&again, Ok((Err(same), _)) if same == why) {
                let name = reference.peer.name();
                return Outcome::Unsupported(format!("{why}; same error with {name}"));
            }
        }
    }
    let prefix = |who: &str, why: String| format!("{who}: {why}");
    let by_peer = by_peer.map(|why| prefix(peer.peer.name(), why));
    let by_us = by_us.map(|why| prefix("dtls-psk", why));
    let both: Vec<String> = by_peer.into_iter().chain(by_us).collect();
    Outcome::Failed(both.join("; "))
}

fn is_required(cell: &Cell, peer: &Ready) -> bool {
    peer.abilities.requires.iter().any(|switch| match switch {
        Switch::Cookie => !cell.cookie,
        Switch::Ems => !cell.ems,
        Switch::Etm => !cell.etm,
    })
}

/// Checks that both sides negotiated the parameters of the cell.
fn check(cell: &Cell, theirs: &Finished, ours: &Finished) -> Result<Outcome, String> {
    let expected = Negotiated {
        suite: Some(cell.suite.id()),
        group: cell.group,
        cookie: Some(cell.cookie),
        ems: Some(cell.ems),
        etm: Some(cell.etm && cell.suite.is_cbc()),
        handshake: None,
    };
    for (who, got) in [
        ("the peer", theirs.negotiated),
        ("dtls-psk", ours.negotiated),
    ] {
        let matches = got.suite.is_none_or(|suite| Some(suite) == expected.suite)
            && got.group.is_none_or(|group| Some(group) == expected.group)
            && got
                .cookie
                .is_none_or(|cookie| Some(cookie) == expected.cookie)
            && got.ems.is_none_or(|ems| Some(ems) == expected.ems)
            && got.etm.is_none_or(|etm| Some(etm) == expected.etm);
        if !matches {
            return Err(format!("{who} negotiated {got:?}, expected {expected:?}"));
        }
    }
    let client = match cell.peer_side {
        Side::Client => theirs,
        Side::Server => ours,
    };
    // Both are byte counts far below 2^52.
    let returned = client.received as f64 / client.sent as f64;
    Ok(Outcome::Passed(Passed {
        handshake: ours.negotiated.handshake.unwrap_or_default(),
        returned,
    }))
}

/// A running side.
enum Task {
    Process(Process),
    Thread(Option<JoinHandle<End>>),
}

impl Task {
    fn poll(&mut self) -> Option<End> {
        match self {
            Task::Process(process) => process.poll(),
            Task::Thread(handle) => {
                let handle = handle.take_if(|handle| handle.is_finished())?;
                Some(
                    handle
                        .join()
                        .unwrap_or_else(|_| Err("thread panicked".into())),
                )
            }
        }
    }
}

/// Both running sides.
struct Pair {
    client: Task,
    server: Task,
    abandoned: Arc<AtomicBool>,
    /// Kept until both have ended.
    _relay: Option<Relay>,
}

type End = Result<Finished, String>;

/// The implementation on one side of a cell.
#[derive(Clone, Copy)]
enum Party<'a> {
    Program(&'a Path),
    Dimpl,
    Ours,
}

impl<'a> Party<'a> {
    fn of(peer: &'a Ready) -> Self {
        match (&peer.program, peer.peer) {
            (Some(program), _) => Party::Program(program),
            (None, Peer::Dimpl) => Party::Dimpl,
            (None, _) => Party::Ours,
        }
    }
}

/// Runs the two sides of a cell and returns their results.
fn run_sides(
    cell: &Cell,
    first: (Party<'_>, Settings),
    second: (Party<'_>, Settings),
) -> Result<(End, End), String> {
    let first_is_client = first.1.side == Side::Client;
    let (client, server) = if first_is_client {
        (first, second)
    } else {
        (second, first)
    };
    let abandoned = Arc::new(AtomicBool::new(false));
    let (server, mut address) = start_server(server, Arc::clone(&abandoned))?;
    let relay = match cell.network() {
        Some(network) => Some(Relay::start(address, network).map_err(|e| e.to_string())?),
        None => None,
    };
    if let Some(relay) = &relay {
        address = relay.address();
    }
    let pair = Pair {
        client: start_client(client, address, Arc::clone(&abandoned))?,
        server,
        abandoned,
        _relay: relay,
    };
    let (client, server) = pair.finish();
    Ok(if first_is_client {
        (client, server)
    } else {
        (server, client)
    })
}

fn start_client(
    (party, settings): (Party<'_>, Settings),
    server: SocketAddr,
    abandoned: Arc<AtomicBool>,
) -> Result<Task, String> {
    if let Party::Program(program) = party {
        let process = Process::start(program, &settings, server.port())?;
        return Ok(Task::Process(process));
    }
    let link = Link::to(server, abandoned).map_err(|e| e.to_string())?;
    let dimpl = matches!(party, Party::Dimpl);
    let work = move || in_process(link, &settings, dimpl);
    Ok(Task::Thread(Some(thread::spawn(work))))
}

fn start_server(
    (party, settings): (Party<'_>, Settings),
    abandoned: Arc<AtomicBool>,
) -> Result<(Task, SocketAddr), String> {
    if let Party::Program(program) = party {
        let mut process = Process::start(program, &settings, 0)?;
        let port = process.port()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        return Ok((Task::Process(process), address));
    }
    let socket = link::bind().map_err(|e| e.to_string())?;
    let address = socket.local_addr().map_err(|e| e.to_string())?;
    let dimpl = matches!(party, Party::Dimpl);
    let work = move || {
        let link = Link::from_client(socket, abandoned)?;
        in_process(link, &settings, dimpl)
    };
    Ok((Task::Thread(Some(thread::spawn(work))), address))
}

fn in_process(link: Link, settings: &Settings, dimpl: bool) -> End {
    let mut endpoint: Box<dyn Endpoint> = if dimpl {
        Box::new(DimplEndpoint::new(link, settings)?)
    } else {
        Box::new(Ours::new(link, settings)?)
    };
    application::run(endpoint.as_mut(), settings)
}

impl Pair {
    /// Waits for client and server. If one fails, the other has only a short time left.
    fn finish(mut self) -> (End, End) {
        let (mut client, mut server) = (None, None);
        let mut end = Instant::now() + LIMIT;
        loop {
            client = client.or_else(|| self.client.poll());
            server = server.or_else(|| self.server.poll());
            let failed = |side: &Option<Result<_, _>>| matches!(side, Some(Err(_)));
            if (failed(&client) || failed(&server)) && !self.abandoned.load(Ordering::Relaxed) {
                self.abandoned.store(true, Ordering::Relaxed);
                end = end.min(Instant::now() + GRACE);
            }
            if client.is_some() && server.is_some() || Instant::now() > end {
                let hung = || Err("timed out".into());
                // Dropping a process kills it, and a thread checks `abandoned`.
                self.abandoned.store(true, Ordering::Relaxed);
                return (client.unwrap_or_else(hung), server.unwrap_or_else(hung));
            }
            thread::sleep(POLL_INTERVAL);
        }
    }
}
