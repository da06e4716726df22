//! Parses the argument CAMERA and resolves its host name.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use tutk_runtime::tutk_session::{CameraUrl, ClientConfig, MediaRequest, Phase};
use tutk_serve::CameraSettings;

use crate::config::{self, NamedCamera, Network};
use crate::dialect_choice::DialectChoice;
use crate::failure::{Failure, Status};
use crate::models::not_tutk;
use crate::resend_choice::ResendChoice;
use crate::secret_text::{ENR_VARIABLE, SecretText};
use crate::signals::Stop;

/// The time limit for a name lookup.
const LOOKUP: Duration = Duration::from_secs(5);

/// The camera that an argument selects.
#[derive(Debug, Clone)]
pub(crate) struct SelectedCamera {
    pub(crate) url: CameraUrl,
    /// The name in the configuration file.
    pub(crate) name: Option<String>,
    pub(crate) network: Network,
}

impl Deref for SelectedCamera {
    type Target = CameraUrl;

    fn deref(&self) -> &CameraUrl {
        &self.url
    }
}

impl From<NamedCamera> for SelectedCamera {
    fn from(named: NamedCamera) -> Self {
        Self {
            url: named.camera,
            name: Some(named.name),
            network: named.network,
        }
    }
}

/// Returns the ENR from the environment, for cameras without an own one.
pub(crate) fn enr_from_environment() -> Option<SecretText> {
    let enr = std::env::var(ENR_VARIABLE).ok();
    enr.filter(|enr| !enr.is_empty()).map(SecretText::from)
}

/// Parses a `wyze://` address, or finds the named camera in the configuration file. Models of
/// another protocol are errors.
pub(crate) fn read(text: &SecretText, file: Option<&Path>) -> Result<SelectedCamera, Failure> {
    let camera = read_any_model(text, file)?;
    if let Some(what) = camera.model.as_deref().and_then(not_tutk) {
        let advice = "use the vendor's app for this camera, or remove `model` if it is wrong";
        return Err(Failure::usage("arguments", what, advice));
    }
    Ok(camera)
}

/// As [`read`], for any model.
pub(crate) fn read_any_model(
    text: &SecretText,
    file: Option<&Path>,
) -> Result<SelectedCamera, Failure> {
    let enr = enr_from_environment();
    let enr = enr.as_ref().map(SecretText::reveal);
    let text = text.reveal();
    // An address without its scheme is no name, and must not be quoted in an error.
    if !text.contains("://") && !text.contains('?') {
        return Ok(config::find(file, text, enr)?.into());
    }
    let url = CameraUrl::parse_with_enr(text, enr).map_err(|error| {
        let advice = "use the form wyze://HOST[:PORT]?uid=…&enr=…&mac=…, in quotes";
        Failure::usage("arguments", error.to_string(), advice)
    })?;
    Ok(SelectedCamera {
        url,
        name: None,
        network: Network::default(),
    })
}

/// Returns the settings of a camera in a hub. A host name is looked up again before each attempt to
/// connect, and the video quality is set in each session.
pub(crate) fn settings(
    camera: CameraUrl,
    address: SocketAddr,
    network: &Network,
    dialect: &DialectChoice,
    resend: ResendChoice,
    audio: bool,
) -> CameraSettings {
    let host = camera.host.clone();
    let quality = (camera.subtype).map(|subtype| subtype.request(camera.model.as_deref()));
    let media = MediaRequest { video: true, audio };
    let mut settings = CameraSettings::new(client(camera, address, network, dialect, media));
    settings.client.resend = resend.policy();
    settings.policy.host = host.filter(|host| host.parse::<IpAddr>().is_err());
    settings.policy.search = network.searches();
    settings.initial_commands = quality.into_iter().collect();
    settings
}

/// Returns the configuration of a client of the camera at `address`.
pub(crate) fn client(
    camera: CameraUrl,
    address: SocketAddr,
    network: &Network,
    dialect: &DialectChoice,
    media: MediaRequest,
) -> ClientConfig {
    let mut client = ClientConfig::for_url(address, camera);
    client.media = media;
    client.local_ports = network.local_ports();
    client.fast_connect = network.connects_fast();
    if let Some(dialects) = dialect.chosen() {
        client.dialects = dialects;
    }
    client
}

/// Returns the camera's address if it is known without a lookup, otherwise an unspecified one.
pub(crate) fn literal_address(camera: &CameraUrl) -> SocketAddr {
    let ip = camera.host.as_deref().and_then(|host| host.parse().ok());
    let ip = ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    SocketAddr::new(ip, camera.port)
}

/// Resolves the camera's address, and returns an unspecified one if it has no host. Prefers IPv4.
///
/// An unknown name has the same exit status as an address that does not answer.
pub(crate) async fn resolve(camera: &CameraUrl, stop: &mut Stop) -> Result<SocketAddr, Failure> {
    let Some(host) = camera.host.as_deref() else {
        return Ok(literal_address(camera));
    };
    let not_found = |why: String| {
        let what = format!("host {host:?} was not found: {why}");
        let advice = "check the name, or give the camera's IP address";
        Failure::new(Status::Silent, Phase::Discovery.name(), what, advice)
    };
    tokio::select! {
        found = lookup(host, camera.port, LOOKUP) => found.map_err(not_found),
        () = stop.requested() => Err(Failure::interrupted(Phase::Discovery.name())),
    }
}

/// Looks up a host name, and returns one of its addresses or what failed. Prefers IPv4, which most
/// cameras use.
pub(crate) async fn lookup(host: &str, port: u16, limit: Duration) -> Result<SocketAddr, String> {
    match tokio::time::timeout(limit, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(addresses)) => addresses
            .min_by_key(SocketAddr::is_ipv6)
            .ok_or_else(|| "it has no address".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("the name server does not answer".to_owned()),
    }
}

/// Says where a camera was found that has another address than the known one.
pub(crate) fn moved(name: Option<&str>, to: SocketAddr) -> String {
    match name {
        Some(name) => {
            format!("the camera is at {to} now; `tutk discover {name} --write` stores that")
        }
        None => format!("the camera is at {to} now; use this address from now on"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_models_of_another_protocol() {
        let address = "wyze://h?uid=HSBJYB5HSETGCDWD111A&enr=aKzdqckqZ8HUHFe5&mac=AABBCCDDEEFF";
        let read = |model| read(&format!("{address}&model={model}").parse().unwrap(), None);
        assert!(read("HL_CAM4").is_ok());
        for model in ["GW_GC1", "AN_RSCW", "LD_CFP"] {
            let failure = read(model).unwrap_err();
            assert!(failure.to_string().contains(model), "{failure}");
            assert_eq!(failure.status, Status::Usage);
        }
    }

    #[test]
    fn rejects_an_invalid_address() {
        for text in ["rtsp://cam", "192.0.2.1?enr=aKzdqckqZ8HUHFe5"] {
            let failure = read(&text.parse().unwrap(), None).unwrap_err();
            let found = (failure.status, failure.phase);
            assert_eq!(found, (Status::Usage, "arguments"));
            assert!(!failure.to_string().contains("aKzd"), "{failure}");
            assert!(failure.to_string().contains("wyze://"), "{failure}");
        }
    }
}
