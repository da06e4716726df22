//! Named cameras: the file `cameras.toml`.
//!
//! ```toml
//! [cameras.front]
//! url = "wyze://192.0.2.7?uid=…&mac=…"    # the ENR may stand in it, beside it, or in TUTK_ENR
//! enr = "…"
//!
//! [cameras.garden]
//! host = "garden.example"                 # port = 32761
//! uid = "…"
//! enr = "…"
//! mac = "…"                               # or auth_key = "…"
//! model = "HL_CAM4"
//! subtype = "hd"
//! user_id = "…"                           # if the camera wants to be told the account's user
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use toml::Spanned;
use tutk_runtime::tutk_session;
use tutk_session::hl_ioctl::commands::UserId;
use tutk_session::{CameraUrl, Credentials, CredentialsError, DISCOVERY_PORT, Subtype, UrlError};

use crate::args::SecretText;
use crate::failure::Failure;

const PHASE: &str = "arguments";

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    cameras: BTreeMap<String, Spanned<Entry>>,
}

/// One camera.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    url: Option<Spanned<Text>>,
    host: Option<Spanned<Text>>,
    port: Option<Spanned<u16>>,
    uid: Option<Spanned<Text>>,
    enr: Option<Spanned<Text>>,
    mac: Option<Spanned<Text>>,
    auth_key: Option<Spanned<Text>>,
    model: Option<Spanned<Text>>,
    subtype: Option<Spanned<Text>>,
    user_id: Option<Spanned<Text>>,
}

/// Text that an error message does not repeat.
struct Text(SecretText);

/// A place in the file, and what is wrong there.
struct Mistake {
    at: Option<usize>,
    key: Option<&'static str>,
    what: String,
}

/// The camera called `name`.
///
/// # Errors
/// The file and the line, and the key where there is one; never a value.
pub(crate) fn find(
    file: Option<&Path>,
    name: &str,
    enr: Option<&str>,
) -> Result<CameraUrl, Failure> {
    let given = file.is_some();
    let path = file.map(Path::to_owned).or_else(default_path);
    let Some(path) = path else {
        let what = format!("{name:?} is no wyze:// address, and there is no configuration folder");
        return Err(Failure::usage(PHASE, what, "give the file with --config"));
    };
    let shown = path.display();
    let text = std::fs::read_to_string(&path).map_err(|error| {
        if given {
            Failure::usage(PHASE, format!("{shown}: {error}"), "give another --config")
        } else {
            let what = format!("{name:?} is no wyze:// address, and {shown}: {error}");
            Failure::usage(
                PHASE,
                what,
                "give a wyze:// address, or name the camera in that file",
            )
        }
    })?;
    look_up(&text, name, enr).map_err(|mistake| {
        let mut what = shown.to_string();
        if let Some(at) = mistake.at {
            what += &format!(", line {}", line_of(&text, at));
        }
        // The key's name alone: behind it may stand a secret.
        let key = mistake.key.map(str::to_owned);
        if let Some(key) = key.or_else(|| mistake.at.and_then(|at| key_of(&text, at))) {
            what += &format!(", key `{key}`");
        }
        what += &format!(": {}", mistake.what);
        Failure::usage(
            PHASE,
            what,
            "mend that line; `tutk --help` says what may stand there",
        )
    })
}

/// `tutk/cameras.toml` in the platform's configuration folder.
fn default_path() -> Option<PathBuf> {
    use etcetera::BaseStrategy as _;
    let folders = etcetera::choose_base_strategy().ok()?;
    Some(folders.config_dir().join("tutk").join("cameras.toml"))
}

fn look_up(text: &str, name: &str, enr: Option<&str>) -> Result<CameraUrl, Mistake> {
    let mut file: File = toml::from_str(text).map_err(|error| Mistake {
        at: error.span().map(|span| span.start),
        key: None,
        what: error.message().to_owned(),
    })?;
    let Some(entry) = file.cameras.remove(name) else {
        let known: Vec<_> = file.cameras.keys().map(String::as_str).collect();
        let known = if known.is_empty() {
            "no camera at all".to_owned()
        } else {
            known.join(", ")
        };
        return Err(Mistake {
            at: None,
            key: None,
            what: format!("there is no camera {name:?}; it has {known}"),
        });
    };
    let at = entry.span().start;
    entry.into_inner().camera(at, enr)
}

