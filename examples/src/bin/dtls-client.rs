//! Sends a line to a DTLS-PSK server at ADDRESS:PORT, for example `openssl s_server`, and prints
//! what it sends.
//! Dependencies: dtls-psk, rand

use dtls_psk::{Config, Connection, Event, Output, Psk};
use std::{env, net::UdpSocket, sync::Arc, time::Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (socket, mut buffer) = (UdpSocket::bind("0.0.0.0:0")?, [0; 2048]);
    socket.connect(env::args().nth(1).ok_or("usage: dtls-client PEER")?)?;
    let config = Config::client("client", Psk::new(*b"0123456789abcdef0123456789ABCDEF"));
    let mut dtls = Connection::client(Arc::new(config), rand::random(), Instant::now().into())?;
    let print = |data: &mut [u8]| print!("{}", String::from_utf8_lossy(data));
    loop {
        let now = Instant::now().into();
        match dtls.poll_output() {
            Output::Transmit(datagram) => _ = socket.send(datagram)?,
            Output::Event(Event::Connected(_)) => dtls.send(b"hello\n")?,
            Output::Event(Event::Closed) => return Ok(()),
            Output::Event(_) => {}
            Output::Timeout(at) if at <= now => dtls.handle_timeout(now)?,
            Output::Timeout(at) => {
                socket.set_read_timeout(Some(at - now))?;
                if let Ok(len) = socket.recv(&mut buffer) {
                    dtls.handle_datagram(Instant::now().into(), &mut buffer[..len], print)?;
                }
            }
        }
    }
}
