//! The camera URL: `wyze://HOST[:PORT]?uid=…&enr=…&mac=…` (docs/protocol.md, section
//! "Credentials and keys").

use alloc::borrow::Cow;
use alloc::borrow::ToOwned as _;
use alloc::string::String;
use core::str::FromStr;

use hl_ioctl::Request;
use hl_ioctl::commands::{Bitrate, Resolution, UserId};
use percent_encoding::percent_decode_str;

use crate::credentials::{CredentialParts, Credentials, CredentialsError};
use crate::models::command_profile;

/// The UDP port on which cameras listen for discovery (docs/protocol.md, section "Discovery and
/// session").
pub const DISCOVERY_PORT: u16 = 32761;

/// A camera's address with its credentials, as one line of text.
///
/// | part | meaning |
/// |---|---|
/// | `HOST[:PORT]` | name, IPv4, `[IPv6]` or nothing; the default port is 32761 |
/// | `uid`, `enr` | percent-encoded; a plain `+` stays a `+` |
/// | `mac` or `auth_key` | the AuthKey is derived from the MAC, or set directly |
/// | `parent_enr`, `parent_mac` | the base station of a battery camera, both or none |
/// | `model` | e.g. `HL_CAM4` |
/// | `subtype` | the picture quality: [`Subtype`] |
/// | `user_id` | the account's user ID, which some cameras require (K10006, K10008) |
/// | `dtls` | `false` is an error, see [`UrlError::WithoutDtls`] |
///
/// Other parameters are ignored. [`CameraUrl::parse_with_enr`] supplies a missing `enr`.
#[derive(Debug, Clone)]
pub struct CameraUrl {
    /// The host name or address, without brackets. `None` if it is not known.
    pub host: Option<String>,
    /// The UDP port for discovery.
    pub port: u16,
    /// The identity and keys.
    pub credentials: Credentials,
    /// The vendor's model name, if set.
    pub model: Option<String>,
    /// The requested video quality, if set.
    pub subtype: Option<Subtype>,
    /// The user ID of the vendor's account, if set.
    pub user: Option<UserId>,
}

/// The picture quality, in the words and numbers that other tools use for `subtype=`
/// (docs/protocol.md, section "Credentials and keys").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Subtype {
    /// `hd`, 0 or 4: the model's highest resolution.
    Hd,
    /// `sd`, `360p` or 1: 640 × 360.
    Sd,
    /// `720p` or 2: 1280 × 720.
    P720,
    /// `1080p`: 1920 × 1080.
    P1080,
    /// `2k` or 3: 2560 × 1440, or the highest resolution of a model without it.
    TwoK,
}

impl Subtype {
    /// The accepted text, for error messages.
    pub const ALLOWED: &'static str = "hd, sd, 360p, 720p, 1080p, 2k or 0 to 4";

    /// Returns the word for this picture quality in a camera's URL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hd => "hd",
            Self::Sd => "sd",
            Self::P720 => "720p",
            Self::P1080 => "1080p",
            Self::TwoK => "2k",
        }
    }

    /// Returns the command that selects this picture quality. An unknown model is treated as a
    /// 1080p camera.
    #[must_use]
    pub fn request(self, model: Option<&str>) -> Request {
        let profile = command_profile(model);
        let best = profile.max_resolution;
        let (resolution, bitrate) = match self {
            Self::Sd => (Resolution::P360, Bitrate::SD),
            Self::P720 => (Resolution::P720, Bitrate::HD),
            Self::P1080 => (Resolution::P1080, Bitrate::HD),
            // Models that have 2K have it as their highest resolution.
            Self::Hd | Self::TwoK => (best, Bitrate::HD),
        };
        profile.set_video(resolution, bitrate, None)
    }
}

impl FromStr for Subtype {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        Ok(match text.to_ascii_lowercase().as_str() {
            // 4 is the highest resolution of the floodlight, which has another code for it.
            "hd" | "0" | "4" => Self::Hd,
            "sd" | "360p" | "1" => Self::Sd,
            "720p" | "2" => Self::P720,
            "1080p" => Self::P1080,
            "2k" | "3" => Self::TwoK,
            _ => return Err(UrlError::Subtype(text.to_owned())),
        })
    }
}

