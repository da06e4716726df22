use crate::{Codec, NalKind, NalUnits, nal_units};

/// The largest access unit in bytes that is taken anywhere in this crate. Cameras send hundreds of
/// kilobytes.
pub const MAX_UNIT_BYTES: usize = 8 << 20;

/// One access unit: a coded picture with all that belongs to it, as it stands in the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessUnit<'a> {
    /// Its bytes, start codes included.
    pub data: &'a [u8],
    /// Decoding can begin with it: an IDR picture in H.264, an IRAP picture in H.265.
    pub key: bool,
    /// It has a slice at all. Only a stream without any has a unit without.
    pub picture: bool,
}

/// The access units of a byte stream: see [`access_units`].
#[derive(Debug, Clone)]
pub struct AccessUnits<'a> {
    codec: Codec,
    stream: &'a [u8],
    nals: NalUnits<'a>,
    /// Where the unit that is being collected begins; `None` once the stream is done.
    start: Option<usize>,
    key: bool,
    picture: bool,
}

/// Cuts a byte stream into access units (H.264 7.4.1.2.3, H.265 7.4.2.4.4).
///
/// The units put end to end are the stream, byte for byte, whatever is in it. Bytes before the
/// first start code belong to the first unit; units without a picture at the end of the stream
/// (a lone parameter set, say) belong to the last one.
///
/// A picture begins with the slice that has `first_mb_in_slice` 0, or
/// `first_slice_segment_in_pic_flag` 1. So two things that H.264 allows and cameras do not send
/// are cut wrongly: slices in arbitrary order (Extended profile and Baseline with that tool), and
/// redundant pictures, which come out as units of their own. The fields of a field-coded frame
/// are units of their own by the standard.
#[must_use]
pub fn access_units(codec: Codec, stream: &[u8]) -> AccessUnits<'_> {
    AccessUnits {
        codec,
        stream,
        nals: nal_units(stream),
        start: (!stream.is_empty()).then_some(0),
        key: false,
        picture: false,
    }
}

impl<'a> AccessUnits<'a> {
    /// Ends the unit being collected at `end` and begins the next one there.
    fn cut(&mut self, end: usize) -> Option<AccessUnit<'a>> {
        let unit = AccessUnit {
            data: self.stream.get(self.start?..end)?,
            key: self.key,
            picture: self.picture,
        };
        self.start = (end < self.stream.len()).then_some(end);
        self.key = false;
        self.picture = false;
        Some(unit)
    }
}

impl<'a> Iterator for AccessUnits<'a> {
    type Item = AccessUnit<'a>;

    fn next(&mut self) -> Option<AccessUnit<'a>> {
        self.start?;
        // Where the next access unit would begin if a picture follows: at a unit that must stand
        // at the beginning of one, or at a prefix of what may be its first slice.
        let (mut opening, mut prefix) = (None, None);
        while let Some(nal) = self.nals.next() {
            match self.codec.kind(nal.payload) {
                NalKind::Slice { first, key } => {
                    let boundary = match (first, opening) {
                        (_, Some(start)) => Some(start),
                        (true, None) => Some(prefix.unwrap_or(nal.start)),
                        (false, None) => None,
                    };
                    let done = match boundary {
                        Some(end) if self.picture => self.cut(end),
                        _ => None,
                    };
                    self.picture = true;
                    self.key |= key;
                    if done.is_some() {
                        return done;
                    }
                    (opening, prefix) = (None, None);
                }
                NalKind::Vps
                | NalKind::Sps
                | NalKind::Pps
                | NalKind::Delimiter
                | NalKind::Opening => {
                    opening = opening.or(prefix).or(Some(nal.start));
                }
                NalKind::Prefix => prefix = prefix.or(Some(nal.start)),
                NalKind::Other => {}
            }
        }
        self.cut(self.stream.len())
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

    /// How many NAL units each access unit has, and whether it is a key frame.
    fn cut(codec: Codec, nals: &[&[u8]]) -> Vec<(usize, bool)> {
        let stream = stream(nals);
        let units: Vec<_> = access_units(codec, &stream).collect();
        let joined: Vec<u8> = units.iter().flat_map(|unit| unit.data).copied().collect();
        assert_eq!(joined, stream);
        units
            .iter()
            .map(|unit| (nal_units(unit.data).count(), unit.key))
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
    fn h264_rules() {
        let cut = |nals: &[&[u8]]| cut(Codec::H264, nals);
        assert_eq!(
            cut(&[SPS, PPS, SEI, IDR, P, P]),
            [(4, true), (1, false), (1, false)]
        );
        assert_eq!(
            cut(&[AUD, IDR, IDR_NEXT, AUD, P, P_NEXT]),
            [(3, true), (3, false)]
        );
        // Parameter sets, then SEI: the unit begins with the first of them.
        assert_eq!(cut(&[P, SPS, PPS, SEI, IDR]), [(1, false), (4, true)]);
        // What may follow a picture stays with it.
        assert_eq!(cut(&[IDR, FILLER, END, P]), [(3, true), (1, false)]);
        // An opening unit begins an access unit even when the first slice was lost.
        assert_eq!(
            cut(&[P, AUD, P_NEXT, P]),
            [(1, false), (2, false), (1, false)]
        );
        // A prefix belongs to the slice behind it, be that the first or a later one.
        assert_eq!(
            cut(&[PREFIX, IDR, PREFIX, IDR_NEXT, PREFIX, P]),
            [(4, true), (2, false)]
        );
        // No picture behind: it stays with the last one.
        assert_eq!(cut(&[IDR, P, SPS, PPS]), [(1, true), (3, false)]);
    }

    #[test]
    fn h265_rules() {
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
        let cut = |nals: &[&[u8]]| cut(Codec::H265, nals);
        assert_eq!(
            cut(&[AUD, VPS, SPS, PPS, SEI, IDR, IDR_NEXT, SUFFIX, P]),
            [(8, true), (1, false)]
        );
        assert_eq!(cut(&[P, P_LAYER_1, SEI, P, VPS]), [(2, false), (3, false)]);
    }

    #[test]
    fn streams_without_pictures() {
        assert_eq!(access_units(Codec::H264, &[]).count(), 0);
        let units: Vec<_> = access_units(Codec::H264, b"no start code").collect();
        assert_eq!(
            units,
            [AccessUnit {
                data: b"no start code",
                key: false,
                picture: false
            }]
        );
        assert_eq!(cut(Codec::H264, &[SPS, PPS]), [(2, false)]);
    }

    #[test]
    fn bytes_before_the_first_start_code_are_kept() {
        let mut bytes = vec![0, 0, 0, 0];
        bytes.extend(stream(&[IDR, P]));
        let units: Vec<_> = access_units(Codec::H264, &bytes).collect();
        assert_eq!(units[0].data.len(), 4 + 4 + IDR.len());
        assert_eq!(
            units.iter().map(|unit| unit.data.len()).sum::<usize>(),
            bytes.len()
        );
    }
}
