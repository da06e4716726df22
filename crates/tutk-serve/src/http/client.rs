//! The client of a request: its address, and the security of its connection.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr as _;

use axum::extract::ConnectInfo;
use axum::http::StatusCode;
use axum::http::header::{HeaderMap, HeaderName};
use axum::http::request::Parts;
use ipnet::IpNet;

use super::problem::Problem;
use super::server::IsTls;
use super::state::AppState;
use crate::log_limit::log_limited;

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

pub(super) const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The client that made a request.
pub(super) struct Client {
    /// Its address, behind trusted proxies.
    pub(super) address: IpAddr,
    /// The connection is encrypted with TLS, also that of a trusted proxy.
    pub(super) secure: bool,
    /// The connection does not leave this machine.
    local: bool,
}

impl Client {
    pub(super) fn of(state: &AppState, request: &Parts) -> Self {
        let peer = request.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer = peer.map_or([0; 4].into(), |ConnectInfo(peer)| peer.ip());
        let headers = &request.headers;
        let address = client_address(headers, peer, &state.trusted_proxies);
        // What a trusted proxy says about the connection to its client.
        let proxied = is_trusted(&state.trusted_proxies, &peer.to_canonical())
            .then(|| headers.get(X_FORWARDED_PROTO))
            .flatten()
            .map(|scheme| scheme.as_bytes().eq_ignore_ascii_case(b"https"));
        Self {
            address,
            secure: proxied.unwrap_or_else(|| request.extensions.get::<IsTls>().is_some()),
            local: proxied != Some(false) && address.is_loopback(),
        }
    }

    /// Returns an error if a password or cookie of this client can be read on the network.
    pub(super) fn check_transport(&self, state: &AppState) -> Result<(), Problem> {
        if self.secure || self.local || state.allow_plain_auth {
            return Ok(());
        }
        log_limited!(warn, peer = %self.address, "refused over plain HTTP: see allow_plain_auth");
        let error = "this server does not accept passwords over plain HTTP";
        let advice = "use its https:// address, or set allow_plain_auth = true in [serve] if \
                      other hosts in this network may read the password";
        Err(Problem::new(StatusCode::FORBIDDEN, error, advice))
    }
}

fn is_trusted(proxies: &[IpNet], address: &IpAddr) -> bool {
    proxies.iter().any(|proxy| proxy.contains(address))
}

/// Returns the address of a client that may be behind trusted proxies. Each proxy appends the
/// address of its client to `X-Forwarded-For`, so that the last ones are trustworthy.
fn client_address(headers: &HeaderMap, peer: IpAddr, trusted_proxies: &[IpNet]) -> IpAddr {
    let forwarded = headers.get_all(X_FORWARDED_FOR).iter().rev();
    let forwarded = forwarded.flat_map(|value| value.to_str().unwrap_or_default().rsplit(','));
    let mut client = peer.to_canonical();
    for address in forwarded {
        let Some(address) =
            forwarded_address(address.trim()).filter(|_| is_trusted(trusted_proxies, &client))
        else {
            break;
        };
        client = address.to_canonical();
    }
    client
}

/// Parses an address with or without a port.
fn forwarded_address(text: &str) -> Option<IpAddr> {
    let address = IpAddr::from_str(text).ok();
    address.or_else(|| SocketAddr::from_str(text).ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_trusted_proxies_may_name_the_client() {
        let trusted = ["127.0.0.1/32", "10.0.0.0/8", "fd00::/8"];
        let trusted = trusted.map(|proxy| proxy.parse().unwrap());
        let client = |peer: &str, forwarded: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in forwarded {
                headers.append(X_FORWARDED_FOR, value.parse().unwrap());
            }
            client_address(&headers, peer.parse().unwrap(), &trusted).to_string()
        };
        for (peer, forwarded, expected) in [
            ("127.0.0.1", &[][..], "127.0.0.1"),
            ("127.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("::ffff:127.0.0.1", &["192.0.2.1:4711"], "192.0.2.1"),
            ("127.0.0.1", &["[2001:db8::1]:80"], "2001:db8::1"),
            ("fd00::1", &["2001:db8::1"], "2001:db8::1"),
            // The client itself sent the first address.
            ("127.0.0.1", &["1.1.1.1, 192.0.2.1, 10.0.0.3"], "192.0.2.1"),
            ("127.0.0.1", &["1.1.1.1", "192.0.2.1,10.0.0.3"], "192.0.2.1"),
            ("127.0.0.1", &["1.1.1.1, unknown"], "127.0.0.1"),
            ("127.0.0.1", &["192.0.2.1, unknown, 10.0.0.3"], "10.0.0.3"),
            ("192.0.2.7", &["192.0.2.1"], "192.0.2.7"),
        ] {
            assert_eq!(client(peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }
}
