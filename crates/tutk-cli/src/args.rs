//! The command line.
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "the doc comments of arguments are their help, where brackets mark what is optional"
)]

#[cfg(feature = "cloud")]
pub(crate) mod cloud;
pub(crate) mod dissect;
pub(crate) mod network;
pub(crate) mod record;
pub(crate) mod replay;
#[cfg(feature = "serve")]
pub(crate) mod serve;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use tutk_runtime::tutk_simulator::NamedPersonality;

use crate::dialect_choice::DialectChoice;
use crate::local_ports::LocalPorts;
use crate::personality_choice::PersonalityParser;
use crate::secret_text::{ENR_VARIABLE, SecretText};
use crate::value_parsers::{
    at_most_half, broadcast, camera_listen, frame_rate, probability, seconds,
};

/// The position of global options in the help of a command.
const LAST: usize = 100;

/// The text as a macro, because [`concat!`] accepts only literals.
macro_rules! camera_and_exit_status {
    () => {
        "\
CAMERA is either wyze://HOST[:PORT]?uid=…&enr=…&mac=…[&model=…][&subtype=hd|sd|720p|…], percent-encoded, or the
name of a camera in the configuration file. auth_key= can replace mac=. The environment variable TUTK_ENR
can hold the ENR. A camera without HOST, or that does not answer there, is searched for by its UID on the
local networks. The configuration file has one table [cameras.NAME] per camera, with either
url = \"wyze://…\" or the keys host, port, uid, enr, mac or auth_key, model, subtype and others.
`tutk cameras` checks the file.

Exit status:
  0  success
  1  another error, for example a port in use or a full disk
  2  invalid command line or input file
  3  camera not found or not answering, also because of a wrong UID; or command not supported
  4  camera refused: wrong ENR or key, or command rejected
  5  stream interrupted; the file is complete up to that point"
    };
}

const CAMERA_AND_EXIT_STATUS: &str = camera_and_exit_status!();

const CONTROLS_CAMERA_AND_EXIT_STATUS: &str = concat!(
    "\
Examples:
  tutk control --list                     list all controls with their values
  tutk control CAMERA night-vision        read a control
  tutk control CAMERA night-vision auto   set a control
  tutk control CAMERA turn -10 5          set several values, in the order of --list
  tutk control CAMERA home-position       run an action
Values in brackets are optional; use - to skip one that others follow. Use - to clear a list.

",
    camera_and_exit_status!()
);

/// Stream Wyze and other TUTK cameras on your own network, without the vendor's SDK or cloud
#[derive(Parser)]
#[command(name = "tutk", version, after_help = CAMERA_AND_EXIT_STATUS)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(clap::Args)]
pub(crate) struct Global {
    /// Print the final report as one JSON object on standard output
    #[arg(long, global = true, display_order = LAST)]
    pub(crate) json: bool,
    /// Print only errors to standard error
    #[arg(short, long, global = true, display_order = LAST)]
    pub(crate) quiet: bool,
    /// Log to standard error; repeat to log every frame
    #[arg(short, long, global = true, display_order = LAST, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// Configuration file with named cameras [default: tutk/cameras.toml in the platform's
    /// configuration directory]
    #[arg(long, global = true, value_name = "FILE", display_order = LAST)]
    pub(crate) config: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Stream from a simulated camera over UDP and write a playable file
    Demo(DemoArgs),
    /// Simulate a camera that streams a clip to every client
    Simulate(SimulateArgs),
    /// Record a camera's video and audio to a file or to standard output
    #[command(after_help = CAMERA_AND_EXIT_STATUS)]
    Record(record::RecordArgs),
    /// Save a camera's next key frame as a JPEG file
    #[command(after_help = CAMERA_AND_EXIT_STATUS)]
    Snapshot(SnapshotArgs),
    /// Play an audio file through a camera's speaker
    #[command(after_help = CAMERA_AND_EXIT_STATUS)]
    Talk(TalkArgs),
    /// Find cameras on the network and the dialect they speak
    #[command(after_help = CAMERA_AND_EXIT_STATUS)]
    Discover(DiscoverArgs),
    /// Find out why a camera does not stream
    #[command(after_help = CAMERA_AND_EXIT_STATUS)]
    Doctor(DoctorArgs),
    /// Show a camera's model, firmware and parameters
    #[command(after_help = CAMERA_AND_EXIT_STATUS)]
    Info(InfoArgs),
    /// Read or change a setting of a camera, or run an action
    #[command(after_help = CONTROLS_CAMERA_AND_EXIT_STATUS)]
    Control(ControlArgs),
    /// Explain a network capture packet by packet, and extract its video
    #[command(after_help = dissect::HELP)]
    Dissect(dissect::DissectArgs),
    /// Simulate the camera of a capture
    #[command(after_help = replay::HELP)]
    Replay(replay::ReplayArgs),
    /// Get your cameras' keys from the vendor's cloud
    #[cfg(feature = "cloud")]
    Cloud(cloud::CloudArgs),
    /// Serve the named cameras over RTSP and HTTP, and record them
    #[command(after_help = serve::HELP)]
    #[cfg(feature = "serve")]
    Serve(serve::ServeArgs),
    /// Hash the password of a user of `tutk serve`, and write it into the configuration file
    #[cfg(feature = "serve")]
    Passwd(PasswdArgs),
    /// List the named cameras and check the configuration file
    Cameras,
}

