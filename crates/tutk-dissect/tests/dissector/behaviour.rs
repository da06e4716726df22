//! The behaviour of captured cameras.

use std::time::Duration;

use tutk_dissect::capture::CaptureReader;
use tutk_dissect::{
    Behaviour, CapturedMessage, Direction, Dissector, FrameNumbers, Keys, LengthField,
    MessagePacket, SliceSize,
};
use tutk_session::{ClientConfig, Dialect};
use tutk_simulator::{
    ExtendedMasterSecret, FrameNumbering, IoctlAnswers, Lengths, LoginNonce, Personality,
    SessionIdRule, SimulatorConfig, SliceSizes, TimestampRule,
};

use crate::captures::capture;

/// Captures a client of this camera.
fn behaviour(dialect: &'static Dialect, personality: &Personality) -> Behaviour {
    let configure = |client: &mut ClientConfig, camera: &mut SimulatorConfig| {
        // A camera that refuses early packets has two sessions.
        client.fast_connect = false;
        camera.personality = personality.clone();
    };
    let capture = capture(dialect, 20, configure, |net| {
        net.latency(Duration::from_millis(2))
    });
    let mut keys = Keys::new();
    let mut reader = CaptureReader::new(&capture.file[..]).unwrap();
    keys.add_capture(&mut reader).unwrap();
    let mut dissector = Dissector::new(keys);
    let mut behaviour = Behaviour::default();
    let mut reader = CaptureReader::new(&capture.file[..]).unwrap();
    while let Some(packet) = reader.next_packet().unwrap() {
        behaviour.packet(&dissector.handle(&packet).unwrap());
        for message in dissector.messages() {
            behaviour.message(message);
        }
        while let Some(frame) = dissector.poll_frame() {
            behaviour.frame(frame);
        }
    }
    behaviour
}

#[test]
fn behaviour_has_the_deviations_of_the_camera() {
    for dialect in [&Dialect::TRANSCODE, &Dialect::CC51] {
        for seed in 0..12 {
            let personality = Personality::random(seed);
            let found = behaviour(dialect, &personality);
            let case = format!("{dialect} {seed}: {personality:?}");
            assert_eq!(found.dialect.as_deref(), Some(dialect), "{case}");
            assert_eq!(found.cookie_exchange, personality.cookie_exchange, "{case}");
            let accepted = personality.extended_master_secret == ExtendedMasterSecret::Accepted;
            assert_eq!(found.extended_master_secret, Some(accepted), "{case}");
            let echoed = personality.login_nonce == LoginNonce::Echoed;
            assert_eq!(found.login_nonce_echoed, Some(echoed), "{case}");
            assert_eq!(
                found.login_status,
                Some(personality.login_status.0),
                "{case}"
            );
            let messages = match personality.ioctl_answers {
                IoctlAnswers::Ioctl | IoctlAnswers::Numbered => MessagePacket::Ioctl,
                IoctlAnswers::Grouped => MessagePacket::Grouped,
                IoctlAnswers::Channel => MessagePacket::Channel,
            };
            assert_eq!(found.messages_in, Some(messages), "{case}");
            assert_eq!(found.buffer_reset, personality.buffer_reset, "{case}");
            // With three ports, discovery answers leave from one and all others from another one.
            let ports = usize::from(personality.ports.count()) - 1;
            assert_eq!(found.ports.len(), ports.max(1), "{case}");
            let lengths = match personality.lengths {
                Lengths::Exact | Lengths::Extended => LengthField::Exact,
                Lengths::TooSmall => LengthField::TooSmall,
                Lengths::TooLarge => LengthField::TooLarge,
            };
            assert_eq!(found.lengths, Some(lengths), "{case}");
            let other = personality.session_ids == SessionIdRule::Other;
            let expected = other && *dialect == Dialect::CC51;
            assert_eq!(found.other_session, expected, "{case}");
            let sizes = match personality.slice_sizes {
                SliceSizes::Exact => SliceSize::Exact,
                SliceSizes::WithoutInfo => SliceSize::WithoutInfo,
                SliceSizes::TooLarge => SliceSize::TooLarge,
                SliceSizes::Padded => SliceSize::TooSmall,
            };
            assert_eq!(found.slice_size, Some(sizes), "{case}");
            let numbers = match personality.frame_numbers {
                FrameNumbering::PerStream => FrameNumbers::PerStream,
                _ => FrameNumbers::Shared,
            };
            assert_eq!(found.frame_numbers(), Some(numbers), "{case}");
            let constant = personality.timestamps == TimestampRule::ConstantSeconds;
            assert_eq!(found.has_constant_seconds(), constant, "{case}");
            assert!(found.two_way_audio, "{case}");
            assert!(found.delays.contains_key(&10000), "{case}");
        }
    }
}

#[test]
fn commands_without_an_answer_are_unanswered() {
    let mut behaviour = Behaviour::default();
    let mut message = |direction, code| {
        behaviour.message(&CapturedMessage {
            session: 1,
            time: Duration::ZERO,
            direction,
            code,
            payload: Vec::new(),
        });
    };
    // The camera answers none of these: the last one is part of the challenge exchange.
    for code in [11004, 11000, 11000, 10002] {
        message(Direction::ToCamera, code);
    }
    // Answered, and requested again.
    message(Direction::ToCamera, 10090);
    message(Direction::FromCamera, 10091);
    message(Direction::ToCamera, 10090);
    let unanswered: Vec<_> = behaviour.unanswered().collect();
    assert_eq!(unanswered, [11000, 11004]);
}
