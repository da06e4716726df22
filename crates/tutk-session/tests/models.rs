//! The DTLS suite and the authentication command, which depend on model and user.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use testkit::session::datagram::{descramble, records};
use testkit::session::script::CameraScript;
use testkit::session::{Simulation, Tapped, clip, credentials};
use tutk_session::dtls_psk::crypto::{
    Aead, AeadAlgorithm, CryptoError, CryptoProvider, Hash, KeyPair, default_provider,
};
use tutk_session::dtls_psk::{CipherSuite, Group};
use tutk_session::hl_ioctl::commands::{
    ConnectDoorbellUserAuth, ConnectResult, ConnectUserAuth, GetClock, UserId,
};
use tutk_session::hl_ioctl::{ChallengeStatus, Command, HlMessage, Request};
use tutk_session::tutk_frame::IoctlRequest;
use tutk_session::{Deviation, Dialect, Error, Event, Failure, Phase, ResendPolicy};
use tutk_simulator::Personality;

const SECOND: Duration = Duration::from_secs(1);

/// A client configured for the model `client`, and a camera of the model `camera`.
fn simulation(client: Option<&str>, camera: Option<&str>) -> Simulation {
    let (mut client_config, mut camera_config) =
        Simulation::pair(&Dialect::TRANSCODE, clip(4, 20, 10));
    client_config.model = client.map(str::to_owned);
    if let Some(model) = camera {
        camera_config.personality = Personality::STRICT.with_model(model.to_owned());
    }
    Simulation::new(client_config, camera_config, 4, |net| {
        net.latency(Duration::from_millis(2))
    })
}

#[test]
fn plain_psk_model_is_offered_its_suite_first() {
    let mut simulation = simulation(Some("WYZEDB3"), Some("WYZEDB3"));
    simulation.run(2 * SECOND);
    assert!(simulation.record.frames.len() > 20);
    assert_eq!(simulation.client.stats().restarts, 0);
}

/// The default provider without P-256.
#[derive(Debug)]
struct WithoutP256;

impl CryptoProvider for WithoutP256 {
    fn suites(&self) -> &[CipherSuite] {
        default_provider().suites()
    }

    fn groups(&self) -> &[Group] {
        &[Group::X25519]
    }

    fn hash(&self, hash: Hash, data: &[u8], digest: &mut [u8]) -> Result<(), CryptoError> {
        default_provider().hash(hash, data, digest)
    }

    fn hmac(
        &self,
        hash: Hash,
        key: &[u8],
        data: &[&[u8]],
        tag: &mut [u8],
    ) -> Result<(), CryptoError> {
        default_provider().hmac(hash, key, data, tag)
    }

    fn key_pair(&self, group: Group, secret: &[u8; 32]) -> Result<Box<dyn KeyPair>, CryptoError> {
        assert_eq!(group, Group::X25519);
        default_provider().key_pair(group, secret)
    }

    fn aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn Aead>, CryptoError> {
        default_provider().aead(algorithm, key)
    }
}

#[test]
fn groups_that_the_provider_lacks_are_not_offered() {
    let dialect = &Dialect::TRANSCODE;
    let (mut client, camera) = Simulation::pair(dialect, clip(4, 20, 10));
    client.provider = &WithoutP256;
    let mut simulation = Simulation::new(client, camera, 4, |net| net);
    simulation.run(2 * SECOND);
    assert!(simulation.record.frames.len() > 20);
}

#[test]
fn unknown_model_is_not_offered_plain_psk_after_a_refusal() {
    let mut simulation = simulation(None, Some("WYZEDB3"));
    simulation.tap = Some(Vec::new());
    simulation.run(20 * SECOND);
    let error = simulation.record.error();
    assert_eq!(
        (error.failure(), error.phase()),
        (Failure::Refused, Phase::Dtls)
    );
    assert!(error.advice().contains("set `model`"), "{}", error.advice());
    let tap = simulation.tap.unwrap();
    let mut offers = tap.iter().filter_map(offered_suites);
    assert!(offers.all(|suites| suites == [0xccac]));
}

/// The camera is off while the first ClientHello is in flight.
#[test]
fn unanswered_hello_is_followed_by_another_offer() {
    for (camera, model) in [(Some("WYZEDB3"), Some("WYZEDB3")), (Some("HL_CAM4"), None)] {
        let mut simulation = simulation(model, camera);
        simulation.run_until(SECOND, |record| record.phases.contains(&Phase::Session));
        simulation.camera_off = true;
        simulation.run(4 * SECOND);
        simulation.camera_off = false;
        simulation.run(5 * SECOND);
        assert!(simulation.record.frames.len() > 20, "{camera:?}");
        let stats = simulation.client.stats();
        assert_eq!(stats.restarts, 1, "{camera:?}");
        assert_eq!(stats.tolerated.count(Deviation::HandshakeOffer), 1);
    }
}

