//! Tests of accounts and challenges.

use std::time::Duration;

use md5::Md5;
use sha2::digest::Digest;

use super::challenge::DigestResponse;
use super::*;
use crate::hex::hex;
use crate::login_budget::MAX_FAILURES;

/// The result of a check that needs no hash.
fn done(login: Login) -> Result<(), AuthError> {
    match login {
        Login::Done(result) => result.map(|_| ()),
        Login::Check(check) => panic!("{check:?}"),
    }
}

fn digest<D: Digest>(parts: &[&[u8]]) -> Vec<u8> {
    let mut hasher = D::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().to_vec()
}

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

fn check(challenge: &mut Challenge, method: &str, response: Option<&str>) -> Result<(), AuthError> {
    done(
        challenge.check(&accounts(), client(), true, method, response, |uri| {
            uri == "rtsp://h/x"
        }),
    )
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
        done(challenge.check(&none, client(), false, "PLAY", None, |_| false)),
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
    let headers = |error| other.headers(&accounts(), true, error);
    assert!(headers(AuthError::Stale)[1].ends_with(", stale=true"));
    assert!(headers(AuthError::Unauthorized)[1].contains(&hex(&[8; 16])));
}

#[test]
fn clones_share_the_budget_of_wrong_passwords() {
    let accounts = accounts();
    let (now, peer) = client();
    let mut challenge = Challenge::new([7; 16]);
    let mut check = |accounts: &Accounts, now, authorization| {
        done(challenge.check(
            accounts,
            (now, peer),
            true,
            "PLAY",
            Some(authorization),
            |_| true,
        ))
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
    accounts.add("bob", "s3cr3t").unwrap();
    assert!(!format!("{accounts:?}").contains("s3cr3t"));
}

fn with_hash() -> Accounts {
    let mut accounts = accounts();
    let hash = hash_password("hashed").unwrap();
    let account = Account::new("ben", &hash).unwrap();
    assert!(!account.has_plain_password());
    accounts.add_account(account.with_role(Role::View).with_cameras(["door"]));
    accounts
}

/// Checks a password, and returns whether it had to be hashed.
fn check_hashed(
    accounts: &Accounts,
    name: &str,
    password: &str,
) -> (Result<User, AuthError>, bool) {
    let (now, peer) = client();
    match accounts.check_password(now, peer, name.as_bytes(), password.as_bytes()) {
        Login::Done(result) => (result, false),
        Login::Check(check) => {
            let right = check.verify();
            (check.complete(right), true)
        }
    }
}

#[test]
fn hashed_passwords_are_verified_once() {
    let accounts = with_hash();
    for (name, password, expected, hashed) in [
        ("ben", "wrong", Err(AuthError::Wrong), true),
        ("ben", "hashed", Ok(()), true),
        ("ben", "hashed", Ok(()), false),
        ("ben", "wrong", Err(AuthError::Wrong), true),
        // Unknown names take as long.
        ("carl", "hashed", Err(AuthError::Wrong), true),
        // And wrong passwords of accounts that are not hashed.
        ("anna", "", Ok(()), false),
        ("anna", "hashed", Err(AuthError::Wrong), true),
    ] {
        let (result, was_hashed) = check_hashed(&accounts, name, password);
        assert_eq!(result.map(|_| ()), expected, "{name} {password}");
        assert_eq!(was_hashed, hashed, "{name} {password}");
    }
    assert!(!format!("{accounts:?}").contains("argon2"));
}

#[test]
fn hashed_passwords_use_the_budget() {
    let accounts = with_hash();
    for _ in 0..MAX_FAILURES {
        let (result, _) = check_hashed(&accounts, "ben", "wrong");
        assert!(result.is_err());
    }
    let (result, hashed) = check_hashed(&accounts, "ben", "hashed");
    assert!(matches!(result, Err(AuthError::Delayed(_))) && !hashed);
}

fn pending(accounts: &Accounts, name: &str, password: &str) -> PasswordCheck {
    let (now, peer) = client();
    match accounts.check_password(now, peer, name.as_bytes(), password.as_bytes()) {
        Login::Check(check) => check,
        Login::Done(result) => panic!("{result:?}"),
    }
}

#[tokio::test]
async fn equal_attempts_at_the_same_time_are_one_check() {
    let accounts = with_hash();
    for (password, expected) in [("hashed", Ok(())), ("wrong", Err(AuthError::Wrong))] {
        let attempts = 0..3 * MAX_FAILURES;
        let attempts: Vec<_> = attempts
            .map(|_| pending(&accounts, "ben", password).run())
            .collect();
        for attempt in attempts {
            assert_eq!(attempt.await.map(|_| ()), expected);
        }
    }
    // Also without an account. Otherwise, the number of delayed attempts would show which names
    // exist.
    let one = pending(&accounts, "carl", "x");
    assert_eq!(one, pending(&accounts, "carl", "x"));
    let mut changed = accounts.clone();
    changed.add("dora", "x").unwrap();
    for other in [
        pending(&accounts, "carl", "y"),
        pending(&accounts, "ben", "x"),
        pending(&changed, "carl", "x"),
    ] {
        assert_ne!(one, other);
    }
    let (now, _) = client();
    let elsewhere = accounts.check_password(now, [192, 0, 2, 10].into(), b"carl", b"x");
    assert!(matches!(elsewhere, Login::Check(other) if other != one));
    assert_eq!(one.complete(false), Err(AuthError::Wrong));
    assert_ne!(one, pending(&accounts, "carl", "x"));
}

/// The future of a request is dropped when the client disconnects.
#[tokio::test]
async fn abandoned_checks_are_limited_and_completed() {
    let accounts = with_hash();
    for number in 1..MAX_FAILURES {
        drop(pending(&accounts, "ben", &format!("wrong {number}")).run());
    }
    let right = pending(&accounts, "ben", "hashed");
    drop(right.clone().run());
    tokio::task::yield_now().await;
    // All permits are in use, because further checks wait for them.
    assert_eq!(accounts.verifier.free(), 0);
    let completed = async {
        loop {
            let free = accounts.verifier.free();
            if right.is_known() {
                break;
            }
            assert!(free < 2, "the last check holds a permit");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let limit = Duration::from_secs(60);
    tokio::time::timeout(limit, completed).await.unwrap();
    // The right password has reset the failures.
    let (result, hashed) = check_hashed(&accounts, "ben", "wrong");
    assert_eq!((result, hashed), (Err(AuthError::Wrong), true));
}

#[test]
fn same_name_replaces_the_account_and_its_password() {
    let mut accounts = with_hash();
    assert!(check_hashed(&accounts, "ben", "hashed").0.is_ok());
    accounts.add("ben", &hash_password("new").unwrap()).unwrap();
    // The old password was remembered.
    for (password, right) in [("hashed", false), ("new", true)] {
        let (result, hashed) = check_hashed(&accounts, "ben", password);
        assert_eq!((result.is_ok(), hashed), (right, true), "{password}");
    }
    accounts.add("ben", "plain").unwrap();
    for (password, right) in [("new", false), ("plain", true)] {
        let (result, _) = check_hashed(&accounts, "ben", password);
        assert_eq!(result.is_ok(), right, "{password}");
    }
}

#[test]
fn users_have_roles_and_cameras() {
    let accounts = with_hash();
    let (ben, _) = check_hashed(&accounts, "ben", "hashed");
    let ben = ben.unwrap();
    assert_eq!((ben.name(), ben.role()), ("ben", Role::View));
    assert!(ben.sees("door") && !ben.sees("garden"));
    let (anna, _) = check_hashed(&accounts, "anna", "");
    let anna = anna.unwrap();
    assert_eq!(anna.role(), Role::Admin);
    assert!(anna.sees("door") && anna.sees("garden"));
}

#[test]
fn digest_is_offered_if_needed_and_basic_if_allowed() {
    let challenge = Challenge::new([7; 16]);
    let schemes = |accounts: &Accounts, plain| {
        let headers = challenge.headers(accounts, plain, AuthError::Unauthorized);
        let schemes = headers.iter().map(|header| header[..5].to_owned());
        schemes.collect::<Vec<_>>()
    };
    assert_eq!(schemes(&accounts(), true), ["Diges", "Diges", "Basic"]);
    assert_eq!(schemes(&accounts(), false), ["Diges", "Diges"]);
    assert_eq!(schemes(&with_hash(), true), ["Basic"]);
    assert_eq!(schemes(&with_hash(), false), ["Diges", "Diges"]);
    let mut hashed = Accounts::none();
    hashed.add("ben", &hash_password("x").unwrap()).unwrap();
    assert_eq!(schemes(&hashed, true), ["Basic"]);
    assert_eq!(schemes(&hashed, false), [""; 0]);
}

#[test]
fn rejects_hashes_that_are_invalid_or_expensive() {
    let hash = hash_password("x").unwrap();
    assert!(
        hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{hash}"
    );
    for bad in [
        "$argon2id$",
        "$argon2id$v=19$m=19456,t=2,p=1$bm8gc3VjaCBhY2NvdW50",
        &hash.replace("m=19456", "m=4000000"),
        &hash.replace("t=2", "t=1000"),
    ] {
        assert!(Account::new("ben", bad).is_err(), "{bad}");
    }
}
