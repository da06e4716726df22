//! Passwords: plain text, or Argon2id hashes (RFC 9106), which take milliseconds to check.

use std::collections::VecDeque;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use rand::TryRng as _;
use rand::rngs::SysRng;
use sha2::Sha256;
use sha2::digest::Digest as _;
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use super::{Accounts, AuthError, User};
use crate::error::Error;
use crate::login_budget::{Reservation, prefix};

/// The start of hashes.
const PREFIX: &str = "$argon2id$";

/// The most memory of a hash, in KiB. [`hash_password`] uses 19 MiB.
const MAX_MEMORY: u32 = 256 << 10;

/// The most passes over the memory. [`hash_password`] uses 2.
const MAX_PASSES: u32 = 16;

/// The number of hashes that are computed at the same time.
const MAX_PARALLEL: usize = 2;

/// The number of right passwords that are remembered, by a keyed hash, so that they are not hashed
/// with each request.
const MAX_KNOWN: usize = 64;

/// A hash that no password has, for names without an account.
const DUMMY_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm8gc3VjaCBhY2NvdW50$\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Returns an Argon2id hash of a password, for [`Account::new`](super::Account::new). It takes some
/// milliseconds.
///
/// # Errors
/// [`Error::Io`] if the system has no randomness.
pub fn hash_password(password: &str) -> Result<String, Error> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    let hash: argon2::password_hash::phc::PasswordHash =
        hash.map_err(|error| std::io::Error::other(error.to_string()))?;
    Ok(hash.to_string())
}

/// The password of an account.
#[derive(Clone)]
pub(super) enum Secret {
    Plain(Zeroizing<String>),
    Hash(Arc<PasswordHash>),
}

impl Secret {
    /// Returns `None` for an invalid hash, and one that takes too long.
    pub(super) fn new(password: &str) -> Option<Self> {
        if !password.starts_with(PREFIX) {
            return Some(Self::Plain(Zeroizing::new(password.to_owned())));
        }
        let hash = PasswordHash::new(password).ok()?;
        let params = argon2::Params::try_from(&hash).ok()?;
        let fits = params.m_cost() <= MAX_MEMORY && params.t_cost() <= MAX_PASSES;
        (fits && hash.hash.is_some()).then(|| Self::Hash(Arc::new(hash)))
    }

    pub(super) fn plain(&self) -> Option<&str> {
        match self {
            Self::Plain(password) => Some(password),
            Self::Hash(_) => None,
        }
    }

    pub(super) fn hash(&self) -> Option<Arc<PasswordHash>> {
        match self {
            Self::Plain(_) => None,
            Self::Hash(hash) => Some(Arc::clone(hash)),
        }
    }
}

/// Omits the secret.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain(..)",
            Self::Hash(_) => "Hash(..)",
        })
    }
}

/// Limits the checks of hashes, and remembers right passwords.
pub(super) struct Verifier {
    /// Random. `None` if the system has no randomness; then nothing is remembered.
    key: Option<Zeroizing<[u8; 32]>>,
    known: Mutex<VecDeque<[u8; 32]>>,
    pending: Mutex<PendingChecks>,
    parallel: Arc<Semaphore>,
}

impl Default for Verifier {
    fn default() -> Self {
        let mut key = Zeroizing::new([0; 32]);
        let random = SysRng.try_fill_bytes(key.as_mut_slice()).is_ok();
        Self {
            key: random.then_some(key),
            known: Mutex::default(),
            pending: Mutex::default(),
            parallel: Arc::new(Semaphore::new(MAX_PARALLEL)),
        }
    }
}

/// Omits the key and the passwords.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

impl Verifier {
    /// Returns what is remembered of the right password for a hash.
    fn tag(&self, hash: &PasswordHash, password: &[u8]) -> Option<[u8; 32]> {
        let key = self.key.as_ref()?;
        let mut tag = Sha256::new();
        tag.update(key.as_slice());
        tag.update(hash.to_string());
        tag.update(password);
        // A keyed hash with its length at the end, which cannot be extended.
        tag.update(password.len().to_le_bytes());
        tag.update(key.as_slice());
        Some(tag.finalize().into())
    }

    pub(super) fn pending(&self) -> MutexGuard<'_, PendingChecks> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns how many checks could begin at once.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.parallel.available_permits()
    }

    fn knows(&self, tag: &[u8; 32]) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(tag)
    }

    fn remember(&self, tag: [u8; 32]) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(&tag) {
            return;
        }
        if known.len() == MAX_KNOWN {
            known.pop_front();
        }
        known.push_back(tag);
    }
}

/// A password that must be checked against a hash, which takes some milliseconds. Clones are the
/// same check.
#[derive(Clone)]
pub struct PasswordCheck(Arc<Pending>);

