//! `[serve]`, `[users]` and `[record]`, and their keys in a camera's table.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::ValueEnum as _;
use ipnet::IpNet;
use tutk_serve::recorder::{FileAccess, Retention, Target};

use super::network::Network;
use super::reader::{Reader, Section};
use crate::capture::DEFAULT_SIZE;
use crate::dialect_choice::DialectChoice;
use crate::listen::Listen;
use crate::resend_choice::ResendChoice;
use crate::value_parsers::span;

/// All keys of `[serve]`.
pub(super) const SERVE_KEYS: [&str; 18] = [
    "rtsp",
    "rtsp_udp",
    "rtsps",
    "http",
    "https",
    "cert",
    "key",
    "allow_plain_auth",
    "http_names",
    "trusted_proxies",
    "max_rtsp_viewers",
    "max_http_viewers",
    "no_auth",
    "connect",
    "linger",
    "local_ports",
    "search",
    "fast_connect",
];

/// All keys of `[record]`.
pub(super) const RECORD_KEYS: [&str; 5] = ["path", "segment", "keep", "max_size", "access"];

/// The keys of a camera's table that concern `tutk serve`.
pub(super) const CAMERA_KEYS: [&str; 9] = [
    "connect",
    "linger",
    "sound",
    "record",
    "dialect",
    "resend",
    "set_clock",
    "capture",
    "capture_size",
];

/// The placeholder for the camera's name in a path.
const CAMERA: &str = "{camera}";

/// The default length of a segment.
const SEGMENT: Duration = Duration::from_secs(600);

/// `[serve]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServeTable {
    pub(crate) rtsp: Option<Listen>,
    /// RTP over UDP is allowed. Default: allowed.
    pub(crate) rtsp_udp: Option<bool>,
    pub(crate) rtsps: Option<Listen>,
    pub(crate) http: Option<Listen>,
    pub(crate) https: Option<Listen>,
    /// The files of a certificate and its key. Default: a certificate of the program's own.
    pub(crate) certificate: Option<[PathBuf; 2]>,
    /// Passwords are accepted over plain connections.
    pub(crate) allow_plain_auth: bool,
    /// Host names that the HTTP server accepts besides addresses and `localhost`.
    pub(crate) http_names: Vec<String>,
    /// Proxies that name the real client in `X-Forwarded-For`.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// The maximum number of authenticated connections to each RTSP address.
    pub(crate) max_rtsp_viewers: Option<u16>,
    /// The maximum number of streams of each HTTP address.
    pub(crate) max_http_viewers: Option<u16>,
    /// Anonymous access is allowed.
    pub(crate) no_auth: bool,
    /// The default for cameras.
    pub(crate) keep: Keeping,
    /// The default for cameras.
    pub(crate) network: Network,
}

/// When to keep a session with a camera, as far as configured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Keeping {
    pub(crate) always: Option<bool>,
    pub(crate) linger: Option<Duration>,
}

/// A camera's settings for `tutk serve`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CameraServing {
    pub(crate) keep: Keeping,
    /// Requests audio. Default: yes.
    pub(crate) sound: Option<bool>,
    /// Records the camera.
    pub(crate) record: bool,
    /// The dialect. Default: detection.
    pub(crate) dialect: Option<DialectChoice>,
    /// When to request retransmission of lost packets.
    pub(crate) resend: Option<ResendChoice>,
    /// Sets the camera's clock in each session.
    pub(crate) set_clock: bool,
    /// Captures the packets of the camera's sessions.
    pub(crate) capture: Option<CaptureFile>,
}

/// The keys `capture` and `capture_size`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CaptureFile {
    pub(crate) path: PathBuf,
    pub(crate) size: ByteSize,
}

/// Reads `[record]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordTable {
    path: String,
    segment: Duration,
    retention: Retention,
    access: FileAccess,
}

impl RecordTable {
    /// Returns the target of a camera's recording.
    ///
    /// # Errors
    /// Describes what is wrong with the path.
    pub(crate) fn target(&self, camera: &str) -> Result<Target, String> {
        // The name must not contain directives or lead to other directories.
        let name = match camera {
            "." | ".." => "_".to_owned(),
            name => name.replace('%', "%%").replace(['/', '\\'], "_"),
        };
        let path = PathBuf::from(self.path.replace(CAMERA, &name));
        let target = Target::segments(&path, None, self.segment, self.retention);
        let target = target.map_err(|error| error.to_string())?;
        Ok(target.with_access(self.access))
    }

    /// Returns `true` if the path distinguishes cameras.
    pub(crate) fn names_the_camera(&self) -> bool {
        self.path.contains(CAMERA)
    }
}

/// Reads `[serve]` and collects its errors.
pub(super) fn read_serve<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> ServeTable {
    reader.no_other_keys(section, &SERVE_KEYS);
    ServeTable {
        rtsp: reader.parsed(section, "rtsp", str::parse),
        rtsp_udp: reader.boolean(section, "rtsp_udp"),
        rtsps: reader.parsed(section, "rtsps", str::parse),
        http: reader.parsed(section, "http", str::parse),
        https: reader.parsed(section, "https", str::parse),
        certificate: certificate(reader, section),
        allow_plain_auth: reader.boolean(section, "allow_plain_auth").unwrap_or(false),
        http_names: reader.texts(section, "http_names"),
        trusted_proxies: trusted_proxies(reader, section),
        max_rtsp_viewers: reader.number(section, "max_rtsp_viewers", 1..=u16::MAX),
        max_http_viewers: reader.number(section, "max_http_viewers", 1..=u16::MAX),
        no_auth: reader.boolean(section, "no_auth").unwrap_or(false),
        keep: keeping(reader, section),
        network: Network::read(reader, section),
    }
}

