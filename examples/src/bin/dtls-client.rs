//! Sends a line to a DTLS-PSK server, for example `openssl s_server`, and prints what it sends.
//! Dependencies: dtls-psk, getrandom

use std::{net::UdpSocket, sync::Arc, time::Duration};

use dtls_psk::{Config, Connection, Event, Output, Psk};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = || std::time::Instant::now().into();
    let (mut seed, mut buffer) = ([0; 32], [0; 2048]);
    getrandom::fill(&mut seed)?;
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.connect(
        std::env::args()
            .nth(1)
            .ok_or("usage: dtls-client ADDRESS:PORT")?,
    )?;
    let psk = Psk::new(*b"0123456789abcdef0123456789ABCDEF");
    let mut dtls = Connection::client(Arc::new(Config::client("client", psk)), seed, clock())?;
    loop {
        match dtls.poll_output() {
            Output::Transmit(datagram) => _ = socket.send(datagram)?,
            Output::Event(Event::Connected(_)) => dtls.send(b"hello\n")?,
            Output::Event(Event::Closed) => return Ok(()),
            Output::Event(_) => {}
            Output::Timeout(at) => {
                let wait = at.duration_since(clock()).max(Duration::from_millis(1));
                socket.set_read_timeout(Some(wait))?;
                let Ok(len) = socket.recv(&mut buffer) else {
                    dtls.handle_timeout(clock())?;
                    continue;
                };
                let print = |data: &mut [u8]| print!("{}", String::from_utf8_lossy(data));
                dtls.handle_datagram(clock(), &mut buffer[..len], print)?;
            }
        }
    }
}
