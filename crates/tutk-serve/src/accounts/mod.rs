//! Accounts and their users, with Digest and Basic authentication (RFC 7616, RFC 7617).

mod challenge;
mod password;
mod user;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::Sha256;
use sha2::digest::Digest;
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

#[cfg(any(feature = "http", test))]
pub(crate) use self::challenge::REALM;
pub(crate) use self::challenge::{AuthError, Challenge};
pub use self::password::{PasswordCheck, hash_password};
use self::password::{Secret, Verifier};
pub use self::user::Role;
pub(crate) use self::user::User;
use crate::error::Error;
use crate::limits::MAX_ACCOUNT_BYTES;
use crate::login_budget::{LoginBudget, Reservation};

/// The accounts of a server. Without accounts, anonymous access is allowed.
///
/// Clones share the budget of wrong passwords: after [`MAX_FAILURES`](crate::MAX_FAILURES) wrong
/// passwords for an account from one address, further attempts have to wait, up to
/// [`MAX_LOGIN_DELAY`](crate::MAX_LOGIN_DELAY). Give clones of the same accounts to all servers.
///
/// ```
/// use tutk_serve::{Account, Accounts, Role};
///
/// let mut accounts = Accounts::none();
/// accounts.add("anna", "a password")?;
/// let hash = tutk_serve::hash_password("another one")?;
/// accounts.add_account(
///     Account::new("ben", &hash)?
///         .with_role(Role::View)
///         .with_cameras(["door"]),
/// );
/// # Ok::<(), tutk_serve::Error>(())
/// ```
#[derive(Debug, Default, Clone)]
pub struct Accounts {
    all: Arc<Vec<Account>>,
    budget: Arc<LoginBudget>,
    verifier: Arc<Verifier>,
}

/// The account of a user.
#[derive(Debug, Clone)]
pub struct Account {
    secret: Secret,
    user: User,
}

/// The result of a login, or a check that has to be made first.
#[derive(Debug)]
pub(crate) enum Login {
    Done(Result<User, AuthError>),
    Check(PasswordCheck),
}

impl Account {
    /// Creates an account of an administrator of all cameras. `password` is plain text, or a hash
    /// of [`hash_password`], which begins with `$argon2id$`. Clients of RTSP cannot use the
    /// `Digest` scheme with a hash.
    ///
    /// # Errors
    /// [`Error::InvalidAccount`] if the name is empty or contains `:` or `"`, if name or password
    /// contain a control character or have more than [`MAX_ACCOUNT_BYTES`], or if the hash is
    /// invalid or would take too much memory. Clients could not send them.
    pub fn new(name: &str, password: &str) -> Result<Self, Error> {
        let fits = |text: &str| text.len() <= MAX_ACCOUNT_BYTES && !text.contains(char::is_control);
        let valid = !name.is_empty() && !name.contains([':', '"']) && fits(name) && fits(password);
        let secret = valid.then(|| Secret::new(password)).flatten();
        Ok(Self {
            secret: secret.ok_or_else(|| Error::InvalidAccount(name.to_owned()))?,
            user: User::new(name, Role::Admin),
        })
    }

    /// Sets the permissions of the user.
    #[must_use]
    pub fn with_role(self, role: Role) -> Self {
        Self {
            user: self.user.with_role(role),
            ..self
        }
    }

    /// Restricts the user to these cameras. The server does not show that there are others.
    #[must_use]
    pub fn with_cameras<T: Into<String>>(self, cameras: impl IntoIterator<Item = T>) -> Self {
        Self {
            user: self
                .user
                .with_cameras(cameras.into_iter().map(Into::into).collect()),
            ..self
        }
    }

    /// Returns `true` if the password is plain text.
    #[must_use]
    pub fn has_plain_password(&self) -> bool {
        self.secret.plain().is_some()
    }
}

impl Accounts {
    /// Allows anonymous access.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds an account of an administrator, as [`Account::new`] creates it.
    ///
    /// # Errors
    /// The error of [`Account::new`].
    pub fn add(&mut self, name: &str, password: &str) -> Result<(), Error> {
        self.add_account(Account::new(name, password)?);
        Ok(())
    }

    /// Adds an account. It replaces one with the same name.
    pub fn add_account(&mut self, account: Account) {
        let index = self.index(account.user.name().as_bytes());
        let all = Arc::make_mut(&mut self.all);
        match index.and_then(|index| all.get_mut(index)) {
            Some(same) => *same = account,
            None => all.push(account),
        }
    }

