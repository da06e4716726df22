//! The client against a local server: the bytes it sends, and how it handles responses.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test stops where it fails, and uses sockets"
)]
#![cfg(feature = "client")]

mod support;

use std::net::TcpListener;

use support::{CloudServer, Reply};
use tutk_cloud::{
    Account, Client, Error, MAX_RESPONSE, Options, PhoneId, Secret, SignIn, SignInStatus,
};

const HASH: &str = "5a22e6c339c96c9c0513a46e44c39683";

fn client(server: &CloudServer) -> Client {
    Client::new(&Options {
        origin: Some(server.origin.clone()),
        roots: Some(server.root.clone().into_bytes()),
    })
    .unwrap()
}

fn sign_in() -> SignIn {
    SignIn::new("me@example.com", "password", "the-key-id", "the-key").unwrap()
}

fn account() -> Account {
    Account {
        access_token: Secret::new("the-token"),
        user_id: None,
        phone_id: PhoneId::new([1, 2, 3, 4, 5, 6, 7, 8]),
    }
}

#[test]
fn sign_in_sends_the_expected_bytes() {
    let server = CloudServer::start([
        Reply::json(
            200,
            r#"{"mfa_options":["TotpVerificationCode"],"mfa_details":{"totp_apps":[{"app_id":"app-1"}]}}"#,
        ),
        Reply::json(
            200,
            r#"{"access_token":"t","refresh_token":"r","user_id":"u"}"#,
        ),
    ]);
    let client = client(&server);
    let sign_in = sign_in();
    let response = client.send(&sign_in.request()).unwrap();
    let SignInStatus::SecondFactorRequired(factor) = sign_in.parse_response(&response).unwrap()
    else {
        panic!("a token without the second factor");
    };
    let again = sign_in.request_with_code(&factor.app.unwrap(), &Secret::new("123456"));
    let response = client.send(&again).unwrap();
    let SignInStatus::Complete { access_token, .. } = sign_in.parse_response(&response).unwrap()
    else {
        panic!("no token");
    };
    assert_eq!(access_token.reveal(), "t");

    let expected = |body: &str| {
        format!(
            "POST /api/user/login HTTP/1.1\r\n\
             host: {}\r\n\
             content-type: application/json\r\n\
             apikey: the-key\r\n\
             keyid: the-key-id\r\n\
             content-length: {}\r\n\
             \r\n\
             {body}",
            server.host(),
            body.len(),
        )
    };
    let body = format!(r#"{{"email":"me@example.com","password":"{HASH}"}}"#);
    assert_eq!(
        sort_headers(&server.request()),
        sort_headers(&expected(&body))
    );
    let body = format!(
        r#"{{"email":"me@example.com","password":"{HASH}","mfa_type":"TotpVerificationCode","verification_id":"app-1","verification_code":"123456"}}"#
    );
    assert_eq!(
        sort_headers(&server.request()),
        sort_headers(&expected(&body))
    );
    assert!(server.is_done());
}

#[test]
fn list_request_sends_the_expected_bytes() {
    let list =
        r#"{"code":"1","data":{"device_list":[{"product_type":"Camera","nickname":"Front"}]}}"#;
    let server = CloudServer::start([Reply::json(200, list)]);
    let account = account();
    let response = client(&server)
        .send(&account.list_request(1_800_000_000_000))
        .unwrap();
    assert_eq!(account.parse_list(&response).unwrap()[0].nickname, "Front");

    let body = concat!(
        r#"{"access_token":"the-token","phone_id":"0102030405060708","app_name":"com.hualai.WyzeCam","#,
        r#""app_ver":"com.hualai.WyzeCam___2.50.0","app_version":"2.50.0","phone_system_type":1,"#,
        r#""sc":"9f275790cab94a72bd206c8876429f3c","sv":"9d74946e652647e9b6c9d59326aef104","#,
        r#""ts":1800000000000}"#
    );
    let expected = format!(
        "POST /app/v2/home_page/get_object_list HTTP/1.1\r\n\
         host: {}\r\n\
         content-type: application/json\r\n\
         content-length: {}\r\n\
         \r\n\
         {body}",
        server.host(),
        body.len(),
    );
    assert_eq!(sort_headers(&server.request()), sort_headers(&expected));
    assert!(server.is_done());
}

/// Returns a request with its headers sorted, because their order depends on the HTTP library.
fn sort_headers(request: &str) -> String {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> = head.split("\r\n").collect();
    lines[1..].sort_unstable();
    format!("{}\r\n\r\n{body}", lines.join("\r\n"))
}

/// Signs in at a server that sends this reply.
fn sign_in_with_reply(reply: Reply) -> Result<(), Error> {
    let server = CloudServer::start([reply]);
    let response = client(&server).send(&sign_in().request())?;
    sign_in().parse_response(&response).map(|_| ())
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = CloudServer::start([Reply::json(200, "{}")]);
    for status in [301, 302, 303, 307, 308] {
        let headers = format!("Location: {}/api/user/login\r\n", elsewhere.origin);
        let error = sign_in_with_reply(Reply::with_headers(status, &headers, "")).unwrap_err();
        let Error::UnexpectedResponse { status: got, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(got, status);
    }
    // The other server receives its first request only now.
    client(&elsewhere).send(&account().list_request(0)).unwrap();
    assert!(elsewhere.request().starts_with("POST /app/v2/"));
}

#[test]
fn error_statuses_are_responses() {
    let refused = sign_in_with_reply(Reply::json(400, r#"{"code":1000,"msg":"no"}"#)).unwrap_err();
    assert_eq!(refused.to_string(), "refused, code 1000: no");
    let down =
        sign_in_with_reply(Reply::with_headers(502, "", "<h1>Bad Gateway</h1>")).unwrap_err();
    assert!(
        down.to_string()
            .ends_with("HTTP 502 with <h1>Bad Gateway</h1>"),
        "{down}"
    );
}

#[test]
fn long_response_is_an_error() {
    let len = usize::try_from(MAX_RESPONSE).unwrap() + 1;
    let error = sign_in_with_reply(Reply::json(200, &" ".repeat(len))).unwrap_err();
    assert!(matches!(error, Error::ResponseTooLong { .. }), "{error}");
}

#[test]
fn invalid_http_is_an_error() {
    for raw in [
        "",
        "HTTP/1.1 200 OK\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    ] {
        let error = sign_in_with_reply(Reply::raw(raw)).unwrap_err();
        assert!(
            matches!(error, Error::Unreachable { .. }),
            "{raw:?}: {error}"
        );
        assert!(error.to_string().starts_with("127.0.0.1:"), "{error}");
    }
}

#[test]
fn nothing_is_sent_to_an_untrusted_server() {
    let server = CloudServer::start([Reply::json(200, "{}")]);
    let other = CloudServer::start([]);
    let distrustful = Client::new(&Options {
        origin: Some(server.origin.clone()),
        roots: Some(other.root.clone().into_bytes()),
    })
    .unwrap();
    let error = distrustful.send(&sign_in().request()).unwrap_err();
    assert!(matches!(error, Error::UntrustedServer { .. }), "{error}");
    // The server receives its first request only now.
    client(&server).send(&account().list_request(0)).unwrap();
    assert!(server.request().starts_with("POST /app/v2/"));
}

#[test]
fn closed_port_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("https://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = Client::new(&Options {
        origin: Some(origin),
        roots: None,
    });
    let error = client.unwrap().send(&sign_in().request()).unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
}
