//! G.711: µ-law (PCMU) and A-law (PCMA), one byte per sample (ITU-T G.711).
//!
//! Linear samples have 16 bits. The 14 bits of µ-law and the 13 bits of A-law are the upper ones,
//! as in ITU-T's tools (G.191), with which these functions agree in every value.

/// Added to a µ-law magnitude, in 14 bits, so that segments start at powers of two.
const BIAS: u16 = 33;

#[expect(
    clippy::indexing_slicing,
    reason = "256 entries, and a byte to choose one"
)]
const PCMU: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0_u8;
    loop {
        table[code as usize] = expand_pcmu(code);
        if code == u8::MAX {
            break table;
        }
        code += 1;
    }
};

#[expect(
    clippy::indexing_slicing,
    reason = "256 entries, and a byte to choose one"
)]
const PCMA: [i16; 256] = {
    let mut table = [0; 256];
    let mut code = 0_u8;
    loop {
        table[code as usize] = expand_pcma(code);
        if code == u8::MAX {
            break table;
        }
        code += 1;
    }
};

/// Decodes a µ-law byte.
#[must_use]
#[expect(
    clippy::indexing_slicing,
    reason = "256 entries, and a byte to choose one"
)]
pub const fn decode_pcmu(code: u8) -> i16 {
    PCMU[code as usize]
}

/// Decodes an A-law byte.
#[must_use]
#[expect(
    clippy::indexing_slicing,
    reason = "256 entries, and a byte to choose one"
)]
pub const fn decode_pcma(code: u8) -> i16 {
    PCMA[code as usize]
}

/// Encodes a sample as a µ-law byte.
#[must_use]
pub fn encode_pcmu(sample: i16) -> u8 {
    // Values above the last segment are clipped.
    let magnitude = u32::from((magnitude(sample) >> 2) + BIAS).min(0x1fff);
    // The first segment has 6 bits, bias included; each further one has one more.
    let segment = 26 - magnitude.leading_zeros();
    let code = low_byte(segment << 4 | magnitude >> (segment + 1) & 0xf);
    // All bits are inverted. The highest one is set for values that are not negative.
    !code & 0x7f | sign(sample)
}

/// Encodes a sample as an A-law byte.
#[must_use]
pub fn encode_pcma(sample: i16) -> u8 {
    let magnitude = u32::from(magnitude(sample) >> 4);
    // The first two segments have 4 bits; the second also has a leading one.
    let segment = 28_u32.saturating_sub(magnitude.leading_zeros());
    let step = magnitude >> segment.saturating_sub(1) & 0xf;
    // Every other bit is inverted.
    (low_byte(segment << 4 | step) | sign(sample)) ^ 0x55
}

const fn expand_pcmu(code: u8) -> i16 {
    let segment = !code >> 4 & 7;
    let step = (!code & 0xf) as i16;
    // The middle of the step, and the bias in 16 bits.
    let magnitude = (((step << 3) + 0x84) << segment) - (BIAS.cast_signed() << 2);
    if code & 0x80 == 0 {
        -magnitude
    } else {
        magnitude
    }
}

const fn expand_pcma(code: u8) -> i16 {
    let code = code ^ 0x55;
    let segment = code >> 4 & 7;
    let step = (code & 0xf) as i16;
    let magnitude = match segment {
        0 => (step << 4) + 8,
        _ => ((step << 4) + 0x108) << (segment - 1),
    };
    if code & 0x80 == 0 {
        -magnitude
    } else {
        magnitude
    }
}

/// Without its sign, in ones' complement: -1 and 0 have the same one.
const fn magnitude(sample: i16) -> u16 {
    (if sample < 0 { !sample } else { sample }).cast_unsigned()
}

const fn sign(sample: i16) -> u8 {
    if sample < 0 { 0 } else { 0x80 }
}

