//! Counts the frames of two cameras, whose sessions share one socket, on mio.
//! Dependencies: tutk-session, getrandom, mio[net,os-poll]
//!
//! ```sh
//! cargo run -p tutk-session --example mio -- 100 'wyze://HOST?uid=…' 'wyze://OTHER?uid=…'
//! ```
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an example owns the socket and the clocks"
)]

use std::collections::BTreeMap;
use std::error::Error;
use std::io::ErrorKind;
use std::net::ToSocketAddrs as _;
use std::time::{SystemTime, UNIX_EPOCH};

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token};
use tutk_session::{CameraUrl, Client, ClientConfig, Endpoint, Epoch, Event, Instant, Output};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let frames: u32 = arguments.next().ok_or("usage: mio FRAMES URL…")?.parse()?;
    let mut endpoint = Endpoint::new();
    let mut received = BTreeMap::new();
    for argument in arguments {
        let url: CameraUrl = argument.parse()?;
        received.insert(endpoint.insert(client(url)?), (argument, 0));
    }

    let mut socket = UdpSocket::bind("0.0.0.0:0".parse()?)?;
    let (mut poll, mut events) = (Poll::new()?, Events::with_capacity(1));
    poll.registry()
        .register(&mut socket, Token(0), Interest::READABLE)?;
    let mut buffer = [0; 2048];
    while endpoint.clients().next().is_some() {
        // 1. Handle all output.
        let deadline = loop {
            match endpoint.poll_output() {
                Output::Transmit(datagram) => {
                    // Errors are ignored: UDP can lose datagrams.
                    let _ = socket.send_to(datagram.payload, datagram.to);
                }
                Output::Event((id, Event::Frame(_))) => {
                    let count = received.get_mut(&id).map(|(_, count)| count);
                    let is_last = count.is_some_and(|count| {
                        *count += 1;
                        *count == frames
                    });
                    if is_last && let Some(client) = endpoint.client_mut(id) {
                        client.close(clock());
                    }
                }
                Output::Event((id, Event::Ended(result))) => {
                    endpoint.remove(id);
                    if let Some((url, count)) = received.get(&id) {
                        println!("{count} frames of {url}");
                    }
                    result?;
                }
                Output::Event(_) => {}
                Output::Timeout(deadline) => break deadline,
            }
        };
        // 2. Feed one input. mio reports the socket once, until it has no datagram left.
        let wait = deadline.duration_since(clock());
        if wait.is_zero() {
            endpoint.handle_timeout(clock());
            continue;
        }
        match socket.recv_from(&mut buffer) {
            Ok((len, from)) => {
                let datagram = buffer.get_mut(..len).unwrap_or_default();
                endpoint.handle_datagram(clock(), from, datagram);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                poll.poll(&mut events, Some(wait))?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// A client of the camera that receives video only.
fn client(url: CameraUrl) -> Result<Client, Box<dyn Error>> {
    let mut addresses = url.host_and_port().to_socket_addrs()?;
    let camera = addresses.next().ok_or("no address")?;
    let mut config = ClientConfig::for_url(camera, url);
    config.media.audio = false;
    let epoch = Epoch {
        instant: clock(),
        unix: SystemTime::now().duration_since(UNIX_EPOCH)?,
    };
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(Client::new(config, seed, epoch))
}

/// The current time of the system's monotonic clock.
fn clock() -> Instant {
    std::time::Instant::now().into()
}
