//! A table of observations and their verdicts.

use std::net::SocketAddr;

use tutk_runtime::tutk_session::Dialect;

use super::*;
use crate::doctor::observations::{CutShort, Neighbour, Query, QueryAnswer, Reach, TcpReach};
use crate::doctor::session::{ECDHE_PSK, PLAIN_PSK};
use crate::failure::Status;

const HERE: &str = "192.0.2.7:32761";
const OTHER: &str = "192.0.2.99:32761";

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn answer(from: &str, own_uid: bool) -> QueryAnswer {
    QueryAnswer {
        from: address(from),
        same_address: address(from).ip() == address(HERE).ip(),
        own_uid,
        dialect: Dialect::TRANSCODE.name,
        ms: 1.0,
    }
}

fn query(kind: QueryKind, answers: Vec<QueryAnswer>) -> Query {
    Query {
        kind,
        port: Some(40_000),
        answers,
        strays: Vec::new(),
        error: None,
    }
}

fn reach(udp: UdpReach, tcp: TcpReach) -> Reach {
    Reach {
        udp,
        tcp: Some(tcp),
        neighbour: None,
    }
}

/// A device that does not answer the protocol.
fn silent() -> Observations {
    Observations {
        address: Some(address(HERE)),
        route: Some(Route::default()),
        reach: Some(reach(UdpReach::Silent, TcpReach::Answered)),
        queries: vec![query(QueryKind::Own, Vec::new())],
        elsewhere: Some(Vec::new()),
        ..Observations::default()
    }
}

/// A camera that answers discovery.
fn found() -> Observations {
    Observations {
        queries: vec![query(QueryKind::Own, vec![answer(HERE, true)])],
        elsewhere: None,
        ..silent()
    }
}

fn ended(kind: AttemptKind, phase: Phase, fault: Fault) -> Attempt {
    Attempt {
        reached: Phase::ALL.into_iter().take_while(|&p| p < phase).last(),
        failed_in: Some(phase),
        fault: Some(fault),
        error: Some("an error".to_owned()),
        ..Attempt::new(kind)
    }
}

fn done(kind: AttemptKind, phase: Phase) -> Attempt {
    Attempt {
        reached: Some(phase),
        ..Attempt::new(kind)
    }
}

const fn handshake(suite: &'static str) -> AttemptKind {
    AttemptKind::Handshake {
        suite,
        extended_master_secret: true,
    }
}

/// A camera whose session failed.
fn failed(phase: Phase, fault: Fault) -> Observations {
    Observations {
        attempts: vec![ended(AttemptKind::Usual, phase, fault)],
        ..found()
    }
}

fn streaming(loss_percent: f64) -> Observations {
    Observations {
        attempts: vec![done(AttemptKind::Usual, Phase::Stream)],
        stream: Some(StreamReport {
            video_frames: 100,
            key_frames: 5,
            loss_percent,
            ..StreamReport::default()
        }),
        ..found()
    }
}

fn with(mut seen: Observations, change: impl FnOnce(&mut Observations)) -> Observations {
    change(&mut seen);
    seen
}

const PAGE: &str = include_str!("../../../../../docs/troubleshooting.md");

/// Checks the verdict, and that docs/troubleshooting.md explains it.
#[track_caller]
fn check(seen: &Observations, name: &str, status: Status) {
    let verdict = diagnose(seen);
    assert_eq!(
        (verdict.name(), verdict.status()),
        (name, status),
        "{seen:#?}"
    );
    assert!(!verdict.cause().is_empty() && !verdict.advice().is_empty());
    assert_eq!(verdict.failure().is_none(), status == Status::Done);
    assert!(PAGE.contains(&format!("| `{name}` |")), "{name}");
}

#[test]
fn network_faults() {
    let unresolved = Observations {
        unresolved: Some("no such name".to_owned()),
        ..Observations::default()
    };
    check(&unresolved, "unknown-host", Status::Silent);
    let no_route = Observations {
        address: Some(address(HERE)),
        route: Some(Route {
            error: Some("network unreachable".to_owned()),
            ..Route::default()
        }),
        ..Observations::default()
    };
    check(&no_route, "no-route", Status::Silent);
    for dead in [
        reach(UdpReach::Unreachable, TcpReach::Silent),
        reach(UdpReach::Silent, TcpReach::Unreachable),
        Reach {
            neighbour: Some(Neighbour::Missing),
            ..reach(UdpReach::Silent, TcpReach::Silent)
        },
    ] {
        let dead = with(silent(), |seen| seen.reach = Some(dead));
        check(&dead, "no-device", Status::Silent);
        let moved = with(dead, |seen| seen.elsewhere = Some(vec![address(OTHER)]));
        check(&moved, "moved", Status::Silent);
    }
    let refused = reach(UdpReach::Refused, TcpReach::Answered);
    let refused = with(silent(), |seen| seen.reach = Some(refused));
    check(&refused, "port-closed", Status::Silent);
    let moved = with(refused, |seen| seen.elsewhere = Some(vec![address(OTHER)]));
    check(&moved, "moved", Status::Silent);
}

