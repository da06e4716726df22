//! The shortest program that writes a camera's video to its standard output. It does not reconnect,
//! and does not close the session: see `blocking`.
//! Dependencies: tutk-session, rand
//!
//! ```sh
//! cargo run -p tutk-session --example short -- 'wyze://HOST?uid=…&enr=…&mac=…' > out.h264
//! ```
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    reason = "an example owns the socket, the clocks and the buffer"
)]

use std::{io::Write as _, io::stdout, net::ToSocketAddrs as _, net::UdpSocket, time::*};
use tutk_session::{CameraUrl, Client, ClientConfig, Epoch, Event, Output};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url: CameraUrl = std::env::args().nth(1).ok_or("usage: short URL")?.parse()?;
    let (mut addresses, mut buffer) = (url.host_and_port().to_socket_addrs()?, [0; 2048]);
    let (socket, unix) = (UdpSocket::bind("0.0.0.0:0")?, UNIX_EPOCH.elapsed()?);
    let config = ClientConfig::for_url(addresses.next().ok_or("no address")?, url);
    let mut client = Client::new(config, rand::random(), Epoch::new(Instant::now(), unix));
    loop {
        let now = Instant::now().into();
        match client.poll_output() {
            Output::Transmit(datagram) => _ = socket.send_to(datagram.payload, datagram.to)?,
            Output::Event(Event::Frame(f)) if f.kind.is_video() => stdout().write_all(&f.data)?,
            Output::Event(Event::Ended(result)) => return Ok(result?),
            Output::Event(_) => {}
            Output::Timeout(at) if at <= now => client.handle_timeout(now),
            Output::Timeout(at) => {
                socket.set_read_timeout(Some(at - now))?;
                if let Ok((len, from)) = socket.recv_from(&mut buffer) {
                    client.handle_datagram(Instant::now().into(), from, &mut buffer[..len]);
                }
            }
        }
    }
}
