//! The command line.
#![allow(
    rustdoc::broken_intra_doc_links,
    reason = "the doc comments of arguments are their help: brackets mean what may be left out"
)]

#[cfg(feature = "cloud")]
pub(crate) mod cloud;
pub(crate) mod record;
pub(crate) mod serve;

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use tutk_session::Dialect;
use zeroize::Zeroizing;

use tutk_runtime::tutk_session;

/// The environment variable that may hold the secret.
pub(crate) const ENR_VARIABLE: &str = "TUTK_ENR";

/// Where the options of all commands stand in the help of one.
const LAST: usize = 100;

/// Written once, for [`concat!`].
macro_rules! camera_and_exit_status {
    () => {
        "\
CAMERA is wyze://HOST[:PORT]?uid=…&enr=…&mac=…[&model=…][&subtype=hd|sd], percent-encoded, or a name
from the file given by --config. auth_key= may stand instead of mac=. The environment variable TUTK_ENR
may hold the ENR. The file has a table [cameras.NAME] for each, with url = \"wyze://…\", or with host,
port, uid, enr, mac or auth_key, model, subtype and user_id; `tutk cameras` checks it.

Exit status:
  0  done
  1  anything that is not below: port in use, disk full, …
  2  the command line or an input file is not usable
  3  no camera there, or it is silent, or it does not know the command
  4  the camera refused: wrong UID, ENR or key, or it did not do as it was told
  5  the stream broke off; the file is complete up to there"
    };
}

const CAMERA_AND_EXIT_STATUS: &str = camera_and_exit_status!();

const CONTROLS_CAMERA_AND_EXIT_STATUS: &str = concat!(
    "\
Examples:
  tutk control --list                     every control, its values and what it does
  tutk control CAMERA night-vision        read it
  tutk control CAMERA night-vision auto   set it
  tutk control CAMERA turn -10 5          several values, in the order of --list
  tutk control CAMERA home-position       do it
A value in brackets may be left out, by - where others follow. A list is emptied by -.

",
    camera_and_exit_status!()
);

/// Your own video out of your own camera: TUTK/IOTC cameras (Wyze) on your own network.
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
    /// Print the closing report as one JSON object on standard output
    #[arg(long, global = true, display_order = LAST)]
    pub(crate) json: bool,
    /// Say nothing on standard error but why it failed
    #[arg(short, long, global = true, display_order = LAST)]
    pub(crate) quiet: bool,
    /// Log to standard error; twice for every frame
    #[arg(short, long, global = true, display_order = LAST, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    /// File with named cameras [default: tutk/cameras.toml in the platform's configuration folder]
    #[arg(long, global = true, value_name = "FILE", display_order = LAST)]
    pub(crate) config: Option<PathBuf>,
}

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Stream from a simulated camera over real UDP and leave a playable file
    Demo(DemoArgs),
    /// Be a camera: stream a clip to every client that comes
    Simulate(SimulateArgs),
    /// Record a camera's video to a file, or to standard output
    #[command(after_help = CAMERA_AND_EXIT_STATUS)]
    Record(record::RecordArgs),
    /// Take a picture: a camera's next key frame as a JPEG file
    #[command(after_help = CAMERA_AND_EXIT_STATUS)]
    Snapshot(SnapshotArgs),
    /// Say something through a camera's speaker
    #[command(after_help = CAMERA_AND_EXIT_STATUS)]
    Talk(TalkArgs),
    /// Find out who is there, and in which dialect
    #[command(after_help = CAMERA_AND_EXIT_STATUS)]
    Discover(DiscoverArgs),
    /// Show what a camera says of itself, and its parameters
    #[command(after_help = CAMERA_AND_EXIT_STATUS)]
    Info(InfoArgs),
    /// Read, set or do one thing of a camera
    #[command(after_help = CONTROLS_CAMERA_AND_EXIT_STATUS)]
    Control(ControlArgs),
    /// Get the keys of one's cameras from the vendor's cloud
    #[cfg(feature = "cloud")]
    Cloud(cloud::CloudArgs),
    /// Serve the named cameras to whoever watches, and record them
    #[command(after_help = serve::HELP)]
    Serve(serve::ServeArgs),
    /// List the named cameras, and everything that is wrong in their file
    Cameras,
}