/// The camera selects the suite, so that an attacker without the key cannot.
#[test]
fn model_with_forward_secrecy_is_offered_plain_psk_only_beside_it() {
    let mut simulation = simulation(Some("HL_CAM4"), Some("WYZEDB3"));
    simulation.tap = Some(Vec::new());
    simulation.run(2 * SECOND);
    assert!(simulation.record.frames.len() > 20);
    let tap = simulation.tap.unwrap();
    let offers: Vec<_> = tap.iter().filter_map(offered_suites).collect();
    assert_eq!(offers, [vec![0xccac], vec![0xccac, 0x00ae]]);
}

#[test]
fn refusal_of_all_suites_is_reported() {
    let mut script = CameraScript::with_config(&Dialect::TRANSCODE, |config| {
        config.model = Some("HL_CAM4".to_owned());
    });
    // handshake_failure to each ClientHello.
    let alert = |sequence| [21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, sequence, 0, 2, 2, 40];
    for sequence in 0..4 {
        assert!(!script.has_ended(), "{sequence}");
        script.answer_discovery();
        script.grant_session();
        script.send_records(0, &alert(sequence));
    }
    let error = script.error();
    assert!(matches!(error, Error::Dtls { .. }), "{error}");
    assert_eq!(
        (error.failure(), error.phase()),
        (Failure::Refused, Phase::Dtls)
    );
    assert!(error.advice().contains("`model`"), "{}", error.advice());
}

/// Returns the suites of a ClientHello.
fn offered_suites(tapped: &Tapped) -> Option<Vec<u16>> {
    let mut plain = tapped.bytes.clone();
    descramble(&Dialect::TRANSCODE, &mut plain);
    let records = records(&Dialect::TRANSCODE, &plain)?;
    // Record header, message header, version, random, session id and cookie, both empty.
    let hello = records.get(13..)?;
    if !tapped.to_camera || records[0] != 22 || hello[0] != 1 {
        return None;
    }
    let list = &hello[12 + 2 + 32 + 1 + 1..];
    let len = usize::from(u16::from_be_bytes([list[0], list[1]]));
    let suites = list[2..2 + len].chunks(2);
    Some(
        suites
            .map(|id| u16::from_be_bytes([id[0], id[1]]))
            .collect(),
    )
}

#[test]
fn plain_psk_model_falls_back_to_the_other_suite() {
    let mut simulation = simulation(Some("WYZEDB3"), Some("HL_CAM4"));
    simulation.run(2 * SECOND);
    assert!(simulation.record.frames.len() > 20);
    assert_eq!(simulation.client.stats().restarts, 1);
}

/// Returns code and payload of the client's answer to the challenge.
fn answer_to_challenge(script: &mut CameraScript) -> (u16, Vec<u8>) {
    script.log_in();
    script.take_packets();
    script.send_challenge(ChallengeStatus::Enr);
    let packets = script.take_packets();
    let request = packets
        .iter()
        .find_map(|packet| IoctlRequest::parse(packet).ok());
    let message = HlMessage::parse(request.unwrap().hl).unwrap();
    (message.code, message.payload.to_vec())
}

#[test]
fn model_selects_the_user_auth_command() {
    let user = UserId::new("0123456789abcdef").unwrap();
    for (model, user, code) in [
        (None, None, 10002),
        (Some("HL_DB2"), None, 10002),
        (None, Some(&user), 10008),
        (Some("HL_CAM4"), Some(&user), 10008),
        (Some("HL_DB2"), Some(&user), 10006),
        (Some("WYZEC1"), Some(&user), 10002),
    ] {
        let mut script = CameraScript::with_config(&Dialect::TRANSCODE, |config| {
            config.model = model.map(str::to_owned);
            config.user = user.cloned();
        });
        let (sent, payload) = answer_to_challenge(&mut script);
        assert_eq!(sent, code, "{model:?}");
        let accepted = ConnectResult::accept(None, None);
        let hl = match code {
            10002 => continue,
            10006 => {
                let ConnectDoorbellUserAuth(auth) = Command::decode(&payload).unwrap();
                assert_eq!(Some(&auth.user_id), user);
                ConnectDoorbellUserAuth::answer_to_hl(&accepted)
            }
            _ => {
                let ConnectUserAuth(auth) = Command::decode(&payload).unwrap();
                assert_eq!(Some(&auth.user_id), user);
                ConnectUserAuth::answer_to_hl(&accepted)
            }
        };
        script.send_hl(&hl.unwrap());
        let is_authenticated = |event: &Event| matches!(event, Event::Authenticated(_));
        assert!(script.events.iter().any(is_authenticated), "{model:?}");
    }
}

