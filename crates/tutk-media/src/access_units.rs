use bytes::Bytes;
use smallvec::SmallVec;

use crate::access_unit::{AccessUnit, NalRange};
use crate::annexb::NalScanner;
use crate::{Codec, NalKind};

/// The access units of a byte stream: see [`access_units`].
#[derive(Debug, Clone)]
pub struct AccessUnits {
    codec: Codec,
    stream: Bytes,
    scanner: NalScanner,
    /// Start of the access unit being collected. `None` at the end of the stream.
    start: Option<usize>,
    /// NAL units read since `start`, with offsets in the stream.
    nals: SmallVec<[NalRange; 4]>,
    picture: bool,
}

/// Splits a byte stream into access units (H.264 7.4.1.2.3, H.265 7.4.2.4.4).
///
/// The units joined are the stream, byte for byte, for any content. Bytes before the first
/// start code belong to the first unit. NAL units without a picture at the end of the stream (a
/// lone parameter set, for example) belong to the last one. Nothing is copied.
///
/// A picture starts with the slice that has `first_mb_in_slice` 0 or
/// `first_slice_segment_in_pic_flag` 1. Two things that H.264 allows and cameras do not send are
/// therefore split incorrectly: slices in arbitrary order (Extended profile, or Baseline with that
/// tool), and redundant pictures, which become units of their own. The two fields of a field-coded
/// frame are two access units, as the standard defines it.
#[must_use]
pub fn access_units(codec: Codec, stream: impl Into<Bytes>) -> AccessUnits {
    let stream = stream.into();
    AccessUnits {
        codec,
        scanner: NalScanner::new(&stream),
        start: (!stream.is_empty()).then_some(0),
        stream,
        nals: SmallVec::new(),
        picture: false,
    }
}

impl AccessUnits {
    /// Ends the current unit at `end`, before NAL unit number `count`, and starts the next one
    /// there.
    fn split(&mut self, end: usize, count: usize) -> Option<AccessUnit> {
        let start = self.start?;
        let nals = self.nals.drain(..count).map(|nal| NalRange {
            start: nal.start - start,
            end: nal.end - start,
            ..nal
        });
        let nals = nals.collect();
        self.start = (end < self.stream.len()).then_some(end);
        self.picture = false;
        Some(AccessUnit::from_parts(
            self.codec,
            self.stream.slice(start..end),
            nals,
        ))
    }
}

impl Iterator for AccessUnits {
    type Item = AccessUnit;

