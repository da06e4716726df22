//! Padding and MAC at the end of a decrypted fragment, looked at in the same time whatever they are.

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::hash::Digest;

/// The most that padding and its length byte make.
pub(super) const MAX_PADDING: usize = 256;

/// Whether `a` is less than `b`, in the same time whatever they are. Both are less than 2^31, so that the
/// sign of their difference says it: less work than `subtle`'s comparison, which takes all numbers.
pub(super) fn less(a: u32, b: u32) -> Choice {
    let [.., sign] = a.wrapping_sub(b).to_le_bytes();
    Choice::from(sign >> 7)
}

/// Content ‖ MAC of `mac_len` bytes ‖ padding ‖ length of the padding (RFC 5246 section 6.2.3.2): whether
/// the padding is right, and how long the content is, both of them secrets. Padding that is wrong counts as
/// if there were none, so that a MAC is made all the same (section 6.2.3.2, implementation note). `None` if
/// there is no room for MAC and length, which is no secret.
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

/// The `mac_len` bytes at `at`, a secret from `decrypted.len() - mac_len - MAX_PADDING` to
/// `decrypted.len() - mac_len - 1`. Reads the same bytes in the same order wherever they stand.
pub(super) fn mac_at(decrypted: &[u8], mac_len: usize, at: u32) -> Digest {
    let from = decrypted.len().saturating_sub(mac_len + MAX_PADDING);
    // The bytes as they come, each in the slot of its position modulo `mac_len`: the MAC, but turned.
    let mut turned: Digest = std::iter::repeat_n(0, mac_len).collect();
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
    // Turned back by `first_slot`, one of its bits at a time.
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
    use proptest::prelude::*;

    use super::*;

    /// Content, MAC and padding, with its length in all of its bytes.
    fn padded(content: usize, mac: &[u8], padding: u8) -> Vec<u8> {
        let mut out = vec![0xc0; content];
        out.extend(mac);
        out.extend(std::iter::repeat_n(padding, usize::from(padding) + 1));
        out
    }

    #[test]
    fn less_is_less() {
        let numbers = [0, 1, 2, 255, 256, 0x7fff_ffff];
        for (a, b) in numbers.iter().flat_map(|a| numbers.map(|b| (*a, b))) {
            assert_eq!(bool::from(less(a, b)), a < b, "{a} {b}");
        }
    }

    #[test]
    fn every_padding_is_measured_and_every_wrong_byte_of_it_found() {
        for padding in 0..=255 {
            let right = padded(20, &[0xdd; 32], padding);
            let (good, len) = content_len(&right, 32).unwrap();
            assert!(bool::from(good));
            assert_eq!(len, 20);
            // All but the length byte, which may by chance become that of another padding.
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
    fn padding_that_leaves_no_room_for_the_mac_is_wrong() {
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
        fn the_mac_is_found_wherever_it_stands(
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
        fn whatever_comes_has_a_mac_somewhere(bytes: Vec<u8>) {
            if let Some((_, len)) = content_len(&bytes, 32) {
                let at = usize::try_from(len).unwrap();
                prop_assert_eq!(&mac_at(&bytes, 32, len)[..], &bytes[at..at + 32]);
            }
        }
    }
}