#[derive(clap::Args)]
pub(crate) struct DemoArgs {
    /// File to leave: .mp4, .h264, or .264
    #[arg(short, long, value_name = "FILE", default_value = "demo.mp4")]
    pub(crate) output: PathBuf,
    /// Seconds of video
    #[arg(long, value_name = "S", default_value = "5", value_parser = seconds)]
    pub(crate) seconds: Duration,
    /// Dialect that both sides speak
    #[arg(long, value_name = "DIALECT", default_value = "transcode", value_parser = DialectChoice::from_str)]
    pub(crate) dialect: DialectChoice,
}

#[derive(clap::Args)]
pub(crate) struct SimulateArgs {
    /// UDP address to listen at; port 0 takes any that is free
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: SocketAddr,
    /// UID of the camera, 20 letters and digits
    #[arg(long, value_name = "U")]
    pub(crate) uid: String,
    /// ENR of the camera, 16 or 32 characters
    #[arg(long, value_name = "E", env = ENR_VARIABLE, hide_env_values = true)]
    pub(crate) enr: SecretText,
    /// MAC address of the camera, 12 hex digits
    #[arg(long, value_name = "M")]
    pub(crate) mac: String,
    /// Dialect to speak: auto is every one, as the client asks
    #[arg(long, value_name = "DIALECT", default_value = "auto", value_parser = DialectChoice::from_str)]
    pub(crate) dialect: DialectChoice,
    /// Bare H.264 or H.265 stream to loop, an access unit a frame [default: a clip that ships with tutk]
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Frames a second
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=120))]
    pub(crate) fps: u8,
    /// End each client's stream after so many frames
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) frames: Option<u64>,
    /// End each client's stream after so many seconds
    #[arg(long, value_name = "S", value_parser = seconds, conflicts_with = "frames")]
    pub(crate) seconds: Option<Duration>,
    /// End when the first client is done
    #[arg(long)]
    pub(crate) once: bool,
    /// Status of the challenge: which key answers it, or why none does [default: 6 with an ENR of 32 characters, else 3]
    #[arg(long, value_name = "STATUS")]
    pub(crate) status: Option<ChallengeChoice>,
    /// Model to call itself, e.g. HL_CAM4
    #[arg(long, value_name = "M")]
    pub(crate) model: Option<String>,
    /// Sound beside the picture: a tone with a click each second
    #[arg(long, value_name = "CODEC", default_value = "pcmu")]
    pub(crate) audio: SoundChoice,
    /// Write what clients say to it to this file: .wav, .aac, or any other name for the bare frames
    #[arg(long, value_name = "FILE")]
    pub(crate) talk_output: Option<PathBuf>,
    /// Part of the sent packets that is lost, 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = probability)]
    pub(crate) loss: f32,
    /// Part of the sent packets that overtakes others, 0 to 0.5
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = at_most_half)]
    pub(crate) reorder: f32,
    /// Part of the sent packets that comes twice, 0 to 1
    #[arg(long, value_name = "P", default_value_t = 0.0, value_parser = probability)]
    pub(crate) duplicate: f32,
    /// Seed of loss, reorder and duplicate
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) seed: u64,
    /// Append the sessions' keys to this file, for Wireshark (the format of SSLKEYLOGFILE)
    #[arg(long, value_name = "FILE")]
    pub(crate) keylog: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(crate) struct SnapshotArgs {
    /// wyze://HOST[:PORT]?uid=…&enr=…&mac=…, or a name from the file of --config
    #[arg(value_name = "CAMERA")]
    pub(crate) camera: SecretText,
    /// JPEG file to write, or - for standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Quality of the JPEG file, 1 to 100
    #[arg(long, value_name = "Q", default_value_t = 85, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub(crate) quality: u8,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(clap::Args)]
pub(crate) struct TalkArgs {
    /// wyze://HOST[:PORT]?uid=…&enr=…&mac=…, or a name from the file of --config
    #[arg(value_name = "CAMERA")]
    pub(crate) camera: SecretText,
    /// File to say: .wav (PCM, 16 bits, mono, at the camera's rate), or .aac (ADTS) for cameras that send AAC
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// Codec to say it in; needed only for a camera that sends no sound itself [default: the camera's]
    #[arg(long, value_name = "CODEC")]
    pub(crate) codec: Option<TalkCodec>,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(clap::Args)]
pub(crate) struct DiscoverArgs {
    /// Cameras to ask; without any, everybody is asked by broadcast
    #[arg(value_name = "CAMERA")]
    pub(crate) cameras: Vec<SecretText>,
    /// Broadcast address to ask, port 32761 if left out [default: 255.255.255.255 if no CAMERA is given]
    #[arg(long, value_name = "ADDR", value_parser = broadcast)]
    pub(crate) broadcast: Option<SocketAddr>,
    /// How long to wait for answers, seconds
    #[arg(long, value_name = "S", default_value = "2", value_parser = seconds)]
    pub(crate) timeout: Duration,
}

#[derive(clap::Args)]
pub(crate) struct InfoArgs {
    /// wyze://HOST[:PORT]?uid=…&enr=…&mac=…, or a name from the file of --config
    #[arg(value_name = "CAMERA")]
    pub(crate) camera: SecretText,
    #[command(flatten)]
    pub(crate) access: Access,
}

#[derive(clap::Args)]
pub(crate) struct ControlArgs {
    /// wyze://HOST[:PORT]?uid=…&enr=…&mac=…, or a name from the file of --config
    #[arg(value_name = "CAMERA", required_unless_present = "list")]
    pub(crate) camera: Option<SecretText>,
    /// Name of the control: see --list
    #[arg(value_name = "NAME", required_unless_present = "list")]
    pub(crate) name: Option<String>,
    /// Values to set; without any the control is read or, if it can only be done, done
    #[arg(value_name = "VALUE", allow_negative_numbers = true)]
    pub(crate) values: Vec<String>,
    /// Show every control, its values and what it does
    #[arg(long)]
    pub(crate) list: bool,
    /// Do it even if it destroys data
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) access: Access,
}

