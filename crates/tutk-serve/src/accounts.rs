//! Accounts, with Digest and Basic authentication (RFC 7616, RFC 7617).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::Md5;
use sha2::Sha256;
use sha2::digest::Digest;
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::hex::hex;
use crate::limits::MAX_ACCOUNT_BYTES;
use crate::login_budget::LoginBudget;

/// The realm, which clients show to the user.
pub(crate) const REALM: &str = "tutk";

/// The accounts of a server. Without accounts, anonymous access is allowed.
///
/// Clones share the budget of wrong passwords: after [`MAX_FAILURES`](crate::MAX_FAILURES) wrong
/// passwords for an account from one address, further attempts have to wait, up to
/// [`MAX_LOGIN_DELAY`](crate::MAX_LOGIN_DELAY). Give clones of the same accounts to all servers.
#[derive(Debug, Default, Clone)]
pub struct Accounts {
    all: Vec<Account>,
    budget: Arc<LoginBudget>,
}

#[derive(Clone)]
struct Account {
    name: String,
    password: Zeroizing<String>,
}

/// The authentication challenge of one connection.
#[derive(Debug)]
pub(crate) struct Challenge {
    /// Valid on this connection only, so that a response recorded on another connection is useless.
    nonce: String,
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

impl Accounts {
    /// Allows anonymous access.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds an account.
    ///
    /// # Errors
    /// [`Error::InvalidAccount`] if the name is empty or contains `:` or `"`, or if name or
    /// password contain a control character or have more than [`MAX_ACCOUNT_BYTES`]. Clients could
    /// not send them.
    pub fn add(&mut self, name: &str, password: &str) -> Result<(), Error> {
        let fits = |text: &str| text.len() <= MAX_ACCOUNT_BYTES && !text.contains(char::is_control);
        if name.is_empty() || name.contains([':', '"']) || !fits(name) || !fits(password) {
            return Err(Error::InvalidAccount(name.to_owned()));
        }
        self.all.push(Account {
            name: name.to_owned(),
            password: Zeroizing::new(password.to_owned()),
        });
        Ok(())
    }

    /// Returns `true` if anonymous access is allowed.
    pub fn allows_anonymous(&self) -> bool {
        self.all.is_empty()
    }

    /// Checks an `Authorization` header in the `Basic` scheme (RFC 7617).
    #[cfg(feature = "http")]
    pub(crate) fn check_basic(
        &self,
        now: Instant,
        peer: IpAddr,
        authorization: &str,
    ) -> Result<(), AuthError> {
        match authorization.split_once(' ') {
            Some((scheme, credentials)) if scheme.eq_ignore_ascii_case("Basic") => {
                basic(self, now, peer, credentials)
            }
            _ => Err(AuthError::Unauthorized),
        }
    }

    /// Checks a password with `is_right`, if the budget of the account and the address allows it.
    fn log_in(
        &self,
        now: Instant,
        peer: IpAddr,
        name: &[u8],
        is_right: impl FnOnce() -> bool,
    ) -> Result<(), AuthError> {
        let account = self.index(name);
        let reserved = self.budget.reserve(now, peer, account);
        reserved.map_err(AuthError::Delayed)?;
        // Also checked without an account, so that the time does not show which names exist.
        match (is_right(), account) {
            (true, Some(account)) => {
                self.budget.succeed(peer, account);
                Ok(())
            }
            _ => Err(match self.budget.fail(now, peer) {
                Some(wait) => AuthError::Delayed(wait),
                None => AuthError::Wrong,
            }),
        }
    }

    /// Returns the index of the account with this name.
    fn index(&self, name: &[u8]) -> Option<usize> {
        let mut all = self.all.iter();
        all.position(|account| account.name.as_bytes() == name)
    }

