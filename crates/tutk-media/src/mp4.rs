//! Fragmented MP4 (ISO/IEC 14496-12) with one video track (ISO/IEC 14496-15).

mod boxes;

use std::time::Duration;

use self::boxes::{IndexEntry, Sample};
use crate::{Codec, Error, NalKind, SequenceParameters, nal_units};

/// Ticks a second of every time in the file.
pub const TIMESCALE: u32 = 90_000;

/// A fragment ends once it is this long, and before every key frame: a file that is cut off has
/// all but, at most, this last stretch.
pub const FRAGMENT_DURATION: Duration = Duration::from_secs(1);

/// A fragment ends before the access unit that would take it past this many bytes. (Counted by the
/// unit as it came: a length instead of a short start code makes every NAL unit a byte longer.)
pub const MAX_FRAGMENT_BYTES: usize = 16 << 20;

/// The largest access unit in bytes. Cameras send hundreds of kilobytes.
pub const MAX_UNIT_BYTES: usize = 8 << 20;

/// Parameter sets of each kind that the file's header takes from one access unit; those beyond
/// stay in the stream.
pub const MAX_PARAMETER_SETS: usize = 16;

/// Key frames that the index at the end of the file lists; later ones are found by reading on.
pub const MAX_INDEX_ENTRIES: usize = 65_536;

/// Ticks of the only frame of a file: there is nothing to measure it by. 20 frames a second.
const ONLY_FRAME_TICKS: u32 = TIMESCALE / 20;

/// Writes access units into a fragmented MP4 file, without touching a file: each call returns the
/// bytes to append, often none.
///
/// | box | when | what |
/// |---|---|---|
/// | `ftyp` `moov` | at the first key frame whose parameter sets are known | one track, `avc1` or `hvc1`, [`TIMESCALE`] ticks a second |
/// | `moof` `mdat` | before each key frame, and every [`FRAGMENT_DURATION`] | the samples so far |
/// | `moof` `mdat` `mfra` | [`finish`](Self::finish) | the last samples; an index of the key frames |
///
/// Access units before that first key frame cannot be decoded: they are left out and counted in
/// [`skipped`](Self::skipped). What stands in the header is taken out of the samples; parameter
/// sets that come later and differ stay where they are (a camera that changes its resolution
/// does that): decoders follow them, though `avc1` and `hvc1` tracks do not foresee it.
///
/// A sample lasts until the next one's time, and the last one as long as the one before it. The
/// times are those of decoding *and* of showing: streams with reordered (B) frames, which cameras
/// do not send, would play with their frames out of order.
#[derive(Debug)]
pub struct Mp4Writer {
    codec: Codec,
    sets: ParameterSets,
    header_written: bool,
    /// Samples of the fragment being collected, and their bytes one behind the other.
    samples: Vec<Sample>,
    data: Vec<u8>,
    /// Time of the newest sample as it was given.
    newest: Option<Duration>,
    /// Ticks from the beginning to the fragment being collected.
    fragment_start: u64,
    /// Ticks from the beginning to the newest sample.
    newest_start: u64,
    /// Ticks of the sample before the newest.
    last_duration: Option<u32>,
    sequence: u32,
    index: Vec<IndexEntry>,
    /// Bytes returned so far.
    offset: u64,
    units: u64,
    frames: u64,
    skipped: u64,
}

/// The parameter sets that the header will have, or has.
#[derive(Debug, Default)]
struct ParameterSets {
    vps: Vec<Vec<u8>>,
    sps: Vec<Vec<u8>>,
    pps: Vec<Vec<u8>>,
}

impl Mp4Writer {
    /// Begins a file with one track of this codec.
    #[must_use]
    pub fn new(codec: Codec) -> Self {
        Self {
            codec,
            sets: ParameterSets::default(),
            header_written: false,
            samples: Vec::new(),
            data: Vec::new(),
            newest: None,
            fragment_start: 0,
            newest_start: 0,
            last_duration: None,
            sequence: 0,
            index: Vec::new(),
            offset: 0,
            units: 0,
            frames: 0,
            skipped: 0,
        }
    }

