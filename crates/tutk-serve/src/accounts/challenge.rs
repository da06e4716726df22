//! Challenges and their responses in the `Digest` and `Basic` schemes.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use md5::Md5;
use sha2::Sha256;
use sha2::digest::Digest;
use zeroize::Zeroizing;

use super::{Accounts, Login, User};
use crate::hex::hex;

/// The realm, which clients show to the user.
pub(crate) const REALM: &str = "tutk";

/// The authentication challenge of one connection.
#[derive(Debug)]
pub(crate) struct Challenge {
    /// Valid on this connection only, so that a response recorded on another connection is useless.
    pub(super) nonce: String,
    /// The largest nonce count of the client (RFC 7616 section 3.4, `nc`).
    count: u32,
}

/// Why authentication failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AuthError {
    /// No credentials, or none that name an account and a password.
    Unauthorized,
    /// A wrong name or password.
    Wrong,
    /// The password was not checked, or was wrong. The next attempt has to wait.
    Delayed(Duration),
    /// Correct credentials with an old nonce. The client can retry without asking the user.
    Stale,
}

impl Challenge {
    /// Creates a challenge with a random nonce.
    pub(crate) fn new(random: [u8; 16]) -> Self {
        Self {
            nonce: hex(&random),
            count: 0,
        }
    }

    /// Returns the `WWW-Authenticate` headers. Most clients use the last scheme that they support.
    /// ffmpeg fails if the last `Digest` algorithm is unknown to it, so MD5 comes after SHA-256.
    ///
    /// `Basic` is offered if the connection `allows_plain` passwords. `Digest` is offered if it is
    /// of use: some clients prefer it, so it would lock out accounts with hashed passwords that can
    /// use `Basic`. Nothing is left if all passwords are hashed and `Basic` is not allowed.
    pub(crate) fn headers(
        &self,
        accounts: &Accounts,
        allows_plain: bool,
        error: AuthError,
    ) -> Vec<String> {
        let stale = match error {
            AuthError::Stale => ", stale=true",
            _ => "",
        };
        let nonce = &self.nonce;
        let digest = |algorithm| {
            format!(
                "Digest realm=\"{REALM}\", nonce=\"{nonce}\", algorithm={algorithm}, qop=\"auth\"{stale}"
            )
        };
        let mut headers = Vec::new();
        if accounts.has_plain_passwords() && !(allows_plain && accounts.has_hashes()) {
            headers.extend([digest("SHA-256"), digest("MD5")]);
        }
        if allows_plain {
            headers.push(format!("Basic realm=\"{REALM}\""));
        }
        headers
    }

    /// Checks an `Authorization` header of a client at `peer`. `Basic` is refused unless the
    /// connection `allows_plain` passwords. `accepts_uri` returns `true` if the signed URI belongs
    /// to the request.
    pub(crate) fn check(
        &mut self,
        accounts: &Accounts,
        (now, peer): (Instant, IpAddr),
        allows_plain: bool,
        method: &str,
        authorization: Option<&str>,
        accepts_uri: impl Fn(&str) -> bool,
    ) -> Login {
        if accounts.allows_anonymous() {
            return Login::Done(Ok(User::ANONYMOUS));
        }
        match authorization.and_then(|header| Some((header, header.split_once(' ')?))) {
            Some((header, (scheme, _))) if allows_plain && scheme.eq_ignore_ascii_case("Basic") => {
                accounts.check_basic(now, peer, header)
            }
            Some((_, (scheme, rest))) if scheme.eq_ignore_ascii_case("Digest") => {
                Login::Done(self.check_digest(accounts, (now, peer), method, rest, accepts_uri))
            }
            _ => Login::Done(Err(AuthError::Unauthorized)),
        }
    }

