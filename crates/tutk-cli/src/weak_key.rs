//! Cameras whose DTLS key is weak (docs/security.md, section "Weak keys").

use tutk_runtime::tutk_session::Credentials;

/// With fewer bytes than this, the key can be found by trying all keys.
const MIN_KEY_BYTES: usize = 8;

/// Returns a warning if the camera's key is weak, without the key. The firmware cuts the key at its
/// first zero byte, so it depends on the ENR alone.
pub(crate) fn warning(credentials: &Credentials) -> Option<String> {
    let bytes = credentials.effective_key_bytes();
    let who = match bytes {
        0 => "any host on the network".to_owned(),
        _ if bytes < MIN_KEY_BYTES => {
            format!(
                "a host that tries all keys of {bytes} byte{}",
                if bytes == 1 { "" } else { "s" }
            )
        }
        _ => return None,
    };
    Some(format!(
        "weak key: the firmware uses {bytes} of the 32 bytes that follow from this ENR, so {who} can impersonate the camera; set the camera up again in the vendor's app to get another ENR, then run `tutk cloud cameras --write`"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warning_for(enr: &str) -> Option<String> {
        let uid = "HSBJYB5HSETGCDWD111A";
        warning(&Credentials::with_auth_key(uid, enr, "qZwi9FaB").unwrap())
    }

    #[test]
    fn weak_keys_are_named_with_what_to_do() {
        let none = warning_for("3K0efp/HI0qSZjNw").unwrap();
        assert!(
            none.contains("0 of the 32 bytes") && none.contains("any host"),
            "{none}"
        );
        assert!(none.contains("set the camera up again"), "{none}");
        assert!(!none.contains("3K0efp"), "{none}");
        // 11 bytes, and all of them.
        for strong in ["GkB9S7cX38GgzSC6", "TMR7cJksfId730wF"] {
            assert_eq!(warning_for(strong), None);
        }
    }

    #[test]
    fn key_of_the_base_station_counts() {
        let own = Credentials::with_auth_key("HSBJYB5HSETGCDWD111A", "TMR7cJksfId730wF", "a");
        let behind = own
            .unwrap()
            .behind_base_station("3K0efp/HI0qSZjNw", "AABBCCDDEE00");
        assert!(warning(&behind.unwrap()).is_some());
    }
}
