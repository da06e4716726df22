//! The exchange with a user: K10006 and K10008 instead of K10002.

use hl_ioctl::commands::UserId;
use hl_ioctl::{
    CameraConfig, CameraExchange, CameraStep, ClientConfig, ClientExchange, ClientStep, Enr, Error,
    HlMessage, IgnoreReason, Ioctl, UserRule,
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

fn hl(bytes: &[u8]) -> HlMessage<'_> {
    HlMessage::parse(bytes).unwrap()
}

/// Runs the exchange up to the acknowledged response.
fn answer(client: &mut ClientExchange, camera: &mut CameraExchange) -> Vec<u8> {
    let step = camera.handle(&hl(client.request()), Ioctl { index: 0, flag: 0 });
    let CameraStep::Send(challenge) = step else {
        panic!("{step:?}");
    };
    camera.handle_acknowledgement(2);
    match client.handle(&hl(&challenge)).unwrap() {
        ClientStep::AcknowledgeThenSend(auth) => auth,
        step => panic!("{step:?}"),
    }
}

fn ask(camera: &mut CameraExchange, auth: &[u8]) -> CameraStep {
    camera.handle(&hl(auth), Ioctl { index: 1, flag: 1 })
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
        assert_eq!((hl(&auth).code, client.index()), (code, 1));
        let tail: &[u8] = match sent {
            None => b"PHON\x01\x00",
            Some(_) => b"PHON\x01\x00\x082a8f1e9c",
        };
        assert!(auth.ends_with(tail), "K{code}");
        assert_eq!(client.repeat(), Some(&auth[..]));

        assert_eq!(camera.user_id(), None);
        let step = ask(&mut camera, &auth);
        let CameraStep::Accept { reply, auth: said } = step else {
            panic!("K{code}: {step:?}");
        };
        assert_eq!((said.id, said.video, said.audio), (*b"PHON", true, false));
        assert_eq!(camera.user_id(), sent.as_ref());
        assert_eq!(hl(&reply).code, code + 1);
        let again = ask(&mut camera, &auth);
        assert_eq!(again, CameraStep::Send(reply.clone()));

        // The client ignores the result with another code.
        for other in [10003, 10007, 10009] {
            if other != code + 1 {
                let message = HlMessage {
                    code: other,
                    ..hl(&reply)
                };
                assert_eq!(client.handle(&message), Ok(ClientStep::Ignore));
            }
        }
        assert!(matches!(
            client.handle(&hl(&reply)),
            Ok(ClientStep::Done(_))
        ));
        assert!(client.is_over());
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
            client.handle_timeout();
        }
        let first = answer(&mut client, &mut camera);
        for _ in 0..2 {
            client.handle_timeout();
            assert_eq!(client.repeat(), Some(&first[..]));
            assert_eq!(client.index(), 1);
        }
        let ignored = CameraStep::Ignore(IgnoreReason::OtherCode);
        assert_eq!(ask(&mut camera, &first), ignored);

        client.handle_timeout();
        let auth = client.repeat().unwrap().to_vec();
        assert_eq!((hl(&auth).code, client.index()), (10002, 2));
        // The same response.
        assert_eq!(hl(&auth).payload, &hl(&first).payload[..22]);
        client.handle_timeout();
        assert_eq!(client.repeat(), Some(&auth[..]));

        let CameraStep::Accept { reply, .. } = ask(&mut camera, &auth) else {
            panic!("not accepted");
        };
        assert_eq!(camera.user_id(), None);
        let code = if answered_late { 10009 } else { 10003 };
        let reply = HlMessage { code, ..hl(&reply) };
        let step = client.handle(&reply).unwrap();
        assert!(matches!(step, ClientStep::Done(_)), "{step:?}");
    }
}

#[test]
fn wrong_enr_is_refused_with_every_code() {
    for (rule, code) in rules() {
        let (mut client, mut camera) = (client(WRONG, Some(user()), rule), camera(37, rule));
        let auth = answer(&mut client, &mut camera);
        let CameraStep::Refuse { reply } = ask(&mut camera, &auth) else {
            panic!("not refused");
        };
        assert_eq!(hl(&reply).code, code + 1);
        assert_eq!(camera.user_id(), None);
        let error = client.handle(&hl(&reply)).unwrap_err();
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
        let step = camera.handle(&cut, Ioctl { index: 1, flag: 1 });
        assert_eq!(step, CameraStep::Ignore(IgnoreReason::Malformed));
    }
    let step = ask(&mut camera, &auth);
    assert!(matches!(step, CameraStep::Accept { .. }));
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
    let error = client.handle(&message).unwrap_err();
    assert_eq!(
        error.to_string(),
        "K10009: expected the JSON field `connectionRes`, got none"
    );
}
