//! The configuration file `cameras.toml`, which docs/cameras.md describes.
//!
//! | module | contents |
//! |---|---|
//! | `reader` | reads tables and values and collects errors |
//! | `camera` | `[cameras.NAME]` |
//! | `network` | `local_ports`, `search` and `fast_connect`, of a camera or of `[serve]` |
//! | `serving` | `[serve]`, `[users]`, `[record]`, and their keys in a camera's table |
//! | `host` | writes a camera's new host into the file |
//! | `variables` | values from environment variables |
//! | `mistake` | an error and its position |
//! | `merge` | merges an account's cameras into the file, with `names` and `parameter` |
//!
//! To add a top-level table, add its name to `TABLES`.

mod camera;
mod host;
#[cfg(feature = "cloud")]
mod merge;
mod mistake;
#[cfg(feature = "cloud")]
mod names;
mod network;
#[cfg(feature = "cloud")]
mod parameter;
mod reader;
mod serving;
mod users;
mod variables;

use std::path::{Path, PathBuf};

use toml::de::DeTable;
use zeroize::Zeroizing;

pub(crate) use self::camera::NamedCamera;
#[cfg(feature = "cloud")]
pub(crate) use self::merge::{Change, Offer, Outcome};
pub(crate) use self::mistake::Mistake;
pub(crate) use self::network::Network;
#[cfg(feature = "cloud")]
pub(crate) use self::parameter::encode;
use self::reader::{Reader, Section};
#[cfg(feature = "serve")]
pub(crate) use self::serving::CaptureFile;
pub(crate) use self::serving::{RecordTable, ServeTable};
pub(crate) use self::users::Users;
use self::variables::Environment;
use crate::failure::Failure;
use crate::suggest::nearest;

const PHASE: &str = "arguments";

/// The top-level tables.
const TABLES: [&str; 4] = ["cameras", "serve", "users", "record"];

/// The contents of the file.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// The cameras without errors, in the order of the file.
    pub(crate) cameras: Vec<NamedCamera>,
    pub(crate) serve: ServeTable,
    pub(crate) users: Users,
    pub(crate) record: Option<RecordTable>,
    /// All errors in the order of the file.
    pub(crate) mistakes: Vec<Mistake>,
    /// The names of all cameras, including those with errors.
    names: Vec<String>,
    /// The file itself contains secrets.
    has_secrets: bool,
}

/// Finds the camera `name`. Ignores errors in other cameras.
///
/// # Errors
/// Names the file, the line and the key, but never a value.
pub(crate) fn find(
    file: Option<&Path>,
    name: &str,
    enr: Option<&str>,
) -> Result<NamedCamera, Failure> {
    let (path, text) = open(file).map_err(|failure| match file {
        Some(_) => failure,
        // The argument may be a mistyped address.
        None => Failure::usage(
            PHASE,
            format!("{name:?} is not a wyze:// address, and {}", failure.what),
            "use a wyze:// address, or define the camera in that file",
        ),
    })?;
    let contents = Contents::read(&text, enr, &|name| std::env::var(name));
    let shown = path.display();
    let mut mistakes = contents.mistakes.iter().filter(|mistake| {
        mistake
            .camera
            .as_deref()
            .is_none_or(|camera| camera == name)
    });
    if let Some(first) = mistakes.next() {
        let mut what = format!("{shown}, {first}");
        let more = mistakes.count();
        if more > 0 {
            what += &format!(" (and {more} more)");
        }
        let advice = "correct that line; `tutk cameras` lists all errors in the file";
        return Err(Failure::usage(PHASE, what, advice));
    }
    contents.warn_if_shared(&path);
    let found = contents
        .cameras
        .into_iter()
        .find(|camera| camera.name == name);
    found.ok_or_else(|| {
        let names: Vec<_> = contents.names.iter().map(String::as_str).collect();
        let known = match names.as_slice() {
            [] => "no cameras".to_owned(),
            names => names.join(", "),
        };
        let what = format!("{shown}: unknown camera {name:?}; the file has {known}");
        let advice = match nearest(name, names).as_slice() {
            [] => "`tutk cameras` lists the cameras".to_owned(),
            near => format!("did you mean {}?", near.join(" or ")),
        };
        Failure::usage(PHASE, what, advice)
    })
}

