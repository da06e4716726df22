//! Who is there: discovery without a session.

use std::time::Duration;

use tutk_session::{Discoverer, Output};

pub use tutk_session::Found;

use crate::error::Error;
use crate::socket::{self, Inbox};

/// Asks `targets`, broadcast addresses among them or not, and calls `found` for each camera that answers
/// within `time`, once for each address and dialect.
///
/// # Errors
/// [`Error::Io`] if there is no socket.
pub async fn discover(
    targets: Vec<tutk_session::Target>,
    time: Duration,
    mut found: impl FnMut(Found),
) -> Result<(), Error> {
    let Some(first) = targets.first() else {
        return Ok(());
    };
    let socket = socket::bind(socket::any_for(first.address))?;
    let mut discoverer = Discoverer::new(targets, &mut socket::rng()?, socket::now());
    let end = tokio::time::Instant::now() + time;
    let mut inbox = Inbox::new();
    loop {
        let deadline = loop {
            match discoverer.poll_output() {
                Output::Transmit(datagram) => socket::send(&socket, datagram).await,
                Output::Event(event) => found(event),
                Output::Timeout(deadline) => break deadline,
            }
        };
        tokio::select! {
            () = inbox.receive(&socket) => {
                let now = socket::now();
                while let Some((from, datagram)) = inbox.next(&socket) {
                    discoverer.handle_datagram(now, from, datagram);
                }
            }
            () = tokio::time::sleep_until(deadline.into()) => discoverer.handle_timeout(socket::now()),
            () = tokio::time::sleep_until(end) => return Ok(()),
        }
    }
}
