//! The request to sign in.

use serde::{Deserialize, Serialize};

use crate::http::{Request, Response, Service};
use crate::lenient::Lenient;
use crate::{Error, Secret, password, redact};

/// The second factor of an authenticator app, the only one that needs no further request.
const TOTP: &str = "TotpVerificationCode";

/// The expected response.
const EXPECTED: &str = "`access_token`, `mfa_options`, or a refusal";

/// The credentials for signing in.
#[derive(Debug, Clone)]
pub struct SignIn {
    email: Secret,
    password: Secret,
    key_id: Secret,
    key: Secret,
}

/// The result of a request to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SignInStatus {
    /// The user is signed in.
    Complete {
        /// The token for other requests.
        access_token: Secret,
        /// The user id of the account, which K10006 and K10008 send to some cameras.
        user_id: Option<String>,
    },
    /// The account requires a second factor: [`SignIn::request_with_code`].
    SecondFactorRequired(SecondFactor),
}

/// The second factors of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecondFactor {
    /// `mfa_options`, such as `TotpVerificationCode` or `PrimaryPhone`.
    pub options: Vec<String>,
    /// The authenticator app, if the server accepts its code. The other factors, a text message and
    /// an e-mail, need requests that this crate does not make.
    pub app: Option<AuthenticatorApp>,
}

/// The id of an authenticator app, `mfa_details.totp_apps[0].app_id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatorApp(Secret);

#[derive(Serialize)]
struct Body<'a> {
    email: &'a str,
    password: &'a str,
    #[serde(flatten)]
    factor: Option<Factor<'a>>,
}

#[derive(Serialize)]
struct Factor<'a> {
    mfa_type: &'static str,
    verification_id: &'a str,
    verification_code: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
struct Reply {
    #[serde(default)]
    access_token: Lenient,
    #[serde(default)]
    user_id: Lenient,
    #[serde(default)]
    mfa_options: Option<Vec<String>>,
    #[serde(default)]
    mfa_details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    #[serde(default)]
    totp_apps: Option<Vec<App>>,
}

#[derive(Deserialize)]
struct App {
    #[serde(default)]
    app_id: Lenient,
}

