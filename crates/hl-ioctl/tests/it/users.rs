//! The exchange with a user: K10006 and K10008 instead of K10002.

use hl_ioctl::commands::{ConnectResult, UserId};
use hl_ioctl::{
    AckRule, AuthMessage, CameraConfig, CameraExchange, CameraStep, ChallengeRule, ChallengeStatus,
    ClientConfig, ClientExchange, ClientStep, Enr, Error, HlMessage, IgnoreReason, Ioctl,
};

const RIGHT: &str = "aKzdqckqZ8HUHFe5";
const WRONG: &str = "GAgDiwVPg2E4GMke";

fn client(enr: &str, auth: AuthMessage) -> ClientExchange {
    let config = ClientConfig {
        rule: ChallengeRule::Decrypt,
        enr: Enr::new(enr).unwrap(),
        id: *b"PHON",
        request_payload: Vec::new(),
        video: true,
        audio: false,
    };
    ClientExchange::with_auth(config, auth).unwrap()
}

fn camera() -> CameraExchange {
    CameraExchange::new(CameraConfig {
        rule: ChallengeRule::Decrypt,
        enr: Enr::new(RIGHT).unwrap(),
        status: ChallengeStatus::Enr,
        challenge: *b"WERhJxb87WF3zgPa",
        acknowledgement: AckRule::Any,
        result: ConnectResult::accept(None, None),
    })
    .unwrap()
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
fn every_message_is_accepted_with_its_own_code() {
    for (auth, code, user_id) in [
        (AuthMessage::Anonymous, 10002, None),
        (AuthMessage::DoorbellUser(user()), 10006, Some(user())),
        (AuthMessage::User(user()), 10008, Some(user())),
    ] {
        assert_eq!((auth.code(), auth.answer_code()), (code, code + 1));
        let (mut client, mut camera) = (client(RIGHT, auth), camera());
        let auth = answer(&mut client, &mut camera);
        assert_eq!(hl(&auth).code, code);
        let tail: &[u8] = match user_id {
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
        assert_eq!(camera.user_id(), user_id.as_ref());
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
fn wrong_enr_is_refused_with_every_code() {
    for auth in [AuthMessage::DoorbellUser(user()), AuthMessage::User(user())] {
        let code = auth.answer_code();
        let (mut client, mut camera) = (client(WRONG, auth), camera());
        let auth = answer(&mut client, &mut camera);
        let CameraStep::Refuse { reply } = ask(&mut camera, &auth) else {
            panic!("not refused");
        };
        assert_eq!(hl(&reply).code, code);
        assert_eq!(camera.user_id(), None);
        let error = client.handle(&hl(&reply)).unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error}");
    }
}

#[test]
fn truncated_message_is_ignored() {
    let (mut client, mut camera) = (client(RIGHT, AuthMessage::User(user())), camera());
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
    let (mut client, mut camera) = (client(RIGHT, AuthMessage::User(user())), camera());
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
