//! RTP payloads of audio.

use arrayvec::ArrayVec;
use bytes::Bytes;

use super::packet::{VIDEO_CLOCK_RATE, payload_room};
use super::payload::{RtpPayload, RtpPayloads};
use crate::audio_frame::AudioFrame;
use crate::{AudioCodec, AudioConfig, AudioFormat, Error};

/// The size of the AU header section with one header, in bytes (RFC 3640 section 3.3.6).
const AAC_HEADER: usize = 4;

/// The largest AAC frame in bytes: its length has 13 bits.
const MAX_AAC_BYTES: usize = (1 << 13) - 1;

/// The size of the MPEG audio header in bytes: zeros and the offset of a fragment (RFC 2250 section
/// 3.5).
const MP3_HEADER: usize = 4;

impl RtpPayloads {
    /// Splits an audio frame, as the camera sent it, into payloads for packets of at most
    /// `packet_bytes`, header included.
    ///
    /// # Errors
    ///
    /// [`Error::RtpConfig`] if `packet_bytes` is not from
    /// [`MIN_RTP_PACKET_BYTES`](crate::MIN_RTP_PACKET_BYTES) to
    /// [`MAX_RTP_PACKET_BYTES`](crate::MAX_RTP_PACKET_BYTES). [`Error::AudioNotCarried`] if RTP
    /// cannot carry the codec. [`Error::AudioFrame`] and [`Error::Adts`] for an invalid frame,
    /// [`Error::AudioChanged`] if the header of the frame states another format than `config`.
    pub fn audio(config: AudioConfig, frame: &Bytes, packet_bytes: usize) -> Result<Self, Error> {
        check(config.format())?;
        let room = payload_room(packet_bytes)?;
        let (found, AudioFrame { data, .. }) = AudioConfig::read(config.format(), frame)?;
        if found != config {
            return Err(Error::AudioChanged {
                expected: config.format(),
                found: found.format(),
            });
        }
        let (max, expected) = match config.codec {
            AudioCodec::Aac => (MAX_AAC_BYTES, "at most 8191 bytes"),
            AudioCodec::Opus => (room, "no more bytes than an RTP packet holds"),
            _ => (usize::MAX, ""),
        };
        if data.len() > max {
            return Err(Error::AudioFrame {
                codec: config.codec,
                expected,
                found: data.len().to_string(),
            });
        }
        Ok(split(config, &payload_data(config, frame, data), room))
    }
}

/// Checks that RTP can carry a format.
///
/// # Errors
///
/// [`Error::AudioNotCarried`].
pub(crate) fn check(format: AudioFormat) -> Result<(), Error> {
    let why = match format.codec {
        AudioCodec::AacLatm => "the configuration that RFC 3016 requires is not parsed",
        AudioCodec::Adpcm => "RFC 3551 defines ADPCM only in blocks of another layout",
        AudioCodec::Speex => "the framing that cameras use is unknown",
        AudioCodec::G726 => "the bit rate and bit order that cameras use are unknown",
        AudioCodec::Aac
        | AudioCodec::AacAdts
        | AudioCodec::Pcmu
        | AudioCodec::Pcma
        | AudioCodec::Pcm
        | AudioCodec::Mp3
        | AudioCodec::Opus => return Ok(()),
    };
    Err(not_carried(format, why))
}

pub(super) const fn not_carried(format: AudioFormat, why: &'static str) -> Error {
    Error::AudioNotCarried {
        codec: format.codec,
        by: "RTP",
        why,
    }
}

/// The clock rate of an audio stream in hertz.
pub(crate) const fn clock_rate(config: AudioConfig) -> u32 {
    match config.codec {
        AudioCodec::Mp3 => VIDEO_CLOCK_RATE,
        _ => config.timescale(),
    }
}

/// The bytes to send: big-endian samples of PCM, and otherwise `data`, a part of `frame`.
fn payload_data(config: AudioConfig, frame: &Bytes, data: &[u8]) -> Bytes {
    match config.codec {
        AudioCodec::Pcm => {
            let samples = data.as_chunks::<2>().0.iter();
            samples.flat_map(|[low, high]| [*high, *low]).collect()
        }
        _ => frame.slice_ref(data),
    }
}

fn split(config: AudioConfig, data: &Bytes, room: usize) -> RtpPayloads {
    // PCM and G.711 can be split between samples. Parts of other codecs are fragments of one frame.
    let sample = config.codec.sample_bytes();
    let sample = sample.map(|bytes| bytes * usize::from(config.channels));
    let room = match (config.codec, sample) {
        (_, Some(sample)) => room - room % sample,
        (AudioCodec::Aac, _) => room - AAC_HEADER,
        (AudioCodec::Mp3, _) => room - MP3_HEADER,
        _ => room,
    };
    let size = u16::try_from(data.len() << 3).unwrap_or(u16::MAX);
    let starts = (0..data.len()).step_by(room);
    let payloads = starts.map(|start| {
        let end = (start + room).min(data.len());
        let mut prefix = ArrayVec::new();
        match config.codec {
            AudioCodec::Aac => {
                // The AU headers have 16 bits; one has the size of the frame in 13 bits and index
                // 0.
                prefix.extend([0, 16]);
                prefix.extend(size.to_be_bytes());
            }
            AudioCodec::Mp3 => {
                prefix.extend([0, 0]);
                prefix.extend(u16::try_from(start).unwrap_or(u16::MAX).to_be_bytes());
            }
            _ => {}
        }
        // A frame is far smaller than 2^32 bytes.
        let ticks = sample.map_or(0, |sample| start / sample);
        RtpPayload {
            prefix,
            data: data.slice(start..end),
            ticks: u32::try_from(ticks).unwrap_or(u32::MAX),
            marker: config.codec == AudioCodec::Aac && end == data.len(),
        }
    });
    RtpPayloads {
        payloads: payloads.collect(),
        skipped: 0,
    }
}
