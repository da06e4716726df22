//! `tutk simulate`: runs a simulated camera.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Instant;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tutk_runtime::tutk_session::hl_ioctl::ChallengeStatus;
use tutk_runtime::tutk_session::{
    CredentialParts, Credentials, CredentialsError, MediaKind, Phase,
};
use tutk_runtime::tutk_simulator::{
    ClientId, Clip, ClipAudio, Impairment, SimulatorConfig, SimulatorEvent, SliceOrigin, SliceSent,
};
use tutk_runtime::{SimulatedCamera, simulate};

use super::simulate_many::{self, Cameras};
use crate::args::{ChallengeChoice, SimulateArgs};
use crate::clip;
use crate::console::Console;
use crate::failure::{Failure, Status};
use crate::keylog::KeyLog;
use crate::report::{self, AudioReport, PhaseTime, Report, milliseconds, plural};
use crate::secret_text::{ENR_VARIABLE, SecretText};
use crate::signals::Stop;
use crate::sound;
use crate::talk_output::TalkOutput;

/// The length of an ENR with two halves.
const LONG_ENR: usize = 32;

pub(crate) async fn run(
    args: &SimulateArgs,
    console: &Console,
    report: &mut Report,
    stop: &mut Stop,
) -> Result<(), Failure> {
    let picture = clip::load(args.input.as_deref(), args.fps)?;
    report.codec = Some(picture.codec.name());
    (report.width, report.height) = (Some(picture.width), Some(picture.height));
    let keylog = args.keylog.as_deref().map(KeyLog::open).transpose()?;
    let mut config = config(args, picture.clip.clone(), keylog.is_some())?;
    config.audio = sound::load(args.audio)?;
    let audio = sound::of_wire(config.audio.as_ref().map(ClipAudio::format));
    let talk_output = args
        .talk_output
        .as_deref()
        .map(|path| TalkOutput::create(path, args.overwrite))
        .transpose()?;
    config.impairment = Impairment {
        loss: args.loss,
        reorder: args.reorder,
        duplicate: args.duplicate,
        seed: args.seed,
    };
    let media = format!(
        "{} {}x{} at {} frames/s, audio {}",
        picture.codec,
        picture.width,
        picture.height,
        args.fps,
        audio.map_or_else(|| "nothing".to_owned(), |format| format.to_string()),
    );
    let identity = Identity {
        model: config.personality.model.as_deref().map(str::to_owned),
        ..Identity::of(args)
    };
    if let Some(count) = args.cameras {
        let cameras = Cameras {
            count,
            listen: args.listen,
            identity: &identity,
            config,
        };
        return simulate_many::run(args, cameras, &media, console, report, stop).await;
    }
    let simulation = Simulation {
        headline: format!("simulated camera: {media}; its address is"),
        identity,
        config,
        listen: args.listen,
        once: args.once,
        keylog,
        talk_output,
    };
    simulation.run(console, report, stop).await
}

/// A simulated camera, and how to run it.
pub(super) struct Simulation {
    /// Printed before the address.
    pub(super) headline: String,
    pub(super) config: SimulatorConfig,
    pub(super) listen: SocketAddr,
    pub(super) identity: Identity,
    /// Ends when the first client that completed the handshake has left.
    pub(super) once: bool,
    pub(super) keylog: Option<KeyLog>,
    pub(super) talk_output: Option<TalkOutput>,
}

/// The credentials and the model of a simulated camera, as texts.
#[derive(Clone)]
pub(super) struct Identity {
    pub(super) uid: String,
    pub(super) enr: SecretText,
    pub(super) mac: String,
    /// The keys of the base station. Both or none are set.
    pub(super) parent_enr: Option<SecretText>,
    pub(super) parent_mac: Option<String>,
    pub(super) model: Option<String>,
}

impl Simulation {
    /// Runs until a signal arrives.
    pub(super) async fn run(
        self,
        console: &Console,
        report: &mut Report,
        stop: &mut Stop,
    ) -> Result<(), Failure> {
        let audio = sound::of_wire(self.config.audio.as_ref().map(ClipAudio::format));
        let server =
            simulate(self.config, self.listen).map_err(|error| refused(self.listen, &error))?;
        report.listen = Some(server.local_addr().to_string());
        console.line(self.headline);
        console.line(self.identity.address(server.local_addr()));

        let began = Instant::now();
        let mut clients = Clients {
            clients: BTreeMap::new(),
            console,
            report,
            keylog: self.keylog,
            talk_output: self.talk_output,
            audio: audio.map(AudioReport::new),
        };
        let result = clients.simulate(server, self.once, stop).await;
        let result = result.and(clients.finish());
        report.seconds = report::seconds(began.elapsed());
        let clients = report.clients.unwrap_or_default();
        console.line(format_args!(
            "served {clients} client{}: {} frame{} ({} key frame{}), {} bytes, {:.1} s",
            plural(clients),
            report.frames,
            plural(report.frames),
            report.keyframes,
            plural(report.keyframes),
            report.bytes,
            report.seconds
        ));
        result
    }
}

