//! Audio to the camera, on the channel that the camera opens.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;
use std::time::Duration;

use str0m_netem::{NetemConfig, Probability, RandomLoss};
use testkit::session::cameras::TestCamera;
use testkit::session::script::CameraScript;
use testkit::session::{Simulation, clip, clip_audio, credentials};
use tutk_session::dtls_psk::{self, CipherSuite, Connection};
use tutk_session::hl_ioctl::commands::{Media, MediaControl, SetAnswer, Switch};
use tutk_session::hl_ioctl::{Command as _, HlMessage};
use tutk_session::tutk_frame::{IoctlRequest, TalkPacket};
use tutk_session::{AudioFlags, Codec, Dialect, Event, TalkError, TalkEvent, TalkFrame};
use tutk_simulator::{LeaveReason, ReceivedAudio, SimulatorEvent};

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECOND: Duration = Duration::from_secs(1);

/// A session in the stream phase. `net` configures the network.
fn streaming(
    camera: &TestCamera,
    speaker: bool,
    seed: u64,
    net: impl Fn(NetemConfig) -> NetemConfig,
) -> Simulation {
    let (client, mut config) = camera.pair(clip(5, 20, 10));
    config.audio = Some(clip_audio(5, 10));
    config.speaker = speaker;
    let mut simulation = Simulation::new(client, config, seed, net);
    simulation.run_until(20 * SECOND, |record| record.frames.len() > 5);
    assert!(simulation.record.frames.len() > 5, "{camera} {seed}");
    simulation
}

fn delay(net: NetemConfig) -> NetemConfig {
    net.latency(MS(2))
}

fn talk_events(simulation: &Simulation) -> Vec<TalkEvent> {
    let events = simulation.record.other.iter();
    events
        .filter_map(|event| match event {
            Event::Talk(event) => Some(event.clone()),
            _ => None,
        })
        .collect()
}

fn received_audio(simulation: &Simulation) -> Vec<ReceivedAudio> {
    let events = simulation.record.camera.iter();
    events
        .filter_map(|event| match event {
            SimulatorEvent::AudioReceived { frame, .. } => Some(frame.clone()),
            _ => None,
        })
        .collect()
}

fn start(simulation: &mut Simulation) {
    simulation.client.start_talk(simulation.now);
    simulation.run_until(15 * SECOND, |record| {
        record
            .other
            .iter()
            .any(|event| matches!(event, Event::Talk(_)))
    });
}

fn frame(number: u32) -> Vec<u8> {
    let len = 1 + number * 37 % 900;
    (0..len).map(|at| (at ^ number).to_le_bytes()[0]).collect()
}

fn flags() -> AudioFlags {
    AudioFlags::new(8_000, 16, 1).unwrap()
}

/// Sends frames at intervals of 20 ms.
fn talk(simulation: &mut Simulation, frames: u32) {
    for number in 0..frames {
        let frame = frame(number);
        let sent = simulation.client.send_talk(TalkFrame {
            codec: Codec::Pcma,
            flags: flags(),
            timestamp: MS(20) * number,
            data: &frame,
        });
        assert_eq!(sent, Ok(()));
        simulation.run(MS(20));
    }
}

#[test]
fn camera_receives_all_frames() {
    for camera in TestCamera::all() {
        let mut simulation = streaming(&camera, true, 6, delay);
        for round in 1..=2 {
            start(&mut simulation);
            assert_eq!(talk_events(&simulation).last(), Some(&TalkEvent::Ready));
            let before = simulation.record.frames.len();
            talk(&mut simulation, 100);
            simulation.client.stop_talk(simulation.now);
            simulation.run(SECOND);
            let ended = TalkEvent::Ended(Ok(()));
            assert_eq!(talk_events(&simulation).last(), Some(&ended));

            let received = received_audio(&simulation);
            assert_eq!(received.len(), 100 * round, "{camera}");
            for (audio, number) in received[100 * (round - 1)..].iter().zip(0..) {
                assert_eq!(audio.data, frame(number), "{camera} {number}");
                assert_eq!(audio.frame, number + 1, "{camera}");
                assert_eq!((audio.codec, audio.flags), (Codec::Pcma, flags()));
                assert_eq!(audio.timestamp, MS(20) * number);
            }
            // The stream continues.
            assert!(simulation.record.frames.len() > before + 200, "{camera}");
            simulation.record.other.clear();
        }
        let switches = simulation
            .record
            .camera
            .iter()
            .filter_map(|event| match event {
                SimulatorEvent::TalkStarted { .. } => Some(true),
                SimulatorEvent::TalkEnded { .. } => Some(false),
                _ => None,
            });
        assert_eq!(switches.collect::<Vec<_>>(), [true, false, true, false]);
        assert_eq!(simulation.client.stats().unknown, 0, "{camera}");
    }
}

