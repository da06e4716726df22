//! The track of sound: what its frames are, and where in time each stands.

use std::time::Duration;

use super::boxes::Sample;
use super::{Header, Mp4Writer, Sound};
use crate::audio_frame::{AudioConfig, AudioFrame};
use crate::clock::{AudioClock, Place};
use crate::flac::{self, FlacEncoder};
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
    /// The frames go into the file as FLAC.
    flac: Option<FlacEncoder>,
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
            flac: None,
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
        let Some(flac) = &mut self.flac else {
            push(&mut self.samples, &mut self.data, frame.data, duration);
            return true;
        };
        let more = duration - frame.ticks;
        for (at, block) in flac.blocks(frame.data).enumerate() {
            let duration = block.samples + if at == 0 { more } else { 0 };
            push(&mut self.samples, &mut self.data, &block.data, duration);
        }
        true
    }

    /// What can be said of a frame before it has a place.
    ///
    /// # Errors
    ///
    /// [`Error::AudioChanged`] for one of another format; [`Error::AudioFrame`] for one that is too short.
    pub(super) fn check(&self, config: AudioConfig, frame: AudioFrame<'_>) -> Result<(), Error> {
        if self.config != config {
            return Err(Error::AudioChanged {
                expected: self.config.format(),
                found: config.format(),
            });
        }
        match self.flac {
            Some(_) => flac::check(config.codec, frame.ticks),
            None => Ok(()),
        }
    }

    /// What makes the frames FLAC, if something does.
    pub(super) const fn flac(&self) -> Option<&FlacEncoder> {
        self.flac.as_ref()
    }

    /// The codec as it stands in the file: see [`AudioConfig::codec_string`].
    pub(super) fn codec_string(&self) -> Option<String> {
        match self.flac {
            Some(_) => Some("flac".to_owned()),
            None => self.config.codec_string(),
        }
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

impl Mp4Writer {
    /// Adds a track of FLAC, which is made of frames of PCM, PCMU or PCMA: see [`FlacEncoder`]. To be called
    /// before anything is written. They are written by [`write_audio`](Self::write_audio) as they come; those with
    /// fewer than [`MIN_FLAC_BLOCK`](crate::MIN_FLAC_BLOCK) samples are refused.
    ///
    /// # Errors
    ///
    /// [`Error::FlacSource`] for sound of another codec; [`Error::NoAudioTrack`] when the header is written already.
    pub fn with_flac(mut self, config: AudioConfig) -> Result<Self, Error> {
        let encoder = FlacEncoder::new(config.format())?;
        if matches!(self.header, Header::Written) {
            return Err(Error::NoAudioTrack);
        }
        self.sound = Sound::new(config, self.live.is_some());
        if let Sound::Track { track, .. } = &mut self.sound {
            track.flac = Some(encoder);
        }
        Ok(self)
    }
}

/// Appends a sample.
fn push(samples: &mut Vec<Sample>, bytes: &mut Vec<u8>, data: &[u8], duration: u32) {
    samples.push(Sample {
        // A frame's length has been held far below 2^32.
        size: u32::try_from(data.len()).unwrap_or(u32::MAX),
        duration,
        key: true,
    });
    bytes.extend_from_slice(data);
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
