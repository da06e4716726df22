//! Makes the configuration of a simulated camera from the behaviour of a captured one.

use std::sync::Arc;
use std::time::Duration;

use tutk_dissect::{Behaviour, FrameNumbers, LengthField, MessagePacket, SliceSize};
use tutk_media::{AudioFormat, Codec};
use tutk_runtime::tutk_session::av_login::Status;
use tutk_runtime::tutk_session::dtls_psk::CipherSuite;
use tutk_runtime::tutk_session::hl_ioctl::{ChallengeStatus, ConnectResult};
use tutk_runtime::tutk_session::{Credentials, MediaKind};
use tutk_runtime::tutk_simulator::{
    Clip, ClipAudio, ClipAudioFormat, ClipFrame, ExtendedMasterSecret, FrameNumbering,
    IoctlAnswers, Lengths, LoginNonce, Personality, Ports, RecordedAnswer, SessionIdRule,
    SimulatorConfig, SliceSizes, TimestampRule,
};

use crate::clip;
use crate::failure::Failure;

const PHASE: &str = "input";

/// The frame rate of a capture whose frames do not tell it.
const DEFAULT_FPS: u8 = 20;

/// Returns the configuration, and the video codec.
pub(crate) fn config(
    behaviour: &Behaviour,
    credentials: Credentials,
) -> Result<(SimulatorConfig, Option<Codec>), Failure> {
    let (clip, codec) = match video(behaviour)? {
        Some((clip, codec)) => (clip, Some(codec)),
        // A session that failed before its first frame is replayed with other video.
        None => (clip::load(None, clip::BUILT_IN_FPS)?.clip, None),
    };
    let mut config = SimulatorConfig::new(credentials, clip);
    config.audio = audio(behaviour);
    config.speaker = behaviour.two_way_audio;
    if let Some(dialect) = &behaviour.dialect {
        config.dialects = vec![Arc::clone(dialect)];
    }
    let result = behaviour.connect_result.as_deref();
    config.result = result.and_then(|payload| ConnectResult::decode(payload).ok());
    config.answers = answers(behaviour);
    config.personality = personality(behaviour);
    Ok((config, codec))
}

/// The deviations of the captured camera. What the capture does not tell is as in other cameras.
fn personality(behaviour: &Behaviour) -> Personality {
    let mut personality = Personality::STRICT;
    if let Some(model) = behaviour.model() {
        personality = personality.with_model(model);
    }
    if behaviour.ports.is_empty() {
        personality.answers = false;
    }
    if behaviour.ports.len() > 1 {
        personality.ports = Ports::Three;
    }
    personality.lengths = match behaviour.lengths {
        Some(LengthField::TooSmall) => Lengths::TooSmall,
        Some(LengthField::TooLarge) => Lengths::TooLarge,
        _ => Lengths::Exact,
    };
    if behaviour.other_session {
        personality.session_ids = SessionIdRule::Other;
    }
    personality.cookie_exchange = behaviour.cookie_exchange;
    personality.extended_master_secret = match behaviour.extended_master_secret {
        Some(true) => ExtendedMasterSecret::Accepted,
        Some(false) => ExtendedMasterSecret::Ignored,
        None if behaviour.extended_master_secret_offered => ExtendedMasterSecret::Unanswered,
        None => ExtendedMasterSecret::Accepted,
    };
    let suite = behaviour.suite.as_deref();
    let is_captured = |of: &&CipherSuite| suite == Some(of.name());
    if let Some(suite) = CipherSuite::ALL.iter().find(is_captured) {
        personality.suites = std::slice::from_ref(suite);
    }
    if behaviour.login_nonce_echoed == Some(false) {
        personality.login_nonce = LoginNonce::Zero;
    }
    if let Some(status) = behaviour.login_status {
        personality.login_status = Status(status);
    }
    if let Some(status) = behaviour.challenge_status {
        personality.status = ChallengeStatus::from_byte(status);
    }
    personality.ioctl_answers = match behaviour.messages_in {
        Some(MessagePacket::Grouped) => IoctlAnswers::Grouped,
        Some(MessagePacket::Channel) => IoctlAnswers::Channel,
        _ => IoctlAnswers::Ioctl,
    };
    personality.buffer_reset = behaviour.buffer_reset;
    if behaviour.frame_numbers() == Some(FrameNumbers::Shared) {
        personality.frame_numbers = FrameNumbering::Shared;
    }
    personality.slice_sizes = match behaviour.slice_size {
        Some(SliceSize::WithoutInfo) => SliceSizes::WithoutInfo,
        Some(SliceSize::TooSmall) => SliceSizes::Padded,
        Some(SliceSize::TooLarge) => SliceSizes::TooLarge,
        _ => SliceSizes::Exact,
    };
    if behaviour.has_constant_seconds() {
        personality.timestamps = TimestampRule::ConstantSeconds;
    }
    if !behaviour.grouped {
        personality.resend = None;
    }
    personality
}

