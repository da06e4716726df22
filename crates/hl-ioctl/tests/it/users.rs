//! The exchange with a user: K10006 and K10008 instead of K10002.

use hl_ioctl::commands::UserId;
use hl_ioctl::{
    CameraConfig, CameraEvent, CameraExchange, ClientConfig, ClientExchange, Enr, Error, HlMessage,
    IgnoreReason, UserRule,
};

use crate::steps::{
    CameraOutputs, SECOND, accepted, ask, end, hl, ignored, k10001, k10002, refused, send, tell,
};

const RIGHT: &str = "aKzdqckqZ8HUHFe5";
const WRONG: &str = "GAgDiwVPg2E4GMke";

fn client(enr: &str, user: Option<UserId>, user_rule: UserRule) -> ClientExchange {
    let mut config = ClientConfig::new(Enr::new(enr).unwrap(), *b"PHON");
    config.request_payload = Vec::new();
    config.audio = false;
    config.user = user;
    config.user_rule = user_rule;
    ClientExchange::new(config).unwrap()
}

fn camera(version: u16, user_rule: UserRule) -> CameraExchange {
    let enr = Enr::new(RIGHT).unwrap();
    let mut config = CameraConfig::new(enr, *b"WERhJxb87WF3zgPa");
    config.version = version;
    config.user_rule = user_rule;
    CameraExchange::new(config).unwrap()
}

/// Rules that select each of the three messages.
fn rules() -> [(UserRule, u16); 3] {
    let doorbell = UserRule {
        doorbell_since: Some(0),
        ..UserRule::NONE
    };
    let user = UserRule {
        user_since: Some(0),
        ..UserRule::NONE
    };
    [(UserRule::NONE, 10002), (doorbell, 10006), (user, 10008)]
}

/// Runs the exchange up to the acknowledged response.
fn answer(client: &mut ClientExchange, camera: &mut CameraExchange) -> Vec<u8> {
    let challenge = k10001(camera, client);
    camera.handle_acknowledgement(2);
    k10002(client, &challenge)
}

fn respond(camera: &mut CameraExchange, auth: &[u8]) -> CameraOutputs {
    ask(camera, &hl(auth), SECOND)
}

fn user() -> UserId {
    UserId::new("2a8f1e9c").unwrap()
}

#[test]
fn version_and_rule_select_the_message() {
    let doorbell = UserRule {
        doorbell_since: Some(23),
        ..UserRule::default()
    };
    let none = (UserRule::NONE, [10002; 4]);
    let most = (UserRule::default(), [10002, 10002, 10008, 10008]);
    let doorbell = (doorbell, [10002, 10006, 10006, 10006]);
    for (rule, codes) in [none, most, doorbell] {
        for (version, code) in [22, 24, 25, 37].into_iter().zip(codes) {
            assert_eq!(rule.message(version, &user()).code(), code, "{version}");
            let mut client = client(RIGHT, Some(user()), rule);
            let auth = answer(&mut client, &mut camera(version, rule));
            assert_eq!(hl(&auth).code, code, "{rule:?}, version {version}");
        }
    }
    // Without a user.
    let mut client = client(RIGHT, None, UserRule::ALL);
    let auth = answer(&mut client, &mut camera(37, UserRule::ALL));
    assert_eq!(hl(&auth).code, 10002);
}

