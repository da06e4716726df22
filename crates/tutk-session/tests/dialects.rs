//! Dialects that are not constants of the crate.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;
use std::time::Duration;

use testkit::session::machine::StateMachine as _;
use testkit::session::{
    Simulation, UID, camera_address, client_address, clip, credentials, epoch, seed, start,
};
use tutk_session::av_login::LoginLayout;
use tutk_session::disco_cipher::xor::XorKey;
use tutk_session::tutk_frame::IotcLayout;
use tutk_session::{
    Cipher, Client, Dialect, Discoverer, DiscoveryPlan, DiscoveryScope, Event, IotcTransport,
    PasswordRule, Phase, SequenceRule, Target, Transport,
};
use tutk_simulator::{Simulator, SimulatorConfig, SimulatorEvent};

/// A dialect that differs from the constants in every phase. Its texts are made at run time.
fn own() -> Dialect {
    let mut dialect = Dialect::TRANSCODE;
    dialect.name = format!("own {}", 1).into();
    dialect.transport = Transport::Iotc(IotcTransport {
        cipher: Cipher::Xor(XorKey::new([0x5a; 32])),
        layout: IotcLayout::TRANSCODE,
    });
    dialect.control_version = 0x0123;
    dialect.media_version = 0x0321;
    dialect.sequence = SequenceRule::U32;
    dialect.login = LoginLayout::AuthAt542;
    dialect.password = PasswordRule::Fixed("1234".repeat(2).into());
    dialect.connect_request = b"own request".to_vec().into();
    dialect.client_keepalive = Some(Duration::from_millis(700));
    dialect.close_packets = 2;
    dialect.long_channel_ack = true;
    dialect
}

/// Runs a session. Returns the names of the dialects that both sides reported.
fn run(dialect: &Dialect) -> [Arc<Dialect>; 2] {
    let (client, mut camera) = Simulation::pair(dialect, clip(1, 20, 10));
    camera.frames = Some(40);
    let mut simulation = Simulation::new(client, camera, 1, |net| net);
    simulation.run(Duration::from_secs(60));
    let record = &simulation.record;
    assert_eq!(record.phases, Phase::ALL, "{dialect:?}: {:?}", record.ended);
    assert_eq!(record.video().len(), 40, "{dialect:?}: {:?}", record.ended);
    let found = record.other.iter().find_map(|event| match event {
        Event::Found { dialect, .. } => Some(Arc::clone(dialect)),
        _ => None,
    });
    let joined = record.camera.iter().find_map(|event| match event {
        SimulatorEvent::Joined { dialect, .. } => Some(Arc::clone(dialect)),
        _ => None,
    });
    [found, joined].map(Option::unwrap)
}

#[test]
fn session_runs_in_a_dialect_made_at_run_time() {
    let own = own();
    for dialect in run(&own) {
        assert_eq!(*dialect, own);
    }
}

/// Client and simulator read each field on its own: a session works in mixtures of two constants.
#[test]
fn session_runs_in_mixtures_of_dialects() {
    type Take = fn(&mut Dialect, Dialect);
    let fields: [(&str, Take); 17] = [
        ("transport", |to, from| to.transport = from.transport),
        ("key", |to, from| to.key = from.key),
        ("control version", |to, from| {
            to.control_version = from.control_version
        }),
        ("media version", |to, from| {
            to.media_version = from.media_version
        }),
        ("sequence", |to, from| to.sequence = from.sequence),
        ("login", |to, from| to.login = from.login),
        ("password", |to, from| to.password = from.password),
        ("resend", |to, from| {
            to.always_requests_resend = from.always_requests_resend
        }),
        ("connect request", |to, from| {
            to.connect_request = from.connect_request
        }),
        ("challenge", |to, from| to.challenge = from.challenge),
        ("acknowledgement", |to, from| {
            to.acknowledgement = from.acknowledgement
        }),
        ("auth id", |to, from| to.auth_id = from.auth_id),
        ("heartbeat", |to, from| to.heartbeat = from.heartbeat),
        ("liveness", |to, from| to.liveness = from.liveness),
        ("keepalive", |to, from| {
            to.client_keepalive = from.client_keepalive
        }),
        ("channel ack", |to, from| {
            to.long_channel_ack = from.long_channel_ack
        }),
        ("media", |to, from| to.media = from.media),
    ];
    for to in &Dialect::ALL {
        for from in &Dialect::ALL {
            for (name, take) in fields {
                let mut mixture = to.clone();
                mixture.name = format!("{to}, {name} of {from}").into();
                take(&mut mixture, from.clone());
                run(&mixture);
            }
        }
    }
}

#[test]
fn dialects_are_equal_if_their_fields_are() {
    assert_eq!(own(), own());
    let mut renamed = own();
    renamed.name = "another".into();
    let mut changed = own();
    changed.password = PasswordRule::Enr;
    for other in [renamed, changed] {
        assert_ne!(other, own());
    }
}

#[test]
fn discoverer_and_camera_use_only_the_dialects_of_their_lists() {
    let (now, own) = (start(), Arc::new(own()));
    let mut config = SimulatorConfig::new(credentials(), clip(1, 1, 1));
    config.dialects = vec![Arc::clone(&own)];
    let mut camera = Simulator::new(config, camera_address(), seed(2), epoch(now, now)).unwrap();
    let target = Target {
        address: camera_address(),
        uid: UID.parse().unwrap(),
        auth_key: Some(credentials().auth_key),
    };
    let mut plan = DiscoveryPlan::new([DiscoveryScope::At(target)], &[]);
    let mut answers = |plan: &DiscoveryPlan| {
        let mut discoverer = Discoverer::new(plan, seed(1), now);
        for (_, mut request) in discoverer.drain().datagrams {
            camera.handle_datagram(now, client_address(), &mut request);
        }
        for (_, mut answer) in camera.drain().datagrams {
            discoverer.handle_datagram(now, camera_address(), &mut answer);
        }
        let found = discoverer.drain().events.into_iter();
        found.map(|found| found.dialect).collect::<Vec<_>>()
    };
    assert!(answers(&plan).is_empty());
    plan.dialects = vec![Dialect::CC51.into(), Arc::clone(&own)];
    assert_eq!(answers(&plan), [own]);
}

/// A camera of another dialect is not asked in it, and its answers are not accepted.
#[test]
fn client_uses_only_the_dialects_of_its_list() {
    let own = own();
    let (mut client, camera) = Simulation::pair(&own, clip(1, 20, 10));
    client.dialects = Dialect::ALL.map(Arc::new).into();
    let mut simulation = Simulation::new(client, camera, 1, |net| net);
    simulation.run(Duration::from_secs(60));
    assert_eq!(simulation.record.error().phase(), Phase::Discovery);

    let (client, _) = Simulation::pair(&own, clip(1, 20, 10));
    let now = start();
    let mut client = Client::new(client, seed(1), epoch(now, now));
    let sent = client.drain().datagrams;
    // Discovery, and the early session request.
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|(_, datagram)| own.recognises(datagram)));
}
