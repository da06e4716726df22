//! Groups of the ephemeral key exchange (RFC 8422 section 5.1.1).

use std::fmt;

use dimpl::crypto::{CryptoProvider, NamedGroup, SupportedKxGroup};

use crate::error::Error;

/// A group that the ephemeral keys of the ECDHE_PSK suites are drawn from (RFC 8422 section 5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Group {
    /// X25519 (RFC 7748 section 5), 29.
    X25519,
    /// NIST P-256, 23, which the registry calls secp256r1.
    Secp256r1,
}

impl Group {
    /// Every group that this crate speaks, the best first.
    pub const ALL: &'static [Group] = &[Group::X25519, Group::Secp256r1];

    /// The number in the IANA registry of supported groups.
    pub fn id(self) -> u16 {
        match self {
            Group::X25519 => 29,
            Group::Secp256r1 => 23,
        }
    }

    /// The name in the IANA registry of supported groups.
    pub fn name(self) -> &'static str {
        match self {
            Group::X25519 => "x25519",
            Group::Secp256r1 => "secp256r1",
        }
    }

    /// The group of a number in the registry, if this crate speaks it.
    pub fn from_id(id: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|group| group.id() == id)
    }

    /// The provider's.
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

    /// Whether `public` has the form of a public key: 32 bytes of X25519, or an uncompressed point, the
    /// one format that is negotiated (RFC 8422 section 5.4.1). Whether it lies on the curve is looked at by
    /// the provider.
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
    fn numbers_are_found_again_and_others_are_not() {
        for group in Group::ALL {
            assert_eq!(Group::from_id(group.id()), Some(*group));
            assert_eq!(group.to_string(), group.name());
        }
        assert_eq!(Group::from_id(24), None);
    }

    #[test]
    fn only_whole_uncompressed_keys_have_the_form() {
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
