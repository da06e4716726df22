//! The vectors of Project Wycheproof for the algorithms of all suites: edge cases of arithmetic,
//! public keys that are not on the curve, and wrong tags.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]
#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

use dtls_psk::Group;
use dtls_psk::crypto::{AeadAlgorithm, CryptoProvider, Hash, NONCE_LEN};
use wycheproof::{TestResult, aead, ecdh, mac, xdh};

fn providers() -> Vec<&'static dyn CryptoProvider> {
    vec![
        #[cfg(feature = "aws-lc-rs")]
        dtls_psk::crypto::AWS_LC_RS,
        #[cfg(feature = "rust-crypto")]
        dtls_psk::crypto::RUST_CRYPTO,
    ]
}

/// Returns the shared secret, or `None` if the keys are refused.
fn agree(
    provider: &dyn CryptoProvider,
    group: Group,
    secret: &[u8; 32],
    peer: &[u8],
) -> Option<[u8; 32]> {
    let mut shared = [0; 32];
    let pair = provider.key_pair(group, secret).ok()?;
    let agreed = pair.shared_secret(peer, &mut shared);
    agreed.is_ok().then_some(shared)
}

/// The vectors with uncompressed points. The connection checks the length.
#[test]
fn p_256() {
    let set = ecdh::TestSet::load(ecdh::TestName::EcdhSecp256r1Ecpoint).unwrap();
    for provider in providers() {
        let (mut agreed, mut refused) = (0, 0);
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            if test.public_key.len() != Group::Secp256r1.public_key_len() {
                continue;
            }
            // A number without a fixed length.
            let digits = test.private_key.iter().skip_while(|digit| **digit == 0);
            let digits: Vec<u8> = digits.copied().collect();
            let mut secret = [0; 32];
            secret[32 - digits.len()..].copy_from_slice(&digits);
            let shared = agree(provider, Group::Secp256r1, &secret, &test.public_key);
            let context = (provider, test.tc_id);
            match test.result {
                TestResult::Invalid => {
                    assert_eq!(shared, None, "{context:?}");
                    refused += 1;
                }
                _ => {
                    assert_eq!(shared.unwrap()[..], test.shared_secret[..], "{context:?}");
                    agreed += 1;
                }
            }
        }
        println!("{provider:?}: {agreed} agreed, {refused} refused");
        assert!(agreed > 100 && refused > 0);
    }
}

/// A provider may refuse a public key with which the shared secret is zero. If it does not, the
/// connection does.
#[test]
fn x25519() {
    let set = xdh::TestSet::load(xdh::TestName::X25519).unwrap();
    for provider in providers() {
        let (mut agreed, mut zero) = (0, 0);
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            let secret = test.private_key[..].try_into().unwrap();
            let shared = agree(provider, Group::X25519, secret, &test.public_key);
            let context = (provider, test.tc_id);
            if test.shared_secret.iter().all(|byte| *byte == 0) {
                assert!(shared.is_none_or(|shared| shared == [0; 32]), "{context:?}");
                zero += 1;
            } else {
                assert_eq!(shared.unwrap()[..], test.shared_secret[..], "{context:?}");
                agreed += 1;
            }
        }
        println!("{provider:?}: {agreed} agreed, {zero} with a shared secret of zero");
        assert!(agreed > 400 && zero > 0);
    }
}

/// The additional data of a record has 13 bytes. Providers need not accept more.
const MAX_ADDITIONAL_DATA: usize = 13;

fn check_aead(name: aead::TestName, algorithm: AeadAlgorithm, least: usize) {
    let set = aead::TestSet::load(name).unwrap();
    for provider in providers() {
        let (mut opened, mut refused) = (0, 0);
        let groups = set.test_groups.iter().filter(|group| {
            [group.key_size, group.nonce_size, group.tag_size]
                == [
                    algorithm.key_len() * 8,
                    NONCE_LEN * 8,
                    algorithm.tag_len() * 8,
                ]
        });
        let tests = groups.flat_map(|group| &group.tests);
        for test in tests.filter(|test| test.aad.len() <= MAX_ADDITIONAL_DATA) {
            let nonce = test.nonce[..].try_into().unwrap();
            let mut aead = provider.aead(algorithm, &test.key).unwrap();
            let sealed = [&test.ct[..], &test.tag[..]].concat();
            let mut data = sealed.clone();
            let result = aead.open(nonce, &test.aad, &mut data);
            let context = (provider, test.tc_id);
            if test.result.must_fail() {
                assert!(result.is_err(), "{context:?}");
                refused += 1;
                continue;
            }
            assert!(result.is_ok(), "{context:?}");
            assert_eq!(data[..test.pt.len()], test.pt[..], "{context:?}");
            let mut out = Vec::new();
            aead.seal(nonce, &test.aad, &test.pt, &mut out).unwrap();
            assert_eq!(out, sealed, "{context:?}");
            opened += 1;
        }
        println!("{provider:?}: {opened} opened, {refused} refused");
        assert!(opened >= least, "{opened}");
    }
}

#[test]
fn chacha20_poly1305() {
    check_aead(
        aead::TestName::ChaCha20Poly1305,
        AeadAlgorithm::ChaCha20Poly1305,
        100,
    );
}

#[test]
fn aes_128_ccm_8() {
    check_aead(aead::TestName::AesCcm, AeadAlgorithm::Aes128Ccm8, 4);
}

#[test]
fn hmac() {
    for (name, hash) in [
        (mac::TestName::HmacSha256, Hash::Sha256),
        (mac::TestName::HmacSha384, Hash::Sha384),
    ] {
        let set = mac::TestSet::load(name).unwrap();
        for provider in providers() {
            let mut equal = 0;
            for test in set.test_groups.iter().flat_map(|group| &group.tests) {
                let mut tag = vec![0; hash.output_len()];
                // In two parts, as records are.
                let (first, second) = test.msg.split_at(test.msg.len() / 3);
                provider
                    .hmac(hash, &test.key, &[first, second], &mut tag)
                    .unwrap();
                // Some of them are truncated.
                let is_right = tag[..test.tag.len()] == test.tag[..];
                assert_eq!(
                    is_right,
                    !test.result.must_fail(),
                    "{provider:?} {}",
                    test.tc_id
                );
                equal += u32::from(is_right);
            }
            assert!(equal > 50, "{equal}");
        }
    }
}
