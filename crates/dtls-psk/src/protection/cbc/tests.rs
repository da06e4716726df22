//! Tests of CBC records: known answers, all lengths, and all kinds of changes.

use proptest::prelude::*;

use super::*;
use crate::crypto::cbc::count;
use crate::crypto::default_provider;
use crate::record::{ContentType, Epoch};
use crate::test_vectors::RECORD;

fn keys(lengths: KeyLengths, encrypt_then_mac: bool) -> DirectionKeys<'static> {
    DirectionKeys {
        mac: &[0x33; 48][..lengths.mac],
        key: &[0x44; 32][..lengths.key],
        iv: &[],
        encrypt_then_mac,
        iv_key: &[0x55; 32],
    }
}

fn small(encrypt_then_mac: bool) -> CbcProtection {
    let keys = keys(AES_128_CBC_SHA256.key_lengths, encrypt_then_mac);
    CbcProtection::new(default_provider(), Hash::Sha256, keys).unwrap()
}

fn large(encrypt_then_mac: bool) -> CbcProtection {
    let keys = keys(AES_256_CBC_SHA384.key_lengths, encrypt_then_mac);
    CbcProtection::new(default_provider(), Hash::Sha384, keys).unwrap()
}

/// All four variants with their names.
fn all() -> [(&'static str, Box<dyn Protection>); 4] {
    [
        ("128, MAC-then-encrypt", Box::new(small(false))),
        ("128, encrypt-then-MAC", Box::new(small(true))),
        ("256, MAC-then-encrypt", Box::new(large(false))),
        ("256, encrypt-then-MAC", Box::new(large(true))),
    ]
}

#[test]
fn keys_of_wrong_length_are_rejected() {
    let right = keys(AES_128_CBC_SHA256.key_lengths, false);
    for wrong in [
        DirectionKeys {
            key: &[1; 15],
            ..right
        },
        DirectionKeys {
            mac: &[1; 65],
            ..right
        },
    ] {
        assert!(CbcProtection::new(default_provider(), Hash::Sha256, wrong).is_err());
    }
}

#[test]
fn all_lengths_round_trip_and_max_plaintext_is_exact() {
    for (name, mut protection) in all() {
        let mut sealed_lens = Vec::new();
        for len in 0..=1101 {
            let plaintext: Vec<u8> = (0..=250).cycle().take(len).collect();
            let mut out = b"header".to_vec();
            protection.seal(RECORD, &plaintext, &mut out).unwrap();
            assert!(out.starts_with(b"header"));
            sealed_lens.push(out.len() - 6);
            let opened = protection.open(RECORD, &mut out[6..]);
            assert_eq!(opened.unwrap(), plaintext, "{name}, {len}");
        }
        for (len, pair) in sealed_lens.windows(2).enumerate() {
            let [this, next] = pair else { unreachable!() };
            assert!(this <= next && next - this <= BLOCK_LEN);
            let fits = protection.max_plaintext(*this).unwrap();
            assert!(fits >= len, "{name}, {len}");
            assert_eq!(fits == len, this < next, "{name}, {len}");
            assert!(
                protection
                    .max_plaintext(this - 1)
                    .is_none_or(|fits| fits < len)
            );
        }
    }
}

#[test]
fn ivs_never_repeat() {
    let iv = |sequence, iv_key: &[u8; 32]| {
        let keys = DirectionKeys {
            iv_key,
            ..keys(AES_128_CBC_SHA256.key_lengths, false)
        };
        let mut out = Vec::new();
        let mut protection = CbcProtection::new(default_provider(), Hash::Sha256, keys).unwrap();
        let id = RecordId { sequence, ..RECORD };
        protection.seal(id, b"x", &mut out).unwrap();
        out[..16].to_vec()
    };
    let mut seen: Vec<_> = (0..200).map(|sequence| iv(sequence, &[0x55; 32])).collect();
    seen.extend((0..200).map(|sequence| iv(sequence, &[0x56; 32])));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 400);
    assert_eq!(iv(0, &[0x55; 32]), iv(0, &[0x55; 32]));
}

/// Seals `content` with `padding` bytes of padding in addition to the length byte. `corrupt`
/// changes the fragment before it is encrypted.
fn seal_by_hand(
    protection: &CbcProtection,
    content: &[u8],
    padding: u8,
    corrupt: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let mut body = content.to_vec();
    if !protection.encrypt_then_mac {
        body.extend_from_slice(&protection.tag(RECORD, content).unwrap());
    }
    body.extend(std::iter::repeat_n(padding, usize::from(padding) + 1));
    assert_eq!(body.len() % BLOCK_LEN, 0, "invalid test input");
    corrupt(&mut body);
    protection.cipher.encrypt(&[7; 16], &mut body);
    let mut fragment = [&[7; 16][..], &body].concat();
    if protection.encrypt_then_mac {
        let tag = protection.tag(RECORD, &fragment).unwrap();
        fragment.extend_from_slice(&tag);
    }
    fragment
}