    fn next(&mut self) -> Option<AccessUnit> {
        self.start?;
        // Offset and NAL unit number at which the next access unit starts if a picture follows: a
        // NAL unit that only occurs at the start of an access unit, or the prefix of a first slice.
        let (mut boundary, mut prefix) = (None, None);
        while let Some(nal) = self.scanner.next(&self.stream) {
            let kind = self.codec.kind(nal.payload);
            let here = (nal.start, self.nals.len());
            self.nals.push(NalRange {
                kind,
                start: nal.payload_start,
                end: nal.payload_start + nal.payload.len(),
            });
            match kind {
                NalKind::Slice { first, .. } => {
                    let boundary = match (first, boundary.take()) {
                        (true, None) => Some(prefix.take().unwrap_or(here)),
                        (_, boundary) => boundary,
                    };
                    prefix = None;
                    let unit = match boundary {
                        Some((end, count)) if self.picture => self.split(end, count),
                        _ => None,
                    };
                    self.picture = true;
                    if unit.is_some() {
                        return unit;
                    }
                }
                NalKind::Vps
                | NalKind::Sps
                | NalKind::Pps
                | NalKind::Delimiter
                | NalKind::Leading => boundary = boundary.or(prefix).or(Some(here)),
                NalKind::Prefix => prefix = prefix.or(Some(here)),
                NalKind::Other => {}
            }
        }
        self.split(self.stream.len(), self.nals.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds a stream from NAL units, with start codes of both lengths.
    fn stream(nals: &[&[u8]]) -> Vec<u8> {
        let mut stream = Vec::new();
        for (index, nal) in nals.iter().enumerate() {
            stream.extend_from_slice(if index % 2 == 0 {
                &[0, 0, 0, 1]
            } else {
                &[0, 0, 1]
            });
            stream.extend_from_slice(nal);
        }
        stream
    }

    /// The number of NAL units and the key frame flag of each access unit.
    fn split(codec: Codec, nals: &[&[u8]]) -> Vec<(usize, bool)> {
        let stream = stream(nals);
        let units: Vec<_> = access_units(codec, stream.clone()).collect();
        let joined: Vec<u8> = units.iter().flat_map(|unit| unit.data().clone()).collect();
        assert_eq!(joined, stream);
        for unit in &units {
            assert_eq!(*unit, AccessUnit::new(codec, unit.data().clone()));
        }
        units
            .iter()
            .map(|unit| (unit.nals().len(), unit.is_key()))
            .collect()
    }

    const AUD: &[u8] = &[0x09, 0xf0];
    const SPS: &[u8] = &[0x67, 0x42, 0xc0];
    const PPS: &[u8] = &[0x68, 0xce];
    const SEI: &[u8] = &[0x06, 0x05, 0x80];
    const IDR: &[u8] = &[0x65, 0x88, 0x84];
    const IDR_NEXT: &[u8] = &[0x65, 0x48, 0x84];
    const P: &[u8] = &[0x41, 0x9a, 0x24];
    const P_NEXT: &[u8] = &[0x41, 0x5a, 0x24];
    const PREFIX: &[u8] = &[0x6e, 0x40, 0x80];
    const FILLER: &[u8] = &[0x0c, 0xff, 0x80];
    const END: &[u8] = &[0x0a];

    #[test]
    fn splits_h264_by_the_rules_of_the_standard() {
        let split = |nals: &[&[u8]]| split(Codec::H264, nals);
        assert_eq!(
            split(&[SPS, PPS, SEI, IDR, P, P]),
            [(4, true), (1, false), (1, false)]
        );
        assert_eq!(
            split(&[AUD, IDR, IDR_NEXT, AUD, P, P_NEXT]),
            [(3, true), (3, false)]
        );
        // The unit starts with the first of the parameter sets and SEI.
        assert_eq!(split(&[P, SPS, PPS, SEI, IDR]), [(1, false), (4, true)]);
        // NAL units that may follow a picture stay with it.
        assert_eq!(split(&[IDR, FILLER, END, P]), [(3, true), (1, false)]);
        // A delimiter starts an access unit even if the first slice was lost.
        assert_eq!(
            split(&[P, AUD, P_NEXT, P]),
            [(1, false), (2, false), (1, false)]
        );
        // A prefix belongs to the slice after it, the first or a later one.
        assert_eq!(
            split(&[PREFIX, IDR, PREFIX, IDR_NEXT, PREFIX, P]),
            [(4, true), (2, false)]
        );
        // Parameter sets without a picture after them stay with the last unit.
        assert_eq!(split(&[IDR, P, SPS, PPS]), [(1, true), (3, false)]);
    }

    #[test]
    fn splits_h265_by_the_rules_of_the_standard() {
        const VPS: &[u8] = &[0x40, 0x01, 0x0c];
        const SPS: &[u8] = &[0x42, 0x01, 0x01];
        const PPS: &[u8] = &[0x44, 0x01, 0xc1];
        const AUD: &[u8] = &[0x46, 0x01, 0x50];
        const SEI: &[u8] = &[0x4e, 0x01, 0x05];
        const SUFFIX: &[u8] = &[0x50, 0x01, 0x84];
        const IDR: &[u8] = &[0x26, 0x01, 0xaf];
        const IDR_NEXT: &[u8] = &[0x26, 0x01, 0x2f];
        const P: &[u8] = &[0x02, 0x01, 0xd0];
        const P_LAYER_1: &[u8] = &[0x02, 0x09, 0xd0];
        let split = |nals: &[&[u8]]| split(Codec::H265, nals);
        assert_eq!(
            split(&[AUD, VPS, SPS, PPS, SEI, IDR, IDR_NEXT, SUFFIX, P]),
            [(8, true), (1, false)]
        );
        assert_eq!(
            split(&[P, P_LAYER_1, SEI, P, VPS]),
            [(2, false), (3, false)]
        );
    }

    #[test]
    fn streams_without_pictures_are_one_unit() {
        assert_eq!(access_units(Codec::H264, Bytes::new()).count(), 0);
        let stream = Bytes::from_static(b"no start code");
        let units: Vec<_> = access_units(Codec::H264, stream.clone()).collect();
        assert_eq!(units, [AccessUnit::new(Codec::H264, stream)]);
        assert!(!units[0].has_picture());
        assert_eq!(split(Codec::H264, &[SPS, PPS]), [(2, false)]);
    }

    #[test]
    fn bytes_before_the_first_start_code_are_kept() {
        let mut bytes = vec![0, 0, 0, 0];
        bytes.extend(stream(&[IDR, P]));
        let length = bytes.len();
        let units: Vec<_> = access_units(Codec::H264, bytes).collect();
        assert_eq!(units[0].data().len(), 4 + 4 + IDR.len());
        let total: usize = units.iter().map(|unit| unit.data().len()).sum();
        assert_eq!(total, length);
    }
}
