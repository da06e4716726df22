//! The media that a simulated camera sends: frames of realistic sizes, each with unique content.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use tutk_session::{AudioFlags, Codec, Frame};
use tutk_simulator::{Clip, ClipAudio, ClipAudioFormat, ClipFrame};

use crate::Error;

/// Video frames per second.
pub const FPS: u8 = 20;

/// Video frames from one key frame to the next: 2 s.
const GOP: usize = 40;

/// The average size of a key frame, in delta frames. Each has 8 to 12 times the size.
const KEY_FACTOR: u64 = 10;

/// Audio is raw AAC at 16 kHz, with frames of 64 ms.
const AUDIO_RATE: u32 = 16_000;
const AUDIO_SAMPLES: u32 = 1024;

/// Video and audio for a run.
#[derive(Debug, Clone)]
pub struct Media {
    clip: Clip,
    audio: ClipAudio,
}

impl Media {
    /// Creates video with `rate` bits per second, and audio.
    ///
    /// # Errors
    /// If `seconds` is 0, or a frame is too large for the protocol.
    pub fn new(rate: u64, seconds: u64) -> Result<Self, Error> {
        let mut rng = StdRng::seed_from_u64(rate);
        let frames = usize::try_from(seconds * u64::from(FPS)).unwrap_or(usize::MAX);
        let gop = GOP as u64;
        let delta = rate / 8 * gop / u64::from(FPS) / (gop - 1 + KEY_FACTOR);
        let frames = (0..frames).map(|at| {
            let key = at % GOP == 0;
            let percent = match key {
                true => rng.random_range(80..=120) * KEY_FACTOR,
                false => rng.random_range(50..=150),
            };
            let len = usize::try_from(delta * percent / 100).unwrap_or(usize::MAX);
            ClipFrame {
                data: noise(&mut rng, len).into(),
                key,
            }
        });
        let clip = Clip::new(frames, Codec::H264, FPS)?;

        let frames = seconds * u64::from(AUDIO_RATE) / u64::from(AUDIO_SAMPLES) + 1;
        let frames = (0..frames).map(|_| {
            let len = rng.random_range(200..400);
            noise(&mut rng, len).into()
        });
        let format = ClipAudioFormat {
            codec: Codec::AacRaw,
            flags: AudioFlags::new(AUDIO_RATE, 16, 1).unwrap_or_default(),
        };
        let audio = ClipAudio::new(frames.collect::<Vec<_>>(), format, AUDIO_SAMPLES)?;
        Ok(Self { clip, audio })
    }

    /// Returns the video.
    #[must_use]
    pub fn clip(&self) -> &Clip {
        &self.clip
    }

    /// Returns the audio.
    #[must_use]
    pub fn audio(&self) -> &ClipAudio {
        &self.audio
    }

    /// Returns `true` if the frame equals the sent frame with its number. Numbers start at 1.
    #[must_use]
    pub fn contains(&self, frame: &Frame) -> bool {
        let Some(at) = usize::try_from(frame.number)
            .ok()
            .and_then(|number| number.checked_sub(1))
        else {
            return false;
        };
        if frame.kind.is_video() {
            let sent = self.clip.frames().get(at);
            sent.is_some_and(|sent| sent.data == frame.data && sent.key == frame.is_key())
        } else {
            let sent = self.audio.frames().get(at);
            sent.is_some_and(|sent| *sent == frame.data)
        }
    }
}

/// Returns the interval of video frames.
#[must_use]
pub fn frame_interval() -> Duration {
    Duration::from_secs(1) / u32::from(FPS)
}

fn noise(rng: &mut StdRng, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rng.fill_bytes(&mut bytes);
    bytes
}
