//! `[serve]`, `[users]` and `[record]`, and what a camera's own table has of them.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use clap::ValueEnum as _;
use tutk_serve::Accounts;

use super::reader::{Reader, Section};
use crate::dialect_choice::DialectChoice;
use crate::listen::Listen;
use crate::resend_choice::ResendChoice;
use crate::secret_text::SecretText;
use crate::sink::{Retention, Target};
use crate::value_parsers::span;

/// Every key of `[serve]`.
pub(super) const SERVE_KEYS: [&str; 7] = [
    "rtsp",
    "rtsp_udp",
    "http",
    "http_names",
    "no_auth",
    "connect",
    "linger",
];

/// Every key of `[record]`.
pub(super) const RECORD_KEYS: [&str; 4] = ["path", "segment", "keep", "max_size"];

/// Keys of a camera's table that are of `tutk serve`.
pub(super) const CAMERA_KEYS: [&str; 6] =
    ["connect", "linger", "sound", "record", "dialect", "resend"];

/// What stands for the camera's name in a path.
const CAMERA: &str = "{camera}";

/// How long a segment is unless the file says it.
const SEGMENT: Duration = Duration::from_secs(600);

/// `[serve]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ServeTable {
    pub(crate) rtsp: Option<Listen>,
    /// Whether packets may go in datagrams of their own; they may.
    pub(crate) rtsp_udp: Option<bool>,
    pub(crate) http: Option<Listen>,
    /// Names by which the HTTP server is called, beside addresses and `localhost`.
    pub(crate) http_names: Vec<String>,
    /// Whether everybody may watch, whoever can reach it.
    pub(crate) no_auth: bool,
    /// For cameras that do not say it themselves.
    pub(crate) keep: Keeping,
}

/// When there is a session with a camera, as far as it is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Keeping {
    pub(crate) always: Option<bool>,
    pub(crate) linger: Option<Duration>,
}

/// What a camera's table says of serving it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CameraServing {
    pub(crate) keep: Keeping,
    /// Whether its sound is asked for; it is.
    pub(crate) sound: Option<bool>,
    /// Whether it is recorded.
    pub(crate) record: bool,
    /// The dialect that it is asked in; by default in all that can be told apart.
    pub(crate) dialect: Option<DialectChoice>,
    /// Whether lost packets are asked for again.
    pub(crate) resend: Option<ResendChoice>,
}

/// `[users]`: those who may watch, with their passwords.
#[derive(Debug, Clone, Default)]
pub(crate) struct Users(Vec<(String, SecretText)>);

/// `[record]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordTable {
    path: String,
    segment: Duration,
    retention: Retention,
}

impl Users {
    pub(crate) fn accounts(&self) -> Result<Accounts, tutk_serve::Error> {
        let mut accounts = Accounts::none();
        for (name, password) in &self.0 {
            accounts.add(name, password.reveal())?;
        }
        Ok(accounts)
    }
}

impl PartialEq for Users {
    fn eq(&self, other: &Self) -> bool {
        let pairs = |users: &Self| {
            let pair = |(name, password): &(String, SecretText)| {
                (name.clone(), password.reveal().to_owned())
            };
            users.0.iter().map(pair).collect::<Vec<_>>()
        };
        pairs(self) == pairs(other)
    }
}

impl RecordTable {
    /// Where a camera is recorded.
    ///
    /// # Errors
    /// What is wrong with the path.
    pub(crate) fn target(&self, camera: &str) -> Result<Target, String> {
        // A name is not to be read as a directive, nor to lead to other folders.
        let name = match camera {
            "." | ".." => "_".to_owned(),
            name => name.replace('%', "%%").replace(['/', '\\'], "_"),
        };
        let path = PathBuf::from(self.path.replace(CAMERA, &name));
        let target = Target::segments(&path, None, self.segment, self.retention);
        target.map_err(|failure| failure.what)
    }