/// Text that is not a camera address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// The text does not begin with `wyze://`.
    #[error("a camera address begins with wyze://")]
    Scheme,
    /// The host is malformed.
    #[error(
        "invalid host after wyze://: expected a name, an IPv4 address, an IPv6 address in brackets, or nothing"
    )]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("invalid port {0:?}: expected 1 to 65535")]
    Port(String),
    /// A required parameter is missing.
    #[error("the camera address has no `{0}=`")]
    Missing(&'static str),
    /// A percent-encoded value is not UTF-8.
    #[error("the value of `{0}=` is not UTF-8")]
    Encoding(String),
    /// `subtype` is not a known quality.
    #[error("invalid subtype {0:?}: expected {allowed}", allowed = Subtype::ALLOWED)]
    Subtype(String),
    /// `dtls=false`: some cameras, most with old firmware, are reached without DTLS.
    #[error(
        "the address says dtls=false: how cameras are reached without DTLS is not documented anywhere public, and tutk cannot do it; update the firmware, and remove `dtls=false` if the camera has DTLS"
    )]
    WithoutDtls,
    /// `user_id` is empty or too long.
    #[error("invalid user ID of {0} bytes: expected 1 to 255")]
    UserId(usize),
    /// UID, ENR, MAC or AuthKey is malformed.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
}

impl CameraUrl {
    /// Returns the host and the port, in a form that `std::net::ToSocketAddrs` resolves. The host
    /// is empty if it is not known.
    #[must_use]
    pub fn host_and_port(&self) -> (&str, u16) {
        (self.host.as_deref().unwrap_or_default(), self.port)
    }

    /// Parses a URL. `enr` is used if the URL has none.
    ///
    /// # Errors
    /// [`UrlError`] names the missing or malformed part. It never contains a secret.
    pub fn parse_with_enr(text: &str, enr: Option<&str>) -> Result<Self, UrlError> {
        let rest = text
            .trim()
            .strip_prefix("wyze://")
            .ok_or(UrlError::Scheme)?;
        let (authority, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (host, port) = split_authority(authority.trim_end_matches('/'))?;

        let query = query.split('#').next().unwrap_or_default();
        let get = |name: &'static str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, _)| key.eq_ignore_ascii_case(name))
                .map(|(_, value)| {
                    percent_decode_str(value)
                        .decode_utf8()
                        .map_err(|_| UrlError::Encoding(name.to_owned()))
                })
                .transpose()
        };
        let need = |name| get(name)?.ok_or(UrlError::Missing(name));

        let uid = need("uid")?;
        let enr = match get("enr")? {
            Some(enr) => enr,
            None => Cow::Borrowed(enr.ok_or(UrlError::Missing("enr"))?),
        };
        let [mac, auth_key] = [get("mac")?, get("auth_key")?];
        let [parent_enr, parent_mac] = [get("parent_enr")?, get("parent_mac")?];
        let credentials = Credentials::from_parts(CredentialParts {
            uid: &uid,
            enr: &enr,
            mac: mac.as_deref(),
            auth_key: auth_key.as_deref(),
            parent_enr: parent_enr.as_deref(),
            parent_mac: parent_mac.as_deref(),
        })?;
        let dtls = get("dtls")?;
        if dtls.is_some_and(|dtls| dtls.eq_ignore_ascii_case("false") || dtls == "0") {
            return Err(UrlError::WithoutDtls);
        }
        let subtype = get("subtype")?.as_deref().map(str::parse).transpose()?;
        let user = get("user_id")?
            .map(|id| UserId::new(id.as_bytes()).map_err(|_| UrlError::UserId(id.len())))
            .transpose()?;
        Ok(Self {
            host,
            port,
            credentials,
            model: get("model")?.map(Cow::into_owned),
            subtype,
            user,
        })
    }
}

