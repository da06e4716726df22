//! The nonces and fragments of AEADs.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use zeroize::Zeroizing;

use super::{Algorithm, BulkCipher, DirectionKeys, KeyLengths, Protection, additional_data};
use crate::crypto::{Aead, AeadAlgorithm, CryptoError, CryptoProvider, NONCE_LEN};
use crate::record::RecordId;

/// AEAD_CHACHA20_POLY1305: no MAC key, a 256-bit key and a 96-bit IV (RFC 7905 section 2).
pub(crate) static CHACHA20_POLY1305: BulkCipher = BulkCipher {
    key_lengths: KeyLengths {
        mac: 0,
        key: 32,
        iv: NONCE_LEN,
    },
    algorithm: Algorithm::Aead(AeadAlgorithm::ChaCha20Poly1305, Nonces::Implicit),
};

/// AES-128-CCM with an 8-byte tag: no MAC key, a 128-bit key and a 32-bit salt (RFC 6655 section
/// 3).
pub(crate) static AES_128_CCM_8: BulkCipher = BulkCipher {
    key_lengths: KeyLengths {
        mac: 0,
        key: 16,
        iv: 4,
    },
    algorithm: Algorithm::Aead(AeadAlgorithm::Aes128Ccm8, Nonces::Explicit),
};

/// The second part of a nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nonces {
    /// The number of the record (RFC 7905 section 2).
    Implicit,
    /// Sent with each record (RFC 5246 section 6.2.3.3).
    Explicit,
}

impl Nonces {
    /// Returns the length of the explicit nonce in bytes.
    fn explicit_len(self) -> usize {
        match self {
            Nonces::Implicit => 0,
            Nonces::Explicit => 8,
        }
    }
}

/// The protection of one direction. Its fragments are:
///
/// | size | field |
/// |---|---|
/// | 8 | CCM only: the explicit nonce; this crate sends epoch and sequence number |
/// | n | ciphertext |
/// | 8 or 16 | tag |
pub(super) struct AeadProtection {
    cipher: Box<dyn Aead>,
    explicit_len: usize,
    tag_len: usize,
    /// The IV, or the salt and 8 zero bytes.
    iv: Zeroizing<[u8; NONCE_LEN]>,
}

impl AeadProtection {
    pub(super) fn new(
        provider: &dyn CryptoProvider,
        algorithm: AeadAlgorithm,
        nonces: Nonces,
        keys: DirectionKeys<'_>,
    ) -> Result<Self, CryptoError> {
        let mut iv = Zeroizing::new([0; NONCE_LEN]);
        for (to, from) in iv.iter_mut().zip(keys.iv) {
            *to = *from;
        }
        Ok(Self {
            cipher: provider.aead(algorithm, keys.key)?,
            explicit_len: nonces.explicit_len(),
            tag_len: algorithm.tag_len(),
            iv,
        })
    }

    /// Returns IV XOR (4 zero bytes ‖ `number`). The number is that of the record (RFC 7905 section
    /// 2), or the explicit nonce, which results in salt ‖ explicit nonce (RFC 6655 section 3).
    fn nonce(&self, number: [u8; 8]) -> [u8; NONCE_LEN] {
        let mut nonce = *self.iv;
        for (byte, number) in nonce.iter_mut().skip(4).zip(number) {
            *byte ^= number;
        }
        nonce
    }
}

impl Protection for AeadProtection {
    fn max_plaintext(&self, fragment: usize) -> Option<usize> {
        fragment.checked_sub(self.explicit_len + self.tag_len)
    }

    fn seal(
        &mut self,
        record: RecordId,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        let len = u16::try_from(plaintext.len()).map_err(|_| CryptoError)?;
        let number = record.number();
        let nonce = self.nonce(number);
        out.extend(number.iter().take(self.explicit_len));
        let additional_data = additional_data(record, len);
        self.cipher.seal(&nonce, &additional_data, plaintext, out)
    }