impl SignIn {
    /// Creates credentials from the e-mail and password of the account, and a developer key with
    /// its id.
    ///
    /// The password is hashed unless it begins with `md5:`. Spaces around e-mail, id and key are
    /// removed.
    ///
    /// # Errors
    /// [`Error::Empty`], [`Error::InvalidHash`], and [`Error::NotPrintable`] for an id or key that
    /// is not valid in an HTTP header.
    pub fn new(email: &str, password: &str, key_id: &str, key: &str) -> Result<Self, Error> {
        let (email, key_id, key) = (email.trim(), key_id.trim(), key.trim());
        for (text, name) in [
            (email, "the e-mail"),
            (password, "the password"),
            (key_id, "the key id"),
            (key, "the API key"),
        ] {
            if text.is_empty() {
                return Err(Error::Empty(name));
            }
        }
        for (text, name) in [(key_id, "the key id"), (key, "the API key")] {
            if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(Error::NotPrintable(name));
            }
        }
        Ok(Self {
            email: Secret::new(email),
            password: password::hash(password)?,
            key_id: Secret::new(key_id),
            key: Secret::new(key),
        })
    }

    /// Returns the request with e-mail and password.
    #[must_use]
    pub fn request(&self) -> Request {
        self.request_with(None)
    }

    /// Returns the request with e-mail, password and the code of the authenticator app.
    ///
    /// This request is not documented. It has the fields that other programs send (`mfa_type`,
    /// `verification_id` and `verification_code`), and it has not been tested with a real account.
    #[must_use]
    pub fn request_with_code(&self, app: &AuthenticatorApp, code: &Secret) -> Request {
        self.request_with(Some(Factor {
            mfa_type: TOTP,
            verification_id: app.0.reveal(),
            verification_code: code.reveal().trim(),
        }))
    }

    fn request_with(&self, factor: Option<Factor<'_>>) -> Request {
        let headers = vec![("Apikey", self.key.clone()), ("Keyid", self.key_id.clone())];
        let body = Body {
            email: self.email.reveal(),
            password: self.password.reveal(),
            factor,
        };
        Request::new(Service::SignIn, headers, &body)
    }

    /// Parses the response to either request.
    ///
    /// # Errors
    /// [`Error::Refused`], and [`Error::UnexpectedResponse`] for any other response.
    pub fn parse_response(&self, response: &Response) -> Result<SignInStatus, Error> {
        let sent = [&self.email, &self.password, &self.key_id, &self.key];
        let unexpected = || Error::UnexpectedResponse {
            expected: EXPECTED,
            status: response.status(),
            excerpt: redact::body(response.body(), &sent),
        };
        let reply: Reply = response.json().ok_or_else(unexpected)?;
        let user_id = reply.user_id.owned();
        if let Some(access_token) = reply.access_token.secret() {
            return Ok(SignInStatus::Complete {
                access_token,
                user_id,
            });
        }
        if let Some(options) = reply.mfa_options.filter(|options| !options.is_empty()) {
            let apps = reply.mfa_details.and_then(|details| details.totp_apps);
            let app = apps.into_iter().flatten().next();
            let app = app
                .and_then(|app| app.app_id.secret())
                .map(AuthenticatorApp);
            let accepts_code = options.iter().any(|option| option == TOTP);
            return Ok(SignInStatus::SecondFactorRequired(SecondFactor {
                options,
                app: app.filter(|_| accepts_code),
            }));
        }
        Err(crate::http::refusal(response, &sent).unwrap_or_else(unexpected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign_in() -> SignIn {
        SignIn::new(" me@example.com\n", "password", "key-id-1", "key-2 ").unwrap()
    }

    fn read(status: u16, body: &str) -> Result<SignInStatus, Error> {
        sign_in().parse_response(&Response::new(status, body))
    }

    #[test]
    fn request_matches_the_documentation() {
        let request = sign_in().request();
        assert_eq!(request.service, Service::SignIn);
        assert_eq!(
            request.body.reveal(),
            r#"{"email":"me@example.com","password":"5a22e6c339c96c9c0513a46e44c39683"}"#
        );
        let headers: Vec<_> = request
            .headers
            .iter()
            .map(|(name, value)| (*name, value.reveal()))
            .collect();
        assert_eq!(headers, [("Apikey", "key-2"), ("Keyid", "key-id-1")]);
    }

    #[test]
    fn credentials_are_redacted() {
        let shown = format!("{:?} {:?}", sign_in(), sign_in().request());
        for secret in ["me@", "5a22", "key-"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }

    #[test]
    fn inputs_are_validated() {
        let new = |key: &str| SignIn::new("me", "p", "i", key).map(|_| ());
        assert_eq!(new(" "), Err(Error::Empty("the API key")));
        for bad in ["a\nb", "kéy", "a b"] {
            assert_eq!(new(bad), Err(Error::NotPrintable("the API key")));
        }
        let no_email = SignIn::new("", "p", "i", "k").map(|_| ());
        assert_eq!(no_email, Err(Error::Empty("the e-mail")));
    }

    #[test]
    fn token_completes_the_sign_in() {
        let body =
            r#"{"access_token":"abc","refresh_token":"def","user_id":"u1","mfa_options":null}"#;
        let done = read(200, body).unwrap();
        assert_eq!(
            done,
            SignInStatus::Complete {
                access_token: Secret::new("abc"),
                user_id: Some("u1".into())
            }
        );
        assert!(!format!("{done:?}").contains("abc"));
    }

    #[test]
    fn second_factor_is_requested_and_sent() {
        let body = r#"{"access_token":null,"user_id":"u1",
            "mfa_options":["PrimaryPhone","TotpVerificationCode"],
            "mfa_details":{"totp_apps":[{"app_id":"app-7","app_nickname":"x"}]}}"#;
        let SignInStatus::SecondFactorRequired(factor) = read(200, body).unwrap() else {
            panic!("no second factor");
        };
        let app = factor.app.unwrap();
        let request = sign_in().request_with_code(&app, &Secret::new("123456 "));
        assert_eq!(
            request.body.reveal(),
            concat!(
                r#"{"email":"me@example.com","password":"5a22e6c339c96c9c0513a46e44c39683","#,
                r#""mfa_type":"TotpVerificationCode","verification_id":"app-7","verification_code":"123456"}"#
            )
        );
    }

    #[test]
    fn other_factors_are_reported() {
        let an_app = r#"{"totp_apps":[{"app_id":"app-7"}]}"#;
        for details in [
            an_app,
            r#"{"totp_apps":null}"#,
            r#"{"totp_apps":[]}"#,
            "null",
        ] {
            let body = format!(r#"{{"mfa_options":["PrimaryPhone"],"mfa_details":{details}}}"#);
            let SignInStatus::SecondFactorRequired(factor) = read(200, &body).unwrap() else {
                panic!("no second factor");
            };
            assert_eq!(
                (factor.options, factor.app),
                (vec!["PrimaryPhone".into()], None)
            );
        }
    }

    #[test]
    fn refusals_contain_the_message_of_the_server() {
        let refused = |code: Option<&str>, text: &str| {
            Err(Error::Refused {
                code: code.map(str::to_owned),
                text: text.to_owned(),
            })
        };
        for (body, refusal) in [
            (
                r#"{"errorCode":1000,"description":"no user me@example.com"}"#,
                refused(Some("1000"), "no user …"),
            ),
            (
                r#"{"code":"3044","msg":"UserNameOrPasswordError"}"#,
                refused(Some("3044"), "UserNameOrPasswordError"),
            ),
            (r#"{"msg":"locked"}"#, refused(None, "locked")),
            (r#"{"code":7}"#, refused(Some("7"), "no reason given")),
        ] {
            assert_eq!(read(400, body), refusal, "{body}");
        }
    }

    #[test]
    fn other_responses_are_unexpected() {
        for (body, excerpt) in [
            ("", "an empty body"),
            ("{}", "{}"),
            ("[1]", "[1]"),
            (r#"{"access_token":""}"#, r#"{"access_token":"…"}"#),
            (
                r#"{"access_token":["abcdefgh"]}"#,
                r#"{"access_token":["abcdefgh"]}"#,
            ),
            (r#"{"mfa_options":[]}"#, r#"{"mfa_options":[]}"#),
            (r#"{"mfa_options":"yes"}"#, r#"{"mfa_options":"yes"}"#),
            (
                r#"{"code":"1","msg":"SUCCESS"}"#,
                r#"{"code":"1","msg":"SUCCESS"}"#,
            ),
            ("key-2 and me@example.com", "… and …"),
        ] {
            let expected = Error::UnexpectedResponse {
                expected: EXPECTED,
                status: 200,
                excerpt: excerpt.to_owned(),
            };
            assert_eq!(read(200, body), Err(expected), "{body}");
        }
    }
}