#[test]
fn lossy_network_delivers_frames_in_order() {
    let lossy = |net: NetemConfig| {
        delay(net)
            .loss(RandomLoss::new(Probability::new(0.1)))
            .duplicate(Probability::new(0.05))
    };
    for dialect in &Dialect::ALL {
        for (camera, seed) in TestCamera::of(dialect).zip(0..) {
            let mut simulation = streaming(&camera, true, seed, lossy);
            start(&mut simulation);
            assert_eq!(
                talk_events(&simulation),
                [TalkEvent::Ready],
                "{camera} {seed}"
            );
            // If the answer to its login is lost, the camera ignores audio until it logs in again.
            talk(&mut simulation, 200);
            let received = received_audio(&simulation);
            assert!(
                (75..200).contains(&received.len()),
                "{camera} {seed}: {}",
                received.len()
            );
            assert!(received.is_sorted_by_key(|audio| audio.frame));
            for audio in received {
                assert_eq!(audio.data, frame(audio.frame - 1), "{camera} {seed}");
            }
        }
    }
}

#[test]
fn camera_without_a_speaker_times_out() {
    let camera = TestCamera::strict(&Dialect::TRANSCODE);
    let mut simulation = streaming(&camera, false, 7, delay);
    start(&mut simulation);
    let not_opened = TalkError::NotOpened {
        waited: 10 * SECOND,
        two_way_audio: false,
    };
    assert!(not_opened.to_string().contains("no speaker"));
    let ended = TalkEvent::Ended(Err(not_opened));
    assert_eq!(talk_events(&simulation), [ended]);
    assert_eq!(simulation.record.ended, None);
}

#[test]
fn frame_that_cannot_be_sent_is_an_error() {
    let camera = TestCamera::strict(&Dialect::CC51);
    let mut simulation = streaming(&camera, true, 8, delay);
    let data = [0; 2_000];
    let frame = TalkFrame {
        codec: Codec::Pcm,
        flags: flags(),
        timestamp: Duration::ZERO,
        data: &data,
    };
    let send = |simulation: &mut Simulation, frame| simulation.client.send_talk(frame);
    assert_eq!(send(&mut simulation, frame), Err(TalkError::NotReady));
    // Without talk, this has no effect.
    simulation.client.stop_talk(simulation.now);
    start(&mut simulation);
    let Err(TalkError::TooLong { max, got: 2_000 }) = send(&mut simulation, frame) else {
        panic!("too long frame was accepted");
    };
    assert!((1_000..1_200).contains(&max), "{max}");
    let longest = TalkFrame {
        data: &data[..max],
        ..frame
    };
    assert_eq!(send(&mut simulation, longest), Ok(()));
    simulation.run(MS(100));
    assert_eq!(received_audio(&simulation)[0].data.len(), max);

    simulation.client.close(simulation.now);
    simulation.run_until(MS(100), |_| false);
    assert_eq!(send(&mut simulation, frame), Err(TalkError::NotReady));
    let last: Vec<_> = simulation.record.camera.iter().rev().take(2).collect();
    assert!(
        matches!(
            last[..],
            [
                SimulatorEvent::Left {
                    reason: LeaveReason::Closed,
                    ..
                },
                SimulatorEvent::TalkEnded { .. }
            ]
        ),
        "{last:?}"
    );
}