const fn low_byte(value: u32) -> u8 {
    value.to_be_bytes()[3]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ITU-T G.711 tables 2a and 1a: the first code of each positive segment and its value, in the
    /// 14 and 13 bits that the tables use.
    #[test]
    fn decodes_the_values_of_the_standard_tables() {
        for (code, value) in [
            (0x80, 8_031),
            (0x8f, 4_191),
            (0x9f, 2_079),
            (0xaf, 1_023),
            (0xbf, 495),
            (0xcf, 231),
            (0xdf, 99),
            (0xef, 33),
            (0xfe, 2),
            (0xff, 0),
        ] {
            assert_eq!(decode_pcmu(code), value << 2, "{code:02x}");
            assert_eq!(decode_pcmu(code & 0x7f), -(value << 2), "{code:02x}");
        }
        for (code, value) in [
            (0xff, 4_032),
            (0xf0, 2_112),
            (0xe0, 1_056),
            (0xd0, 528),
            (0xc0, 264),
            (0xb0, 132),
            (0xa0, 66),
            (0x80, 1),
        ] {
            // The table's character signals, before the inversion of even bits.
            let code = code ^ 0x55;
            assert_eq!(decode_pcma(code), value << 3, "{code:02x}");
            assert_eq!(decode_pcma(code ^ 0x80), -(value << 3), "{code:02x}");
        }
    }

    #[test]
    fn decoded_codes_encode_back() {
        for code in 0..=u8::MAX {
            // µ-law has a zero of either sign.
            let expected = if code == 0x7f { 0xff } else { code };
            assert_eq!(encode_pcmu(decode_pcmu(code)), expected);
            assert_eq!(encode_pcma(decode_pcma(code)), code);
        }
    }

    /// The decision values at the starts of the segments.
    #[test]
    fn decision_values_separate_codes() {
        for (code, value) in [
            (0x8f, 4_063),
            (0x9f, 2_015),
            (0xaf, 991),
            (0xbf, 479),
            (0xcf, 223),
            (0xdf, 95),
            (0xef, 31),
        ] {
            assert_eq!(encode_pcmu(value << 2), code);
            assert_eq!(encode_pcmu((value << 2) - 1), code + 1);
            assert_eq!(encode_pcmu(-(value << 2) - 1), code & 0x7f);
        }
        for (code, value) in [
            (0xf0_u8, 2_048),
            (0xe0, 1_024),
            (0xd0, 512),
            (0xc0, 256),
            (0xb0, 128),
            (0xa0, 64),
            (0x90, 32),
        ] {
            assert_eq!(encode_pcma(value << 3), code ^ 0x55);
            assert_eq!(encode_pcma((value << 3) - 1), (code - 1) ^ 0x55);
            assert_eq!(encode_pcma(-(value << 3) - 1), code & 0x7f ^ 0x55);
        }
    }

    #[test]
    fn encoding_is_monotonic() {
        for (encode, decode) in [
            (encode_pcmu as fn(i16) -> u8, decode_pcmu as fn(u8) -> i16),
            (encode_pcma, decode_pcma),
        ] {
            let mut before = i16::MIN;
            for sample in i16::MIN..=i16::MAX {
                let level = decode(encode(sample));
                assert!(level >= before);
                before = level;
                // Half of the last segment's step of 1024, and the loss by truncation or clipping.
                let wide = i32::from(sample.unsigned_abs()) / 32 + 16;
                let off = (i32::from(level) - i32::from(sample)).abs();
                assert!(off <= wide, "{sample}: {level}");
            }
        }
    }

    #[test]
    fn extreme_values_are_encoded_without_overflow() {
        assert_eq!((encode_pcmu(0), encode_pcmu(-1)), (0xff, 0x7f));
        assert_eq!((encode_pcmu(i16::MAX), encode_pcmu(i16::MIN)), (0x80, 0x00));
        assert_eq!((encode_pcma(0), encode_pcma(-1)), (0xd5, 0x55));
        assert_eq!((encode_pcma(i16::MAX), encode_pcma(i16::MIN)), (0xaa, 0x2a));
    }
}
