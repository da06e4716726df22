use std::borrow::Cow;

use crate::{AccessUnit, Codec, NalKind, SequenceParameters};

/// The parameter sets of each kind that are kept of one access unit. Further ones stay in the
/// stream only.
pub const MAX_PARAMETER_SETS: usize = 16;

/// The newest parameter sets of a stream: what a decoder needs before its first key frame, in a
/// file header, in a session description, or repeated in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSets {
    codec: Codec,
    vps: Vec<Vec<u8>>,
    sps: Vec<Vec<u8>>,
    pps: Vec<Vec<u8>>,
}

impl ParameterSets {
    /// Creates an empty collection.
    #[must_use]
    pub const fn new(codec: Codec) -> Self {
        Self {
            codec,
            vps: Vec::new(),
            sps: Vec::new(),
            pps: Vec::new(),
        }
    }

    /// The parameter sets of one access unit.
    #[must_use]
    pub fn of(unit: &AccessUnit) -> Self {
        let mut sets = Self::new(unit.codec());
        sets.update(unit);
        sets
    }

    /// Adopts the parameter sets of an access unit. All sets of a kind in it, at most
    /// [`MAX_PARAMETER_SETS`], replace the known ones of that kind. An access unit of another codec
    /// changes nothing.
    pub fn update(&mut self, unit: &AccessUnit) {
        if unit.codec() != self.codec {
            return;
        }
        for kind in [NalKind::Vps, NalKind::Sps, NalKind::Pps] {
            let mut found: Vec<&[u8]> = Vec::new();
            for (_, nal) in unit.nals().filter(|(found, _)| *found == kind) {
                // File headers and aggregation packets have lengths of 16 bits.
                let fits = found.len() < MAX_PARAMETER_SETS && nal.len() <= u16::MAX.into();
                if fits && !found.contains(&nal) {
                    found.push(nal);
                }
            }
            if let Some(known) = self.kind_mut(kind)
                && !found.is_empty()
                && *known != found
            {
                *known = found.into_iter().map(<[u8]>::to_vec).collect();
            }
        }
    }

    /// The codec of the stream.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// The fields of the first sequence parameter set. `None` if a kind of parameter set that a
    /// decoder needs is missing, or if the set cannot be parsed.
    #[must_use]
    pub fn parameters(&self) -> Option<SequenceParameters> {
        if self.pps.is_empty() || self.codec == Codec::H265 && self.vps.is_empty() {
            return None;
        }
        SequenceParameters::parse(self.codec, self.sps.first()?).ok()
    }

    /// The video parameter sets, without start codes. H.264 has none.
    #[must_use]
    pub fn vps(&self) -> &[Vec<u8>] {
        &self.vps
    }

    /// The sequence parameter sets, without start codes.
    #[must_use]
    pub fn sps(&self) -> &[Vec<u8>] {
        &self.sps
    }

    /// The picture parameter sets, without start codes.
    #[must_use]
    pub fn pps(&self) -> &[Vec<u8>] {
        &self.pps
    }

