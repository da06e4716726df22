//! What the sessions of all clients share.

use core::net::SocketAddrV4;

use rand::rngs::StdRng;
use tutk_session::Epoch;

use crate::config::SimulatorConfig;
use crate::device::DeviceState;

/// What does not change while the camera runs.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: SimulatorConfig,
    pub(crate) epoch: Epoch,
    /// The camera's address if it is IPv4. The discovery answer of the dialect `summary` carries
    /// it.
    pub(crate) listens: Option<SocketAddrV4>,
}

/// The parts of the camera that a client's session uses.
pub(crate) struct Context<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) device: &'a mut DeviceState,
    /// The number of authenticated clients.
    pub(crate) viewers: u8,
    pub(crate) rng: &'a mut StdRng,
}