    /// Whether several cameras may be recorded with this.
    pub(crate) fn names_the_camera(&self) -> bool {
        self.path.contains(CAMERA)
    }
}

/// `[serve]`, with every mistake in it.
pub(super) fn read_serve<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> ServeTable {
    reader.no_other_keys(section, &SERVE_KEYS);
    ServeTable {
        rtsp: reader.parsed(section, "rtsp", str::parse),
        rtsp_udp: reader.boolean(section, "rtsp_udp"),
        http: reader.parsed(section, "http", str::parse),
        http_names: reader.texts(section, "http_names"),
        no_auth: reader.boolean(section, "no_auth").unwrap_or(false),
        keep: keeping(reader, section),
    }
}

/// `[users]`: each key is a name.
pub(super) fn read_users<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> Users {
    let mut users = Vec::new();
    let mut keys: Vec<_> = section.table.keys().collect();
    keys.sort_by_key(|key| key.span().start);
    for key in keys {
        let name = key.get_ref().as_ref();
        let Some(password) = reader.secret(section, name) else {
            continue;
        };
        let at = password.span().start;
        let password = password.into_inner();
        if password.reveal().is_empty() {
            reader.mistake(at, Some(name), "a password is not empty");
        } else if let Err(error) = Accounts::none().add(name, password.reveal()) {
            reader.mistake(at, Some(name), error.to_string());
        } else {
            users.push((name.to_owned(), password));
        }
    }
    Users(users)
}

/// `[record]`.
pub(super) fn read_record<'a>(
    reader: &mut Reader<'a>,
    section: &Section<'a>,
) -> Option<RecordTable> {
    reader.no_other_keys(section, &RECORD_KEYS);
    if section.place("path").is_none() {
        let what = "recordings need a `path`, as \"/recordings/{camera}/%Y-%m-%d/%H-%M-%S.mp4\"";
        reader.mistake(section.start(), None, what);
    }
    let segment = reader.parsed(section, "segment", span);
    let keep = reader.parsed(section, "keep", span);
    let size = |text: &str| {
        let size = text.parse::<ByteSize>();
        size.map_err(|_| "expected a number of bytes, as 20G or 512MiB")
    };
    let max_size = reader.parsed(section, "max_size", size);
    let path = reader.text(section, "path")?;
    let at = path.span().start;
    let table = RecordTable {
        path: path.into_inner().reveal().to_owned(),
        segment: segment.unwrap_or(SEGMENT),
        retention: Retention {
            keep,
            max_bytes: max_size.map(|size| size.as_u64()),
        },
    };
    match table.target("camera") {
        Ok(_) => Some(table),
        Err(what) => {
            reader.mistake(at, Some("path"), what);
            None
        }
    }
}

/// What of a camera's table is of `tutk serve`.
pub(super) fn read_camera<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> CameraServing {
    CameraServing {
        keep: keeping(reader, section),
        sound: reader.boolean(section, "sound"),
        record: reader.boolean(section, "record").unwrap_or(false),
        dialect: reader.parsed(section, "dialect", str::parse),
        resend: reader.parsed(section, "resend", |text| {
            ResendChoice::from_str(text, false).map_err(|_| "resend is `auto`, `on` or `off`")
        }),
    }
}

fn keeping<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> Keeping {
    let always = |text: &str| match text {
        "always" => Ok(true),
        "on-demand" => Ok(false),
        _ => Err("connect is `on-demand` or `always`"),
    };
    Keeping {
        always: reader.parsed(section, "connect", always),
        linger: reader.parsed(section, "linger", span),
    }
}

impl Keeping {
    /// As the camera has it, or else as all have it.
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

/// Whether the path of a recording is of one camera alone.
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
            let what = format!(
                "more than one camera is recorded: put {CAMERA} into the `path` of [record]"
            );
            reader.mistake(*at, Some("record"), what);
        }
    }
    reader.enter(None);
}
