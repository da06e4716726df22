//! The challenge exchange: both sides against each other, duplicates, losses and invalid messages.

use hl_ioctl::commands::{ConnectResult, VideoParams};
use hl_ioctl::{
    AckRule, CAMERA_VERSION, CLIENT_VERSION, CameraConfig, CameraEvent, CameraExchange,
    ChallengeRule, ChallengeStatus, ClientConfig, ClientExchange, Enr, Error, HlMessage,
    IgnoreReason, Ioctl, UserRule,
};
use proptest::prelude::*;

use crate::steps::{
    FIRST, SECOND, accepted, ask, end, hl, ignored, k10001, k10002, refused, send, tell,
};

const LONG: &str = "pbvqMrKPO6vqRBg4E7EyJpJaUvdg87HR";
const SHORT: &str = "aKzdqckqZ8HUHFe5";
const CHALLENGE: [u8; 16] = *b"WERhJxb87WF3zgPa";

fn client_with(rule: ChallengeRule, enr: &str) -> ClientExchange {
    let mut config = ClientConfig::new(Enr::new(enr).unwrap(), *b"HSBJ");
    config.rule = rule;
    if rule == ChallengeRule::Encrypt {
        config.request_payload = Vec::new();
    }
    ClientExchange::new(config).unwrap()
}

fn camera_config(rule: ChallengeRule, enr: &str, status: u8) -> CameraConfig {
    let video = VideoParams {
        fps: Some(20),
        ..VideoParams::default()
    };
    let mut config = CameraConfig::new(Enr::new(enr).unwrap(), CHALLENGE);
    config.rule = rule;
    config.status = ChallengeStatus::from_byte(status);
    if rule == ChallengeRule::Encrypt {
        config.acknowledgement = AckRule::Second;
    }
    config.result = ConnectResult::accept(Some(video), None);
    config.user_rule = UserRule::ALL;
    config
}

fn camera_with(rule: ChallengeRule, enr: &str, status: u8) -> CameraExchange {
    CameraExchange::new(camera_config(rule, enr, status)).unwrap()
}

fn encrypt() -> (ClientExchange, CameraExchange) {
    let rule = ChallengeRule::Encrypt;
    (client_with(rule, SHORT), camera_with(rule, SHORT, 3))
}

#[test]
fn both_sides_agree_with_every_rule_and_status() {
    for rule in [ChallengeRule::Encrypt, ChallengeRule::Decrypt] {
        for status in [1, 3, 6] {
            let mut client = client_with(rule, LONG);
            let mut camera = camera_with(rule, LONG, status);
            let (index, request) = send(&mut client).unwrap();
            assert_eq!((index, hl(&request).version), (0, CLIENT_VERSION));

            let challenge = k10001(&mut camera, &mut client);
            let message = hl(&challenge);
            assert_eq!((message.version, message.code), (CAMERA_VERSION, 10001));
            assert_eq!(message.payload[0], status);
            assert_eq!(message.payload[1..], CHALLENGE);

            let auth = k10002(&mut client, &challenge);
            assert_eq!((hl(&auth).version, hl(&auth).code), (CLIENT_VERSION, 10002));
            assert_eq!(&auth[32..], b"HSBJ\x01\x01");
            assert_eq!(send(&mut client), Some((1, auth.clone())));

            camera.handle_acknowledgement(2);
            assert!(!camera.is_accepted());
            let step = ask(&mut camera, &hl(&auth), SECOND);
            let (Some(reply), Some(CameraEvent::Accepted(auth))) = step else {
                panic!("{rule:?} {status}: {step:?}");
            };
            assert_eq!(camera.poll_output(), None);
            assert!(camera.is_accepted());
            assert_eq!((auth.id, auth.video, auth.audio), (*b"HSBJ", true, true));
            assert_eq!(hl(&reply).version, CAMERA_VERSION);

            let result = end(&mut client, &hl(&reply)).unwrap();
            assert_eq!(result.video().unwrap().fps, Some(20));
        }
    }
}

#[test]
fn camera_refuses_a_response_of_the_other_rule() {
    let mut client = client_with(ChallengeRule::Encrypt, SHORT);
    let mut camera = camera_with(ChallengeRule::Decrypt, SHORT, 3);
    let challenge = k10001(&mut camera, &mut client);
    camera.handle_acknowledgement(1);
    let auth = k10002(&mut client, &challenge);
    refused(ask(&mut camera, &hl(&auth), SECOND));
}