#[test]
fn silent_devices() {
    check(&silent(), "no-answer", Status::Silent);
    assert!(
        diagnose(&silent())
            .cause()
            .contains("a device has the address")
    );
    let nothing = reach(UdpReach::Silent, TcpReach::Silent);
    let unknown = with(silent(), |seen| seen.reach = Some(nothing));
    check(&unknown, "no-answer", Status::Silent);
    assert!(diagnose(&unknown).cause().contains("firewall"));
    for (model, name) in [
        ("HL_PAN3", "silent-model"),
        ("GW_GC1", "other-protocol"),
        ("WVOD1", "asleep"),
        ("HL_CAM4", "no-answer"),
    ] {
        let seen = with(silent(), |seen| seen.model = Some(model.to_owned()));
        check(&seen, name, Status::Silent);
    }
    let isolated = with(silent(), |seen| {
        seen.route = Some(Route {
            isolation: Some("container"),
            ..Route::default()
        });
    });
    check(&isolated, "isolated", Status::Silent);
    let host_network = with(isolated, |seen| {
        seen.route.as_mut().unwrap().same_network = true;
    });
    check(&host_network, "no-answer", Status::Silent);
}

#[test]
fn answers_from_elsewhere_are_a_nat() {
    let foreign = query(QueryKind::Own, vec![answer(OTHER, true)]);
    let nat = with(silent(), |seen| seen.queries = vec![foreign]);
    check(&nat, "nat", Status::Silent);
    assert!(diagnose(&nat).cause().contains("192.0.2.99"));
}

#[test]
fn answers_at_the_fixed_port_only() {
    let mut fixed = query(QueryKind::FixedPort, vec![answer(HERE, true)]);
    fixed.port = Some(40_001);
    let seen = with(silent(), |seen| seen.queries.push(fixed));
    check(&seen, "needs-local-port", Status::Silent);
    assert!(diagnose(&seen).advice().contains("40001"));
}

#[test]
fn wrong_identities() {
    let asked = |kind, own_uid| {
        let query = query(kind, vec![answer(HERE, own_uid)]);
        with(silent(), |seen| seen.queries.push(query))
    };
    check(
        &asked(QueryKind::AnyUid, false),
        "wrong-uid",
        Status::Refused,
    );
    check(
        &asked(QueryKind::AnyUid, true),
        "wrong-keys",
        Status::Refused,
    );
    let no_key = asked(QueryKind::NoKey, true);
    check(&no_key, "wrong-keys", Status::Refused);
    let test = done(AttemptKind::NoKey, Phase::Dtls);
    let mac = with(no_key.clone(), |seen| seen.attempts.push(test));
    check(&mac, "wrong-mac", Status::Refused);
    let test = ended(AttemptKind::NoKey, Phase::Dtls, Fault::WrongKey);
    let enr = with(no_key, |seen| seen.attempts.push(test));
    check(&enr, "wrong-enr", Status::Refused);
    check(
        &asked(QueryKind::NeighbourMac, true),
        "wrong-mac",
        Status::Refused,
    );
}

/// Another form of the handshake succeeds: the usual session did not come to it in time.
#[test]
fn handshake_out_of_time() {
    let mut seen = failed(Phase::Dtls, Fault::Silent);
    seen.attempts.push(done(handshake(ECDHE_PSK), Phase::Dtls));
    check(&seen, "unknown", Status::Other);
    assert!(diagnose(&seen).advice().contains("--budget"));
}

#[test]
fn failed_sessions() {
    for (phase, fault, name, status) in [
        (Phase::Session, Fault::Silent, "slot-busy", Status::Refused),
        (Phase::Session, Fault::Closed, "slot-busy", Status::Refused),
        (Phase::Dtls, Fault::WrongKey, "wrong-enr", Status::Refused),
        (
            Phase::Dtls,
            Fault::Silent,
            "handshake-ignored",
            Status::Silent,
        ),
        (
            Phase::Dtls,
            Fault::Dtls,
            "handshake-failed",
            Status::Refused,
        ),
        (
            Phase::Dtls,
            Fault::SuiteRefused,
            "handshake-failed",
            Status::Refused,
        ),
        (
            Phase::Login,
            Fault::LoginRefused,
            "login-refused",
            Status::Refused,
        ),
        (Phase::Login, Fault::Silent, "login-ignored", Status::Silent),
        (
            Phase::Authentication,
            Fault::ResponseRefused,
            "response-refused",
            Status::Refused,
        ),
        (
            Phase::Authentication,
            Fault::Updating,
            "updating",
            Status::Refused,
        ),
        (
            Phase::Authentication,
            Fault::Checking,
            "checking",
            Status::Refused,
        ),
        (
            Phase::Authentication,
            Fault::SwitchedOff,
            "switched-off",
            Status::Refused,
        ),
        (
            Phase::Authentication,
            Fault::Silent,
            "challenge-failed",
            Status::Refused,
        ),
        (
            Phase::Login,
            Fault::Closed,
            "closed-by-camera",
            Status::Refused,
        ),
        (
            Phase::Stream,
            Fault::Closed,
            "closed-by-camera",
            Status::BrokeOff,
        ),
        (Phase::Stream, Fault::Silent, "no-picture", Status::BrokeOff),
        (Phase::Discovery, Fault::Local, "local-error", Status::Other),
        (Phase::Dtls, Fault::Local, "local-error", Status::Other),
        (Phase::Dtls, Fault::OutOfTime, "unknown", Status::Other),
    ] {
        check(&failed(phase, fault), name, status);
    }
}

