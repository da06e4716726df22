//! What the sessions of all clients share.

use std::net::SocketAddrV4;
use std::time::Duration;

use rand_core::CryptoRng;
use tutk_session::{Epoch, Mac};
use video_reassembly::ResendConfig;

use crate::audio::ClipAudio;
use crate::clip::Clip;
use crate::config::TimestampRule;
use crate::device::DeviceState;

/// The configuration that the sessions of all clients share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) epoch: Epoch,
    pub(crate) enr: hl_ioctl::Enr,
    pub(crate) mac: Option<Mac>,
    pub(crate) clip: Clip,
    pub(crate) audio: Option<ClipAudio>,
    pub(crate) speaker: bool,
    pub(crate) resend: Option<ResendConfig>,
    pub(crate) timestamps: TimestampRule,
    pub(crate) frames: Option<u64>,
    pub(crate) idle: Duration,
    pub(crate) trace_slices: bool,
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
    pub(crate) rng: &'a mut dyn CryptoRng,
}
