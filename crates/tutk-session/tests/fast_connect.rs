//! Packets before their turn (docs/protocol.md, section "Fast connect").
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;
use std::time::Duration;

use testkit::session::bytes::kinds;
use testkit::session::cameras::TestCamera;
use testkit::session::datagram::{iotc_dialects, iotc_layout};
use testkit::session::machine::StateMachine as _;
use testkit::session::script::{CameraScript, Sent};
use testkit::session::{
    MAC, Simulation, UID, camera_address, clip, credentials, epoch, seed, start,
};
use tutk_session::av_login::Status as LoginStatus;
use tutk_session::dtls_psk::CipherSuite;
use tutk_session::tutk_frame::{AvKind, Iotc, SessionId, Stage};
use tutk_session::{
    Client, ClientConfig, Credentials, Dialect, Error, HandshakeOffer, KnownCamera, Phase, Status,
};

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECOND: Duration = Duration::from_secs(1);

fn fast(dialect: &Dialect) -> CameraScript {
    fast_with(dialect, |_| {})
}

fn fast_with(dialect: &Dialect, change: impl FnOnce(&mut ClientConfig)) -> CameraScript {
    CameraScript::with_config(dialect, |config| {
        config.fast_connect = true;
        change(config);
    })
}

/// The datagrams before the handshake.
fn setup(dialect: &Dialect, sent: &[Sent]) -> Vec<(u128, &'static str, SessionId)> {
    let layout = iotc_layout(dialect).unwrap();
    let name = |sent: &Sent| match Iotc::parse(&sent.bytes, layout).unwrap() {
        Iotc::DiscoveryRequest(request) if request.stage == Stage::Broadcast => {
            Some((sent.at.as_millis(), "stage 1", request.session))
        }
        Iotc::DiscoveryRequest(request) => Some((sent.at.as_millis(), "stage 2", request.session)),
        Iotc::SessionRequest(request) => Some((sent.at.as_millis(), "session", request.session)),
        _ => None,
    };
    sent.iter().filter_map(name).collect()
}

#[test]
fn session_is_requested_once_beside_discovery_and_again_after_its_answer() {
    for (dialect, _) in iotc_dialects() {
        let mut script = fast(dialect);
        script.advance(MS(150));
        script.answer_discovery();
        let id = script.session;
        let expected = [
            (0, "stage 1", id),
            (0, "stage 2", id),
            (0, "session", id),
            (100, "stage 1", id),
            (150, "stage 2", id),
            (150, "session", id),
        ];
        assert_eq!(setup(dialect, &script.datagrams), expected, "{dialect}");
        assert_eq!(script.peer.status(), Status::In(Phase::Session));
        script.authenticate_from_session();
        assert_eq!(script.peer.status(), Status::In(Phase::Stream));
    }
}

#[test]
fn session_is_requested_early_only_from_a_known_camera() {
    let known = |address: &str, dialect: Dialect| {
        Some(KnownCamera {
            address: address.parse().unwrap(),
            dialect: Arc::new(dialect),
        })
    };
    let both = || Dialect::DETECTED.map(Arc::new).to_vec();
    // More than a discovery request in each dialect.
    let requests = |change: &dyn Fn(&mut ClientConfig)| {
        let mut config = ClientConfig::new(camera_address(), credentials());
        config.dialects.truncate(1);
        change(&mut config);
        let discovery = config.dialects.len();
        let mut client = Client::new(config, seed(1), epoch(start(), start()));
        client.drain().datagrams.len() > discovery
    };
    assert!(requests(&|_| {}));
    assert!(!requests(&|config| config.fast_connect = false));
    assert!(!requests(&|config| config.broadcast = true));
    assert!(!requests(&|config| config.dialects = both()));
    for (known, expected) in [
        (known("192.0.2.1:5000", Dialect::TRANSCODE), true),
        (known("192.0.2.9:32761", Dialect::TRANSCODE), false),
        (known("192.0.2.1:5000", Dialect::CC51), false),
        (known("192.0.2.1:5000", Dialect::SUMMARY), false),
    ] {
        let requested = requests(&|config| {
            config.dialects = both();
            config.known_camera.clone_from(&known);
        });
        assert_eq!(requested, expected, "{known:?}");
    }
}

