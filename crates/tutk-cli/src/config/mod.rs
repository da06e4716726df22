//! Named cameras: the file `cameras.toml`. docs/cameras.md says what may stand in it.
//!
//! | module | what it is |
//! |---|---|
//! | `reader` | tables and values, with every mistake that is met |
//! | `camera` | `[cameras.NAME]` |
//! | `serving` | `[serve]`, `[users]`, `[record]`, and their keys in a camera's table |
//! | `variables` | values that stand in the environment |
//! | `mistake` | what is wrong, and where |
//! | `merge` | cameras of an account into the file; `names` and `parameter` are its tools |
//!
//! Another table at the top is a name in `TABLES`.

mod camera;
#[cfg(feature = "cloud")]
mod merge;
mod mistake;
#[cfg(feature = "cloud")]
mod names;
#[cfg(feature = "cloud")]
mod parameter;
mod reader;
mod serving;
mod variables;

use std::path::{Path, PathBuf};

use toml::de::DeTable;
use tutk_runtime::tutk_session::CameraUrl;
use zeroize::Zeroizing;

pub(crate) use self::camera::NamedCamera;
#[cfg(feature = "cloud")]
pub(crate) use self::merge::{Change, Offer, Outcome};
pub(crate) use self::mistake::Mistake;
#[cfg(feature = "cloud")]
pub(crate) use self::parameter::encode;
use self::reader::{Reader, Section};
pub(crate) use self::serving::{RecordTable, ServeTable, Users};
use self::variables::Environment;
use crate::failure::Failure;
use crate::suggest::nearest;

const PHASE: &str = "arguments";

/// What may stand at the top.
const TABLES: [&str; 4] = ["cameras", "serve", "users", "record"];

/// Everything that the file says.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// The cameras without a mistake, in the order of the file.
    pub(crate) cameras: Vec<NamedCamera>,
    pub(crate) serve: ServeTable,
    pub(crate) users: Users,
    pub(crate) record: Option<RecordTable>,
    /// In the order of the file.
    pub(crate) mistakes: Vec<Mistake>,
    /// What all cameras are called, those with a mistake as well.
    names: Vec<String>,
    /// Whether there are secrets in the file itself.
    has_secrets: bool,
}

/// The camera called `name`, whatever is wrong with others.
///
/// # Errors
/// The file and the line, and the key where there is one; never a value.
pub(crate) fn find(
    file: Option<&Path>,
    name: &str,
    enr: Option<&str>,
) -> Result<CameraUrl, Failure> {
    let (path, text) = open(file).map_err(|failure| match file {
        Some(_) => failure,
        // Perhaps the name was no name.
        None => Failure::usage(
            PHASE,
            format!("{name:?} is no wyze:// address, and {}", failure.what),
            "give a wyze:// address, or name the camera in that file",
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
        let advice = "mend that line; `tutk cameras` shows all that is wrong in the file";
        return Err(Failure::usage(PHASE, what, advice));
    }
    contents.warn_if_shared(&path);
    let found = contents
        .cameras
        .into_iter()
        .find(|camera| camera.name == name);
    found.map(|camera| camera.camera).ok_or_else(|| {
        let names: Vec<_> = contents.names.iter().map(String::as_str).collect();
        let known = match names.as_slice() {
            [] => "no camera at all".to_owned(),
            names => names.join(", "),
        };
        let what = format!("{shown}: there is no camera {name:?}; it has {known}");
        let advice = match nearest(name, names).as_slice() {
            [] => "`tutk cameras` shows those that there are".to_owned(),
            near => format!("did you mean {}?", near.join(" or ")),
        };
        Failure::usage(PHASE, what, advice)
    })
}

/// The whole file, and where it is.
///
/// # Errors
/// If it cannot be read at all; what is wrong in it is among the [`Contents`].
pub(crate) fn check(
    file: Option<&Path>,
    enr: Option<&str>,
) -> Result<(PathBuf, Contents), Failure> {
    let (path, text) = open(file)?;
    let contents = Contents::read(&text, enr, &|name| std::env::var(name));
    contents.warn_if_shared(&path);
    Ok((path, contents))
}

/// Puts an account's cameras into the file, which need not be there yet. Where it is, and what became of each.
///
/// # Errors
/// If the file cannot be read, is not TOML, or cannot be written; it is as it was then.
#[cfg(feature = "cloud")]
pub(crate) fn merge_into(
    file: Option<&Path>,
    offers: &[Offer],
) -> Result<(PathBuf, Vec<Vec<Outcome>>), Failure> {
    let path = path(file)?;
    let shown = path.display().to_string();
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Zeroizing::default(),
        Err(error) => {
            return Err(Failure::usage(
                PHASE,
                format!("{shown}: {error}"),
                "mend it",
            ));
        }
    };
    let (merged, outcomes) = merge::merge(&text, offers, &|name| std::env::var(name))
        .map_err(|what| Failure::usage(PHASE, format!("{shown}, {what}"), "mend it first"))?;
    if !merged.is_empty() {
        crate::private_file::write(&path, &merged)
            .map_err(|error| Failure::write("output", &shown, &error))?;
    }
    Ok((path, outcomes))
}

/// `tutk/` in the platform's configuration folder.
pub(crate) fn folder() -> Option<PathBuf> {
    use etcetera::BaseStrategy as _;
    let folders = etcetera::choose_base_strategy().ok()?;
    Some(folders.config_dir().join("tutk"))
}

/// The file of `--config`, or the one that is meant without it.
pub(crate) fn path(file: Option<&Path>) -> Result<PathBuf, Failure> {
    let default = || Some(folder()?.join("cameras.toml"));
    file.map(Path::to_owned).or_else(default).ok_or_else(|| {
        let what = "there is no configuration folder";
        Failure::usage(PHASE, what, "give the file with --config")
    })
}

fn open(file: Option<&Path>) -> Result<(PathBuf, Zeroizing<String>), Failure> {
    let path = path(file)?;
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok((path, Zeroizing::new(text))),
        Err(error) => {
            let what = format!("{}: {error}", path.display());
            let advice = match file {
                Some(_) => "give another --config",
                None => "write one (docs/cameras.md), or let `tutk cloud cameras --write` do it",
            };
            Err(Failure::usage(PHASE, what, advice))
        }
    }
}

impl Contents {
    /// Reads it to the end, whatever is wrong. `enr` is for cameras that have none.
    fn read(text: &str, enr: Option<&str>, environment: Environment<'_>) -> Self {
        let mut reader = Reader::new(text, environment);
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            reader.not_toml(error);
        }
        if !errors.is_empty() {
            // What it says may be anything; all that follows from it would be noise.
            return Self::default().with(reader);
        }
        let whole = Section::whole(document.get_ref());
        reader.no_other_keys(&whole, &TABLES);
        let mut this = Self::default();
        if let Some(section) = reader.top(&whole, "serve") {
            this.serve = serving::read_serve(&mut reader, &section);
        }
        if let Some(section) = reader.top(&whole, "users") {
            this.users = serving::read_users(&mut reader, &section);
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

    /// Says so if others may read the secrets in the file.
    fn warn_if_shared(&self, path: &Path) {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let others = |mode| mode & 0o077 != 0;
            let metadata = std::fs::metadata(path);
            if self.has_secrets && metadata.is_ok_and(|file| others(file.permissions().mode())) {
                let path = path.display();
                tracing::warn!("{path} holds keys, and others may read it: chmod 600 {path}");
            }
        }
        #[cfg(not(unix))]
        let _ = path;
    }
}

#[cfg(test)]
mod tests;
