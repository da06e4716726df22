//! The configuration of a simulated camera.

use std::sync::Arc;
use std::time::Duration;

use av_login::Password;
use dtls_psk::CipherSuite;
use dtls_psk::crypto::CryptoProvider;
use hl_ioctl::commands::{AudioParams, ConnectResult, VideoParams};
use hl_ioctl::{ChallengeStatus, JsonDocument};
use serde_json::json;
use tutk_frame::Codec;
use tutk_session::models::Model;
use tutk_session::{Credentials, Dialect, Error, MAX_HL_PAYLOAD, psk};
use video_reassembly::ResendConfig;

use crate::audio::ClipAudio;
use crate::backchannel::BackchannelConfig;
use crate::clip::Clip;
use crate::device::DeviceConfig;
use crate::impairment::Impairment;

/// The configuration of a simulated camera. Made by [`SimulatorConfig::new`]; the fields can be
/// changed afterwards.
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
    /// The grouping for clients that request resend mode (docs/protocol.md, section 17). With
    /// `None` they get plain media, as all other clients do.
    pub resend: Option<ResendConfig>,
    /// The timestamps of the frames.
    pub timestamps: TimestampRule,
    /// The dialects that the camera answers in.
    pub dialects: Vec<&'static Dialect>,
    /// The status of the challenge (docs/protocol.md, section 14). 6 needs an ENR of 32 characters;
    /// 2, 4 and 5 refuse.
    pub status: ChallengeStatus,
    /// K10003 after a correct response, at most [`MAX_HL_PAYLOAD`] bytes. `None` reports success
    /// and describes video and audio.
    pub result: Option<ConnectResult>,
    /// The vendor's model name, for K10003. It selects between two codes of some commands, and the
    /// messages with a user that the camera answers. The model WYZEDB3 accepts only the DTLS suite
    /// 0x00AE.
    pub model: Option<String>,
    /// The number of frames that each client gets before the camera ends the session; `None` for no
    /// end.
    pub frames: Option<u64>,
    /// The largest number of clients. One more replaces a client that has not completed its
    /// handshake; if there is none, the new client gets no answer.
    pub max_clients: usize,
    /// The session of a client ends when nothing arrived from it for this time.
    pub idle: Duration,
    /// `true` to answer a ClientHello with a HelloVerifyRequest. Real cameras do either.
    pub cookie_exchange: bool,
    /// `true` for [`SimulatorEvent::KeyLog`](crate::SimulatorEvent::KeyLog).
    pub key_log: bool,
    /// `true` for [`SimulatorEvent::SliceSent`](crate::SimulatorEvent::SliceSent), for tests that
    /// must know which datagram contains which slice.
    pub trace_slices: bool,
    /// What happens to the datagrams that the camera sends.
    pub impairment: Impairment,
    /// The cryptography; `None` for the one that this crate was built with.
    pub provider: Option<CryptoProvider>,
}

/// The seconds in the frame info of a simulated camera's frames (docs/protocol.md, section 15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampRule {
    /// Seconds since 1970 by the camera's clock. They jump when K10092 sets the clock.
    #[default]
    Unix,
    /// The same number in all frames, as some firmware has it. Only the microseconds advance, and
    /// wrap.
    ConstantSeconds,
}

/// A dialect of the camera, and what is derived from it.
#[derive(Debug)]
pub(crate) struct DialectSetup {
    pub(crate) dialect: &'static Dialect,
    pub(crate) dtls: Arc<dtls_psk::Config>,
    pub(crate) password: Password,
    pub(crate) backchannel: BackchannelConfig,
}

impl SimulatorConfig {
    /// A camera that answers in every dialect and streams without end.
    #[must_use]
    pub fn new(credentials: Credentials, clip: Clip) -> Self {
        Self {
            credentials,
            clip,
            audio: None,
            speaker: true,
            resend: Some(ResendConfig::default()),
            timestamps: TimestampRule::Unix,
            dialects: Dialect::ALL.to_vec(),
            status: ChallengeStatus::Enr,
            result: None,
            model: None,
            frames: None,
            max_clients: 16,
            idle: Duration::from_secs(10),
            cookie_exchange: false,
            key_log: false,
            trace_slices: false,
            impairment: Impairment::default(),
            provider: None,
        }
    }
}

