//! The configuration of a client.

use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::ops::RangeInclusive;
use core::time::Duration;

use dtls_psk::crypto::CryptoProvider;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
use dtls_psk::crypto::default_provider;
use hl_ioctl::commands::UserId;
use video_reassembly::{FramePolicy, Limits};

use super::fast_connect::KnownCamera;
use crate::credentials::Credentials;
use crate::dialect::Dialect;
use crate::handshake_offer::HandshakeOffer;
use crate::models::Model;
use crate::phase::Deadlines;
use crate::url::CameraUrl;

/// The configuration of a client. Made by `ClientConfig::new` or
/// [`ClientConfig::new_with`]; the fields may be changed after.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ClientConfig {
    /// The destination of discovery: the camera, or a broadcast address.
    pub camera: SocketAddr,
    /// `camera` is a broadcast address, so that any address may answer.
    pub broadcast: bool,
    /// The identity and keys of the camera.
    pub credentials: Credentials,
    /// The local UDP ports that the driver may bind the socket to; by default any port (0). A fixed
    /// port or a range passes firewalls and container networks. The client itself has no socket.
    pub local_ports: RangeInclusive<u16>,
    /// The vendor's model name, such as `HL_CAM4`, if known. It selects the DTLS suite and the
    /// command that contains [`user`](Self::user). The suite without forward secrecy is never
    /// offered alone without the model of a camera that needs it, or a
    /// [`handshake_offer`](Self::handshake_offer).
    pub model: Option<String>,
    /// The user ID of the vendor's account. If set, it is sent with K10006 or K10008 to cameras
    /// whose model and HL version support it. If there is no answer, K10002 replaces the message.
    pub user: Option<UserId>,
    /// The only ClientHello to send. `None` selects the first one by the model, and others if the
    /// camera does not answer it, or refuses it and the model is known.
    pub handshake_offer: Option<HandshakeOffer>,
    /// The dialects to try in parallel. The first one that is answered is used.
    pub dialects: Vec<Arc<Dialect>>,
    /// Sends some packets before their turn, so that the first frame arrives up to two round trips
    /// earlier: the session request beside discovery, if address and dialect of the camera are
    /// known, and the login behind the client's Finished, with forward secrecy only
    /// (docs/protocol.md, section "Fast connect"). A camera that ignores them delays the
    /// session by at most 30 ms. If a session with them fails before the login is answered, the
    /// client continues without them.
    ///
    /// On by default. Not verified with real cameras.
    pub fast_connect: bool,
    /// The camera as an earlier session has found it, for a fast connect. Without it, the dialect
    /// is known if [`dialects`](Self::dialects) has only one. A supervisor keeps it up to date.
    pub known_camera: Option<KnownCamera>,
    /// The requested media. Without video, the client does not wait for frames.
    pub media: MediaRequest,
    /// Sets the camera's clock with K10092 when the camera has authenticated the client. The clock
    /// of a camera without access to the internet may be wrong. Off by default, because the setting
    /// remains after the session.
    pub set_clock: bool,
    /// The time limits of the phases.
    pub deadlines: Deadlines,
    /// When to request resend mode.
    pub resend: ResendPolicy,
    /// What to do with frames that cannot be decoded after a loss.
    pub frame_policy: FramePolicy,
    /// The limits of frame reassembly.
    pub limits: Limits,
    /// How long a complete frame waits for an older incomplete one, unless it is clear earlier that
    /// the missing slices will not arrive. In resend mode, the time counts from the last missing
    /// slice that arrived, and is at least four retransmission timeouts.
    pub reorder_timeout: Duration,
    /// Emits [`Event::KeyLog`](crate::Event::KeyLog).
    pub key_log: bool,
    /// The cryptography of DTLS.
    pub provider: &'static dyn CryptoProvider,
}

/// When the client requests resend mode, in which lost packets are retransmitted
/// (docs/protocol.md, section "Resend mode").
///
/// Resend mode was seen with HL_BC. The layout of acknowledgements is not verified. If the camera
/// sends plain media anyway, the client accepts it. If the camera sends no media for 3 s, the
/// client restarts the session without resend mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResendPolicy {
    /// For models that are known to support it: HL_BC.
    #[default]
    Auto,
    /// For every model, except for cameras behind a base station, which do not support it.
    On,
    /// Never.
    Off,
}

impl ResendPolicy {
    /// Returns `true` if resend mode is requested for this model.
    #[must_use]
    pub fn applies_to(self, model: Option<&str>) -> bool {
        match self {
            Self::Auto => model
                .and_then(Model::find)
                .is_some_and(|model| model.resend),
            Self::On => !model
                .and_then(Model::find)
                .is_some_and(|model| model.outdoor),
            Self::Off => false,
        }
    }
}

