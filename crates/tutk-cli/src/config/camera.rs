//! The table `[cameras.NAME]`.

use tutk_runtime::tutk_session;
use tutk_session::hl_ioctl::commands::UserId;
use tutk_session::{
    CameraUrl, CredentialParts, Credentials, CredentialsError, DISCOVERY_PORT, Subtype, UrlError,
};

use super::network::Network;
use super::reader::{Placed, Reader, Section};
use super::serving::{self, CameraServing};
use crate::models;
use crate::secret_text::{ENR_VARIABLE, SecretText};

/// The keys that identify a camera. [`super::serving`] has the others.
pub(super) const KEYS: [&str; 15] = [
    "url",
    "host",
    "port",
    "uid",
    "enr",
    "mac",
    "auth_key",
    "parent_enr",
    "parent_mac",
    "model",
    "subtype",
    "user_id",
    "local_ports",
    "search",
    "fast_connect",
];

/// The keys that can be combined with `url`. It replaces the others.
const BESIDE_URL: [&str; 5] = ["url", "enr", "local_ports", "search", "fast_connect"];

/// Valid values, used to check one other value alone.
const SOME_UID: &str = "AAAAAAAAAAAAAAAAAAAA";
const SOME_ENR: &str = "AAAAAAAAAAAAAAAA";
const SOME_KEY: &str = "A";

/// A camera and its name in the file.
#[derive(Debug, Clone)]
pub(crate) struct NamedCamera {
    pub(crate) name: String,
    pub(crate) camera: CameraUrl,
    pub(crate) network: Network,
    pub(crate) serving: CameraServing,
}

/// Reads the table and collects its errors. `enr` is used if the table has none.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    name: &str,
    section: &Section<'a>,
    enr: Option<&str>,
) -> Option<NamedCamera> {
    let before = reader.mistakes.len();
    reader.no_other_keys(section, &[&KEYS[..], &serving::CAMERA_KEYS].concat());
    if name.is_empty() || name.contains("://") {
        let what = "a camera's name must not be empty or contain `://`";
        reader.mistake(section.start(), None, what);
    }
    let camera = if section.place("url").is_some() {
        by_url(reader, section, enr)
    } else {
        by_keys(reader, section, enr)
    };
    let network = Network::read(reader, section);
    let serving = serving::read_camera(reader, section);
    let camera = camera.filter(|_| reader.mistakes.len() == before)?;
    Some(NamedCamera {
        name: name.to_owned(),
        camera,
        network,
        serving,
    })
}

/// Reads the short form: `url`, and optionally `enr`.
fn by_url<'a>(
    reader: &mut Reader<'a>,
    section: &Section<'a>,
    enr: Option<&str>,
) -> Option<CameraUrl> {
    for key in KEYS.into_iter().filter(|key| !BESIDE_URL.contains(key)) {
        if let Some(at) = section.place(key) {
            reader.mistake(
                at,
                Some(key),
                "of the camera's own keys only `enr` can be combined with `url`",
            );
        }
    }
    let own_enr = reader.secret(section, "enr");
    let url = reader.secret(section, "url")?;
    let enr = own_enr.as_ref().map(text).or(enr);
    match CameraUrl::parse_with_enr(text(&url), enr) {
        Ok(camera) => {
            check_model(reader, start(&url), "url", camera.model.as_deref());
            Some(camera)
        }
        Err(error) => {
            // The ENR can be in either key. That of the URL takes precedence.
            let url_alone = CameraUrl::parse_with_enr(text(&url), Some(SOME_ENR)).err();
            let is_own = matches!(error, UrlError::Credentials(CredentialsError::Enr(_)))
                && url_alone.as_ref() != Some(&error);
            let (key, at) = match own_enr.as_ref().filter(|_| is_own) {
                Some(enr) => ("enr", start(enr)),
                None => ("url", start(&url)),
            };
            reader.mistake(at, Some(key), url_fault(&error));
            None
        }
    }
}

