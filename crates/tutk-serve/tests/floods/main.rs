//! Each test attacks a queue of a listening socket. The memory of the process stays below the limit
//! in docs/limits.md.
//!
//! The allocations of this process count, with those of the attackers, but not the socket buffers
//! of the kernel. An attack is a number of bytes or messages, not a time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::disallowed_types,
    reason = "tests fail by panicking"
)]

#[path = "../http/client.rs"]
#[allow(dead_code, reason = "the tests of HTTP use more of it")]
mod client;
#[path = "../common/mod.rs"]
mod common;
mod frames;
mod http;
#[path = "../common/memory.rs"]
mod memory;
mod rtsp;
mod tls;

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;

use tokio::net::TcpStream;

use crate::common::{connect_from, connect_with_small_buffer};
use crate::memory::Memory;

/// The number of connections in an attack.
const CONNECTIONS: usize = 16;

/// More than the socket buffers of both sides and the buffers of the server hold.
const MORE_THAN_ALL_BUFFERS: usize = 64 << 20;

/// After this number of turns of the server without progress, it does not read further.
const IDLE_TURNS: usize = 500;

/// The state of a connection without its buffers, on both sides.
const STATE_BYTES: usize = 16 << 10;

/// Bytes that a client sends on each of [`CONNECTIONS`] connections. It reads nothing.
struct Attack<'a> {
    name: &'a str,
    first: Vec<u8>,
    /// Sent again and again after `first`.
    then: Vec<u8>,
    /// The number of bytes after `first` with which the attack ends.
    most: usize,
    /// The documented limits of all buffers of a connection together, in bytes. Buffers grow by
    /// doubling.
    limit: usize,
}

impl Attack<'_> {
    /// Attacks, and checks the memory. Returns the number of bytes that the server accepted on the
    /// connection that sent the most, including those in the buffers of the kernel.
    async fn run(&self, server: SocketAddr) -> usize {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(connect_with_small_buffer(server).await);
        }
        let mut memory = Memory::start();
        let mut accepted = 0;
        for connection in &connections {
            let first = write(connection, &self.first, self.first.len(), &mut memory).await;
            let then = write(connection, &self.then, self.most, &mut memory).await;
            accepted = accepted.max(first + then);
        }
        let limit = CONNECTIONS * (2 * self.limit + STATE_BYTES);
        memory.assert_at_most(limit, self.name);
        accepted
    }
}

/// Writes copies of `bytes`, until `most` bytes are written or the server does not read further.
/// Returns the number of written bytes.
async fn write(tcp: &TcpStream, bytes: &[u8], most: usize, memory: &mut Memory) -> usize {
    let (mut sent, mut idle) = (0, 0);
    while sent < most && idle < IDLE_TURNS {
        let at = sent % bytes.len();
        let end = bytes.len().min(at + most - sent);
        match tcp.try_write(&bytes[at..end]) {
            Ok(written) => (sent, idle) = (sent + written, 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => idle += 1,
            Err(_) => break,
        }
        tokio::task::yield_now().await;
        memory.sample();
    }
    // The server processes the last bytes.
    for _ in 0..IDLE_TURNS {
        tokio::task::yield_now().await;
        memory.sample();
    }
    sent
}

/// Opens many connections from several addresses. Each sends `first`, and stays open as long as the
/// server keeps it.
async fn many_connections(server: SocketAddr, first: &[u8], limit: usize) {
    /// More than the server keeps.
    const OPEN: usize = 400;
    let mut memory = Memory::start();
    let mut open = VecDeque::new();
    for at in 0..3 * OPEN {
        let stranger = connect_from((at % 4) as u8 + 2, server).await;
        let _ = stranger.try_write(first);
        tokio::task::yield_now().await;
        open.push_back(stranger);
        // The oldest ones are closed by the server.
        if open.len() > OPEN {
            open.pop_front();
        }
        memory.sample();
    }
    memory.assert_at_most(limit, "many connections");
}
