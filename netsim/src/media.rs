//! What the camera of a simulation shows: pictures and sound of the sizes that real ones have, and of no content
//! twice.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use tutk_session::{AudioFlags, Codec, Frame};
use tutk_simulator::{Clip, ClipFrame, Sound, SoundFormat};

use crate::Error;

/// Pictures a second, and how many there are from one key frame to the next: 2 s.
pub const FPS: u8 = 20;
const GOP: usize = 40;

/// How much larger than others a key frame is on average; each is 8 to 12 times as large.
const KEY_FACTOR: u64 = 10;

/// Sound: raw AAC at 16 kHz, 64 ms a frame.
const SOUND_RATE: u32 = 16_000;
const SOUND_SAMPLES: u32 = 1024;

/// Pictures and sound for a whole run.
#[derive(Debug, Clone)]
pub struct Media {
    clip: Clip,
    sound: Sound,
}

impl Media {
    /// So many seconds of video of that rate, bits a second, and sound beside it.
    ///
    /// # Errors
    /// For zero seconds, or frames that are too large for the protocol.
    pub fn new(rate: u64, seconds: u64) -> Result<Self, Error> {
        let mut rng = StdRng::seed_from_u64(rate);
        let pictures = usize::try_from(seconds * u64::from(FPS)).unwrap_or(usize::MAX);
        let gop = GOP as u64;
        let delta = rate / 8 * gop / u64::from(FPS) / (gop - 1 + KEY_FACTOR);
        let pictures = (0..pictures).map(|at| {
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
        let clip = Clip::new(pictures, Codec::H264, FPS)?;

        let frames = seconds * u64::from(SOUND_RATE) / u64::from(SOUND_SAMPLES) + 1;
        let frames = (0..frames).map(|_| {
            let len = rng.random_range(200..400);
            noise(&mut rng, len).into()
        });
        let format = SoundFormat {
            codec: Codec::AacRaw,
            flags: AudioFlags::new(SOUND_RATE, 16, 1).unwrap_or_default(),
        };
        let sound = Sound::new(frames.collect::<Vec<_>>(), format, SOUND_SAMPLES)?;
        Ok(Self { clip, sound })
    }

    /// The pictures.
    #[must_use]
    pub fn clip(&self) -> &Clip {
        &self.clip
    }

    /// The sound.
    #[must_use]
    pub fn sound(&self) -> &Sound {
        &self.sound
    }

    /// Whether that is a frame of these, bit for bit: the one that its number says. Numbers count from 1.
    #[must_use]
    pub fn has(&self, frame: &Frame) -> bool {
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
            self.sound
                .frames()
                .get(at)
                .is_some_and(|sent| *sent == frame.data)
        }
    }
}

/// The time from one picture to the next.
#[must_use]
pub fn frame_interval() -> Duration {
    Duration::from_secs(1) / u32::from(FPS)
}

fn noise(rng: &mut StdRng, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    rng.fill_bytes(&mut bytes);
    bytes
}
