//! The account that is signed in, and the request for its cameras.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::camera::{CloudCamera, Device};
use crate::http::{Request, Response, SUCCESS, Service, refusal};
use crate::lenient::Lenient;
use crate::password::hex;
use crate::{Error, Secret, redact};

/// The vendor's app, whose requests the crate imitates.
const APP_NAME: &str = "com.hualai.WyzeCam";
const APP_VER: &str = "com.hualai.WyzeCam___2.50.0";
const APP_VERSION: &str = "2.50.0";
const PHONE_SYSTEM_TYPE: u8 = 1;
const SC: &str = "9f275790cab94a72bd206c8876429f3c";
const SV: &str = "9d74946e652647e9b6c9d59326aef104";

/// The expected response.
const EXPECTED: &str = "code 1 with `data.device_list`";

/// The code of an expired token. It is not documented, but other programs receive it.
const TOKEN_CODE: &str = "2001";

/// A signed-in account.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// The token from [`SignInStatus::Complete`](crate::SignInStatus::Complete).
    pub access_token: Secret,
    /// The user id from [`SignInStatus::Complete`](crate::SignInStatus::Complete).
    #[serde(default)]
    pub user_id: Option<String>,
    /// The id of this installation.
    pub phone_id: PhoneId,
}

/// The id of this installation: 16 hex digits, drawn at random once and stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneId(String);

#[derive(Serialize)]
struct Saved<'a> {
    access_token: &'a str,
    user_id: Option<&'a str>,
    phone_id: &'a str,
}

#[derive(Serialize)]
struct Body<'a> {
    access_token: &'a str,
    phone_id: &'a str,
    app_name: &'static str,
    app_ver: &'static str,
    app_version: &'static str,
    phone_system_type: u8,
    sc: &'static str,
    sv: &'static str,
    ts: u64,
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    code: Lenient,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    device_list: Vec<Device>,
}

impl Account {
    /// Returns the request for the list of cameras. `now` is in milliseconds since 1970.
    #[must_use]
    pub fn list_request(&self, now: u64) -> Request {
        let body = Body {
            access_token: self.access_token.reveal(),
            phone_id: self.phone_id.as_str(),
            app_name: APP_NAME,
            app_ver: APP_VER,
            app_version: APP_VERSION,
            phone_system_type: PHONE_SYSTEM_TYPE,
            sc: SC,
            sv: SV,
            ts: now,
        };
        Request::new(Service::CameraList, Vec::new(), &body)
    }

    /// Parses the list of cameras, in the order of the response. Other devices are omitted.
    ///
    /// # Errors
    /// [`Error::TokenRejected`] if the user must sign in again, [`Error::Refused`] for another
    /// refusal, and [`Error::UnexpectedResponse`] for any other response.
    pub fn parse_list(&self, response: &Response) -> Result<Vec<CloudCamera>, Error> {
        let sent = [&self.access_token];
        let reply: Option<Reply> = response.json();
        if let Some(Reply {
            code,
            data: Some(data),
        }) = reply
            && code.text() == Some(SUCCESS)
        {
            let devices = &data.device_list;
            let cameras = devices.iter().filter_map(|device| device.camera(devices));
            return Ok(cameras.collect());
        }
        Err(match refusal(response, &sent) {
            Some(refused) if response.status() == 401 || concerns_the_token(&refused) => {
                Error::TokenRejected(refused.to_string())
            }
            Some(refused) => refused,
            None if response.status() == 401 => Error::TokenRejected("HTTP 401".to_owned()),
            None => Error::UnexpectedResponse {
                expected: EXPECTED,
                status: response.status(),
                excerpt: redact::body(response.body(), &sent),
            },
        })
    }

    /// Returns the account as JSON for storage. It contains secrets.
    #[must_use]
    pub fn to_json(&self) -> Secret {
        let saved = Saved {
            access_token: self.access_token.reveal(),
            user_id: self.user_id.as_deref(),
            phone_id: self.phone_id.as_str(),
        };
        // Three strings always serialize.
        Secret::new(serde_json::to_string(&saved).unwrap_or_default())
    }

    /// Parses the output of [`to_json`](Self::to_json).
    ///
    /// # Errors
    /// [`Error::InvalidAccount`].
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let account: Self = serde_json::from_str(text).map_err(|error| {
            // The message of serde may contain a value.
            Error::InvalidAccount(match error.classify() {
                serde_json::error::Category::Data => {
                    "`access_token` or `phone_id` (16 hex digits) is missing or invalid"
                }
                _ => "the text is not JSON",
            })
        })?;
        if account.access_token.reveal().is_empty() {
            return Err(Error::InvalidAccount("`access_token` is empty"));
        }
        Ok(account)
    }
}

