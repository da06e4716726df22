//! Arbitrary responses are parsed or refused, and the errors contain no secret.

use proptest::collection::vec;
use proptest::prelude::*;
use tutk_cloud::{Account, PhoneId, Response, Secret, SignIn};

const ENR: &str = "aKzdqckqZ8HUHFe5";
const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJ1c2VyIjoxfQ";

/// JSON that resembles real responses.
fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "\\PC{0,8}".prop_map(Into::into),
        Just(ENR.into()),
        Just(TOKEN.into()),
        Just("1".into()),
        Just("Camera".into()),
    ];
    let name = prop::sample::select(vec![
        "code",
        "errorCode",
        "msg",
        "description",
        "access_token",
        "user_id",
        "mfa_options",
        "mfa_details",
        "totp_apps",
        "app_id",
        "data",
        "device_list",
        "product_type",
        "enr",
        "device_params",
        "p2p_id",
        "anything",
    ]);
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(serde_json::Value::Array),
            vec((name.clone(), inner), 0..6).prop_map(|fields| {
                let fields = fields.into_iter();
                serde_json::Value::Object(fields.map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}

fn errors(status: u16, body: &[u8]) -> Vec<String> {
    let sign_in = SignIn::new("me@example.com", "password", "key-id", "key");
    let account = Account {
        access_token: Secret::new(TOKEN),
        user_id: None,
        phone_id: PhoneId::new([0; 8]),
    };
    let response = Response::new(status, body);
    let signed_in = sign_in.and_then(|sign_in| sign_in.parse_response(&response));
    let list = account.parse_list(&response);
    let errors = [signed_in.map(drop), list.map(drop)];
    errors
        .into_iter()
        .filter_map(Result::err)
        .map(|error| error.to_string())
        .collect()
}

proptest! {
    #[test]
    fn errors_about_json_contain_no_secret(status in 100_u16..600, json in json()) {
        for error in errors(status, json.to_string().as_bytes()) {
            prop_assert!(!error.contains(TOKEN), "{error}");
            prop_assert!(!error.contains(ENR), "{error}");
        }
    }

    #[test]
    fn any_bytes_are_parsed_or_refused(status in 100_u16..600, body in vec(any::<u8>(), 0..300)) {
        errors(status, &body);
    }
}
