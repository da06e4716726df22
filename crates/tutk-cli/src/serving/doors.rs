//! The servers by which the cameras are reached.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tutk_serve::{Error, HttpConfig, HttpServer, Hub, RtspConfig, RtspServer, path_segment};

use super::plan::Servers;
use crate::failure::Failure;

/// Those that listen.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    rtsp: Option<RtspServer>,
    http: Option<HttpServer>,
}

impl Doors {
    /// All of them, or none.
    pub(crate) async fn open(hub: &Hub, servers: &Servers) -> Result<Self, Failure> {
        let rtsp = match servers.rtsp {
            None => None,
            Some(address) => {
                let mut config = RtspConfig::new(address);
                config.udp = servers.rtsp_udp;
                config.accounts = servers.accounts()?;
                let server = RtspServer::start(hub.clone(), config).await;
                Some(server.map_err(|error| refused("RTSP", "--rtsp", address, &error))?)
            }
        };
        let http = match servers.http {
            None => None,
            Some(address) => {
                let mut config = HttpConfig::new(address);
                config.accounts = servers.accounts()?;
                config.allow_open = servers.no_auth;
                config.names.clone_from(&servers.http_names);
                config.rtsp_port = rtsp.as_ref().map(|rtsp| rtsp.local_addr().port());
                let server = HttpServer::start(hub.clone(), config).await;
                Some(server.map_err(|error| refused("HTTP", "--http", address, &error))?)
            }
        };
        Ok(Self { rtsp, http })
    }

    /// Where cameras of these names can be watched from here, one line each; first the page of all.
    pub(crate) fn addresses<'a>(&self, names: impl Iterator<Item = &'a String>) -> Vec<String> {
        let http = self.http.as_ref().map(HttpServer::local_addr);
        let page = http.map(|http| format!("http://{}/", reachable(http)));
        let rtsp = self.rtsp.as_ref().map(RtspServer::local_addr);
        let cameras = names.filter_map(|name| {
            rtsp.map(|rtsp| format!("rtsp://{}/{}", reachable(rtsp), path_segment(name)))
        });
        page.into_iter().chain(cameras).collect()
    }

    /// Clients are told.
    pub(crate) async fn close(self) {
        let rtsp = async {
            if let Some(rtsp) = self.rtsp {
                rtsp.close().await;
            }
        };
        let http = async {
            if let Some(http) = self.http {
                http.close().await;
            }
        };
        tokio::join!(rtsp, http);
    }
}

fn refused(what: &str, option: &str, address: SocketAddr, error: &Error) -> Failure {
    let advice = format!("use another {option} ADDRESS:PORT, or stop the program that has it");
    Failure::other("listen", format!("{what} at {address}: {error}"), advice)
}

/// The address by which this machine reaches it.
fn reachable(address: SocketAddr) -> SocketAddr {
    let own = match address {
        SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    match address.ip().is_unspecified() {
        true => SocketAddr::new(own, address.port()),
        false => address,
    }
}