fn concerns_the_token(refused: &Error) -> bool {
    let Error::Refused { code, text } = refused else {
        return false;
    };
    code.as_deref() == Some(TOKEN_CODE) || text.to_ascii_lowercase().contains("access token")
}

impl PhoneId {
    /// Creates an id from eight random bytes.
    #[must_use]
    pub fn new(random: [u8; 8]) -> Self {
        Self(hex(&random))
    }

    /// The 16 hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PhoneId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PhoneId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(text))
        } else {
            Err(serde::de::Error::custom("not 16 hex digits"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        Account {
            access_token: Secret::new("the-token"),
            user_id: None,
            phone_id: PhoneId::new([0x0f, 0, 1, 2, 3, 4, 5, 0xff]),
        }
    }

    fn read(status: u16, body: &str) -> Result<Vec<CloudCamera>, Error> {
        account().parse_list(&Response::new(status, body))
    }

    #[test]
    fn request_matches_the_documentation() {
        let request = account().list_request(1_800_000_000_123);
        assert_eq!(request.service, Service::CameraList);
        assert!(request.headers.is_empty());
        assert_eq!(
            request.body.reveal(),
            concat!(
                r#"{"access_token":"the-token","phone_id":"0f000102030405ff","#,
                r#""app_name":"com.hualai.WyzeCam","app_ver":"com.hualai.WyzeCam___2.50.0","#,
                r#""app_version":"2.50.0","phone_system_type":1,"#,
                r#""sc":"9f275790cab94a72bd206c8876429f3c","sv":"9d74946e652647e9b6c9d59326aef104","#,
                r#""ts":1800000000123}"#
            )
        );
    }

    #[test]
    fn account_round_trips_as_json() {
        let mut account = account();
        for user_id in [None, Some("u1".to_owned())] {
            account.user_id = user_id;
            let text = account.to_json();
            assert_eq!(Account::from_json(text.reveal()), Ok(account.clone()));
        }
        assert!(!format!("{account:?}").contains("the-token"));
        for bad in [
            "",
            "{",
            "{}",
            r#"{"access_token":"t","phone_id":"0f000102030405f"}"#,
            r#"{"access_token":"t","phone_id":"0f000102030405fg"}"#,
            r#"{"access_token":"","phone_id":"0f000102030405ff"}"#,
            r#"{"access_token":["secret-1"],"phone_id":"0f000102030405ff"}"#,
        ] {
            let error = Account::from_json(bad).unwrap_err();
            assert!(matches!(error, Error::InvalidAccount(_)), "{bad}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }

    #[test]
    fn success_code_may_be_a_number() {
        for code in ["1", "\"1\""] {
            let body = format!(r#"{{"code":{code},"data":{{"device_list":[]}}}}"#);
            assert_eq!(read(200, &body), Ok(Vec::new()));
        }
    }

    #[test]
    fn rejected_token_is_a_distinct_error() {
        for (status, body) in [
            (200, r#"{"code":"2001","msg":"AccessTokenError"}"#),
            (200, r#"{"code":"5","msg":"Access Token is invalid"}"#),
            (401, r#"{"code":"7","msg":"no"}"#),
            (401, ""),
        ] {
            let error = read(status, body).unwrap_err();
            assert!(matches!(error, Error::TokenRejected(_)), "{error}");
        }
        let refused = read(200, r#"{"code":"1004","msg":"the-token is busy"}"#);
        assert_eq!(
            refused,
            Err(Error::Refused {
                code: Some("1004".into()),
                text: "… is busy".into()
            })
        );
    }

    #[test]
    fn other_responses_are_unexpected() {
        for body in [
            "",
            "<html>",
            "{}",
            r#"{"code":"1"}"#,
            r#"{"code":"1","data":{}}"#,
            r#"{"code":"1","data":{"device_list":{}}}"#,
            r#"{"code":"1","data":{"device_list":[1]}}"#,
            r#"{"code":"1","data":{"device_list":[{"enr":"aKzdqckqZ8HUHFe5""#,
        ] {
            let error = read(200, body).unwrap_err();
            assert!(matches!(error, Error::UnexpectedResponse { .. }), "{body}");
            assert!(!error.to_string().contains("aKzd"), "{error}");
        }
    }
}