struct Pending {
    accounts: Accounts,
    reservation: Reservation,
    name: Vec<u8>,
    /// `None` if the password is wrong, and only the time has to pass.
    hash: Option<Arc<PasswordHash>>,
    password: Zeroizing<Vec<u8>>,
    result: OnceLock<Result<User, AuthError>>,
}

impl PasswordCheck {
    pub(super) fn new(
        accounts: Accounts,
        reservation: Reservation,
        hash: Option<Arc<PasswordHash>>,
        name: &[u8],
        password: &[u8],
    ) -> Self {
        Self(Arc::new(Pending {
            accounts,
            reservation,
            hash,
            name: name.to_vec(),
            password: Zeroizing::new(password.to_vec()),
            result: OnceLock::new(),
        }))
    }

    fn tag(&self) -> Option<[u8; 32]> {
        let hash = self.0.hash.as_ref()?;
        self.0.accounts.verifier.tag(hash, &self.0.password)
    }

    /// Returns `true` if the password is known to be right.
    pub(super) fn is_known(&self) -> bool {
        let tag = self.tag();
        tag.is_some_and(|tag| self.0.accounts.verifier.knows(&tag))
    }

    /// Returns `true` if the password is right. Blocks for some milliseconds: call it on a thread
    /// that may be blocked.
    #[must_use]
    pub fn verify(&self) -> bool {
        let verify = |hash: &PasswordHash| {
            let verified = Argon2::default().verify_password(&self.0.password, hash);
            verified.is_ok()
        };
        match &self.0.hash {
            Some(hash) => verify(hash),
            None => {
                let _ = PasswordHash::new(DUMMY_HASH).map(|hash| verify(&hash));
                false
            }
        }
    }

    /// Checks the password on another thread, and completes the check, also if the future is
    /// dropped. At most [`MAX_PARALLEL`] checks run at the same time.
    pub(crate) fn run(self) -> impl Future<Output = Result<User, AuthError>> + Send + 'static {
        let parallel = Arc::clone(&self.0.accounts.verifier.parallel);
        let task = tokio::spawn(async move {
            // The semaphore is never closed. The thread keeps the permit until the check is
            // complete.
            let permit = parallel.acquire_owned().await;
            let checked = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                self.complete_with(|| self.verify())
            });
            checked.await
        });
        async move { task.await.flatten().unwrap_or(Err(AuthError::Wrong)) }
    }

    /// Completes the check with its result. The first one counts.
    pub(crate) fn complete(&self, right: bool) -> Result<User, AuthError> {
        self.complete_with(|| right)
    }

    /// Completes the check. Clones that are completed meanwhile wait for the result.
    fn complete_with(&self, is_right: impl FnOnce() -> bool) -> Result<User, AuthError> {
        let Pending {
            accounts,
            reservation,
            result,
            ..
        } = &*self.0;
        let complete = || {
            let right = is_right();
            if right && let Some(tag) = self.tag() {
                accounts.verifier.remember(tag);
            }
            accounts.checked(reservation, right)
        };
        result.get_or_init(complete).clone()
    }
}

/// The checks that are not complete. An attempt with the name and the password of one of them joins
/// it, and is not counted: otherwise, a client that sends several requests at once would use up the
/// budget with its right password.
#[derive(Default)]
pub(super) struct PendingChecks(Vec<Weak<Pending>>);

impl PendingChecks {
    /// Returns the check of the same attempt from the same address.
    pub(super) fn find(
        &self,
        accounts: &Accounts,
        peer: IpAddr,
        name: &[u8],
        password: &[u8],
    ) -> Option<PasswordCheck> {
        let same = |check: &Arc<Pending>| {
            check.result.get().is_none()
                // Clones of the accounts may differ.
                && Arc::ptr_eq(&check.accounts.all, &accounts.all)
                && prefix(check.reservation.peer) == prefix(peer)
                && check.name == name
                && check.password.ct_eq(password).into()
        };
        let mut pending = self.0.iter().filter_map(Weak::upgrade);
        pending.find(same).map(PasswordCheck)
    }

    pub(super) fn push(&mut self, check: &PasswordCheck) {
        let is_pending = |check: Arc<Pending>| check.result.get().is_none();
        self.0
            .retain(|check| check.upgrade().is_some_and(is_pending));
        self.0.push(Arc::downgrade(&check.0));
    }
}

impl PartialEq for PasswordCheck {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for PasswordCheck {}

/// Omits the password.
impl fmt::Debug for PasswordCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordCheck").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_right_password_is_forgotten() {
        let verifier = Verifier::default();
        let tags = (0_u8..).take(MAX_KNOWN + 1).map(|number| [number; 32]);
        let tags: Vec<_> = tags.collect();
        for tag in &tags {
            verifier.remember(*tag);
            verifier.remember(*tag);
        }
        assert!(!verifier.knows(&tags[0]));
        assert!(tags[1..].iter().all(|tag| verifier.knows(tag)));
    }
}