/// The camera's side of the backchannel.
struct Backchannel {
    dtls: Connection,
    packets: Vec<Vec<u8>>,
}

impl Backchannel {
    fn new(script: &CameraScript, identity: &str) -> Self {
        let psk = credentials().psk(script.dialect.key);
        let config =
            dtls_psk::Config::client(identity, psk).with_suites(&[CipherSuite::PskAes128CbcSha256]);
        Self {
            dtls: Connection::client(Arc::new(config), [9; 32], script.now).unwrap(),
            packets: Vec::new(),
        }
    }

    /// Passes records between both sides until there are none.
    fn settle(&mut self, script: &mut CameraScript) {
        loop {
            let mut busy = false;
            loop {
                match self.dtls.poll_output() {
                    dtls_psk::Output::Transmit(records) => {
                        busy = true;
                        script.send_records(1, records);
                    }
                    dtls_psk::Output::Event(_) => {}
                    dtls_psk::Output::Timeout(_) => break,
                }
            }
            for mut records in std::mem::take(&mut script.backchannel) {
                busy = true;
                let packets = &mut self.packets;
                self.dtls
                    .handle_datagram(script.now, &mut records, |packet| {
                        packets.push(packet.to_vec());
                    })
                    .unwrap();
            }
            if !busy {
                return;
            }
        }
    }

    fn send(&mut self, script: &mut CameraScript, packet: &[u8]) {
        self.dtls.send(packet).unwrap();
        self.settle(script);
    }
}

/// The client's newest K10010.
fn newest_switch(script: &mut CameraScript) -> MediaControl {
    let packets = script.take_packets();
    let mut switches = packets.iter().filter_map(|packet| {
        let request = IoctlRequest::parse(packet).ok()?;
        MediaControl::from_message(&HlMessage::parse(request.hl).unwrap()).ok()
    });
    switches.next_back().unwrap()
}

fn answer(script: &mut CameraScript, answer: SetAnswer) {
    script.send_hl(&MediaControl::answer_to_hl(&answer).unwrap());
}

fn script_events(script: &CameraScript) -> Vec<TalkEvent> {
    let events = script.events.iter();
    events
        .filter_map(|event| match event {
            Event::Talk(event) => Some(event.clone()),
            _ => None,
        })
        .collect()
}

