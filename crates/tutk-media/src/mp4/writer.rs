//! Fragmented MP4 files.

use std::time::Duration;

use mp4_atom::{Atom, Encode, FragmentInfo, Mfra, Mfro, Tfra};

use super::header::VIDEO;
use super::muxer::{Mp4Audio, Muxer, Output};
use crate::{AccessUnit, AudioFormat, Codec, Error, MuxerStats};

/// The key frames that the index at the end of a file lists. Players find later ones by reading on.
pub const MAX_INDEX_ENTRIES: usize = 65_536;

/// Writes access units and audio frames as a fragmented MP4 file. Each call returns the bytes to
/// append, often none.
///
/// - `ftyp` and `moov` at the first key frame whose parameter sets are known: `avc1` or `hvc1` with
///   [`TIMESCALE`](crate::TIMESCALE) ticks per second, and the audio track, if there is one
/// - `moof` and `mdat` before each key frame, and every
///   [`FRAGMENT_DURATION`](crate::FRAGMENT_DURATION): the samples since, of both tracks
/// - `moof` and `mdat` with the last samples, and `mfra`, an index of the key frames, from
///   [`finish`](Self::finish)
///
/// Access units before the first key frame cannot be decoded. They are skipped and counted in
/// [`skipped`](MuxerStats::skipped). Parameter sets in the header are removed from the samples.
/// Once a camera changes them (with its resolution, for example) they stay in the samples: decoders
/// follow, although `avc1` and `hvc1` tracks do not define this.
///
/// A sample lasts until the time of the next one, and the last one as long as the one before. The
/// times are those of decoding *and* of presentation. Streams with reordered (B) frames, which
/// cameras do not send, would play out of order.
///
/// # Audio
///
/// The header lists the tracks, so the audio format must be known before it, or is
/// [awaited](Mp4Audio::Awaited). The times of both tracks are on one clock. Audio before the first
/// picture is skipped. The first audio frame starts at its time (`tfdt`), however late.
///
/// Audio frames follow each other without a gap while the clock agrees within
/// [`AUDIO_TOLERANCE`](crate::AUDIO_TOLERANCE): the time stamps of cameras are less exact than
/// their sample clocks. If the clock is further ahead (a frame was lost), there is a gap. If it is
/// behind by more than the tolerance and more than a frame, the frame is skipped.
#[derive(Debug)]
pub struct Mp4Writer {
    muxer: Muxer,
    /// The fragments that start with a key frame.
    index: Vec<FragmentInfo>,
    /// Bytes returned so far.
    offset: u64,
}

impl Mp4Writer {
    /// Starts a file with a video track.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self {
            muxer: Muxer::new(codec, false),
            index: Vec::new(),
            offset: 0,
        }
    }

    /// Starts a file with a video and an audio track.
    ///
    /// # Errors
    ///
    /// [`Error::AudioNotInMp4`] if MP4 has no place for the codec, [`Error::FlacSource`] if FLAC
    /// cannot be encoded from it.
    pub fn with_audio(codec: Codec, audio: Mp4Audio) -> Result<Self, Error> {
        let mut writer = Self::new(codec);
        writer.muxer.set_audio(audio)?;
        Ok(writer)
    }

    /// Writes the next access unit and returns the bytes to append.
    ///
    /// `time` counts from any origin. If it does not increase (a camera set its clock back), the
    /// previous frame is as long as the one before it, and the file continues from there.
    ///
    /// # Errors
    ///
    /// [`Error::UnitTooLarge`], [`Error::VideoChanged`]: the unit is skipped, and writing can
    /// continue. [`Error::Mp4`]: a box could not be written.
    pub fn write(&mut self, unit: &AccessUnit, time: Duration) -> Result<Vec<u8>, Error> {
        let output = self.muxer.write(unit, time)?;
        Ok(self.append(output))
    }

    /// Writes the next audio frame, as the camera sent it, and returns the bytes to append.
    ///
    /// `time` is on the clock of the pictures. Cameras state `format` with every frame; it must not
    /// change within a file.
    ///
    /// # Errors
    ///
    /// The frame is skipped, and writing can continue: [`Error::AudioNotInMp4`],
    /// [`Error::AudioFormat`], [`Error::AudioFrame`], [`Error::Adts`], [`Error::AudioChanged`], and
    /// [`Error::NoAudioTrack`] if the file has none.
    /// [`Error::Mp4`]: a box could not be written.
    pub fn write_audio(
        &mut self,
        format: AudioFormat,
        frame: &[u8],
        time: Duration,
    ) -> Result<Vec<u8>, Error> {
        let output = self.muxer.write_audio(format, frame, time)?;
        Ok(self.append(output))
    }

    /// Ends the file. Returns the last fragment and the index.
    ///
    /// # Errors
    ///
    /// [`Error::NoKeyFrame`] if no picture was written, [`Error::Mp4`].
    pub fn finish(mut self) -> Result<Vec<u8>, Error> {
        let stats = self.stats();
        if stats.frames == 0 {
            return Err(Error::NoKeyFrame {
                codec: self.muxer.codec(),
                units: stats.skipped,
            });
        }
        let output = self.muxer.finish()?;
        let mut out = self.append(output);
        write_index(&mut out, self.index)?;
        Ok(out)
    }

    /// Returns the counters.
    #[must_use]
    pub const fn stats(&self) -> MuxerStats {
        self.muxer.stats()
    }

    /// The format of the audio track once it is known, according to the headers of its frames.
    #[must_use]
    pub fn audio_format(&self) -> Option<AudioFormat> {
        self.muxer.audio_format()
    }

    /// Joins what the muxer has written and lists its key frames.
    fn append(&mut self, output: Output) -> Vec<u8> {
        let mut out = output.header.map_or(Vec::new(), |init| init.data.into());
        for written in output.fragments {
            if written.key && self.index.len() < MAX_INDEX_ENTRIES {
                self.index.push(FragmentInfo {
                    time: written.start,
                    moof_offset: self.offset + out.len() as u64,
                    traf_number: 1,
                    trun_number: 1,
                    sample_delta: 1,
                });
            }
            if out.is_empty() {
                out = written.fragment.data;
            } else {
                out.extend(written.fragment.data);
            }
        }
        self.offset += out.len() as u64;
        out
    }
}

/// Writes `mfra`, the index of the fragments that start with a key frame.
fn write_index(out: &mut Vec<u8>, entries: Vec<FragmentInfo>) -> Result<(), Error> {
    let mut mfra = Mfra {
        tfra: vec![Tfra {
            track_id: VIDEO,
            entries,
        }],
        mfro: Mfro::default(),
    };
    // The box ends with its own size, so that a reader finds it from the end of the file.
    let before = out.len();
    mfra.encode(out)?;
    mfra.mfro.parent_size =
        u32::try_from(out.len() - before).map_err(|_| mp4_atom::Error::TooLarge(Mfra::KIND))?;
    out.truncate(before);
    mfra.encode(out)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_without_key_frame_is_an_error() {
        let mut writer = Mp4Writer::new(Codec::H265);
        let unit = AccessUnit::new(Codec::H265, vec![0, 0, 1, 0x26, 0x01, 0xaf]);
        assert_eq!(writer.write(&unit, Duration::ZERO), Ok(Vec::new()));
        assert_eq!((writer.stats().frames, writer.stats().skipped), (0, 1));
        assert_eq!(
            writer.finish(),
            Err(Error::NoKeyFrame {
                codec: Codec::H265,
                units: 1
            })
        );
    }
}
