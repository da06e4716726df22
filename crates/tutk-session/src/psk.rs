//! The pre-shared keys of the cameras' DTLS (docs/protocol.md, section "Credentials and keys").

use dtls_psk::Psk;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// The PSK identity that cameras expect (docs/protocol.md, section "DTLS").
pub const IDENTITY: &str = "AUTHPWD_admin";

/// Returns SHA-256(AuthKey ‖ ENR): the key under [`KeyRule::AuthKeyAndEnr`](crate::KeyRule).
pub fn from_auth_key_and_enr(auth_key: impl AsRef<[u8]>, enr: impl AsRef<[u8]>) -> Psk {
    let mut hash = Sha256::new();
    hash.update(auth_key);
    hash.update(enr);
    let digest: Zeroizing<[u8; 32]> = Zeroizing::new(hash.finalize().into());
    Psk::new(digest.as_slice())
}

/// Returns SHA-256(ENR) with all bytes from the first 0x00 on set to zero: the key under
/// [`KeyRule::Enr`](crate::KeyRule).
///
/// The firmware handles the digest as a C string.
pub fn from_enr(enr: impl AsRef<[u8]>) -> Psk {
    let (mut digest, end) = digest(enr);
    for byte in digest.iter_mut().skip(end) {
        *byte = 0;
    }
    Psk::new(digest.as_slice())
}

/// Returns how many of the 32 bytes of [`from_enr`] are not zeroed.
pub(crate) fn effective_bytes(enr: impl AsRef<[u8]>) -> usize {
    digest(enr).1
}

/// Returns `true` if false start does not weaken a session with this key: at least 128 bits are not
/// zeroed (RFC 7918, section 5.1, requires as much of a cipher).
pub(crate) fn allows_false_start(psk: &Psk) -> bool {
    let zeroed = psk.reveal().iter().rev().take_while(|&&byte| byte == 0);
    psk.reveal().len() >= zeroed.count() + 16
}

/// Returns SHA-256(ENR), and the position of its first 0x00.
fn digest(enr: impl AsRef<[u8]>) -> (Zeroizing<[u8; 32]>, usize) {
    let digest: Zeroizing<[u8; 32]> = Zeroizing::new(Sha256::digest(enr).into());
    let end = digest.iter().position(|&byte| byte == 0);
    (digest, end.unwrap_or(32))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    /// ENR, AuthKey, key from the ENR, key from AuthKey and ENR (from another SHA-256
    /// implementation).
    const KNOWN: &[[&str; 4]] = &[
        [
            "3K0efp/HI0qSZjNw",
            "3RV39Ijs",
            "0000000000000000000000000000000000000000000000000000000000000000",
            "5f1c9e34ac4b0629395677e08a96f0632d71c452c6e6572190251183a921f63f",
        ],
        [
            "pbvqMrKPO6vqRBg4E7EyJpJaUvdg87HR",
            "lUC7sel9",
            "99e3afe27989abe2e9b06ac40f464a490411658cd8628e0b6d83574f0bb90a63",
            "1ccbbd649c8aff741284d93d76c10f33e933ff6edc16886e89d4a6fcd7cd59ac",
        ],
        [
            "TMR7cJksfId730wF",
            "GvoAoFZe",
            "043a453552ea045f2dea5e5879d3a784e01c0ecdbc018041182d95184fabf98c",
            "f64e83ad43a4eba3a95af1cdebb82d7a9866d4d1312bdccd4b0e1bfcf399861a",
        ],
        [
            "Ojz81E5HN0U/aorD3qyk0OFhxjW8xNFU",
            "QfvzF0U4",
            "82ad552a852e093bcce7293644bf3549373c416e98df11c9221c7d6429355ebc",
            "7a44c673b62878c2c888dcd7a2e92d3a522b17772596884e0b1f4945d5ce6d24",
        ],
        [
            "KkmoYh/TJwK2udlB",
            "EcDxQxIM",
            "d1ce6d4f106b20882b5347a6f478d1979f8b01d82c71068f2f6b1a23bcc9382d",
            "b56c106e1cac2086ded77642b6121d43de1d7ad30fa73f7806b0e921783b2d88",
        ],
        [
            "jbpwVHh1qS9yKFUGcqrsFf8S+aAG3zSq",
            "IaEjQDP6",
            "5df7715bad61b904e4d6ca600afd3333fbc2fa682b0fcfbcf50946f575421418",
            "4116f09e0be83fe608ccecf154c70a7708aaed2e0285d0794d92f701892856b3",
        ],
        [
            "GkB9S7cX38GgzSC6",
            "CHhGE9zB",
            "16549c533b4e9812808f91000000000000000000000000000000000000000000",
            "f22e9fbf2f69786081ce7a859509c8ae75ffc5df7820e67a19c675f98939da28",
        ],
    ];

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn keys_match_known_answers() {
        for [enr, auth_key, enr_key, auth_key_and_enr_key] in KNOWN {
            assert_eq!(&hex(from_enr(enr).reveal()), enr_key, "{enr}");
            let zeros = enr_key.len() - enr_key.trim_end_matches("00").len();
            assert_eq!(effective_bytes(enr), 32 - zeros / 2, "{enr}");
            assert_eq!(allows_false_start(&from_enr(enr)), zeros == 0, "{enr}");
            let psk = from_auth_key_and_enr(auth_key, enr);
            assert_eq!(&hex(psk.reveal()), auth_key_and_enr_key, "{enr}");
            assert_eq!(format!("{psk:?}"), "Psk(..)");
        }
    }
}
