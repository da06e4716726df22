//! Unwrapping of wrapping sequence numbers: frame numbers and slice counters.

use crate::FrameNumber;

/// An offset of unwrapped numbers, so that numbers before the first one fit. A multiple of both
/// widths, so that the low bits are those on the wire.
const BASE: u64 = 1 << 32;

/// Unwraps the first number of a sequence.
pub(crate) fn first(number: FrameNumber) -> u64 {
    BASE + u64::from(number.value())
}

/// Returns the unwrapped form of `number` nearest to `reference`.
pub(crate) fn nearest(reference: u64, number: FrameNumber) -> u64 {
    reference.saturating_add_signed(distance(low_bits(reference), number))
}

/// Returns how far `number` is ahead of the number with the low bits `from`. Negative if behind.
pub(crate) fn distance(from: u32, number: FrameNumber) -> i64 {
    match number {
        FrameNumber::Long(to) => to.wrapping_sub(from).cast_signed().into(),
        FrameNumber::Short(to) => {
            let from = low_16_bits(from.into());
            to.wrapping_sub(from).cast_signed().into()
        }
    }
}

/// Returns a number in the width of `like`.
pub(crate) fn like(number: u32, like: FrameNumber) -> FrameNumber {
    match like {
        FrameNumber::Long(_) => FrameNumber::Long(number),
        FrameNumber::Short(_) => FrameNumber::Short(low_16_bits(number.into())),
    }
}

/// Returns the low 32 bits of an unwrapped number.
pub(crate) fn low_bits(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Returns the low 16 bits of an unwrapped number.
pub(crate) fn low_16_bits(number: u64) -> u16 {
    let [a, b, ..] = number.to_le_bytes();
    u16::from_le_bytes([a, b])
}

/// Returns the number on the wire, in the width of `like`.
pub(crate) fn on_wire(number: u64, like: FrameNumber) -> u32 {
    match like {
        FrameNumber::Short(_) => low_16_bits(number).into(),
        FrameNumber::Long(_) => low_bits(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwraps_both_widths() {
        let long = first(FrameNumber::Long(u32::MAX));
        assert_eq!(nearest(long, FrameNumber::Long(0)), long + 1);
        assert_eq!(nearest(long + 1, FrameNumber::Long(u32::MAX)), long);

        let short = first(FrameNumber::Short(u16::MAX));
        assert_eq!(nearest(short, FrameNumber::Short(2)), short + 3);
        assert_eq!(nearest(short + 3, FrameNumber::Short(0xfffe)), short - 1);
        assert_eq!(on_wire(short + 3, FrameNumber::Short(0)), 2);
    }

    #[test]
    fn numbers_before_a_first_number_of_0_fit() {
        let zero = first(FrameNumber::Long(0));
        assert_eq!(nearest(zero, FrameNumber::Long(u32::MAX)), zero - 1);
    }
}
