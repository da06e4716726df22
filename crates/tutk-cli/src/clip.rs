//! Video for the simulated camera: an elementary stream from a file, or the built-in clip.

use std::path::Path;

use bytes::Bytes;
use tutk_runtime::tutk_simulator::{Clip, ClipFrame};

use crate::failure::Failure;

/// 100 frames of H.264, 640x360, 20 frames per second (`assets/make-clips.sh`).
pub(crate) const BUILT_IN: &[u8] = include_bytes!("../assets/clip.h264");

/// The frame rate of [`BUILT_IN`].
pub(crate) const BUILT_IN_FPS: u8 = 20;

const PHASE: &str = "input";

/// A clip with the parameters of its video.
#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) clip: Clip,
    pub(crate) codec: tutk_media::Codec,
    pub(crate) width: u16,
    pub(crate) height: u16,
}

/// Reads `input`, or the built-in clip without it.
pub(crate) fn load(input: Option<&Path>, fps: u8) -> Result<Picture, Failure> {
    let (name, stream) = match input {
        None => ("the built-in clip".to_owned(), Bytes::from_static(BUILT_IN)),
        Some(path) => {
            let name = path.display().to_string();
            let stream = std::fs::read(path).map_err(|error| {
                let advice = "use an H.264 or H.265 elementary stream, or omit --input";
                Failure::usage(PHASE, format!("{name}: {error}"), advice)
            })?;
            (name, stream.into())
        }
    };
    parse(&name, stream, fps)
}

/// Parses an elementary stream. `name` names it in failures.
pub(crate) fn parse(name: &str, stream: Bytes, fps: u8) -> Result<Picture, Failure> {
    let parsed = tutk_media::Clip::parse(stream).map_err(|error| {
        let advice = "make a clip with `ffmpeg -i FILE -an -c:v libx264 -bf 0 clip.h264`";
        Failure::usage(PHASE, format!("{name}: {error}"), advice)
    })?;
    let frames = parsed.units().map(|unit| ClipFrame {
        data: unit.data().clone(),
        key: unit.is_key(),
    });
    let clip = Clip::new(frames, parsed.codec().to_tutk(), fps)
        .map_err(|error| Failure::usage(PHASE, format!("{name}: {error}"), "use another clip"))?;
    Ok(Picture {
        clip,
        codec: parsed.codec(),
        width: parsed.parameters().width,
        height: parsed.parameters().height,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Status;

    #[test]
    fn built_in_clip_has_the_documented_size() {
        let picture = load(None, BUILT_IN_FPS).unwrap();
        assert_eq!((picture.width, picture.height), (640, 360));
        assert_eq!(picture.clip.frames().len(), 100);
        assert_eq!(picture.codec.name(), "h264");
    }

    #[test]
    fn names_the_file_that_is_not_a_clip() {
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
