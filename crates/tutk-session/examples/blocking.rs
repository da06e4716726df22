//! Records a camera's video with the standard library's sockets, in one thread. Reconnects after a
//! failure: the recording continues with the next key frame.
//!
//! ```sh
//! cargo run -p tutk-session --example blocking -- \
//!     'wyze://HOST?uid=…&enr=…&mac=…' 100 out.h264
//! ```
//!
//! Without a file, the stream goes to standard output: `… 1000 | ffplay -`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an example owns the socket, the clocks and the file"
)]

use std::error::Error;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::net::{SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::process::ExitCode;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use tutk_session::{
    CameraUrl, Connect, Epoch, Event, Instant, ReconnectPolicy, Supervisor, SupervisorConfig,
    SupervisorEvent, SupervisorOutput,
};

const USAGE: &str = "usage: blocking 'wyze://HOST[:PORT]?uid=…&enr=…&mac=…' FRAMES [FILE]";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url: CameraUrl = arguments.next().ok_or(USAGE)?.parse()?;
    let mut frames_left: u64 = arguments.next().ok_or(USAGE)?.parse()?;
    let mut output: Box<dyn Write> = match arguments.next() {
        Some(path) => Box::new(File::create(path)?),
        None => Box::new(io::stdout().lock()),
    };

    // The host name is resolved before each attempt, so the address may change.
    let mut config = SupervisorConfig::for_url(url, ReconnectPolicy::default());
    config.client.media.audio = false;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let mut supervisor = Supervisor::new(config, seed, epoch()?);

    let mut socket: Option<UdpSocket> = None;
    let mut buffer = vec![0; 65_536];
    loop {
        // 1. Handle all output.
        let was_complete = frames_left == 0;
        let deadline = loop {
            match supervisor.poll_output() {
                SupervisorOutput::Connect(connect) => match open(&connect) {
                    Ok((opened, camera)) => {
                        socket = Some(opened);
                        supervisor.handle_connected(epoch()?, camera);
                    }
                    Err(error) => supervisor.handle_connect_failed(clock(), error.into()),
                },
                SupervisorOutput::CloseSocket => socket = None,
                SupervisorOutput::Transmit(datagram) => {
                    if let Some(socket) = &socket {
                        // Errors are ignored: the network may be down, and UDP can lose datagrams.
                        let _ = socket.send_to(datagram.payload, datagram.to);
                    }
                }
                SupervisorOutput::Event(SupervisorEvent::Frame(frame)) if frames_left > 0 => {
                    output.write_all(&frame.frame.data)?;
                    frames_left -= 1;
                }
                SupervisorOutput::Event(SupervisorEvent::Session(Event::Phase(report))) => {
                    eprintln!("{}: {:.3} s", report.phase, report.took.as_secs_f32());
                }
                SupervisorOutput::Event(SupervisorEvent::Disconnected(disconnect)) => {
                    let next = disconnect.next.unwrap_or_default().as_secs_f32();
                    eprintln!("{}; next attempt in {next:.1} s", disconnect.error);
                }
                SupervisorOutput::Event(SupervisorEvent::Ended(result)) => {
                    output.flush()?;
                    return Ok(result?);
                }
                SupervisorOutput::Event(_) => {}
                SupervisorOutput::Timeout(deadline) => break deadline,
            }
        };
        // 2. Feed one input: close, a timeout or a datagram.
        if frames_left == 0 && !was_complete {
            supervisor.close(clock());
            continue;
        }
        let wait = deadline.duration_since(clock());
        if wait.is_zero() {
            supervisor.handle_timeout(clock());
            continue;
        }
        let Some(socket) = &socket else {
            thread::sleep(wait);
            continue;
        };
        socket.set_read_timeout(Some(wait))?;
        match socket.recv_from(&mut buffer) {
            Ok((len, from)) => {
                let datagram = buffer.get_mut(..len).unwrap_or_default();
                supervisor.handle_datagram(clock(), from, datagram);
            }
            // The error kind of a timeout depends on the system.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Opens a socket, and resolves the camera's address.
fn open(connect: &Connect) -> io::Result<(UdpSocket, SocketAddr)> {
    let host = connect.host.as_deref().unwrap_or_default();
    let resolved = (host, connect.camera.port()).to_socket_addrs();
    let camera = connect
        .choose(resolved.into_iter().flatten())
        .ok_or_else(|| io::Error::other(format!("cannot resolve {host}")))?;
    let socket = UdpSocket::bind(match camera.is_ipv4() {
        true => "0.0.0.0:0",
        false => "[::]:0",
    })?;
    Ok((socket, camera))
}

fn epoch() -> Result<Epoch, Box<dyn Error>> {
    Ok(Epoch {
        instant: clock(),
        unix: SystemTime::now().duration_since(UNIX_EPOCH)?,
    })
}

/// The current time of the system's monotonic clock.
fn clock() -> Instant {
    std::time::Instant::now().into()
}
