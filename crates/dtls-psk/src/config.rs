//! The configuration of an endpoint.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use zeroize::Zeroizing;

use crate::cipher_suite::CipherSuite;
use crate::crypto::CryptoProvider;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
use crate::crypto::default_provider;
use crate::error::Error;
use crate::group::Group;

/// The default cipher suites: one AEAD suite with forward secrecy.
pub const DEFAULT_SUITES: &[CipherSuite] = &[CipherSuite::EcdhePskChacha20Poly1305Sha256];
/// The default groups.
pub const DEFAULT_GROUPS: &[Group] = &[Group::X25519];
/// The default maximum datagram size, in bytes (RFC 6347 section 4.1.1.1).
pub const DEFAULT_MTU: usize = 1200;
/// The smallest accepted MTU, in bytes.
pub const MIN_MTU: usize = 256;
/// The largest accepted MTU, in bytes: the largest UDP payload over IPv4.
const MAX_MTU: usize = 65_507;
/// The default timeout before the first retransmission. RFC 6347 section 4.2.4.1 recommends 1 s.
pub const DEFAULT_INITIAL_TIMEOUT: Duration = Duration::from_millis(300);
/// The default limit of the retransmission timeout (RFC 6347 section 4.2.4.1).
pub const DEFAULT_MAX_TIMEOUT: Duration = Duration::from_secs(60);
/// The default number of retransmissions of one flight (RFC 6347 section 4.2.4 sets no limit).
pub const DEFAULT_MAX_RETRANSMITS: u32 = 7;
/// The largest accepted handshake message without its header, in bytes. The format allows 2^24 - 1
/// (RFC 6347 section 4.2.3).
pub const MAX_HANDSHAKE_MESSAGE: usize = 8192;
/// The longest PSK identity, in bytes. RFC 4279 section 5.3 requires support for 128.
pub const MAX_IDENTITY: usize = 1024;
/// The longest pre-shared key, in bytes. RFC 4279 section 5.3 requires support for 64.
const MAX_PSK: usize = 1024;

/// A pre-shared key (RFC 4279 section 2). It is zeroed on drop and redacted in `Debug`.
#[derive(Clone)]
pub struct Psk(Zeroizing<Vec<u8>>);

impl Psk {
    /// Copies `key`, which must have 1 to 1024 bytes. Creating a connection checks the length.
    pub fn new(key: impl AsRef<[u8]>) -> Self {
        Self(Zeroizing::new(key.as_ref().to_vec()))
    }

    /// Returns the bytes of the key.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Psk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Psk(..)")
    }
}

/// Looks up a server's keys by identity (RFC 4279 section 5.3).
///
/// It is implemented for all `Fn(&[u8]) -> Option<Psk>`. The duration of a lookup can reveal to a
/// peer that an identity exists. Where that matters, use a constant-time lookup.
pub trait PskLookup: Send + Sync {
    /// Returns the key for `identity`, which has at most [`MAX_IDENTITY`] bytes.
    ///
    /// If it returns `None`, the handshake continues with a random key, so that a client cannot
    /// distinguish an unknown identity from a wrong key (RFC 4279 section 2).
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

/// Selects a client's identity by the server's hint (RFC 4279 section 5.2).
///
/// It is implemented for all `Fn(&[u8]) -> Option<(Vec<u8>, Psk)>`.
pub trait PskSelect: Send + Sync {
    /// Returns the identity (1 to [`MAX_IDENTITY`] bytes) and the key for `hint`.
    ///
    /// The hint has at most [`MAX_HANDSHAKE_MESSAGE`] bytes. It is empty if the server sent none.
    /// It is not authenticated at this point. If this returns `None`, the handshake fails with
    /// [`Error::NoIdentity`].
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

/// The configuration of a client or server.
///
/// [`Config::client`], [`Config::client_by_hint`] and [`Config::server`] use the
/// [default provider](crate::crypto) of the cryptography, and exist only if the crate has one.
///
/// ```
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
/// use dtls_psk::{Config, Psk};
///
/// let client = Config::client("a device", Psk::new([7; 32])).with_mtu(1100);
/// let server = Config::server(|identity: &[u8]| {
///     (identity == b"a device").then(|| Psk::new([7; 32]))
/// })
/// .with_cookie_exchange(false);
/// # }
/// ```
#[derive(Clone)]
pub struct Config {
    pub(crate) role: Role,
    pub(crate) provider: &'static dyn CryptoProvider,
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
    pub(crate) false_start: bool,
}

#[derive(Clone)]
pub(crate) enum Role {
    Client(Credentials),
    Server {
        lookup: Arc<dyn PskLookup>,
        hint: Vec<u8>,
    },
}

/// The identity and key of a client.
#[derive(Clone)]
pub(crate) enum Credentials {
    Known { identity: Vec<u8>, psk: Psk },
    ByHint(Arc<dyn PskSelect>),
}

impl Config {
    /// Creates the configuration of a client with `identity` (1 to [`MAX_IDENTITY`] bytes) and
    /// `psk`. RFC 4279 section 5.1 requires UTF-8 identities; this is not checked.
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub fn client(identity: impl AsRef<[u8]>, psk: Psk) -> Self {
        Self::client_with(default_provider(), identity, psk)
    }