/// The answers to commands, with their delays. Commands without an answer have none.
fn answers(behaviour: &Behaviour) -> std::collections::BTreeMap<u16, RecordedAnswer> {
    let delay = |code: &u16| behaviour.delays.get(code).copied().unwrap_or_default();
    let answered = behaviour.answers.iter().map(|(code, payload)| {
        let payload = Some(payload.clone());
        let delay = delay(code);
        (*code, RecordedAnswer { payload, delay })
    });
    let unanswered = behaviour.unanswered().map(|code| {
        let (payload, delay) = (None, Duration::ZERO);
        (code, RecordedAnswer { payload, delay })
    });
    // K10000 to K10008 are answered by the simulated camera, with the captured delays.
    let exchange = behaviour.delays.iter().filter_map(|(code, delay)| {
        let (payload, delay) = (None, *delay);
        matches!(code, 10000..=10008).then_some((*code, RecordedAnswer { payload, delay }))
    });
    answered.chain(unanswered).chain(exchange).collect()
}

/// The captured video from its first key frame on, at the captured times.
fn video(behaviour: &Behaviour) -> Result<Option<(Clip, Codec)>, Failure> {
    let captured: Vec<_> = (behaviour.frames.iter())
        .filter(|frame| frame.frame.kind.is_video() && !frame.frame.data.is_empty())
        .skip_while(|frame| !frame.frame.is_key())
        .collect();
    let Some(first) = captured.first() else {
        return Ok(None);
    };
    let Some(codec) = first.frame.codec.and_then(Codec::from_tutk) else {
        let what = "the captured video is neither H.264 nor H.265";
        return Err(Failure::usage(PHASE, what, "replay another capture"));
    };
    let fps = first.frame.info.map(|info| info.fps);
    let fps = fps.filter(|&fps| fps > 0).unwrap_or(DEFAULT_FPS);
    let frames = captured.iter().map(|frame| ClipFrame {
        data: frame.frame.data.clone(),
        key: frame.frame.kind == MediaKind::Key,
    });
    let times = captured
        .iter()
        .map(|frame| frame.time.saturating_sub(first.time));
    let clip = Clip::new(frames, codec.to_tutk(), fps)
        .map(|clip| clip.with_times(times))
        .map_err(|error| Failure::usage(PHASE, error.to_string(), "replay another capture"))?;
    Ok(Some((clip, codec)))
}

/// The captured audio, with frames of equal length. `None` if there is none or its format is not
/// known.
fn audio(behaviour: &Behaviour) -> Option<ClipAudio> {
    let captured: Vec<_> = (behaviour.frames.iter())
        .map(|captured| &captured.frame)
        .filter(|frame| !frame.kind.is_video() && !frame.data.is_empty())
        .collect();
    let (first, last) = (captured.first()?, captured.last()?);
    let format = ClipAudioFormat {
        codec: first.codec?,
        flags: first.audio?,
    };
    let rate = AudioFormat::from_tutk(first.codec, first.audio)?.rate;
    let gaps = u32::try_from(captured.len() - 1)
        .ok()
        .filter(|gaps| *gaps > 0)?;
    let length = last.timestamp.saturating_sub(first.timestamp) / gaps;
    let samples = length.as_nanos() * u128::from(rate) / 1_000_000_000;
    let samples = u32::try_from(samples).ok()?.max(1);
    let data = captured.iter().map(|frame| frame.data.clone());
    ClipAudio::new(data, format, samples).ok()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tutk_dissect::CapturedFrame;
    use tutk_runtime::tutk_session::tutk_frame::media::FrameInfo;
    use tutk_runtime::tutk_session::{self, Frame};

    use super::*;

    #[test]
    fn unknown_challenge_status_is_replayed() {
        let mut behaviour = Behaviour::default();
        behaviour.challenge_status = Some(9);
        assert_eq!(personality(&behaviour).status, ChallengeStatus::Other(9));
    }

    #[test]
    fn frame_rate_is_that_of_the_capture() {
        for (captured, replayed) in [(1, 1), (200, 200), (0, DEFAULT_FPS)] {
            let mut behaviour = Behaviour::default();
            let info = FrameInfo {
                codec: tutk_session::Codec::H264,
                flags: 1,
                camera: 0,
                viewers: 1,
                fps: captured,
                resolution: 0,
                bitrate: 0,
                micros: 0,
                seconds: 0,
                numbers: None,
            };
            behaviour.frame(CapturedFrame {
                session: 1,
                time: Duration::ZERO,
                frame: Frame {
                    kind: MediaKind::Key,
                    codec: Some(info.codec),
                    audio: None,
                    number: 0,
                    timestamp: Duration::ZERO,
                    info: Some(info),
                    resolution_changed: false,
                    data: Bytes::from_static(&[0; 8]),
                },
            });
            let (clip, _) = video(&behaviour).unwrap().unwrap();
            assert_eq!(clip.fps(), replayed);
        }
    }
}