/// Reads the file and returns its path and contents.
///
/// # Errors
/// Fails if the file cannot be read. Errors in it are part of the [`Contents`].
pub(crate) fn check(
    file: Option<&Path>,
    enr: Option<&str>,
) -> Result<(PathBuf, Contents), Failure> {
    let (path, text) = open(file)?;
    let contents = Contents::read(&text, enr, &|name| std::env::var(name));
    contents.warn_if_shared(&path);
    Ok((path, contents))
}

/// Merges an account's cameras into the file, and creates it if necessary. Returns its path and the
/// changes.
///
/// # Errors
/// Fails if the file cannot be read, parsed or written. It is unchanged then.
#[cfg(feature = "cloud")]
pub(crate) fn merge_into(
    file: Option<&Path>,
    offers: &[Offer],
) -> Result<(PathBuf, Vec<Vec<Outcome>>), Failure> {
    let path = path(file)?;
    let text = read_or_empty(&path)?;
    let (merged, outcomes) =
        merge::merge(&text, offers, &|name| std::env::var(name)).map_err(|what| {
            let what = format!("{}, {what}", path.display());
            Failure::usage(PHASE, what, "correct it first")
        })?;
    if !merged.is_empty() {
        save(&path, &merged)?;
    }
    Ok((path, outcomes))
}

/// Writes a camera's host into the file, and keeps everything else.
///
/// # Errors
/// Fails if the file cannot be read, changed or written. It is unchanged then.
pub(crate) fn write_host(
    file: Option<&Path>,
    name: &str,
    host: &str,
    enr: Option<&str>,
) -> Result<(), Failure> {
    let (path, text) = open(file)?;
    let read = |text: &str| Contents::read(text, enr, &|name| std::env::var(name));
    let written = |contents: &Contents| {
        let mut cameras = contents.cameras.iter();
        cameras.any(|camera| camera.name == name && camera.camera.host.as_deref() == Some(host))
    };
    let changed = host::with_host(&text, name, host).and_then(|changed| {
        let (before, after) = (read(&text), read(&changed));
        let same = before.mistakes.len() == after.mistakes.len() && before.names == after.names;
        let failed = "it is written in an unusual way";
        (same && written(&after))
            .then_some(changed)
            .ok_or_else(|| failed.to_owned())
    });
    let changed = changed.map_err(|what| {
        let shown = path.display();
        let what = format!("{shown}: cannot change the host of {name:?}: {what}");
        Failure::usage(PHASE, what, format!("set it to {host} yourself"))
    })?;
    save(&path, &changed)
}

/// Writes the hash of a user's password into the file, which is created if it does not exist.
///
/// # Errors
/// Fails if the file cannot be read, changed or written. It is unchanged then.
#[cfg(feature = "serve")]
pub(crate) fn write_password(
    file: Option<&Path>,
    user: &str,
    hash: &str,
) -> Result<PathBuf, Failure> {
    let path = path(file)?;
    let text = read_or_empty(&path)?;
    let read = |text: &str| Contents::read(text, None, &|name| std::env::var(name));
    let changed = users::with_password(&text, user, hash).and_then(|changed| {
        let written = users::has_password(&read(&changed).users, user, hash);
        let failed = "it is written in an unusual way";
        written.then_some(changed).ok_or_else(|| failed.to_owned())
    });
    let changed = changed.map_err(|what| {
        let shown = path.display();
        let what = format!("{shown}: cannot change the password of {user:?}: {what}");
        let advice = "correct it, or write the hash of `tutk passwd` yourself";
        Failure::usage(PHASE, what, advice)
    })?;
    save(&path, &changed)?;
    Ok(path)
}

/// Returns `tutk/` in the platform's configuration directory.
pub(crate) fn folder() -> Option<PathBuf> {
    use etcetera::BaseStrategy as _;
    let folders = etcetera::choose_base_strategy().ok()?;
    Some(folders.config_dir().join("tutk"))
}

