use std::borrow::Cow;
use std::ptr;

use crate::annexb::LONG_START_CODE;
use crate::{Codec, NalKind, SequenceParameters, nal_units};

/// Parameter sets of each kind that are kept of one access unit; those beyond stay in the stream,
/// and nowhere else.
pub const MAX_PARAMETER_SETS: usize = 16;

/// The newest parameter sets of a stream: what a decoder has to be told before its first key frame,
/// be it in the header of a file, in a session description, or in the stream again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterSets {
    codec: Codec,
    vps: Vec<Vec<u8>>,
    sps: Vec<Vec<u8>>,
    pps: Vec<Vec<u8>>,
}

impl ParameterSets {
    /// Knows none yet.
    #[must_use]
    pub const fn new(codec: Codec) -> Self {
        Self {
            codec,
            vps: Vec::new(),
            sps: Vec::new(),
            pps: Vec::new(),
        }
    }

    /// Takes over the sets of an access unit (Annex B): all sets of a kind that it has, at most
    /// [`MAX_PARAMETER_SETS`], replace those that were known of that kind.
    pub fn update(&mut self, unit: &[u8]) {
        self.update_from(nal_units(unit).map(|nal| nal.payload));
    }

    /// [`update`](Self::update) by the NAL units of the access unit.
    pub(crate) fn update_from<'a>(&mut self, nals: impl Iterator<Item = &'a [u8]>) {
        let mut found = Self::new(self.codec);
        for nal in nals {
            let Some(sets) = found.of_mut(self.codec.kind(nal)) else {
                continue;
            };
            let known = sets.iter().any(|set| set == nal);
            // File headers and aggregation packets name lengths of 16 bits.
            if !known && sets.len() < MAX_PARAMETER_SETS && nal.len() <= u16::MAX.into() {
                sets.push(nal.to_vec());
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

    /// The codec of the stream.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// What the first sequence parameter set says, if there is a set of every kind that a decoder
    /// needs, and it can be read.
    #[must_use]
    pub fn parameters(&self) -> Option<SequenceParameters> {
        if self.pps.is_empty() || self.codec == Codec::H265 && self.vps.is_empty() {
            return None;
        }
        SequenceParameters::parse(self.codec, self.sps.first()?).ok()
    }

    /// The video parameter sets, without start codes; H.264 has none.
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

    /// An access unit (Annex B) as the first of a new file or viewer: where a key frame lacks any kind of
    /// parameter sets, all that are known come first, behind a delimiter only. Those that it has are taken
    /// over; everything else is returned as it came.
    pub fn completed<'a>(&mut self, unit: &'a [u8], key: bool) -> Cow<'a, [u8]> {
        let nals: Vec<_> = nal_units(unit).map(|nal| nal.payload).collect();
        let before = nals.clone();
        let nals = self.complete(nals, key);
        let same =
            nals.len() == before.len() && nals.iter().zip(before).all(|(a, b)| ptr::eq(*a, b));
        if same {
            return Cow::Borrowed(unit);
        }
        let pieces = nals.iter().flat_map(|nal| [&LONG_START_CODE[..], nal]);
        Cow::Owned(pieces.flatten().copied().collect())
    }

    /// The NAL units of an access unit as a decoder needs them that knows nothing: where a key frame
    /// lacks any kind of parameter sets, all that are known come first, behind a delimiter only.
    /// Those of the access unit are taken over before.
    pub(crate) fn complete<'a>(&'a mut self, mut nals: Vec<&'a [u8]>, key: bool) -> Vec<&'a [u8]> {
        let codec = self.codec;
        let has = |kind| nals.iter().any(|nal| codec.kind(nal) == kind);
        let [vps, sps, pps] = [NalKind::Vps, NalKind::Sps, NalKind::Pps].map(has);
        if vps || sps || pps {
            self.update_from(nals.iter().copied());
        }
        if !key || sps && pps && (vps || codec == Codec::H264) {
            return nals;
        }
        nals.retain(|nal| !self.of(codec.kind(nal)).iter().any(|set| set == nal));
        let delimiters = nals
            .iter()
            .take_while(|nal| codec.kind(nal) == NalKind::Delimiter)
            .count();
        nals.splice(delimiters..delimiters, self.all());
        nals
    }

    /// All of them in the order in which a decoder needs them.
    fn all(&self) -> impl Iterator<Item = &[u8]> {
        let sets = [&self.vps, &self.sps, &self.pps];
        sets.into_iter().flatten().map(Vec::as_slice)
    }

    /// Those of a kind; none of a kind that is no parameter set.
    pub(crate) fn of(&self, kind: NalKind) -> &[Vec<u8>] {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newer_sets_replace_those_of_their_kind() {
        let mut sets = ParameterSets::new(Codec::H264);
        sets.update(&[0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 1, 0, 0, 1, 0x68, 2]);
        sets.update(&[0, 0, 1, 0x41, 0x9a]);
        assert_eq!(sets.sps(), [[0x67, 1]]);
        assert_eq!(sets.pps(), [[0x68, 1], [0x68, 2]]);
        sets.update(&[0, 0, 1, 0x68, 3, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 0x88]);
        let all: Vec<_> = sets.all().collect();
        assert_eq!(all, [[0x67, 1], [0x68, 3]]);
        // The sequence parameter set is cut off, so that nothing can be said.
        assert_eq!((sets.parameters(), sets.codec()), (None, Codec::H264));
    }

    #[test]
    fn a_key_frame_is_completed_by_what_is_known() {
        let mut sets = ParameterSets::new(Codec::H264);
        let whole = [0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 1, 0, 0, 1, 0x65, 0x88];
        assert!(matches!(sets.completed(&whole, true), Cow::Borrowed(unit) if unit == whole));
        let bare = [0, 0, 0, 1, 9, 0x10, 0, 0, 1, 0x65, 0x88];
        assert!(matches!(sets.completed(&bare, false), Cow::Borrowed(unit) if unit == bare));
        let expected = [
            &[0, 0, 0, 1, 9, 0x10][..],
            &[0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68, 1],
            &[0, 0, 0, 1, 0x65, 0x88],
        ];
        assert_eq!(*sets.completed(&bare, true), expected.concat());
        // One of two kinds: both are there once, in their order.
        let half = [0, 0, 1, 0x68, 1, 0, 0, 1, 0x65, 0x88];
        assert_eq!(*sets.completed(&half, true), expected[1..].concat());
    }

    #[test]
    fn their_number_is_limited() {
        let mut sets = ParameterSets::new(Codec::H265);
        let unit: Vec<u8> = (1..=40).flat_map(|id| [0, 0, 1, 0x44, 0x01, id]).collect();
        sets.update(&unit);
        assert_eq!(sets.pps().len(), MAX_PARAMETER_SETS);
        assert_eq!(sets.vps().len(), 0);
    }
}
