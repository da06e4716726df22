//! Arbitrary inputs in any order cause no panic, no unlimited output and no busy loop.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::sync::OnceLock;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use testkit::session::datagram::scramble;
use testkit::session::machine::StateMachine as _;
use testkit::session::script::{CameraScript, ClientScript};
use testkit::session::{Simulation, Tapped, camera_address, client_address, clip, credentials};
use tutk_session::Dialect;
use tutk_session::hl_ioctl::Request;
use tutk_simulator::SimulatorConfig;

/// More outputs than one input can cause: a burst of slices, or all frames of a flush.
const MAX_OUTPUTS: usize = 300;

/// An input for client and camera.
#[derive(Debug, Clone)]
enum Input {
    Random(Vec<u8>),
    /// A valid header with this mode and command, and any body.
    Framed(u8, u16, Vec<u8>),
    /// A datagram of a real session, with changed bytes, and truncated.
    Damaged(
        prop::sample::Index,
        Vec<(prop::sample::Index, u8)>,
        Option<prop::sample::Index>,
    ),
    Foreign(Vec<u8>),
    Wait(u16),
    Command(u16, u16),
    Close,
}

fn input() -> impl Strategy<Value = Input> {
    use prop::sample::Index;
    let command = prop::sample::select(vec![
        0x0601, 0x0602, 0x0402, 0x0404, 0x0407, 0x0408, 0x0704, 0x0427, 0x0428, 0x1234,
    ]);
    let mode = prop::sample::select(vec![0x02, 0x0a, 0x0b, 0x03]);
    let change = (any::<Index>(), any::<u8>());
    prop_oneof![
        2 => vec(any::<u8>(), 0..200).prop_map(Input::Random),
        4 => (mode, command, vec(any::<u8>(), 0..120))
            .prop_map(|(mode, command, body)| Input::Framed(mode, command, body)),
        8 => (any::<Index>(), vec(change, 0..3), proptest::option::weighted(0.1, any::<Index>()))
            .prop_map(|(which, changes, cut)| Input::Damaged(which, changes, cut)),
        1 => vec(any::<u8>(), 0..100).prop_map(Input::Foreign),
        3 => (0..2000_u16).prop_map(Input::Wait),
        1 => (any::<u16>(), 0..1200_u16).prop_map(|(code, len)| Input::Command(code, len)),
        1 => Just(Input::Close),
    ]
}

/// The datagrams of a session in each dialect. Its keys are seeded, so that they are authentic in a
/// session with the same seeds.
fn recording(dialect: usize) -> &'static [Tapped] {
    static RECORDINGS: OnceLock<Vec<Vec<Tapped>>> = OnceLock::new();
    let record = |dialect| {
        let mut simulation = session(dialect);
        simulation.tap = Some(Vec::new());
        simulation.run_until(Duration::from_millis(400), |_| false);
        simulation.tap.take().unwrap()
    };
    &RECORDINGS.get_or_init(|| Dialect::ALL.iter().map(record).collect())[dialect]
}

fn session(dialect: &'static Dialect) -> Simulation {
    let (client, camera) = Simulation::pair(dialect, clip(6, 10, 5));
    Simulation::new(client, camera, 6, |net| {
        net.latency(Duration::from_millis(1))
    })
}