    fn open<'a>(&mut self, record: RecordId, fragment: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let (explicit, sealed) = fragment.split_at_mut_checked(self.explicit_len)?;
        let plaintext_len = sealed.len().checked_sub(self.tag_len)?;
        let additional_data = additional_data(record, u16::try_from(plaintext_len).ok()?);
        let nonce = self.nonce(<[u8; 8]>::try_from(explicit).unwrap_or_else(|_| record.number()));
        self.cipher.open(&nonce, &additional_data, sealed).ok()?;
        sealed.get_mut(..plaintext_len)
    }
}

impl fmt::Debug for AeadProtection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AeadProtection").finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use super::*;
    use crate::crypto::all_providers;
    use crate::record::{ContentType, Epoch};
    use crate::test_vectors::{RECORD, hex};

    fn protections(cipher: &BulkCipher, key: &[u8], iv: &[u8]) -> Vec<Box<dyn Protection>> {
        let keys = DirectionKeys {
            mac: &[],
            key,
            iv,
            encrypt_then_mac: false,
            iv_key: &[0; 32],
        };
        all_providers()
            .into_iter()
            .map(|provider| cipher.protection(provider, keys).unwrap())
            .collect()
    }

    /// Opens `fragment`, and rejects it with any change, any shorter length or another record id.
    fn opens_only_unchanged(protection: &mut dyn Protection, fragment: &[u8], plaintext: &[u8]) {
        for at in 0..fragment.len() {
            let mut changed = fragment.to_vec();
            changed[at] ^= 1;
            assert!(protection.open(RECORD, &mut changed).is_none(), "byte {at}");
            let mut truncated = fragment[..at].to_vec();
            assert!(
                protection.open(RECORD, &mut truncated).is_none(),
                "{at} bytes"
            );
        }
        // The additional data covers each of these.
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
            assert!(protection.open(other, &mut fragment.to_vec()).is_none());
        }
        assert_eq!(
            protection.max_plaintext(fragment.len()),
            Some(plaintext.len())
        );
        let mut fragment = fragment.to_vec();
        assert_eq!(protection.open(RECORD, &mut fragment).unwrap(), plaintext);
    }

    /// RFC 8439 section 2.8.2. Its additional data has 12 bytes, that of a record 13, so only the
    /// ciphertext can be compared, not the tag.
    #[test]
    fn chacha20_poly1305_matches_rfc_8439_and_rejects_changed_records() {
        let key: Vec<u8> = (0x80..0xa0).collect();
        // The RFC's nonce XOR epoch 1 and sequence number 5.
        let mut iv = hex("070000004041424344454647");
        for (byte, number) in iv[4..].iter_mut().zip(RECORD.number()) {
            *byte ^= number;
        }
        let plaintext = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let ciphertext = hex(
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116",
        );
        for mut protection in protections(&CHACHA20_POLY1305, &key, &iv) {
            let mut out = Vec::new();
            protection.seal(RECORD, plaintext, &mut out).unwrap();
            assert_eq!(&out[..plaintext.len()], ciphertext);
            assert_eq!(out.len(), plaintext.len() + 16);
            opens_only_unchanged(&mut *protection, &out, plaintext);
        }
    }

    /// Created with another implementation of CCM (pyca/cryptography 48 with OpenSSL).
    #[test]
    fn aes_128_ccm_8_matches_known_record_and_rejects_changed_ones() {
        let key: Vec<u8> = (0x40..0x50).collect();
        for mut protection in protections(&AES_128_CCM_8, &key, &[0x10, 0x11, 0x12, 0x13]) {
            let plaintext: Vec<u8> = (0x20..0x38).collect();
            let mut out = Vec::new();
            protection.seal(RECORD, &plaintext, &mut out).unwrap();
            let record =
                "00010000000000056b8a6a928c04c49cdb3eb388f728e7dc9cca17f331090c3619b3d767f10ccd7a";
            assert_eq!(out, hex(record));
            opens_only_unchanged(&mut *protection, &out, &plaintext);
        }
    }
}