#[test]
fn camera_refuses_a_wrong_enr_permanently() {
    for rule in [ChallengeRule::Encrypt, ChallengeRule::Decrypt] {
        let mut client = client_with(rule, SHORT);
        let mut camera = camera_with(rule, LONG, 3);
        let challenge = k10001(&mut camera, &mut client);
        let auth = k10002(&mut client, &challenge);
        camera.handle_acknowledgement(2);
        let reply = refused(ask(&mut camera, &hl(&auth), SECOND));
        assert_eq!(hl(&reply).payload, br#"{"connectionRes":"2"}"#);
        // The decision is final, even if a right response follows.
        let again = ask(&mut camera, &hl(&auth), SECOND);
        assert_eq!(again, (Some(reply.clone()), None));
        let right = k10002(&mut client_with(rule, LONG), &challenge);
        let late = ask(&mut camera, &hl(&right), SECOND);
        assert_eq!(late, (Some(reply.clone()), None));
        assert!(!camera.is_accepted());

        assert_eq!(end(&mut client, &hl(&reply)), Err(Error::WrongEnr));
    }
}

#[test]
fn camera_ignores_a_response_without_acknowledgement_or_with_index_0() {
    let (mut client, mut camera) = encrypt();
    // An acknowledgement before the challenge does not count.
    camera.handle_acknowledgement(2);
    let challenge = k10001(&mut camera, &mut client);
    let auth = k10002(&mut client, &challenge);
    let auth = hl(&auth);
    let not_acknowledged = ignored(IgnoreReason::NotAcknowledged);
    assert_eq!(ask(&mut camera, &auth, SECOND), not_acknowledged);
    for count in [1, 0] {
        camera.handle_acknowledgement(count);
        assert_eq!(ask(&mut camera, &auth, SECOND), not_acknowledged);
    }
    camera.handle_acknowledgement(2);
    for (index, flag) in [(0, 0), (0, 1), (1, 0)] {
        let step = ask(&mut camera, &auth, Ioctl { index, flag });
        assert_eq!(step, ignored(IgnoreReason::WrongIndex));
    }
    accepted(ask(&mut camera, &auth, SECOND));
}

#[test]
fn camera_accepts_acknowledgements_by_rule() {
    for (rule, counts) in [
        (ChallengeRule::Encrypt, vec![2, 3, 0xffff]),
        (ChallengeRule::Decrypt, vec![0, 1, 2, 0xffff]),
    ] {
        for count in counts {
            let mut client = client_with(rule, SHORT);
            let mut camera = camera_with(rule, SHORT, 3);
            let challenge = k10001(&mut camera, &mut client);
            let auth = k10002(&mut client, &challenge);
            let step = ask(&mut camera, &hl(&auth), SECOND);
            assert_eq!(step, ignored(IgnoreReason::NotAcknowledged));
            camera.handle_acknowledgement(count);
            accepted(ask(&mut camera, &hl(&auth), SECOND));
        }
    }
}

#[test]
fn camera_answers_repeated_messages_with_the_same_bytes() {
    let (mut client, mut camera) = encrypt();
    let challenge = k10001(&mut camera, &mut client);
    assert_eq!(k10001(&mut camera, &mut client), challenge);
    let auth = k10002(&mut client, &challenge);
    camera.handle_acknowledgement(2);
    // A late K10000 does not reset the acknowledgement.
    assert_eq!(k10001(&mut camera, &mut encrypt().0), challenge);
    let reply = accepted(ask(&mut camera, &hl(&auth), SECOND));
    // Only the first response is an event.
    camera.handle_acknowledgement(3);
    let again = ask(&mut camera, &hl(&auth), SECOND);
    assert_eq!(again, (Some(reply), None));
    assert_eq!(k10001(&mut camera, &mut encrypt().0), challenge);
    assert!(camera.is_accepted());
}

#[test]
fn camera_ignores_other_codes_and_truncated_messages() {
    let (mut client, mut camera) = encrypt();
    let auth = k10002(&mut client, &k10001(&mut encrypt().1, &mut encrypt().0));
    let step = ask(&mut camera, &hl(&auth), SECOND);
    assert_eq!(step, ignored(IgnoreReason::NotRequested));
    for code in [10001, 10003, 10010, 0] {
        let message = HlMessage { code, ..hl(&auth) };
        let step = ask(&mut camera, &message, SECOND);
        assert_eq!(step, ignored(IgnoreReason::OtherCode));
    }

    k10001(&mut camera, &mut encrypt().0);
    camera.handle_acknowledgement(2);
    let cut = HlMessage {
        payload: &hl(&auth).payload[..21],
        ..hl(&auth)
    };
    let step = ask(&mut camera, &cut, SECOND);
    assert_eq!(step, ignored(IgnoreReason::Malformed));
    // The complete message is still accepted.
    accepted(ask(&mut camera, &hl(&auth), SECOND));
}

#[test]
fn status_without_response_ends_the_exchange() {
    let errors = [
        (2, Error::CameraUpdating),
        (4, Error::CameraChecking),
        (5, Error::CameraOff),
        (9, Error::UnknownStatus { got: 9 }),
    ];
    for rule in [ChallengeRule::Encrypt, ChallengeRule::Decrypt] {
        for (status, error) in &errors {
            let mut client = client_with(rule, LONG);
            let mut camera = camera_with(rule, LONG, *status);
            let challenge = k10001(&mut camera, &mut client);
            assert_eq!(end(&mut client, &hl(&challenge)).unwrap_err(), *error);
            assert_eq!(tell(&mut client, &hl(&challenge)), (None, None));

            // The camera ignores a response.
            let forced = k10001(
                &mut camera_with(rule, LONG, 3),
                &mut client_with(rule, LONG),
            );
            let auth = k10002(&mut client_with(rule, LONG), &forced);
            camera.handle_acknowledgement(2);
            let step = ask(&mut camera, &hl(&auth), SECOND);
            assert_eq!(step, ignored(IgnoreReason::NotAnswerable));
        }
    }
}

#[test]
fn status_6_needs_a_long_enr_on_both_sides() {
    let rule = ChallengeRule::Decrypt;
    let error = Error::EnrTooShort {
        status: 6,
        expected: 32,
        got: 16,
    };
    let camera = CameraExchange::new(camera_config(rule, SHORT, 6));
    assert_eq!(camera.err(), Some(error.clone()));
    let mut client = client_with(rule, SHORT);
    let challenge = k10001(&mut camera_with(rule, LONG, 6), &mut client);
    assert_eq!(end(&mut client, &hl(&challenge)), Err(error));
}

#[test]
fn client_ignores_duplicates_and_answers_the_newest_challenge() {
    let (mut client, mut camera) = encrypt();
    let challenge = k10001(&mut camera, &mut client);
    let first = k10002(&mut client, &challenge);
    assert_eq!(tell(&mut client, &hl(&challenge)), (None, None));
    assert_eq!(send(&mut client), Some((1, first.clone())));

    // The camera restarted.
    let mut other = camera_config(ChallengeRule::Encrypt, SHORT, 3);
    other.challenge = *b"another 16 bytes";
    let mut other = CameraExchange::new(other).unwrap();
    let newer = k10001(&mut other, &mut encrypt().0);
    let second = k10002(&mut client, &newer);
    assert_ne!(first, second);
    assert_eq!(send(&mut client), Some((1, second.clone())));
    other.handle_acknowledgement(2);
    let reply = accepted(ask(&mut other, &hl(&second), SECOND));
    end(&mut client, &hl(&reply)).unwrap();
    for late in [&reply, &challenge, &newer] {
        assert_eq!(tell(&mut client, &hl(late)), (None, None));
    }
}

#[test]
fn client_ignores_unrequested_messages() {
    let (mut client, _) = encrypt();
    for code in [10003, 10000, 10002, 10011] {
        let message = HlMessage {
            version: 0x25,
            code,
            payload: br#"{"connectionRes":"1"}"#,
        };
        assert_eq!(tell(&mut client, &message), (None, None), "{code}");
    }
    let (_, request) = send(&mut client).unwrap();
    assert_eq!(hl(&request).code, 10000);
}

#[test]
fn truncated_challenge_does_not_end_the_exchange() {
    let (mut client, mut camera) = encrypt();
    let challenge = k10001(&mut camera, &mut client);
    let cut = HlMessage {
        payload: &hl(&challenge).payload[..16],
        ..hl(&challenge)
    };
    assert_eq!(tell(&mut client, &cut), (None, None));
    assert_eq!(client.malformed(), 1);
    k10002(&mut client, &challenge);
}

#[test]
fn invalid_result_ends_the_exchange() {
    let (mut client, mut camera) = encrypt();
    let challenge = k10001(&mut camera, &mut client);
    k10002(&mut client, &challenge);
    let message = HlMessage {
        version: 0x25,
        code: 10003,
        payload: b"1",
    };
    let error = end(&mut client, &message).unwrap_err();
    assert!(matches!(error, Error::JsonField { .. }), "{error}");
}

#[test]
fn long_connection_res_is_shortened_in_the_error() {
    let (mut client, mut camera) = encrypt();
    let challenge = k10001(&mut camera, &mut client);
    k10002(&mut client, &challenge);
    let json = format!(r#"{{"connectionRes":"{}"}}"#, "é".repeat(5000));
    let message = HlMessage {
        version: 0x25,
        code: 10003,
        payload: json.as_bytes(),
    };
    assert_eq!(
        end(&mut client, &message).unwrap_err(),
        Error::Refused {
            connection_res: "é".repeat(32)
        }
    );
}

#[test]
fn oversized_messages_are_refused_at_construction() {
    let mut config = ClientConfig::new(Enr::new(SHORT).unwrap(), [0; 4]);
    config.request_payload = vec![b' '; 0x1_0000];
    let error = ClientExchange::new(config).unwrap_err();
    assert!(matches!(error, Error::TooLong { .. }));
    let video = VideoParams {
        codec: Some("x".repeat(0x1_0000)),
        ..VideoParams::default()
    };
    let mut config = camera_config(ChallengeRule::Decrypt, SHORT, 3);
    config.result = ConnectResult::accept(Some(video), None);
    let error = CameraExchange::new(config).unwrap_err();
    assert!(matches!(error, Error::TooLong { .. }));
}

/// An event of the network between the two sides.
#[derive(Debug, Clone, Copy)]
enum Event {
    /// The client repeats its last message.
    Repeat { arrives: bool, answer_arrives: bool },
    /// The client sends a heartbeat.
    Heartbeat { arrives: bool },
    /// An old message of the camera arrives again.
    Replay(usize),
    /// An old message of the client arrives again.
    ReplayToCamera(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        any::<(bool, bool)>().prop_map(|(arrives, answer_arrives)| Event::Repeat {
            arrives,
            answer_arrives
        }),
        any::<bool>().prop_map(|arrives| Event::Heartbeat { arrives }),
        (0..8usize).prop_map(Event::Replay),
        (0..8usize).prop_map(Event::ReplayToCamera),
    ]
}

proptest! {
    /// With the right ENR, loss, duplication and reordering never cause an error. Once three
    /// repeats and a heartbeat arrive, both sides are done, and the camera has accepted exactly
    /// once.
    #[test]
    fn unreliable_network_only_delays(
        decrypt: bool, status in prop::sample::select(vec![1u8, 3, 6]),
        events in prop::collection::vec(event(), 0..30)
    ) {
        let rule = if decrypt { ChallengeRule::Decrypt } else { ChallengeRule::Encrypt };
        let mut client = client_with(rule, LONG);
        let mut camera = camera_with(rule, LONG, status);
        let (mut to_camera, mut to_client) = (Vec::<(Vec<u8>, Ioctl)>::new(), Vec::<Vec<u8>>::new());
        let (mut heartbeats, mut accepts, mut dones) = (1, 0, 0);
        let through = Event::Repeat { arrives: true, answer_arrives: true };
        let beat = Event::Heartbeat { arrives: true };
        for event in events.into_iter().chain([through, beat, through, through]) {
            let mut request = None;
            let mut reply = None;
            let mut answer_arrives = true;
            match event {
                Event::Repeat { arrives, answer_arrives: back } => {
                    if let Some((index, message)) = send(&mut client) {
                        to_camera.push((message, if index > 0 { SECOND } else { FIRST }));
                        request = arrives.then(|| to_camera[to_camera.len() - 1].clone());
                        answer_arrives = back;
                    }
                }
                Event::Heartbeat { arrives } => {
                    heartbeats += 1;
                    if arrives {
                        camera.handle_acknowledgement(heartbeats);
                    }
                }
                Event::Replay(at) => reply = to_client.get(at).cloned(),
                Event::ReplayToCamera(at) => request = to_camera.get(at).cloned(),
            }
            if let Some((message, ioctl)) = request {
                let (answer, event) = ask(&mut camera, &hl(&message), ioctl);
                match event {
                    Some(CameraEvent::Accepted(_)) => accepts += 1,
                    Some(CameraEvent::Refused) => return Err(TestCaseError::fail("refused")),
                    Some(CameraEvent::Ignored(_)) | None => {}
                }
                if let Some(answer) = answer {
                    to_client.push(answer.clone());
                    reply = answer_arrives.then_some(answer);
                }
            }
            if let Some(message) = reply
                && let (_, Some(result)) = tell(&mut client, &hl(&message))
            {
                result.unwrap();
                dones += 1;
            }
        }
        prop_assert_eq!((accepts, dones), (1, 1));
        prop_assert!(client.is_over() && camera.is_accepted());
    }

    /// Neither side panics, and the camera never accepts without a right response.
    #[test]
    fn random_messages_are_not_accepted(
        messages in prop::collection::vec(
            (any::<u16>(), 9998..10011u16, prop::collection::vec(any::<u8>(), 0..40),
                any::<(u16, u32)>()),
            0..20
        )
    ) {
        let mut client = client_with(ChallengeRule::Decrypt, LONG);
        let mut camera = camera_with(ChallengeRule::Decrypt, LONG, 6);
        for (version, code, payload, (index, flag)) in &messages {
            let message = HlMessage { version: *version, code: *code, payload };
            let over = client.is_over();
            let step = tell(&mut client, &message);
            prop_assert!(!over || step == (None, None));
            camera.handle_acknowledgement(*index);
            ask(&mut camera, &message, Ioctl { index: *index, flag: *flag });
            prop_assert!(!camera.is_accepted());
        }
    }
}
