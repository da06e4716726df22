use std::net::SocketAddrV4;
use std::time::Duration;

use tutk_session::{Epoch, Mac};
use video_reassembly::ResendConfig;

use crate::clip::Clip;
use crate::config::Stamps;
use crate::sound::Sound;

/// The configuration that all clients' sessions share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) epoch: Epoch,
    pub(crate) enr: hl_ioctl::Enr,
    pub(crate) mac: Option<Mac>,
    pub(crate) clip: Clip,
    pub(crate) sound: Option<Sound>,
    pub(crate) speaker: bool,
    pub(crate) resend: Option<ResendConfig>,
    pub(crate) stamps: Stamps,
    pub(crate) frames: Option<u64>,
    pub(crate) idle: Duration,
    pub(crate) trace_slices: bool,
    /// The camera's address if it is IPv4. The discovery answer of the dialect `summary` carries
    /// it.
    pub(crate) listens: Option<SocketAddrV4>,
}
