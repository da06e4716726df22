//! What a simulated camera is.

use std::sync::Arc;
use std::time::Duration;

use crate::device::DeviceConfig;
use av_login::Password;
use dtls_psk::CipherSuite;
use dtls_psk::crypto::CryptoProvider;
use hl_ioctl::commands::{AudioParams, ConnectResult, VideoParams};
use hl_ioctl::{ChallengeStatus, JsonDocument};
use serde_json::json;
use tutk_frame::Codec;
use video_reassembly::ResendConfig;

use crate::clip::Clip;
use crate::ear::Call;
use crate::sound::Sound;
use tutk_session::Credentials;
use tutk_session::Dialect;
use tutk_session::Error;
use tutk_session::MAX_HL_PAYLOAD;
use tutk_session::models::Model;
use tutk_session::psk;

/// What a simulated camera is. Made by [`SimulatorConfig::new`]; the fields may be changed after.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SimulatorConfig {
    /// Identity and keys.
    pub credentials: Credentials,
    /// What it shows.
    pub clip: Clip,
    /// What is heard beside it; `None` is a camera without a microphone.
    pub sound: Option<Sound>,
    /// Whether it has a speaker: then it calls back a client that wants to be heard, and its login
    /// says so.
    pub speaker: bool,
    /// How it sends to a client that asks for resend mode (wire.md section 12); `None`: plain, as
    /// to any other.
    pub resend: Option<ResendConfig>,
    /// What stands in the time of its frames.
    pub stamps: Stamps,
    /// The dialects it answers in.
    pub dialects: Vec<&'static Dialect>,
    /// The status of its challenge (wire.md section 9). 6 needs an ENR of 32 characters; 2, 4 and 5
    /// refuse.
    pub status: ChallengeStatus,
    /// What K10003 says after a right answer, at most [`MAX_HL_PAYLOAD`] bytes; `None` says
    /// success, and what the clip is.
    pub result: Option<ConnectResult>,
    /// The vendor's model name, for K10003. As WYZEDB3 it takes no other DTLS suite than 0x00AE,
    /// and which of some commands it knows goes by the model too.
    pub model: Option<String>,
    /// How many frames each client gets before the camera ends the stream; `None` for no end.
    pub frames: Option<u64>,
    /// How many clients are served at once. One more, and a client that has not proved itself yet
    /// has to go; if all have, the new one is not answered.
    pub max_clients: usize,
    /// How long a client may be silent before it is dropped.
    pub idle: Duration,
    /// Whether a ClientHello is answered with a HelloVerifyRequest. Both are seen on real cameras.
    pub cookie_exchange: bool,
    /// Whether [`SimulatorEvent::KeyLog`](crate::SimulatorEvent::KeyLog) is wanted.
    pub key_log: bool,
    /// Whether [`SimulatorEvent::SliceSent`](crate::SimulatorEvent::SliceSent) is wanted, for tests
    /// that must know what was under way.
    pub trace_slices: bool,
    /// The cryptography; `None` takes the one this crate was built with.
    pub provider: Option<CryptoProvider>,
}

/// What stands in the seconds of the frame info (wire.md section 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Stamps {
    /// Unix seconds, as the camera's clock has them: K10092 sets it, and then they jump.
    #[default]
    Unix,
    /// Always the same number, as some firmware has it: only the microseconds count, and wrap.
    ConstantSeconds,
}

/// A dialect that the camera speaks, with what follows from it.
#[derive(Debug)]
pub(crate) struct Spoken {
    pub(crate) dialect: &'static Dialect,
    pub(crate) dtls: Arc<dtls_psk::Config>,
    pub(crate) password: Password,
    pub(crate) call: Arc<Call>,
}

impl SimulatorConfig {
    /// A camera that speaks every dialect there is, and streams without end.
    #[must_use]
    pub fn new(credentials: Credentials, clip: Clip) -> Self {
        Self {
            credentials,
            clip,
            sound: None,
            speaker: true,
            resend: Some(ResendConfig::default()),
            stamps: Stamps::Unix,
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
            provider: None,
        }
    }
}

impl Spoken {
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
        let password = dialect
            .password
            .password(&config.credentials)
            .map_err(Error::Login)?;
        let call = Call::new(dialect, psk.clone(), password.clone(), configure);
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
            call: Arc::new(call),
        })
    }
}

/// What K10003 says after a right answer.
///
/// # Errors
/// [`Error::Authentication`] if it does not fit into a packet.
pub(crate) fn connect_result(config: &SimulatorConfig) -> Result<ConnectResult, Error> {
    let result = match &config.result {
        Some(result) => result.clone(),
        None => describe(config).map_err(Error::Authentication)?,
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

/// K10003 for clip and sound, in the summary's words. Where the model stands,
/// `cameraInfo.basicInfo.model`, is this project's choice, and so are the names of all codecs but
/// H264 and AAC.
fn describe(config: &SimulatorConfig) -> Result<ConnectResult, hl_ioctl::Error> {
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
    let audio = config.sound.as_ref().map(|sound| AudioParams {
        codec: Some(audio_name(sound.format().codec)),
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
