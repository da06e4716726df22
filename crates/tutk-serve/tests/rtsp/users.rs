//! Passwords and users of RTSP connections in memory.

use std::sync::Arc;

use tutk_serve::rtsp::{End, Event, MAX_REFUSALS};
use tutk_serve::{Account, Accounts, MAX_FAILURES, Role, hash_password};

use crate::common::rtsp_client::{Client, URL, config};

#[test]
fn playing_requires_a_password() {
    let mut accounts = Accounts::none();
    accounts.add("anna", "secret").unwrap();
    let mut with = config();
    with.accounts = Arc::new(accounts);
    let mut client = Client::new(with.clone());
    assert_eq!(client.request("OPTIONS", URL, &[]).status, 200);
    for (method, uri) in [
        ("DESCRIBE", URL),
        ("DESCRIBE", "rtsp://h/unknown"),
        ("PLAY", URL),
        ("GET_PARAMETER", URL),
    ] {
        let response = client.request(method, uri, &[]);
        assert_eq!(response.status, 401, "{method}");
        let asked: Vec<_> = response
            .headers
            .iter()
            .filter(|(name, _)| name == "WWW-Authenticate")
            .collect();
        let [(_, sha256), (_, md5), (_, basic)] = asked[..] else {
            panic!("{asked:?}");
        };
        assert!(sha256.contains("algorithm=SHA-256") && md5.contains("algorithm=MD5"));
        assert_eq!(basic, "Basic realm=\"tutk\"");
    }
    assert_eq!(
        client
            .request("DESCRIBE", URL, &["Authorization: Basic YW5uYTpzZWNyZXQ="])
            .status,
        200
    );
    let wrong = "Authorization: Basic YW5uYTp3cm9uZw==";
    for refusal in 1..MAX_REFUSALS {
        let status = client.request("DESCRIBE", URL, &[wrong]).status;
        let delayed = refusal > MAX_FAILURES;
        assert_eq!(status, if delayed { 503 } else { 401 }, "{refusal}");
    }
    let last = format!("DESCRIBE {URL} RTSP/1.0\r\nCSeq: 1\r\n{wrong}\r\n\r\n");
    assert_eq!(
        client.send(last.as_bytes()).events,
        [Event::Ended(End::Unauthorized)]
    );
}

#[test]
fn plain_passwords_need_an_encrypted_connection() {
    let mut accounts = Accounts::none();
    accounts.add("anna", "secret").unwrap();
    let mut with = config();
    with.accounts = Arc::new(accounts.clone());
    with.allow_plain_passwords = false;
    let basic = "Authorization: Basic YW5uYTpzZWNyZXQ=";
    let mut client = Client::new(with.clone());
    for headers in [&[][..], &[basic]] {
        let response = client.request("DESCRIBE", URL, headers);
        assert_eq!(response.status, 401);
        let mut headers = response.headers.iter();
        assert!(headers.all(|(_, value)| !value.starts_with("Basic")));
    }
    // Digest cannot be checked with a hash, but with the plain password of another account.
    accounts.add("ben", &hash_password("x").unwrap()).unwrap();
    with.accounts = Arc::new(accounts.clone());
    let mut client = Client::new(with.clone());
    let response = client.request("DESCRIBE", URL, &[basic]);
    assert_eq!(response.status, 401);
    let schemes: Vec<_> = response
        .headers
        .iter()
        .filter(|(name, _)| name == "WWW-Authenticate")
        .map(|(_, value)| value.split(' ').next().unwrap())
        .collect();
    assert_eq!(schemes, ["Digest", "Digest"]);
    accounts
        .add("anna", &hash_password("secret").unwrap())
        .unwrap();
    with.accounts = Arc::new(accounts);
    let mut client = Client::new(with);
    assert_eq!(client.request("DESCRIBE", URL, &[basic]).status, 403);
}

/// Some clients send credentials before they are asked.
#[test]
fn credentials_are_ignored_without_accounts() {
    let mut with = config();
    with.allow_plain_passwords = false;
    let mut client = Client::new(with);
    for scheme in ["Basic YW5uYTpzZWNyZXQ=", "Digest x", "Bearer x"] {
        let header = format!("Authorization: {scheme}");
        let response = client.request("DESCRIBE", URL, &[&header]);
        assert_eq!(response.status, 200, "{scheme}");
    }
}

#[test]
fn hashed_password_is_checked_by_the_owner_and_once() {
    let mut accounts = Accounts::none();
    accounts
        .add("anna", &hash_password("secret").unwrap())
        .unwrap();
    let mut with = config();
    with.accounts = Arc::new(accounts);
    let describe = |password: &str| {
        format!("DESCRIBE {URL} RTSP/1.0\r\nCSeq: 1\r\nAuthorization: Basic {password}\r\n\r\n")
    };
    let (right, wrong) = (describe("YW5uYTpzZWNyZXQ="), describe("YW5uYTp3cm9uZw=="));
    let mut client = Client::new(with.clone());
    for (request, is_right) in [(&wrong, false), (&right, true)] {
        let events = client.send(request.as_bytes()).events;
        let [Event::CheckPassword(check)] = &events[..] else {
            panic!("{events:?}");
        };
        assert_eq!(check.verify(), is_right);
        client.connection.handle_password(client.now, is_right);
        let events = client.drain().events;
        let expected = match is_right {
            true => Event::Describe {
                camera: "front".into(),
            },
            false => Event::WrongPassword,
        };
        assert_eq!(events, [expected]);
        assert_eq!(client.connection.is_authenticated(), is_right);
    }
    // The right password is remembered, by all connections.
    let mut client = Client::new(with);
    let events = client.send(right.as_bytes()).events;
    assert_eq!(
        events,
        [Event::Describe {
            camera: "front".into()
        }]
    );
}

#[test]
fn cameras_of_other_users_do_not_exist() {
    let mut accounts = Accounts::none();
    let account = Account::new("anna", "secret").unwrap();
    accounts.add_account(account.with_role(Role::View).with_cameras(["back"]));
    let mut with = config();
    with.accounts = Arc::new(accounts);
    let mut client = Client::new(with);
    let basic = "Authorization: Basic YW5uYTpzZWNyZXQ=";
    assert_eq!(client.request("DESCRIBE", URL, &[basic]).status, 404);
}