/// Reads the long form.
fn by_keys<'a>(
    reader: &mut Reader<'a>,
    section: &Section<'a>,
    enr: Option<&str>,
) -> Option<CameraUrl> {
    let host = reader.text(section, "host");
    let port = reader.number(section, "port", 1..=u16::MAX);
    let uid = reader.text(section, "uid");
    let own_enr = reader.secret(section, "enr");
    let mac = reader.text(section, "mac");
    let auth_key = reader.secret(section, "auth_key");
    let parent_enr = reader.secret(section, "parent_enr");
    let parent_mac = reader.text(section, "parent_mac");
    let model = reader.text(section, "model");
    let subtype = reader.text(section, "subtype");
    let user_id = reader.text(section, "user_id");

    if section.place("uid").is_none() {
        let what = "the camera lacks `uid`; `url` can replace all keys";
        reader.mistake(section.start(), None, what);
    }
    if section.place("enr").is_none() && enr.is_none() {
        let what = format!("the camera lacks `enr`, and {ENR_VARIABLE} is not set");
        reader.mistake(section.start(), None, what);
    }
    if section.place("mac").is_none() && section.place("auth_key").is_none() {
        let what = "the camera lacks `mac`, or `auth_key` in its place";
        reader.mistake(section.start(), None, what);
    }
    let parent = ["parent_enr", "parent_mac"].map(|key| section.place(key));
    if let [Some(at), None] | [None, Some(at)] = parent {
        let what = "`parent_enr` and `parent_mac` belong together";
        reader.mistake(at, None, what);
    }
    if let Some(host) = host.as_ref().filter(|host| text(host).trim().is_empty()) {
        reader.mistake(
            start(host),
            Some("host"),
            "expected a name or an IP address",
        );
    }
    check_credentials(
        reader,
        [
            ("uid", &uid),
            ("enr", &own_enr),
            ("mac", &mac),
            ("auth_key", &auth_key),
            ("parent_enr", &parent_enr),
            ("parent_mac", &parent_mac),
        ],
    );
    if let Some(model) = &model {
        check_model(reader, start(model), "model", Some(text(model)));
    }
    let subtype = subtype.as_ref().and_then(|place| {
        let subtype = text(place).parse().ok();
        if subtype.is_none() {
            reader.mistake(start(place), Some("subtype"), subtypes());
        }
        subtype
    });
    let user = user_id.as_ref().and_then(|id| {
        let user = UserId::new(text(id)).ok();
        if user.is_none() {
            let what = UrlError::UserId(text(id).len()).to_string();
            reader.mistake(start(id), Some("user_id"), what);
        }
        user
    });

    let uid = uid?;
    let enr = own_enr.as_ref().map(text).or(enr)?;
    let [mac, auth_key, parent_enr, parent_mac] =
        [&mac, &auth_key, &parent_enr, &parent_mac].map(|value| value.as_ref().map(text));
    let credentials = Credentials::from_parts(CredentialParts {
        uid: text(&uid),
        enr,
        mac,
        auth_key,
        parent_enr,
        parent_mac,
    });
    Some(CameraUrl {
        host: host.as_ref().map(|host| text(host).to_owned()),
        port: port.unwrap_or(DISCOVERY_PORT),
        credentials: credentials.ok()?,
        model: model.as_ref().map(|model| text(model).to_owned()),
        subtype,
        user,
    })
}

fn subtypes() -> String {
    format!("subtype must be {}", Subtype::ALLOWED)
}

/// Checks each value separately, to find all errors.
fn check_credentials(
    reader: &mut Reader<'_>,
    values: [(&'static str, &Option<Placed<SecretText>>); 6],
) {
    for (key, value) in values {
        let Some(value) = value else { continue };
        let text = text(value);
        let checked = match key {
            "uid" => Credentials::with_auth_key(text, SOME_ENR, SOME_KEY),
            "enr" | "parent_enr" => Credentials::with_auth_key(SOME_UID, text, SOME_KEY),
            "auth_key" => Credentials::with_auth_key(SOME_UID, SOME_ENR, text),
            _ => Credentials::new(SOME_UID, SOME_ENR, text),
        };
        if let Err(error) = checked {
            reader.mistake(start(value), Some(key), credentials_fault(&error));
        }
    }
}

fn check_model(reader: &mut Reader<'_>, at: usize, key: &str, model: Option<&str>) {
    if let Some(what) = model.and_then(models::not_tutk) {
        reader.mistake(at, Some(key), what);
    }
}

/// Formats the error without the value, which may be a secret.
fn credentials_fault(error: &CredentialsError) -> String {
    match error {
        CredentialsError::Mac(_) => {
            "a MAC is 12 hex digits, optionally separated by `:` or `-`".to_owned()
        }
        CredentialsError::ParentMac(_) => {
            "`parent_mac` is 12 hex digits, optionally separated by `:` or `-`".to_owned()
        }
        other => other.to_string(),
    }
}

/// Formats the error without the value, which may be a secret.
fn url_fault(error: &UrlError) -> String {
    match error {
        UrlError::Port(_) => "the port must be a number from 1 to 65535".to_owned(),
        UrlError::Subtype(_) => subtypes(),
        UrlError::Credentials(error) => credentials_fault(error),
        other => other.to_string(),
    }
}

fn text(placed: &Placed<SecretText>) -> &str {
    placed.get_ref().reveal()
}

fn start(placed: &Placed<SecretText>) -> usize {
    placed.span().start
}