#[test]
fn padding_of_every_length_is_accepted() {
    for padding in 0..=255u8 {
        let len = 400 - (usize::from(padding) + 1) % BLOCK_LEN;
        let content = vec![0xc0; len];
        let by_hand = seal_by_hand(&small(false), &content, padding, |_| {});
        let mut protections = all().map(|(_, protection)| protection);
        assert_eq!(
            protections[0].open(RECORD, &mut by_hand.clone()).unwrap(),
            content
        );
        let by_hand = seal_by_hand(&large(true), &content, padding, |_| {});
        assert_eq!(
            protections[3].open(RECORD, &mut by_hand.clone()).unwrap(),
            content
        );
        assert!(protections[2].open(RECORD, &mut by_hand.clone()).is_none());
    }
}

/// Lucky 13 uses differences in the number of hashed blocks. For fragments of one length there must
/// be none, regardless of validity and padding length.
#[test]
fn number_of_hashed_blocks_does_not_depend_on_the_padding() {
    fn run(protection: &mut CbcProtection, twin: &CbcProtection, total: usize) {
        let mut counts = Vec::new();
        let mut open = |mut fragment: Vec<u8>, right: bool| {
            let (blocks, opened) =
                count::blocks(|| protection.open(RECORD, &mut fragment).is_some());
            assert_eq!(opened, right);
            counts.push(blocks);
        };
        for padding in 0..=255u8 {
            let tail = twin.mac_len + usize::from(padding) + 1;
            let Some(len) = total.checked_sub(tail) else {
                break;
            };
            let content = vec![0xc0; len];
            open(seal_by_hand(twin, &content, padding, |_| {}), true);
            // Change the content, the MAC, the padding and its length.
            for at in [0, len, total - usize::from(padding) - 1, total - 1] {
                let corrupt = |body: &mut [u8]| body[at] ^= 0x80;
                open(seal_by_hand(twin, &content, padding, corrupt), false);
            }
        }
        assert!(counts.len() > 10);
        assert!(
            counts.iter().all(|blocks| *blocks == counts[0]),
            "{counts:?}"
        );
    }
    for total in [64, 80, 128, 272, 304, 320, 336, 400, 1024, 1152] {
        run(&mut small(false), &small(false), total);
        run(&mut large(false), &large(false), total);
    }
}

#[test]
fn changed_records_are_rejected_with_the_same_work() {
    for (name, mut protection) in all() {
        let mut sealed = Vec::new();
        protection.seal(RECORD, &[0xc0; 70], &mut sealed).unwrap();
        let (right, opened) =
            count::blocks(|| protection.open(RECORD, &mut sealed.clone()).is_some());
        assert!(opened, "{name}");
        for at in 0..sealed.len() {
            for bit in 0..8 {
                let mut changed = sealed.clone();
                changed[at] ^= 1 << bit;
                let (blocks, opened) =
                    count::blocks(|| protection.open(RECORD, &mut changed).is_some());
                assert!(!opened, "{name}, byte {at}, bit {bit}");
                assert_eq!(blocks, right, "{name}, byte {at}, bit {bit}");
            }
        }
        for len in 0..sealed.len() {
            assert!(
                protection
                    .open(RECORD, &mut sealed.clone()[..len])
                    .is_none()
            );
            assert!(
                protection
                    .open(RECORD, &mut sealed.clone()[len + 1..])
                    .is_none()
            );
        }
        for other in [
            RecordId {
                sequence: 6,
                ..RECORD
            },
            RecordId {
                epoch: Epoch::Plain,
                ..RECORD
            },
            RecordId {
                version: 0xfeff,
                ..RECORD
            },
            RecordId {
                content_type: ContentType::Alert,
                ..RECORD
            },
        ] {
            assert!(
                protection.open(other, &mut sealed.clone()).is_none(),
                "{name}"
            );
        }
        assert!(protection.open(RECORD, &mut sealed).is_some());
    }
}

#[test]
fn wrong_padding_under_a_valid_mac_is_rejected() {
    let protection = &mut small(true);
    for at in [40, 47] {
        let content = [0xc0; 40];
        let mut fragment = seal_by_hand(protection, &content, 7, |body| body[at] ^= 1);
        assert!(protection.open(RECORD, &mut fragment).is_none());
    }
}

proptest! {
    #[test]
    fn random_records_are_rejected(mut bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        for (_, mut protection) in all() {
            prop_assert!(protection.open(RECORD, &mut bytes).is_none());
        }
    }

    #[test]
    fn any_content_round_trips(
        plaintext in proptest::collection::vec(any::<u8>(), 0..4000),
        sequence in 0u64..1 << 48,
    ) {
        for (_, mut protection) in all() {
            let id = RecordId { sequence, ..RECORD };
            let mut out = Vec::new();
            protection.seal(id, &plaintext, &mut out).unwrap();
            prop_assert_eq!(protection.open(id, &mut out).unwrap(), &plaintext[..]);
        }
    }
}
