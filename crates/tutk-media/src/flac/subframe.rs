//! Subframes: one channel of a block (RFC 9639 section 9.2).

use super::bits::BitWriter;

/// The highest order of a fixed predictor (section 9.2.5).
const MAX_ORDER: usize = 4;

/// The logarithm of the largest number of partitions, each with its own Rice parameter. The frames
/// of cameras are too short for more.
const MAX_PARTITION_ORDER: u32 = 4;

/// The largest Rice parameter of 4 bits (section 9.2.7.1): 15 is the escape.
const MAX_RICE: u32 = 14;

/// The coding of the residual.
struct Coding {
    partition_order: u32,
    /// Bits.
    cost: u64,
}

/// Writes the samples of a channel in the shortest encoding. Shifts them in place by their common
/// trailing zeros.
pub(super) fn write(bits: &mut BitWriter<'_>, samples: &mut [i32], sample_bits: u8) {
    let sample_bits = u32::from(sample_bits);
    let Some((&first, rest)) = samples.split_first() else {
        return;
    };
    if rest.iter().all(|sample| *sample == first) {
        head(bits, 0b00_0000, 0);
        bits.signed(first, sample_bits);
        return;
    }
    let used = samples.iter().fold(0, |used, sample| used | sample);
    let wasted = used.trailing_zeros();
    for sample in &mut *samples {
        *sample >>= wasted;
    }
    let width = sample_bits - wasted;

    let order = best_order(samples);
    let coding = best_coding(samples, order);
    let warm_up = u64::from(width) * order as u64;
    let verbatim = u64::from(width) * samples.len() as u64;
    if warm_up + coding.cost >= verbatim {
        head(bits, 0b00_0001, wasted);
        for &sample in &*samples {
            bits.signed(sample, width);
        }
        return;
    }
    // No more than `MAX_ORDER`.
    head(bits, 0b00_1000 | u32::try_from(order).unwrap_or(0), wasted);
    for &sample in samples.iter().take(order) {
        bits.signed(sample, width);
    }
    // Rice codes with parameters of 4 bits.
    bits.put(0, 2);
    bits.put(coding.partition_order, 4);
    for part in parts(samples, order, coding.partition_order) {
        let (rice, _) = best_rice(part.clone());
        bits.put(rice, 4);
        for residual in part {
            let folded = fold(residual);
            bits.unary(folded >> rice);
            bits.put(folded, rice);
        }
    }
}

/// Writes a subframe header (section 9.2.1): type and number of wasted bits.
fn head(bits: &mut BitWriter<'_>, kind: u32, wasted: u32) {
    bits.put(kind, 7);
    bits.put(u32::from(wasted > 0), 1);
    if wasted > 0 {
        bits.unary(wasted - 1);
    }
}

/// The residuals of the predictor of an order, for the samples after the warm-up (section 9.2.5).
/// They have at most 20 bits for samples of 16 bits.
fn residuals(samples: &[i32], order: usize) -> impl Iterator<Item = i32> + Clone + '_ {
    samples.windows(order + 1).map(move |window| {
        let mut window = window.iter().rev();
        let mut at = || window.next().copied().unwrap_or(0);
        match order {
            0 => at(),
            1 => at() - at(),
            2 => at() - 2 * at() + at(),
            3 => at() - 3 * at() + 3 * at() - at(),
            _ => at() - 4 * at() + 6 * at() - 4 * at() + at(),
        }
    })
}

/// Returns the order with the smallest residuals.
fn best_order(samples: &[i32]) -> usize {
    let left = |order: &usize| {
        let residuals = residuals(samples, *order);
        residuals
            .map(|left| u64::from(left.unsigned_abs()))
            .sum::<u64>()
    };
    let orders = 0..=MAX_ORDER.min(samples.len().saturating_sub(1));
    orders.min_by_key(left).unwrap_or(0)
}

/// Returns the best partition order.
fn best_coding(samples: &[i32], order: usize) -> Coding {
    let possible = |partition_order: &u32| {
        let parts = 1_usize << partition_order;
        samples.len().is_multiple_of(parts) && samples.len() / parts > order
    };
    let coding = |partition_order| {
        let parts = parts(samples, order, partition_order);
        let costs = parts.map(|part| 4 + best_rice(part).1);
        Coding {
            partition_order,
            // Type of the subframe and of the coding.
            cost: 6 + costs.sum::<u64>(),
        }
    };
    let codings = (0..=MAX_PARTITION_ORDER).filter(possible).map(coding);
    codings
        .min_by_key(|coding| coding.cost)
        .unwrap_or_else(|| coding(0))
}

/// The partitions of the residual. They cover equal numbers of samples; the first lacks the
/// warm-up.
fn parts(
    samples: &[i32],
    order: usize,
    partition_order: u32,
) -> impl Iterator<Item = impl Iterator<Item = i32> + Clone + '_> {
    let size = samples.len() >> partition_order;
    (0..1_usize << partition_order).map(move |part| {
        let from = (part * size).max(order);
        let to = (part + 1) * size;
        let samples = samples.get(from - order..to).unwrap_or_default();
        residuals(samples, order)
    })
}

/// Returns the best Rice parameter of a partition and its size in bits.
fn best_rice(part: impl Iterator<Item = i32> + Clone) -> (u32, u64) {
    let folded = part.map(|residual| u64::from(fold(residual)));
    let (count, sum) = folded
        .clone()
        .fold((0, 0), |(count, sum), value| (count + 1, sum + value));
    // About the logarithm of the mean, or one of its neighbours.
    let mean: u64 = sum / u64::max(count, 1);
    let near = mean.checked_ilog2().unwrap_or(0);
    let cost = |rice: u32| {
        let high = folded.clone().map(|value| value >> rice).sum::<u64>();
        (rice, high + count * u64::from(rice + 1))
    };
    let candidates = near.saturating_sub(1)..=near + 1;
    candidates
        .map(|rice| cost(rice.min(MAX_RICE)))
        .min_by_key(|(_, cost)| *cost)
        .unwrap_or((0, 0))
}

/// Maps signed to unsigned: 0, -1, 1, -2, 2 … (section 9.2.7.2).
fn fold(residual: i32) -> u32 {
    (residual << 1 ^ residual >> 31).cast_unsigned()
}
