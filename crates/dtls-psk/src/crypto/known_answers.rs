//! Known answers that every provider must give.

use alloc::vec;
use alloc::vec::Vec;

use super::{AeadAlgorithm, CryptoError, CryptoProvider, Hash};
use crate::cipher_suite::CipherSuite;
use crate::error::Error;
use crate::group::Group;
use crate::key_schedule::prf;

/// Compares the results of `provider` with known answers, for all of its suites and groups.
///
/// The answers are those of FIPS 180-4, RFC 4231, RFC 5869, RFC 7748, RFC 5903, RFC 8439, RFC 3602,
/// NIST SP 800-38A and the TLS working group (for the PRF). That of CCM with an 8-byte tag was
/// created with OpenSSL: the published ones have nonces or additional data that do not occur in
/// DTLS.
///
/// Call this in a test of your own provider. It takes about a millisecond.
///
/// # Errors
///
/// [`Error::WrongResult`] names the first wrong result.
pub fn check(provider: &dyn CryptoProvider) -> Result<(), Error> {
    let suites = provider.suites();
    hashes(provider, Hash::Sha256)?;
    if suites
        .iter()
        .any(|suite| suite.suite().hash == Hash::Sha384)
    {
        hashes(provider, Hash::Sha384)?;
    }
    for group in provider.groups() {
        match group {
            Group::X25519 => x25519(provider)?,
            Group::Secp256r1 => p256(provider)?,
        }
    }
    for suite in suites {
        match suite {
            CipherSuite::EcdhePskChacha20Poly1305Sha256
            | CipherSuite::PskChacha20Poly1305Sha256 => chacha20_poly1305(provider)?,
            CipherSuite::PskAes128Ccm8 => aes_128_ccm_8(provider)?,
            CipherSuite::EcdhePskAes256CbcSha384
            | CipherSuite::EcdhePskAes128CbcSha256
            | CipherSuite::PskAes128CbcSha256 => cbc(provider, suite.suite().hash)?,
        }
    }
    Ok(())
}

fn expect(
    name: &'static str,
    computed: Result<Vec<u8>, CryptoError>,
    hex: &str,
) -> Result<(), Error> {
    match computed {
        Ok(computed) if computed == bytes(hex) => Ok(()),
        _ => Err(Error::WrongResult(name)),
    }
}

/// Decodes hexadecimal digits. Other characters are skipped.
fn bytes(hex: &str) -> Vec<u8> {
    let mut digits = hex.chars().filter_map(|c| c.to_digit(16));
    let mut bytes = Vec::new();
    while let (Some(high), Some(low)) = (digits.next(), digits.next()) {
        bytes.extend(u8::try_from(high << 4 | low));
    }
    bytes
}

fn array<const N: usize>(hex: &str) -> [u8; N] {
    <[u8; N]>::try_from(bytes(hex)).unwrap_or([0; N])
}

fn by_hash<T>(hash: Hash, sha256: T, sha384: T) -> T {
    match hash {
        Hash::Sha256 => sha256,
        Hash::Sha384 => sha384,
    }
}

fn hashes(provider: &dyn CryptoProvider, hash: Hash) -> Result<(), Error> {
    let mut out = vec![0; hash.output_len()];
    let digest = provider.hash(hash, b"abc", &mut out).map(|()| out);
    let known = by_hash(
        hash,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
    );
    expect("SHA-2 (FIPS 180-4)", digest, known)?;

    let hmac = |key: &[u8], data: &[&[u8]]| {
        let mut out = vec![0; hash.output_len()];
        provider.hmac(hash, key, data, &mut out).map(|()| out)
    };
    let known = by_hash(
        hash,
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
        "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
    );
    let data: [&[u8]; 3] = [b"what do ya want ", b"", b"for nothing?"];
    expect("HMAC (RFC 4231 section 4.3)", hmac(b"Jefe", &data), known)?;
    let known = by_hash(
        hash,
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        "4ece084485813e9088d2c63a041bc5b44f9ef1012a2b588f3cd11f05033ac4c60c2ef6ab4030fe8296248df163f44952",
    );
    let data: &[u8] = b"Test Using Larger Than Block-Size Key - Hash Key First";
    let tag = hmac(&[0xaa; 131], &[data]);
    expect("HMAC (RFC 4231 section 4.7)", tag, known)?;
    if hash == Hash::Sha256 {
        // HKDF-Extract is an HMAC.
        let tag = hmac(&bytes("000102030405060708090a0b0c"), &[&[0x0b; 22]]);
        let known = "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5";
        expect("HMAC (RFC 5869 appendix A.1)", tag, known)?;
    }
    tls_prf(provider, hash)
}