/// Reads `cert` and `key`, which belong together.
fn certificate<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> Option<[PathBuf; 2]> {
    let files = ["cert", "key"].map(|key| reader.text(section, key));
    match files {
        [Some(certificate), Some(key)] => {
            Some([certificate, key].map(|file| PathBuf::from(file.into_inner().reveal())))
        }
        [None, None] => None,
        [Some(file), None] | [None, Some(file)] => {
            reader.mistake(file.span().start, None, "`cert` and `key` belong together");
            None
        }
    }
}

fn trusted_proxies<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> Vec<IpNet> {
    const KEY: &str = "trusted_proxies";
    let network = |text: &String| {
        let address = text.parse::<IpAddr>().ok().map(IpNet::from);
        address.or_else(|| text.parse().ok())
    };
    let texts = reader.texts(section, KEY);
    let networks: Option<Vec<_>> = texts.iter().map(network).collect();
    if let (None, Some(at)) = (&networks, section.place(KEY)) {
        let what = "expected addresses or networks, for example [\"127.0.0.1\", \"10.0.0.0/8\"]";
        reader.mistake(at, Some(KEY), what);
    }
    networks.unwrap_or_default()
}

/// Reads `[record]`.
pub(super) fn read_record<'a>(
    reader: &mut Reader<'a>,
    section: &Section<'a>,
) -> Option<RecordTable> {
    reader.no_other_keys(section, &RECORD_KEYS);
    if section.place("path").is_none() {
        let what =
            "recordings need a `path`, for example \"/recordings/{camera}/%Y-%m-%d/%H-%M-%S.mp4\"";
        reader.mistake(section.start(), None, what);
    }
    let segment = reader.parsed(section, "segment", span);
    let keep = reader.parsed(section, "keep", span);
    let max_size = reader.parsed(section, "max_size", size);
    let access = reader.parsed(section, "access", |text| match text {
        "owner" => Ok(FileAccess::Owner),
        "group" => Ok(FileAccess::Group),
        "everyone" => Ok(FileAccess::Everyone),
        _ => Err("access must be `owner`, `group` or `everyone`"),
    });
    let path = reader.text(section, "path")?;
    let at = path.span().start;
    let table = RecordTable {
        path: path.into_inner().reveal().to_owned(),
        segment: segment.unwrap_or(SEGMENT),
        retention: Retention {
            keep,
            max_bytes: max_size.map(|size| size.as_u64()),
        },
        access: access.unwrap_or_default(),
    };
    match table.target("camera") {
        Ok(_) => Some(table),
        Err(what) => {
            reader.mistake(at, Some("path"), what);
            None
        }
    }
}

/// Reads the keys of a camera's table that concern `tutk serve`.
pub(super) fn read_camera<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> CameraServing {
    CameraServing {
        keep: keeping(reader, section),
        sound: reader.boolean(section, "sound"),
        record: reader.boolean(section, "record").unwrap_or(false),
        dialect: reader.parsed(section, "dialect", str::parse),
        resend: reader.parsed(section, "resend", |text| {
            ResendChoice::from_str(text, false).map_err(|_| "resend must be `auto`, `on` or `off`")
        }),
        set_clock: reader.boolean(section, "set_clock").unwrap_or(false),
        capture: capture(reader, section),
    }
}

fn capture<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> Option<CaptureFile> {
    let size = reader.parsed(section, "capture_size", size);
    let Some(path) = reader.text(section, "capture") else {
        if let (Some(_), Some(at)) = (size, section.place("capture_size")) {
            reader.mistake(at, Some("capture_size"), "there is no `capture`");
        }
        return None;
    };
    Some(CaptureFile {
        path: PathBuf::from(path.into_inner().reveal()),
        size: size.unwrap_or(DEFAULT_SIZE),
    })
}

fn size(text: &str) -> Result<ByteSize, &'static str> {
    let size = text.parse::<ByteSize>();
    size.map_err(|_| "expected a number of bytes, for example 20G or 512MiB")
}

fn keeping<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> Keeping {
    let always = |text: &str| match text {
        "always" => Ok(true),
        "on-demand" => Ok(false),
        _ => Err("connect must be `on-demand` or `always`"),
    };
    Keeping {
        always: reader.parsed(section, "connect", always),
        linger: reader.parsed(section, "linger", span),
    }
}

impl Keeping {
    /// Returns the camera's setting, otherwise the default of all cameras.
    pub(crate) fn or(self, others: Self) -> tutk_serve::Keep {
        if self.always.or(others.always).unwrap_or(false) {
            return tutk_serve::Keep::Always;
        }
        let linger = self.linger.or(others.linger);
        tutk_serve::Keep::OnDemand {
            linger: linger.unwrap_or(tutk_serve::LINGER),
        }
    }
}

/// Checks that recordings of several cameras have different paths.
pub(super) fn check_records(
    reader: &mut Reader<'_>,
    record: Option<&RecordTable>,
    present: bool,
    recorded: &[(String, usize)],
) {
    for (number, (name, at)) in recorded.iter().enumerate() {
        reader.enter(Some(name));
        if !present {
            let what = "the file has no table [record] that says where";
            reader.mistake(*at, Some("record"), what);
        } else if number > 0 && record.is_some_and(|record| !record.names_the_camera()) {
            let what =
                format!("more than one camera is recorded: add {CAMERA} to the `path` of [record]");
            reader.mistake(*at, Some("record"), what);
        }
    }
    reader.enter(None);
}