#[test]
fn session_is_requested_from_the_known_port() {
    let address = "192.0.2.1:5000".parse().unwrap();
    let script = fast_with(&Dialect::TRANSCODE, |config| {
        config.known_camera = Some(KnownCamera {
            address,
            dialect: Arc::clone(&config.dialects[0]),
        });
    });
    let to: Vec<_> = script.datagrams.iter().map(|sent| sent.to).collect();
    assert_eq!(to, [camera_address(), address, address]);
}

#[test]
fn session_answer_may_overtake_the_discovery_answer() {
    for (dialect, _) in iotc_dialects() {
        let mut script = fast(dialect);
        script.accept_handshake();
        script.grant_session();
        let status = script.peer.status();
        assert_eq!(status, Status::In(Phase::Discovery), "{dialect}");
        script.answer_discovery();
        assert_eq!(script.peer.status(), Status::In(Phase::Login), "{dialect}");
        assert_eq!(script.peer.stats().malformed, 0);

        let mut script = CameraScript::new(dialect);
        script.grant_session();
        let status = script.peer.status();
        assert_eq!(status, Status::In(Phase::Discovery), "without a request");
    }
}

#[test]
fn session_that_is_not_granted_is_replaced_after_a_second() {
    for (dialect, _) in iotc_dialects() {
        let mut script = fast(dialect);
        script.advance(MS(950));
        script.answer_discovery();
        let first = script.session;
        script.datagrams.clear();
        script.advance(MS(990));
        let sent = setup(dialect, &script.datagrams);
        assert!(sent.iter().all(|(_, _, id)| *id == first), "{dialect}");
        script.datagrams.clear();
        script.advance(MS(60));
        let sent = setup(dialect, &script.datagrams);
        let [(1950, "stage 2", second), (1950, "session", same)] = sent[..] else {
            panic!("{dialect}: {sent:?}");
        };
        assert!(second == same && second != first, "{dialect}");
        script.advance(5 * SECOND);
        assert!(matches!(
            script.error(),
            Error::Silent { phase: Phase::Session, waited } if *waited == 5 * SECOND
        ));
    }
}

#[test]
fn discovery_continues_with_another_session_after_a_second() {
    for (dialect, _) in iotc_dialects() {
        let mut script = fast(dialect);
        let first = script.session;
        script.advance(MS(1550));
        let sent = setup(dialect, &script.datagrams);
        let later = |(at, _, _): &&(u128, _, _)| *at >= 1000;
        let ids: Vec<_> = sent.iter().filter(later).map(|(.., id)| *id).collect();
        assert!(ids.len() == 6 && ids.iter().all(|id| *id == ids[0] && *id != first));
        script.session = ids[0];
        script.answer_discovery();
        script.authenticate_from_session();
        assert_eq!(script.peer.status(), Status::In(Phase::Stream), "{dialect}");
    }
}

/// The login is sent behind the client's Finished and again after the camera's, then as without
/// fast connect.
#[test]
fn login_is_sent_early_and_repeated() {
    for dialect in &Dialect::ALL {
        let mut script = fast(dialect);
        script.connect();
        script.advance(MS(250));
        let (first, second) = (AvKind::Login1, AvKind::Login2);
        let sent: Vec<_> = kinds(&script);
        let at = |ms: u64| [(MS(ms), first), (MS(ms), second)];
        assert_eq!(sent, [at(0), at(30), at(230)].concat(), "{dialect}");
        let bytes: Vec<_> = script.packets.iter().map(|(_, packet)| packet).collect();
        assert!(bytes[0] == bytes[2] && bytes[1] == bytes[3]);
        script.answer_login(LoginStatus::SUCCESS);
        let status = script.peer.status();
        assert_eq!(status, Status::In(Phase::Authentication), "{dialect}");
    }
}

