use std::time::Duration;

use bytes::Bytes;

use crate::adts::AAC_SAMPLES;
use crate::pcm_encoder::encode;
use crate::{AudioCodec, AudioFormat, Error, Wav, adts_frames};

/// Audio split into frames, as a camera sends and receives it.
#[derive(Debug, Clone)]
pub struct AudioClip {
    format: AudioFormat,
    frames: Vec<Bytes>,
    /// The samples of one channel in a frame. The last frame of PCM and G.711 may have fewer.
    frame_samples: u32,
    /// The samples of one channel in all frames.
    samples: u64,
}

impl AudioClip {
    /// Splits a raw AAC file (ADTS) into its frames, which keep their headers. Nothing is copied.
    ///
    /// # Errors
    ///
    /// [`Error::Adts`] if the file is not an ADTS stream or if its format changes.
    pub fn from_adts(stream: Bytes) -> Result<Self, Error> {
        let mut frames = Vec::new();
        let mut format = None;
        let mut at = 0;
        for frame in adts_frames(&stream) {
            let frame = frame?;
            let found = frame.header.config();
            if *format.get_or_insert(found) != found {
                return Err(Error::Adts {
                    at,
                    expected: "the format of the frames before",
                    found: frame.header.format().to_string(),
                });
            }
            at += frame.data.len();
            frames.push(stream.slice_ref(frame.data));
        }
        let Some(config) = format else {
            return Err(Error::Adts {
                at: 0,
                expected: "frames",
                found: "an empty file".into(),
            });
        };
        Ok(Self {
            format: AudioFormat {
                codec: AudioCodec::AacAdts,
                rate: config.rate,
                channels: config.channels,
            },
            frame_samples: AAC_SAMPLES,
            samples: frames.len() as u64 * u64::from(AAC_SAMPLES),
            frames,
        })
    }

    /// Removes the headers from the frames of an ADTS clip, which makes it [`AudioCodec::Aac`].
    /// Other clips are unchanged.
    #[must_use]
    pub fn without_adts(mut self) -> Self {
        if self.format.codec == AudioCodec::AacAdts {
            for frame in &mut self.frames {
                if let Some(Ok(read)) = adts_frames(frame).next() {
                    *frame = frame.slice_ref(read.payload());
                }
            }
            self.format.codec = AudioCodec::Aac;
        }
        self
    }

    /// Encodes interleaved linear samples as the codec of `format` (PCM, PCMU or PCMA) and splits
    /// them into frames of the duration `frame`. The last one may be shorter.
    ///
    /// # Errors
    ///
    /// [`Error::AudioEncode`] for another codec, [`Error::AudioFormat`].
    pub fn from_pcm(samples: &[i16], format: AudioFormat, frame: Duration) -> Result<Self, Error> {
        let format = format.check()?;
        let mut bytes = Vec::new();
        encode(format.codec, samples, &mut bytes)?;
        let bytes = Bytes::from(bytes);
        let sample_bytes = format.codec.sample_bytes().unwrap_or(1) * usize::from(format.channels);
        let frame_samples = frame.as_nanos() * u128::from(format.rate) / 1_000_000_000;
        let frame_samples = u32::try_from(frame_samples).unwrap_or(u32::MAX).max(1);
        let frame_bytes = usize::try_from(frame_samples)
            .unwrap_or(usize::MAX)
            .saturating_mul(sample_bytes);
        // An incomplete last sample, of one channel of two, is dropped.
        let whole = bytes.len() - bytes.len() % sample_bytes;
        let frames = (0..whole)
            .step_by(frame_bytes)
            .map(|from| bytes.slice(from..from.saturating_add(frame_bytes).min(whole)));
        Ok(Self {
            format,
            frames: frames.collect(),
            frame_samples,
            samples: (whole / sample_bytes) as u64,
        })
    }

    /// Encodes the samples of a WAV file like [`from_pcm`](Self::from_pcm).
    ///
    /// # Errors
    ///
    /// See [`from_pcm`](Self::from_pcm).
    pub fn from_wav(wav: &Wav, codec: AudioCodec, frame: Duration) -> Result<Self, Error> {
        let format = AudioFormat {
            codec,
            rate: wav.rate,
            channels: wav.channels,
        };
        Self::from_pcm(&wav.samples, format, frame)
    }

    /// The format.
    #[must_use]
    pub const fn format(&self) -> AudioFormat {
        self.format
    }

    /// The samples of one channel in each frame. The last one of PCM and G.711 may have fewer.
    #[must_use]
    pub const fn frame_samples(&self) -> u32 {
        self.frame_samples
    }

