//! The configuration of a simulated camera.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use av_login::Password;
use dtls_psk::crypto::CryptoProvider;
use hl_ioctl::commands::ConnectResult;
use tutk_session::{Credentials, Dialect, Error, psk};

use crate::audio::ClipAudio;
use crate::backchannel::BackchannelConfig;
use crate::clip::Clip;
use crate::device::DeviceConfig;
use crate::impairment::Impairment;
use crate::personality::{ExtendedMasterSecret, Personality};
use crate::recorded::RecordedAnswer;

/// The configuration of a simulated camera. Made by `SimulatorConfig::new` or
/// [`SimulatorConfig::new_with`]; the fields can be changed afterwards.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SimulatorConfig {
    /// Identity and keys.
    pub credentials: Credentials,
    /// The video.
    pub clip: Clip,
    /// The audio; `None` for a camera without a microphone.
    pub audio: Option<ClipAudio>,
    /// `true` for a camera with a speaker. It announces two-way audio in the login and opens a
    /// backchannel to a client that requests one.
    pub speaker: bool,
    /// What the camera does differently from other cameras of its dialect.
    pub personality: Personality,
    /// The dialects that the camera answers in.
    pub dialects: Vec<Arc<Dialect>>,
    /// K10003 after a correct response, at most
    /// [`MAX_HL_PAYLOAD`](tutk_session::MAX_HL_PAYLOAD) bytes. `None` reports success
    /// and describes video and audio.
    pub result: Option<ConnectResult>,
    /// Answers of a captured camera, by the code of the command. They replace the answers of the
    /// simulated device, whose settings change nevertheless.
    pub answers: BTreeMap<u16, RecordedAnswer>,
    /// The number of frames that each client gets before the camera ends the session; `None` for no
    /// end.
    pub frames: Option<u64>,
    /// `true` for [`SimulatorEvent::KeyLog`](crate::SimulatorEvent::KeyLog).
    pub key_log: bool,
    /// `true` for [`SimulatorEvent::SliceSent`](crate::SimulatorEvent::SliceSent), for tests that
    /// must know which datagram contains which slice.
    pub trace_slices: bool,
    /// `true` to put the Unix time of sending into each video frame
    /// ([`SEND_TIME_UUID`](crate::SEND_TIME_UUID)), to measure how long it takes to arrive.
    pub send_times: bool,
    /// What happens to the datagrams that the camera sends.
    pub impairment: Impairment,
    /// The cryptography of DTLS.
    pub provider: &'static dyn CryptoProvider,
}

/// A dialect of the camera, and what is derived from it.
#[derive(Debug)]
pub(crate) struct DialectSetup {
    pub(crate) dialect: Arc<Dialect>,
    pub(crate) dtls: Arc<dtls_psk::Config>,
    pub(crate) password: Password,
    pub(crate) backchannel: BackchannelConfig,
}

impl SimulatorConfig {
    /// A camera that answers in [`Dialect::ALL`] and streams without end. It has the default
    /// [provider](dtls_psk::crypto) of the cryptography.
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    #[must_use]
    pub fn new(credentials: Credentials, clip: Clip) -> Self {
        Self::new_with(dtls_psk::crypto::default_provider(), credentials, clip)
    }

    /// A camera like that of [`new`](Self::new), with a cryptography provider.
    #[must_use]
    pub fn new_with(
        provider: &'static dyn CryptoProvider,
        credentials: Credentials,
        clip: Clip,
    ) -> Self {
        Self {
            credentials,
            clip,
            audio: None,
            speaker: true,
            personality: Personality::STRICT,
            dialects: Dialect::ALL.map(Arc::new).into(),
            result: None,
            answers: BTreeMap::new(),
            frames: None,
            key_log: false,
            trace_slices: false,
            send_times: false,
            impairment: Impairment::default(),
            provider,
        }
    }
}

impl SimulatorConfig {
    /// Returns the configuration of the device.
    pub(crate) fn device(&self) -> DeviceConfig {
        let personality = &self.personality;
        DeviceConfig {
            model: personality.model.as_deref().map(str::to_owned),
            resolution: personality.resolution,
            bitrate: personality.bitrate,
            fps: self.clip.fps().into(),
            flips: personality.flips,
            clock_offset: personality.clock_offset,
            ..DeviceConfig::default()
        }
    }
}

impl DialectSetup {
    pub(crate) fn new(
        dialect: &Arc<Dialect>,
        config: &SimulatorConfig,
        cookie_secret: [u8; 32],
    ) -> Result<Self, Error> {
        let psk = config.credentials.psk(dialect.key);
        let password = (config.credentials)
            .password(&dialect.password)
            .map_err(Error::Login)?;
        // On the backchannel, the camera is the client. The identity of real cameras there is not
        // known.
        let client = dtls_psk::Config::client_with(config.provider, psk::IDENTITY, psk.clone())
            .with_key_log(config.key_log);
        let backchannel = BackchannelConfig::new(dialect.login, client, password.clone());
        let personality = &config.personality;
        let with_ems = personality.extended_master_secret == ExtendedMasterSecret::Accepted;
        let lookup =
            move |identity: &[u8]| (identity == psk::IDENTITY.as_bytes()).then(|| psk.clone());
        let dtls = dtls_psk::Config::server_with(config.provider, lookup)
            .with_suites(personality.suites)
            .with_extended_master_secret(with_ems)
            .with_cookie_exchange(personality.cookie_exchange)
            .with_cookie_secret(cookie_secret)
            .with_key_log(config.key_log);
        Ok(Self {
            dialect: Arc::clone(dialect),
            dtls: Arc::new(dtls),
            password,
            backchannel,
        })
    }
}