/// From the TLS working group's mailing list.
fn tls_prf(provider: &dyn CryptoProvider, hash: Hash) -> Result<(), Error> {
    let (secret, seed, known) = by_hash(
        hash,
        (
            "9bbe436ba940f017b17652849a71db35",
            "a0ba9f936cda311827a6f796ffd5198c",
            "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a
             6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab
             4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701
             87347b66",
        ),
        (
            "b80b733d6ceefcdc71566ea48e5567df",
            "cd665cf6a8447dd6ff8b27555edb7465",
            "7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cd
             e9ca0faa60be9fe34f82b1233c9146a0e534cb400fed2700884f9dc236f80edd
             8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d918425
             9b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee6
             91c8f3a26854308d5eaa3be85e0990703d73e56f",
        ),
    );
    let mut out = vec![0; bytes(known).len()];
    let (secret, seed) = (bytes(secret), bytes(seed));
    let computed = prf(provider, hash, &secret, "test label", &seed, &mut out).map(|()| out);
    expect("the TLS 1.2 PRF", computed, known)
}

/// Checks the public key of `secret`, and the secret that it shares with the owner of `peer`.
fn key_exchange(
    provider: &dyn CryptoProvider,
    group: Group,
    name: &'static str,
    [secret, public, peer, shared]: [&str; 4],
) -> Result<(), Error> {
    let wrong = |CryptoError| Error::WrongResult(name);
    let pair = provider.key_pair(group, &array(secret)).map_err(wrong)?;
    expect(name, Ok(pair.public_key().to_vec()), public)?;
    let mut out = [0; 32];
    let computed = pair.shared_secret(&bytes(peer), &mut out);
    expect(name, computed.map(|()| out.to_vec()), shared)
}

fn x25519(provider: &dyn CryptoProvider) -> Result<(), Error> {
    const ALICE: &str = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
    const OF_ALICE: &str = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
    const BOB: &str = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
    const OF_BOB: &str = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
    const SHARED: &str = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
    let name = "X25519 (RFC 7748 section 6.1)";
    let group = Group::X25519;
    key_exchange(provider, group, name, [ALICE, OF_ALICE, OF_BOB, SHARED])?;
    key_exchange(provider, group, name, [BOB, OF_BOB, OF_ALICE, SHARED])?;
    for (secret, peer, known) in [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        // The highest bit of the peer's key is ignored.
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ] {
        let mut out = [0; 32];
        let pair = provider.key_pair(group, &array(secret));
        let computed = pair.and_then(|pair| pair.shared_secret(&bytes(peer), &mut out));
        let computed = computed.map(|()| out.to_vec());
        expect("X25519 (RFC 7748 section 5.2)", computed, known)?;
    }
    Ok(())
}

fn p256(provider: &dyn CryptoProvider) -> Result<(), Error> {
    const I: &str = "c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433";
    const OF_I: &str = "04 dad0b65394221cf9b051e1feca5787d098dfe637fc90b9ef945d0c3772581180
         5271a0461cdb8252d61f1c456fa3e59ab1f45b33accf5f58389e0577b8990bb3";
    const R: &str = "c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53";
    const OF_R: &str = "04 d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63
         56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab";
    const SHARED: &str = "d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de";
    let name = "P-256 (RFC 5903 section 8.1)";
    let group = Group::Secp256r1;
    key_exchange(provider, group, name, [I, OF_I, OF_R, SHARED])?;
    key_exchange(provider, group, name, [R, OF_R, OF_I, SHARED])?;
    let order = array("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    for invalid in [[0; 32], order] {
        if provider.key_pair(group, &invalid).is_ok() {
            return Err(Error::WrongResult("an invalid secret key of P-256"));
        }
    }
    let mut off_curve = bytes(OF_I);
    if let Some(last) = off_curve.last_mut() {
        *last ^= 1;
    }
    let mut out = [0; 32];
    let pair = provider.key_pair(group, &array(R));
    match pair.and_then(|pair| pair.shared_secret(&off_curve, &mut out)) {
        Ok(()) => Err(Error::WrongResult("a point that is not on P-256")),
        Err(CryptoError) => Ok(()),
    }
}

