//! Sound to the camera, over the channel that the camera opens.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::StdRng;
use str0m_netem::{NetemConfig, Probability, RandomLoss};
use testkit::session::scripted::Scripted;
use testkit::session::{Simulation, clip, credentials, sound};
use tutk_session::dtls_psk::{self, CipherSuite, Connection};
use tutk_session::hl_ioctl::commands::{Media, MediaControl, SetAnswer, Switch};
use tutk_session::hl_ioctl::{Command as _, HlMessage};
use tutk_session::tutk_frame::{IoctlRequest, TalkPacket};
use tutk_session::{AudioFlags, Codec, Dialect, Event, TalkError, TalkEvent, TalkFrame};
use tutk_simulator::{LeaveReason, ReceivedAudio, SimulatorEvent};

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECOND: Duration = Duration::from_secs(1);

/// A session that streams, on a network as `net` makes it.
fn streaming(
    dialect: &'static Dialect,
    speaker: bool,
    seed: u64,
    net: impl Fn(NetemConfig) -> NetemConfig,
) -> Simulation {
    let (client, mut camera) = Simulation::pair(dialect, clip(5, 20, 10), seed);
    camera.audio = Some(sound(5, 10));
    camera.speaker = speaker;
    let mut simulation = Simulation::new(client, camera, seed, net);
    simulation.run_until(20 * SECOND, |record| record.frames.len() > 5);
    assert!(simulation.record.frames.len() > 5, "{dialect} {seed}");
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

fn heard(simulation: &Simulation) -> Vec<ReceivedAudio> {
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

/// Says so many frames, 20 ms apart.
fn say(simulation: &mut Simulation, frames: u32) {
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
fn the_camera_hears_what_was_said() {
    for dialect in Dialect::ALL {
        let mut simulation = streaming(dialect, true, 6, delay);
        for round in 1..=2 {
            start(&mut simulation);
            assert_eq!(talk_events(&simulation).last(), Some(&TalkEvent::Ready));
            let before = simulation.record.frames.len();
            say(&mut simulation, 100);
            simulation.client.stop_talk(simulation.now);
            simulation.run(SECOND);
            let ended = TalkEvent::Ended(Ok(()));
            assert_eq!(talk_events(&simulation).last(), Some(&ended));

            let heard = heard(&simulation);
            assert_eq!(heard.len(), 100 * round, "{dialect}");
            for (sound, number) in heard[100 * (round - 1)..].iter().zip(0..) {
                assert_eq!(sound.data, frame(number), "{dialect} {number}");
                assert_eq!(sound.frame, number + 1, "{dialect}");
                assert_eq!((sound.codec, sound.flags), (Codec::Pcma, flags()));
                assert_eq!(sound.timestamp, MS(20) * number);
            }
            // 3 s of pictures and sound went on beside it.
            assert!(simulation.record.frames.len() > before + 200, "{dialect}");
            simulation.record.other.clear();
        }
        let told = simulation
            .record
            .camera
            .iter()
            .filter_map(|event| match event {
                SimulatorEvent::TalkStarted { .. } => Some(true),
                SimulatorEvent::TalkEnded { .. } => Some(false),
                _ => None,
            });
        assert_eq!(told.collect::<Vec<_>>(), [true, false, true, false]);
        assert_eq!(simulation.client.stats().unknown, 0, "{dialect}");
    }
}

#[test]
fn over_a_bad_network_it_is_heard_as_far_as_it_arrives() {
    let bad = |net: NetemConfig| {
        delay(net)
            .loss(RandomLoss::new(Probability::new(0.1)))
            .duplicate(Probability::new(0.05))
    };
    for seed in 0..20 {
        for dialect in Dialect::ALL {
            let mut simulation = streaming(dialect, true, seed, bad);
            start(&mut simulation);
            assert_eq!(
                talk_events(&simulation),
                [TalkEvent::Ready],
                "{dialect} {seed}"
            );
            // The answer to the camera's login may be lost: then it hears nothing until it asks
            // again.
            say(&mut simulation, 200);
            let heard = heard(&simulation);
            assert!((75..200).contains(&heard.len()), "{seed}: {}", heard.len());
            assert!(heard.is_sorted_by_key(|sound| sound.frame));
            for sound in heard {
                assert_eq!(sound.data, frame(sound.frame - 1), "{dialect} {seed}");
            }
        }
    }
}

#[test]
fn a_camera_without_a_speaker_is_given_up_and_says_why() {
    let mut simulation = streaming(&Dialect::TRANSCODE, false, 7, delay);
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
fn what_cannot_be_said_is_an_error() {
    let mut simulation = streaming(&Dialect::CC51, true, 8, delay);
    let data = [0; 2_000];
    let sound = TalkFrame {
        codec: Codec::Pcm,
        flags: flags(),
        timestamp: Duration::ZERO,
        data: &data,
    };
    let send = |simulation: &mut Simulation, sound| simulation.client.send_talk(sound);
    assert_eq!(send(&mut simulation, sound), Err(TalkError::NotReady));
    // Nothing to stop is no matter.
    simulation.client.stop_talk(simulation.now);
    start(&mut simulation);
    let Err(TalkError::TooLong { max, got: 2_000 }) = send(&mut simulation, sound) else {
        panic!("it fits into no packet");
    };
    // 20 ms at 16 kHz and more.
    assert!((1_000..1_200).contains(&max), "{max}");
    let longest = TalkFrame {
        data: &data[..max],
        ..sound
    };
    assert_eq!(send(&mut simulation, longest), Ok(()));
    simulation.run(MS(100));
    assert_eq!(heard(&simulation)[0].data.len(), max);

    simulation.client.close(simulation.now);
    simulation.run_until(MS(100), |_| false);
    assert_eq!(send(&mut simulation, sound), Err(TalkError::NotReady));
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

/// The camera's channel, by hand.
struct Caller {
    dtls: Connection,
    packets: Vec<Vec<u8>>,
}

impl Caller {
    fn new(script: &Scripted, identity: &str) -> Self {
        let psk = credentials().psk(script.dialect.key);
        let config =
            dtls_psk::Config::client(identity, psk).with_suites(&[CipherSuite::PskAes128CbcSha256]);
        let mut rng = StdRng::seed_from_u64(9);
        Self {
            dtls: Connection::client(Arc::new(config), &mut rng, script.now).unwrap(),
            packets: Vec::new(),
        }
    }

    /// Both say all that they have to.
    fn settle(&mut self, script: &mut Scripted) {
        loop {
            let mut busy = false;
            loop {
                match self.dtls.poll_output() {
                    dtls_psk::Output::Transmit(records) => {
                        busy = true;
                        script.back_channel(records);
                    }
                    dtls_psk::Output::Event(_) => {}
                    dtls_psk::Output::Timeout(_) => break,
                }
            }
            for mut records in std::mem::take(&mut script.back) {
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

    fn say(&mut self, script: &mut Scripted, packet: &[u8]) {
        self.dtls.send(packet).unwrap();
        self.settle(script);
    }
}

/// Which media the client's newest K10010 switches, and how.
fn newest_switch(script: &mut Scripted) -> MediaControl {
    let packets = script.take_packets();
    let mut switches = packets.iter().filter_map(|packet| {
        let request = IoctlRequest::parse(packet).ok()?;
        MediaControl::from_message(&HlMessage::parse(request.hl).unwrap()).ok()
    });
    switches.next_back().unwrap()
}

fn answer(script: &mut Scripted, answer: SetAnswer) {
    script.ioctl(&MediaControl::answer_to_hl(&answer).unwrap());
}

fn script_events(script: &Scripted) -> Vec<TalkEvent> {
    let events = script.events.iter();
    events
        .filter_map(|event| match event {
            Event::Talk(event) => Some(event.clone()),
            _ => None,
        })
        .collect()
}

/// A camera that logs in with words that nobody has seen, asks twice, and gives another identity.
#[test]
fn a_camera_is_let_in_whatever_it_logs_in_with_and_however_often_it_asks() {
    for dialect in Dialect::ALL {
        let mut script = Scripted::new(dialect);
        script.let_in();
        script.client.start_talk(script.now);
        script.settle();
        let on = MediaControl {
            media: Media::ReturnAudio,
            switch: Switch::On,
        };
        assert_eq!(newest_switch(&mut script), on);
        // The camera may call before its answer is there.
        let mut caller = Caller::new(&script, "somebody");
        caller.settle(&mut script);
        assert!(caller.dtls.is_connected(), "{dialect}");
        answer(&mut script, SetAnswer::Done);
        assert_eq!(script_events(&script), []);

        for (flags, nonce) in [(0x00, 1), (0x20, 2), (0x00, 3)] {
            let mut login = vec![0xee; 600];
            login[..2].copy_from_slice(&[0x00, flags]);
            login[20..24].copy_from_slice(&[nonce, 0xa, 0xb, 0xc]);
            caller.say(&mut script, &login);
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
            let answers = std::mem::take(&mut caller.packets);
            assert_eq!(answers, [expected], "{dialect}");
        }
        assert_eq!(script_events(&script), [TalkEvent::Ready]);

        // Byte for byte what wire.md section 11 has.
        for (number, word) in [(1_u8, [1, 0, 0, 0]), (2, [1, 0, 0x10, 0])] {
            let sound = TalkFrame {
                codec: Codec::Pcmu,
                flags: flags(),
                timestamp: MS(20) * u32::from(number),
                data: b"sound",
            };
            script.client.send_talk(sound).unwrap();
            script.settle();
            caller.settle(&mut script);
            let packet = caller.packets.pop().unwrap();
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

        script.client.stop_talk(script.now);
        script.settle();
        let off = MediaControl {
            switch: Switch::Off,
            ..on
        };
        assert_eq!(newest_switch(&mut script), off);
        answer(&mut script, SetAnswer::Done);
        let ended = TalkEvent::Ended(Ok(()));
        assert_eq!(script_events(&script), [TalkEvent::Ready, ended]);
        caller.settle(&mut script);
        assert!(caller.dtls.is_closed());
    }
}

#[test]
fn a_camera_that_does_not_want_to_listen_is_named() {
    let talk = |script: &mut Scripted| {
        script.let_in();
        script.client.start_talk(script.now);
        script.settle();
    };
    let mut script = Scripted::new(&Dialect::TRANSCODE);
    talk(&mut script);
    script.advance(6 * SECOND);
    let ended = TalkEvent::Ended(Err(TalkError::Unanswered));
    assert_eq!(script_events(&script), [ended]);

    let mut script = Scripted::new(&Dialect::TRANSCODE);
    talk(&mut script);
    answer(&mut script, SetAnswer::Other(2));
    let ended = TalkEvent::Ended(Err(TalkError::Refused(2)));
    assert_eq!(script_events(&script), [ended]);

    // It opens the channel, and closes it.
    let mut script = Scripted::new(&Dialect::TRANSCODE);
    talk(&mut script);
    answer(&mut script, SetAnswer::Done);
    let mut caller = Caller::new(&script, "AUTHPWD_admin");
    caller.settle(&mut script);
    caller.dtls.close();
    caller.settle(&mut script);
    let ended = TalkEvent::Ended(Err(TalkError::Closed));
    assert_eq!(script_events(&script), [ended]);
    // The owner's own commands are not told of what the session asked for itself.
    let owners = |event: &Event| matches!(event, Event::Answer(_) | Event::Unanswered { .. });
    assert!(!script.events.iter().any(owners));
}

/// Anybody who knows the session's id can begin a handshake on the channel: it must not keep the
/// camera out.
#[test]
fn a_spoilt_handshake_does_not_keep_the_camera_out() {
    let mut script = Scripted::new(&Dialect::TRANSCODE);
    script.let_in();
    script.client.start_talk(script.now);
    script.settle();
    answer(&mut script, SetAnswer::Done);
    script.back_channel(&[22; 60]);
    // A fatal alert in the clear: handshake_failure.
    script.back_channel(&[21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40]);
    let mut caller = Caller::new(&script, "AUTHPWD_admin");
    caller.settle(&mut script);
    assert!(caller.dtls.is_connected());
    assert_eq!(script_events(&script), []);
}