#[test]
fn other_forms_of_a_failed_phase() {
    let silent = failed(Phase::Dtls, Fault::Silent);
    let old = done(handshake(PLAIN_PSK), Phase::Dtls);
    let new = ended(handshake(ECDHE_PSK), Phase::Dtls, Fault::Silent);
    let only_old = with(silent.clone(), |seen| seen.attempts.extend([new, old]));
    check(&only_old, "old-suite-only", Status::Refused);
    let stops = ended(handshake(ECDHE_PSK), Phase::Dtls, Fault::WrongKey);
    let wrong = with(silent, |seen| seen.attempts.push(stops));
    check(&wrong, "wrong-enr", Status::Refused);

    let login = done(AttemptKind::SdkLogin, Phase::Login);
    let refused = failed(Phase::Login, Fault::LoginRefused);
    let layout = with(refused, |seen| seen.attempts.push(login));
    check(&layout, "login-layout", Status::Refused);
}

#[test]
fn streams() {
    check(&streaming(0.0), "healthy", Status::Done);
    check(&streaming(1.9), "healthy", Status::Done);
    check(&streaming(20.0), "packet-loss", Status::BrokeOff);
    let no_key = with(streaming(0.0), |seen| {
        seen.stream.as_mut().unwrap().key_frames = 0;
    });
    check(&no_key, "no-picture", Status::BrokeOff);
    for (fault, name) in [
        (Fault::Stalled, "stream-broke"),
        (Fault::Closed, "closed-by-camera"),
    ] {
        let broke = with(streaming(0.0), |seen| {
            seen.attempts = vec![ended(AttemptKind::Usual, Phase::Stream, fault)];
        });
        check(&broke, name, Status::BrokeOff);
    }
    let other_mac = with(streaming(0.0), |seen| {
        seen.stream.as_mut().unwrap().other_mac = true;
    });
    check(&other_mac, "other-mac", Status::Done);
    let old = with(streaming(0.0), |seen| {
        let new = ended(handshake(ECDHE_PSK), Phase::Dtls, Fault::SuiteRefused);
        seen.attempts
            .extend([new, done(handshake(PLAIN_PSK), Phase::Dtls)]);
    });
    check(&old, "old-suite", Status::Done);
}

#[test]
fn session_after_a_pause_counts() {
    let mut seen = streaming(0.0);
    seen.attempts = vec![
        ended(AttemptKind::Usual, Phase::Session, Fault::Silent),
        done(AttemptKind::AfterPause, Phase::Stream),
    ];
    check(&seen, "healthy", Status::Done);
    assert!(crate::doctor::notes(&seen)[0].contains("frees a session slowly"));
}

#[test]
fn packets_that_this_machine_dropped_are_noted() {
    let mut seen = streaming(20.0);
    assert!(crate::doctor::notes(&seen).is_empty());
    seen.stream.as_mut().unwrap().kernel_drops = 7;
    let notes = crate::doctor::notes(&seen);
    assert!(
        notes[0].contains("this machine dropped 7 packets"),
        "{notes:?}"
    );
}

#[test]
fn interrupted_examinations_say_so() {
    let nothing = Observations {
        cut_short: Some(CutShort::Interrupted),
        ..Observations::default()
    };
    check(&nothing, "unknown", Status::Other);
    assert!(diagnose(&nothing).cause().contains("interrupted"));
    let partial = Observations {
        cut_short: Some(CutShort::Interrupted),
        ..streaming(0.0)
    };
    check(&partial, "healthy", Status::Done);
    // The host answers, and no discovery was made yet.
    let early = Observations {
        queries: Vec::new(),
        elsewhere: None,
        cut_short: Some(CutShort::Interrupted),
        ..silent()
    };
    check(&early, "unknown", Status::Other);
}

#[test]
fn observations_are_json_without_secrets() {
    let json = serde_json::to_value(failed(Phase::Dtls, Fault::WrongKey)).unwrap();
    assert_eq!(json["attempts"][0]["failed_in"], "dtls");
    assert_eq!(json["attempts"][0]["reached"], "session");
    assert_eq!(json["attempts"][0]["fault"], "wrong-key");
    assert_eq!(json["queries"][0]["kind"], "own");
}
