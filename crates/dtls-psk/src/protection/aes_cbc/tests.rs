//! Tests of CBC records: known answers, all lengths, and all kinds of changes.

use proptest::prelude::*;

use super::hash::count;
use super::*;
use crate::record::{ContentType, Epoch};
use crate::test_vectors::{RECORD, hex};

fn keys(lengths: KeyLengths, encrypt_then_mac: bool) -> DirectionKeys<'static> {
    DirectionKeys {
        mac: &[0x33; 48][..lengths.mac],
        key: &[0x44; 32][..lengths.key],
        iv: &[],
        encrypt_then_mac,
        iv_key: &[0x55; 32],
    }
}

fn small(encrypt_then_mac: bool) -> AesCbc<Aes128, Sha256> {
    AesCbc::new(keys(AES_128_CBC_SHA256.key_lengths, encrypt_then_mac)).unwrap()
}

fn large(encrypt_then_mac: bool) -> AesCbc<Aes256, Sha384> {
    AesCbc::new(keys(AES_256_CBC_SHA384.key_lengths, encrypt_then_mac)).unwrap()
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

/// AES-CBC test vectors: RFC 3602 section 4, cases 1 and 2, and NIST SP 800-38A F.2.5.
#[test]
fn ciphertext_matches_rfc_3602_and_nist() {
    let with_key = |key: &str| {
        let key = hex(key);
        let keys = DirectionKeys {
            key: &key,
            ..keys(AES_128_CBC_SHA256.key_lengths, false)
        };
        AesCbc::<Aes128, Sha256>::new(keys).unwrap()
    };
    let check = |encrypt: &dyn Fn([u8; 16], &mut [u8]),
                 decrypt: &dyn Fn([u8; 16], &mut [u8]),
                 iv: &str,
                 plaintext: &[u8],
                 ciphertext: &str| {
        let iv: [u8; 16] = hex(iv).try_into().unwrap();
        let mut data = plaintext.to_vec();
        encrypt(iv, &mut data);
        assert_eq!(data, hex(ciphertext));
        decrypt(iv, &mut data);
        assert_eq!(data, plaintext);
    };
    let one = with_key("06a9214036b8a15b512e03d534120006");
    check(
        &|iv, data| one.encrypt(iv, data),
        &|iv, data| one.decrypt(iv, data),
        "3dafba429d9eb430b422da802c9fac41",
        b"Single block msg",
        "e353779c1079aeb82708942dbe77181a",
    );
    let two = with_key("c286696d887c9aa0611bbb3e2025a45a");
    let plaintext: Vec<u8> = (0..32).collect();
    check(
        &|iv, data| two.encrypt(iv, data),
        &|iv, data| two.decrypt(iv, data),
        "562e17996d093d28ddb3ba695a2e6f58",
        &plaintext,
        "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1",
    );
    let key = hex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
    let three = AesCbc::<Aes256, Sha384>::new(DirectionKeys {
        key: &key,
        ..keys(AES_256_CBC_SHA384.key_lengths, false)
    })
    .unwrap();
    check(
        &|iv, data| three.encrypt(iv, data),
        &|iv, data| three.decrypt(iv, data),
        "000102030405060708090a0b0c0d0e0f",
        &hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"),
        "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d",
    );
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
        assert!(AesCbc::<Aes128, Sha256>::new(wrong).is_err());
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
        let mut protection = AesCbc::<Aes128, Sha256>::new(keys).unwrap();
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
fn seal_by_hand<C, H>(
    protection: &AesCbc<C, H>,
    content: &[u8],
    padding: u8,
    corrupt: impl FnOnce(&mut [u8]),
) -> Vec<u8>
where
    C: BlockSizeUser<BlockSize = U16> + BlockCipherEncrypt + BlockCipherDecrypt + KeyInit,
    H: BlockHash,
{
    let mut body = content.to_vec();
    if !protection.encrypt_then_mac {
        body.extend_from_slice(&protection.tag(RECORD, content).unwrap());
    }
    body.extend(std::iter::repeat_n(padding, usize::from(padding) + 1));
    assert_eq!(body.len() % BLOCK_LEN, 0, "invalid test input");
    corrupt(&mut body);
    protection.encrypt([7; 16], &mut body);
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
    fn run<C, H>(protection: &mut AesCbc<C, H>, total: usize)
    where
        AesCbc<C, H>: Protection,
        C: BlockSizeUser<BlockSize = U16> + BlockCipherEncrypt + BlockCipherDecrypt + KeyInit,
        H: BlockHash,
    {
        let mut counts = Vec::new();
        let mut open = |mut fragment: Vec<u8>, right: bool| {
            let (blocks, opened) =
                count::blocks(|| protection.open(RECORD, &mut fragment).is_some());
            assert_eq!(opened, right);
            counts.push(blocks);
        };
        let twin = AesCbc::<C, H>::new(keys(
            KeyLengths {
                mac: H::DIGEST_LEN,
                key: C::key_size(),
                iv: 0,
            },
            false,
        ))
        .unwrap();
        for padding in 0..=255u8 {
            let tail = H::DIGEST_LEN + usize::from(padding) + 1;
            let Some(len) = total.checked_sub(tail) else {
                break;
            };
            let content = vec![0xc0; len];
            open(seal_by_hand(&twin, &content, padding, |_| {}), true);
            // Change the content, the MAC, the padding and its length.
            for at in [0, len, total - usize::from(padding) - 1, total - 1] {
                let corrupt = |body: &mut [u8]| body[at] ^= 0x80;
                open(seal_by_hand(&twin, &content, padding, corrupt), false);
            }
        }
        assert!(counts.len() > 10);
        assert!(
            counts.iter().all(|blocks| *blocks == counts[0]),
            "{counts:?}"
        );
    }
    for total in [64, 80, 128, 272, 304, 320, 336, 400, 1024, 1152] {
        run(&mut small(false), total);
        run(&mut large(false), total);
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