/// The camera sends an unknown identity and unknown credentials, and repeats its login.
#[test]
fn any_login_of_the_camera_is_accepted() {
    for dialect in &Dialect::ALL {
        let mut script = CameraScript::new(dialect);
        script.authenticate();
        script.with(|client, now| client.start_talk(now));
        let on = MediaControl {
            media: Media::ReturnAudio,
            switch: Switch::On,
        };
        assert_eq!(newest_switch(&mut script), on);
        // The camera may open the channel before it answers K10010.
        let mut channel = Backchannel::new(&script, "somebody");
        channel.settle(&mut script);
        assert!(channel.dtls.is_connected(), "{dialect}");
        answer(&mut script, SetAnswer::Done);
        assert_eq!(script_events(&script), []);

        for (flags, nonce) in [(0x00, 1), (0x20, 2), (0x00, 3)] {
            let mut login = vec![0xee; 600];
            login[..2].copy_from_slice(&[0x00, flags]);
            login[20..24].copy_from_slice(&[nonce, 0xa, 0xb, 0xc]);
            channel.send(&mut script, &login);
            let mut expected = [0; 60];
            for (at, bytes) in [
                (0, &[0x00, 0x21, 0x0c, 0x00, 0x10][..]),
                (16, &[0x24]),
                (20, &[nonce, 0xa, 0xb, 0xc]),
                (29, &[1]),
                (31, &[1]),
                (36, &[4]),
                (40, &[0xfb, 0x07, 0x1f, 0x00]),
                (54, &[3]),
                (56, &[2]),
            ] {
                expected[at..at + bytes.len()].copy_from_slice(bytes);
            }
            let answers = std::mem::take(&mut channel.packets);
            assert_eq!(answers, [expected], "{dialect}");
        }
        assert_eq!(script_events(&script), [TalkEvent::Ready]);

        // As in docs/protocol.md, section "Backchannel".
        for (number, word) in [(1_u8, [1, 0, 0, 0]), (2, [1, 0, 0x10, 0])] {
            let frame = TalkFrame {
                codec: Codec::Pcmu,
                flags: flags(),
                timestamp: MS(20) * u32::from(number),
                data: b"sound",
            };
            script.with(|client, _| client.send_talk(frame)).unwrap();
            channel.settle(&mut script);
            let packet = channel.packets.pop().unwrap();
            assert_eq!(packet[..4], [0x03, 0x09, 0x0c, 0x00]);
            assert_eq!(packet[4..8], [number, 0, 0, 0]);
            assert_eq!(packet[8..12], (20_000 * u32::from(number)).to_le_bytes());
            assert_eq!(packet[12..16], word);
            assert_eq!(packet[16..24], [3, 1, number - 1, 0, 1, 0, 0x10, 0]);
            assert_eq!(
                packet[24..36],
                [21, 0, 0, 0, number - 1, 0, 0, 0, number, 0, 0, 0]
            );
            assert_eq!(packet[36..41], *b"sound");
            assert_eq!(packet[41..53], [0x89, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
            assert_eq!(packet[53..], (20 * u32::from(number)).to_le_bytes());
            assert!(TalkPacket::parse(&packet).is_ok());
        }

        script.with(|client, now| client.stop_talk(now));
        let off = MediaControl {
            switch: Switch::Off,
            ..on
        };
        assert_eq!(newest_switch(&mut script), off);
        answer(&mut script, SetAnswer::Done);
        let ended = TalkEvent::Ended(Ok(()));
        assert_eq!(script_events(&script), [TalkEvent::Ready, ended]);
        channel.settle(&mut script);
        assert!(channel.dtls.is_closed());
    }
}

#[test]
fn talk_ends_if_the_camera_does_not_open_the_channel() {
    let start_talk = |script: &mut CameraScript| {
        script.authenticate();
        script.with(|client, now| client.start_talk(now));
    };
    let mut script = CameraScript::new(&Dialect::TRANSCODE);
    start_talk(&mut script);
    script.advance(6 * SECOND);
    let ended = TalkEvent::Ended(Err(TalkError::Unanswered));
    assert_eq!(script_events(&script), [ended]);

    let mut script = CameraScript::new(&Dialect::TRANSCODE);
    start_talk(&mut script);
    answer(&mut script, SetAnswer::Other(2));
    let ended = TalkEvent::Ended(Err(TalkError::Refused(2)));
    assert_eq!(script_events(&script), [ended]);

    // The camera opens the channel, and closes it.
    let mut script = CameraScript::new(&Dialect::TRANSCODE);
    start_talk(&mut script);
    answer(&mut script, SetAnswer::Done);
    let mut channel = Backchannel::new(&script, "AUTHPWD_admin");
    channel.settle(&mut script);
    channel.dtls.close();
    channel.settle(&mut script);
    let ended = TalkEvent::Ended(Err(TalkError::Closed));
    assert_eq!(script_events(&script), [ended]);
    // The owner gets no events for the session's own requests.
    let owners = |event: &Event| matches!(event, Event::Answer(_) | Event::Unanswered { .. });
    assert!(!script.events.iter().any(owners));
}

/// An attacker who knows the session id can start a handshake on the channel.
#[test]
fn failed_handshake_does_not_prevent_another() {
    let mut script = CameraScript::new(&Dialect::TRANSCODE);
    script.authenticate();
    script.with(|client, now| client.start_talk(now));
    answer(&mut script, SetAnswer::Done);
    script.send_records(1, &[22; 60]);
    // A plaintext fatal alert: handshake_failure.
    script.send_records(1, &[21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40]);
    let mut channel = Backchannel::new(&script, "AUTHPWD_admin");
    channel.settle(&mut script);
    assert!(channel.dtls.is_connected());
    assert_eq!(script_events(&script), []);
}