    /// Creates the configuration of a client, like [`Config::client`], with a crypto provider.
    pub fn client_with(
        provider: &'static dyn CryptoProvider,
        identity: impl AsRef<[u8]>,
        psk: Psk,
    ) -> Self {
        let identity = identity.as_ref().to_vec();
        let credentials = Credentials::Known { identity, psk };
        Self::new(provider, Role::Client(credentials))
    }

    /// Creates the configuration of a client that selects its identity by the server's hint.
    ///
    /// RFC 4279 section 5.2 allows this only if both sides agree on the meaning of hints. Otherwise
    /// use [`Config::client`].
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub fn client_by_hint(select: impl PskSelect + 'static) -> Self {
        Self::client_by_hint_with(default_provider(), select)
    }

    /// Creates the configuration of a client, like [`Config::client_by_hint`], with a crypto
    /// provider.
    pub fn client_by_hint_with(
        provider: &'static dyn CryptoProvider,
        select: impl PskSelect + 'static,
    ) -> Self {
        let credentials = Credentials::ByHint(Arc::new(select));
        Self::new(provider, Role::Client(credentials))
    }

    /// Creates the configuration of a server that looks up keys with `lookup` (RFC 4279 section 2).
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    pub fn server(lookup: impl PskLookup + 'static) -> Self {
        Self::server_with(default_provider(), lookup)
    }

    /// Creates the configuration of a server, like [`Config::server`], with a crypto provider.
    pub fn server_with(
        provider: &'static dyn CryptoProvider,
        lookup: impl PskLookup + 'static,
    ) -> Self {
        let role = Role::Server {
            lookup: Arc::new(lookup),
            hint: Vec::new(),
        };
        Self::new(provider, role)
    }

    fn new(provider: &'static dyn CryptoProvider, role: Role) -> Self {
        Self {
            role,
            provider,
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
            false_start: false,
        }
    }

    /// Sets the offered or accepted suites in order of preference (RFC 5246 section 7.4.1.2). The
    /// default is [`DEFAULT_SUITES`]. At least one is required; duplicates are ignored.
    ///
    /// A server selects the first suite of its own list that the client offers.
    #[must_use]
    pub fn with_suites(mut self, suites: &[CipherSuite]) -> Self {
        self.suites = without_repeats(suites);
        self
    }

    /// Sets the offered or accepted groups in order of preference (RFC 8422 section 5.1.1). The
    /// default is [`DEFAULT_GROUPS`]. Suites with an ephemeral key exchange require at least one;
    /// duplicates are ignored.
    ///
    /// A server selects the first group of its own list that the client offers. Without a common
    /// group it selects no suite with an ephemeral key exchange.
    #[must_use]
    pub fn with_groups(mut self, groups: &[Group]) -> Self {
        self.groups = without_repeats(groups);
        self
    }

    /// Sets the maximum datagram size in bytes, [`MIN_MTU`] to 65507 (RFC 6347 section 4.1.1.1).
    /// Subtract the size of any encapsulation.
    #[must_use]
    pub fn with_mtu(mut self, mtu: usize) -> Self {
        self.mtu = mtu;
        self
    }

    /// Sets the timeout before the first retransmission. It doubles up to `max` (RFC 6347 section
    /// 4.2.4.1).
    #[must_use]
    pub fn with_retransmit_timeout(mut self, initial: Duration, max: Duration) -> Self {
        self.initial_timeout = initial;
        self.max_timeout = max.max(initial);
        self
    }

    /// Sets the number of retransmissions of one flight after which a handshake fails (RFC 6347
    /// section 4.2.4).
    #[must_use]
    pub fn with_max_retransmits(mut self, max: u32) -> Self {
        self.max_retransmits = max;
        self
    }

    /// Enables [`Event::KeyLog`](crate::Event::KeyLog). Off by default, because the line is a
    /// secret.
    #[must_use]
    pub fn with_key_log(mut self, on: bool) -> Self {
        self.key_log = on;
        self
    }

    /// Enables a server's cookie exchange (RFC 6347 section 4.2.1). On by default. A client ignores
    /// this setting: it answers every HelloVerifyRequest.
    #[must_use]
    pub fn with_cookie_exchange(mut self, on: bool) -> Self {
        self.cookie_exchange = on;
        self
    }