#[test]
fn login_waits_for_the_camera_without_forward_secrecy_or_with_a_weak_key() {
    // The SHA-256 of this ENR has its first zero byte at 11.
    let weak = || Credentials::new(UID, "GkB9S7cX38GgzSC6", MAC).unwrap();
    let logins = |mut script: CameraScript, suite| {
        script.answer_discovery();
        script.accept_handshake_with(|config| config.with_suites(&[suite]));
        script.grant_session();
        // The early login is repeated by then, and no other one.
        script.advance(MS(30));
        script.packets.len()
    };
    let ecdhe = CipherSuite::EcdhePskChacha20Poly1305Sha256;
    let plain = CipherSuite::PskAes128CbcSha256;
    let dialect = &Dialect::TRANSCODE;
    assert_eq!(logins(fast(dialect), ecdhe), 4);
    assert_eq!(logins(CameraScript::new(dialect), ecdhe), 2);
    let script = fast_with(dialect, |config| {
        let suites = &[CipherSuite::PskAes128CbcSha256];
        config.handshake_offer = Some(HandshakeOffer::new(suites, true));
    });
    assert_eq!(logins(script, plain), 2);
    let script = fast_with(dialect, |config| config.credentials = weak());
    let mut camera = script;
    camera.answer_discovery();
    let psk = weak().psk(dialect.key);
    camera.accept_handshake_with(|_| {
        tutk_session::dtls_psk::Config::server(move |_: &[u8]| Some(psk.clone()))
            .with_cookie_exchange(false)
    });
    camera.grant_session();
    camera.advance(MS(30));
    assert_eq!(camera.packets.len(), 2);
}

/// A camera that closes the session, or does not answer, after an early login.
#[test]
fn unanswered_early_login_is_followed_by_a_session_in_turn() {
    for (dialect, _) in iotc_dialects() {
        for closes in [true, false] {
            let mut script = fast(dialect);
            script.connect();
            if closes {
                script.close_dtls();
            } else {
                script.advance(MS(5100));
            }
            assert_eq!(script.peer.stats().restarts, 1, "{dialect}, {closes}");
            script.take_packets();
            script.connect_again();
            assert_eq!(script.packets.len(), 2, "{dialect}: no early login");
            script.answer_login(LoginStatus::SUCCESS);
            let status = script.peer.status();
            assert_eq!(status, Status::In(Phase::Authentication), "{dialect}");
            assert!(!script.has_ended());
        }
    }
}

#[test]
fn camera_that_closes_a_session_in_turn_ends_it() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.connect();
        script.close_dtls();
        let phase = Phase::Login;
        assert_eq!(script.error(), &Error::ClosedByCamera { phase });
    }
}

#[test]
fn session_succeeds_whatever_the_camera_does_with_early_packets() {
    for dialect in &Dialect::ALL {
        for (name, restarts) in [("strict", 0), ("early-dropped", 0), ("early-refused", 1)] {
            let camera = TestCamera::new(dialect, name, 0);
            let (client, mut camera) = camera.pair(clip(1, 20, 10));
            camera.frames = Some(20);
            let mut simulation = Simulation::new(client, camera, 1, |net| net.latency(MS(10)));
            simulation.run(30 * SECOND);
            let record = &simulation.record;
            assert_eq!(
                record.phases,
                Phase::ALL,
                "{dialect}, {name}: {:?}",
                record.ended
            );
            assert_eq!(record.video().len(), 20, "{dialect}, {name}");
            // The session that is refused early is replaced without a restart.
            let expected = match dialect.has_tickets() {
                true => restarts,
                false => 0,
            };
            let stats = simulation.client.stats();
            assert_eq!(stats.restarts, expected, "{dialect}, {name}");
        }
    }
}

#[test]
fn wrong_key_is_reported_as_soon_as_without_fast_connect() {
    for dialect in &Dialect::ALL {
        let times = [false, true].map(|is_fast| {
            let (mut client, camera) = Simulation::pair(dialect, clip(1, 20, 10));
            client.fast_connect = is_fast;
            client.credentials = Credentials::new(UID, "0000000000000000", MAC).unwrap();
            client.credentials.auth_key = credentials().auth_key;
            let mut simulation = Simulation::new(client, camera, 1, |net| net.latency(MS(10)));
            simulation.run(30 * SECOND);
            let error = simulation.record.error();
            let is_wrong_key = matches!(error, Error::HandshakeUnfinished { .. });
            assert!(is_wrong_key, "{dialect}: {error:?}");
            simulation.now - simulation.start
        });
        assert!(times[1] <= times[0], "{dialect}: {times:?}");
    }
}
