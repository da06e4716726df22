//! AES-128-CCM with an 8-byte tag (RFC 6655 section 3).

use dimpl::CryptoError;
use dimpl::crypto::{Aad, Buf, Cipher, CryptoProvider, Dtls12CipherSuite, Nonce, TmpBuf};
use zeroize::Zeroizing;

use super::{BulkCipher, DirectionKeys, KeyLengths, Protection, ProviderAead, additional_data};
use crate::error::Error;
use crate::record::RecordId;

/// There is no MAC key, a 128-bit key and a 32-bit salt (RFC 6655 section 3).
pub(crate) static AES_128_CCM_8: BulkCipher = BulkCipher {
    key_lengths: KeyLengths {
        mac: 0,
        key: 16,
        iv: SALT_LEN,
    },
    aead: Some(&AEAD),
    new: protection,
};

static AEAD: ProviderAead = ProviderAead {
    name: "AES-128-CCM-8",
    suite: Dtls12CipherSuite::PSK_AES128_CCM_8,
};

const SALT_LEN: usize = 4;
const EXPLICIT_NONCE_LEN: usize = 8;
const TAG_LEN: usize = 8;

fn protection(
    provider: &CryptoProvider,
    keys: DirectionKeys<'_>,
) -> Result<Box<dyn Protection>, Error> {
    let salt = keys
        .iv
        .try_into()
        .map_err(|_| Error::ProviderLacks("4-byte salt"))?;
    Ok(Box::new(Aes128Ccm8 {
        cipher: AEAD.find(provider)?.create_cipher(keys.key)?,
        salt: Zeroizing::new(salt),
        scratch: Buf::new(),
    }))
}

/// The protection of one direction. Its fragments are:
///
/// | offset | size | field |
/// |---|---|---|
/// | 0 | 8 | explicit nonce; this crate sends epoch and sequence number, which never repeat |
/// | 8 | n | ciphertext |
/// | 8 + n | 8 | tag |
#[derive(Debug)]
struct Aes128Ccm8 {
    cipher: Box<dyn Cipher>,
    salt: Zeroizing<[u8; SALT_LEN]>,
    /// A buffer for sealing, kept to avoid allocation.
    scratch: Buf,
}

impl Aes128Ccm8 {
    /// Returns salt ‖ explicit nonce (RFC 6655 section 3).
    fn nonce(&self, explicit: [u8; EXPLICIT_NONCE_LEN]) -> Nonce {
        let mut nonce = [0; SALT_LEN + EXPLICIT_NONCE_LEN];
        for (to, from) in nonce.iter_mut().zip(self.salt.iter().chain(&explicit)) {
            *to = *from;
        }
        Nonce(nonce)
    }
}

impl Protection for Aes128Ccm8 {
    fn max_plaintext(&self, fragment: usize) -> Option<usize> {
        fragment.checked_sub(EXPLICIT_NONCE_LEN + TAG_LEN)
    }

    fn seal(
        &mut self,
        record: RecordId,
        plaintext: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        let len = u16::try_from(plaintext.len())
            .map_err(|_| CryptoError::OperationFailed(dimpl::CryptoOperation::Encrypt))?;
        let explicit = record.number();
        let aad = Aad(additional_data(record, len).into());
        let nonce = self.nonce(explicit);
        // A provider seals only a whole `Buf`, which takes one copy in and one out.
        self.scratch.clear();
        self.scratch.extend_from_slice(plaintext);
        self.cipher.encrypt(&mut self.scratch, aad, nonce)?;
        out.extend_from_slice(&explicit);
        out.extend_from_slice(&self.scratch);
        Ok(())
    }

    fn open<'a>(&mut self, record: RecordId, fragment: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let (explicit, sealed) = fragment.split_first_chunk_mut::<EXPLICIT_NONCE_LEN>()?;
        let plaintext_len = sealed.len().checked_sub(TAG_LEN)?;
        let aad = Aad(additional_data(record, u16::try_from(plaintext_len).ok()?).into());
        let nonce = self.nonce(*explicit);
        self.cipher
            .decrypt(&mut TmpBuf::new(sealed), aad, nonce)
            .ok()?;
        sealed.get_mut(..plaintext_len)
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use super::*;
    use crate::record::{ContentType, Epoch};

    /// Created with another implementation of CCM (pyca/cryptography 48 with OpenSSL).
    #[test]
    fn matches_known_record_and_rejects_changed_ones() {
        let key: Vec<u8> = (0x40..0x50).collect();
        let keys = DirectionKeys {
            mac: &[],
            key: &key,
            iv: &[0x10, 0x11, 0x12, 0x13],
            encrypt_then_mac: false,
            iv_key: &[0; 32],
        };
        let provider = crate::Config::client("x", crate::Psk::new("x")).provider;
        let mut protection = super::protection(&provider.unwrap(), keys).unwrap();
        let id = RecordId {
            content_type: ContentType::ApplicationData,
            version: 0xfefd,
            epoch: Epoch::Protected,
            sequence: 5,
        };
        let plaintext: Vec<u8> = (0x20..0x38).collect();
        let mut out = Vec::new();
        protection.seal(id, &plaintext, &mut out).unwrap();
        assert_eq!(out[..8], [0, 1, 0, 0, 0, 0, 0, 5]);
        let hex: String = out[8..].iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "6b8a6a928c04c49cdb3eb388f728e7dc9cca17f331090c3619b3d767f10ccd7a"
        );
        assert_eq!(protection.max_plaintext(out.len()), Some(plaintext.len()));
        for at in 0..out.len() {
            let mut changed = out.clone();
            changed[at] ^= 1;
            assert!(protection.open(id, &mut changed).is_none(), "byte {at}");
        }
        for len in 0..out.len() {
            assert!(protection.open(id, &mut out.clone()[..len]).is_none());
        }
        let other = RecordId { sequence: 6, ..id };
        assert!(protection.open(other, &mut out.clone()).is_none());
        assert_eq!(protection.open(id, &mut out).unwrap(), plaintext);
    }
}
