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

    /// All of them in the order in which a decoder needs them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &[u8]> {
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
    fn their_number_is_limited() {
        let mut sets = ParameterSets::new(Codec::H265);
        let unit: Vec<u8> = (1..=40).flat_map(|id| [0, 0, 1, 0x44, 0x01, id]).collect();
        sets.update(&unit);
        assert_eq!(sets.pps().len(), MAX_PARAMETER_SETS);
        assert_eq!(sets.vps().len(), 0);
    }
}