impl Identity {
    fn of(args: &SimulateArgs) -> Self {
        Self {
            uid: args.uid.clone(),
            enr: args.enr.clone(),
            mac: args.mac.clone(),
            parent_enr: args.parent_enr.clone(),
            parent_mac: args.parent_mac.clone(),
            model: args.model.clone(),
        }
    }

    /// Parses the credentials.
    pub(super) fn credentials(&self) -> Result<Credentials, Failure> {
        let parsed = Credentials::from_parts(CredentialParts {
            uid: &self.uid,
            enr: self.enr.reveal(),
            mac: Some(&self.mac),
            parent_enr: self.parent_enr.as_ref().map(SecretText::reveal),
            parent_mac: self.parent_mac.as_deref(),
            ..CredentialParts::default()
        });
        parsed.map_err(|error| {
            let option = match error {
                CredentialsError::Uid(_) => "--uid",
                CredentialsError::Enr(_) => "--enr",
                CredentialsError::ParentEnr(_) => "--parent-enr",
                CredentialsError::ParentMac(_) => "--parent-mac",
                _ => "--mac",
            };
            let advice = "use any valid value, and the same one in the client";
            Failure::usage("arguments", format!("{option}: {error}"), advice)
        })
    }

    /// Returns the address for a client on this machine. Omits an ENR that came from the
    /// environment.
    pub(super) fn address(&self, local: SocketAddr) -> String {
        let ip = match local.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let enr = self.enr.reveal();
        let from_environment = std::env::var(ENR_VARIABLE).is_ok_and(|variable| variable == enr);
        let parameters = [
            ("uid", Some(self.uid.as_str())),
            ("enr", Some(enr).filter(|_| !from_environment)),
            ("mac", Some(&self.mac)),
            (
                "parent_enr",
                self.parent_enr.as_ref().map(SecretText::reveal),
            ),
            ("parent_mac", self.parent_mac.as_deref()),
            ("model", self.model.as_deref()),
        ];
        let parameters = parameters.into_iter().filter_map(|(key, value)| {
            let value = utf8_percent_encode(value?, NON_ALPHANUMERIC);
            Some(format!("{key}={value}"))
        });
        let query = parameters.collect::<Vec<_>>().join("&");
        format!("wyze://{}?{query}", SocketAddr::new(ip, local.port()))
    }
}

/// Builds the configuration from the command line.
fn config(args: &SimulateArgs, clip: Clip, key_log: bool) -> Result<SimulatorConfig, Failure> {
    let enr = args.enr.reveal();
    let credentials = Identity::of(args).credentials()?;
    let mut config = SimulatorConfig::new(credentials, clip);
    if let Some(dialects) = args.dialect.chosen() {
        config.dialects = dialects;
    }
    config.personality = (args.personality.make)(args.seed);
    if let Some(model) = &args.model {
        config.personality = config.personality.with_model(model.clone());
    }
    let personality = &mut config.personality;
    if personality.needs_wake_up && args.parent_enr.is_none() {
        let what = format!(
            "--personality {} needs the keys of a base station",
            args.personality.name
        );
        let advice = "add --parent-enr and --parent-mac with any valid values";
        return Err(Failure::usage("arguments", what, advice));
    }
    personality.status = match args.status {
        Some(ChallengeChoice::FixedKey) => ChallengeStatus::FixedKey,
        Some(ChallengeChoice::Updating) => ChallengeStatus::Updating,
        Some(ChallengeChoice::Enr) => ChallengeStatus::Enr,
        Some(ChallengeChoice::Checking) => ChallengeStatus::Checking,
        Some(ChallengeChoice::Off) => ChallengeStatus::Off,
        Some(ChallengeChoice::LongEnr) => ChallengeStatus::LongEnr,
        None if enr.len() == LONG_ENR => ChallengeStatus::LongEnr,
        None => personality.status,
    };
    if personality.status == ChallengeStatus::LongEnr && enr.len() != LONG_ENR {
        let what = format!(
            "--status 6 needs an ENR of 32 characters, but this one has {}",
            enr.len()
        );
        return Err(Failure::usage(
            "arguments",
            what,
            "use --status 3, or a 32-character --enr",
        ));
    }
    config.frames = args.frames.or(args.seconds.map(|seconds| {
        let frames = seconds.as_secs_f64() * f64::from(args.fps);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most ten years at 255 frames per second, and not negative"
        )]
        let frames = frames.round() as u64;
        frames.max(1)
    }));
    config.key_log = key_log;
    config.send_times = args.send_times;
    // The report counts these events. They would be most of the work for many cameras.
    config.trace_slices = args.cameras.is_none();
    Ok(config)
}

