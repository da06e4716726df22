//! What a client needs to know.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use dtls_psk::crypto::CryptoProvider;
use hl_ioctl::commands::UserId;
use video_reassembly::{FramePolicy, Limits};

use crate::credentials::Credentials;
use crate::dialect::Dialect;
use crate::models::Model;
use crate::phase::Deadlines;
use crate::url::CameraUrl;

/// What a client needs to know. Made by [`ClientConfig::new`]; the fields may be changed after.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// Where discovery is sent: the camera, or a broadcast address.
    pub camera: SocketAddr,
    /// Whether `camera` is a broadcast address, so that an answer may come from anybody.
    pub broadcast: bool,
    /// Identity and keys.
    pub credentials: Credentials,
    /// The vendor's model name, such as `HL_CAM4`, where it is known. It decides which DTLS suite
    /// is offered (WYZEDB3 takes another than the rest; without a model both are tried) and which
    /// message names [`user`](Self::user).
    pub model: Option<String>,
    /// The user of the vendor's account, who is named to the camera if given: by K10006 to
    /// doorbells, by K10008 to other models.
    pub user: Option<UserId>,
    /// The dialects that are tried, side by side; what is answered first is spoken.
    pub dialects: Vec<&'static Dialect>,
    /// Which media the camera is asked for. Without video no frame is waited for.
    pub media: MediaRequest,
    /// How long each phase may take.
    pub deadlines: Deadlines,
    /// Whether lost packets are asked for again (wire.md section 12).
    pub resend: ResendPolicy,
    /// What is done with frames that cannot be decoded after a loss.
    pub policy: FramePolicy,
    /// What a camera can make grow here.
    pub limits: Limits,
    /// How long a whole frame waits at most for an older one that is not, where it cannot be known
    /// sooner that nothing more comes of that one. In resend mode it counts from the last slice
    /// that was missing and came, and is at least four times as long as an answer may take.
    pub patience: Duration,
    /// Whether [`Event::KeyLog`](crate::Event::KeyLog) is wanted.
    pub key_log: bool,
    /// The cryptography; `None` takes the one this crate was built with.
    pub provider: Option<CryptoProvider>,
}

/// Whether the camera is asked for resend mode, in which lost packets are sent again (wire.md
/// section 12).
///
/// What a camera makes of that is not verified on hardware. One that sends plain media all the same
/// is taken at its word; with one that then sends nothing for 3 s the session is begun anew,
/// without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResendPolicy {
    /// Of the models that are known to do it: HL_BC.
    #[default]
    Auto,
    /// Of any.
    On,
    /// Of none.
    Off,
}

impl ResendPolicy {
    /// Whether a camera of that model is asked.
    #[must_use]
    pub fn asks(self, model: Option<&str>) -> bool {
        match self {
            Self::Auto => model
                .and_then(Model::find)
                .is_some_and(|model| model.resend),
            Self::On => true,
            Self::Off => false,
        }
    }
}

/// Which media the camera is asked for, in K10002.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaRequest {
    /// Video.
    pub video: bool,
    /// Audio.
    pub audio: bool,
}

impl ClientConfig {
    /// A client for the camera of that address, which has been looked up: model and user go along.
    #[must_use]
    pub fn for_url(camera: SocketAddr, url: CameraUrl) -> Self {
        Self {
            model: url.model,
            user: url.user,
            ..Self::new(camera, url.credentials)
        }
    }

    /// A client for the camera at `camera`, which asks in every dialect that answers to asking and
    /// wants video and audio. A broadcast address of IPv4's "this network" is recognised; of a
    /// subnet's, set [`broadcast`](Self::broadcast).
    #[must_use]
    pub fn new(camera: SocketAddr, credentials: Credentials) -> Self {
        Self {
            camera,
            broadcast: camera.ip().to_canonical() == IpAddr::V4(Ipv4Addr::BROADCAST),
            credentials,
            model: None,
            user: None,
            dialects: Dialect::DETECTED.to_vec(),
            media: MediaRequest {
                video: true,
                audio: true,
            },
            deadlines: Deadlines::default(),
            resend: ResendPolicy::default(),
            policy: FramePolicy::default(),
            limits: Limits::default(),
            patience: Duration::from_millis(300),
            key_log: false,
            provider: None,
        }
    }
}
