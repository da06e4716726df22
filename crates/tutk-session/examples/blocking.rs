//! A camera's video with the standard library's sockets: one thread, no runtime.
//!
//! ```sh
//! cargo run -p tutk-session --example blocking -- 'wyze://HOST?uid=…&enr=…&mac=…' 100 out.h264
//! ```
//!
//! Without a file the stream goes to standard output: `… 1000 | ffplay -`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an example is a caller of the core: it owns the socket, the clocks and the file"
)]

use std::error::Error;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::net::{ToSocketAddrs as _, UdpSocket};
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rand::SeedableRng as _;
use rand::rngs::{StdRng, SysRng};
use tutk_session::{CameraUrl, Client, ClientConfig, Epoch, Event, Output};

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
    let camera = (url.host.as_str(), url.port)
        .to_socket_addrs()?
        .next()
        .ok_or("the host has no address")?;

    let socket = UdpSocket::bind(match camera.is_ipv4() {
        true => "0.0.0.0:0",
        false => "[::]:0",
    })?;
    let mut config = ClientConfig::new(camera, url.credentials);
    config.media.audio = false;
    let epoch = Epoch {
        instant: Instant::now(),
        unix: SystemTime::now().duration_since(UNIX_EPOCH)?,
    };
    let rng = StdRng::try_from_rng(&mut SysRng)?;
    let mut client = Client::new(config, Box::new(rng), epoch);

    let mut buffer = vec![0; 65_536];
    loop {
        // 1. Do what the client wants done, until it has nothing more to say.
        let had_enough = frames_left == 0;
        let deadline = loop {
            match client.poll_output() {
                Output::Transmit(datagram) => {
                    socket.send_to(datagram.payload, datagram.to)?;
                }
                Output::Event(Event::Frame(frame)) if frames_left > 0 => {
                    output.write_all(&frame.data)?;
                    frames_left -= 1;
                }
                Output::Event(Event::Phase(report)) => {
                    eprintln!("{}: {:.3} s", report.phase, report.took.as_secs_f32());
                }
                Output::Event(Event::Ended(result)) => {
                    output.flush()?;
                    return Ok(result?);
                }
                Output::Event(_) => {}
                Output::Timeout(deadline) => break deadline,
            }
        };
        // 2. Feed it one input: the end, the time, or a datagram.
        if frames_left == 0 && !had_enough {
            client.close(Instant::now());
            continue;
        }
        let wait = deadline.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            client.handle_timeout(Instant::now());
            continue;
        }
        socket.set_read_timeout(Some(wait))?;
        match socket.recv_from(&mut buffer) {
            Ok((len, from)) => {
                let datagram = buffer.get_mut(..len).unwrap_or_default();
                client.handle_datagram(Instant::now(), from, datagram);
            }
            // The time is over (the name of that depends on the system): the next round sees it.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