struct AeadAnswer {
    name: &'static str,
    algorithm: AeadAlgorithm,
    key: &'static str,
    nonce: &'static str,
    additional_data: &'static str,
    plaintext: &'static str,
    sealed: &'static str,
}

impl AeadAnswer {
    fn check(&self, provider: &dyn CryptoProvider) -> Result<(), Error> {
        let wrong = |CryptoError| Error::WrongResult(self.name);
        let mut aead = provider
            .aead(self.algorithm, &bytes(self.key))
            .map_err(wrong)?;
        let (nonce, additional_data) = (array(self.nonce), bytes(self.additional_data));
        // The record's header stays before the ciphertext.
        let mut out = b"header".to_vec();
        let plaintext = bytes(self.plaintext);
        let sealed = aead.seal(&nonce, &additional_data, &plaintext, &mut out);
        let header_and = [b"header".as_slice(), &bytes(self.sealed)].concat();
        if sealed.is_err() || out != header_and {
            return Err(Error::WrongResult(self.name));
        }
        let mut data = bytes(self.sealed);
        aead.open(&nonce, &additional_data, &mut data)
            .map_err(wrong)?;
        if !data.starts_with(&plaintext) {
            return Err(Error::WrongResult(self.name));
        }
        let changed = (0..out.len() - 6).map(|at| {
            let mut changed = bytes(self.sealed);
            if let Some(byte) = changed.get_mut(at) {
                *byte ^= 1;
            }
            changed
        });
        for mut data in changed.chain([Vec::new(), bytes("00")]) {
            if aead.open(&nonce, &additional_data, &mut data).is_ok() {
                return Err(Error::WrongResult("a forged record"));
            }
        }
        Ok(())
    }
}

fn chacha20_poly1305(provider: &dyn CryptoProvider) -> Result<(), Error> {
    AeadAnswer {
        name: "ChaCha20-Poly1305 (RFC 8439 section 2.8.2)",
        algorithm: AeadAlgorithm::ChaCha20Poly1305,
        key: "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
        nonce: "070000004041424344454647",
        additional_data: "50515253c0c1c2c3c4c5c6c7",
        // "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the
        // future, sunscreen would be it."
        plaintext: "4c616469657320616e642047656e746c656d656e206f662074686520636c6173
             73206f66202739393a204966204920636f756c64206f6666657220796f75206f
             6e6c79206f6e652074697020666f7220746865206675747572652c2073756e73
             637265656e20776f756c642062652069742e",
        sealed: "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6
             3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36
             92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
             3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691",
    }
    .check(provider)
}

fn aes_128_ccm_8(provider: &dyn CryptoProvider) -> Result<(), Error> {
    AeadAnswer {
        name: "AES-128-CCM-8",
        algorithm: AeadAlgorithm::Aes128Ccm8,
        key: "404142434445464748494a4b4c4d4e4f",
        nonce: "101112130001000000000005",
        additional_data: "000100000000000517fefd0018",
        plaintext: "202122232425262728292a2b2c2d2e2f3031323334353637",
        sealed: "6b8a6a928c04c49cdb3eb388f728e7dc9cca17f331090c3619b3d767f10ccd7a",
    }
    .check(provider)
}

