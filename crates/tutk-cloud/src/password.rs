//! The password hash that the vendor expects.

use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

use crate::{Error, Secret};

/// The prefix of a password that is already hashed.
const HASHED: &str = "md5:";

/// Returns the password, hashed three times with MD5 in lower-case hex. A text after `md5:` is
/// already hashed.
pub(crate) fn hash(password: &str) -> Result<Secret, Error> {
    if let Some(hashed) = password.strip_prefix(HASHED) {
        // Anything else would be sent as a plain password.
        if hashed.len() != 32 || !hashed.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Error::InvalidHash);
        }
        return Ok(Secret::new(hashed.to_ascii_lowercase()));
    }
    let once = |text: &str| Zeroizing::new(hex(&Md5::digest(text.as_bytes())));
    Ok(Secret::new(once(&once(&once(password))).as_str()))
}

/// Encodes bytes as lower-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_three_times() {
        // x=password; for i in 1 2 3; do x=$(printf %s $x | md5sum | cut -c-32); done; echo $x
        let known = "5a22e6c339c96c9c0513a46e44c39683";
        assert_eq!(hash("password").unwrap().reveal(), known);
    }

    #[test]
    fn accepts_only_a_hash_after_the_prefix() {
        let known = "5a22e6c339c96c9c0513a46e44c39683";
        for text in [known, &known.to_ascii_uppercase()] {
            assert_eq!(hash(&format!("md5:{text}")).unwrap().reveal(), known);
        }
        for bad in ["md5:", "md5:password", &format!("md5:{known}0")] {
            assert_eq!(hash(bad), Err(Error::InvalidHash), "{bad}");
        }
    }
}
