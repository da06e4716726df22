//! Who may watch: names with passwords, by Digest and Basic authentication (RFC 7616, RFC 7617).

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::Md5;
use sha2::Sha256;
use sha2::digest::Digest;
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

use crate::error::Error;

/// What is protected, as clients show it to people.
pub(crate) const REALM: &str = "tutk";

/// The longest name and the longest password of an account, in bytes.
pub const MAX_ACCOUNT_BYTES: usize = 256;

/// Those who may watch. Without any, everybody may.
#[derive(Debug, Default, Clone)]
pub struct Accounts {
    all: Vec<Account>,
}

#[derive(Clone)]
struct Account {
    name: String,
    password: Zeroizing<String>,
}

/// What a client has to answer for, on one connection.
#[derive(Debug)]
pub(crate) struct Challenge {
    /// Valid here, and nowhere else: what was heard of it on another connection opens nothing on this one.
    nonce: String,
    /// The largest count of the nonce's uses that a client named, where it counts them.
    count: u32,
}

/// What a client has not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// That it may watch.
    Unknown,
    /// It has, but for another connection: it may try again without asking anybody.
    Stale,
}

impl Accounts {
    /// Everybody may watch.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds an account.
    ///
    /// # Errors
    /// [`Error::Account`] when the name is empty or has `:` or `"` in it, or name or password have a control character
    /// or more than [`MAX_ACCOUNT_BYTES`]: they could not be told by a client.
    pub fn add(&mut self, name: &str, password: &str) -> Result<(), Error> {
        let fits = |text: &str| text.len() <= MAX_ACCOUNT_BYTES && !text.contains(char::is_control);
        if name.is_empty() || name.contains([':', '"']) || !fits(name) || !fits(password) {
            return Err(Error::Account(name.to_owned()));
        }
        self.all.push(Account {
            name: name.to_owned(),
            password: Zeroizing::new(password.to_owned()),
        });
        Ok(())
    }

    /// Whether nobody has to say who he is.
    pub fn is_open(&self) -> bool {
        self.all.is_empty()
    }

    /// Whether `Authorization` names one of them, with its password, by `Basic`.
    #[cfg(feature = "http")]
    pub(crate) fn knows_basic(&self, authorization: &str) -> bool {
        let Some((scheme, said)) = authorization.split_once(' ') else {
            return false;
        };
        scheme.eq_ignore_ascii_case("Basic") && basic(self, said).is_some()
    }

