//! Sends its standard input over DTLS and writes what comes back to its standard output. When the input
//! ends it waits for the rest of the echo, as long as something comes every second, and says goodbye.
//!
//! ```text
//! cargo run -p dtls-psk --example dtls-echo-client -- 127.0.0.1:4433 me 0102030405060708
//! ```
//!
//! A server of OpenSSL's, which does not send back what it gets but what is typed there:
//!
//! ```text
//! openssl s_server -accept 127.0.0.1:4433 -dtls1_2 -nocert -psk_identity me -psk 0102030405060708 \
//!     -cipher ECDHE-PSK-CHACHA20-POLY1305
//! ```
//!
//! A server of GnuTLS's, which sends it back:
//!
//! ```text
//! echo me:0102030405060708 > keys
//! gnutls-serv --udp --port 4433 --echo --pskpasswd keys \
//!     --priority 'NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:+ECDHE-PSK:+PSK:+AES-128-CCM-8'
//! ```

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::indexing_slicing,
    reason = "a program: it has sockets and a clock, and slices what the socket says it filled"
)]

#[path = "common/mod.rs"]
mod common;

use std::io::{self, ErrorKind, Read, Write};
use std::net::UdpSocket;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use common::{Arguments, Result};
use dtls_psk::{Config, Connection, Event, Output};
use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};

/// How often standard input is looked at.
const GLANCE: Duration = Duration::from_millis(10);
/// How long to wait for an echo after the end of the input.
const PATIENCE: Duration = Duration::from_secs(1);
/// Bytes of input for a record, which fit in it with every suite.
const CHUNK: usize = 1024;

fn main() -> ExitCode {
    common::exit_code(run())
}

fn run() -> Result<()> {
    let mut arguments = Arguments::read()?;
    let socket = UdpSocket::bind(if arguments.address.starts_with('[') {
        "[::]:0"
    } else {
        "0.0.0.0:0"
    })?;
    socket.connect(&arguments.address)?;
    let config = Config::client(&arguments.identity, arguments.psk.clone())
        .with_suites(&arguments.suites)
        .with_key_log(arguments.key_log.is_some());
    let mut rng = StdRng::try_from_rng(&mut SysRng)?;
    let mut connection = Connection::client(Arc::new(config), &mut rng, Instant::now())?;
    let input = standard_input();
    let mut input_ended = false;
    let (mut sent, mut received) = (0, 0);
    let mut last_heard = Instant::now();
    let mut buffer = [0; 2048];
    let mut result = Ok(());
    loop {
        let deadline = loop {
            match connection.poll_output() {
                Output::Transmit(datagram) => _ = refused_is_lost(socket.send(datagram))?,
                Output::Event(Event::Connected(connected)) => {
                    eprintln!("connected with {}", connected.suite);
                    last_heard = Instant::now();
                }
                Output::Event(Event::KeyLog(line)) => {
                    if let Some(key_log) = &mut arguments.key_log {
                        key_log.write(&line)?;
                    }
                }
                Output::Event(Event::Closed) => eprintln!("the server closed"),
                Output::Event(_) => {}
                Output::Timeout(deadline) => break deadline,
            }
        };
        if connection.is_closed() {
            // An alert that tells the server is out by now.
            return Ok(result?);
        }
        let now = Instant::now();
        if now >= deadline {
            result = connection.handle_timeout(now);
            continue;
        }
        if connection.is_connected() && !input_ended {
            match input.try_recv() {
                Ok(data) => {
                    connection.send(&data)?;
                    sent += data.len();
                    last_heard = now;
                    // At once, and then look for more.
                    continue;
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => input_ended = true,
            }
        }
        if input_ended && (received >= sent || now > last_heard + PATIENCE) {
            connection.close();
            continue;
        }
        let wait = deadline.saturating_duration_since(now);
        socket.set_read_timeout(Some(wait.clamp(Duration::from_millis(1), GLANCE)))?;
        let len = match refused_is_lost(socket.recv(&mut buffer)) {
            Ok(len) => len,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(e) => return Err(e.into()),
        };
        let mut echo = Vec::new();
        result = connection.handle_datagram(Instant::now(), &mut buffer[..len], |data| {
            echo.extend_from_slice(data);
        });
        if !echo.is_empty() {
            received += echo.len();
            last_heard = Instant::now();
            let mut output = io::stdout().lock();
            output.write_all(&echo)?;
            output.flush()?;
        }
    }
}

/// A port at which nobody listens yet is a datagram lost: the handshake asks again.
fn refused_is_lost(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => Ok(0),
        other => other,
    }
}

/// Standard input in pieces, read by a thread: the loop must never wait for it.
fn standard_input() -> Receiver<Vec<u8>> {
    let (sender, receiver) = sync_channel(1);
    std::thread::spawn(move || {
        let mut buffer = [0; CHUNK];
        while let Ok(len @ 1..) = io::stdin().lock().read(&mut buffer) {
            if sender.send(buffer[..len].to_vec()).is_err() {
                return;
            }
        }
    });
    receiver
}