/// Returns the path of `--config`, or the default path.
pub(crate) fn path(file: Option<&Path>) -> Result<PathBuf, Failure> {
    let default = || Some(folder()?.join("cameras.toml"));
    file.map(Path::to_owned).or_else(default).ok_or_else(|| {
        let what = "there is no configuration directory";
        Failure::usage(PHASE, what, "set --config to a file")
    })
}

fn open(file: Option<&Path>) -> Result<(PathBuf, Zeroizing<String>), Failure> {
    let path = path(file)?;
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, Zeroizing::new(text))),
        Err(error) => {
            let what = format!("{}: {error}", path.display());
            let advice = match file {
                Some(_) => "correct --config",
                None => "create it (docs/cameras.md), or run `tutk cloud cameras --write`",
            };
            Err(Failure::usage(PHASE, what, advice))
        }
    }
}

/// Reads a file, which is empty if it does not exist.
#[cfg(any(feature = "cloud", feature = "serve"))]
fn read_or_empty(path: &Path) -> Result<Zeroizing<String>, Failure> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Zeroizing::new(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Zeroizing::default()),
        Err(error) => {
            let what = format!("{}: {error}", path.display());
            Err(Failure::usage(PHASE, what, "make the file readable"))
        }
    }
}

fn save(path: &Path, text: &str) -> Result<(), Failure> {
    let written = crate::private_file::write(path, text);
    written.map_err(|error| Failure::write("output", &path.display().to_string(), &error))
}

impl Contents {
    /// Parses the file and collects all errors. `enr` is the ENR for cameras without one.
    pub(crate) fn read(text: &str, enr: Option<&str>, environment: Environment<'_>) -> Self {
        let mut reader = Reader::new(text, environment);
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            reader.not_toml(error);
        }
        if !errors.is_empty() {
            // Further errors would only follow from the syntax error.
            return Self::default().with(reader);
        }
        let whole = Section::whole(document.get_ref());
        reader.no_other_keys(&whole, &TABLES);
        let mut this = Self::default();
        if let Some(section) = reader.top(&whole, "serve") {
            this.serve = serving::read_serve(&mut reader, &section);
        }
        let record = reader.top(&whole, "record");
        if let Some(section) = &record {
            this.record = serving::read_record(&mut reader, section);
        }
        let mut recorded = Vec::new();
        if let Some(section) = reader.top(&whole, "cameras") {
            let mut entries: Vec<_> = section.table.iter().collect();
            entries.sort_by_key(|(name, _)| name.span().start);
            for (name, value) in entries {
                let name = name.get_ref().as_ref();
                this.names.push(name.to_owned());
                reader.enter(Some(name));
                let Some(section) = reader.table(value, name) else {
                    continue;
                };
                let camera = camera::read(&mut reader, name, &section, enr);
                if let (Some(_), Some(at)) = (
                    camera.as_ref().filter(|camera| camera.serving.record),
                    section.place("record"),
                ) {
                    recorded.push((name.to_owned(), at));
                }
                this.cameras.extend(camera);
            }
            reader.enter(None);
        }
        if let Some(section) = reader.top(&whole, "users") {
            this.users = users::read(&mut reader, &section, &this.names);
        }
        serving::check_records(
            &mut reader,
            this.record.as_ref(),
            record.is_some(),
            &recorded,
        );
        this.with(reader)
    }

    fn with(mut self, reader: Reader<'_>) -> Self {
        self.mistakes = reader.mistakes;
        self.mistakes.sort_by_key(|mistake| mistake.line);
        self.has_secrets = reader.has_secrets;
        self
    }

    /// Warns if other users can read the secrets in the file.
    fn warn_if_shared(&self, path: &Path) {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let others = |mode| mode & 0o077 != 0;
            let metadata = std::fs::metadata(path);
            if self.has_secrets && metadata.is_ok_and(|file| others(file.permissions().mode())) {
                let path = path.display();
                tracing::warn!(
                    "{path} contains keys and is readable by other users: chmod 600 {path}"
                );
            }
        }
        #[cfg(not(unix))]
        let _ = path;
    }
}

#[cfg(test)]
mod tests;
