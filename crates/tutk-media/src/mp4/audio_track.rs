//! The audio track: its samples and their positions in time.

use std::time::Duration;

use super::audio_entry::AudioEntry;
use super::fragment::{Run, Sample};
use super::header;
use crate::audio_frame::{AudioConfig, AudioFrame};
use crate::clock::{AudioClock, Place};
use crate::flac::{self, FlacEncoder};
use crate::{AudioCodec, AudioFormat, Error};

/// The audio frames that are kept before the first key frame. Beyond that, the oldest are skipped.
pub const MAX_EARLY_AUDIO_FRAMES: usize = 256;

/// The audio of the fragment being collected.
#[derive(Debug)]
pub(super) struct AudioTrack {
    pub(super) config: AudioConfig,
    /// The bytes of `samples`.
    pub(super) data: Vec<u8>,
    samples: Vec<Sample>,
    /// The start of the first sample, in ticks.
    start: u64,
    clock: AudioClock,
    /// Encodes the frames.
    flac: Option<FlacEncoder>,
    /// A frame after a gap starts at the end of the one before and is longer by the gap. Browsers
    /// do not play over gaps between fragments.
    gapless: bool,
}

/// An audio frame that waits for the first picture.
#[derive(Debug)]
pub(super) struct EarlyFrame {
    pub(super) time: Duration,
    data: Vec<u8>,
    ticks: u32,
}

impl EarlyFrame {
    pub(super) fn new(frame: AudioFrame<'_>, time: Duration) -> Self {
        Self {
            time,
            data: frame.data.to_vec(),
            ticks: frame.ticks,
        }
    }

    pub(super) fn frame(&self) -> AudioFrame<'_> {
        AudioFrame {
            data: &self.data,
            ticks: self.ticks,
        }
    }
}

impl AudioTrack {
    pub(super) const fn new(config: AudioConfig, gapless: bool, flac: Option<FlacEncoder>) -> Self {
        Self {
            config,
            data: Vec::new(),
            samples: Vec::new(),
            start: 0,
            clock: AudioClock::new(config.timescale()),
            flac,
            gapless,
        }
    }

    /// Adds a frame at the position that the clock gives. Returns `false` if there is no room for
    /// it.
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
            // The frame before a gap lasts until this one.
            (Some(before), _) => before.duration = before.duration.saturating_add(gap),
        }
        let Self {
            flac,
            samples,
            data,
            ..
        } = self;
        let mut push = |bytes: &[u8], duration| {
            samples.push(Sample {
                // A frame is far smaller than 2^32 bytes.
                size: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
                duration,
                key: true,
            });
            data.extend_from_slice(bytes);
        };
        let Some(flac) = flac else {
            push(frame.data, duration);
            return true;
        };
        let more = duration - frame.ticks;
        for (at, block) in flac.blocks(frame.data).enumerate() {
            push(&block.data, block.samples + if at == 0 { more } else { 0 });
        }
        true
    }

    /// Checks that a frame fits the track.
    ///
    /// # Errors
    ///
    /// [`Error::AudioChanged`] for another format, [`Error::AudioFrame`] for a frame that is too
    /// short.
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

    /// The description of the track for the header.
    pub(super) fn entry(&self) -> AudioEntry {
        AudioEntry {
            config: self.config,
            flac: self.flac.as_ref().map(FlacEncoder::stream_info),
        }
    }

    /// The duration of the samples.
    pub(super) fn duration(&self) -> Duration {
        let end = self.clock.end().filter(|_| !self.samples.is_empty());
        let ticks = end.map_or(0, |end| end - self.start);
        let rate = u64::from(self.config.timescale());
        Duration::from_millis(ticks.saturating_mul(1_000) / rate)
    }

    /// Takes the samples and their bytes. The next frame starts another fragment.
    pub(super) fn take_run(&mut self) -> (Run, Vec<u8>) {
        let run = Run {
            track: header::AUDIO,
            timescale: self.config.timescale(),
            start: self.start,
            samples: std::mem::take(&mut self.samples),
        };
        (run, std::mem::take(&mut self.data))
    }
}

/// Checks that MP4 can hold a format.
///
/// # Errors
///
/// [`Error::AudioFormat`], [`Error::AudioNotInMp4`].
pub(super) fn check(format: AudioFormat) -> Result<AudioFormat, Error> {
    let why = match format.check()?.codec {
        AudioCodec::Mp3 if format.rate < 16_000 => {
            "no standard defines MPEG audio below 16 kHz (\"2.5\")"
        }
        AudioCodec::AacLatm => "its frames are not byte-aligned and are not unpacked",
        AudioCodec::Adpcm => "MP4 and QuickTime define ADPCM only in blocks of another layout",
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