#[test]
fn every_message_is_accepted_with_its_own_code() {
    for (rule, code) in rules() {
        let sent = (code != 10002).then(user);
        let (mut client, mut camera) = (client(RIGHT, Some(user()), rule), camera(37, rule));
        let auth = answer(&mut client, &mut camera);
        assert_eq!(hl(&auth).code, code);
        let tail: &[u8] = match sent {
            None => b"PHON\x01\x00",
            Some(_) => b"PHON\x01\x00\x082a8f1e9c",
        };
        assert!(auth.ends_with(tail), "K{code}");
        assert_eq!(send(&mut client), Some((1, auth.clone())));

        assert_eq!(camera.user_id(), None);
        let step = respond(&mut camera, &auth);
        let (Some(reply), Some(CameraEvent::Accepted(said))) = step else {
            panic!("K{code}: {step:?}");
        };
        assert_eq!((said.id, said.video, said.audio), (*b"PHON", true, false));
        assert_eq!(camera.user_id(), sent.as_ref());
        assert_eq!(hl(&reply).code, code + 1);
        let again = respond(&mut camera, &auth);
        assert_eq!(again, (Some(reply.clone()), None));

        // The client ignores the result with another code.
        for other in [10003, 10007, 10009] {
            if other != code + 1 {
                let message = HlMessage {
                    code: other,
                    ..hl(&reply)
                };
                assert_eq!(tell(&mut client, &message), (None, None));
            }
        }
        end(&mut client, &hl(&reply)).unwrap();
    }
}

#[test]
fn k10002_replaces_an_unanswered_message_with_a_user() {
    for answered_late in [false, true] {
        let rule = UserRule::default();
        let (mut client, mut camera) = (
            client(RIGHT, Some(user()), rule),
            camera(37, UserRule::NONE),
        );
        // Timeouts before the challenge change nothing.
        for _ in 0..9 {
            send(&mut client);
        }
        let first = answer(&mut client, &mut camera);
        for _ in 0..2 {
            assert_eq!(send(&mut client), Some((1, first.clone())));
        }
        let step = respond(&mut camera, &first);
        assert_eq!(step, ignored(IgnoreReason::OtherCode));

        let (index, auth) = send(&mut client).unwrap();
        assert_eq!((hl(&auth).code, index, client.index()), (10002, 2, 2));
        // The same response.
        assert_eq!(hl(&auth).payload, &hl(&first).payload[..22]);
        assert_eq!(send(&mut client), Some((2, auth.clone())));

        let reply = accepted(respond(&mut camera, &auth));
        assert_eq!(camera.user_id(), None);
        let code = if answered_late { 10009 } else { 10003 };
        let reply = HlMessage { code, ..hl(&reply) };
        end(&mut client, &reply).unwrap();
    }
}

#[test]
fn wrong_enr_is_refused_with_every_code() {
    for (rule, code) in rules() {
        let (mut client, mut camera) = (client(WRONG, Some(user()), rule), camera(37, rule));
        let auth = answer(&mut client, &mut camera);
        let reply = refused(respond(&mut camera, &auth));
        assert_eq!(hl(&reply).code, code + 1);
        assert_eq!(camera.user_id(), None);
        let error = end(&mut client, &hl(&reply)).unwrap_err();
        assert_eq!(error, Error::WrongEnr);
        assert!(error.to_string().contains("ENR"), "{error}");
    }
}

#[test]
fn truncated_message_is_ignored() {
    let rule = UserRule::default();
    let (mut client, mut camera) = (client(RIGHT, Some(user()), rule), camera(37, rule));
    let auth = answer(&mut client, &mut camera);
    let whole = hl(&auth);
    for length in 0..whole.payload.len() {
        let cut = HlMessage {
            payload: whole.payload.get(..length).unwrap(),
            ..whole
        };
        let step = ask(&mut camera, &cut, SECOND);
        assert_eq!(step, ignored(IgnoreReason::Malformed));
    }
    accepted(respond(&mut camera, &auth));
}

#[test]
fn json_error_names_the_message() {
    let rule = UserRule::default();
    let (mut client, mut camera) = (client(RIGHT, Some(user()), rule), camera(37, rule));
    answer(&mut client, &mut camera);
    let message = HlMessage {
        version: 0x25,
        code: 10009,
        payload: b"{}",
    };
    let error = end(&mut client, &message).unwrap_err();
    assert_eq!(
        error.to_string(),
        "K10009: expected the JSON field `connectionRes`, got none"
    );
}
