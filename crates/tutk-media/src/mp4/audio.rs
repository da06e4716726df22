//! The track of sound: what its frames are, and where in time each stands.

use std::time::Duration;

use super::boxes::Sample;
use crate::audio_frame::{AudioConfig, AudioFrame};
use crate::{AudioCodec, AudioFormat, Error};

/// How far sound may be off the clock before it is brought back into step: about where lips and
/// voice begin to part (ITU-R BT.1359 has 45 ms for sound that comes early).
pub const AUDIO_TOLERANCE: Duration = Duration::from_millis(40);

/// Frames of sound kept while the first key frame is still to come; then the oldest are left out.
pub const MAX_EARLY_AUDIO_FRAMES: usize = 256;

/// A frame this far ahead of both picture and sound is not believed: a camera's clock was set, and
/// the frame is of the time before.
const MAX_LEAD: Duration = Duration::from_secs(10);

/// The sound of the fragment being collected.
#[derive(Debug)]
pub(super) struct AudioTrack {
    pub(super) config: AudioConfig,
    pub(super) samples: Vec<Sample>,
    /// Their bytes one behind the other.
    pub(super) data: Vec<u8>,
    /// Where the first of them begins, in ticks.
    pub(super) start: u64,
    /// Where the newest frame ends, in ticks, be it in this fragment or before.
    end: Option<u64>,
}

impl AudioTrack {
    pub(super) const fn new(config: AudioConfig) -> Self {
        Self {
            config,
            samples: Vec::new(),
            data: Vec::new(),
            start: 0,
            end: None,
        }
    }

    /// Puts a frame where the clock says, or behind the one before if that is near enough. `time` is
    /// its place in nanoseconds from the beginning of the file, `picture` that of the newest picture.
    /// Returns whether there is room for it.
    pub(super) fn append(&mut self, frame: AudioFrame<'_>, time: i128, picture: i128) -> bool {
        let Some(start) = self.place(frame, time, picture) else {
            return false;
        };
        match (self.samples.last_mut(), self.end) {
            (None, _) => self.start = start,
            // What lies between is silence: the frame before lasts until this one.
            (Some(before), Some(end)) => {
                let gap = u32::try_from(start - end).unwrap_or(u32::MAX);
                before.duration = before.duration.saturating_add(gap);
            }
            (Some(_), None) => {}
        }
        self.samples.push(Sample {
            // A frame's length has been held far below 2^32.
            size: u32::try_from(frame.data.len()).unwrap_or(u32::MAX),
            duration: frame.ticks,
            key: true,
        });
        self.data.extend_from_slice(frame.data);
        self.end = Some(start + u64::from(frame.ticks));
        true
    }

    /// Where a frame begins, in ticks; never before the end of the one before it.
    fn place(&self, frame: AudioFrame<'_>, time: i128, picture: i128) -> Option<u64> {
        let clock = self.to_ticks(time);
        let Some(end) = self.end else {
            // What was heard before the first picture is left out.
            return u64::try_from(clock).ok();
        };
        let ahead = clock - i128::from(end);
        let tolerance = self.to_ticks(nanos(AUDIO_TOLERANCE));
        let lead = self.to_ticks(nanos(MAX_LEAD));
        if ahead > lead && clock - self.to_ticks(picture) > lead {
            Some(end)
        } else if ahead > tolerance {
            u64::try_from(clock).ok()
        } else if -ahead > tolerance.max(frame.ticks.into()) {
            None
        } else {
            Some(end)
        }
    }

    /// How long the sound of this fragment is.
    pub(super) fn held(&self) -> Duration {
        let first = if self.samples.is_empty() {
            None
        } else {
            self.end
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

    /// Nanoseconds as ticks of this track, rounded to the nearest.
    fn to_ticks(&self, nanos: i128) -> i128 {
        let ticks = nanos * i128::from(self.config.timescale());
        (ticks + 500_000_000).div_euclid(1_000_000_000)
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

pub(super) const fn nanos(duration: Duration) -> i128 {
    // A Duration has fewer than 2^94 nanoseconds.
    duration.as_nanos().cast_signed()
}
