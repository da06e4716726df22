//! NAL unit headers in RTP payloads of H.264 (RFC 6184) and H.265 (RFC 7798).
//!
//! - NAL unit: H.264 unchanged; H.265 unchanged
//! - aggregation: H.264 F and the largest NRI, type 24; each NAL unit after its length in 2 bytes;
//!   H.265 F, type 48, the smallest layer and temporal id; each NAL unit after its length in 2
//!   bytes
//! - fragment: H.264 F and NRI, type 28; start, end, type of the NAL unit; bytes after its header;
//!   H.265 F, type 49, layer and temporal id; start, end, type; bytes after its header

use crate::Codec;

/// NAL unit types of the payload formats (RFC 6184 table 1, RFC 7798 section 4.4).
pub(super) const STAP_A: u8 = 24;
pub(super) const FU_A: u8 = 28;
pub(super) const AGGREGATION: u8 = 48;
pub(super) const FRAGMENTATION: u8 = 49;

/// Bits of a fragmentation unit header, in both codecs.
pub(super) const FU_START: u8 = 0x80;
pub(super) const FU_END: u8 = 0x40;

/// Returns `true` if a NAL unit has a whole header and a type that the payload format does not use.
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

/// Returns `true` for a type that is sent unchanged.
pub(super) const fn is_plain(codec: Codec, nal_type: u8) -> bool {
    match codec {
        Codec::H264 => 0 < nal_type && nal_type < STAP_A,
        Codec::H265 => nal_type < AGGREGATION,
    }
}

/// The first two bytes. In H.264 the second is not part of the header.
pub(super) const fn header(nal: &[u8]) -> [u8; 2] {
    match nal {
        [first, second, ..] => [*first, *second],
        [first] => [*first, 0],
        [] => [0, 0],
    }
}

/// `nuh_layer_id`.
pub(super) const fn layer([first, second]: [u8; 2]) -> u8 {
    (first & 1) << 5 | second >> 3
}