/// Explains why the camera cannot start.
pub(super) fn refused(listen: SocketAddr, error: &tutk_runtime::Error) -> Failure {
    match error {
        tutk_runtime::Error::Session(error) => Failure {
            status: Status::Usage,
            ..Failure::session(error)
        },
        tutk_runtime::Error::Io(error) => {
            let advice = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "use another port (0 selects a free one), or stop the program that uses it"
                }
                io::ErrorKind::AddrNotAvailable => "use an address of this machine, or 0.0.0.0",
                io::ErrorKind::PermissionDenied => "use a port above 1023",
                _ => "use another address",
            };
            Failure::other("listen", format!("{listen}: {error}"), advice)
        }
        other => Failure::other("listen", format!("{listen}: {other}"), "try again"),
    }
}

/// The connected clients and their statistics.
struct Clients<'a> {
    clients: BTreeMap<ClientId, Viewer>,
    console: &'a Console,
    report: &'a mut Report,
    keylog: Option<KeyLog>,
    talk_output: Option<TalkOutput>,
    /// Statistics of sent audio.
    audio: Option<AudioReport>,
}

/// One client.
struct Viewer {
    /// Only the phases of the first client that completes the handshake are reported.
    first: bool,
    phase: Phase,
    since: Instant,
    /// Video frames sent.
    frames: u64,
}

