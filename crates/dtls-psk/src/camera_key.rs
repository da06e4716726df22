//! The pre-shared keys of the two camera dialects (wire.md sections 1 and 7).

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::config::Psk;

/// The PSK identity that cameras expect (wire.md section 7).
pub const IDENTITY: &str = "AUTHPWD_admin";

/// SHA-256(AuthKey ‖ ENR): the key of the `summary` dialect.
pub fn auth_key_and_enr(auth_key: impl AsRef<[u8]>, enr: impl AsRef<[u8]>) -> Psk {
    let mut hash = Sha256::new();
    hash.update(auth_key);
    hash.update(enr);
    let digest: Zeroizing<[u8; 32]> = Zeroizing::new(hash.finalize().into());
    Psk::new(digest.as_slice())
}

/// SHA-256(ENR), with everything from its first 0x00 byte on set to zero: the key of the `transcode` and
/// `cc51` dialects. (The cameras' software handles the digest as a C string.)
pub fn enr(enr: impl AsRef<[u8]>) -> Psk {
    let mut digest: Zeroizing<[u8; 32]> = Zeroizing::new(Sha256::digest(enr).into());
    let mut ended = false;
    for byte in digest.iter_mut() {
        ended |= *byte == 0;
        if ended {
            *byte = 0;
        }
    }
    Psk::new(digest.as_slice())
}