impl Entry {
    /// `at` is where the entry begins, for what it lacks; `enr` fills the gap if it has none.
    fn camera(self, at: usize, enr: Option<&str>) -> Result<CameraUrl, Mistake> {
        let missing = |key: &'static str| Mistake {
            at: Some(at),
            key: None,
            what: format!("the camera lacks `{key}`"),
        };
        let own_enr = self.enr.as_ref().map(text);
        let enr = own_enr.or(enr);

        if let Some(url) = &self.url {
            let beside = [
                ("host", self.host.as_ref().map(start)),
                ("port", self.port.as_ref().map(|port| port.span().start)),
                ("uid", self.uid.as_ref().map(start)),
                ("mac", self.mac.as_ref().map(start)),
                ("auth_key", self.auth_key.as_ref().map(start)),
                ("model", self.model.as_ref().map(start)),
                ("subtype", self.subtype.as_ref().map(start)),
                ("user_id", self.user_id.as_ref().map(start)),
            ];
            if let Some((key, Some(at))) = beside.into_iter().find(|(_, at)| at.is_some()) {
                return Err(Mistake {
                    at: Some(at),
                    key: Some(key),
                    what: "only `enr` may stand beside `url`".to_owned(),
                });
            }
            return CameraUrl::parse_with_enr(text(url), enr).map_err(|error| Mistake {
                at: Some(start(url)),
                key: Some("url"),
                what: error.to_string(),
            });
        }

        let host = self.host.as_ref().ok_or_else(|| missing("host"))?;
        let uid = self.uid.as_ref().ok_or_else(|| missing("uid"))?;
        let enr = enr.ok_or_else(|| missing("enr"))?;
        let credentials = match (&self.auth_key, &self.mac) {
            (Some(key), mac) => {
                Credentials::with_auth_key(text(uid), enr, text(key)).and_then(|credentials| {
                    let mac = mac.as_ref().map(|mac| text(mac).parse()).transpose()?;
                    Ok(Credentials { mac, ..credentials })
                })
            }
            (None, Some(mac)) => Credentials::new(text(uid), enr, text(mac)),
            (None, None) => Err(CredentialsError::NoAuthKey),
        }
        .map_err(|error| {
            let (key, place) = match error {
                CredentialsError::Uid(_) => (Some("uid"), Some(uid)),
                CredentialsError::Enr(_) => (Some("enr"), self.enr.as_ref()),
                CredentialsError::Mac(_) => (Some("mac"), self.mac.as_ref()),
                CredentialsError::AuthKey(_) => (Some("auth_key"), self.auth_key.as_ref()),
                _ => (None, None),
            };
            Mistake {
                at: Some(place.map_or(at, start)),
                key,
                what: error.to_string(),
            }
        })?;
        let subtype = match self
            .subtype
            .as_ref()
            .map(|subtype| (text(subtype), subtype))
        {
            None => None,
            Some(("hd", _)) => Some(Subtype::Hd),
            Some(("sd", _)) => Some(Subtype::Sd),
            Some((other, place)) => {
                return Err(Mistake {
                    at: Some(start(place)),
                    key: Some("subtype"),
                    what: UrlError::Subtype(other.to_owned()).to_string(),
                });
            }
        };
        let user = match self.user_id.as_ref().map(|id| (text(id), id)) {
            None => None,
            Some((id, place)) => Some(UserId::new(id).map_err(|_| Mistake {
                at: Some(start(place)),
                key: Some("user_id"),
                what: UrlError::UserId(id.len()).to_string(),
            })?),
        };
        if let Some(port) = self.port.as_ref().filter(|port| *port.get_ref() == 0) {
            return Err(Mistake {
                at: Some(port.span().start),
                key: Some("port"),
                what: UrlError::Port("0".to_owned()).to_string(),
            });
        }
        Ok(CameraUrl {
            host: text(host).to_owned(),
            port: self.port.map_or(DISCOVERY_PORT, Spanned::into_inner),
            credentials,
            model: self.model.as_ref().map(|model| text(model).to_owned()),
            subtype,
            user,
        })
    }
}

fn text(spanned: &Spanned<Text>) -> &str {
    spanned.get_ref().0.reveal()
}

fn start(spanned: &Spanned<Text>) -> usize {
    spanned.span().start
}

/// Number of the line of a byte, from 1.
fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count()
}

/// What stands before the `=` in the line of a byte.
fn key_of(text: &str, at: usize) -> Option<String> {
    let line = text.lines().nth(line_of(text, at) - 1)?;
    let (key, _) = line.split_once('=')?;
    let key = key.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    key.chars().all(plain).then(|| key.to_owned())
}

