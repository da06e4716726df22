//! The outputs of `tutk serve`: the servers that viewers connect to.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::task::JoinSet;
use tutk_serve::{
    Accounts, HttpConfig, HttpServer, Hub, Output, RtspConfig, RtspServer, TlsConfig, UrlScheme,
};

use super::plan::Servers;
use super::{certificate, descriptors};
use crate::failure::Failure;

/// The running outputs.
#[derive(Debug, Default)]
pub(crate) struct Listeners {
    rtsp: Vec<RtspServer>,
    http: Vec<HttpServer>,
    /// The fingerprint of the certificate, if there is one.
    pub(crate) fingerprint: Option<String>,
}

/// The values that all outputs share.
pub(crate) struct Shared {
    /// Wrong passwords are counted together.
    accounts: Accounts,
    tls: Option<TlsConfig>,
}

impl Shared {
    /// Creates the accounts, and loads the certificate if an output needs it.
    pub(crate) fn load(servers: &Servers) -> Result<Self, Failure> {
        let tls = (servers.rtsps.is_some() || servers.https.is_some()).then(|| {
            let names = &servers.http_names;
            certificate::load(servers.certificate.as_ref(), &servers.folder, names)
        });
        Ok(Self {
            accounts: servers.accounts()?,
            tls: tls.transpose()?,
        })
    }
}

impl Listeners {
    /// Starts all outputs, or none if one of them fails. Viewers leave the descriptors of this many
    /// cameras free.
    pub(crate) async fn open(
        hub: &Hub,
        servers: &Servers,
        Shared { accounts, tls }: Shared,
        cameras: usize,
    ) -> Result<Self, Failure> {
        let mut listeners = Self::default();
        let limits = descriptors::limits_of(servers, cameras);
        listeners.fingerprint = tls.as_ref().map(TlsConfig::fingerprint);
        for (address, tls, name, option) in [
            (servers.rtsp, None, "RTSP", "--rtsp"),
            (servers.rtsps, tls.clone(), "RTSPS", "`rtsps`"),
        ] {
            let Some(address) = address else { continue };
            let mut config = RtspConfig::new(address);
            config.udp = servers.rtsp_udp;
            config.accounts = accounts.clone();
            config.allow_plain_auth = servers.allow_plain_auth;
            config.tls = tls;
            config.max_connections = limits.rtsp;
            listeners
                .rtsp
                .push(start(hub, config, name, option, address).await?);
        }
        for (address, tls, name, option) in [
            (servers.http, None, "HTTP", "--http"),
            (servers.https, tls, "HTTPS", "`https`"),
        ] {
            let Some(address) = address else { continue };
            let mut config = HttpConfig::new(address);
            config.accounts = accounts.clone();
            config.limits.connections = limits.http;
            config.limits.viewers = limits.http_viewers;
            config.allow_anonymous = servers.no_auth;
            config.allow_plain_auth = servers.allow_plain_auth;
            config.tls = tls;
            config.names.clone_from(&servers.http_names);
            config.trusted_proxies.clone_from(&servers.trusted_proxies);
            listeners
                .http
                .push(start(hub, config, name, option, address).await?);
        }
        Ok(listeners)
    }

    /// Closes all connections.
    pub(crate) async fn close(self) {
        let mut closing = JoinSet::new();
        for server in self.rtsp {
            closing.spawn(server.close());
        }
        for server in self.http {
            closing.spawn(server.close());
        }
        closing.join_all().await;
    }
}

/// Returns the URLs of the outputs for these cameras: first the page, then each camera.
pub(crate) fn urls<'a>(hub: &Hub, names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let outputs = hub.outputs();
    let index = |output: &UrlScheme| output.index_url(&reachable_host(output.address));
    let mut urls: Vec<_> = outputs.iter().filter_map(index).collect();
    for name in names {
        let url = |output: &UrlScheme| output.camera_url(&reachable_host(output.address), name);
        urls.extend(outputs.iter().filter_map(url));
    }
    urls
}

async fn start<O: Output>(
    hub: &Hub,
    settings: O::Settings,
    name: &str,
    option: &str,
    address: SocketAddr,
) -> Result<O, Failure> {
    O::start(hub.clone(), settings).await.map_err(|error| {
        let advice = format!("use another {option} ADDRESS:PORT, or stop the program that uses it");
        Failure::other("listen", format!("{name} at {address}: {error}"), advice)
    })
}

/// Returns the host under which this machine reaches an output.
fn reachable_host(address: SocketAddr) -> String {
    match (address.ip().is_unspecified(), address) {
        (true, SocketAddr::V4(_)) => Ipv4Addr::LOCALHOST.to_string(),
        (true, SocketAddr::V6(_)) => format!("[{}]", Ipv6Addr::LOCALHOST),
        (false, SocketAddr::V4(address)) => address.ip().to_string(),
        (false, SocketAddr::V6(address)) => format!("[{}]", address.ip()),
    }
}