impl Command {
    /// Returns `true` if SIGHUP reloads the configuration. It ends the other commands.
    pub(crate) fn reloads(&self) -> bool {
        #[cfg(feature = "serve")]
        if matches!(self, Self::Serve(_)) {
            return true;
        }
        false
    }
}

#[cfg(feature = "serve")]
#[derive(clap::Args)]
#[command(after_help = "\
tutk prompts for the password. Without a terminal, it reads one line of standard input. The hash is Argon2id. RTSP
clients cannot use Digest authentication with it, so that they need rtsps or allow_plain_auth (docs/cameras.md).

Exit status: 0 done, 2 invalid name, password or file, 1 another error")]
pub(crate) struct PasswdArgs {
    /// The user in [users], which is added if it does not exist; without it, the hash is printed
    #[arg(value_name = "USER")]
    pub(crate) user: Option<String>,
}

#[derive(clap::Args)]
pub(crate) struct DemoArgs {
    /// Output file: .mp4, .h264 or .264
    #[arg(short, long, value_name = "FILE", default_value = "demo.mp4")]
    pub(crate) output: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// Seconds of video
    #[arg(long, value_name = "S", default_value = "5", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// Dialect of both sides
    #[arg(long, value_name = "DIALECT", default_value = "transcode", value_parser = DialectChoice::from_str)]
    pub(crate) dialect: DialectChoice,
}

