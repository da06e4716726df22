//! The parity code of a group: a systematic Reed–Solomon code over GF(2⁸) (docs/protocol.md,
//! section 17).
//!
//! The bytes at one offset of a group's packets are the values of a polynomial: data packet i is
//! its value at point i, and parity packet j its value at point k + j. The k data packets determine
//! the polynomial, and so do any other k packets. Each value is a sum of the k known values, with
//! the Lagrange basis polynomials as factors.

use core::array;

/// The reduction polynomial x⁸ + x⁴ + x³ + x² + 1, without x⁸.
const POLYNOMIAL: u8 = 0x1d;

/// The number of elements other than 0, which is the order of the element 2.
const ORDER: u32 = 255;

/// The powers of 2, and the exponent of each element. The exponent of 0 is not used.
static TABLES: ([u8; 255], [u8; 256]) = tables();

/// Returns the factor of the value at `from` in the value at `at`, which is the Lagrange basis
/// polynomial of `from` for these points.
///
/// `points` are the points of the known values. They are distinct, contain `from`, and do not
/// contain `at`.
pub(crate) fn factor(points: impl Iterator<Item = u8>, from: u8, at: u8) -> u8 {
    // The product of (at - other) / (from - other) over the other points, as a sum of exponents.
    let exponents = points
        .filter(|&other| other != from)
        .map(|other| exponent(at ^ other) + (ORDER - exponent(from ^ other)));
    let exponent = exponents.sum::<u32>() % ORDER;
    let (powers, _) = &TABLES;
    let at = usize::try_from(exponent).unwrap_or_default();
    powers.get(at).copied().unwrap_or_default()
}

/// Adds the product of `factor` and each byte to the byte of `sum` at the same place. The bytes
/// beyond the shorter slice are ignored.
///
/// Multiplies by shifts and additions. The compiler translates them to vector instructions, which
/// it cannot do with a table of products.
pub(crate) fn multiply_add(sum: &mut [u8], factor: u8, bytes: &[u8]) {
    let masks: [u8; 8] = array::from_fn(|bit| (factor >> bit & 1).wrapping_neg());
    for (sum, &byte) in sum.iter_mut().zip(bytes) {
        let mut multiple = byte;
        for mask in masks {
            *sum ^= multiple & mask;
            multiple = double(multiple);
        }
    }
}

const fn double(element: u8) -> u8 {
    // All bits are set if the highest bit is.
    let overflow = (element.cast_signed() >> 7).cast_unsigned();
    element << 1 ^ overflow & POLYNOMIAL
}