/// Parses `HOST`, `HOST:PORT`, `[V6]`, `[V6]:PORT`, `:PORT` or nothing.
fn split_authority(authority: &str) -> Result<(Option<String>, u16), UrlError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        match rest.split_once(']').ok_or(UrlError::Host)? {
            (host, "") => (host, None),
            (host, rest) => (host, Some(rest.strip_prefix(':').ok_or(UrlError::Host)?)),
        }
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let bracketed = authority.starts_with('[');
    if (host.is_empty() && bracketed) || host.contains(['@', '/', ' ']) {
        return Err(UrlError::Host);
    }
    let port = match port {
        None => DISCOVERY_PORT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|&port| port != 0)
            .ok_or_else(|| UrlError::Port(text.to_owned()))?,
    };
    Ok(((!host.is_empty()).then(|| host.to_owned()), port))
}

impl FromStr for CameraUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse_with_enr(text, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use alloc::vec;

    const KEYS: &str = "uid=HSBJYB5HSETGCDWD111A&enr=aKzdqckqZ8HUHF%2B5&mac=AABBCCDDEEFF";

    #[test]
    fn parses_all_parameters() {
        let url: CameraUrl = format!("wyze://192.0.2.7?{KEYS}&model=HL_CAM4&subtype=sd&dtls=true")
            .parse()
            .unwrap();
        assert_eq!(url.host.as_deref(), Some("192.0.2.7"));
        assert_eq!(url.port, DISCOVERY_PORT);
        assert_eq!(url.credentials.enr.reveal(), b"aKzdqckqZ8HUHF+5");
        assert_eq!(url.model.as_deref(), Some("HL_CAM4"));
        assert_eq!(url.subtype, Some(Subtype::Sd));
    }

    #[test]
    fn parses_port_ipv6_and_plain_plus() {
        let url: CameraUrl =
            "wyze://[::1]:4000/?uid=HSBJYB5HSETGCDWD111A&enr=aKzdqckqZ8HUHF+5&auth_key=qZwi9FaB"
                .parse()
                .unwrap();
        assert_eq!((url.host.as_deref(), url.port), (Some("::1"), 4000));
        assert_eq!(url.credentials.enr.reveal(), b"aKzdqckqZ8HUHF+5");
        assert_eq!(&url.credentials.auth_key.0, b"qZwi9FaB");
    }

    #[test]
    fn host_is_optional() {
        for (authority, port) in [("", DISCOVERY_PORT), ("/", DISCOVERY_PORT), (":4000", 4000)] {
            let url: CameraUrl = format!("wyze://{authority}?{KEYS}").parse().unwrap();
            assert_eq!((url.host, url.port), (None, port), "{authority}");
        }
    }

    #[test]
    fn separate_enr_replaces_a_missing_one() {
        let bare = "wyze://cam?uid=HSBJYB5HSETGCDWD111A&mac=AABBCCDDEEFF";
        assert_eq!(
            bare.parse::<CameraUrl>().unwrap_err(),
            UrlError::Missing("enr")
        );
        let url = CameraUrl::parse_with_enr(bare, Some("aKzdqckqZ8HUHFe5")).unwrap();
        assert_eq!(url.credentials.enr.reveal(), b"aKzdqckqZ8HUHFe5");
    }

    #[test]
    fn error_names_the_mistake() {
        for (text, error) in [
            ("rtsp://cam", UrlError::Scheme),
            ("wyze://?uid=1", UrlError::Missing("enr")),
            ("wyze://[]?uid=1", UrlError::Host),
            ("wyze://user@h?uid=1", UrlError::Host),
            ("wyze://[::1]4000", UrlError::Host),
            ("wyze://cam:0", UrlError::Port("0".into())),
            ("wyze://cam:99999", UrlError::Port("99999".into())),
            ("wyze://cam", UrlError::Missing("uid")),
            (
                "wyze://cam?uid=HSBJYB5HSETGCDWD111A&enr=aKzdqckqZ8HUHFe5",
                UrlError::Credentials(CredentialsError::NoAuthKey),
            ),
        ] {
            assert_eq!(text.parse::<CameraUrl>().unwrap_err(), error, "{text}");
        }
        for (parameter, error) in [
            ("subtype=4k", UrlError::Subtype("4k".into())),
            ("subtype=5", UrlError::Subtype("5".into())),
            ("dtls=false", UrlError::WithoutDtls),
            (
                "parent_mac=AABBCCDDEE00",
                UrlError::Credentials(CredentialsError::MissingParent("parent_enr")),
            ),
            (
                "parent_enr=GkB9S7cX38GgzSC6",
                UrlError::Credentials(CredentialsError::MissingParent("parent_mac")),
            ),
            (
                "parent_enr=half&parent_mac=AABBCCDDEE00",
                UrlError::Credentials(CredentialsError::ParentEnr(4)),
            ),
        ] {
            let url = format!("wyze://cam?{KEYS}&{parameter}");
            assert_eq!(url.parse::<CameraUrl>().unwrap_err(), error, "{parameter}");
        }
        let text = UrlError::Subtype("4k".into()).to_string();
        assert!(text.contains("hd") && text.contains("0 to 4"), "{text}");
    }

    #[test]
    fn subtypes_of_other_tools_are_accepted() {
        for (text, subtype) in [
            ("hd", Subtype::Hd),
            ("HD", Subtype::Hd),
            ("0", Subtype::Hd),
            ("sd", Subtype::Sd),
            ("360p", Subtype::Sd),
            ("1", Subtype::Sd),
            ("720p", Subtype::P720),
            ("2", Subtype::P720),
            ("1080p", Subtype::P1080),
            ("2k", Subtype::TwoK),
            ("2K", Subtype::TwoK),
            ("3", Subtype::TwoK),
            ("4", Subtype::Hd),
        ] {
            let url = format!("wyze://cam?{KEYS}&subtype={text}");
            let url: CameraUrl = url.parse().unwrap();
            assert_eq!(url.subtype, Some(subtype), "{text}");
        }
    }

    #[test]
    fn parent_keys_are_those_of_the_base_station() {
        let parent = "parent_enr=GkB9S7cX38%2BgzSC6&parent_mac=aa:bb:cc:dd:ee:00";
        let url: CameraUrl = format!("wyze://cam?{KEYS}&{parent}&dtls=true")
            .parse()
            .unwrap();
        let station = url.credentials.base_station.unwrap();
        assert_eq!(station.enr.reveal(), b"GkB9S7cX38+gzSC6");
        assert_eq!(station.mac.to_string(), "AABBCCDDEE00");
        let derived = crate::derive_auth_key("GkB9S7cX38+gzSC6", &station.mac);
        assert_eq!(url.credentials.auth_key, derived);
        // An explicit AuthKey is kept.
        let url: CameraUrl = format!("wyze://cam?{KEYS}&{parent}&auth_key=qZwi9FaB")
            .parse()
            .unwrap();
        assert_eq!(&url.credentials.auth_key.0, b"qZwi9FaB");
        assert!(url.credentials.base_station.is_some());
    }

    #[test]
    fn each_model_family_gets_its_own_command() {
        for (model, subtype, code, payload) in [
            // Resolution code + 1, bitrate, frames per second unchanged.
            (None, Subtype::Hd, 10056, vec![1, 120, 0, 0, 0]),
            (Some("HL_CAM4"), Subtype::Hd, 10056, vec![4, 120, 0, 0, 0]),
            (Some("HL_BC"), Subtype::Hd, 10056, vec![5, 120, 0, 0, 0]),
            (Some("HL_CAM4"), Subtype::Sd, 10056, vec![2, 60, 0, 0, 0]),
            (Some("HL_BC"), Subtype::P720, 10056, vec![3, 120, 0, 0, 0]),
            (Some("HL_BC"), Subtype::P1080, 10056, vec![1, 120, 0, 0, 0]),
            (Some("HL_BC"), Subtype::TwoK, 10056, vec![5, 120, 0, 0, 0]),
            (Some("HL_CAM4"), Subtype::TwoK, 10056, vec![4, 120, 0, 0, 0]),
            (None, Subtype::TwoK, 10056, vec![1, 120, 0, 0, 0]),
            // Bitrate, resolution code + 1, frames per second and both flips unchanged.
            (
                Some("WYZEDB3"),
                Subtype::Hd,
                10052,
                vec![120, 0, 1, 0, 0, 0],
            ),
        ] {
            let request = subtype.request(model);
            assert_eq!(
                (request.code, request.payload),
                (code, payload),
                "{model:?}"
            );
        }
    }
}
