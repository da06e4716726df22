//! The formats of streams: which video and audio they carry.

use axum::extract::{FromRequestParts, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use tutk_media::{AudioCodec, Codec, LiveMp4, TsWriter};

use super::problem::Problem;
use super::state::AppState;
use crate::hub::{SoundDescription, StreamDescription};

/// `?sound=`: which sound goes into MP4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum SoundChoice {
    /// As the camera sends it.
    Camera,
    /// PCM and G.711 as FLAC, which browsers play; all else as the camera sends it.
    Flac,
    /// None.
    None,
}

/// The parameters of an address; those that are not known are mistakes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    sound: Option<SoundChoice>,
}

/// What was asked of the sound, if something was.
#[derive(Debug)]
pub(super) struct Sound(pub(super) Option<SoundChoice>);

/// Why a part of what the camera shows is not in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeftOut(pub(super) String);

impl FromRequestParts<AppState> for Sound {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        match Query::<Asked>::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked.sound)),
            Err(error) => {
                let advice = "leave it out, or give ?sound= with what is allowed";
                let problem = Problem::new(StatusCode::BAD_REQUEST, error.body_text(), advice);
                Err(problem.allowing(["camera", "flac", "none"]))
            }
        }
    }
}

/// The codec of the picture.
///
/// # Errors
/// 501 without a picture that anything here carries.
pub(super) fn picture(description: &StreamDescription) -> Result<Codec, Problem> {
    let video = description.video.as_ref();
    video.map(|video| video.codec()).ok_or_else(|| {
        let error = "the camera shows no picture in H.264 or H.265, and no other is carried";
        let advice = "check the camera's settings";
        Problem::new(StatusCode::NOT_IMPLEMENTED, error, advice)
    })
}

/// Begins MP4 of what a camera shows.
pub(super) fn mp4(
    codec: Codec,
    sound: Option<SoundDescription>,
    choice: SoundChoice,
) -> (LiveMp4, Option<LeftOut>) {
    let bare = LiveMp4::new(codec);
    let Some(sound) = sound.filter(|_| choice != SoundChoice::None) else {
        return (bare, None);
    };
    let with = match choice == SoundChoice::Flac && is_linear(sound.config.format().codec) {
        true => bare.with_flac(sound.config),
        false => bare.with_audio(sound.config),
    };
    match with {
        Ok(with) => (with, None),
        Err(error) => (LiveMp4::new(codec), Some(LeftOut(error.to_string()))),
    }
}

/// Begins a transport stream of what a camera shows.
pub(super) fn ts(codec: Codec, sound: Option<SoundDescription>) -> (TsWriter, Option<LeftOut>) {
    let Some(sound) = sound else {
        return (TsWriter::new(codec), None);
    };
    match TsWriter::new(codec).with_audio(sound.config) {
        Ok(with) => (with, None),
        Err(error) => (TsWriter::new(codec), Some(LeftOut(error.to_string()))),
    }
}

/// Whether it comes uncompressed, or nearly so.
const fn is_linear(codec: AudioCodec) -> bool {
    matches!(codec, AudioCodec::Pcm | AudioCodec::Pcmu | AudioCodec::Pcma)
}