fn exponent(element: u8) -> u32 {
    let (_, exponents) = &TABLES;
    let exponent = exponents.get(usize::from(element)).copied();
    exponent.unwrap_or_default().into()
}

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn tables() -> ([u8; 255], [u8; 256]) {
    let (mut powers, mut exponents) = ([0; 255], [0; 256]);
    let (mut power, mut exponent) = (1, 0);
    while exponent < 255 {
        powers[exponent as usize] = power;
        exponents[power as usize] = exponent;
        power = double(power);
        exponent += 1;
    }
    (powers, exponents)
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// The factors of the data packets in parity packet `parity`.
    fn row(k: u8, parity: u8) -> Vec<u8> {
        (0..k).map(|i| factor(0..k, i, k + parity)).collect()
    }

    /// The value at `at`, from the known values.
    fn value(known: &[(u8, u8)], at: u8) -> u8 {
        let mut sum = [0];
        for &(point, value) in known {
            let points = known.iter().map(|&(point, _)| point);
            multiply_add(&mut sum, factor(points, point, at), &[value]);
        }
        sum[0]
    }

    /// Multiplies as polynomials and reduces by long division, in 16 bits.
    fn naive_product(a: u8, b: u8) -> u8 {
        let mut product = 0_u16;
        for bit in 0..8 {
            product ^= (u16::from(a) << bit) * u16::from(b >> bit & 1);
        }
        for bit in (8..16).rev() {
            if product >> bit & 1 == 1 {
                product ^= 0x11d << (bit - 8);
            }
        }
        u8::try_from(product).unwrap()
    }

    fn naive_inverse(a: u8) -> u8 {
        (1..=255).find(|&b| naive_product(a, b) == 1).unwrap()
    }

    /// Finds the polynomial's coefficients by Gaussian elimination, lowest power first.
    fn naive_polynomial(known: &[(u8, u8)]) -> Vec<u8> {
        let width = known.len();
        let mut rows: Vec<Vec<u8>> = Vec::new();
        for &(point, value) in known {
            let mut row = vec![1];
            for power in 1..width {
                row.push(naive_product(row[power - 1], point));
            }
            row.push(value);
            rows.push(row);
        }
        for column in 0..width {
            let pivot = (column..width).find(|&row| rows[row][column] != 0).unwrap();
            rows.swap(column, pivot);
            let inverse = naive_inverse(rows[column][column]);
            let pivot: Vec<u8> = (rows[column].iter())
                .map(|&entry| naive_product(entry, inverse))
                .collect();
            for row in &mut rows {
                let factor = row[column];
                for (entry, &other) in row.iter_mut().zip(&pivot) {
                    *entry ^= naive_product(factor, other);
                }
            }
            rows[column] = pivot;
        }
        rows.iter().map(|row| row[width]).collect()
    }

    fn naive_value(polynomial: &[u8], at: u8) -> u8 {
        let powers = polynomial.iter().rev();
        powers.fold(0, |sum, &coefficient| naive_product(sum, at) ^ coefficient)
    }

    /// The row for k = 20 was seen on a real camera.
    #[test]
    fn rows_match_published_values() {
        let published = [
            0x8f, 0xae, 0x5b, 0x70, 0xd0, 0xcd, 0x54, 0x43, 0x39, 0xa3, 0xc9, 0x58, 0x1b, 0xbb,
            0xb3, 0x18, 0x1b, 0x1c, 0x12, 0x14,
        ];
        assert_eq!(row(20, 0), published);
        assert_eq!(row(2, 0), [3, 2]);
        for k in [1, 3] {
            assert!(row(k, 0).into_iter().all(|factor| factor == 1), "k = {k}");
        }
    }

    #[test]
    fn rows_sum_to_one() {
        for k in (1..40).chain([100, 255]) {
            for parity in 0..=(255 - k).min(20) {
                let sum = row(k, parity).into_iter().fold(0, |a, b| a ^ b);
                assert_eq!(sum, 1, "k = {k}, parity {parity}");
            }
        }
    }

    #[test]
    fn products_match_long_division() {
        let bytes: Vec<u8> = (0..=255).collect();
        for factor in 0..=255 {
            let mut sum = bytes.clone();
            multiply_add(&mut sum, factor, &bytes);
            let expected = bytes.iter().map(|&byte| byte ^ naive_product(factor, byte));
            assert!(sum.into_iter().eq(expected), "factor {factor}");
        }
    }

    #[test]
    fn largest_groups_are_recovered() {
        for k in [255_u8, 200, 1] {
            let mut packets: Vec<(u8, u8)> = (0..k).map(|i| (i, i.wrapping_mul(37))).collect();
            for point in k..=255 {
                packets.push((point, value(&packets[..k.into()], point)));
            }
            let (lost, known) = packets.split_at(packets.len() - usize::from(k));
            for &(point, expected) in lost.iter().take(5) {
                assert_eq!(value(known, point), expected, "k = {k}, point {point}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        /// Any k packets determine the others, as an independent implementation finds them.
        #[test]
        fn any_k_packets_determine_the_others(
            data in proptest::collection::vec(any::<u8>(), 1..24),
            m in 1..6_u8,
            order in any::<proptest::sample::Index>(),
            step in 0..1000_usize,
        ) {
            let points = u8::try_from(data.len()).unwrap() + m;
            let known: Vec<(u8, u8)> = (0..).zip(data.iter().copied()).collect();
            let polynomial = naive_polynomial(&known);
            let mut packets: Vec<(u8, u8)> =
                (0..points).map(|point| (point, naive_value(&polynomial, point))).collect();
            prop_assert_eq!(&packets[..data.len()], known);
            for at in 0..packets.len() {
                let other = (order.index(packets.len()) + at * step) % packets.len();
                packets.swap(at, other);
            }
            let (known, lost) = packets.split_at(data.len());
            for &(point, expected) in lost {
                prop_assert_eq!(value(known, point), expected);
            }
        }
    }
}