/// The media that the client requests in K10002.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaRequest {
    /// Video.
    pub video: bool,
    /// Audio.
    pub audio: bool,
}

impl ClientConfig {
    /// A client for the camera at `camera`, the resolved address of `url`. Uses the URL's model and
    /// user, and the default [provider](dtls_psk::crypto) of the cryptography.
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    #[must_use]
    pub fn for_url(camera: SocketAddr, url: CameraUrl) -> Self {
        Self::for_url_with(default_provider(), camera, url)
    }

    /// A client like that of [`for_url`](Self::for_url), with a cryptography provider.
    #[must_use]
    pub fn for_url_with(
        provider: &'static dyn CryptoProvider,
        camera: SocketAddr,
        url: CameraUrl,
    ) -> Self {
        Self {
            model: url.model,
            user: url.user,
            ..Self::new_with(provider, camera, url.credentials)
        }
    }

    /// A client for the camera at `camera` that tries [`Dialect::DETECTED`] and requests video and
    /// audio. [`broadcast`](Self::broadcast) is set for 255.255.255.255; set it for the broadcast
    /// address of a subnet.
    ///
    /// It has the default [provider](dtls_psk::crypto) of the cryptography.
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    #[must_use]
    pub fn new(camera: SocketAddr, credentials: Credentials) -> Self {
        Self::new_with(default_provider(), camera, credentials)
    }

    /// A client like that of [`new`](Self::new), with a cryptography provider.
    #[must_use]
    pub fn new_with(
        provider: &'static dyn CryptoProvider,
        camera: SocketAddr,
        credentials: Credentials,
    ) -> Self {
        Self {
            camera,
            broadcast: camera.ip().to_canonical() == IpAddr::V4(Ipv4Addr::BROADCAST),
            credentials,
            local_ports: 0..=0,
            model: None,
            user: None,
            handshake_offer: None,
            dialects: Dialect::DETECTED.map(Arc::new).into(),
            fast_connect: true,
            known_camera: None,
            media: MediaRequest {
                video: true,
                audio: true,
            },
            set_clock: false,
            deadlines: Deadlines::default(),
            resend: ResendPolicy::default(),
            frame_policy: FramePolicy::default(),
            limits: Limits::default(),
            reorder_timeout: Duration::from_millis(300),
            key_log: false,
            provider,
        }
    }

    /// Returns the payload of K10000. For a camera behind a base station, it wakes the camera
    /// (docs/protocol.md, section "Challenge and response").
    pub(super) fn connect_request(&self, dialect: &Dialect) -> Vec<u8> {
        let model = self.model.as_deref().and_then(Model::find);
        let outdoor = model.is_some_and(|model| model.outdoor);
        match self.credentials.mac {
            Some(mac) if outdoor || self.credentials.base_station.is_some() => {
                format!(r#"{{"cameraInfo":{{"mac":"{mac}","encFlag":0,"wakeupFlag":1}}}}"#)
                    .into_bytes()
            }
            _ => dialect.connect_request.to_vec(),
        }
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned as _;

    #[test]
    fn k10000_wakes_a_camera_behind_a_base_station() {
        const UID: &str = "HSBJYB5HSETGCDWD111A";
        const ENR: &str = "aKzdqckqZ8HUHFe5";
        let own = Credentials::new(UID, ENR, "aabbccddeeff").unwrap();
        let behind = own.clone().behind_base_station(ENR, "AABBCCDDEE00");
        let behind = behind.unwrap();
        let no_mac = Credentials::with_auth_key(UID, ENR, "qZwi9FaB").unwrap();
        let wakes = r#"{"cameraInfo":{"mac":"AABBCCDDEEFF","encFlag":0,"wakeupFlag":1}}"#;
        let usual = &*Dialect::TRANSCODE.connect_request;
        for (credentials, model, payload) in [
            (&own, Some("WVOD1"), wakes.as_bytes()),
            (&behind, Some("HL_WCO2"), wakes.as_bytes()),
            (&behind, None, wakes.as_bytes()),
            (&own, Some("HL_CAM4"), usual),
            (&own, None, usual),
            (&no_mac, Some("WVOD1"), usual),
        ] {
            let address = "192.0.2.1:32761".parse().unwrap();
            let mut config = ClientConfig::new(address, credentials.clone());
            config.model = model.map(str::to_owned);
            let sent = config.connect_request(&Dialect::TRANSCODE);
            assert_eq!(sent, payload, "{model:?}");
        }
    }
}
