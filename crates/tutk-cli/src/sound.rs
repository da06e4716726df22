//! Audio for the simulated camera.

use std::time::Duration;

use bytes::Bytes;
use tutk_media::{AudioClip, AudioCodec, AudioFormat, tone};
use tutk_runtime::tutk_simulator::{ClipAudio, ClipAudioFormat};

use crate::args::SoundChoice;
use crate::failure::Failure;

/// 8 s of a tone with a click every second: AAC in ADTS, 16 kHz, mono (`assets/make-clips.sh`).
const TONE: &[u8] = include_bytes!("../assets/tone.aac");

/// The duration of a PCM or G.711 frame.
pub(crate) const FRAME: Duration = Duration::from_millis(20);

/// Returns the audio of the simulated camera. It loops without a gap.
pub(crate) fn load(choice: SoundChoice) -> Result<Option<ClipAudio>, Failure> {
    let uncompressed = |codec, rate: u16| {
        let format = AudioFormat {
            codec,
            rate: rate.into(),
            channels: 1,
        };
        AudioClip::from_pcm(&tone(rate.into(), 1, 0, rate.into()), format, FRAME)
    };
    let clip = match choice {
        SoundChoice::None => return Ok(None),
        SoundChoice::Aac => AudioClip::from_adts(Bytes::from_static(TONE)),
        SoundChoice::Pcmu => uncompressed(AudioCodec::Pcmu, 8_000),
        SoundChoice::Pcma => uncompressed(AudioCodec::Pcma, 8_000),
        SoundChoice::Pcm => uncompressed(AudioCodec::Pcm, 16_000),
    };
    // All of it is built in.
    let broken = |error: String| Failure::other("start", error, "report this");
    let clip = clip.map_err(|error| broken(error.to_string()))?;
    let format = wire_format(clip.format());
    let format =
        format.ok_or_else(|| broken(format!("the protocol has no code for {}", clip.format())))?;
    let samples = clip.frame_samples();
    let frames = clip.frames().map(|(frame, _)| frame.clone());
    let sound =
        ClipAudio::new(frames, format, samples).map_err(|error| broken(error.to_string()))?;
    Ok(Some(sound))
}

/// Converts the protocol's audio format.
pub(crate) fn of_wire(format: Option<ClipAudioFormat>) -> Option<AudioFormat> {
    let format = format?;
    AudioFormat::from_tutk(Some(format.codec), Some(format.flags))
}

/// Converts to the protocol's audio format. Returns `None` if the protocol has no code for the rate
/// or the number of channels.
pub(crate) fn wire_format(format: AudioFormat) -> Option<ClipAudioFormat> {
    let (codec, flags) = format.to_tutk()?;
    Some(ClipAudioFormat { codec, flags })
}

#[cfg(test)]
mod tests {
    use tutk_runtime::tutk_session::Codec;

    use super::*;

    #[test]
    fn built_in_audio_loops_after_whole_seconds() {
        for (choice, codec, rate) in [
            (SoundChoice::Aac, Codec::AacAdts, 16_000),
            (SoundChoice::Pcmu, Codec::Pcmu, 8_000),
            (SoundChoice::Pcma, Codec::Pcma, 8_000),
            (SoundChoice::Pcm, Codec::Pcm, 16_000),
        ] {
            let sound = load(choice).unwrap().unwrap();
            assert_eq!(sound.format().codec, codec);
            assert_eq!(sound.format().flags.rate_hz(), Some(rate));
            let samples = u64::from(sound.frame_samples()) * sound.frames().len() as u64;
            assert_eq!(
                samples % u64::from(rate),
                0,
                "{codec:?}: a click each second"
            );
        }
        assert_eq!(load(SoundChoice::None).unwrap(), None);
    }
}