/// How a session without media is held.
#[derive(clap::Args)]
pub(crate) struct Access {
    /// Dialect to speak: auto asks the camera
    #[arg(long, value_name = "DIALECT", default_value = "auto", value_parser = DialectChoice::from_str)]
    pub(crate) dialect: DialectChoice,
    /// Append the session's keys to this file, for Wireshark (the format of SSLKEYLOGFILE)
    #[arg(long, value_name = "FILE")]
    pub(crate) keylog: Option<PathBuf>,
}

/// Sound of the simulated camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SoundChoice {
    /// None
    None,
    /// AAC (ADTS), 16 kHz
    Aac,
    /// G.711 µ-law, 8 kHz
    Pcmu,
    /// G.711 A-law, 8 kHz
    Pcma,
    /// PCM of 16 bits, 16 kHz
    Pcm,
}

/// Codec of what is said to a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TalkCodec {
    /// AAC, as the file has it
    Aac,
    /// G.711 µ-law
    Pcmu,
    /// G.711 A-law
    Pcma,
    /// PCM of 16 bits
    Pcm,
}

/// Status of the simulated camera's challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ChallengeChoice {
    /// A key that every camera shares
    #[value(name = "1")]
    FixedKey,
    /// None: the camera is updating
    #[value(name = "2")]
    Updating,
    /// The first 16 characters of the ENR
    #[value(name = "3")]
    Enr,
    /// None: the camera is checking
    #[value(name = "4")]
    Checking,
    /// None: the camera is switched off
    #[value(name = "5")]
    Off,
    /// Both halves of an ENR of 32 characters
    #[value(name = "6")]
    LongEnr,
}

