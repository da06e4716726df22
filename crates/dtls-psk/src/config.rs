//! What an endpoint is told beforehand.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dimpl::crypto::CryptoProvider;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::group::Group;
use crate::suites::CipherSuite;

/// The suites that are offered and accepted unless [`Config::with_suites`] says otherwise: the one that
/// cameras speak (wire.md section 7), an AEAD with forward secrecy.
pub const DEFAULT_SUITES: &[CipherSuite] = &[CipherSuite::EcdhePskChacha20Poly1305Sha256];
/// The groups that are offered and accepted unless [`Config::with_groups`] says otherwise.
pub const DEFAULT_GROUPS: &[Group] = &[Group::X25519];
/// Default for the largest datagram, in bytes (RFC 6347 section 4.1.1.1; wire.md section 7).
pub const DEFAULT_MTU: usize = 1200;
/// The smallest MTU that is accepted, in bytes.
pub const MIN_MTU: usize = 256;
/// The largest MTU that is accepted, in bytes: the largest UDP payload over IPv4.
const MAX_MTU: usize = 65_507;
/// Default wait before the first retransmission (wire.md section 7; RFC 6347 suggests 1 s).
pub const DEFAULT_INITIAL_TIMEOUT: Duration = Duration::from_millis(300);
/// Default upper end of the doubling wait (RFC 6347 section 4.2.4.1).
pub const DEFAULT_MAX_TIMEOUT: Duration = Duration::from_secs(60);
/// Default for how often one flight is sent again before the handshake is given up (RFC 6347 section 4.2.4
/// sets no number).
pub const DEFAULT_MAX_RETRANSMITS: u32 = 7;
/// The largest handshake message that is put together, in bytes without its header (RFC 6347 section 4.2.3;
/// the format allows 2^24 - 1).
pub const MAX_HANDSHAKE_MESSAGE: usize = 8192;
/// The longest PSK identity, in bytes. RFC 4279 section 5.3 asks for at least 128.
pub const MAX_IDENTITY: usize = 1024;
/// The longest pre-shared key, in bytes. RFC 4279 section 5.3 asks for at least 64.
const MAX_PSK: usize = 1024;

/// A pre-shared key (RFC 4279 section 2): zeroed on drop, never shown.
#[derive(Clone)]
pub struct Psk(Zeroizing<Vec<u8>>);

impl Psk {
    /// Copies `key`. 1 to 1024 bytes; what is outside is refused when a connection is made.
    pub fn new(key: impl AsRef<[u8]>) -> Self {
        Self(Zeroizing::new(key.as_ref().to_vec()))
    }

    /// The key's bytes, for whoever must show it to another implementation.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Psk(..)")
    }
}

/// A server's keys, by identity (RFC 4279 section 5.3).
///
/// Implemented for every `Fn(&[u8]) -> Option<Psk>`. How long a look-up takes may tell a peer whether
/// an identity exists; where that matters, look up in constant time.
pub trait PskLookup: Send + Sync {
    /// The key of `identity` (at most [`MAX_IDENTITY`] bytes, as the client sent them), if there is one.
    /// For `None` the handshake goes on with a random key, so that a client cannot tell an unknown
    /// identity from a wrong key (RFC 4279 section 2).
    fn psk(&self, identity: &[u8]) -> Option<Psk>;
}

impl<F> PskLookup for F
where
    F: Fn(&[u8]) -> Option<Psk> + Send + Sync,
{
    fn psk(&self, identity: &[u8]) -> Option<Psk> {
        self(identity)
    }
}

/// A client's identities, where one depends on the server's hint (RFC 4279 section 5.2).
///
/// Implemented for every `Fn(&[u8]) -> Option<(Vec<u8>, Psk)>`.
pub trait PskSelect: Send + Sync {
    /// The identity (1 to [`MAX_IDENTITY`] bytes) and the key for a server that gives `hint`, at most
    /// [`MAX_HANDSHAKE_MESSAGE`] bytes and empty where it gives none. Whoever is on the path can change a
    /// hint. For `None` the handshake ends with [`Error::NoIdentity`].
    fn select(&self, hint: &[u8]) -> Option<(Vec<u8>, Psk)>;
}

impl<F> PskSelect for F
where
    F: Fn(&[u8]) -> Option<(Vec<u8>, Psk)> + Send + Sync,
{
    fn select(&self, hint: &[u8]) -> Option<(Vec<u8>, Psk)> {
        self(hint)
    }
}

/// Configuration of a client or of a server.
///
/// ```
/// use dtls_psk::{Config, Psk};
///
/// let client = Config::client("AUTHPWD_admin", Psk::new([7; 32])).with_mtu(1100);
/// let server = Config::server(|identity: &[u8]| {
///     (identity == b"AUTHPWD_admin").then(|| Psk::new([7; 32]))
/// })
/// .with_cookie_exchange(false);
/// ```
#[derive(Clone)]
pub struct Config {
    pub(crate) role: Role,
    pub(crate) provider: Option<CryptoProvider>,
    pub(crate) suites: Vec<CipherSuite>,
    pub(crate) groups: Vec<Group>,
    pub(crate) mtu: usize,
    pub(crate) initial_timeout: Duration,
    pub(crate) max_timeout: Duration,
    pub(crate) max_retransmits: u32,
    pub(crate) key_log: bool,
    pub(crate) cookie_exchange: bool,
    pub(crate) cookie_secret: Option<Zeroizing<[u8; 32]>>,
    pub(crate) extended_master_secret: bool,
    pub(crate) encrypt_then_mac: bool,
}

