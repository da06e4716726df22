//! Groups of the ephemeral key exchange (RFC 8422 section 5.1.1).

use core::fmt;

/// A group for the ephemeral keys of the ECDHE_PSK suites (RFC 8422 section 5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Group {
    /// X25519, number 29 (RFC 7748 section 5).
    X25519,
    /// NIST P-256, number 23, named secp256r1 in the registry.
    Secp256r1,
}

impl Group {
    /// All supported groups in order of preference.
    pub const ALL: &'static [Group] = &[Group::X25519, Group::Secp256r1];

    /// Returns the number in the IANA registry of supported groups.
    pub fn id(self) -> u16 {
        match self {
            Group::X25519 => 29,
            Group::Secp256r1 => 23,
        }
    }

    /// Returns the name in the IANA registry.
    pub fn name(self) -> &'static str {
        match self {
            Group::X25519 => "x25519",
            Group::Secp256r1 => "secp256r1",
        }
    }

    /// Returns the group with this registry number, if it is supported.
    pub fn from_id(id: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|group| group.id() == id)
    }

    /// Returns the length of a public key in bytes: 32 for X25519, and 65 for an uncompressed point
    /// of P-256.
    #[must_use]
    pub const fn public_key_len(self) -> usize {
        match self {
            Group::X25519 => 32,
            Group::Secp256r1 => 65,
        }
    }

    /// Returns `true` if `public` has the length and format of a public key: 32 bytes for X25519,
    /// an uncompressed point for P-256 (RFC 8422 section 5.4.1). The provider checks that the point
    /// is on the curve.
    pub(crate) fn has_form_of_public_key(self, public: &[u8]) -> bool {
        let is_uncompressed = match self {
            Group::X25519 => true,
            Group::Secp256r1 => public.first() == Some(&4),
        };
        is_uncompressed && public.len() == self.public_key_len()
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn ids_round_trip_and_unknown_ids_are_rejected() {
        for group in Group::ALL {
            assert_eq!(Group::from_id(group.id()), Some(*group));
            assert_eq!(group.to_string(), group.name());
        }
        assert_eq!(Group::from_id(24), None);
    }

    #[test]
    fn public_keys_must_be_complete_and_uncompressed() {
        let mut point = [1; 65];
        assert!(!Group::Secp256r1.has_form_of_public_key(&point));
        point[0] = 4;
        assert!(Group::Secp256r1.has_form_of_public_key(&point));
        point[0] = 2;
        assert!(!Group::Secp256r1.has_form_of_public_key(&point[..33]));
        assert!(Group::X25519.has_form_of_public_key(&[9; 32]));
        assert!(!Group::X25519.has_form_of_public_key(&[9; 31]));
    }
}