impl Clients<'_> {
    /// Runs until a signal arrives or, with `once`, until the first client that completed the
    /// handshake has left. A client may restart its handshake with another offer.
    async fn simulate(
        &mut self,
        mut server: SimulatedCamera,
        once: bool,
        stop: &mut Stop,
    ) -> Result<(), Failure> {
        self.report.clients = Some(0);
        let result = loop {
            let event = tokio::select! {
                biased;
                () = stop.requested() => break Ok(()),
                event = server.next_event() => event,
            };
            let Some(event) = event else {
                break Err(Failure::other(
                    "listen",
                    "the camera stopped unexpectedly",
                    "run the command again",
                ));
            };
            let done = once
                && matches!(&event, SimulatorEvent::Left { client, .. } if self.is_served(*client));
            if let Err(failure) = self.event(event) {
                break Err(failure);
            }
            if done {
                break Ok(());
            }
        };
        server.close().await;
        result
    }

    fn event(&mut self, event: SimulatorEvent) -> Result<(), Failure> {
        match event {
            SimulatorEvent::Joined { client, dialect } => {
                self.log(
                    client,
                    format_args!("requests a session, dialect {dialect}"),
                );
                self.report.dialect = Some(dialect.name.clone());
                let viewer = Viewer {
                    first: false,
                    phase: Phase::Dtls,
                    since: Instant::now(),
                    frames: 0,
                };
                self.clients.insert(client, viewer);
            }
            SimulatorEvent::Entered { client, phase } => {
                self.log(client, format_args!("is in phase {phase}"));
                self.entered(client, phase);
            }
            SimulatorEvent::Left {
                client,
                reason,
                dropped,
            } => {
                let frames = self
                    .clients
                    .remove(&client)
                    .map_or(0, |viewer| viewer.frames);
                let dropped = match dropped {
                    0 => String::new(),
                    some => format!(", {some} of its packets dropped"),
                };
                let s = plural(frames);
                self.log(
                    client,
                    format_args!("left after {frames} frame{s}: {reason}{dropped}"),
                );
            }
            SimulatorEvent::SliceSent(slice) => self.sent(&slice),
            SimulatorEvent::TalkStarted { client } => {
                self.log(client, format_args!("started talking"))
            }
            SimulatorEvent::TalkEnded { client } => {
                self.log(client, format_args!("stopped talking"));
            }
            SimulatorEvent::AudioReceived { frame, .. } => {
                if let Some(talk_output) = &mut self.talk_output
                    && let Some(why) = talk_output.take(&frame)?
                {
                    self.console.line(why);
                }
            }
            SimulatorEvent::KeyLog { line, .. } => {
                if let Some(keylog) = &mut self.keylog {
                    keylog.line(&line)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Returns `true` if a client has completed the handshake.
    fn is_served(&self, client: ClientId) -> bool {
        let viewer = self.clients.get(&client);
        viewer.is_some_and(|viewer| viewer.phase != Phase::Dtls)
    }

    fn entered(&mut self, client: ClientId, phase: Phase) {
        let Some(viewer) = self.clients.get_mut(&client) else {
            return;
        };
        if viewer.phase == Phase::Dtls {
            let clients = self.report.clients.get_or_insert(0);
            *clients += 1;
            viewer.first = *clients == 1;
        }
        if viewer.first {
            self.report.phases.push(PhaseTime {
                phase: viewer.phase.name(),
                ms: milliseconds(viewer.since.elapsed()),
            });
        }
        (viewer.phase, viewer.since) = (phase, Instant::now());
    }

    /// Counts a frame when its last slice was sent for the first time.
    fn sent(&mut self, slice: &SliceSent) {
        if slice.origin != SliceOrigin::First || slice.index + 1 != slice.slices {
            return;
        }
        if slice.kind == MediaKind::Audio {
            if let Some(audio) = &mut self.audio {
                audio.frames += 1;
            }
            return;
        }
        if let Some(viewer) = self.clients.get_mut(&slice.client) {
            viewer.frames += 1;
        }
        self.report.frames += 1;
        self.report.keyframes += u64::from(slice.kind == MediaKind::Key);
        self.report.bytes += u64::from(slice.frame_bytes);
    }

    /// Completes the talk output and the report.
    fn finish(&mut self) -> Result<(), Failure> {
        self.report.audio = self.audio;
        if let Some(talk_output) = self.talk_output.take() {
            let frames = talk_output.finish()?;
            self.report.audio_received = Some(frames);
            let s = plural(frames);
            self.console
                .line(format_args!("received {frames} frame{s} of audio"));
        }
        Ok(())
    }

    fn log(&self, client: ClientId, what: std::fmt::Arguments<'_>) {
        self.console.line(format_args!("{} {what}", client.address));
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};

    fn parse(more: &[&str]) -> SimulateArgs {
        let fixed = [
            "tutk",
            "simulate",
            "--listen",
            "0.0.0.0:4000",
            "--uid",
            "HSBJYB5HSETGCDWD111A",
            "--enr",
            "aKzd+ckq/8HUHF&5",
            "--mac",
            "AABBCCDDEEFF",
        ];
        match Args::try_parse_from(fixed.iter().chain(more)) {
            Ok(Args {
                command: Command::Simulate(args),
                ..
            }) => args,
            _ => panic!("not understood"),
        }
    }

    fn clip() -> Clip {
        clip::load(None, 20).unwrap().clip
    }

    #[test]
    fn printed_address_parses() {
        let parent = [
            "--parent-enr",
            "GkB9S7cX38GgzSC6",
            "--parent-mac",
            "AABBCCDDEE00",
        ];
        let args = parse(&parent);
        let identity = Identity {
            model: Some("WVOD1".to_owned()),
            ..Identity::of(&args)
        };
        let text = identity.address("0.0.0.0:4000".parse().unwrap());
        let camera: tutk_runtime::tutk_session::CameraUrl = text.parse().unwrap();
        assert_eq!(camera.host.as_deref(), Some("127.0.0.1"));
        assert_eq!(camera.port, 4000);
        assert_eq!(camera.credentials.enr.reveal(), b"aKzd+ckq/8HUHF&5");
        assert_eq!(camera.model.as_deref(), Some("WVOD1"));
        let config = config(&args, clip(), false).unwrap();
        assert_eq!(camera.credentials.auth_key, config.credentials.auth_key);
    }

    #[test]
    fn camera_of_a_base_station_needs_its_keys() {
        let base_station = ["--personality", "base-station"];
        let failure = config(&parse(&base_station), clip(), false).unwrap_err();
        assert_eq!(failure.status, Status::Usage);
    }

    #[test]
    fn seconds_are_converted_to_frames() {
        let frames = |more: &[&str]| config(&parse(more), clip(), false).unwrap().frames;
        assert_eq!(frames(&[]), None);
        assert_eq!(frames(&["--frames", "7"]), Some(7));
        assert_eq!(frames(&["--seconds", "2.5", "--fps", "30"]), Some(75));
    }

    #[test]
    fn status_depends_on_the_enr_length() {
        let status =
            |more: &[&str]| config(&parse(more), clip(), false).map(|c| c.personality.status);
        assert_eq!(status(&[]), Ok(ChallengeStatus::Enr));
        assert_eq!(status(&["--status", "1"]), Ok(ChallengeStatus::FixedKey));
        assert_eq!(
            status(&["--status", "6"]).unwrap_err().status,
            Status::Usage
        );
    }
}