#[derive(clap::Args)]
pub(crate) struct SimulateArgs {
    /// UDP address to listen on; port 0 selects a free port
    #[arg(long, value_name = "ADDR:PORT", value_parser = camera_listen)]
    pub(crate) listen: SocketAddr,
    /// The camera's UID, 20 letters and digits
    #[arg(long, value_name = "U")]
    pub(crate) uid: String,
    /// The camera's ENR, 16 or 32 characters
    #[arg(long, value_name = "E", env = ENR_VARIABLE, hide_env_values = true)]
    pub(crate) enr: SecretText,
    /// The camera's MAC address, 12 hex digits
    #[arg(long, value_name = "M")]
    pub(crate) mac: String,
    /// ENR of the base station of a battery camera
    #[arg(long, value_name = "E", requires = "parent_mac")]
    pub(crate) parent_enr: Option<SecretText>,
    /// MAC address of the base station
    #[arg(long, value_name = "M", requires = "parent_enr")]
    pub(crate) parent_mac: Option<String>,
    /// Dialect to speak; auto follows the client
    #[arg(long, value_name = "DIALECT", default_value = "auto", value_parser = DialectChoice::from_str)]
    pub(crate) dialect: DialectChoice,
    /// H.264 or H.265 elementary stream to loop, one access unit per frame [default: a built-in
    /// clip]
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Frames per second, 1 to 255; max is 255
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = frame_rate)]
    pub(crate) fps: u8,
    /// End each client's stream after this many frames
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) frames: Option<u64>,
    /// End each client's stream after this many seconds
    #[arg(long, value_name = "S", value_parser = seconds, conflicts_with = "frames")]
    pub(crate) seconds: Option<Duration>,
    /// Exit when the first client has left
    #[arg(long)]
    pub(crate) once: bool,
    /// Behave as another camera: a set of deviations that real cameras show or may show; `list`
    /// describes all
    #[arg(long, value_name = "NAME", default_value = "strict", value_parser = PersonalityParser)]
    pub(crate) personality: &'static NamedPersonality,
    /// Challenge status: the key to use, or the reason for refusing [default: 6 with a 32-character
    /// ENR, otherwise that of the personality]
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<ChallengeChoice>,
    /// Model name to report, for example HL_CAM4 [default: that of the personality]
    #[arg(long, value_name = "M")]
    pub(crate) model: Option<String>,
    /// Codec of the audio, a tone with a click every second
    #[arg(long, value_name = "CODEC", default_value = "pcmu")]
    pub(crate) audio: SoundChoice,
    /// Put the Unix time of sending into each video frame, as a SEI message, to measure how long it
    /// takes to a viewer
    #[arg(long)]
    pub(crate) send_times: bool,
    /// Write audio received from clients to this file: .wav, .aac, or another name for the plain
    /// frames
    #[arg(long, value_name = "FILE", group = "file")]
    pub(crate) talk_output: Option<PathBuf>,
    /// Simulate this many cameras, 1 to 10000, at the ports from --listen on. The last four
    /// characters of UID, ENR and MAC are the number of the camera, from 0000
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000), conflicts_with_all = ["talk_output", "keylog", "once"])]
    pub(crate) cameras: Option<u16>,
    /// Write the cameras to this file, for `tutk serve --config FILE`, instead of printing their
    /// addresses
    #[arg(long, value_name = "FILE", requires = "cameras", group = "file")]
    pub(crate) write_config: Option<PathBuf>,
    /// Replace an existing file of --talk-output or --write-config
    #[arg(long, requires = "file")]
    pub(crate) overwrite: bool,
    /// Fraction of sent packets to drop, 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = probability)]
    pub(crate) loss: f32,
    /// Fraction of sent packets to reorder, 0 to 0.5
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = at_most_half)]
    pub(crate) reorder: f32,
    /// Fraction of sent packets to duplicate, 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = probability)]
    pub(crate) duplicate: f32,
    /// Seed for loss, reordering and duplication, and for the personality `random`
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Append the sessions' keys to this file in SSLKEYLOGFILE format, for Wireshark
    #[arg(long, value_name = "FILE")]
    pub(crate) keylog: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct SnapshotArgs {
    /// wyze://HOST[:PORT]?uid=…&enr=…&mac=…, or a name from the configuration file
    #[arg(value_name = "CAMERA")]
    pub(crate) camera: SecretText,
    /// JPEG file to write, or - for standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// JPEG quality, 1 to 100
    #[arg(long, value_name = "Q", default_value_t = 85, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) quality: u8,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(clap::Args)]
pub(crate) struct TalkArgs {
    /// wyze://HOST[:PORT]?uid=…&enr=…&mac=…, or a name from the configuration file
    #[arg(value_name = "CAMERA")]
    pub(crate) camera: SecretText,
    /// File to play: .wav (16-bit mono PCM at the camera's sample rate), or .aac (ADTS) for cameras
    /// that send AAC
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// Codec to send; needed only for a camera that sends no audio itself [default: the camera's
    /// codec]
    #[arg(long, value_name = "CODEC")]
    pub(crate) codec: Option<TalkCodec>,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(clap::Args)]
pub(crate) struct DiscoverArgs {
    /// Cameras to query; without any, tutk sends a broadcast and asks the cameras of the
    /// configuration file
    #[arg(value_name = "CAMERA")]
    pub(crate) cameras: Vec<SecretText>,
    /// Broadcast address, with port 32761 by default [default: 255.255.255.255 if no CAMERA is
    /// given]
    #[arg(long, value_name = "ADDR", value_parser = broadcast)]
    pub(crate) broadcast: Option<SocketAddr>,
    /// Seconds to wait for answers
    #[arg(long, value_name = "S", default_value = "2", value_parser = seconds)]
    pub(crate) timeout: Duration,
    /// Also ask each host of the local /24 networks for the named cameras, for networks that filter
    /// broadcasts; takes some seconds longer
    #[arg(long)]
    pub(crate) sweep: bool,
    /// Write the addresses of cameras that were found elsewhere to the configuration file
    #[arg(long)]
    pub(crate) write: bool,
    /// Local UDP port, for firewalls and containers; with a range, the first free ones [default:
    /// any ports]
    #[arg(long, value_name = "PORT|FIRST-LAST", value_parser = LocalPorts::from_str)]
    pub(crate) local_port: Option<LocalPorts>,
}

#[derive(clap::Args)]
pub(crate) struct DoctorArgs {
    /// wyze://HOST[:PORT]?uid=…&enr=…&mac=…, or a name from the configuration file
    #[arg(value_name = "CAMERA")]
    pub(crate) camera: SecretText,
    /// Seconds that the whole examination may take
    #[arg(long, value_name = "S", default_value = "30", value_parser = seconds)]
    pub(crate) budget: Duration,
    /// Write a report for a bug report to this ZIP file. It contains no secrets: keys, addresses
    /// and account data are replaced by fakes, audio and video by zeros
    #[arg(long, value_name = "FILE.zip")]
    pub(crate) report: Option<PathBuf>,
    /// Replace an existing report
    #[arg(long, requires = "report")]
    pub(crate) overwrite: bool,
    #[command(flatten)]
    pub(crate) network: network::NetworkArgs,
}

#[derive(clap::Args)]
pub(crate) struct InfoArgs {
    /// wyze://HOST[:PORT]?uid=…&enr=…&mac=…, or a name from the configuration file
    #[arg(value_name = "CAMERA")]
    pub(crate) camera: SecretText,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(clap::Args)]
pub(crate) struct ControlArgs {
    /// wyze://HOST[:PORT]?uid=…&enr=…&mac=…, or a name from the configuration file
    #[arg(value_name = "CAMERA", required_unless_present = "list")]
    pub(crate) camera: Option<SecretText>,
    /// Name of the control; see --list
    #[arg(value_name = "NAME", required_unless_present = "list")]
    pub(crate) name: Option<String>,
    /// Values to set; without values, tutk reads the control or runs the action
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    pub(crate) values: Vec<String>,
    /// List all controls with their values
    #[arg(long)]
    pub(crate) list: bool,
    /// Confirm an action that destroys data
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) access: Access,
}