    /// Takes the next access unit, Annex B with start codes, and returns the bytes to append.
    ///
    /// `time` counts from any beginning. Where it does not grow (a camera's clock that was set
    /// back), the frame before lasts as long as its own predecessor, and the file goes on from there.
    ///
    /// # Errors
    ///
    /// [`Error::UnitTooLarge`]: the unit was left out, and more may be written.
    /// [`Error::Mp4`]: a box could not be written.
    pub fn write(&mut self, unit: &[u8], key: bool, time: Duration) -> Result<Vec<u8>, Error> {
        self.units += 1;
        if unit.len() > MAX_UNIT_BYTES {
            self.skipped += 1;
            return Err(Error::UnitTooLarge {
                max: MAX_UNIT_BYTES,
                found: unit.len(),
            });
        }
        let mut out = Vec::new();
        if !self.header_written {
            self.sets.replace_from(self.codec, unit);
            let parameters = match self.sets.complete(self.codec) {
                Some(parameters) if key => parameters,
                _ => {
                    self.skipped += 1;
                    return Ok(out);
                }
            };
            boxes::write_header(&mut out, &parameters, &self.sets)?;
            self.header_written = true;
        }
        if self.has_picture(unit) {
            self.append(&mut out, unit, key, time)?;
        } else {
            self.skipped += 1;
        }
        self.offset += out.len() as u64;
        Ok(out)
    }

    /// Ends the file: returns the last fragment and the index.
    ///
    /// # Errors
    ///
    /// [`Error::NoKeyFrame`] when there was nothing to write a file of; [`Error::Mp4`].
    pub fn finish(mut self) -> Result<Vec<u8>, Error> {
        if self.frames == 0 {
            return Err(Error::NoKeyFrame {
                codec: self.codec,
                units: self.units,
            });
        }
        let mut out = Vec::new();
        let last = self.last_duration.unwrap_or(ONLY_FRAME_TICKS);
        self.end_sample(last);
        self.end_fragment(&mut out)?;
        boxes::write_index(&mut out, &self.index)?;
        Ok(out)
    }

    /// Frames written so far, those of the fragment being collected included.
    #[must_use]
    pub const fn frames(&self) -> u64 {
        self.frames
    }

    /// Access units left out so far: before the first key frame, without a picture, or too large.
    #[must_use]
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    fn has_picture(&self, unit: &[u8]) -> bool {
        nal_units(unit).any(|nal| matches!(self.codec.kind(nal.payload), NalKind::Slice { .. }))
    }

    fn append(
        &mut self,
        out: &mut Vec<u8>,
        unit: &[u8],
        key: bool,
        time: Duration,
    ) -> Result<(), Error> {
        if let Some(newest) = self.newest {
            let ticks = time.checked_sub(newest).map_or(0, to_ticks);
            let fallback = self.last_duration.unwrap_or(ONLY_FRAME_TICKS);
            self.end_sample(if ticks == 0 { fallback } else { ticks });
        }
        let long = self.newest_start - self.fragment_start >= to_ticks(FRAGMENT_DURATION).into();
        let large = self.data.len() + unit.len() > MAX_FRAGMENT_BYTES;
        if key || long || large {
            self.end_fragment(out)?;
        }

        let before = self.data.len();
        for nal in nal_units(unit) {
            let kind = self.codec.kind(nal.payload);
            if !self.sets.of(kind).iter().any(|set| set == nal.payload) {
                // A unit's length has been held far below 2^32.
                let length = u32::try_from(nal.payload.len()).unwrap_or(u32::MAX);
                self.data.extend_from_slice(&length.to_be_bytes());
                self.data.extend_from_slice(nal.payload);
            }
        }
        let size = u32::try_from(self.data.len() - before).unwrap_or(u32::MAX);
        self.samples.push(Sample {
            size,
            duration: 0,
            key,
        });
        self.newest = Some(time);
        self.frames += 1;
        Ok(())
    }