    /// Sets the cookie secret. By default each connection derives its own from
    /// its seed.
    ///
    /// A server that must keep no state before a valid cookie uses an
    /// [`Acceptor`](crate::Acceptor), which derives and rotates secrets. Alternatively it sets a
    /// secret here and drops every connection that has [not
    /// started](crate::Connection::has_started) after a datagram. A cookie is valid as long as its
    /// secret.
    #[must_use]
    pub fn with_cookie_secret(mut self, secret: [u8; 32]) -> Self {
        self.cookie_secret = Some(Zeroizing::new(secret));
        self
    }

    /// Sets a server's PSK identity hint (RFC 4279 section 5.2). The default is none. Only clients
    /// created with [`Config::client_by_hint`] use hints.
    #[must_use]
    pub fn with_identity_hint(mut self, new_hint: impl AsRef<[u8]>) -> Self {
        if let Role::Server { hint, .. } = &mut self.role {
            *hint = new_hint.as_ref().to_vec();
        }
        self
    }

    /// Enables the extended master secret (RFC 7627). On by default, but not required of the peer.
    #[must_use]
    pub fn with_extended_master_secret(mut self, on: bool) -> Self {
        self.extended_master_secret = on;
        self
    }

    /// Enables encrypt-then-MAC (RFC 7366) for CBC suites. On by default, but not required of the
    /// peer. Other suites do not use it.
    #[must_use]
    pub fn with_encrypt_then_mac(mut self, on: bool) -> Self {
        self.encrypt_then_mac = on;
        self
    }

    /// Enables false start (RFC 7918): a client can send data behind its Finished, one round trip
    /// before the server's Finished arrives. Off by default. A server ignores this setting: it
    /// always accepts such data.
    ///
    /// It applies only to suites with [forward secrecy](CipherSuite::has_forward_secrecy). The
    /// server has not proved yet that it knows the pre-shared key, but only a peer with the key can
    /// decrypt the data. An attacker without it can record the data and test guesses of the key,
    /// as with the client's Finished. So the key must not be guessable.
    ///
    /// A server may discard early data, and the client may connect to a server that never gets it.
    /// The application must repeat what is not answered. See [`Connection::can_send`].
    ///
    /// [`Connection::can_send`]: crate::Connection::can_send
    #[must_use]
    pub fn with_false_start(mut self, on: bool) -> Self {
        self.false_start = on;
        self
    }

    /// Returns `true` if any suite has an ephemeral key exchange.
    pub(crate) fn uses_groups(&self) -> bool {
        self.suites.iter().any(|suite| suite.has_forward_secrecy())
    }

    /// Returns `true` if any suite is a CBC suite.
    pub(crate) fn uses_cbc(&self) -> bool {
        self.suites.iter().any(|suite| suite.is_cbc())
    }

    /// Fails if a value is out of range, or if the provider does not support a suite or group.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.validate()?;
        for suite in &self.suites {
            if !self.provider.suites().contains(suite) {
                return Err(Error::ProviderLacks(suite.name()));
            }
        }
        let groups = self.groups.iter().filter(|_| self.uses_groups());
        for group in groups {
            if !self.provider.groups().contains(group) {
                return Err(Error::ProviderLacks(group.name()));
            }
        }
        Ok(())
    }

    fn validate(&self) -> Result<(), Error> {
        check("MTU", MIN_MTU, MAX_MTU, self.mtu)?;
        let suites = self.suites.len();
        check("number of suites", 1, CipherSuite::ALL.len(), suites)?;
        let least = usize::from(self.uses_groups());
        let groups = self.groups.len();
        check("number of groups", least, Group::ALL.len(), groups)?;
        match &self.role {
            Role::Client(Credentials::Known { identity, psk }) => check_identity(identity, psk),
            Role::Client(Credentials::ByHint(_)) => Ok(()),
            Role::Server { hint, .. } => check("identity hint length", 0, MAX_IDENTITY, hint.len()),
        }
    }
}

pub(crate) fn check_identity(identity: &[u8], psk: &Psk) -> Result<(), Error> {
    check("identity length", 1, MAX_IDENTITY, identity.len())?;
    check_psk(psk)
}

pub(crate) fn check_psk(psk: &Psk) -> Result<(), Error> {
    check("pre-shared key length", 1, MAX_PSK, psk.0.len())
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
            .field("provider", &self.provider)
            .field("suites", &self.suites)
            .field("groups", &self.groups)
            .field("mtu", &self.mtu)
            .field("cookie_exchange", &self.cookie_exchange)
            .field("extended_master_secret", &self.extended_master_secret)
            .field("encrypt_then_mac", &self.encrypt_then_mac)
            .field("false_start", &self.false_start)
            .finish_non_exhaustive()
    }
}
