//! Groups of the ephemeral key exchange (RFC 8422 section 5.1.1).

use std::fmt;

use dimpl::crypto::{CryptoProvider, NamedGroup, SupportedKxGroup};

use crate::error::Error;

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

    /// Returns `true` if the provider implements this group.
    #[must_use]
    pub fn is_supported_by(self, provider: &CryptoProvider) -> bool {
        self.find(provider).is_ok()
    }

    /// Returns the provider's implementation.
    pub(crate) fn find(
        self,
        provider: &CryptoProvider,
    ) -> Result<&'static dyn SupportedKxGroup, Error> {
        let name = match self {
            Group::X25519 => NamedGroup::X25519,
            Group::Secp256r1 => NamedGroup::Secp256r1,
        };
        provider
            .kx_groups
            .iter()
            .copied()
            .find(|group| group.name() == name)
            .ok_or(Error::ProviderLacks(self.name()))
    }

    /// Returns `true` if `public` has the length and format of a public key: 32 bytes for X25519,
    /// an uncompressed point for P-256 (RFC 8422 section 5.4.1). The provider checks that the point
    /// is on the curve.
    pub(crate) fn has_form_of_public_key(self, public: &[u8]) -> bool {
        match self {
            Group::X25519 => public.len() == 32,
            Group::Secp256r1 => public.len() == 65 && public.first() == Some(&4),
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
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