    /// The newest sample's duration is known now.
    fn end_sample(&mut self, duration: u32) {
        if let Some(sample) = self.samples.last_mut() {
            sample.duration = duration;
            self.newest_start += u64::from(duration);
            self.last_duration = Some(duration);
        }
    }

    fn end_fragment(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        let Some(first) = self.samples.first() else {
            return Ok(());
        };
        if first.key && self.index.len() < MAX_INDEX_ENTRIES {
            let moof_offset = self.offset + out.len() as u64;
            self.index.push(IndexEntry {
                time: self.fragment_start,
                moof_offset,
            });
        }
        self.sequence = self.sequence.wrapping_add(1);
        boxes::write_fragment(
            out,
            self.sequence,
            self.fragment_start,
            &self.samples,
            &self.data,
        )?;
        self.samples.clear();
        self.data.clear();
        self.fragment_start = self.newest_start;
        Ok(())
    }
}

impl ParameterSets {
    /// Takes over the sets of an access unit: all sets of a kind that it has replace those that
    /// were known of that kind.
    fn replace_from(&mut self, codec: Codec, unit: &[u8]) {
        let mut found = Self::default();
        for nal in nal_units(unit) {
            let Some(sets) = found.of_mut(codec.kind(nal.payload)) else {
                continue;
            };
            let known = sets.iter().any(|set| set == nal.payload);
            if !known && sets.len() < MAX_PARAMETER_SETS && nal.payload.len() <= u16::MAX.into() {
                sets.push(nal.payload.to_vec());
            }
        }
        for (known, found) in [
            (&mut self.vps, found.vps),
            (&mut self.sps, found.sps),
            (&mut self.pps, found.pps),
        ] {
            if !found.is_empty() {
                *known = found;
            }
        }
    }

    /// What the header says of the picture, if there is a set of every kind that it needs.
    fn complete(&self, codec: Codec) -> Option<SequenceParameters> {
        if self.pps.is_empty() || codec == Codec::H265 && self.vps.is_empty() {
            return None;
        }
        SequenceParameters::parse(codec, self.sps.first()?).ok()
    }

    fn of(&self, kind: NalKind) -> &[Vec<u8>] {
        match kind {
            NalKind::Vps => &self.vps,
            NalKind::Sps => &self.sps,
            NalKind::Pps => &self.pps,
            _ => &[],
        }
    }

    fn of_mut(&mut self, kind: NalKind) -> Option<&mut Vec<Vec<u8>>> {
        match kind {
            NalKind::Vps => Some(&mut self.vps),
            NalKind::Sps => Some(&mut self.sps),
            NalKind::Pps => Some(&mut self.pps),
            _ => None,
        }
    }
}

/// Rounded to the nearest tick; a pause of more than 13 hours counts as that.
fn to_ticks(duration: Duration) -> u32 {
    let nanos = duration.as_nanos() * u128::from(TIMESCALE) + 500_000_000;
    u32::try_from(nanos / 1_000_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_rounded() {
        assert_eq!(to_ticks(Duration::from_millis(50)), 4_500);
        assert_eq!(to_ticks(Duration::from_nanos(33_366_667)), 3_003);
        assert_eq!(to_ticks(Duration::from_secs(1_000_000)), u32::MAX);
    }

    #[test]
    fn nothing_to_write_is_an_error() {
        let mut writer = Mp4Writer::new(Codec::H265);
        let unit = [0, 0, 1, 0x26, 0x01, 0xaf];
        assert_eq!(writer.write(&unit, true, Duration::ZERO), Ok(Vec::new()));
        assert_eq!((writer.frames(), writer.skipped()), (0, 1));
        assert_eq!(
            writer.finish(),
            Err(Error::NoKeyFrame {
                codec: Codec::H265,
                units: 1
            })
        );
    }
}
