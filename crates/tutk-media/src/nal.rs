use core::fmt;

/// A video codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// ITU-T H.264, AVC.
    H264,
    /// ITU-T H.265, HEVC.
    H265,
}

/// The kind of a NAL unit.
///
/// | kind | H.264 `nal_unit_type` (table 7-1) | H.265 `nal_unit_type` (table 7-1) |
/// |---|---|---|
/// | `Slice` | 1, 2, 3, 4, 5 | 0..=31 |
/// | `Vps` | - | 32 |
/// | `Sps` | 7 | 33 |
/// | `Pps` | 8 | 34 |
/// | `Delimiter` | 9 | 35 |
/// | `Leading` | 6, 15..=18 | 39, 41..=44, 48..=55 |
/// | `Prefix` | 14 | - |
/// | `Other` | the rest | the rest |
///
/// In H.265 this applies to the base layer (`nuh_layer_id` 0). NAL units of other layers are
/// `Slice` with `first` false, or `Other`. A NAL unit with `forbidden_zero_bit` set is `Other`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NalKind {
    /// A slice, a slice segment or a data partition.
    Slice {
        /// `true` for the first of a picture: `first_mb_in_slice` is 0, or
        /// `first_slice_segment_in_pic_flag` is 1.
        first: bool,
        /// `true` if decoding can start at its picture: IDR in H.264, IRAP (BLA, IDR, CRA) in
        /// H.265.
        key: bool,
    },
    /// Video parameter set.
    Vps,
    /// Sequence parameter set.
    Sps,
    /// Picture parameter set.
    Pps,
    /// Access unit delimiter.
    Delimiter,
    /// An SEI message or a reserved type that starts an access unit if it follows the last slice of
    /// a picture.
    Leading,
    /// A prefix NAL unit, which belongs to the slice after it.
    Prefix,
    /// Any other type. It belongs to the access unit that it is found in.
    Other,
}

impl NalKind {
    /// Returns `true` for a parameter set.
    pub(crate) const fn is_set(self) -> bool {
        matches!(self, Self::Vps | Self::Sps | Self::Pps)
    }

    /// Returns `true` for a slice.
    pub(crate) const fn is_slice(self) -> bool {
        matches!(self, Self::Slice { .. })
    }
}

impl Codec {
    /// The short lower-case name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
        }
    }

    /// The size of a NAL unit header in bytes.
    pub(crate) const fn header_bytes(self) -> usize {
        match self {
            Self::H264 => 1,
            Self::H265 => 2,
        }
    }

    /// The kind of a NAL unit. `payload` is the NAL unit without its start code.
    #[must_use]
    pub fn kind(self, payload: &[u8]) -> NalKind {
        match self {
            Self::H264 => h264_kind(payload),
            Self::H265 => h265_kind(payload),
        }
    }
}

fn h264_kind(payload: &[u8]) -> NalKind {
    let Some(&header) = payload.first() else {
        return NalKind::Other;
    };
    if header & 0x80 != 0 {
        return NalKind::Other;
    }
    match header & 0x1f {
        // first_mb_in_slice is the slice header's first field, an Exp-Golomb code: a leading
        // 1 bit is the value 0.
        unit_type @ (1 | 2 | 5) => NalKind::Slice {
            first: payload.get(1).is_some_and(|byte| byte & 0x80 != 0),
            key: unit_type == 5,
        },
        3 | 4 => NalKind::Slice {
            first: false,
            key: false,
        },
        7 => NalKind::Sps,
        8 => NalKind::Pps,
        9 => NalKind::Delimiter,
        6 | 15..=18 => NalKind::Leading,
        14 => NalKind::Prefix,
        _ => NalKind::Other,
    }
}

fn h265_kind(payload: &[u8]) -> NalKind {
    let &[first, second, ..] = payload else {
        return NalKind::Other;
    };
    if first & 0x80 != 0 {
        return NalKind::Other;
    }
    let unit_type = first >> 1 & 0x3f;
    let layer = (first & 1) << 5 | second >> 3;
    match (unit_type, layer) {
        (0..=31, 0) => NalKind::Slice {
            first: payload.get(2).is_some_and(|byte| byte & 0x80 != 0),
            key: matches!(unit_type, 16..=23),
        },
        (0..=31, _) => NalKind::Slice {
            first: false,
            key: false,
        },
        (32, 0) => NalKind::Vps,
        (33, 0) => NalKind::Sps,
        (34, 0) => NalKind::Pps,
        (35, 0) => NalKind::Delimiter,
        (39 | 41..=44 | 48..=55, 0) => NalKind::Leading,
        _ => NalKind::Other,
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::H264 => "H.264",
            Self::H265 => "H.265",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn slice(first: bool, key: bool) -> NalKind {
        NalKind::Slice { first, key }
    }

    #[test]
    fn classifies_h264_nal_units() {
        for (payload, kind) in [
            (&[0x65, 0x88][..], slice(true, true)),
            (&[0x25, 0x48], slice(false, true)),
            (&[0x41, 0x9a], slice(true, false)),
            (&[0x42, 0x80], slice(true, false)),
            (&[0x43, 0x80], slice(false, false)),
            (&[0x67, 0x42], NalKind::Sps),
            (&[0x68, 0xce], NalKind::Pps),
            (&[0x06, 0x05], NalKind::Leading),
            (&[0x09, 0xf0], NalKind::Delimiter),
            (&[0x6e, 0x40], NalKind::Prefix),
            (&[0x0c, 0xff], NalKind::Other),
            (&[0x0a], NalKind::Other),
            (&[0xe5, 0x88], NalKind::Other),
            (&[0x65], slice(false, true)),
            (&[], NalKind::Other),
        ] {
            assert_eq!(Codec::H264.kind(payload), kind, "{payload:02x?}");
        }
    }

    #[test]
    fn classifies_h265_nal_units() {
        for (payload, kind) in [
            (&[0x26, 0x01, 0xaf][..], slice(true, true)),
            (&[0x28, 0x01, 0x2f], slice(false, true)),
            (&[0x2a, 0x01, 0x80], slice(true, true)),
            (&[0x02, 0x01, 0xd0], slice(true, false)),
            (&[0x02, 0x09, 0xd0], slice(false, false)),
            (&[0x40, 0x01, 0x0c], NalKind::Vps),
            (&[0x42, 0x01, 0x01], NalKind::Sps),
            (&[0x43, 0x01, 0x01], NalKind::Other),
            (&[0x44, 0x01, 0xc1], NalKind::Pps),
            (&[0x46, 0x01, 0x50], NalKind::Delimiter),
            (&[0x4e, 0x01, 0x05], NalKind::Leading),
            (&[0x50, 0x01, 0x84], NalKind::Other),
            (&[0xa6, 0x01, 0xaf], NalKind::Other),
            (&[0x26], NalKind::Other),
        ] {
            assert_eq!(Codec::H265.kind(payload), kind, "{payload:02x?}");
        }
    }
}
