//! Numbers of frames, and counters of slices, that wrap, made into ones that do not.

use crate::FrameNumber;

/// Where unwrapped numbers begin: a multiple of both widths, so that there is room below it and the
/// low bits stay those on the wire.
const BASE: u64 = 1 << 32;

/// The unwrapped form of the first number of a count.
pub(crate) fn first(number: FrameNumber) -> u64 {
    BASE + u64::from(number.value())
}

/// The unwrapped form of `number` that is nearest to `reference`.
pub(crate) fn nearest(reference: u64, number: FrameNumber) -> u64 {
    reference.saturating_add_signed(distance(low_bits(reference), number))
}

/// How far `number` is ahead of the number whose low bits are `from`; negative: behind.
pub(crate) fn distance(from: u32, number: FrameNumber) -> i64 {
    match number {
        FrameNumber::Long(to) => to.wrapping_sub(from).cast_signed().into(),
        FrameNumber::Short(to) => {
            let [a, b, ..] = from.to_le_bytes();
            to.wrapping_sub(u16::from_le_bytes([a, b]))
                .cast_signed()
                .into()
        }
    }
}

/// The low 32 bits of an unwrapped number.
pub(crate) fn low_bits(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// The low 16 bits of an unwrapped number.
pub(crate) fn low_16_bits(number: u64) -> u16 {
    let [a, b, ..] = number.to_le_bytes();
    u16::from_le_bytes([a, b])
}

/// The number on the wire, as wide as `like`.
pub(crate) fn on_wire(number: u64, like: FrameNumber) -> u32 {
    match like {
        FrameNumber::Short(_) => low_bits(number) & 0xffff,
        FrameNumber::Long(_) => low_bits(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_goes_on_across_both_wraps() {
        let long = first(FrameNumber::Long(u32::MAX));
        assert_eq!(nearest(long, FrameNumber::Long(0)), long + 1);
        assert_eq!(nearest(long + 1, FrameNumber::Long(u32::MAX)), long);

        let short = first(FrameNumber::Short(u16::MAX));
        assert_eq!(nearest(short, FrameNumber::Short(2)), short + 3);
        assert_eq!(nearest(short + 3, FrameNumber::Short(0xfffe)), short - 1);
        assert_eq!(on_wire(short + 3, FrameNumber::Short(0)), 2);
    }

    #[test]
    fn the_first_number_may_be_0_and_still_have_one_before_it() {
        let zero = first(FrameNumber::Long(0));
        assert_eq!(nearest(zero, FrameNumber::Long(u32::MAX)), zero - 1);
    }
}