#[derive(Clone)]
pub(crate) enum Role {
    Client(Credentials),
    Server {
        lookup: Arc<dyn PskLookup>,
        hint: Vec<u8>,
    },
}

/// A client's identity and key.
#[derive(Clone)]
pub(crate) enum Credentials {
    Known { identity: Vec<u8>, psk: Psk },
    ByHint(Arc<dyn PskSelect>),
}

impl Config {
    /// A client that proves `identity` (1 to [`MAX_IDENTITY`] bytes; by RFC 4279 section 5.1 it is UTF-8, which
    /// is not looked at) with `psk`.
    pub fn client(identity: impl AsRef<[u8]>, psk: Psk) -> Self {
        Self::new(Role::Client(Credentials::Known {
            identity: identity.as_ref().to_vec(),
            psk,
        }))
    }

    /// A client that chooses its identity by the server's hint (RFC 4279 section 5.2). The RFC wants this
    /// only where client and server have agreed on what hints mean; else use [`Config::client`].
    pub fn client_by_hint(select: impl PskSelect + 'static) -> Self {
        Self::new(Role::Client(Credentials::ByHint(Arc::new(select))))
    }

    /// A server that finds its clients' keys with `lookup` (RFC 4279 section 2).
    pub fn server(lookup: impl PskLookup + 'static) -> Self {
        Self::new(Role::Server {
            lookup: Arc::new(lookup),
            hint: Vec::new(),
        })
    }

    fn new(role: Role) -> Self {
        Self {
            role,
            provider: default_provider(),
            suites: DEFAULT_SUITES.to_vec(),
            groups: DEFAULT_GROUPS.to_vec(),
            mtu: DEFAULT_MTU,
            initial_timeout: DEFAULT_INITIAL_TIMEOUT,
            max_timeout: DEFAULT_MAX_TIMEOUT,
            max_retransmits: DEFAULT_MAX_RETRANSMITS,
            key_log: false,
            cookie_exchange: true,
            cookie_secret: None,
            extended_master_secret: true,
            encrypt_then_mac: true,
        }
    }

    /// Another provider than the feature's (aws-lc-rs where both features are on).
    ///
    /// The ephemeral key share is drawn by the provider's group, not by the generator given to the
    /// connection: who needs a run that repeats byte for byte gives a provider whose groups are seeded.
    #[must_use]
    pub fn with_provider(mut self, provider: CryptoProvider) -> Self {
        self.provider = Some(provider);
        self
    }

    /// The suites that are offered or accepted (RFC 5246 section 7.4.1.2), the best first; [`DEFAULT_SUITES`] by default. At least one;
    /// what comes twice counts once. A server takes the first of its own list that the client offers.
    #[must_use]
    pub fn with_suites(mut self, suites: &[CipherSuite]) -> Self {
        self.suites = without_repeats(suites);
        self
    }

    /// The groups that are offered or accepted (RFC 8422 section 5.1.1), the best first; [`DEFAULT_GROUPS`] by default. At least one
    /// if there is a suite with an ephemeral exchange; what comes twice counts once. A server takes the
    /// first of its own list that the client offers, and no such suite if there is none.
    #[must_use]
    pub fn with_groups(mut self, groups: &[Group]) -> Self {
        self.groups = without_repeats(groups);
        self
    }

    /// The largest datagram (RFC 6347 section 4.1.1.1), in bytes, [`MIN_MTU`] to 65507. Take the bytes of a wrapper off beforehand.
    #[must_use]
    pub fn with_mtu(mut self, mtu: usize) -> Self {
        self.mtu = mtu;
        self
    }

    /// The wait before the first retransmission; it doubles up to `max` (RFC 6347 section 4.2.4.1).
    #[must_use]
    pub fn with_retransmit_timeout(mut self, initial: Duration, max: Duration) -> Self {
        self.initial_timeout = initial;
        self.max_timeout = max.max(initial);
        self
    }

    /// How often one flight is sent again before the handshake is given up (RFC 6347 section 4.2.4).
    #[must_use]
    pub fn with_max_retransmits(mut self, max: u32) -> Self {
        self.max_retransmits = max;
        self
    }

    /// Whether to hand out [`Event::KeyLog`](crate::Event::KeyLog). Off by default: the line is a secret.
    #[must_use]
    pub fn with_key_log(mut self, on: bool) -> Self {
        self.key_log = on;
        self
    }

    /// Whether a server asks for a cookie first (RFC 6347 section 4.2.1). On by default; a client does not
    /// look at it: it answers a HelloVerifyRequest whenever one comes.
    #[must_use]
    pub fn with_cookie_exchange(mut self, on: bool) -> Self {
        self.cookie_exchange = on;
        self
    }

