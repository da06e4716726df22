//! The simulated camera: the pure [`Simulator`], a socket, a clock, and a task that joins them.

use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tutk_session::{Output, Transmit};
use tutk_simulator::{Simulator, SimulatorConfig, SimulatorEvent};

use crate::error::Error;
use crate::netem::{Air, Impairment, Packet};
use crate::socket::{self, Inbox};

/// How many events wait for a caller that is slow to take them; over it they are dropped.
const EVENT_QUEUE: usize = 1024;

/// A simulated camera that listens. It stops when this is dropped.
#[derive(Debug)]
pub struct SimulatedCamera {
    local: SocketAddr,
    events: mpsc::Receiver<SimulatorEvent>,
    close: mpsc::Sender<()>,
    task: JoinHandle<()>,
}

/// Listens at `listen` and serves `config` to every client that comes, until closed or dropped.
///
/// Must be called within a tokio runtime that has I/O and time enabled. With an [`Impairment`],
/// what the camera sends goes through a network as bad as that.
///
/// # Errors
/// [`Error::Io`] if the port is in use, or the system gives no socket or no randomness;
/// [`Error::Session`] if the configuration contradicts itself.
pub fn simulate(
    config: SimulatorConfig,
    listen: SocketAddr,
    impairment: Impairment,
) -> Result<SimulatedCamera, Error> {
    let socket = socket::bind(listen)?;
    let local = socket.local_addr()?;
    let camera = Simulator::new(config, local, Box::new(socket::rng()?), socket::epoch())?;
    let (sender, events) = mpsc::channel(EVENT_QUEUE);
    let (close, closing) = mpsc::channel(1);
    let air = (!impairment.is_none()).then(|| Air::new(&impairment));
    let task = tokio::spawn(drive(camera, socket, air, sender, closing));
    Ok(SimulatedCamera {
        local,
        events,
        close,
        task,
    })
}

impl SimulatedCamera {
    /// The address it listens at; the port is a real one even if 0 was asked for.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The next event; `None` when the camera has stopped. Cancel-safe.
    pub async fn next_event(&mut self) -> Option<SimulatorEvent> {
        self.events.recv().await
    }

    /// Tells every client that the camera goes, and stops.
    pub async fn close(mut self) {
        // An error says that the task has ended already, which is what is asked for.
        let _ = self.close.send(()).await;
        let _ = (&mut self.task).await;
    }
}

impl Drop for SimulatedCamera {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn drive(
    mut camera: Simulator,
    socket: UdpSocket,
    mut air: Option<Air>,
    events: mpsc::Sender<SimulatorEvent>,
    mut closing: mpsc::Receiver<()>,
) {
    let mut inbox = Inbox::new();
    let mut closed = false;
    loop {
        let deadline = loop {
            match camera.poll_output() {
                Output::Transmit(datagram) => match &mut air {
                    None => socket::send(&socket, datagram).await,
                    Some(air) => air.send(
                        socket::now(),
                        Packet {
                            to: datagram.to,
                            payload: datagram.payload.to_vec(),
                        },
                    ),
                },
                Output::Event(event) => {
                    if events.try_send(event).is_err() {
                        tracing::trace!("nobody takes the camera's events");
                    }
                }
                Output::Timeout(deadline) => break deadline,
            }
        };
        deliver(&mut air, &socket).await;
        if closed {
            // The farewells may be under way still.
            while let Some(arrival) = air.as_ref().and_then(Air::next_arrival) {
                tokio::time::sleep_until(arrival.into()).await;
                deliver(&mut air, &socket).await;
            }
            return;
        }
        let arrival = air.as_ref().and_then(Air::next_arrival);
        let deadline = arrival.map_or(deadline, |arrival| arrival.min(deadline));
        tokio::select! {
            () = inbox.receive(&socket) => {
                let now = socket::now();
                while let Some((from, datagram)) = inbox.next(&socket) {
                    camera.handle_datagram(now, from, datagram);
                }
            }
            () = tokio::time::sleep_until(deadline.into()) => camera.handle_timeout(socket::now()),
            _ = closing.recv() => {
                camera.close(socket::now());
                closed = true;
            }
        }
    }
}

/// Sends what has come through the bad network by now, if there is one.
async fn deliver(air: &mut Option<Air>, socket: &UdpSocket) {
    while let Some(Packet { to, payload }) = air.as_mut().and_then(|air| air.arrived(socket::now()))
    {
        let payload = &payload;
        socket::send(socket, Transmit { to, payload }).await;
    }
}