/// Options of a session without media.
#[derive(clap::Args)]
pub(crate) struct Access {
    #[command(flatten)]
    pub(crate) network: network::NetworkArgs,
    /// Dialect to speak; auto detects it
    #[arg(long, value_name = "DIALECT", default_value = "auto", value_parser = DialectChoice::from_str)]
    pub(crate) dialect: DialectChoice,
    /// Append the session's keys to this file in SSLKEYLOGFILE format, for Wireshark
    #[arg(long, value_name = "FILE")]
    pub(crate) keylog: Option<PathBuf>,
}

/// Audio of the simulated camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SoundChoice {
    /// No audio
    None,
    /// AAC (ADTS), 16 kHz
    Aac,
    /// G.711 µ-law, 8 kHz
    Pcmu,
    /// G.711 A-law, 8 kHz
    Pcma,
    /// 16-bit PCM, 16 kHz
    Pcm,
}

/// Codec of audio sent to a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TalkCodec {
    /// AAC, unchanged from the file
    Aac,
    /// G.711 µ-law
    Pcmu,
    /// G.711 A-law
    Pcma,
    /// 16-bit PCM
    Pcm,
}

/// Status of the simulated camera's challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChallengeChoice {
    /// Use the key that all cameras share
    #[value(name = "1")]
    FixedKey,
    /// Refuse: the camera is updating
    #[value(name = "2")]
    Updating,
    /// Use the first 16 characters of the ENR
    #[value(name = "3")]
    Enr,
    /// Refuse: the camera is checking
    #[value(name = "4")]
    Checking,
    /// Refuse: the camera is switched off
    #[value(name = "5")]
    Off,
    /// Use both halves of a 32-character ENR
    #[value(name = "6")]
    LongEnr,
}

impl Command {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Demo(_) => "demo",
            Self::Simulate(_) => "simulate",
            Self::Record(_) => "record",
            #[cfg(feature = "serve")]
            Self::Serve(_) => "serve",
            #[cfg(feature = "serve")]
            Self::Passwd(_) => "passwd",
            Self::Snapshot(_) => "snapshot",
            Self::Talk(_) => "talk",
            Self::Discover(_) => "discover",
            Self::Doctor(_) => "doctor",
            Self::Info(_) => "info",
            Self::Control(_) => "control",
            Self::Dissect(_) => "dissect",
            Self::Replay(_) => "replay",
            #[cfg(feature = "cloud")]
            Self::Cloud(args) => args.command.name(),
            Self::Cameras => "cameras",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn clap_accepts_the_definition() {
        Args::command().debug_assert();
    }
}
