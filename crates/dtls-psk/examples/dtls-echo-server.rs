//! Echoes all data to any number of clients over UDP.
//!
//! ```text
//! cargo run -p dtls-psk --example dtls-echo-server -- 127.0.0.1:4433 me 0102030405060708
//! ```
//!
//! With OpenSSL's client and any suite (`PSK-CHACHA20-POLY1305`, `PSK-AES128-CBC-SHA256`,
//! `ECDHE-PSK-AES128-CBC-SHA256`, `ECDHE-PSK-AES256-CBC-SHA384`, `PSK-AES128-CCM8`):
//!
//! ```text
//! openssl s_client -connect 127.0.0.1:4433 -dtls1_2 -psk_identity me -psk 0102030405060708 \
//!     -cipher ECDHE-PSK-CHACHA20-POLY1305
//! ```
//!
//! With GnuTLS's client, which lets the server select the cipher. With `+ECDHE-PSK` instead of
//! `+PSK` the handshake succeeds too, but `gnutls-cli` 3.7.9 then crashes when it prints the
//! session, also with GnuTLS's own server.
//!
//! ```text
//! gnutls-cli --udp --port 4433 --pskusername me --pskkey 0102030405060708 \
//!     --priority 'NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:+PSK:+AES-128-CCM-8' 127.0.0.1
//! ```

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    reason = "a program with sockets and a clock, which slices its buffer by the received length"
)]

#[path = "common/mod.rs"]
mod common;

use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, UdpSocket};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use common::{Arguments, KeyLog, Result};
use dtls_psk::{Accept, Acceptor, Config, Connection, Event, Instant, Output};

/// The maximum number of clients. Further clients are ignored.
const MAX_CLIENTS: usize = 1000;
/// The time without a datagram after which a client is removed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(300);

struct Server {
    socket: UdpSocket,
    acceptor: Acceptor,
    clients: HashMap<SocketAddr, Client>,
    key_log: Option<KeyLog>,
}

struct Client {
    connection: Connection,
    deadline: Instant,
    last_datagram: Instant,
}

fn main() -> ExitCode {
    common::exit_code(run())
}

fn run() -> Result<()> {
    let arguments = Arguments::read()?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let (identity, psk) = (arguments.identity, arguments.psk);
    let config =
        Config::server(move |name: &[u8]| (name == identity.as_bytes()).then(|| psk.clone()))
            .with_suites(&arguments.suites)
            .with_key_log(arguments.key_log.is_some());
    let mut server = Server {
        socket: UdpSocket::bind(&arguments.address)?,
        acceptor: Acceptor::new(Arc::new(config), seed)?,
        clients: HashMap::new(),
        key_log: arguments.key_log,
    };
    println!("listening on {}", server.socket.local_addr()?);
    let mut buffer = [0; 2048];
    loop {
        server.wait_until_next_deadline()?;
        match server.socket.recv_from(&mut buffer) {
            Ok((len, peer)) => server.handle(peer, &mut buffer[..len])?,
            // Some systems report here that an earlier datagram was refused.
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => {}
            Err(e) if is_timeout(&e) => {}
            Err(e) => return Err(e.into()),
        }
        server.handle_timeouts()?;
    }
}

impl Server {
    fn wait_until_next_deadline(&self) -> Result<()> {
        let deadlines = self.clients.values().map(|client| client.deadline);
        let wait = match deadlines.min() {
            Some(deadline) => deadline.duration_since(clock()),
            None => IDLE_TIMEOUT,
        };
        // Zero would disable the timeout.
        self.socket
            .set_read_timeout(Some(wait.clamp(Duration::from_millis(1), IDLE_TIMEOUT)))?;
        Ok(())
    }

    fn handle(&mut self, peer: SocketAddr, datagram: &mut [u8]) -> Result<()> {
        let now = clock();
        let Some(mut client) = self.clients.remove(&peer) else {
            return self.admit(now, peer, datagram);
        };
        client.last_datagram = now;
        let mut echo = Vec::new();
        let result = client
            .connection
            .handle_datagram(now, datagram, |data| echo.push(data.to_vec()));
        if let Err(error) = result {
            println!("{peer}: {error}");
        }
        for data in echo {
            // Fails only if the client closed the connection.
            if let Err(error) = client.connection.send(&data) {
                println!("{peer}: {error}");
            }
        }
        self.poll(peer, client)
    }

    /// Handles a datagram of a new client. No state is kept before its cookie is verified.
    fn admit(&mut self, now: Instant, peer: SocketAddr, datagram: &mut [u8]) -> Result<()> {
        if self.clients.len() >= MAX_CLIENTS {
            return Ok(());
        }
        let name = peer.to_string();
        let accept = self
            .acceptor
            .handle_datagram(now, name.as_bytes(), datagram)?;
        match accept {
            Accept::Drop => Ok(()),
            Accept::Reply(reply) => {
                send(&self.socket, reply, peer);
                Ok(())
            }
            Accept::Refuse { alert, error } => {
                println!("{peer}: {error}");
                send(&self.socket, alert, peer);
                Ok(())
            }
            Accept::Connection(connection) => {
                let client = Client {
                    connection: *connection,
                    deadline: now,
                    last_datagram: now,
                };
                self.poll(peer, client)
            }
        }
    }

    fn handle_timeouts(&mut self) -> Result<()> {
        let now = clock();
        let due =
            |client: &Client| client.deadline <= now || client.last_datagram + IDLE_TIMEOUT <= now;
        let peers: Vec<SocketAddr> = self
            .clients
            .iter()
            .filter_map(|(peer, client)| due(client).then_some(*peer))
            .collect();
        for peer in peers {
            let Some(mut client) = self.clients.remove(&peer) else {
                continue;
            };
            if client.last_datagram + IDLE_TIMEOUT <= now {
                println!("{peer}: idle timeout");
                client.connection.close();
            } else if let Err(error) = client.connection.handle_timeout(now) {
                println!("{peer}: {error}");
            }
            self.poll(peer, client)?;
        }
        Ok(())
    }

    /// Sends the queued datagrams, and keeps the client unless it is closed.
    fn poll(&mut self, peer: SocketAddr, mut client: Client) -> Result<()> {
        loop {
            match client.connection.poll_output() {
                Output::Transmit(datagram) => send(&self.socket, datagram, peer),
                Output::Event(Event::Connected(connected)) => {
                    let identity = String::from_utf8_lossy(&connected.identity).into_owned();
                    println!("{peer}: {identity} with {}", connected.suite);
                }
                Output::Event(Event::KeyLog(line)) => {
                    if let Some(key_log) = &mut self.key_log {
                        key_log.write(&line)?;
                    }
                }
                Output::Event(Event::Closed) => println!("{peer}: closed"),
                Output::Event(_) => {}
                Output::Timeout(deadline) => {
                    client.deadline = deadline;
                    break;
                }
            }
        }
        if !client.connection.is_closed() {
            self.clients.insert(peer, client);
        }
        Ok(())
    }
}

/// Sends a datagram. A failure counts as a lost datagram.
fn send(socket: &UdpSocket, datagram: &[u8], peer: SocketAddr) {
    if let Err(error) = socket.send_to(datagram, peer) {
        println!("{peer}: {error}");
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

/// The current time of the system's monotonic clock.
fn clock() -> Instant {
    std::time::Instant::now().into()
}
