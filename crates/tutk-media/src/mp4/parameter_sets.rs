use super::MAX_PARAMETER_SETS;
use crate::{Codec, NalKind, SequenceParameters, nal_units};

/// The parameter sets that the header will have, or has.
#[derive(Debug, Default)]
pub(super) struct ParameterSets {
    pub(super) vps: Vec<Vec<u8>>,
    pub(super) sps: Vec<Vec<u8>>,
    pub(super) pps: Vec<Vec<u8>>,
}

impl ParameterSets {
    /// Takes over the sets of an access unit: all sets of a kind that it has replace those that
    /// were known of that kind.
    pub(super) fn replace_from(&mut self, codec: Codec, unit: &[u8]) {
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
    pub(super) fn complete(&self, codec: Codec) -> Option<SequenceParameters> {
        if self.pps.is_empty() || codec == Codec::H265 && self.vps.is_empty() {
            return None;
        }
        SequenceParameters::parse(codec, self.sps.first()?).ok()
    }

    pub(super) fn of(&self, kind: NalKind) -> &[Vec<u8>] {
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
