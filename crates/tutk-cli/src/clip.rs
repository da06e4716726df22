//! What the simulated camera shows: a bare stream from a file, or the clip that ships with the program.

use std::path::Path;

use bytes::Bytes;
use tutk_runtime::tutk_session::tutk_frame;
use tutk_runtime::tutk_simulator::{Clip, ClipFrame};

use crate::failure::Failure;

/// 100 frames of H.264, 640x360, 20 frames a second (`assets/make-clips.sh`).
pub(crate) const SHIPPED: &[u8] = include_bytes!("../assets/clip.h264");

/// Frames a second of [`SHIPPED`].
pub(crate) const SHIPPED_FPS: u8 = 20;

const PHASE: &str = "input";

/// A clip, and what is known of its picture.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) clip: Clip,
    pub(crate) codec: tutk_media::Codec,
    pub(crate) width: u16,
    pub(crate) height: u16,
}

/// Reads `input`, or the clip that ships if there is none.
pub(crate) fn load(input: Option<&Path>, fps: u8) -> Result<Picture, Failure> {
    let (name, stream) = match input {
        None => (
            "the clip that ships".to_owned(),
            Bytes::from_static(SHIPPED),
        ),
        Some(path) => {
            let name = path.display().to_string();
            let stream = std::fs::read(path).map_err(|error| {
                let advice = "give a bare H.264 or H.265 file, or leave --input out";
                Failure::usage(PHASE, format!("{name}: {error}"), advice)
            })?;
            (name, stream.into())
        }
    };
    parse(&name, stream, fps)
}

/// Reads a bare stream; `name` is what it is called in failures.
pub(crate) fn parse(name: &str, stream: Bytes, fps: u8) -> Result<Picture, Failure> {
    let parsed = tutk_media::Clip::parse(stream).map_err(|error| {
        let advice = "make a clip with `ffmpeg -i FILE -an -c:v libx264 -bf 0 clip.h264`";
        Failure::usage(PHASE, format!("{name}: {error}"), advice)
    })?;
    let frames = parsed.units().map(|unit| ClipFrame {
        data: unit.data().clone(),
        key: unit.is_key(),
    });
    let codec = match parsed.codec() {
        tutk_media::Codec::H264 => tutk_frame::Codec::H264,
        tutk_media::Codec::H265 => tutk_frame::Codec::H265,
    };
    let clip = Clip::new(frames, codec, fps)
        .map_err(|error| Failure::usage(PHASE, format!("{name}: {error}"), "give another clip"))?;
    Ok(Picture {
        clip,
        codec: parsed.codec(),
        width: parsed.parameters().width,
        height: parsed.parameters().height,
    })
}

/// `h264` or `h265`.
pub(crate) fn codec_name(codec: tutk_media::Codec) -> &'static str {
    match codec {
        tutk_media::Codec::H264 => "h264",
        tutk_media::Codec::H265 => "h265",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Status;

    #[test]
    fn the_clip_that_ships_is_as_described() {
        let picture = load(None, SHIPPED_FPS).unwrap();
        assert_eq!((picture.width, picture.height), (640, 360));
        assert_eq!(picture.clip.frames().len(), 100);
        assert_eq!(codec_name(picture.codec), "h264");
    }

    #[test]
    fn what_is_no_clip_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        std::fs::write(&path, "not a clip").unwrap();
        for path in [&path, &folder.path().join("missing.h264")] {
            let failure = load(Some(path), 20).unwrap_err();
            assert_eq!(failure.status, Status::Usage);
            assert!(
                failure.what.contains(&path.display().to_string()),
                "{failure}"
            );
        }
    }
}
