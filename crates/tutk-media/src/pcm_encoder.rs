//! An encoder from linear samples to frames for a camera.

use std::time::Duration;

use crate::{AudioCodec, AudioFormat, Error, g711};

/// The duration of an audio frame to a camera.
const FRAME: Duration = Duration::from_millis(20);

/// Frames with more bytes than this are halved: each must fit one packet.
const MAX_FRAME_BYTES: u32 = 1_000;

/// Returns the duration of an audio frame to a camera: 20 ms, halved until a frame fits one packet
/// (for PCM at 48 kHz).
#[must_use]
pub fn talk_frame(format: AudioFormat) -> Duration {
    let sample = if format.codec == AudioCodec::Pcm {
        2
    } else {
        1
    };
    let second = format
        .rate
        .saturating_mul(sample)
        .saturating_mul(format.channels.into());
    let mut frame = FRAME;
    while u128::from(second) * frame.as_millis() / 1_000 > MAX_FRAME_BYTES.into() {
        frame /= 2;
    }
    frame
}

/// Encodes linear samples as PCM, PCMU or PCMA and splits them into frames incrementally.
///
/// ```
/// use std::time::Duration;
/// use tutk_media::{AudioCodec, AudioFormat, PcmEncoder};
///
/// let format = AudioFormat { codec: AudioCodec::Pcmu, rate: 8_000, channels: 1 };
/// let mut encoder = PcmEncoder::new(format)?;
/// encoder.push(&[0; 400]);
/// let mut frames = Vec::new();
/// while let Some((frame, time)) = encoder.next_frame() {
///     frames.push((frame.len(), time.as_millis()));
/// }
/// assert_eq!(frames, [(160, 0), (160, 20)]);
/// assert_eq!(encoder.finish().map(|(frame, _)| frame.len()), Some(80));
/// # Ok::<(), tutk_media::Error>(())
/// ```
#[derive(Debug)]
pub struct PcmEncoder {
    format: AudioFormat,
    /// The size of a frame.
    bytes: usize,
    /// Encoded bytes that are not yet returned.
    held: Vec<u8>,
    /// Samples of one channel that are returned.
    taken: u64,
}

impl PcmEncoder {
    /// Starts a stream of frames with the duration [`talk_frame`].
    ///
    /// # Errors
    ///
    /// [`Error::AudioEncode`] for codecs other than PCM, PCMU and PCMA; [`Error::AudioFormat`].
    pub fn new(format: AudioFormat) -> Result<Self, Error> {
        let format = format.check()?;
        let codec = format.codec;
        let sample = codec.sample_bytes().ok_or(Error::AudioEncode { codec })?;
        let samples = u128::from(format.rate) * talk_frame(format).as_nanos() / 1_000_000_000;
        let samples = usize::try_from(samples).unwrap_or(usize::MAX).max(1);
        Ok(Self {
            format,
            bytes: samples * sample * usize::from(format.channels),
            held: Vec::new(),
            taken: 0,
        })
    }

    /// Adds interleaved samples.
    pub fn push(&mut self, samples: &[i16]) {
        // The codec was checked by `new`.
        let _ = encode(self.format.codec, samples, &mut self.held);
    }

    /// Returns the next complete frame and its time from the start.
    pub fn next_frame(&mut self) -> Option<(Vec<u8>, Duration)> {
        (self.held.len() >= self.bytes).then(|| self.take(self.bytes))
    }

    /// Returns the rest, which is shorter than a frame.
    pub fn finish(&mut self) -> Option<(Vec<u8>, Duration)> {
        (!self.held.is_empty()).then(|| self.take(self.held.len().min(self.bytes)))
    }

    fn take(&mut self, bytes: usize) -> (Vec<u8>, Duration) {
        let rest = self.held.split_off(bytes);
        let frame = std::mem::replace(&mut self.held, rest);
        let time = self.taken * 1_000_000_000 / u64::from(self.format.rate);
        let sample = self.format.codec.sample_bytes().unwrap_or(1);
        self.taken += (bytes / sample / usize::from(self.format.channels)) as u64;
        (frame, Duration::from_nanos(time))
    }
}

/// Appends encoded samples.
///
/// # Errors
///
/// [`Error::AudioEncode`] for another codec than PCM, PCMU and PCMA.
pub(crate) fn encode(codec: AudioCodec, samples: &[i16], out: &mut Vec<u8>) -> Result<(), Error> {
    let samples = samples.iter();
    match codec {
        AudioCodec::Pcm => out.extend(samples.flat_map(|sample| sample.to_le_bytes())),
        AudioCodec::Pcmu => out.extend(samples.map(|sample| g711::encode_pcmu(*sample))),
        AudioCodec::Pcma => out.extend(samples.map(|sample| g711::encode_pcma(*sample))),
        codec => return Err(Error::AudioEncode { codec }),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_fit_packets() {
        for (codec, rate, channels, bytes, micros) in [
            (AudioCodec::Pcmu, 8_000, 1, 160, 20_000),
            (AudioCodec::Pcma, 16_000, 1, 320, 20_000),
            (AudioCodec::Pcm, 16_000, 1, 640, 20_000),
            (AudioCodec::Pcm, 48_000, 1, 960, 10_000),
            (AudioCodec::Pcm, 48_000, 2, 960, 5_000),
        ] {
            let format = AudioFormat {
                codec,
                rate,
                channels,
            };
            let mut encoder = PcmEncoder::new(format).unwrap();
            let samples: Vec<i16> = (0..4_000).collect();
            let mut all = Vec::new();
            for (at, part) in samples.chunks(77).enumerate() {
                encoder.push(part);
                while let Some((frame, time)) = encoder.next_frame() {
                    assert_eq!(frame.len(), bytes, "{format}");
                    let at = all.len() / bytes;
                    assert_eq!(time, Duration::from_micros(micros * at as u64), "{at}");
                    all.extend(frame);
                }
                assert!(encoder.held.len() < bytes, "{at}");
            }
            all.extend(encoder.finish().into_iter().flat_map(|(frame, _)| frame));
            assert_eq!(encoder.finish(), None);
            let mut expected = Vec::new();
            encode(codec, &samples, &mut expected).unwrap();
            assert_eq!(all, expected);
        }
        let aac = AudioFormat {
            codec: AudioCodec::Aac,
            rate: 16_000,
            channels: 1,
        };
        assert!(matches!(
            PcmEncoder::new(aac),
            Err(Error::AudioEncode { .. })
        ));
    }
}