impl<'de> Deserialize<'de> for Text {
    // Through a value of any type: serde's own message for a wrong type would repeat the value.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match toml::Value::deserialize(deserializer)? {
            toml::Value::String(text) => match text.parse() {
                Ok(text) => Ok(Self(text)),
                Err(never) => match never {},
            },
            other => Err(serde::de::Error::custom(format_args!(
                "expected text in quotes, got {}",
                other.type_str()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENR: &str = "aKzdqckqZ8HUHFe5";
    const GOOD: &str = r#"
[cameras.front]
url = "wyze://192.0.2.7?uid=HSBJYB5HSETGCDWD111A&enr=aKzdqckqZ8HUHFe5&mac=AABBCCDDEEFF"

[cameras.garden]
host = "garden.example"
port = 4000
uid = "HSBJYB5HSETGCDWD111A"
auth_key = "qZwi9FaB"
model = "HL_CAM4"
subtype = "sd"
"#;

    #[test]
    fn both_forms_are_taken() {
        let front = look_up(GOOD, "front", None).ok().unwrap();
        assert_eq!(
            (front.host.as_str(), front.port),
            ("192.0.2.7", DISCOVERY_PORT)
        );
        let garden = look_up(GOOD, "garden", Some(ENR)).ok().unwrap();
        assert_eq!(
            (garden.host.as_str(), garden.port),
            ("garden.example", 4000)
        );
        assert_eq!(garden.credentials.enr.reveal(), ENR.as_bytes());
        assert_eq!(&garden.credentials.auth_key.0, b"qZwi9FaB");
        assert_eq!(garden.subtype, Some(Subtype::Sd));
    }

    #[test]
    fn mistakes_name_file_line_and_key_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cameras.toml");
        let camera = "host = \"h\"\nuid = \"HSBJYB5HSETGCDWD111A\"\nenr = \"aKzdqckqZ8HUHFe5\"\n";
        for (body, expected) in [
            (
                "[cameras.x]\nhots = \"h\"",
                "line 2, key `hots`: unknown field",
            ),
            (
                "[cameras.x]\nhost = 7",
                "line 2, key `host`: expected text in quotes",
            ),
            (
                "[cameras.x]\nenr = 1234567890123456",
                "line 2, key `enr`: expected text",
            ),
            (
                "[cameras.x]\nenr = \"1234567890123456",
                "line 2, key `enr`: ",
            ),
            ("[cameras.x]\nport = 70000", "line 2, key `port`: "),
            ("[cameras.x]\nport = 4", "line 1: the camera lacks `host`"),
            ("[cameras.y]", "there is no camera \"x\"; it has y"),
            ("", "it has no camera at all"),
            (
                "\n[cameras.x]\nurl = \"wyze://h\"",
                "line 3, key `url`: the camera address lacks `uid=`",
            ),
            (
                "[cameras.x]\nurl = \"wyze://h\"\nuid = \"u\"",
                "line 3, key `uid`: only `enr`",
            ),
            (
                &format!("[cameras.x]\n{camera}mac = \"zz\""),
                "line 5, key `mac`: a MAC is",
            ),
            (
                &format!("[cameras.x]\n{camera}"),
                "line 1: the AuthKey cannot be known",
            ),
            (
                &format!("[cameras.x]\n{camera}mac = \"aabbccddeeff\"\nsubtype = \"4k\""),
                "line 6, key `subtype`",
            ),
            (
                &format!("[cameras.x]\n{camera}mac = \"aabbccddeeff\"\nuser_id = \"\""),
                "line 6, key `user_id`: a user id has 1 to 255",
            ),
            (
                &format!("[cameras.x]\n{camera}mac = \"aabbccddeeff\"\nport = 0"),
                "line 6, key `port`",
            ),
        ] {
            std::fs::write(&path, body).unwrap();
            let failure = find(Some(&path), "x", None).unwrap_err().to_string();
            assert!(failure.contains(&path.display().to_string()), "{failure}");
            assert!(failure.contains(expected), "{failure}\nlacks {expected}");
            assert!(
                !failure.contains("aKzdq") && !failure.contains("123456"),
                "{failure}"
            );
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let failure = find(Some(Path::new("/nowhere/c.toml")), "x", None).unwrap_err();
        assert!(failure.to_string().contains("/nowhere/c.toml"), "{failure}");
    }
}