fn cbc(provider: &dyn CryptoProvider, hash: Hash) -> Result<(), Error> {
    for (name, key, iv, plaintext, ciphertext) in [
        (
            "AES-128-CBC (RFC 3602 section 4, case 1)",
            "06a9214036b8a15b512e03d534120006",
            "3dafba429d9eb430b422da802c9fac41",
            "53696e676c6520626c6f636b206d7367",
            "e353779c1079aeb82708942dbe77181a",
        ),
        (
            "AES-128-CBC (RFC 3602 section 4, case 2)",
            "c286696d887c9aa0611bbb3e2025a45a",
            "562e17996d093d28ddb3ba695a2e6f58",
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            "d296cd94c2cccf8a3a863028b5e1dc0a7586602d253cfff91b8266bea6d61ab1",
        ),
        (
            "AES-256-CBC (NIST SP 800-38A F.2.5)",
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
            "000102030405060708090a0b0c0d0e0f",
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
            "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d",
        ),
    ] {
        let cipher = provider
            .aes_cbc(&bytes(key))
            .map_err(|CryptoError| Error::WrongResult(name))?;
        let mut data = bytes(plaintext);
        cipher.encrypt(&array(iv), &mut data);
        expect(name, Ok(data.clone()), ciphertext)?;
        cipher.decrypt(&array(iv), &mut data);
        expect(name, Ok(data), plaintext)?;
    }

    // RFC 4231 section 4.4.
    let name = "the MAC of a CBC suite";
    let known = by_hash(
        hash,
        "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
        "88062608d3e6ad8a0aa2ace014c8a86f0aa635d947ac9febe83ef4e55966144b2a5ab39dc13814b94e3ab6e101a34f27",
    );
    // Padded with zeros to the length of the hash, which does not change an HMAC.
    let mut key = vec![0xaa; 20];
    key.resize(hash.output_len(), 0);
    let mac = provider
        .record_mac(hash, &key)
        .map_err(|CryptoError| Error::WrongResult(name))?;
    let mut tag = vec![0; hash.output_len()];
    mac.tag(&[0xdd; 13], &[0xdd; 37], &mut tag);
    expect(name, Ok(tag.clone()), known)?;
    for least in [0, 30, 37] {
        let data = [&[0xdd; 37][..], &[0x11; 200]].concat();
        tag.fill(0);
        mac.tag_of_secret_length(&[0xdd; 13], &data, least, 37, &mut tag);
        expect(name, Ok(tag.clone()), known)?;
    }
    Ok(())
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use std::boxed::Box;

    use super::*;
    use crate::crypto::{Aead, KeyPair, all_providers, default_provider};

    #[test]
    fn every_provider_gives_the_known_answers() {
        for provider in all_providers() {
            assert_eq!(provider.suites(), CipherSuite::ALL);
            assert_eq!(provider.groups(), Group::ALL);
            assert_eq!(check(provider), Ok(()), "{provider:?}");
        }
    }

    /// A provider that changes one result.
    #[derive(Debug)]
    struct Wrong(&'static str);

    impl Wrong {
        fn change(&self, what: &str, out: &mut [u8]) {
            if self.0 == what {
                out[0] ^= 1;
            }
        }
    }

    impl CryptoProvider for Wrong {
        fn suites(&self) -> &[CipherSuite] {
            CipherSuite::ALL
        }

        fn groups(&self) -> &[Group] {
            Group::ALL
        }

        fn hash(&self, hash: Hash, data: &[u8], digest: &mut [u8]) -> Result<(), CryptoError> {
            default_provider().hash(hash, data, digest)?;
            self.change("hash", digest);
            Ok(())
        }

        fn hmac(
            &self,
            hash: Hash,
            key: &[u8],
            data: &[&[u8]],
            tag: &mut [u8],
        ) -> Result<(), CryptoError> {
            default_provider().hmac(hash, key, data, tag)?;
            self.change("HMAC", tag);
            Ok(())
        }

        fn key_pair(
            &self,
            group: Group,
            secret: &[u8; 32],
        ) -> Result<Box<dyn KeyPair>, CryptoError> {
            let pair = default_provider().key_pair(group, secret)?;
            let mut public = pair.public_key().to_vec();
            self.change("public key", &mut public);
            Ok(Box::new(WrongPair {
                pair,
                public,
                provider: Self(self.0),
            }))
        }

        fn aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn Aead>, CryptoError> {
            let mut key = key.to_vec();
            self.change("AEAD", &mut key);
            default_provider().aead(algorithm, &key)
        }
    }

    struct WrongPair {
        pair: Box<dyn KeyPair>,
        public: Vec<u8>,
        provider: Wrong,
    }

    impl KeyPair for WrongPair {
        fn public_key(&self) -> &[u8] {
            &self.public
        }

        fn shared_secret(&self, peer: &[u8], shared: &mut [u8; 32]) -> Result<(), CryptoError> {
            self.pair.shared_secret(peer, shared)?;
            self.provider.change("shared secret", shared);
            Ok(())
        }
    }

    #[test]
    fn wrong_results_are_reported() {
        for (what, reported) in [
            ("hash", "SHA-2"),
            ("HMAC", "HMAC"),
            ("public key", "X25519"),
            ("shared secret", "X25519"),
            ("AEAD", "ChaCha20-Poly1305"),
            // It supports CBC suites, but has no AES-CBC.
            ("nothing", "AES-128-CBC"),
        ] {
            let Err(Error::WrongResult(name)) = check(&Wrong(what)) else {
                panic!("{what}")
            };
            assert!(name.starts_with(reported), "{what}: {name}");
        }
    }
}
