//! The track of sound: what its frames are, and where in time each stands.

use std::time::Duration;

use super::boxes::Sample;
use crate::audio_frame::{AudioConfig, AudioFrame};
use crate::clock::{AudioClock, Place};
use crate::{AudioCodec, AudioFormat, Error};

/// Frames of sound kept while the first key frame is still to come; then the oldest are left out.
pub const MAX_EARLY_AUDIO_FRAMES: usize = 256;

/// The sound of the fragment being collected.
#[derive(Debug)]
pub(super) struct AudioTrack {
    pub(super) config: AudioConfig,
    pub(super) samples: Vec<Sample>,
    /// Their bytes one behind the other.
    pub(super) data: Vec<u8>,
    /// Where the first of them begins, in ticks.
    pub(super) start: u64,
    clock: AudioClock,
    /// What comes behind a gap begins before it, and lasts so much longer: no gap stays between
    /// fragments, over which browsers do not play.
    gapless: bool,
}

impl AudioTrack {
    pub(super) const fn new(config: AudioConfig, gapless: bool) -> Self {
        Self {
            config,
            samples: Vec::new(),
            data: Vec::new(),
            start: 0,
            clock: AudioClock::new(config.timescale()),
            gapless,
        }
    }

    /// Puts a frame where the clock says, or behind the one before if that is near enough. Returns
    /// whether there is room for it.
    pub(super) fn append(&mut self, frame: AudioFrame<'_>, place: Place) -> bool {
        let end = self.clock.end();
        let Some(start) = self.clock.advance(frame, place) else {
            return false;
        };
        let gap = end.map_or(0, |end| u32::try_from(start - end).unwrap_or(u32::MAX));
        let mut duration = frame.ticks;
        match (self.samples.last_mut(), end) {
            (None, Some(end)) if self.gapless => {
                self.start = end;
                duration = duration.saturating_add(gap);
            }
            (None, _) => self.start = start,
            // What lies between is silence: the frame before lasts until this one.
            (Some(before), _) => before.duration = before.duration.saturating_add(gap),
        }
        self.samples.push(Sample {
            // A frame's length has been held far below 2^32.
            size: u32::try_from(frame.data.len()).unwrap_or(u32::MAX),
            duration,
            key: true,
        });
        self.data.extend_from_slice(frame.data);
        true
    }

    /// How long the sound of this fragment is.
    pub(super) fn held(&self) -> Duration {
        let first = if self.samples.is_empty() {
            None
        } else {
            self.clock.end()
        };
        let ticks = first.map_or(0, |end| end - self.start);
        let rate = u64::from(self.config.timescale());
        Duration::from_millis(ticks.saturating_mul(1_000) / rate)
    }

    /// The fragment is written: the next frame begins another one.
    pub(super) fn clear(&mut self) {
        self.samples.clear();
        self.data.clear();
    }
}

/// What MP4 has a place for.
///
/// # Errors
///
/// [`Error::AudioFormat`]; [`Error::AudioNotInMp4`] says what is in the way.
pub(super) fn check(format: AudioFormat) -> Result<AudioFormat, Error> {
    let why = match format.check()?.codec {
        AudioCodec::Mp3 if format.rate < 16_000 => {
            "MPEG audio below 16 kHz (\"2.5\") is in no standard"
        }
        AudioCodec::AacLatm => "its frames do not stand at whole bytes, and are not unpacked here",
        AudioCodec::Adpcm => "MP4 and QuickTime know ADPCM only in blocks of another layout",
        AudioCodec::Speex | AudioCodec::G726 => "no sample entry is defined for it",
        AudioCodec::Aac
        | AudioCodec::AacAdts
        | AudioCodec::Pcmu
        | AudioCodec::Pcma
        | AudioCodec::Pcm
        | AudioCodec::Mp3
        | AudioCodec::Opus => return Ok(format),
    };
    Err(Error::AudioNotInMp4 {
        codec: format.codec,
        why,
    })
}
