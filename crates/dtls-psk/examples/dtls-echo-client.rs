//! Sends standard input over DTLS and writes the answers to standard output. At the end of the
//! input it waits for the rest of the echo, at most one second after the last data, and closes the
//! connection.
//!
//! ```text
//! cargo run -p dtls-psk --example dtls-echo-client -- 127.0.0.1:4433 me 0102030405060708
//! ```
//!
//! With OpenSSL's server, which sends its own standard input instead of an echo:
//!
//! ```text
//! openssl s_server -accept 127.0.0.1:4433 -dtls1_2 -nocert -psk_identity me \
//!     -psk 0102030405060708 -cipher ECDHE-PSK-CHACHA20-POLY1305
//! ```
//!
//! With GnuTLS's server, which echoes:
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
    reason = "a program with sockets and a clock, which slices its buffer by the received length"
)]

#[path = "common/mod.rs"]
mod common;

use std::io::{self, ErrorKind, Read, Write};
use std::net::UdpSocket;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use common::{Arguments, Result};
use dtls_psk::{Config, Connection, Event, Instant, Output};

/// The interval at which standard input is checked.
const INPUT_INTERVAL: Duration = Duration::from_millis(10);
/// The time to wait for an echo after the end of the input.
const ECHO_TIMEOUT: Duration = Duration::from_secs(1);
/// The input per record, in bytes. It fits in a record of every suite.
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
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let mut connection = Connection::client(Arc::new(config), seed, clock())?;
    let input = standard_input();
    let mut input_ended = false;
    let (mut sent, mut received) = (0, 0);
    let mut last_data = clock();
    let mut buffer = [0; 2048];
    let mut result = Ok(());
    loop {
        let deadline = loop {
            match connection.poll_output() {
                Output::Transmit(datagram) => _ = ignore_refused(socket.send(datagram))?,
                Output::Event(Event::Connected(connected)) => {
                    eprintln!("connected with {}", connected.suite);
                    last_data = clock();
                }
                Output::Event(Event::KeyLog(line)) => {
                    if let Some(key_log) = &mut arguments.key_log {
                        key_log.write(&line)?;
                    }
                }
                Output::Event(Event::Closed) => eprintln!("connection closed"),
                Output::Event(_) => {}
                Output::Timeout(deadline) => break deadline,
            }
        };
        if connection.is_closed() {
            // An alert to the server has been sent by now.
            return Ok(result?);
        }
        let now = clock();
        if now >= deadline {
            result = connection.handle_timeout(now);
            continue;
        }
        if connection.is_connected() && !input_ended {
            match input.try_recv() {
                Ok(data) => {
                    connection.send(&data)?;
                    sent += data.len();
                    last_data = now;
                    // Send it before reading more.
                    continue;
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => input_ended = true,
            }
        }
        if input_ended && (received >= sent || now > last_data + ECHO_TIMEOUT) {
            connection.close();
            continue;
        }
        let wait = deadline.duration_since(now);
        socket.set_read_timeout(Some(wait.clamp(Duration::from_millis(1), INPUT_INTERVAL)))?;
        let len = match ignore_refused(socket.recv(&mut buffer)) {
            Ok(len) => len,
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(e) => return Err(e.into()),
        };
        let mut echo = Vec::new();
        result = connection.handle_datagram(clock(), &mut buffer[..len], |data| {
            echo.extend_from_slice(data);
        });
        if !echo.is_empty() {
            received += echo.len();
            last_data = clock();
            let mut output = io::stdout().lock();
            output.write_all(&echo)?;
            output.flush()?;
        }
    }
}

/// Ignores a refused port. The handshake retransmits the datagram.
fn ignore_refused(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Err(e) if e.kind() == ErrorKind::ConnectionRefused => Ok(0),
        other => other,
    }
}

/// Reads standard input in a thread, because the main loop must not block.
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

/// The current time of the system's monotonic clock.
fn clock() -> Instant {
    std::time::Instant::now().into()
}
