//! Commands and closing.

use testkit::session::cameras::TestCamera;
use testkit::session::clip_audio;
use testkit::session::supervised::SupervisorSimulation;
use tutk_session::hl_ioctl::Command as _;
use tutk_session::hl_ioctl::commands::MediaControl;
use tutk_session::video_reassembly::StreamKind;
use tutk_session::{CommandError, Event, SupervisorEvent};

use super::{AUDIO_OFF, MS, S, configs_of, simulation, simulation_of};

#[test]
fn closes_in_every_state() {
    for camera in TestCamera::all() {
        let close = |simulation: &mut SupervisorSimulation| {
            simulation.close();
            simulation.ended().unwrap();
            assert!(!simulation.socket_open);
            assert!(simulation.events_within(S(3600)).is_empty());
        };
        // In the middle of each phase, and after the first frames.
        for time in [0, 7, 15, 25, 35, 60, 2000].map(MS) {
            let mut simulation = simulation_of(&camera);
            simulation.run(time);
            close(&mut simulation);
        }
        // While backing off, and in the next attempt.
        for time in [MS(100), S(2)] {
            let mut simulation = simulation_of(&camera);
            simulation.frames(10);
            simulation.close_camera();
            simulation.disconnect();
            simulation.run(time);
            close(&mut simulation);
        }
    }
}

#[test]
fn commands_need_an_authenticated_session() {
    for camera in TestCamera::all() {
        let mut simulation = simulation_of(&camera);
        for _ in 0..3 {
            assert_eq!(
                simulation.command(&AUDIO_OFF),
                Err(CommandError::NotConnected)
            );
            simulation.authenticated();
            simulation.command(&AUDIO_OFF).unwrap();
            let code = simulation.until(|event| match event {
                SupervisorEvent::Session(Event::Answer(answer)) => Some(answer.code),
                _ => None,
            });
            assert_eq!(code, MediaControl::ANSWER_CODE);
            simulation.close_camera();
            simulation.disconnect();
            simulation.start_camera();
        }
    }
}

#[test]
fn commands_beyond_the_limit_are_not_accepted() {
    let mut simulation = simulation();
    simulation.authenticated();
    let accepted = (0..200).take_while(|_| simulation.command(&AUDIO_OFF).is_ok());
    assert!((60..=64).contains(&accepted.count()));
    assert_eq!(
        simulation.command(&AUDIO_OFF),
        Err(CommandError::NotAccepted)
    );
}

#[test]
fn initial_commands_are_sent_in_each_session() {
    for camera in TestCamera::all() {
        let (mut config, mut simulated) = configs_of(&camera);
        config.initial_commands = vec![(&AUDIO_OFF).into()];
        simulated.audio = Some(clip_audio(1, 10));
        let mut simulation = SupervisorSimulation::new(config, simulated, 1);
        for _ in 0..3 {
            simulation.until(|event| {
                matches!(event, SupervisorEvent::Session(Event::Answer(_))).then_some(())
            });
            // Audio in flight.
            simulation.frames(10);
            for _ in 0..20 {
                assert_eq!(simulation.frame().frame.stream(), StreamKind::Video);
            }
            simulation.close_camera();
            simulation.disconnect();
            simulation.start_camera();
        }
    }
}
