//! The simulated camera on its sockets.

use std::net::SocketAddr;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tutk_session::Output;
use tutk_simulator::{Simulator, SimulatorConfig, SimulatorEvent};

use crate::batch::Batch;
use crate::error::Error;
use crate::socket::{self, Socket};

/// The number of events that wait for a slow consumer. Further events are dropped.
const EVENT_QUEUE: usize = 1024;

/// A simulated camera. Dropping it stops the camera without informing its clients.
#[derive(Debug)]
pub struct SimulatedCamera {
    local: SocketAddr,
    events: mpsc::Receiver<SimulatorEvent>,
    /// Aborted on drop, before `close` is dropped.
    task: JoinSet<()>,
    close: oneshot::Sender<()>,
}

/// Runs a simulated camera that listens at `listen`. Its other ports, if its personality has some,
/// are chosen by the system.
///
/// Must be called within a tokio runtime that has I/O and time enabled.
///
/// ```no_run
/// use tutk_runtime::tutk_simulator::{Clip, SimulatorConfig};
/// use tutk_runtime::{simulate, tutk_session::Credentials};
///
/// # async fn run(credentials: Credentials, clip: Clip) -> Result<(), Box<dyn std::error::Error>> {
/// let config = SimulatorConfig::new(credentials, clip);
/// let mut camera = simulate(config, "127.0.0.1:32761".parse()?)?;
/// while let Some(event) = camera.next_event().await {
///     println!("{event:?}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Io`] if the port is in use or the system has no randomness; [`Error::Session`] if the
/// configuration is invalid.
pub fn simulate(config: SimulatorConfig, listen: SocketAddr) -> Result<SimulatedCamera, Error> {
    let first = Socket::bind(listen)?;
    let local = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..config.personality.ports.count() {
        sockets.push(Socket::bind(SocketAddr::new(local.ip(), 0))?);
    }
    let camera = Simulator::new(config, local, socket::seed()?, socket::epoch())?;
    let (sender, events) = mpsc::channel(EVENT_QUEUE);
    let (close, closing) = oneshot::channel();
    let task = JoinSet::from_iter([drive(camera, sockets, sender, closing)]);
    Ok(SimulatedCamera {
        local,
        events,
        task,
        close,
    })
}

impl SimulatedCamera {
    /// Returns the address that the camera listens at, with the real port if port 0 was requested.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Returns the next event; `None` if the camera has stopped. Cancel-safe.
    pub async fn next_event(&mut self) -> Option<SimulatorEvent> {
        self.events.recv().await
    }

    /// Closes all sessions and stops the camera.
    pub async fn close(mut self) {
        drop(self.close);
        self.task.join_next().await;
    }
}

async fn drive(
    mut camera: Simulator,
    sockets: Vec<Socket>,
    events: mpsc::Sender<SimulatorEvent>,
    mut closing: oneshot::Receiver<()>,
) {
    let mut closed = false;
    let mut batch = Batch::default();
    loop {
        let deadline = loop {
            match camera.poll_output() {
                Output::Transmit(datagram) => {
                    if !batch.fits(&datagram) {
                        batch.send(&sockets).await;
                    }
                    batch.push(&datagram);
                }
                Output::Event(event) => {
                    if events.try_send(event).is_err() {
                        tracing::trace!("the event queue is full: an event was dropped");
                    }
                }
                Output::Timeout(deadline) => break deadline,
            }
        };
        batch.send(&sockets).await;
        if closed && !camera.is_sending() {
            return;
        }
        tokio::select! {
            () = socket::readable(&sockets), if !closed => {
                for socket in &sockets {
                    socket.receive(|now, from, datagram| {
                        camera.handle_datagram(now, from, datagram);
                    });
                }
            }
            () = tokio::time::sleep_until(socket::to_tokio(deadline)) => camera.handle_timeout(socket::now()),
            _ = &mut closing, if !closed => {
                camera.close(socket::now());
                closed = true;
            }
        }
    }
}