impl DialectSetup {
    pub(crate) fn new(
        dialect: &'static Dialect,
        config: &SimulatorConfig,
        cookie_secret: [u8; 32],
    ) -> Result<Self, Error> {
        let psk = config.credentials.psk(dialect.key);
        let configure = |mut dtls: dtls_psk::Config| {
            if let Some(provider) = &config.provider {
                dtls = dtls.with_provider(provider.clone());
            }
            dtls.with_key_log(config.key_log)
        };
        let password = (config.credentials)
            .password(dialect.password)
            .map_err(Error::Login)?;
        let backchannel = BackchannelConfig::new(dialect, psk.clone(), password.clone(), configure);
        let suites = match config.model.as_deref().and_then(Model::find) {
            Some(model) if model.plain_psk => &[CipherSuite::PskAes128CbcSha256],
            _ => dtls_psk::DEFAULT_SUITES,
        };
        let lookup =
            move |identity: &[u8]| (identity == psk::IDENTITY.as_bytes()).then(|| psk.clone());
        let dtls = dtls_psk::Config::server(lookup)
            .with_suites(suites)
            .with_cookie_exchange(config.cookie_exchange)
            .with_cookie_secret(cookie_secret);
        Ok(Self {
            dialect,
            dtls: Arc::new(configure(dtls)),
            password,
            backchannel,
        })
    }
}

/// Returns K10003 for a correct response.
///
/// # Errors
/// [`Error::Authentication`] if it does not fit into a packet.
pub(crate) fn connect_result(config: &SimulatorConfig) -> Result<ConnectResult, Error> {
    let result = match &config.result {
        Some(result) => result.clone(),
        None => describe_media(config).map_err(Error::Authentication)?,
    };
    let got = result.raw().len();
    if got > MAX_HL_PAYLOAD {
        return Err(Error::Authentication(hl_ioctl::Error::TooLong {
            what: "K10003",
            limit: MAX_HL_PAYLOAD,
            got,
        }));
    }
    Ok(result)
}

/// Returns K10003 for video and audio (docs/protocol.md, section 14). The key of the model,
/// `cameraInfo.basicInfo.model`, and the codec names other than H264 and AAC are not known of real
/// cameras.
fn describe_media(config: &SimulatorConfig) -> Result<ConnectResult, hl_ioctl::Error> {
    let clip = &config.clip;
    let device = DeviceConfig::default();
    let codec = match clip.codec() {
        Codec::H265 => "H265".to_owned(),
        Codec::H264 => "H264".to_owned(),
        other => format!("{other:?}"),
    };
    let video = VideoParams {
        codec: Some(codec),
        bitrate: Some(device.bitrate.get().into()),
        resolution: Some(device.resolution.code().into()),
        fps: Some(clip.fps().into()),
    };
    let audio = config.audio.as_ref().map(|audio| AudioParams {
        codec: Some(audio_name(audio.format().codec)),
    });
    let result = ConnectResult::accept(Some(video), audio);
    let Some(model) = &config.model else {
        return Ok(result);
    };
    let mut json = result.json().clone();
    let info = json
        .get_mut("cameraInfo")
        .and_then(|info| info.as_object_mut());
    if let Some(info) = info {
        info.insert("basicInfo".into(), json!({ "model": model }));
    }
    ConnectResult::from_document(JsonDocument::from(json))
}

fn audio_name(codec: Codec) -> String {
    match codec {
        Codec::AacRaw | Codec::AacAdts | Codec::AacLatm | Codec::AacWyze => "AAC".to_owned(),
        other => format!("{other:?}").to_uppercase(),
    }
}
