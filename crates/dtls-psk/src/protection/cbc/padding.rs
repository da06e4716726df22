//! Constant-time parsing of the padding and MAC at the end of a decrypted fragment.

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::Digest;
use crate::constant_time::less;

/// The longest padding including its length byte, in bytes.
pub(super) const MAX_PADDING: usize = 256;

/// Parses content ‖ MAC of `mac_len` bytes ‖ padding ‖ padding length (RFC 5246 section 6.2.3.2).
///
/// Returns the validity of the padding and the length of the content. Both are secret. For an
/// invalid padding it returns the content length without padding, so that the MAC is still computed
/// (section 6.2.3.2, implementation note). Returns `None` if the fragment is too short, which is
/// public.
pub(super) fn content_len(decrypted: &[u8], mac_len: usize) -> Option<(Choice, u32)> {
    let most = u32::try_from(decrypted.len().checked_sub(mac_len + 1)?).ok()?;
    let padding = u32::from(*decrypted.last()?);
    let mut good = !less(most, padding);
    for (at, byte) in (0u32..).zip(decrypted.iter().rev().take(MAX_PADDING)) {
        let outside = less(padding, at);
        good &= outside | u32::from(*byte).ct_eq(&padding);
    }
    let padding = u32::conditional_select(&0, &padding, good);
    Some((good, most - padding))
}

/// Returns the `mac_len` bytes at the secret offset `at`, which is between `decrypted.len() -
/// mac_len - MAX_PADDING` and `decrypted.len() - mac_len - 1`. Always reads the same bytes in the
/// same order.
pub(super) fn mac_at(decrypted: &[u8], mac_len: usize, at: u32) -> Digest {
    let from = decrypted.len().saturating_sub(mac_len + MAX_PADDING);
    // Each byte goes to the slot of its position modulo `mac_len`, which yields the MAC rotated.
    let mut turned: Digest = core::iter::repeat_n(0, mac_len).collect();
    let mut first_slot = 0u32;
    let end = u32::try_from(mac_len).unwrap_or(u32::MAX).wrapping_add(at);
    let window = decrypted.get(from..).unwrap_or_default();
    let first = u32::try_from(from).unwrap_or(u32::MAX);
    let mut positions = (first..).zip(window).peekable();
    while positions.peek().is_some() {
        for (slot, (to, (position, byte))) in
            (0u32..).zip(turned.iter_mut().zip(positions.by_ref()))
        {
            let inside = !less(position, at) & less(position, end);
            *to |= u8::conditional_select(&0, byte, inside);
            first_slot.conditional_assign(&slot, position.ct_eq(&at));
        }
    }
    // Rotate back by `first_slot`, one of its bits at a time.
    for bit in 0..u8::BITS {
        let set = ((first_slot >> bit) & 1).ct_eq(&1);
        let by = (1usize << bit) % mac_len.max(1);
        let shifted: Digest = turned
            .iter()
            .cycle()
            .skip(by)
            .take(mac_len)
            .copied()
            .collect();
        for (to, from) in turned.iter_mut().zip(&shifted) {
            to.conditional_assign(from, set);
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// Returns content, MAC and padding, whose bytes all contain its length.
    fn padded(content: usize, mac: &[u8], padding: u8) -> Vec<u8> {
        let mut out = vec![0xc0; content];
        out.extend(mac);
        out.extend(std::iter::repeat_n(padding, usize::from(padding) + 1));
        out
    }

    #[test]
    fn padding_is_measured_and_every_changed_byte_is_detected() {
        for padding in 0..=255 {
            let right = padded(20, &[0xdd; 32], padding);
            let (good, len) = content_len(&right, 32).unwrap();
            assert!(bool::from(good));
            assert_eq!(len, 20);
            // All except the length byte, which could become another valid padding.
            for at in 52..right.len() - 1 {
                let mut wrong = right.clone();
                wrong[at] ^= 0x40;
                let (good, len) = content_len(&wrong, 32).unwrap();
                assert!(!bool::from(good), "padding {padding}, byte {at}");
                assert_eq!(usize::try_from(len).unwrap(), wrong.len() - 33);
            }
        }
    }

    #[test]
    fn padding_that_overlaps_the_mac_is_invalid() {
        let all = [47; 48];
        assert!(!bool::from(content_len(&all, 32).unwrap().0));
        assert!(bool::from(content_len(&all, 0).unwrap().0));
        assert!(!bool::from(content_len(&[15; 48], 33).unwrap().0));
        let (good, len) = content_len(&[15; 48], 32).unwrap();
        assert_eq!((bool::from(good), len), (true, 0));
        assert!(content_len(&[0; 32], 32).is_none());
        assert!(content_len(&[], 0).is_none());
    }

    proptest! {
        #[test]
        fn mac_is_found_at_every_offset(
            content in 0usize..600,
            mac in prop_oneof![
                proptest::collection::vec(any::<u8>(), 32),
                proptest::collection::vec(any::<u8>(), 48),
            ],
            padding: u8,
        ) {
            let bytes = padded(content, &mac, padding);
            let (good, len) = content_len(&bytes, mac.len()).unwrap();
            prop_assert!(bool::from(good));
            prop_assert_eq!(usize::try_from(len).unwrap(), content);
            prop_assert_eq!(&mac_at(&bytes, mac.len(), len)[..], &mac[..]);
        }

        #[test]
        fn random_content_has_a_mac_at_the_returned_offset(bytes: Vec<u8>) {
            if let Some((_, len)) = content_len(&bytes, 32) {
                let at = usize::try_from(len).unwrap();
                prop_assert_eq!(&mac_at(&bytes, 32, len)[..], &bytes[at..at + 32]);
            }
        }
    }
}