    /// Returns a key frame with the parameter sets that a decoder needs.
    ///
    /// First adopts the sets of the access unit. If a kind of set is missing from a key frame, the
    /// result has all known sets at its start, after the access unit delimiter only. Any other
    /// access unit is returned unchanged.
    pub fn complete<'a>(&mut self, unit: &'a AccessUnit) -> Cow<'a, AccessUnit> {
        let [vps, sps, pps] = [NalKind::Vps, NalKind::Sps, NalKind::Pps].map(|kind| unit.has(kind));
        if vps || sps || pps {
            self.update(unit);
        }
        let complete = sps && pps && (vps || self.codec == Codec::H264);
        let nothing_known = self.all().next().is_none();
        if !unit.is_key() || unit.codec() != self.codec || complete || nothing_known {
            return Cow::Borrowed(unit);
        }
        let is_delimiter = |(kind, _): &(NalKind, _)| *kind == NalKind::Delimiter;
        let delimiters = unit.nals().take_while(is_delimiter);
        let rest = unit.nals().skip_while(is_delimiter);
        let rest = rest.filter(|(kind, nal)| !self.contains(*kind, nal));
        let nals = delimiters.chain(self.all()).chain(rest);
        let complete = AccessUnit::from_nals(self.codec, nals);
        Cow::Owned(complete.with_key_flag(true))
    }

    /// All sets in the order in which a decoder needs them.
    fn all(&self) -> impl Iterator<Item = (NalKind, &[u8])> + Clone {
        let sets = [
            (NalKind::Vps, &self.vps),
            (NalKind::Sps, &self.sps),
            (NalKind::Pps, &self.pps),
        ];
        let sets = sets.into_iter();
        sets.flat_map(|(kind, sets)| sets.iter().map(move |set| (kind, set.as_slice())))
    }

    /// Returns `true` if a NAL unit is a known parameter set.
    pub(crate) fn contains(&self, kind: NalKind, nal: &[u8]) -> bool {
        let sets = match kind {
            NalKind::Vps => &self.vps,
            NalKind::Sps => &self.sps,
            NalKind::Pps => &self.pps,
            _ => return false,
        };
        sets.iter().any(|set| set == nal)
    }

    fn kind_mut(&mut self, kind: NalKind) -> Option<&mut Vec<Vec<u8>>> {
        match kind {
            NalKind::Vps => Some(&mut self.vps),
            NalKind::Sps => Some(&mut self.sps),
            NalKind::Pps => Some(&mut self.pps),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(codec: Codec, data: &[u8]) -> AccessUnit {
        AccessUnit::new(codec, data.to_vec())
    }

    #[test]
    fn newer_sets_replace_those_of_their_kind() {
        let h264 = |data: &[u8]| unit(Codec::H264, data);
        let mut sets = ParameterSets::new(Codec::H264);
        sets.update(&h264(&[
            0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 1, 0, 0, 1, 0x68, 2,
        ]));
        sets.update(&h264(&[0, 0, 1, 0x41, 0x9a]));
        sets.update(&unit(Codec::H265, &[0, 0, 1, 0x42, 1, 1]));
        assert_eq!(sets.sps(), [[0x67, 1]]);
        assert_eq!(sets.pps(), [[0x68, 1], [0x68, 2]]);
        let newer = [0, 0, 1, 0x68, 3, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 0x88];
        sets.update(&h264(&newer));
        let all: Vec<_> = sets.all().map(|(_, set)| set).collect();
        assert_eq!(all, [[0x67, 1], [0x68, 3]]);
        // The sequence parameter set is truncated.
        assert_eq!((sets.parameters(), sets.codec()), (None, Codec::H264));
    }

    #[test]
    fn key_frames_are_completed_with_known_sets() {
        let h264 = |data: &[u8]| unit(Codec::H264, data);
        let mut sets = ParameterSets::new(Codec::H264);
        let bare = h264(&[0, 0, 0, 1, 9, 0x10, 0, 0, 1, 0x65, 0x88]);
        assert!(matches!(sets.complete(&bare), Cow::Borrowed(unit) if *unit == bare));
        let whole = h264(&[0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 1, 0, 0, 1, 0x65, 0x88]);
        assert!(matches!(sets.complete(&whole), Cow::Borrowed(unit) if *unit == whole));
        let delta = h264(&[0, 0, 1, 0x41, 0x9a]);
        assert!(matches!(sets.complete(&delta), Cow::Borrowed(unit) if *unit == delta));
        let expected = [
            &[0, 0, 0, 1, 9, 0x10][..],
            &[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 1],
            &[0, 0, 0, 1, 0x65, 0x88],
        ];
        assert_eq!(*sets.complete(&bare), h264(&expected.concat()));
        // With one of two kinds, each set is there once and in order.
        let half = h264(&[0, 0, 1, 0x68, 1, 0, 0, 1, 0x65, 0x88]);
        assert_eq!(*sets.complete(&half), h264(&expected[1..].concat()));
    }

    #[test]
    fn number_of_sets_is_limited() {
        let data: Vec<u8> = (1..=40).flat_map(|id| [0, 0, 1, 0x44, 0x01, id]).collect();
        let sets = ParameterSets::of(&unit(Codec::H265, &data));
        assert_eq!(sets.pps().len(), MAX_PARAMETER_SETS);
        assert_eq!(sets.vps().len(), 0);
    }
}
