//! Reads a sound file and converts it to the codec that the camera accepts.

use std::path::Path;

use tutk_media::{AudioClip, AudioCodec, AudioFormat, Wav, talk_frame};
use tutk_runtime::tutk_session::{AudioFlags, Codec};
use tutk_runtime::tutk_simulator::ClipAudioFormat;

use crate::failure::Failure;

const PHASE: &str = "input";

/// A decoded file, before the camera's codec is known.
#[derive(Debug)]
pub(crate) struct TalkInput {
    name: String,
    content: Content,
}

#[derive(Debug)]
enum Content {
    Wav(Wav),
    Aac(AudioClip),
}

/// Encoded frames for one camera.
#[derive(Debug)]
pub(crate) struct TalkClip {
    pub(crate) clip: AudioClip,
    pub(crate) format: ClipAudioFormat,
}

impl TalkInput {
    /// Reads a WAV or ADTS file.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let bad = |error: String| {
            let wav = path.with_extension("wav");
            let advice = format!(
                "create a file with `ffmpeg -i FILE -ac 1 -ar 8000 {}`, or use an .aac file",
                wav.display()
            );
            Failure::usage(PHASE, format!("{name}: {error}"), advice)
        };
        let file = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
        let content = if file.starts_with(b"RIFF") {
            Content::Wav(Wav::parse(&file).map_err(|error| bad(error.to_string()))?)
        } else {
            Content::Aac(AudioClip::from_adts(file.into()).map_err(|error| bad(error.to_string()))?)
        };
        let (channels, empty) = match &content {
            Content::Wav(wav) => (wav.channels, wav.samples.is_empty()),
            Content::Aac(clip) => (clip.format().channels, clip.is_empty()),
        };
        if channels != 1 {
            return Err(bad(format!("{channels} channels, but cameras accept one")));
        }
        if empty {
            return Err(bad("the file contains no audio".to_owned()));
        }
        Ok(Self { name, content })
    }

    /// Returns `codec` with the rate of the file, for a camera whose format is not known.
    pub(crate) fn own_format(&self, codec: Codec) -> Option<ClipAudioFormat> {
        let rate = match &self.content {
            Content::Wav(wav) => wav.rate,
            Content::Aac(clip) => clip.format().rate,
        };
        let flags = AudioFlags::new(rate, 16, 1)?;
        Some(ClipAudioFormat { codec, flags })
    }

    /// Encodes the frames. The camera is assumed to accept the format that it sends.
    pub(crate) fn encode_for(self, camera: ClipAudioFormat) -> Result<TalkClip, Failure> {
        // Always one channel, even if the camera sends two.
        let format = ClipAudioFormat {
            flags: AudioFlags(camera.flags.0 & !1),
            ..camera
        };
        let Some(wanted) = AudioFormat::from_tutk(Some(format.codec), Some(format.flags)) else {
            let what = format!(
                "the camera uses {:?} with {:?}, which tutk does not support",
                format.codec, format.flags
            );
            return Err(Failure::usage(PHASE, what, "set --codec"));
        };
        let AudioFormat { codec, rate, .. } = wanted;
        let is_aac = matches!(codec, AudioCodec::Aac | AudioCodec::AacAdts);
        let has_rate = match &self.content {
            Content::Wav(wav) => wav.rate,
            Content::Aac(clip) => clip.format().rate,
        };
        let fits = match &self.content {
            Content::Wav(_) => {
                matches!(codec, AudioCodec::Pcm | AudioCodec::Pcmu | AudioCodec::Pcma)
            }
            Content::Aac(_) => is_aac,
        };
        if !fits || has_rate != rate {
            let has = match &self.content {
                Content::Wav(wav) => format!("WAV, {} Hz", wav.rate),
                Content::Aac(clip) => clip.format().to_string(),
            };
            let what = format!("{}: {has}, but the camera takes {wanted}", self.name);
            let advice = match (
                is_aac,
                fits || matches!(codec, AudioCodec::Pcm | AudioCodec::Pcmu | AudioCodec::Pcma),
            ) {
                (true, _) => format!(
                    "convert it with `ffmpeg -i {} -ac 1 -ar {rate} -c:a aac voice.aac`",
                    self.name
                ),
                (false, true) => format!(
                    "convert it with `ffmpeg -i {} -ac 1 -ar {rate} voice.wav`",
                    self.name
                ),
                (false, false) => format!("tutk has no encoder for {codec}"),
            };
            return Err(Failure::usage(PHASE, what, advice));
        }
        let clip = match self.content {
            Content::Aac(clip) if codec == AudioCodec::Aac => clip.without_adts(),
            Content::Aac(clip) => clip,
            Content::Wav(wav) => {
                AudioClip::from_wav(&wav, codec, talk_frame(wanted)).map_err(|error| {
                    Failure::usage(PHASE, format!("{}: {error}", self.name), "use another file")
                })?
            }
        };
        Ok(TalkClip { clip, format })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Status;

    fn format(codec: Codec, rate: u32, channels: u8) -> ClipAudioFormat {
        ClipAudioFormat {
            codec,
            flags: AudioFlags::new(rate, 16, channels).unwrap(),
        }
    }

    fn wav(rate: u32, channels: u8) -> Vec<u8> {
        let samples = vec![1_000; 1_000 * usize::from(channels)];
        let wav = Wav {
            rate,
            channels,
            samples,
        };
        wav.to_bytes().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<TalkInput, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("voice");
        std::fs::write(&path, bytes).unwrap();
        TalkInput::read(&path)
    }

    #[test]
    fn encodes_every_supported_codec() {
        for (codec, rate, frames, bytes) in [
            (Codec::Pcmu, 8_000, 7, 160),
            (Codec::Pcma, 16_000, 4, 320),
            (Codec::Pcm, 16_000, 4, 640),
            (Codec::Pcm, 48_000, 3, 960),
        ] {
            let voice = read(&wav(rate, 1)).unwrap();
            // A camera that sends stereo receives mono.
            let talk_clip = voice.encode_for(format(codec, rate, 2)).unwrap();
            assert_eq!(talk_clip.format, format(codec, rate, 1));
            assert_eq!(talk_clip.clip.len(), frames, "{codec:?}");
            assert_eq!(talk_clip.clip.frame(0).unwrap().0.len(), bytes, "{codec:?}");
        }
        let aac = include_bytes!("../assets/tone.aac");
        for (codec, shorter) in [(Codec::AacAdts, 0), (Codec::AacWyze, 7), (Codec::AacRaw, 7)] {
            let talk_clip = read(aac)
                .unwrap()
                .encode_for(format(codec, 16_000, 1))
                .unwrap();
            let bytes: usize = talk_clip.clip.frames().map(|(frame, _)| frame.len()).sum();
            assert_eq!(bytes, aac.len() - 125 * shorter, "{codec:?}");
        }
    }

    #[test]
    fn suggests_how_to_convert_an_unsuitable_file() {
        let talk_clip = |voice: &[u8], camera| read(voice).unwrap().encode_for(camera).unwrap_err();
        let aac = include_bytes!("../assets/tone.aac");
        for (failure, words) in [
            (
                talk_clip(&wav(44_100, 1), format(Codec::Pcmu, 8_000, 1)),
                ["takes PCMU, 8000 Hz", "-ar 8000 voice.wav"],
            ),
            (
                talk_clip(&wav(8_000, 1), format(Codec::AacWyze, 16_000, 1)),
                ["takes AAC, 16000 Hz", "-c:a aac voice.aac"],
            ),
            (
                talk_clip(aac, format(Codec::Pcma, 8_000, 1)),
                ["takes PCMA", "voice.wav"],
            ),
            (
                talk_clip(aac, format(Codec::AacAdts, 8_000, 1)),
                ["takes AAC (ADTS), 8000 Hz", "-ar 8000 -c:a aac"],
            ),
            (
                talk_clip(&wav(8_000, 1), format(Codec::Speex, 8_000, 1)),
                ["takes Speex", "no encoder"],
            ),
        ] {
            assert_eq!(failure.status, Status::Usage);
            for word in words {
                assert!(
                    failure.to_string().contains(word),
                    "{failure}\nlacks {word}"
                );
            }
        }
    }

    #[test]
    fn names_the_file_that_is_not_audio() {
        for (bytes, word) in [
            (wav(8_000, 2), "2 channels"),
            (b"not sound at all".to_vec(), "ADTS"),
            (wav(8_000, 1)[..44].to_vec(), "no audio"),
        ] {
            let failure = read(&bytes).unwrap_err();
            assert_eq!(failure.status, Status::Usage);
            assert!(failure.to_string().contains(word), "{failure}");
        }
    }
}