    /// The number of frames.
    #[must_use]
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Returns `true` if there are no frames.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// The frame number `index` and its time from the start of the clip.
    #[must_use]
    pub fn frame(&self, index: usize) -> Option<(&Bytes, Duration)> {
        let samples = index as u64 * u64::from(self.frame_samples);
        self.frames
            .get(index)
            .map(|frame| (frame, self.time(samples)))
    }

    /// The frames in order, each with its time from the start of the clip.
    pub fn frames(&self) -> impl ExactSizeIterator<Item = (&Bytes, Duration)> {
        self.frames.iter().enumerate().map(|(index, frame)| {
            let samples = index as u64 * u64::from(self.frame_samples);
            (frame, self.time(samples))
        })
    }

    /// The duration.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.time(self.samples)
    }

    /// The duration of samples of one channel, rounded down to a nanosecond.
    fn time(&self, samples: u64) -> Duration {
        let rate = u64::from(self.format.rate);
        let nanos = samples % rate * 1_000_000_000 / rate;
        Duration::from_secs(samples / rate) + Duration::from_nanos(nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AdtsHeader, g711};

    fn format(codec: AudioCodec, channels: u8) -> AudioFormat {
        AudioFormat {
            codec,
            rate: 8_000,
            channels,
        }
    }

    #[test]
    fn frames_concatenate_to_the_samples() {
        let samples: Vec<i16> = (0..500).map(|at| at * 60 - 15_000).collect();
        let frame = Duration::from_millis(20);
        let clip = AudioClip::from_pcm(&samples, format(AudioCodec::Pcm, 1), frame).unwrap();
        let sizes: Vec<_> = clip.frames().map(|(frame, _)| frame.len()).collect();
        assert_eq!(sizes, [320, 320, 320, 40]);
        assert_eq!(clip.frame(3).unwrap().1, Duration::from_millis(60));
        assert_eq!(clip.duration(), Duration::from_micros(62_500));
        assert_eq!((clip.len(), clip.frame(4)), (4, None));
        let joined: Vec<u8> = clip
            .frames()
            .flat_map(|(frame, _)| frame.to_vec())
            .collect();
        assert!(
            joined
                .as_chunks()
                .0
                .iter()
                .map(|two| i16::from_le_bytes(*two))
                .eq(samples.clone())
        );

        let clip = AudioClip::from_pcm(&samples, format(AudioCodec::Pcma, 2), frame).unwrap();
        let sizes: Vec<_> = clip.frames().map(|(frame, _)| frame.len()).collect();
        assert_eq!(sizes, [320, 180]);
        assert_eq!(clip.frame(0).unwrap().0[0], g711::encode_pcma(-15_000));
    }

    #[test]
    fn short_input_has_short_frames() {
        let frame = Duration::from_millis(20);
        let none = AudioClip::from_pcm(&[], format(AudioCodec::Pcm, 1), frame).unwrap();
        assert!(none.is_empty() && none.duration() == Duration::ZERO);
        // A frame of no time has a sample, and half a sample of stereo is none.
        let least = AudioClip::from_pcm(&[1, 2, 3], format(AudioCodec::Pcm, 2), Duration::ZERO);
        assert_eq!(least.unwrap().len(), 1);
        assert_eq!(
            AudioClip::from_pcm(&[], format(AudioCodec::Opus, 1), frame).unwrap_err(),
            Error::AudioEncode {
                codec: AudioCodec::Opus
            }
        );
        assert!(AudioClip::from_adts(Bytes::new()).is_err());
    }

    #[test]
    fn adts_headers_can_be_removed() {
        let frame = |rate, payload: &[u8]| {
            let format = AudioFormat {
                rate,
                ..format(AudioCodec::Aac, 1)
            };
            [&AdtsHeader::write(format, payload.len()).unwrap(), payload].concat()
        };
        let stream = [frame(16_000, &[1, 2]), frame(16_000, &[3])].concat();
        let clip = AudioClip::from_adts(stream.clone().into()).unwrap();
        assert_eq!(clip.format().to_string(), "AAC (ADTS), 16000 Hz, mono");
        assert_eq!(clip.duration(), Duration::from_millis(128));
        assert_eq!(
            clip.frame(1).unwrap(),
            (&Bytes::from(frame(16_000, &[3])), Duration::from_millis(64))
        );
        let raw = clip.without_adts();
        assert_eq!(raw.format().codec, AudioCodec::Aac);
        let frames: Vec<_> = raw.frames().map(|(frame, _)| frame.to_vec()).collect();
        assert_eq!(frames, [vec![1, 2], vec![3]]);

        let changed = [stream, frame(8_000, &[4])].concat();
        let error = AudioClip::from_adts(changed.into())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("byte 17") && error.contains("8000 Hz"),
            "{error}"
        );
    }
}
