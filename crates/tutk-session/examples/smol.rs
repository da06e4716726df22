//! Records one session of a camera's video on smol. Any async runtime with UDP sockets and timers
//! works. For reconnects, see the example `blocking`.
//!
//! ```sh
//! cargo run -p tutk-session --example smol -- 'wyze://HOST?uid=…&enr=…&mac=…' 100 out.h264
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
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use smol::Timer;
use smol::future::FutureExt as _;
use smol::net::{UdpSocket, resolve};
use tutk_session::{CameraUrl, Client, ClientConfig, Epoch, Event, Instant, Output};

const USAGE: &str = "usage: smol 'wyze://HOST[:PORT]?uid=…&enr=…&mac=…' FRAMES [FILE]";

/// The next input.
enum Input {
    Datagram(usize, SocketAddr),
    Timeout,
}

fn main() -> ExitCode {
    match smol::block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url: CameraUrl = arguments.next().ok_or(USAGE)?.parse()?;
    let mut frames_left: u64 = arguments.next().ok_or(USAGE)?.parse()?;
    let mut output: Box<dyn Write> = match arguments.next() {
        Some(path) => Box::new(File::create(path)?),
        None => Box::new(io::stdout().lock()),
    };
    let addresses = resolve(url.host_and_port()).await?;
    let &camera = addresses.first().ok_or("the host has no address")?;

    let socket = UdpSocket::bind(match camera.is_ipv4() {
        true => "0.0.0.0:0",
        false => "[::]:0",
    })
    .await?;
    let mut config = ClientConfig::new(camera, url.credentials);
    config.media.audio = false;
    let epoch = Epoch {
        instant: clock(),
        unix: SystemTime::now().duration_since(UNIX_EPOCH)?,
    };
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let mut client = Client::new(config, seed, epoch);

    let mut buffer = vec![0; 65_536];
    loop {
        // 1. Handle all output.
        let was_complete = frames_left == 0;
        let deadline = loop {
            match client.poll_output() {
                Output::Transmit(datagram) => {
                    socket.send_to(datagram.payload, datagram.to).await?;
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
        // 2. Feed one input: close, a timeout or a datagram. The timeout is polled first, so that a
        //    flood of datagrams cannot delay it.
        if frames_left == 0 && !was_complete {
            client.close(clock());
            continue;
        }
        let timeout = async {
            Timer::at(deadline.into()).await;
            io::Result::Ok(Input::Timeout)
        };
        let datagram = async {
            let (len, from) = socket.recv_from(&mut buffer).await?;
            Ok(Input::Datagram(len, from))
        };
        match timeout.or(datagram).await? {
            Input::Timeout => client.handle_timeout(clock()),
            Input::Datagram(len, from) => {
                let datagram = buffer.get_mut(..len).unwrap_or_default();
                client.handle_datagram(clock(), from, datagram);
            }
        }
    }
}

/// The current time of the system's monotonic clock.
fn clock() -> Instant {
    std::time::Instant::now().into()
}