    /// The secret that cookies are made with. Without one, every connection draws its own.
    ///
    /// A server that wants to keep nothing at all before a valid cookie uses an
    /// [`Acceptor`](crate::Acceptor), which draws and changes secrets by itself; or sets one here, and drops
    /// every connection that has [not begun](crate::Connection::has_begun) after a datagram. A cookie holds
    /// for as long as its secret does.
    #[must_use]
    pub fn with_cookie_secret(mut self, secret: [u8; 32]) -> Self {
        self.cookie_secret = Some(Zeroizing::new(secret));
        self
    }

    /// A server's PSK identity hint (RFC 4279 section 5.2), none by default. Clients other than
    /// [`Config::client_by_hint`] ignore hints.
    #[must_use]
    pub fn with_identity_hint(mut self, new_hint: impl AsRef<[u8]>) -> Self {
        if let Role::Server { hint, .. } = &mut self.role {
            *hint = new_hint.as_ref().to_vec();
        }
        self
    }

    /// Whether to offer (client) or answer (server) the extended master secret (RFC 7627). On by default,
    /// and never demanded; cameras do without (wire.md section 7).
    #[must_use]
    pub fn with_extended_master_secret(mut self, on: bool) -> Self {
        self.extended_master_secret = on;
        self
    }

    /// Whether to offer (client) or answer (server) encrypt-then-MAC (RFC 7366) with CBC suites. On by
    /// default, and never demanded. Other suites have no use for it.
    #[must_use]
    pub fn with_encrypt_then_mac(mut self, on: bool) -> Self {
        self.encrypt_then_mac = on;
        self
    }

    /// Whether any of the suites has an ephemeral exchange.
    pub(crate) fn uses_groups(&self) -> bool {
        self.suites.iter().any(|suite| suite.has_forward_secrecy())
    }

    /// Whether any of the suites is a CBC suite.
    pub(crate) fn uses_cbc(&self) -> bool {
        self.suites.iter().any(|suite| suite.is_cbc())
    }

    /// Fails if anything is out of range, or if the provider cannot do a suite or a group.
    pub(crate) fn ready(&self) -> Result<CryptoProvider, Error> {
        self.validate()?;
        let provider = self.provider.clone().ok_or(Error::NoProvider)?;
        for suite in &self.suites {
            suite.suite().cipher.check(&provider)?;
        }
        if self.uses_groups() {
            for group in &self.groups {
                group.find(&provider)?;
            }
        }
        Ok(provider)
    }

    fn validate(&self) -> Result<(), Error> {
        check("the MTU", MIN_MTU, MAX_MTU, self.mtu)?;
        let suites = self.suites.len();
        check("the number of suites", 1, CipherSuite::ALL.len(), suites)?;
        let least = usize::from(self.uses_groups());
        let groups = self.groups.len();
        check("the number of groups", least, Group::ALL.len(), groups)?;
        match &self.role {
            Role::Client(Credentials::Known { identity, psk }) => check_identity(identity, psk),
            Role::Client(Credentials::ByHint(_)) => Ok(()),
            Role::Server { hint, .. } => check("the hint's length", 0, MAX_IDENTITY, hint.len()),
        }
    }
}

pub(crate) fn check_identity(identity: &[u8], psk: &Psk) -> Result<(), Error> {
    check("the identity's length", 1, MAX_IDENTITY, identity.len())?;
    check_psk(psk)
}

pub(crate) fn check_psk(psk: &Psk) -> Result<(), Error> {
    check("the pre-shared key's length", 1, MAX_PSK, psk.0.len())
}

fn without_repeats<T: Copy + PartialEq>(list: &[T]) -> Vec<T> {
    let mut once = Vec::new();
    for item in list {
        if !once.contains(item) {
            once.push(*item);
        }
    }
    once
}

fn check(what: &'static str, min: usize, max: usize, got: usize) -> Result<(), Error> {
    if (min..=max).contains(&got) {
        Ok(())
    } else {
        Err(Error::OutOfRange {
            what,
            min,
            max,
            got,
        })
    }
}

#[cfg(feature = "aws-lc-rs")]
fn default_provider() -> Option<CryptoProvider> {
    Some(dimpl::crypto::aws_lc_rs::default_provider())
}

#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
fn default_provider() -> Option<CryptoProvider> {
    Some(dimpl::crypto::rust_crypto::default_provider())
}

#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
fn default_provider() -> Option<CryptoProvider> {
    None
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field(
                "role",
                match &self.role {
                    Role::Client(_) => &"client",
                    Role::Server { .. } => &"server",
                },
            )
            .field("suites", &self.suites)
            .field("groups", &self.groups)
            .field("mtu", &self.mtu)
            .field("cookie_exchange", &self.cookie_exchange)
            .field("extended_master_secret", &self.extended_master_secret)
            .field("encrypt_then_mac", &self.encrypt_then_mac)
            .finish_non_exhaustive()
    }
}
