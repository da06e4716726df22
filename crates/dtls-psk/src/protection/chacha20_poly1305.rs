//! AEAD_CHACHA20_POLY1305 (RFC 7905 section 2).

use dimpl::CryptoError;
use dimpl::crypto::{Aad, Buf, Cipher, CryptoProvider, Dtls12CipherSuite, Nonce, TmpBuf};
use zeroize::Zeroizing;

use super::{BulkCipher, DirectionKeys, KeyLengths, Protection, ProviderAead, additional_data};
use crate::error::Error;
use crate::record::RecordId;

/// There is no MAC key, a 256-bit key and a 96-bit IV (RFC 7905 section 2).
pub(crate) static CHACHA20_POLY1305: BulkCipher = BulkCipher {
    key_lengths: KeyLengths {
        mac: 0,
        key: 32,
        iv: IV_LEN,
    },
    aead: Some(&AEAD),
    new: protection,
};

static AEAD: ProviderAead = ProviderAead {
    name: "ChaCha20-Poly1305",
    suite: Dtls12CipherSuite::ECDHE_ECDSA_CHACHA20_POLY1305_SHA256,
};

const IV_LEN: usize = 12;
const TAG_LEN: usize = 16;

fn protection(
    provider: &CryptoProvider,
    keys: DirectionKeys<'_>,
) -> Result<Box<dyn Protection>, Error> {
    let iv = keys
        .iv
        .try_into()
        .map_err(|_| Error::ProviderLacks("12-byte IV"))?;
    Ok(Box::new(ChaCha20Poly1305 {
        cipher: AEAD.find(provider)?.create_cipher(keys.key)?,
        iv: Zeroizing::new(iv),
        scratch: Buf::new(),
    }))
}

#[derive(Debug)]
struct ChaCha20Poly1305 {
    cipher: Box<dyn Cipher>,
    iv: Zeroizing<[u8; IV_LEN]>,
    /// A buffer for sealing, kept to avoid allocation.
    scratch: Buf,
}

impl ChaCha20Poly1305 {
    /// Returns IV XOR (4 zero bytes ‖ epoch ‖ sequence number) (RFC 7905 section 2).
    fn nonce(&self, record: RecordId) -> Nonce {
        let mut nonce = *self.iv;
        for (byte, number) in nonce.iter_mut().skip(4).zip(record.number()) {
            *byte ^= number;
        }
        Nonce(nonce)
    }
}

impl Protection for ChaCha20Poly1305 {
    fn max_plaintext(&self, fragment: usize) -> Option<usize> {
        fragment.checked_sub(TAG_LEN)
    }

    fn seal(
        &mut self,
        record: RecordId,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        let len = u16::try_from(plaintext.len())
            .map_err(|_| CryptoError::OperationFailed(dimpl::CryptoOperation::Encrypt))?;
        let nonce = self.nonce(record);
        let aad = Aad(additional_data(record, len).into());
        // A provider seals only a whole `Buf`, and `out` already contains headers, so the plaintext
        // is copied in and the fragment out. Both copies are cheap compared to the cipher (see
        // benches/record.rs), and allocate only until the buffers have grown.
        self.scratch.clear();
        self.scratch.extend_from_slice(plaintext);
        self.cipher.encrypt(&mut self.scratch, aad, nonce)?;
        out.extend_from_slice(&self.scratch);
        Ok(())
    }

    fn open<'a>(&mut self, record: RecordId, fragment: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let plaintext_len = fragment.len().checked_sub(TAG_LEN)?;
        let aad = Aad(additional_data(record, u16::try_from(plaintext_len).ok()?).into());
        let nonce = self.nonce(record);
        self.cipher
            .decrypt(&mut TmpBuf::new(fragment), aad, nonce)
            .ok()?;
        fragment.get_mut(..plaintext_len)
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use super::*;
    use crate::record::{ContentType, Epoch};

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2)
            .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).unwrap())
            .collect()
    }

    fn provider() -> CryptoProvider {
        crate::Config::client("x", crate::Psk::new("x"))
            .provider
            .unwrap()
    }

    /// RFC 8439 section 2.8.2. Its additional data has 12 bytes, that of a record 13, so only the
    /// ciphertext can be compared, not the tag.
    #[test]
    fn ciphertext_matches_rfc_8439_and_changed_records_are_rejected() {
        let key: Vec<u8> = (0x80..0xa0).collect();
        // The RFC's nonce XOR epoch 1 and sequence number 5.
        let nonce = hex("070000004041424344454647");
        let id = RecordId {
            content_type: ContentType::ApplicationData,
            version: 0xfefd,
            epoch: Epoch::Protected,
            sequence: 5,
        };
        let mut iv = nonce.clone();
        for (byte, number) in iv[4..].iter_mut().zip(id.number()) {
            *byte ^= number;
        }
        let plaintext = b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.";
        let ciphertext = hex(
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116",
        );
        let keys = DirectionKeys {
            mac: &[],
            key: &key,
            iv: &iv,
            encrypt_then_mac: false,
            iv_key: &[0; 32],
        };
        let mut protection = super::protection(&provider(), keys).unwrap();
        let mut out = Vec::new();
        protection.seal(id, plaintext, &mut out).unwrap();
        assert_eq!(&out[..plaintext.len()], ciphertext);
        assert_eq!(out.len(), plaintext.len() + TAG_LEN);
        assert_eq!(
            protection.open(id, &mut out.clone()).as_deref(),
            Some(&mut plaintext.to_vec()[..]).as_deref()
        );
        // The nonce and the additional data cover each of these.
        for other in [
            RecordId { sequence: 6, ..id },
            RecordId {
                epoch: Epoch::Plain,
                ..id
            },
            RecordId {
                version: 0xfeff,
                ..id
            },
            RecordId {
                content_type: ContentType::Alert,
                ..id
            },
        ] {
            assert!(protection.open(other, &mut out.clone()).is_none());
        }
        assert!(protection.open(id, &mut out[..15]).is_none());
    }
}
