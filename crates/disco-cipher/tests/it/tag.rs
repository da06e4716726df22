//! HMAC-SHA1: the test vectors of RFC 2202, section 3, and tags that must not verify.

use disco_cipher::tag::{TAG_LEN, Tagger};
use proptest::collection::vec;
use proptest::prelude::*;

struct Case {
    key: Vec<u8>,
    data: Vec<u8>,
    digest: &'static str,
}

fn rfc2202() -> Vec<Case> {
    let case = |key: &[u8], data: &[u8], digest| Case {
        key: key.to_vec(),
        data: data.to_vec(),
        digest,
    };
    vec![
        case(
            &[0x0b; 20],
            b"Hi There",
            "b617318655057264e28bc0b6fb378c8ef146be00",
        ),
        case(
            b"Jefe",
            b"what do ya want for nothing?",
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
        ),
        case(
            &[0xaa; 20],
            &[0xdd; 50],
            "125d7342b9ac11cd91a39af48aa17b4f63f175d3",
        ),
        case(
            &(0x01..=0x19).collect::<Vec<_>>(),
            &[0xcd; 50],
            "4c9007f4026250c6bc8414f9bf50c86c2d7235da",
        ),
        case(
            &[0x0c; 20],
            b"Test With Truncation",
            "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04",
        ),
        case(
            &[0xaa; 80],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "aa4ae5e15272d00e95705637ce8a3b55ed402112",
        ),
        case(
            &[0xaa; 80],
            b"Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data",
            "e8e99d0f45237d786d6bbaa7965c7808bbff1a91",
        ),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The key is split between UID and AuthKey at every position.
#[test]
fn tags_match_rfc_2202() {
    for (number, case) in (1..).zip(rfc2202()) {
        for cut in 0..=case.key.len() {
            let (uid, auth_key) = case.key.split_at(cut);
            let tagger = Tagger::new(uid, auth_key);
            let tag = tagger.tag(&case.data);
            assert_eq!(hex(&tag), case.digest, "case {number}, key cut at {cut}");
            assert!(
                tagger.verify(&case.data, &tag),
                "case {number}, key cut at {cut}"
            );
        }
    }
}

#[test]
fn tag_of_another_length_does_not_verify() {
    let tagger = Tagger::new(b"HSBJYB5HSETGCDWD111A", b"qZwi9FaB");
    let mut tag = tagger.tag(b"data").to_vec();
    assert!(!tagger.verify(b"data", &[]));
    assert!(!tagger.verify(b"data", &tag[..TAG_LEN - 1]));
    tag.push(0);
    assert!(!tagger.verify(b"data", &tag));
}

proptest! {
    #[test]
    fn flipped_bit_in_tag_data_or_key_does_not_verify(
        uid in any::<[u8; 20]>(),
        auth_key in any::<[u8; 8]>(),
        data in vec(any::<u8>(), 1..200),
        byte in any::<prop::sample::Index>(),
        bit in 0..8,
    ) {
        let flip = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let at = byte.index(bytes.len());
            bytes[at] ^= 1_u8 << bit;
            bytes
        };
        let tagger = Tagger::new(&uid, &auth_key);
        let tag = tagger.tag(&data);
        prop_assert!(tagger.verify(&data, &tag));
        prop_assert!(!tagger.verify(&data, &flip(&tag)));
        prop_assert!(!tagger.verify(&flip(&data), &tag));
        prop_assert!(!Tagger::new(&flip(&uid), &auth_key).verify(&data, &tag));
        prop_assert!(!Tagger::new(&uid, &flip(&auth_key)).verify(&data, &tag));
    }
}
