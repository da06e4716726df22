use std::f64::consts::TAU;

/// The frequency of the tone in hertz.
pub const TONE_HERTZ: u32 = 440;

/// The duration of the click at the start of each second, in milliseconds.
pub const CLICK_MILLISECONDS: u32 = 10;

/// The frequency of the click in hertz: distinct from the tone, and low enough for 8000 samples per
/// second.
const CLICK_HERTZ: u32 = 2_000;

/// Levels, as parts of full scale. The tone is quiet, so that the click can be found by its level.
const TONE_LEVEL: f64 = 0.2;
const CLICK_LEVEL: f64 = 0.9;

/// Generates test audio: a sine of [`TONE_HERTZ`], and at the start of each second a click, a
/// louder and higher sine of [`CLICK_MILLISECONDS`]. The position of the click shows if audio and
/// video are in sync.
///
/// Returns `count` samples of each channel at `rate` hertz, interleaved, from sample number `first`
/// on. The function has no state: any part is equal to that part of a longer output.
#[must_use]
pub fn tone(rate: u32, channels: u8, first: u64, count: usize) -> Vec<i16> {
    let rate = rate.max(1);
    let click = u64::from(rate) * u64::from(CLICK_MILLISECONDS) / 1_000;
    let mut samples = Vec::with_capacity(count.saturating_mul(channels.into()));
    for number in (first..).take(count) {
        // Both frequencies are whole, so every second is the same.
        let within = number % u64::from(rate);
        let (hertz, level) = if within < click {
            (CLICK_HERTZ, CLICK_LEVEL)
        } else {
            (TONE_HERTZ, TONE_LEVEL)
        };
        let sample = sine(within * u64::from(hertz) % u64::from(rate), rate, level);
        samples.extend(std::iter::repeat_n(sample, channels.into()));
    }
    samples
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "below a rate of 32 bits, and below full scale"
)]
fn sine(phase: u64, rate: u32, level: f64) -> i16 {
    let angle = TAU * phase as f64 / f64::from(rate);
    (angle.sin() * level * f64::from(i16::MAX)).round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_part_is_equal_to_that_part_of_the_whole() {
        let whole = tone(8_000, 1, 0, 24_000);
        assert_eq!(tone(8_000, 1, 7_900, 320), whole[7_900..8_220]);
        assert_eq!(whole[..8_000], whole[16_000..]);
        let stereo = tone(16_000, 2, 5, 3);
        assert_eq!(stereo.len(), 6);
        assert!(
            stereo
                .as_chunks::<2>()
                .0
                .iter()
                .all(|[left, right]| left == right)
        );
    }

    #[test]
    fn click_is_louder_and_tone_has_its_frequency() {
        for rate in [8_000, 16_000, 48_000] {
            let second = tone(rate, 1, 0, rate.try_into().unwrap());
            let click = usize::try_from(rate / 100).unwrap();
            let peak = |samples: &[i16]| samples.iter().map(|sample| sample.abs()).max().unwrap();
            assert!(peak(&second[..click]) > 29_000 && peak(&second[click..]) < 6_600);
            let upward = second[click..]
                .windows(2)
                .filter(|pair| pair[0] < 0 && pair[1] >= 0)
                .count();
            // The click takes 10 ms.
            assert!((434..=436).contains(&upward), "{upward}");
        }
    }
}
