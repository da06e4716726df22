//! `tutk replay`: simulates the camera of a capture.

use std::num::NonZeroUsize;

use tutk_dissect::{Behaviour, Dissector, Keys, Session};
use tutk_runtime::tutk_session::Credentials;
use tutk_runtime::tutk_session::hl_ioctl::ChallengeStatus;

use super::dissect::{key_logs, not_read, open};
use super::simulate::{Identity, Simulation};
use crate::args::replay::ReplayArgs;
use crate::captured_camera;
use crate::console::Console;
use crate::failure::Failure;
use crate::report::Report;
use crate::secret_text::SecretText;
use crate::signals::Stop;

/// Credentials that no camera has.
const FAKE_UID: &str = "REPLAY00000000000000";
const FAKE_ENR: &str = "FakeEnrOfReplay0";
const FAKE_LONG_ENR: &str = "FakeEnrOfReplay0FakeEnrOfReplay1";
const FAKE_MAC: &str = "020000000001";

pub(crate) async fn run(
    args: &ReplayArgs,
    console: &Console,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let keys = key_logs(&args.file, &args.keys)?;
    let session = chosen(args, &sessions(args, keys.clone())?)?;
    let behaviour = behaviour(args, keys, session)?;
    let identity = identity(args, &behaviour);
    let (mut config, codec) = captured_camera::config(&behaviour, identity.credentials()?)?;
    config.trace_slices = true;
    report.codec = codec.map(|codec| codec.name());
    let video = behaviour
        .frames
        .iter()
        .filter(|frame| frame.frame.kind.is_video());
    if codec.is_none() {
        console.line("the session has no decrypted video; the built-in clip is used instead");
    }
    let simulation = Simulation {
        headline: format!(
            "simulates session {session} of {}: {}, {} video frames; its address is",
            args.file.display(),
            (behaviour.dialect.as_ref()).map_or("unknown dialect", |dialect| &dialect.name),
            video.count(),
        ),
        config,
        listen: args.listen,
        identity,
        once: args.once,
        keylog: None,
        talk_output: None,
    };
    simulation.run(console, report, stop).await
}

/// Finds the sessions of the capture.
fn sessions(args: &ReplayArgs, keys: Keys) -> Result<Vec<Session>, Failure> {
    let mut dissector = Dissector::new(keys);
    let mut capture = open(&args.file)?;
    while let Some(packet) = (capture.next_packet()).map_err(|error| not_read(&args.file, error))? {
        dissector.handle(&packet);
        while dissector.poll_frame().is_some() {}
    }
    dissector.finish();
    Ok(dissector.sessions().to_vec())
}

/// Returns the number of the session to replay: the requested one, the first one with video, or the
/// one with most phases.
fn chosen(args: &ReplayArgs, sessions: &[Session]) -> Result<usize, Failure> {
    let requested = args.session.map(NonZeroUsize::get);
    let found = match requested {
        Some(number) => sessions.iter().find(|session| session.number == number),
        None => (sessions.iter())
            .find(|session| session.media.video > 0)
            .or_else(|| {
                sessions
                    .iter()
                    .rev()
                    .max_by_key(|session| session.phases.len())
            }),
    };
    found.map(|session| session.number).ok_or_else(|| {
        let name = args.file.display();
        let what = match requested {
            Some(number) => format!("{name} has no session {number}"),
            None => format!("{name} has no session of a TUTK camera"),
        };
        Failure::usage("input", what, "list the sessions with `tutk dissect`")
    })
}

/// Collects what the camera did in a session.
fn behaviour(args: &ReplayArgs, keys: Keys, session: usize) -> Result<Behaviour, Failure> {
    let mut dissector = Dissector::new(keys);
    let mut behaviour = Behaviour::default();
    let mut capture = open(&args.file)?;
    let frames = |dissector: &mut Dissector, behaviour: &mut Behaviour| {
        while let Some(frame) = dissector.poll_frame() {
            if frame.session == session {
                behaviour.frame(frame);
            }
        }
    };
    while let Some(packet) = (capture.next_packet()).map_err(|error| not_read(&args.file, error))? {
        if let Some(packet) = dissector.handle(&packet)
            && packet.session == Some(session)
        {
            behaviour.packet(&packet);
            for message in dissector.messages() {
                behaviour.message(message);
            }
        }
        frames(&mut dissector, &mut behaviour);
    }
    dissector.finish();
    frames(&mut dissector, &mut behaviour);
    Ok(behaviour)
}

/// The credentials of the command line, the UID of the capture, and fake ones.
fn identity(args: &ReplayArgs, behaviour: &Behaviour) -> Identity {
    let of_capture = behaviour.uid.clone().filter(|uid| {
        Credentials::new(uid, FAKE_ENR, FAKE_MAC).is_ok() && uid.len() == FAKE_UID.len()
    });
    let fake_enr = match behaviour.challenge_status.map(ChallengeStatus::from_byte) {
        Some(ChallengeStatus::LongEnr) => FAKE_LONG_ENR,
        _ => FAKE_ENR,
    };
    Identity {
        uid: args
            .uid
            .clone()
            .or(of_capture)
            .unwrap_or_else(|| FAKE_UID.to_owned()),
        enr: args
            .enr
            .clone()
            .unwrap_or_else(|| SecretText::from(fake_enr.to_owned())),
        mac: args.mac.clone().unwrap_or_else(|| FAKE_MAC.to_owned()),
        parent_enr: None,
        parent_mac: None,
        model: None,
    }
}