    /// Whether any account is of that name and has what `expected` makes of its password. All of them are looked at in
    /// the same time, whichever it is.
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

/// Without the password.
impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Challenge {
    /// `random` is what nobody can guess.
    pub(crate) fn new(random: [u8; 16]) -> Self {
        Self {
            nonce: hex(&random),
            count: 0,
        }
    }

    /// What a client is asked, one header each. The last of those that it knows is what most clients take; ffmpeg
    /// gives up where the last `Digest` is one that it does not know, and so MD5 comes after SHA-256.
    pub(crate) fn headers(&self, refusal: Refusal) -> [String; 3] {
        let stale = match refusal {
            Refusal::Stale => ", stale=true",
            Refusal::Unknown => "",
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

    /// Looks at what a client said in `Authorization`. `names` tells whether the address that it has signed is one
    /// of what it asks for.
    pub(crate) fn check(
        &mut self,
        accounts: &Accounts,
        method: &str,
        authorization: Option<&str>,
        names: impl Fn(&str) -> bool,
    ) -> Result<(), Refusal> {
        if accounts.is_open() {
            return Ok(());
        }
        let (scheme, rest) = authorization
            .and_then(|header| header.split_once(' '))
            .ok_or(Refusal::Unknown)?;
        if scheme.eq_ignore_ascii_case("Basic") {
            return basic(accounts, rest).ok_or(Refusal::Unknown);
        }
        if !scheme.eq_ignore_ascii_case("Digest") {
            return Err(Refusal::Unknown);
        }
        let said = Said::parse(rest).ok_or(Refusal::Unknown)?;
        if !said.is_right(accounts, method) || !names(&said.uri) {
            return Err(Refusal::Unknown);
        }
        if said.nonce != self.nonce {
            return Err(Refusal::Stale);
        }
        // A client that counts uses each number once: what is said again was heard by somebody.
        if let Some((_, count, _)) = &said.qop {
            let count = u32::from_str_radix(count, 16).map_err(|_| Refusal::Unknown)?;
            if count <= self.count {
                return Err(Refusal::Stale);
            }
            self.count = count;
        }
        Ok(())
    }
}

/// `Some` if name and password are right.
fn basic(accounts: &Accounts, said: &str) -> Option<()> {
    let said = Zeroizing::new(BASE64_STANDARD.decode(said.trim()).ok()?);
    let colon = said.iter().position(|&byte| byte == b':')?;
    let (name, password) = said.split_at_checked(colon)?;
    let password = digest::<Sha256>(&[password.get(1..)?]);
    let right = accounts.any(name, &password, |account| {
        digest::<Sha256>(&[account.password.as_bytes()])
    });
    right.then_some(())
}

/// What a client says by `Digest` (RFC 7616 section 3.4), or as RFC 2069 had it: without `qop`.
#[derive(Debug, Default)]
struct Said {
    user: String,
    realm: String,
    nonce: String,
    uri: String,
    response: String,
    sha256: bool,
    /// `qop`, `nc` and `cnonce`.
    qop: Option<(String, String, String)>,
}

impl Said {
    fn parse(text: &str) -> Option<Self> {
        let mut said = Self::default();
        let (mut qop, mut count, mut client_nonce) = (None, None, None);
        let mut rest = text;
        while let Some((name, value, behind)) = parameter(rest)? {
            rest = behind;
            match name.to_ascii_lowercase().as_str() {
                "username" => said.user = value,
                "realm" => said.realm = value,
                "nonce" => said.nonce = value,
                "uri" => said.uri = value,
                "response" => said.response = value.to_ascii_lowercase(),
                "algorithm" => match value.to_ascii_uppercase().as_str() {
                    "MD5" => said.sha256 = false,
                    "SHA-256" => said.sha256 = true,
                    _ => return None,
                },
                "qop" => qop = Some(value),
                "nc" => count = Some(value),
                "cnonce" => client_nonce = Some(value),
                _ => {}
            }
        }
        said.qop = match (qop, count, client_nonce) {
            (None, ..) => None,
            (Some(qop), Some(count), Some(nonce)) if qop == "auth" => Some((qop, count, nonce)),
            _ => return None,
        };
        Some(said)
    }

    fn is_right(&self, accounts: &Accounts, method: &str) -> bool {
        self.realm == REALM
            && accounts.any(self.user.as_bytes(), self.response.as_bytes(), |account| {
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

/// The first `name=value` of a list, and what is behind it; `Some(None)` at its end, `None` for what is no list.
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

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts() -> Accounts {
        let mut accounts = Accounts::none();
        accounts.add("Mufasa", "Circle of Life").unwrap();
        accounts.add("anna", "").unwrap();
        accounts
    }

    fn check(challenge: &mut Challenge, method: &str, said: Option<&str>) -> Result<(), Refusal> {
        challenge.check(&accounts(), method, said, |uri| uri == "rtsp://h/x")
    }

    /// As a client answers.
    fn answer(
        challenge: &Challenge,
        algorithm: &str,
        qop: Option<u32>,
        change: impl Fn(&mut Said),
    ) -> String {
        let mut said = Said {
            user: "Mufasa".into(),
            realm: REALM.into(),
            nonce: challenge.nonce.clone(),
            uri: "rtsp://h/x".into(),
            response: String::new(),
            sha256: algorithm == "SHA-256",
            qop: qop.map(|count| ("auth".into(), format!("{count:08x}"), "0a4f".into())),
        };
        change(&mut said);
        let response = match said.sha256 {
            true => said.response_by::<Sha256>("Circle of Life", "PLAY"),
            false => said.response_by::<Md5>("Circle of Life", "PLAY"),
        };
        let Said {
            user,
            realm,
            nonce,
            uri,
            ..
        } = said;
        let mut text = format!(
            "Digest username=\"{user}\", realm=\"{realm}\",nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", algorithm={algorithm}"
        );
        if let Some((qop, count, nonce)) = said.qop {
            text += &format!(", qop={qop}, nc={count}, cnonce=\"{nonce}\"");
        }
        text
    }

    /// RFC 7616 section 3.9.1, both algorithms; only its realm is another than ours.
    #[test]
    fn the_example_of_the_rfc() {
        let said = |sha256, nonce: &str| Said {
            user: "Mufasa".into(),
            nonce: nonce.into(),
            uri: "/dir/index.html".into(),
            sha256,
            qop: Some((
                "auth".into(),
                "00000001".into(),
                "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ".into(),
            )),
            ..Said::default()
        };
        // HA1 of the example, in the place of ours, by the same rule.
        let example = said(false, "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v");
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
    fn who_knows_the_password_may() {
        let mut challenge = Challenge::new([7; 16]);
        for algorithm in ["MD5", "SHA-256"] {
            let said = answer(&challenge, algorithm, None, |_| {});
            assert_eq!(check(&mut challenge, "PLAY", Some(&said)), Ok(()), "{said}");
            assert_eq!(
                check(&mut challenge, "PAUSE", Some(&said)),
                Err(Refusal::Unknown)
            );
        }
        for basic in ["Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZl", "basic YW5uYTo="] {
            assert_eq!(check(&mut challenge, "PLAY", Some(basic)), Ok(()));
        }
        let nobody = Accounts::none();
        assert_eq!(challenge.check(&nobody, "PLAY", None, |_| false), Ok(()));
    }

    #[test]
    fn who_does_not_may_not() {
        let mut challenge = Challenge::new([7; 16]);
        let right = answer(&challenge, "MD5", Some(1), |_| {});
        let wrong = [
            right.replace("Mufasa", "anna"),
            right.replace("Mufasa", "nobody"),
            right.replace("rtsp://h/x", "rtsp://h/y"),
            right.replace("qop=auth", "qop=auth-int"),
            right.replace(", nc=00000001", ""),
            right.replace("MD5", "MD5-sess"),
            right.replace("response=\"", "response=\"0"),
            right.replace("cnonce=\"0a4f\"", "cnonce=\"0a4f"),
            answer(&challenge, "MD5", None, |said| said.realm = "other".into()),
            answer(&challenge, "MD5", None, |said| {
                said.uri = "rtsp://h/y".into()
            }),
            "Digest".into(),
            "Digest =".into(),
            "Bearer x".into(),
            "Basic".into(),
            "Basic TXVmYXNh".into(),
            "Basic TXVmYXNhOkNpcmNsZSBvZiBMaWZmmm".into(),
            "Basic bm9ib2R5Og==".into(),
            "Basic =".into(),
            String::new(),
        ];
        for said in &wrong {
            assert_eq!(
                check(&mut challenge, "PLAY", Some(said)),
                Err(Refusal::Unknown),
                "{said}"
            );
        }
        assert_eq!(check(&mut challenge, "PLAY", None), Err(Refusal::Unknown));
        assert_eq!(check(&mut challenge, "PLAY", Some(&right)), Ok(()));
    }

    #[test]
    fn what_was_heard_opens_nothing() {
        let mut challenge = Challenge::new([7; 16]);
        let first = answer(&challenge, "SHA-256", Some(1), |_| {});
        assert_eq!(check(&mut challenge, "PLAY", Some(&first)), Ok(()));
        assert_eq!(
            check(&mut challenge, "PLAY", Some(&first)),
            Err(Refusal::Stale),
            "again"
        );
        let third = answer(&challenge, "SHA-256", Some(3), |_| {});
        assert_eq!(check(&mut challenge, "PLAY", Some(&third)), Ok(()));
        let mut other = Challenge::new([8; 16]);
        assert_eq!(
            check(&mut other, "PLAY", Some(&third)),
            Err(Refusal::Stale),
            "elsewhere"
        );
        assert!(other.headers(Refusal::Stale)[1].ends_with(", stale=true"));
        assert!(other.headers(Refusal::Unknown)[1].contains(&hex(&[8; 16])));
    }

    #[test]
    fn accounts_that_no_client_could_name() {
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