    /// Returns `true` if an account with this name has the `expected` value. The time does not
    /// depend on which account matches.
    fn any(&self, name: &[u8], found: &[u8], expected: impl Fn(&Account) -> Vec<u8>) -> bool {
        let mut any = Choice::from(0);
        for account in &self.all {
            let named =
                digest::<Sha256>(&[name]).ct_eq(&digest::<Sha256>(&[account.name.as_bytes()]));
            any |= named & expected(account).ct_eq(found);
        }
        any.into()
    }
}

/// Omits the password.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
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
    pub(crate) fn headers(&self, error: AuthError) -> [String; 3] {
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
        [
            digest("SHA-256"),
            digest("MD5"),
            format!("Basic realm=\"{REALM}\""),
        ]
    }

    /// Checks an `Authorization` header of a client at `peer`. `accepts_uri` returns `true` if the
    /// signed URI belongs to the request.
    pub(crate) fn check(
        &mut self,
        accounts: &Accounts,
        (now, peer): (Instant, IpAddr),
        method: &str,
        authorization: Option<&str>,
        accepts_uri: impl Fn(&str) -> bool,
    ) -> Result<(), AuthError> {
        if accounts.allows_anonymous() {
            return Ok(());
        }
        let (scheme, rest) = authorization
            .and_then(|header| header.split_once(' '))
            .ok_or(AuthError::Unauthorized)?;
        if scheme.eq_ignore_ascii_case("Basic") {
            return basic(accounts, now, peer, rest);
        }
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err(AuthError::Unauthorized);
        }
        let response = DigestResponse::parse(rest).ok_or(AuthError::Unauthorized)?;
        if response.realm != REALM || !accepts_uri(&response.uri) {
            return Err(AuthError::Unauthorized);
        }
        accounts.log_in(now, peer, response.user.as_bytes(), || {
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
        Ok(())
    }
}

/// Checks credentials in the `Basic` scheme.
fn basic(
    accounts: &Accounts,
    now: Instant,
    peer: IpAddr,
    credentials: &str,
) -> Result<(), AuthError> {
    let decoded = BASE64_STANDARD.decode(credentials.trim());
    let credentials = Zeroizing::new(decoded.map_err(|_| AuthError::Unauthorized)?);
    let mut parts = credentials.splitn(2, |&byte| byte == b':');
    let (Some(name), Some(password)) = (parts.next(), parts.next()) else {
        return Err(AuthError::Unauthorized);
    };
    accounts.log_in(now, peer, name, || {
        accounts.any(name, &digest::<Sha256>(&[password]), |account| {
            digest::<Sha256>(&[account.password.as_bytes()])
        })
    })
}

/// A response of the `Digest` scheme (RFC 7616 section 3.4), or of RFC 2069 without `qop`.
#[derive(Debug, Default)]
struct DigestResponse {
    user: String,
    realm: String,
    nonce: String,
    uri: String,
    response: String,
    sha256: bool,
    /// `qop`, `nc` and `cnonce`.
    qop: Option<(String, String, String)>,
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
        accounts.any(self.user.as_bytes(), self.response.as_bytes(), |account| {
            let password = &account.password;
            let response = match self.sha256 {
                true => self.response_by::<Sha256>(password, method),
                false => self.response_by::<Md5>(password, method),
            };
            response.into_bytes()
        })
    }