#[test]
fn user_is_authenticated() {
    for model in [None, Some("HL_DB2"), Some("WYZEDB3")] {
        let (mut client, mut camera) = Simulation::pair(&Dialect::CC51, clip(4, 20, 10));
        client.model = model.map(str::to_owned);
        if let Some(model) = model {
            camera.personality = Personality::STRICT.with_model(model);
        }
        client.user = Some(UserId::new("somebody").unwrap());
        let mut simulation = Simulation::new(client, camera, 4, |net| net);
        simulation.run(2 * SECOND);
        assert!(simulation.record.frames.len() > 20, "{model:?}");
    }
}

/// The requests of a script's client: code, index and payload.
fn requests(script: &mut CameraScript) -> Vec<(u16, u32, Vec<u8>)> {
    let packets = script.take_packets();
    let requests = packets
        .iter()
        .filter_map(|packet| IoctlRequest::parse(packet).ok());
    requests
        .map(|request| {
            let message = HlMessage::parse(request.hl).unwrap();
            (message.code, request.index, message.payload.to_vec())
        })
        .collect()
}

#[test]
fn unanswered_user_message_is_replaced_by_k10002() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::with_config(dialect, |config| {
            config.user = Some(UserId::new("somebody").unwrap());
        });
        script.log_in();
        script.take_packets();
        script.send_challenge(ChallengeStatus::Enr);
        script.advance(4 * SECOND + SECOND / 2);
        let sent = requests(&mut script);
        let codes: Vec<_> = sent
            .iter()
            .map(|(code, index, _)| (*code, *index))
            .collect();
        let (user, anonymous) = ((10008, 1), (10002, 2));
        let expected = [user, user, user, anonymous, anonymous];
        assert_eq!(codes, expected, "{dialect}");
        assert_eq!(sent[0].2[..22], sent[4].2, "the same response");

        script.send_result(&ConnectResult::accept(None, None));
        let request = Request::from(&GetClock);
        script.with(|client, now| client.command(now, request));
        let command = requests(&mut script);
        assert_eq!((command[0].0, command[0].1), (10090, 3), "{dialect}");
    }
}

#[test]
fn camera_that_ignores_user_messages_streams() {
    let (mut client, mut camera) = Simulation::pair(&Dialect::TRANSCODE, clip(4, 20, 10));
    // The client does not know the model.
    camera.personality = Personality::STRICT.with_model("HL_WCO2");
    client.user = Some(UserId::new("somebody").unwrap());
    let mut simulation = Simulation::new(client, camera, 4, |net| net);
    simulation.run(5 * SECOND);
    assert!(simulation.record.frames.len() > 20);
}

#[test]
fn camera_behind_a_base_station_streams() {
    for dialect in &Dialect::ALL {
        for status in [ChallengeStatus::Enr, ChallengeStatus::LongEnr] {
            let (mut client, mut camera) = Simulation::pair(dialect, clip(4, 20, 10));
            let behind = credentials().behind_base_station("GkB9S7cX38GgzSC6", "AABBCCDDEE00");
            client.credentials = behind.clone().unwrap();
            client.model = Some("WVOD1".to_owned());
            client.resend = ResendPolicy::On;
            camera.credentials = behind.unwrap();
            camera.personality = Personality::STRICT.with_model("WVOD1");
            camera.personality.status = status;
            let mut simulation = Simulation::new(client, camera, 4, |net| net);
            simulation.run(2 * SECOND);
            assert!(simulation.record.frames.len() > 20, "{dialect} {status:?}");
            assert_eq!(simulation.client.stats().groups, Default::default());
        }
    }
    // With the camera's own keys only, so with another AuthKey.
    let (client, mut camera) = Simulation::pair(&Dialect::TRANSCODE, clip(4, 20, 10));
    let behind = credentials().behind_base_station("GkB9S7cX38GgzSC6", "AABBCCDDEE00");
    camera.credentials = behind.unwrap();
    let mut simulation = Simulation::new(client, camera, 4, |net| net);
    simulation.run(12 * SECOND);
    assert_eq!(simulation.record.error().phase(), Phase::Discovery);
}

#[test]
fn k10000_wakes_a_camera_behind_a_base_station() {
    let mut script = CameraScript::with_config(&Dialect::TRANSCODE, |config| {
        config.model = Some("HL_WCO2".to_owned());
    });
    script.log_in();
    let (code, _, payload) = requests(&mut script).remove(0);
    assert_eq!(code, 10000);
    let wake = br#"{"cameraInfo":{"mac":"AABBCCDDEEFF","encFlag":0,"wakeupFlag":1}}"#;
    assert_eq!(payload, wake);
}