    /// Returns `true` if anonymous access is allowed.
    #[must_use]
    pub fn allows_anonymous(&self) -> bool {
        self.all.is_empty()
    }

    /// Returns `true` if a password is hashed. Its account cannot use the `Digest` scheme.
    fn has_hashes(&self) -> bool {
        let mut all = self.all.iter();
        all.any(|account| !account.has_plain_password())
    }

    /// Returns `true` if a password is plain text.
    fn has_plain_passwords(&self) -> bool {
        self.all.iter().any(Account::has_plain_password)
    }

    /// Checks an `Authorization` header in the `Basic` scheme (RFC 7617).
    pub(crate) fn check_basic(&self, now: Instant, peer: IpAddr, authorization: &str) -> Login {
        let unauthorized = Login::Done(Err(AuthError::Unauthorized));
        let credentials = match authorization.split_once(' ') {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("Basic") => rest.trim(),
            _ => return unauthorized,
        };
        let Ok(decoded) = BASE64_STANDARD.decode(credentials) else {
            return unauthorized;
        };
        let decoded = Zeroizing::new(decoded);
        let mut parts = decoded.splitn(2, |&byte| byte == b':');
        match (parts.next(), parts.next()) {
            (Some(name), Some(password)) => self.check_password(now, peer, name, password),
            _ => unauthorized,
        }
    }

    /// Checks a name and a password, if the budget of the account and the address allows it.
    pub(crate) fn check_password(
        &self,
        now: Instant,
        peer: IpAddr,
        name: &[u8],
        password: &[u8],
    ) -> Login {
        let index = self.index(name);
        // Locked to the end, so that one of several equal attempts reserves.
        let mut pending = self.verifier.pending();
        if let Some(check) = pending.find(self, peer, name, password) {
            return Login::Check(check);
        }
        let reservation = match self.budget.reserve(now, peer, index) {
            Ok(reservation) => reservation,
            Err(wait) => return Login::Done(Err(AuthError::Delayed(wait))),
        };
        let right = self.any(name, &digest(password), |plain| digest(plain.as_bytes()));
        if right || !self.has_hashes() {
            return Login::Done(self.checked(&reservation, right));
        }
        // Wrong names, and wrong passwords of all accounts, take as long as a hash.
        let account = index.and_then(|index| self.all.get(index));
        let hash = account.and_then(|account| account.secret.hash());
        let check = PasswordCheck::new(self.clone(), reservation, hash, name, password);
        if check.is_known() {
            return Login::Done(self.checked(&reservation, true));
        }
        pending.push(&check);
        Login::Check(check)
    }

    /// Checks a plain password with `is_right`, if the budget of the account and the address allows
    /// it.
    fn log_in(
        &self,
        now: Instant,
        peer: IpAddr,
        name: &[u8],
        is_right: impl FnOnce() -> bool,
    ) -> Result<User, AuthError> {
        let reserved = self.budget.reserve(now, peer, self.index(name));
        let reservation = reserved.map_err(AuthError::Delayed)?;
        // Also checked without an account, so that the time does not show which names exist.
        let right = is_right();
        self.checked(&reservation, right)
    }

    /// Completes a reserved check.
    fn checked(&self, reservation: &Reservation, right: bool) -> Result<User, AuthError> {
        let account = reservation.account.and_then(|index| self.all.get(index));
        match account {
            Some(account) if right => {
                self.budget.succeed(reservation);
                Ok(account.user.clone())
            }
            _ => Err(reservation
                .delay
                .map_or(AuthError::Wrong, AuthError::Delayed)),
        }
    }

    /// Returns the index of the account with this name.
    fn index(&self, name: &[u8]) -> Option<usize> {
        let mut all = self.all.iter();
        all.position(|account| account.user.name().as_bytes() == name)
    }

    /// Returns `true` if an account with this name and a plain password has the `expected` value.
    /// The time does not depend on which account matches.
    fn any(&self, name: &[u8], found: &[u8], expected: impl Fn(&str) -> Vec<u8>) -> bool {
        let mut any = Choice::from(0);
        for account in self.all.iter() {
            let Some(password) = account.secret.plain() else {
                continue;
            };
            let named = digest(name).ct_eq(&digest(account.user.name().as_bytes()));
            any |= named & expected(password).ct_eq(found);
        }
        any.into()
    }
}

fn digest(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

#[cfg(test)]
mod tests;
