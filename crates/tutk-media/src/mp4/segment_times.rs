//! The decode times in a segment (ISO/IEC 14496-12 section 8.8.12), and moving them.

use std::time::Duration;

use arrayvec::ArrayVec;
use bytes::{Bytes, BytesMut};

use super::{TIMESCALE, boxes};

/// The size of the header of a box, and of a full box.
const BOX_HEADER: usize = 8;
const FULL_BOX_HEADER: usize = 12;

/// The decode time of a track in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TrackStart {
    /// The position of the time in the segment, and its size in bytes.
    offset: usize,
    size: usize,
    ticks: u64,
    timescale: u32,
}

impl TrackStart {
    pub(super) fn time(&self) -> Duration {
        time(self.ticks, self.timescale)
    }
}

/// Converts ticks to a time.
pub(super) fn time(ticks: u64, timescale: u32) -> Duration {
    let timescale = u64::from(timescale.max(1));
    let nanos = ticks % timescale * 1_000_000_000 / timescale;
    Duration::from_secs(ticks / timescale) + Duration::from_nanos(nanos)
}

/// Returns the decode times of the tracks in a segment.
pub(super) fn starts(segment: &[u8], audio_timescale: u32) -> ArrayVec<TrackStart, 2> {
    let mut starts = ArrayVec::new();
    let moof = children(segment, 0, segment.len()).find(|(kind, ..)| kind == b"moof");
    let Some((_, start, end)) = moof else {
        return starts;
    };
    for (_, start, end) in children(segment, start, end).filter(|(kind, ..)| kind == b"traf") {
        let mut track = 0;
        for (kind, start, end) in children(segment, start, end) {
            let start = start + FULL_BOX_HEADER - BOX_HEADER;
            let Some(fields) = segment.get(start..end) else {
                continue;
            };
            match &kind {
                b"tfhd" => track = fields.first_chunk().map_or(0, |id| u32::from_be_bytes(*id)),
                b"tfdt" => {
                    let timescale = match track == boxes::VIDEO {
                        true => TIMESCALE,
                        false => audio_timescale,
                    };
                    let ticks = fields
                        .iter()
                        .fold(0, |ticks, &byte| ticks << 8 | u64::from(byte));
                    // A segment has one fragment of each track at most.
                    let _ = starts.try_push(TrackStart {
                        offset: start,
                        size: fields.len().min(8),
                        ticks,
                        timescale,
                    });
                }
                _ => {}
            }
        }
    }
    starts
}

/// Moves a segment to the time line that starts at `zero`: returns the changed `moof`, and the shared rest.
pub(super) fn rebase(segment: &Bytes, tracks: &[TrackStart], zero: Duration) -> [Bytes; 2] {
    let end = tracks.iter().map(|track| track.offset + track.size).max();
    let (end, mut rest) = (end.unwrap_or(0), segment.clone());
    let mut head = BytesMut::from(&*rest.split_to(end.min(segment.len())));
    for track in tracks {
        let nanos = zero.as_nanos() * u128::from(track.timescale) / 1_000_000_000;
        let shift = u64::try_from(nanos).unwrap_or(u64::MAX);
        let ticks = track.ticks.saturating_sub(shift).to_be_bytes();
        let low = ticks.get(ticks.len() - track.size..);
        let field = head.get_mut(track.offset..track.offset + track.size);
        if let (Some(low), Some(field)) = (low, field) {
            field.copy_from_slice(low);
        }
    }
    [head.freeze(), rest]
}

/// Returns the boxes in a range: their types, and the ranges of their contents.
fn children(
    data: &[u8],
    mut at: usize,
    end: usize,
) -> impl Iterator<Item = ([u8; 4], usize, usize)> + '_ {
    std::iter::from_fn(move || {
        let header = data.get(at..end)?;
        let size = u32::from_be_bytes(*header.first_chunk()?);
        let kind = *header.get(4..)?.first_chunk()?;
        let (start, next) = (at + BOX_HEADER, at + usize::try_from(size).ok()?);
        let valid = next >= start && next <= end;
        at = next;
        valid.then_some((kind, start, next))
    })
}