    fn check_digest(
        &mut self,
        accounts: &Accounts,
        (now, peer): (Instant, IpAddr),
        method: &str,
        parameters: &str,
        accepts_uri: impl Fn(&str) -> bool,
    ) -> Result<User, AuthError> {
        let response = DigestResponse::parse(parameters).ok_or(AuthError::Unauthorized)?;
        if response.realm != REALM || !accepts_uri(&response.uri) {
            return Err(AuthError::Unauthorized);
        }
        let user = accounts.log_in(now, peer, response.user.as_bytes(), || {
            response.is_valid(accounts, method)
        })?;
        if response.nonce != self.nonce {
            return Err(AuthError::Stale);
        }
        // Each nonce count is used once. A repeated one is a replay.
        if let Some((_, count, _)) = &response.qop {
            let count = u32::from_str_radix(count, 16).map_err(|_| AuthError::Unauthorized)?;
            if count <= self.count {
                return Err(AuthError::Stale);
            }
            self.count = count;
        }
        Ok(user)
    }
}

/// A response of the `Digest` scheme (RFC 7616 section 3.4), or of RFC 2069 without `qop`.
#[derive(Debug, Default)]
pub(super) struct DigestResponse {
    pub(super) user: String,
    pub(super) realm: String,
    pub(super) nonce: String,
    pub(super) uri: String,
    pub(super) response: String,
    pub(super) sha256: bool,
    /// `qop`, `nc` and `cnonce`.
    pub(super) qop: Option<(String, String, String)>,
}

impl DigestResponse {
    fn parse(text: &str) -> Option<Self> {
        let mut response = Self::default();
        let (mut qop, mut count, mut client_nonce) = (None, None, None);
        let mut rest = text;
        while let Some((name, value, behind)) = parameter(rest)? {
            rest = behind;
            match name.to_ascii_lowercase().as_str() {
                "username" => response.user = value,
                "realm" => response.realm = value,
                "nonce" => response.nonce = value,
                "uri" => response.uri = value,
                "response" => response.response = value.to_ascii_lowercase(),
                "algorithm" => match value.to_ascii_uppercase().as_str() {
                    "MD5" => response.sha256 = false,
                    "SHA-256" => response.sha256 = true,
                    _ => return None,
                },
                "qop" => qop = Some(value),
                "nc" => count = Some(value),
                "cnonce" => client_nonce = Some(value),
                _ => {}
            }
        }
        response.qop = match (qop, count, client_nonce) {
            (None, ..) => None,
            (Some(qop), Some(count), Some(nonce)) if qop == "auth" => Some((qop, count, nonce)),
            _ => return None,
        };
        Some(response)
    }

    fn is_valid(&self, accounts: &Accounts, method: &str) -> bool {
        accounts.any(self.user.as_bytes(), self.response.as_bytes(), |password| {
            let response = match self.sha256 {
                true => self.response_by::<Sha256>(password, method),
                false => self.response_by::<Md5>(password, method),
            };
            response.into_bytes()
        })
    }

    /// RFC 7616 sections 3.4.1 to 3.4.3.
    pub(super) fn response_by<D: Digest>(&self, password: &str, method: &str) -> String {
        let parts = |parts: &[&str]| {
            let mut hasher = D::new();
            for (at, part) in parts.iter().enumerate() {
                if at > 0 {
                    hasher.update(b":");
                }
                hasher.update(part.as_bytes());
            }
            hex(&hasher.finalize())
        };
        let secret = Zeroizing::new(parts(&[&self.user, REALM, password]));
        let what = parts(&[method, &self.uri]);
        match &self.qop {
            None => parts(&[&secret, &self.nonce, &what]),
            Some((qop, count, nonce)) => parts(&[&secret, &self.nonce, count, nonce, qop, &what]),
        }
    }
}

/// Returns the first `name=value` of a list and the rest of the list. Returns `Some(None)` at the
/// end, and `None` for an invalid list.
fn parameter(text: &str) -> Option<Option<(&str, String, &str)>> {
    let text = text.trim_start_matches([' ', '\t', ',']);
    if text.is_empty() {
        return Some(None);
    }
    let (name, rest) = text.split_once('=')?;
    let rest = rest.trim_start();
    let Some(quoted) = rest.strip_prefix('"') else {
        let (value, behind) = rest.split_once(',').unwrap_or((rest, ""));
        return Some(Some((name.trim(), value.trim().to_owned(), behind)));
    };
    let mut value = String::new();
    let mut letters = quoted.chars();
    loop {
        match letters.next()? {
            '"' => return Some(Some((name.trim(), value, letters.as_str()))),
            '\\' => value.push(letters.next()?),
            letter => value.push(letter),
        }
    }
}
