//! A crypto provider with seeded X25519 key shares, so that a run can be repeated byte for byte.

use std::sync::Mutex;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tutk_session::dtls_psk::crypto::{
    ActiveKeyExchange, Buf, CryptoProvider, NamedGroup, SupportedKxGroup,
};
use x25519_dalek::{PublicKey, StaticSecret};

#[derive(Debug)]
struct SeededX25519(Mutex<StdRng>);

struct Exchange {
    secret: StaticSecret,
    public: [u8; 32],
}

/// The provider for one side of one run. Leaks a few bytes, because a provider is `'static`.
pub fn seeded(seed: u64) -> CryptoProvider {
    let group: &'static SeededX25519 = Box::leak(Box::new(SeededX25519(Mutex::new(
        StdRng::seed_from_u64(seed),
    ))));
    let provider = dimpl::crypto::rust_crypto::default_provider();
    // Clients offer other groups, too. Both sides prefer this one.
    let others = provider.kx_groups.iter().copied();
    let others = others.filter(|group| group.name() != NamedGroup::X25519);
    let groups: Vec<&'static dyn SupportedKxGroup> = [group as &dyn SupportedKxGroup]
        .into_iter()
        .chain(others)
        .collect();
    CryptoProvider {
        kx_groups: Box::leak(groups.into_boxed_slice()),
        ..provider
    }
}

impl SupportedKxGroup for SeededX25519 {
    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }

    fn start_exchange(&self, _: Buf) -> Result<Box<dyn ActiveKeyExchange>, dimpl::CryptoError> {
        let mut bytes = [0; 32];
        self.0.lock().unwrap().fill_bytes(&mut bytes);
        let secret = StaticSecret::from(bytes);
        let public = PublicKey::from(&secret).to_bytes();
        Ok(Box::new(Exchange { secret, public }))
    }
}

impl ActiveKeyExchange for Exchange {
    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn complete(self: Box<Self>, peer: &[u8], out: &mut Buf) -> Result<(), dimpl::CryptoError> {
        let peer = <[u8; 32]>::try_from(peer)
            .map_err(|_| dimpl::CryptoError::InvalidPublicKey(NamedGroup::X25519))?;
        let shared = self.secret.diffie_hellman(&PublicKey::from(peer));
        out.clear();
        out.extend_from_slice(shared.as_bytes());
        Ok(())
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Exchange")
    }
}
