//! What goes by the camera's model, and by who asks: the DTLS suite, and the message that answers
//! the challenge.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::time::Duration;

use testkit::session::scripted::Scripted;
use testkit::session::{Simulation, clip};
use tutk_session::hl_ioctl::commands::{
    ConnectDoorbellUserAuth, ConnectResult, ConnectUserAuth, UserId,
};
use tutk_session::hl_ioctl::{ChallengeStatus, Command, HlMessage};
use tutk_session::tutk_frame::IoctlRequest;
use tutk_session::{Dialect, Error, Event, Failure, Phase};

const SECOND: Duration = Duration::from_secs(1);

/// A client that was told `client`, and a camera that is `camera`.
fn simulation(client: Option<&str>, camera: Option<&str>) -> Simulation {
    let (mut ours, mut theirs) = Simulation::pair(&Dialect::TRANSCODE, clip(4, 20, 10), 4);
    ours.model = client.map(str::to_owned);
    theirs.model = camera.map(str::to_owned);
    Simulation::new(ours, theirs, 4, |net| net.latency(Duration::from_millis(2)))
}

#[test]
fn the_first_doorbell_is_met_in_its_own_suite() {
    let mut simulation = simulation(Some("WYZEDB3"), Some("WYZEDB3"));
    simulation.run(2 * SECOND);
    assert!(simulation.record.frames.len() > 20);
    assert_eq!(simulation.client.stats().restarts, 0);
}

#[test]
fn without_a_model_the_other_suite_is_tried_when_the_first_is_refused() {
    let mut simulation = simulation(None, Some("WYZEDB3"));
    simulation.run(2 * SECOND);
    assert!(simulation.record.frames.len() > 20, "at once");
    assert_eq!(simulation.client.stats().restarts, 1);
}

/// And when nothing answers it: here because the camera is cut off while the first hello is under
/// way.
#[test]
fn silence_makes_it_change_over_and_back() {
    for (camera, restarts) in [(Some("WYZEDB3"), 1), (Some("HL_CAM4"), 2)] {
        let mut simulation = simulation(None, camera);
        simulation.run_until(SECOND, |record| record.phases.contains(&Phase::Session));
        simulation.camera_gone = true;
        simulation.run(4 * SECOND);
        simulation.camera_gone = false;
        simulation.run(5 * SECOND);
        assert!(simulation.record.frames.len() > 20, "{camera:?}");
        assert_eq!(simulation.client.stats().restarts, restarts, "{camera:?}");
    }
}

/// Forward secrecy is not given up for a model that is known to have it.
#[test]
fn a_known_model_is_never_offered_less() {
    let mut simulation = simulation(Some("HL_CAM4"), Some("WYZEDB3"));
    simulation.run(20 * SECOND);
    let error = simulation.record.error();
    assert!(matches!(error, Error::Dtls { .. }), "{error}");
    assert_eq!(
        (error.failure(), error.phase()),
        (Failure::Refused, Phase::Dtls)
    );
    assert!(error.advice().contains("`model`"), "{}", error.advice());
    assert!(simulation.record.frames.is_empty());
}

#[test]
fn a_wrong_model_is_put_right_where_it_can_be() {
    let mut simulation = simulation(Some("WYZEDB3"), Some("HL_CAM4"));
    simulation.run(2 * SECOND);
    assert!(simulation.record.frames.len() > 20);
    assert_eq!(simulation.client.stats().restarts, 1);
}

/// The client's answer to the challenge: its code and its payload.
fn authentication(script: &mut Scripted) -> (u16, Vec<u8>) {
    script.log_in();
    script.take_packets();
    script.challenge(ChallengeStatus::Enr);
    let packets = script.take_packets();
    let request = packets
        .iter()
        .find_map(|packet| IoctlRequest::parse(packet).ok());
    let message = HlMessage::parse(request.unwrap().hl).unwrap();
    (message.code, message.payload.to_vec())
}

#[test]
fn a_user_is_named_as_the_model_wants_it() {
    let user = UserId::new("0123456789abcdef").unwrap();
    for (model, user, code) in [
        (None, None, 10002),
        (Some("HL_DB2"), None, 10002),
        (None, Some(&user), 10008),
        (Some("HL_CAM4"), Some(&user), 10008),
        (Some("HL_DB2"), Some(&user), 10006),
    ] {
        let mut script = Scripted::with(&Dialect::TRANSCODE, |config| {
            config.model = model.map(str::to_owned);
            config.user = user.cloned();
        });
        let (sent, payload) = authentication(&mut script);
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
        script.ioctl(&hl.unwrap());
        let let_in = script.events.iter();
        let let_in = let_in.filter(|event| matches!(event, Event::Authenticated(_)));
        assert_eq!(let_in.count(), 1, "{model:?}");
    }
}

/// The simulated camera takes all three, whatever its model.
#[test]
fn a_user_is_let_in() {
    for model in [None, Some("HL_DB2"), Some("WYZEDB3")] {
        let (mut client, mut camera) = Simulation::pair(&Dialect::CC51, clip(4, 20, 10), 4);
        client.model = model.map(str::to_owned);
        camera.model = model.map(str::to_owned);
        client.user = Some(UserId::new("somebody").unwrap());
        let mut simulation = Simulation::new(client, camera, 4, |net| net);
        simulation.run(2 * SECOND);
        assert!(simulation.record.frames.len() > 20, "{model:?}");
    }
}