fn datagram(dialect: &Dialect, recording: &[Tapped], input: &Input) -> Option<Vec<u8>> {
    match input {
        Input::Random(bytes) | Input::Foreign(bytes) => Some(bytes.clone()),
        Input::Framed(_, command, body) if *dialect == Dialect::CC51 => {
            let commands = [0x1002_u16, 0x1202, 0x1502];
            let [low, high] = commands[usize::from(*command) % 3].to_le_bytes();
            let len = u16::try_from(body.len() + 4).unwrap().to_le_bytes();
            let mut bytes = vec![0x51, 0xcc, 0, 0, low, high, len[0], len[1]];
            bytes.extend_from_slice(&[0; 8]);
            bytes.extend_from_slice(body);
            scramble(dialect, &mut bytes);
            Some(bytes)
        }
        Input::Framed(mode, command, body) => {
            let len = u16::try_from(body.len()).unwrap().to_le_bytes();
            let [low, high] = command.to_le_bytes();
            let mut bytes = vec![4, 2, 0x1a, *mode, len[0], len[1], 0, 0, low, high];
            bytes.extend_from_slice(&[0x12, 0, 0, 0, 0, 0]);
            bytes.extend_from_slice(body);
            scramble(dialect, &mut bytes);
            Some(bytes)
        }
        Input::Damaged(which, changes, cut) => {
            let mut bytes = which.get(recording).bytes.clone();
            for (at, value) in changes {
                *at.get_mut(&mut bytes) = *value;
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            Some(bytes)
        }
        Input::Wait(_) | Input::Command(..) | Input::Close => None,
    }
}

/// Passes inputs to both sides of a session that has run for `warm_up` milliseconds, and checks the
/// output after each.
fn check_inputs(dialect: usize, warm_up: u16, inputs: &[Input]) {
    let recording = recording(dialect);
    let dialect = &Dialect::ALL[dialect];
    let mut simulation = session(dialect);
    simulation.run_until(Duration::from_millis(warm_up.into()), |_| false);
    let (mut client, mut camera) = (simulation.client, simulation.camera);
    let mut now = simulation.now;
    let mut ended = simulation.record.ended.is_some();
    for input in inputs {
        let from = match input {
            Input::Foreign(_) => ["198.51.100.9:1".parse().unwrap(); 2],
            _ => [camera_address(), client_address()],
        };
        if let Some(bytes) = datagram(dialect, recording, input) {
            client.handle_datagram(now, from[0], &mut bytes.clone());
            camera.handle_datagram(now, from[1], &mut bytes.clone());
        }
        match input {
            Input::Wait(millis) => {
                now += Duration::from_millis((*millis).into());
                client.handle_timeout(now);
                camera.handle_timeout(now);
            }
            Input::Command(code, len) => {
                let request = Request {
                    code: *code,
                    payload: vec![0; (*len).into()],
                };
                client.command(now, request);
            }
            Input::Close => client.close(now),
            _ => {}
        }
        let output = client.drain();
        assert!(
            output.datagrams.len() + output.events.len() < MAX_OUTPUTS,
            "{input:?}"
        );
        for (to, _) in output.datagrams {
            assert_eq!(to.ip(), camera_address().ip());
        }
        for event in output.events {
            assert!(!ended, "after the end: {event:?}");
            ended = matches!(event, tutk_session::Event::Ended(_));
        }
        let output = camera.drain();
        assert!(
            output.datagrams.len() + output.events.len() < MAX_OUTPUTS,
            "{input:?}"
        );
        assert!(camera.clients().count() <= 16);
    }
    // Calls at the deadlines advance the time.
    for _ in 0..1000 {
        now = now.max(client.drain().deadline);
        client.handle_timeout(now);
    }
    assert!(client.drain().deadline > now, "busy loop");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_sides_survive_any_input(
        dialect in 0..3_usize,
        warm_up in prop_oneof![0..60_u16, 0..600_u16],
        inputs in vec(input(), 0..60),
    ) {
        check_inputs(dialect, warm_up, &inputs);
    }

    #[test]
    fn client_survives_any_camera(
        dialect in 0..3_usize,
        progress in 0..3_u8,
        packets in vec(av_packet(), 0..60),
    ) {
        let mut script = CameraScript::new(&Dialect::ALL[dialect]);
        match progress {
            0 => script.connect(),
            1 => script.log_in(),
            _ => script.authenticate(),
        }
        for (wait, packet) in packets {
            let (datagrams, events) = (script.datagrams.len(), script.events.len());
            script.send_packet(|out| out.extend_from_slice(&packet));
            prop_assert!(script.datagrams.len() - datagrams <= MAX_OUTPUTS);
            prop_assert!(script.events.len() - events <= MAX_OUTPUTS);
            script.advance(Duration::from_millis(wait.into()));
        }
        script.advance(Duration::from_secs(30));
    }

    #[test]
    fn camera_survives_any_client(
        dialect in 0..3_usize,
        logged_in: bool,
        packets in vec(av_packet(), 0..60),
    ) {
        let mut script = ClientScript::new(&Dialect::ALL[dialect], SimulatorConfig::new(credentials(), clip(6, 10, 5)));
        match logged_in {
            true => script.log_in(),
            false => script.connect(),
        }
        for (wait, packet) in packets {
            let before = script.datagrams.len() + script.events.len();
            script.send_packet(|out| out.extend_from_slice(&packet));
            let after = script.datagrams.len() + script.events.len();
            prop_assert!(after - before <= MAX_OUTPUTS);
            script.advance(Duration::from_millis(wait.into()));
        }
        script.advance(Duration::from_secs(30));
        prop_assert_eq!(script.peer.clients().count(), 0, "not removed");
    }
}

/// A pause, and an AV packet: valid types and flags with any body, or a nearly valid HL message.
fn av_packet() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let header = prop::sample::select(vec![
        [0x00, 0x00],
        [0x00, 0x20],
        [0x00, 0x21],
        [0x00, 0x10],
        [0x00, 0x12],
        [0x00, 0x70],
        [0x09, 0x00],
        [0x0a, 0x08],
        [0x0b, 0x00],
        [0x0c, 0x00],
        [0x0c, 0x05],
        [0x03, 0x01],
        [0x05, 0x08],
        [0x05, 0x00],
        [0x05, 0x05],
        [0x07, 0x01],
        [0x08, 0x0d],
    ]);
    let small = prop_oneof![4 => Just(0_u8), 2 => 0..6_u8, 1 => any::<u8>()];
    let anything =
        (header, vec(small, 0..80)).prop_map(|(header, rest)| [&header[..], &rest].concat());
    let code = prop::sample::select(vec![10000, 10001, 10002, 10003, 10010, 10020, 10052, 10056]);
    let hl = (any::<bool>(), 0..3_u32, code, vec(any::<u8>(), 0..40)).prop_map(
        |(to_camera, index, code, payload)| {
            use tutk_session::tutk_frame::{AvStamp, IoctlMessage, IoctlRequest};
            let hl = Request { code, payload }.to_hl().unwrap();
            let (hl, stamp) = (
                &hl[..],
                AvStamp {
                    version: 12,
                    counter: 0,
                    tail: 0,
                },
            );
            let mut packet = Vec::new();
            match to_camera {
                true => IoctlRequest { stamp, index, hl }.write(&mut packet),
                false => IoctlMessage { stamp, id: 0, hl }.write(&mut packet),
            }
            packet
        },
    );
    (any::<u8>(), prop_oneof![anything, hl])
}
