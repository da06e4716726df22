//! Movie fragments: `moof` and `mdat` (ISO/IEC 14496-12 section 8.8).

use std::time::Duration;

use arrayvec::ArrayVec;
use mp4_atom::{
    Atom, BufMut as _, Encode, Mdat, Mfhd, Moof, Tfdt, Tfhd, Traf, Trun, TrunEntry, TrunSamples,
};

use crate::Error;

/// `sample_depends_on` 2: a key frame (ISO/IEC 14496-12 section 8.8.3.1).
const KEY_SAMPLE: u32 = 0x0200_0000;
/// `sample_depends_on` 1, `sample_is_non_sync_sample` 1.
const DELTA_SAMPLE: u32 = 0x0101_0000;

/// The size of a box header in bytes.
const BOX_HEADER: usize = 8;

/// The size of the boxes of one track besides its samples, in bytes, rounded up.
const TRACK_BYTES: usize = 96;

/// The size of a sample's entry in `trun`, in bytes.
const SAMPLE_BYTES: usize = 12;

/// An access unit or an audio frame of a fragment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    /// Bytes.
    pub(super) size: u32,
    /// Ticks of the track.
    pub(super) duration: u32,
    pub(super) key: bool,
}

/// The samples of one track in a fragment. There is at least one.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) track: u32,
    /// Ticks per second.
    pub(super) timescale: u32,
    /// The decode time of the first sample, in ticks.
    pub(super) start: u64,
    pub(super) samples: Vec<Sample>,
}

/// A `tfdt` box: the decode time of a track's first sample in a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DecodeTime {
    /// The offset of the value, a big-endian `u64`.
    pub(super) offset: usize,
    /// Ticks.
    pub(super) ticks: u64,
    /// Ticks per second.
    pub(super) timescale: u32,
}

/// A fragment.
#[derive(Debug, Default)]
pub(super) struct Fragment {
    /// `moof` and `mdat`.
    pub(super) data: Vec<u8>,
    /// The size of `moof` and the header of `mdat`.
    pub(super) header_bytes: usize,
    /// One for each track in it.
    pub(super) times: ArrayVec<DecodeTime, 2>,
}

impl DecodeTime {
    pub(super) fn time(&self) -> Duration {
        ticks_to_time(self.ticks, self.timescale)
    }
}

/// Converts ticks to a time, rounded down.
pub(super) fn ticks_to_time(ticks: u64, timescale: u32) -> Duration {
    let timescale = u64::from(timescale.max(1));
    let nanos = ticks % timescale * 1_000_000_000 / timescale;
    Duration::from_secs(ticks / timescale) + Duration::from_nanos(nanos)
}

impl Fragment {
    /// Writes `moof` and the header of `mdat`. The samples of all runs must be appended to `data`.
    pub(super) fn new(sequence: u32, runs: &[Run]) -> Result<Self, Error> {
        let samples = runs.iter().flat_map(|run| &run.samples);
        let payload: u64 = samples.clone().map(|sample| u64::from(sample.size)).sum();
        let too_large = || mp4_atom::Error::TooLarge(Mdat::KIND);
        let payload = usize::try_from(payload).map_err(|_| too_large())?;
        let boxes = 2 * BOX_HEADER + TRACK_BYTES * runs.len() + SAMPLE_BYTES * samples.count();
        let mut fragment = Self {
            data: Vec::with_capacity(boxes + payload),
            ..Self::default()
        };
        let mut data_offsets = ArrayVec::<usize, 2>::new();
        let Self { data, times, .. } = &mut fragment;
        data.encode_atom(Moof::KIND, |out| {
            Mfhd {
                sequence_number: sequence,
            }
            .encode(out)?;
            for run in runs {
                let place = write_track(out, run)?;
                times.push(place.time);
                data_offsets.push(place.data_offset);
            }
            Ok(())
        })?;
        // The offsets of the samples from the start of `moof` are known now.
        let mut offset = data.len() + BOX_HEADER;
        for (at, run) in data_offsets.into_iter().zip(runs) {
            let value = i32::try_from(offset).map_err(|_| too_large())?;
            data.set_slice(at, &value.to_be_bytes());
            let sizes = run.samples.iter().map(|sample| sample.size as usize);
            offset += sizes.sum::<usize>();
        }
        let size = u32::try_from(BOX_HEADER + payload).map_err(|_| too_large())?;
        data.extend_from_slice(&size.to_be_bytes());
        Mdat::KIND.encode(data)?;
        fragment.header_bytes = fragment.data.len();
        Ok(fragment)
    }
}

/// The values of a track that are needed after it is written.
struct TrackPlace {
    time: DecodeTime,
    /// The offset of `data_offset` in `trun`.
    data_offset: usize,
}

fn write_track(out: &mut Vec<u8>, run: &Run) -> mp4_atom::Result<TrackPlace> {
    let (mut time, mut trun) = (0, 0);
    out.encode_atom(Traf::KIND, |out| {
        Tfhd {
            track_id: run.track,
            default_base_is_moof: true,
            ..Tfhd::default()
        }
        .encode(out)?;
        Tfdt {
            base_media_decode_time: run.start,
        }
        .encode(out)?;
        time = out.len() - size_of::<u64>();
        trun = out.len();
        let entries = run.samples.iter().map(|sample| TrunEntry {
            duration: Some(sample.duration),
            size: Some(sample.size),
            flags: Some(if sample.key { KEY_SAMPLE } else { DELTA_SAMPLE }),
            cts: None,
        });
        Trun {
            data_offset: Some(0),
            samples: TrunSamples::Explicit(entries.collect()),
        }
        .encode(out)
    })?;
    Ok(TrackPlace {
        time: DecodeTime {
            offset: time,
            ticks: run.start,
            timescale: run.timescale,
        },
        // After the box header, version and flags, and the number of samples.
        data_offset: trun + BOX_HEADER + 2 * size_of::<u32>(),
    })
}