    /// RFC 7616 sections 3.4.1 to 3.4.3.
    fn response_by<D: Digest>(&self, password: &str, method: &str) -> String {
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

fn digest<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut hasher = D::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login_budget::MAX_FAILURES;

    fn accounts() -> Accounts {
        let mut accounts = Accounts::none();
        accounts.add("Mufasa", "Circle of Life").unwrap();
        accounts.add("anna", "").unwrap();
        accounts
    }

    #[allow(clippy::disallowed_methods, reason = "any time will do")]
    fn client() -> (Instant, IpAddr) {
        (Instant::now(), [192, 0, 2, 9].into())
    }

    fn check(
        challenge: &mut Challenge,
        method: &str,
        response: Option<&str>,
    ) -> Result<(), AuthError> {
        challenge.check(&accounts(), client(), method, response, |uri| {
            uri == "rtsp://h/x"
        })
    }

    /// Returns the `Authorization` header of a client.
    fn answer(
        challenge: &Challenge,
        algorithm: &str,
        qop: Option<u32>,
        change: impl Fn(&mut DigestResponse),
    ) -> String {
        let mut fields = DigestResponse {
            user: "Mufasa".into(),
            realm: REALM.into(),
            nonce: challenge.nonce.clone(),
            uri: "rtsp://h/x".into(),
            response: String::new(),
            sha256: algorithm == "SHA-256",
            qop: qop.map(|count| ("auth".into(), format!("{count:08x}"), "0a4f".into())),
        };
        change(&mut fields);
        let response = match fields.sha256 {
            true => fields.response_by::<Sha256>("Circle of Life", "PLAY"),
            false => fields.response_by::<Md5>("Circle of Life", "PLAY"),
        };
        let DigestResponse {
            user,
            realm,
            nonce,
            uri,
            ..
        } = fields;
        let mut text = format!(
            "Digest username=\"{user}\", realm=\"{realm}\",nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm={algorithm}"
        );
        if let Some((qop, count, nonce)) = fields.qop {
            text += &format!(", qop={qop}, nc={count}, cnonce=\"{nonce}\"");
        }
        text
    }

    /// RFC 7616 section 3.9.1, with another realm.
    #[test]
    fn matches_the_example_of_rfc_7616() {
        let response = |sha256, nonce: &str| DigestResponse {
            user: "Mufasa".into(),
            nonce: nonce.into(),
            uri: "/dir/index.html".into(),
            sha256,
            qop: Some((
                "auth".into(),
                "00000001".into(),
                "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ".into(),
            )),
            ..DigestResponse::default()
        };
        // The example with its own realm, then with ours.
        let example = response(false, "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v");
        let ha1 = hex(&digest::<Md5>(&[
            b"Mufasa:http-auth@example.org:Circle of Life",
        ]));
        assert_eq!(ha1, "3d78807defe7de2157e2b0b6573a855f");
        let ha2 = hex(&digest::<Md5>(&[b"GET:/dir/index.html"]));
        let (qop, count, nonce) = example.qop.as_ref().unwrap();
        let all = format!("{ha1}:{}:{count}:{nonce}:{qop}:{ha2}", example.nonce);
        assert_eq!(
            hex(&digest::<Md5>(&[all.as_bytes()])),
            "8ca523f5e9506fed4657c9700eebdbec"
        );
        let ours = format!("Mufasa:{REALM}:Circle of Life");
        let ours = hex(&digest::<Md5>(&[ours.as_bytes()]));
        let all = format!("{ours}:{}:{count}:{nonce}:{qop}:{ha2}", example.nonce);
        assert_eq!(
            example.response_by::<Md5>("Circle of Life", "GET"),
            hex(&digest::<Md5>(&[all.as_bytes()]))
        );
    }

    #[test]
    fn accepts_correct_passwords() {
        let mut challenge = Challenge::new([7; 16]);
        for algorithm in ["MD5", "SHA-256"] {
            let response = answer(&challenge, algorithm, None, |_| {});
            assert_eq!(
                check(&mut challenge, "PLAY", Some(&response)),
                Ok(()),
                "{response}"
            );
            assert_eq!(
                check(&mut challenge, "PAUSE", Some(&response)),
                Err(AuthError::Wrong)
            );
        }
        for basic in ["Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZl", "basic YW5uYTo="] {
            assert_eq!(check(&mut challenge, "PLAY", Some(basic)), Ok(()));
        }
        let none = Accounts::none();
        assert_eq!(
            challenge.check(&none, client(), "PLAY", None, |_| false),
            Ok(())
        );
    }

    #[test]
    fn rejects_wrong_passwords_and_malformed_headers() {
        let mut challenge = Challenge::new([7; 16]);
        let right = answer(&challenge, "MD5", Some(1), |_| {});
        let wrong = [
            right.replace("Mufasa", "anna"),
            right.replace("Mufasa", "nobody"),
            right.replace("response=\"", "response=\"0"),
            "Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZm".into(),
            "Basic bm9ib2R5Og==".into(),
        ];
        for response in &wrong {
            assert_eq!(
                check(&mut challenge, "PLAY", Some(response)),
                Err(AuthError::Wrong),
                "{response}"
            );
        }
        // These contain no password of an account for this request.
        let malformed = [
            right.replace("rtsp://h/x", "rtsp://h/y"),
            right.replace("qop=auth", "qop=auth-int"),
            right.replace(", nc=00000001", ""),
            right.replace("MD5", "MD5-sess"),
            right.replace("cnonce=\"0a4f\"", "cnonce=\"0a4f"),
            answer(&challenge, "MD5", None, |response| {
                response.realm = "other".into()
            }),
            answer(&challenge, "MD5", None, |response| {
                response.uri = "rtsp://h/y".into()
            }),
            "Digest".into(),
            "Digest =".into(),
            "Bearer x".into(),
            "Basic".into(),
            "Basic TXVmYXNh".into(),
            "Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZmmm".into(),
            "Basic =".into(),
            String::new(),
        ];
        for response in &malformed {
            assert_eq!(
                check(&mut challenge, "PLAY", Some(response)),
                Err(AuthError::Unauthorized),
                "{response}"
            );
        }
        assert_eq!(
            check(&mut challenge, "PLAY", None),
            Err(AuthError::Unauthorized)
        );
        assert_eq!(check(&mut challenge, "PLAY", Some(&right)), Ok(()));
    }

    #[test]
    fn rejects_replayed_responses() {
        let mut challenge = Challenge::new([7; 16]);
        let first = answer(&challenge, "SHA-256", Some(1), |_| {});
        assert_eq!(check(&mut challenge, "PLAY", Some(&first)), Ok(()));
        assert_eq!(
            check(&mut challenge, "PLAY", Some(&first)),
            Err(AuthError::Stale),
            "replayed"
        );
        let third = answer(&challenge, "SHA-256", Some(3), |_| {});
        assert_eq!(check(&mut challenge, "PLAY", Some(&third)), Ok(()));
        let mut other = Challenge::new([8; 16]);
        assert_eq!(
            check(&mut other, "PLAY", Some(&third)),
            Err(AuthError::Stale),
            "other connection"
        );
        assert!(other.headers(AuthError::Stale)[1].ends_with(", stale=true"));
        assert!(other.headers(AuthError::Unauthorized)[1].contains(&hex(&[8; 16])));
    }

    #[test]
    fn clones_share_the_budget_of_wrong_passwords() {
        let accounts = accounts();
        let (now, peer) = client();
        let mut challenge = Challenge::new([7; 16]);
        let mut check = |accounts: &Accounts, now, authorization| {
            challenge.check(accounts, (now, peer), "PLAY", Some(authorization), |_| true)
        };
        // anna:wrong, anna: and Mufasa:Circle of Life
        let (wrong, right) = ("Basic YW5uYTp3cm9uZw==", "Basic YW5uYTo=");
        let other = "Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZl";
        for _ in 0..MAX_FAILURES {
            for header in ["Bearer x", "Basic x", "Digest x", "Basic YW5uYQ=="] {
                let checked = check(&accounts.clone(), now, header);
                assert_eq!(checked, Err(AuthError::Unauthorized), "{header}");
            }
            let checked = check(&accounts.clone(), now, wrong);
            assert_eq!(checked, Err(AuthError::Wrong));
        }
        let wait = Duration::from_secs(1);
        for header in [wrong, right] {
            let checked = check(&accounts, now, header);
            assert_eq!(checked, Err(AuthError::Delayed(wait)), "{header}");
        }
        assert_eq!(check(&accounts, now, other), Ok(()));
        assert_eq!(check(&accounts, now + wait, right), Ok(()));
    }

    #[test]
    fn rejects_accounts_that_clients_cannot_send() {
        let long = "x".repeat(MAX_ACCOUNT_BYTES + 1);
        for (name, password) in [
            ("", "x"),
            ("a:b", "x"),
            ("a\"", "x"),
            (&long, "x"),
            ("a", &long),
            ("a", "\n"),
        ] {
            assert!(Accounts::none().add(name, password).is_err());
        }
        let mut accounts = accounts();
        accounts.add("bob", "secret").unwrap();
        assert!(!format!("{accounts:?}").contains("secret"));
    }
}
