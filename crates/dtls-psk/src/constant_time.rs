//! Comparison in constant time.

use subtle::Choice;

/// Returns `a < b` in constant time. Both must be less than 2^31, so that the sign of their
/// difference is the result. This is cheaper than the comparison in `subtle`, which accepts all
/// numbers.
pub(crate) fn less(a: u32, b: u32) -> Choice {
    let [.., sign] = a.wrapping_sub(b).to_le_bytes();
    Choice::from(sign >> 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn less_matches_the_operator() {
        let numbers = [0, 1, 2, 255, 256, 0x7fff_ffff];
        for (a, b) in numbers.iter().flat_map(|a| numbers.map(|b| (*a, b))) {
            assert_eq!(bool::from(less(a, b)), a < b, "{a} {b}");
        }
    }
}