/// A dialect, or whichever the other side speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DialectChoice {
    Auto,
    One(&'static Dialect),
}

/// Text that holds a secret: not shown, and zeroed when it goes.
#[derive(Clone)]
pub(crate) struct SecretText(Zeroizing<String>);

impl Command {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Demo(_) => "demo",
            Self::Simulate(_) => "simulate",
            Self::Record(_) => "record",
            Self::Serve(_) => "serve",
            Self::Snapshot(_) => "snapshot",
            Self::Talk(_) => "talk",
            Self::Discover(_) => "discover",
            Self::Info(_) => "info",
            Self::Control(_) => "control",
            #[cfg(feature = "cloud")]
            Self::Cloud(args) => args.command.name(),
            Self::Cameras => "cameras",
        }
    }
}

impl DialectChoice {
    /// The dialects, if one was chosen.
    pub(crate) fn chosen(self) -> Option<Vec<&'static Dialect>> {
        match self {
            Self::Auto => None,
            Self::One(dialect) => Some(vec![dialect]),
        }
    }
}

impl FromStr for DialectChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        Dialect::by_name(text).map(Self::One).ok_or_else(|| {
            let known: Vec<_> = Dialect::ALL.iter().map(|dialect| dialect.name).collect();
            format!("known are auto, {}", known.join(", "))
        })
    }
}

impl SecretText {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl FromStr for SecretText {
    type Err = Infallible;

    // Never an error: clap would repeat the value in it.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self::from(text.to_owned()))
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// Seconds above zero, up to ten years.
fn seconds(text: &str) -> Result<Duration, String> {
    const MAX: f64 = 10.0 * 365.0 * 86_400.0;
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    if seconds > 0.0 && seconds <= MAX {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err("seconds must be more than 0".to_owned())
    }
}

fn probability(text: &str) -> Result<f32, String> {
    within(text, 1.0)
}

fn at_most_half(text: &str) -> Result<f32, String> {
    within(text, 0.5)
}

fn within(text: &str, max: f32) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|value| (0.0..=max).contains(value))
        .ok_or_else(|| format!("must be a number from 0 to {max}"))
}

/// An address, with or without port.
fn broadcast(text: &str) -> Result<SocketAddr, String> {
    let port = tutk_session::DISCOVERY_PORT;
    text.parse()
        .or_else(|_| text.parse().map(|ip: IpAddr| SocketAddr::new(ip, port)))
        .map_err(|_| "must be an IP address, with or without :PORT".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn seconds_are_above_zero() {
        assert_eq!(seconds("2.5"), Ok(Duration::from_millis(2500)));
        for bad in ["0", "-1", "nan", "inf", "1e300", "x", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn parts_of_packets_have_bounds() {
        assert_eq!(probability("0.05"), Ok(0.05));
        assert_eq!(at_most_half("0.5"), Ok(0.5));
        assert!(probability("1.1").is_err() && probability("-0.1").is_err());
        assert!(at_most_half("0.6").is_err() && at_most_half("nan").is_err());
    }

    #[test]
    fn dialects_have_names() {
        assert_eq!("auto".parse(), Ok(DialectChoice::Auto));
        assert_eq!("summary".parse(), Ok(DialectChoice::One(&Dialect::SUMMARY)));
        let error = "klingon".parse::<DialectChoice>().unwrap_err();
        assert!(error.contains("transcode"), "{error}");
    }

    #[test]
    fn a_broadcast_address_may_lack_its_port() {
        assert_eq!(broadcast("192.0.2.255").unwrap().port(), 32761);
        assert_eq!(broadcast("192.0.2.255:9").unwrap().port(), 9);
        assert!(broadcast("example.com").is_err());
    }

    #[test]
    fn secrets_do_not_show() {
        let secret: SecretText = "aKzdqckqZ8HUHFe5".parse().unwrap();
        assert!(!format!("{secret:?}").contains("aKz"));
    }
}
