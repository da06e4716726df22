//! Payloads of H.264 (RFC 6184) and H.265 (RFC 7798).

use std::ops::Range;

use bytes::BufMut;

use crate::{Codec, NalKind, ParameterSets, nal_units};

/// NAL unit types that RTP gives a meaning to (RFC 6184 table 1, RFC 7798 section 4.4).
pub(super) const STAP_A: u8 = 24;
pub(super) const FU_A: u8 = 28;
pub(super) const AGGREGATION: u8 = 48;
pub(super) const FRAGMENTATION: u8 = 49;

/// Bits of the header of a fragmentation unit, in both codecs.
pub(super) const FU_START: u8 = 0x80;
pub(super) const FU_END: u8 = 0x40;

/// Bytes of the length before each NAL unit of an aggregation.
const LENGTH: usize = 2;

/// The payloads of an access unit.
///
/// | payload | H.264 | H.265 |
/// |---|---|---|
/// | NAL unit | as it is | as it is |
/// | several | F and NRI (the largest), type 24; each after its length in 2 bytes | F, type 48, layer and temporal id (the smallest); likewise |
/// | part of one | F and NRI, type 28; start, end, type of the NAL unit; bytes behind its header | F, type 49, layer and temporal id; likewise |
#[derive(Debug)]
pub(super) struct NalPayloads<'a> {
    codec: Codec,
    nals: Vec<&'a [u8]>,
    /// The NAL unit that comes next.
    at: usize,
    /// Bytes of it that went out in fragments, its header counted in; 0 when there were none.
    sent: usize,
}

/// What one packet holds.
#[derive(Debug)]
pub(super) enum Piece {
    /// NAL units that are whole.
    Whole(Range<usize>),
    /// Some bytes of one.
    Part { nal: usize, bytes: Range<usize> },
}

impl<'a> NalPayloads<'a> {
    /// Also says how many NAL units were left out.
    pub(super) fn new(sets: &'a mut ParameterSets, unit: &'a [u8]) -> (Self, u64) {
        let codec = sets.codec();
        let mut nals = Vec::with_capacity(8);
        let mut skipped = 0;
        let mut key = false;
        for nal in nal_units(unit) {
            if can_be_sent(codec, nal.payload) {
                key |= matches!(codec.kind(nal.payload), NalKind::Slice { key: true, .. });
                nals.push(nal.payload);
            } else {
                skipped += 1;
            }
        }
        let nals = sets.complete(nals, key);
        let payloads = Self {
            codec,
            nals,
            at: 0,
            sent: 0,
        };
        (payloads, skipped)
    }

    /// Everything has been given out by [`next`](Self::next).
    pub(super) const fn is_done(&self) -> bool {
        self.at == self.nals.len()
    }

    /// What the next packet holds, if it has room for so many bytes of payload.
    pub(super) fn next(&mut self, room: usize) -> Option<Piece> {
        let nal = self.nals.get(self.at)?;
        let at = self.at;
        if nal.len() > room {
            let header = self.codec.header_bytes();
            let from = self.sent.max(header);
            // The header of the NAL unit stands in that of the fragment, which is a byte longer.
            let to = (from + room - header - 1).min(nal.len());
            self.sent = to;
            if to == nal.len() {
                (self.at, self.sent) = (at + 1, 0);
            }
            return Some(Piece::Part {
                nal: at,
                bytes: from..to,
            });
        }
        // The header of an aggregation is as long as that of a NAL unit.
        let mut bytes = self.codec.header_bytes();
        let fitting = self.nals.iter().skip(at).take_while(|nal| {
            bytes += LENGTH + nal.len();
            bytes <= room
        });
        // One that fits only without the header of an aggregation goes by itself.
        self.at += fitting.count().max(1);
        Some(Piece::Whole(at..self.at))
    }

    pub(super) fn write(&self, piece: &Piece, out: &mut impl BufMut) {
        match piece {
            Piece::Whole(range) => match self.nals.get(range.clone()) {
                Some([nal]) => out.put_slice(nal),
                nals => self.write_aggregation(nals.unwrap_or_default(), out),
            },
            Piece::Part { nal, bytes } => {
                let nal = self.nals.get(*nal).copied().unwrap_or_default();
                self.write_fragment(nal, bytes, out);
            }
        }
    }

    fn write_aggregation(&self, nals: &[&[u8]], out: &mut impl BufMut) {
        let headers = || nals.iter().map(|nal| header(nal));
        let forbidden = headers().fold(0, |all, [first, _]| all | first & 0x80);
        match self.codec {
            Codec::H264 => {
                let importance = headers().map(|[first, _]| first & 0x60).max();
                out.put_u8(forbidden | importance.unwrap_or(0) | STAP_A);
            }
            Codec::H265 => {
                // The lowest layer, and the lowest of the temporal ids, each for itself.
                let layer = headers().map(layer).min().unwrap_or(0);
                let temporal = headers().map(|[_, second]| second & 7).min();
                out.put_u8(forbidden | AGGREGATION << 1 | layer >> 5);
                out.put_u8(layer << 3 | temporal.unwrap_or(1));
            }
        }
        for nal in nals {
            // An aggregation is no longer than a packet.
            out.put_u16(u16::try_from(nal.len()).unwrap_or(u16::MAX));
            out.put_slice(nal);
        }
    }

    fn write_fragment(&self, nal: &[u8], bytes: &Range<usize>, out: &mut impl BufMut) {
        let [first, second] = header(nal);
        match self.codec {
            Codec::H264 => out.put_u8(first & 0xe0 | FU_A),
            Codec::H265 => out.put_slice(&[first & 0x81 | FRAGMENTATION << 1, second]),
        }
        let start = bytes.start == self.codec.header_bytes();
        let end = bytes.end == nal.len();
        let flag = |set, flag| if set { flag } else { 0 };
        out.put_u8(flag(start, FU_START) | flag(end, FU_END) | nal_type(self.codec, nal));
        out.put_slice(nal.get(bytes.clone()).unwrap_or_default());
    }
}

/// Whether a NAL unit has a whole header, and its type is one that RTP leaves as it is.
pub(super) fn can_be_sent(codec: Codec, nal: &[u8]) -> bool {
    nal.len() >= codec.header_bytes() && is_plain(codec, nal_type(codec, nal))
}

/// `nal_unit_type`.
pub(super) fn nal_type(codec: Codec, nal: &[u8]) -> u8 {
    let [first, _] = header(nal);
    match codec {
        Codec::H264 => first & 0x1f,
        Codec::H265 => first >> 1 & 0x3f,
    }
}

/// The types that RTP leaves as they are.
pub(super) const fn is_plain(codec: Codec, nal_type: u8) -> bool {
    match codec {
        Codec::H264 => 0 < nal_type && nal_type < STAP_A,
        Codec::H265 => nal_type < AGGREGATION,
    }
}

/// The first two bytes; the second is no part of the header in H.264.
const fn header(nal: &[u8]) -> [u8; 2] {
    match nal {
        [first, second, ..] => [*first, *second],
        [first] => [*first, 0],
        [] => [0, 0],
    }
}

/// `nuh_layer_id`.
const fn layer([first, second]: [u8; 2]) -> u8 {
    (first & 1) << 5 | second >> 3
}
