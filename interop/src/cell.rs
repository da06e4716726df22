//! Running one cell: two sides, perhaps with a relay between them.

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

/// After this, a cell that has not ended never will.
const LIMIT: Duration = Duration::from_secs(130);
/// How long one side has to say why, once the other has failed.
const GRACE: Duration = Duration::from_millis(500);
const GLANCE: Duration = Duration::from_millis(2);

/// What became of a cell.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    Passed(Passed),
    /// The peer cannot do it, and why.
    Cannot(String),
    Failed(String),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Passed {
    /// From dtls-psk's first datagram, sent or received, to its being connected.
    pub(crate) handshake: Duration,
    /// Of the records that the client sent, those that came back, of one.
    pub(crate) returned: f64,
}

/// Runs `cell` with `peer`. A failure is the peer's own if it fails with the same words where `reference`,
/// another implementation, takes dtls-psk's place.
pub(crate) fn run(cell: &Cell, peer: &Ready, reference: Option<&Ready>) -> Outcome {
    let (theirs, ours) = match cell.settings(&peer.abilities) {
        Ok(settings) => settings,
        Err(why) => return Outcome::Cannot(why),
    };
    let party = Party::of(peer);
    let (by_peer, by_us) = match meet(cell, (party, theirs), (Party::Ours, ours)) {
        Ok((Ok(theirs), Ok(ours))) => {
            return check(cell, &theirs, &ours).unwrap_or_else(Outcome::Failed);
        }
        Ok((theirs, ours)) => (theirs.err(), ours.err()),
        Err(why) => return Outcome::Failed(why),
    };
    if let Some(why) = &by_peer {
        // What the peer demands is for itself to say.
        if demanded(cell, peer) {
            return Outcome::Cannot(why.clone());
        }
        let reference = reference.filter(|reference| reference.peer != peer.peer);
        if let (Some(reference), None) = (reference, cell.seed) {
            let ours = Settings {
                suite: Some(cell.suite),
                ..ours
            };
            let again = meet(cell, (party, theirs), (Party::of(reference), ours));
            if matches!(&again, Ok((Err(same), _)) if same == why) {
                let name = reference.peer.name();
                return Outcome::Cannot(format!("{why}; it says the same to {name}"));
            }
        }
    }
    let says = |who: &str, why: String| format!("{who}: {why}");
    let by_peer = by_peer.map(|why| says(peer.peer.name(), why));
    let by_us = by_us.map(|why| says("dtls-psk", why));
    let both: Vec<String> = by_peer.into_iter().chain(by_us).collect();
    Outcome::Failed(both.join("; "))
}

fn demanded(cell: &Cell, peer: &Ready) -> bool {
    peer.abilities.demands.iter().any(|switch| match switch {
        Switch::Cookie => !cell.cookie,
        Switch::Ems => !cell.ems,
        Switch::Etm => !cell.etm,
    })
}

/// That both sides agree on what was to be agreed on.
fn check(cell: &Cell, theirs: &Finished, ours: &Finished) -> Result<Outcome, String> {
    let wanted = Negotiated {
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
        let as_wanted = got.suite.is_none_or(|suite| Some(suite) == wanted.suite)
            && got.group.is_none_or(|group| Some(group) == wanted.group)
            && got
                .cookie
                .is_none_or(|cookie| Some(cookie) == wanted.cookie)
            && got.ems.is_none_or(|ems| Some(ems) == wanted.ems)
            && got.etm.is_none_or(|etm| Some(etm) == wanted.etm);
        if !as_wanted {
            return Err(format!("{who} agreed on {got:?}, not on {wanted:?}"));
        }
    }
    let client = match cell.peer_side {
        Side::Client => theirs,
        Side::Server => ours,
    };
    // Both are counts of bytes far below 2^52.
    let returned = client.received as f64 / client.sent as f64;
    Ok(Outcome::Passed(Passed {
        handshake: ours.negotiated.handshake.unwrap_or_default(),
        returned,
    }))
}

/// One side at work.
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
                Some(handle.join().unwrap_or_else(|_| Err("it panicked".into())))
            }
        }
    }
}

/// Both sides at work.
struct Pair {
    client: Task,
    server: Task,
    abandoned: Arc<AtomicBool>,
    /// Kept until both have ended.
    _relay: Option<Relay>,
}

type End = Result<Finished, String>;

/// Who is one side of a cell.
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

/// Runs the two sides of a cell: how the first ended, and the second.
fn meet(
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
    /// Waits for both, client and server, and not much longer for the second if the first fails.
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
                let hung = || Err("it did not end".into());
                // A process that hangs is ended as it is dropped, a thread has seen `abandoned`.
                self.abandoned.store(true, Ordering::Relaxed);
                return (client.unwrap_or_else(hung), server.unwrap_or_else(hung));
            }
            thread::sleep(GLANCE);
        }
    }
}
