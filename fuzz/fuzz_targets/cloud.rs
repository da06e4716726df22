//! Responses of the vendor's cloud as arbitrary bytes, and as JSON with the fields that it has.
//!
//! - No error contains a secret of the request or is longer than a few lines.
//! - `Debug` of a result contains no token and no ENR.
//! - A saved account parses to the same account.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};
use tutk_cloud::{Account, CloudCamera, Error, PhoneId, Response, Secret, SignIn, SignInStatus};

/// The secrets of the requests: the e-mail, the hash of the password, and keys.
const SENT: [&str; 5] = [
    "me@example.com",
    "5a22e6c339c96c9c0513a46e44c39683",
    "key-id-7",
    "api-key-8",
    "token-9",
];

/// A secret of the response.
const SECRET: &str = "Zq7Xw9Kv0Lm4Np2R";

/// The names of all fields.
const FIELDS: [&str; 34] = [
    "code",
    "errorCode",
    "msg",
    "description",
    "data",
    "device_list",
    "access_token",
    "refresh_token",
    "user_id",
    "mfa_options",
    "mfa_details",
    "totp_apps",
    "app_id",
    "phone_id",
    "product_type",
    "product_model",
    "nickname",
    "mac",
    "enr",
    "firmware_ver",
    "conn_state",
    "device_params",
    "parent_device_mac",
    "parent_device_enr",
    "p2p_id",
    "p2p_type",
    "ip",
    "dtls",
    "main_device_dtls",
    "password",
    "session",
    "message",
    "requestId",
    "x",
];

/// Values of these fields.
const VALUES: [&str; 14] = [
    "1",
    "0",
    "2001",
    "Camera",
    "BaseStation",
    "TotpVerificationCode",
    "PrimaryPhone",
    "AABBCCDDEEFF",
    "HSBJYB5HSETGCDWD111A",
    "0f000102030405ff",
    "192.0.2.7",
    "true",
    "access token is error",
    "",
];

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    status: u16,
    body: Body<'a>,
}

#[derive(Debug, Arbitrary)]
enum Body<'a> {
    Bytes(&'a [u8]),
    Json(Json<'a>),
    /// A list of cameras with these fields.
    List(Vec<Vec<(u8, Json<'a>)>>),
}

#[derive(Debug, Arbitrary)]
enum Json<'a> {
    Null,
    Boolean(bool),
    Number(i64),
    Float(f64),
    Value(u8),
    Text(&'a str),
    /// A secret of the request, between other text.
    Sent(u8, &'a str, &'a str),
    Secret,
    List(Vec<Json<'a>>),
    Object(Vec<(u8, Json<'a>)>),
}

fuzz_target!(|input: Input<'_>| {
    let (body, is_list) = match &input.body {
        Body::Bytes(bytes) => (bytes.to_vec(), false),
        Body::Json(json) => (json.value().to_string().into(), false),
        Body::List(devices) => {
            let devices: Vec<_> = devices.iter().map(|fields| object(fields)).collect();
            let list = serde_json::json!({ "code": 1, "data": { "device_list": devices } });
            (list.to_string().into(), true)
        }
    };
    let response = Response::new(input.status, body.clone());
    assert!(!format!("{response:?}").contains(SECRET));

    let [email, hash, key_id, key, token] = SENT;
    let sign_in = SignIn::new(email, &format!("md5:{hash}"), key_id, key);
    match sign_in
        .expect("valid credentials")
        .parse_response(&response)
    {
        Ok(status) => {
            assert!(!shows(&status, SECRET) || in_other_field(&status));
            if let SignInStatus::SecondFactorRequired(factor) = status {
                assert!(!factor.options.is_empty());
            }
        }
        Err(error) => check_error(&error, &[email, hash, key_id, key]),
    }

    let account = Account {
        access_token: Secret::new(token),
        user_id: None,
        phone_id: PhoneId::new([7; 8]),
    };
    match account.parse_list(&response) {
        Ok(cameras) => cameras.iter().for_each(check_camera),
        Err(error) => {
            // The parser limits the depth.
            let is_deep = serde_json::from_slice::<Value>(&body).is_err();
            assert!(!is_list || is_deep, "{error}");
            check_error(&error, &[token]);
        }
    }

    if let Ok(text) = str::from_utf8(&body) {
        match Account::from_json(text) {
            Ok(account) => {
                let saved = account.to_json();
                assert_eq!(Account::from_json(saved.reveal()), Ok(account));
            }
            Err(error) => check_error(&error, &[SECRET]),
        }
    }
});

fn check_error(error: &Error, secrets: &[&str]) {
    let shown = error.to_string();
    for secret in secrets {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(shown.chars().count() < 600, "{shown}");
    assert!(!shown.contains(char::is_control), "{shown}");
}

/// The ENRs of a camera are not shown. Other fields may have the same text.
fn check_camera(camera: &CloudCamera) {
    let shown = format!("{camera:?}");
    let secrets = camera.enr.iter().count()
        + (camera.base_station.iter())
            .filter(|station| station.enr.is_some())
            .count();
    assert_eq!(
        shown.matches("Secret(…)").count().min(secrets),
        secrets,
        "{shown}"
    );
}

fn shows(status: &SignInStatus, text: &str) -> bool {
    format!("{status:?}").contains(text)
}

/// Returns `true` if the text of the secret is in a field that is not secret.
fn in_other_field(status: &SignInStatus) -> bool {
    match status {
        SignInStatus::Complete { user_id, .. } => {
            user_id.as_ref().is_some_and(|id| id.contains(SECRET))
        }
        SignInStatus::SecondFactorRequired(factor) => {
            factor.options.iter().any(|option| option.contains(SECRET))
        }
    }
}

fn object(fields: &[(u8, Json<'_>)]) -> Value {
    let fields = fields.iter().map(|(name, value)| {
        let name = FIELDS[usize::from(*name) % FIELDS.len()];
        (name.to_owned(), value.value())
    });
    Value::Object(fields.collect::<Map<_, _>>())
}

impl Json<'_> {
    fn value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Boolean(boolean) => (*boolean).into(),
            Self::Number(number) => (*number).into(),
            Self::Float(number) => (*number).into(),
            Self::Value(index) => VALUES[usize::from(*index) % VALUES.len()].into(),
            Self::Text(text) => (*text).into(),
            Self::Sent(which, before, after) => {
                let sent = SENT[usize::from(*which) % SENT.len()];
                format!("{before}{sent}{after}").into()
            }
            Self::Secret => SECRET.into(),
            Self::List(items) => items.iter().map(Self::value).collect(),
            Self::Object(fields) => object(fields),
        }
    }
}
