//! Payloads of sound.

use std::ops::Range;

use bytes::BufMut;

use super::{VIDEO_CLOCK, not_carried};
use crate::audio_frame::AudioFrame;
use crate::{AudioCodec, AudioConfig, AudioFormat, Error};

/// Bytes before the data of an AAC frame: the length in bits of the headers, and one header of 16
/// bits (RFC 3640 section 3.3.6).
pub(super) const AAC_HEADER: usize = 4;

/// The largest AAC frame in bytes: its length has 13 bits.
const MAX_AAC_BYTES: usize = (1 << 13) - 1;

/// Bytes before the data of an MPEG audio frame: zeros, and where in the frame the data begins
/// (RFC 2250 section 3.5).
const MP3_HEADER: usize = 4;

/// The payloads of a frame of sound.
#[derive(Debug)]
pub(super) struct AudioPayloads<'a> {
    config: AudioConfig,
    data: &'a [u8],
    /// Where the next payload begins.
    at: usize,
}

/// What one packet holds.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Range<usize>,
    /// From the beginning of the frame to this piece, in ticks.
    pub(super) ticks: u32,
    pub(super) marker: bool,
}

/// What RTP has a place for.
///
/// # Errors
///
/// [`Error::AudioNotCarried`] says what is in the way.
pub(crate) fn check(format: AudioFormat) -> Result<(), Error> {
    let why = match format.codec {
        AudioCodec::AacLatm => "RFC 3016 wants its configuration beside it, which is not read here",
        AudioCodec::Adpcm => "RFC 3551 knows ADPCM only in blocks of another layout",
        AudioCodec::Speex => "how cameras put its frames together is not known",
        AudioCodec::G726 => "its rate of bits, and their order, are not known of cameras",
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

/// Timestamps a second.
pub(super) const fn clock_rate(config: AudioConfig) -> u32 {
    match config.codec {
        AudioCodec::Mp3 => VIDEO_CLOCK,
        _ => config.timescale(),
    }
}

impl<'a> AudioPayloads<'a> {
    pub(super) fn new(config: AudioConfig, frame: &'a [u8], room: usize) -> Result<Self, Error> {
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
        Ok(Self {
            config,
            data,
            at: 0,
        })
    }

    /// What the next packet holds, if it has room for so many bytes of payload.
    pub(super) fn next(&mut self, room: usize) -> Option<Piece> {
        if self.at == self.data.len() {
            return None;
        }
        let from = self.at;
        let samples = self.config.codec.sample_bytes();
        // What lasts as long as it is can be cut between samples; the rest is parts of one frame.
        let unit = samples.map(|bytes| bytes * usize::from(self.config.channels));
        let room = match (self.config.codec, unit) {
            (_, Some(unit)) => room - room % unit,
            (AudioCodec::Aac, _) => room - AAC_HEADER,
            (AudioCodec::Mp3, _) => room - MP3_HEADER,
            _ => room,
        };
        self.at = (from + room).min(self.data.len());
        let ticks = unit.map_or(0, |unit| from / unit);
        Some(Piece {
            bytes: from..self.at,
            // A frame's length has been held far below 2^32.
            ticks: u32::try_from(ticks).unwrap_or(u32::MAX),
            marker: self.config.codec == AudioCodec::Aac && self.at == self.data.len(),
        })
    }

    pub(super) fn write(&self, piece: &Piece, out: &mut impl BufMut) {
        let data = self.data.get(piece.bytes.clone()).unwrap_or_default();
        match self.config.codec {
            AudioCodec::Aac => {
                out.put_u16(16);
                // The length of the whole frame, and index 0 in three bits.
                out.put_u16(u16::try_from(self.data.len() << 3).unwrap_or(u16::MAX));
                out.put_slice(data);
            }
            AudioCodec::Mp3 => {
                out.put_u16(0);
                out.put_u16(u16::try_from(piece.bytes.start).unwrap_or(u16::MAX));
                out.put_slice(data);
            }
            AudioCodec::Pcm => {
                for [low, high] in data.as_chunks().0 {
                    out.put_slice(&[*high, *low]);
                }
            }
            _ => out.put_slice(data),
        }
    }
}
