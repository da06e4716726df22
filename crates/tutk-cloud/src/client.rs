//! The HTTPS client.

use std::sync::Arc;
use std::time::Duration;

use ureq::config::AutoHeaderValue;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use crate::Error;
use crate::http::{Request, Response, Service};

/// The longest response that is accepted, in bytes. The list of cameras has about 2 KB per device.
pub const MAX_RESPONSE: u64 = 4 << 20;

/// The timeout of a request, from name resolution to the end of the response.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How to reach the vendor's servers. Only tests need other values than the default.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// A server, `https://HOST[:PORT]`, that replaces the vendor's two.
    pub origin: Option<String>,
    /// Root certificates in PEM that replace the platform's.
    pub roots: Option<Vec<u8>>,
}

/// An HTTPS client without redirects, cookies and additional headers.
///
/// It uses the platform's root certificates; on Unix `SSL_CERT_FILE` and `SSL_CERT_DIR` select
/// other ones. `HTTPS_PROXY` and similar variables select a proxy, which sees only the names of the
/// servers.
///
/// ```no_run
/// use std::time::{SystemTime, UNIX_EPOCH};
/// use tutk_cloud::{Account, Client, Options};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let account = Account::from_json(&std::fs::read_to_string("account.json")?)?;
/// let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis().try_into()?;
/// let client = Client::new(&Options::default())?;
/// let response = client.send(&account.list_request(now))?;
/// println!("{} cameras", account.parse_list(&response)?.len());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Client {
    agent: ureq::Agent,
    origin: Option<String>,
}

impl Client {
    /// Creates a client. Nothing is sent.
    ///
    /// # Errors
    /// [`Error::InvalidOrigin`] and [`Error::InvalidRoots`].
    pub fn new(options: &Options) -> Result<Self, Error> {
        let origin = options.origin.as_deref().map(check_origin).transpose()?;
        let roots = match &options.roots {
            None => RootCerts::PlatformVerifier,
            Some(pem) => read_roots(pem)?,
        };
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(
                rustls::crypto::aws_lc_rs::default_provider(),
            ))
            .root_certs(roots)
            .build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .https_only(true)
            .http_status_as_error(false)
            // Secrets must not be sent to another server. A redirect is an unexpected response.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(REQUEST_TIMEOUT))
            .user_agent(AutoHeaderValue::None)
            .accept(AutoHeaderValue::None)
            .accept_encoding(AutoHeaderValue::None)
            .build()
            .new_agent();
        Ok(Self { agent, origin })
    }

    /// Sends a request and returns the response, whatever its status. Blocks for at most
    /// [`REQUEST_TIMEOUT`].
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::TimedOut`], [`Error::UntrustedServer`] and
    /// [`Error::ResponseTooLong`].
    pub fn send(&self, request: &Request) -> Result<Response, Error> {
        let origin = self.origin(request.service);
        let url = format!("{origin}{}", request.service.path());
        let failed = |error| failure(origin, error);
        let mut post = self.agent.post(&url).content_type("application/json");
        for (name, value) in &request.headers {
            post = post.header(*name, value.reveal());
        }
        let mut response = post
            .send(request.body.reveal().as_bytes())
            .map_err(failed)?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(MAX_RESPONSE);
        Ok(Response::new(status, body.read_to_vec().map_err(failed)?))
    }

    fn origin(&self, service: Service) -> &str {
        self.origin.as_deref().unwrap_or(service.origin())
    }
}

fn check_origin(origin: &str) -> Result<String, Error> {
    let origin = origin.trim_end_matches('/');
    let uri: Uri = origin.parse().map_err(|_| Error::InvalidOrigin)?;
    let bare = uri.scheme_str() == Some("https") && uri.path() == "/" && uri.query().is_none();
    bare.then(|| origin.to_owned()).ok_or(Error::InvalidOrigin)
}

fn read_roots(pem: &[u8]) -> Result<RootCerts, Error> {
    let mut roots: Vec<Certificate<'static>> = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => roots.push(certificate),
            Ok(_) => {}
            Err(error) => return Err(Error::InvalidRoots(error.to_string())),
        }
    }
    if roots.is_empty() {
        return Err(Error::InvalidRoots("no certificate found".to_owned()));
    }
    Ok(RootCerts::from(roots))
}

fn failure(origin: &str, error: ureq::Error) -> Error {
    let host = origin.trim_start_matches("https://").to_owned();
    match error {
        ureq::Error::Timeout(_) => Error::TimedOut { host },
        ureq::Error::BodyExceedsLimit(_) => Error::ResponseTooLong { host },
        ureq::Error::Rustls(error) => {
            let reason = error.to_string();
            Error::UntrustedServer { host, reason }
        }
        ureq::Error::Io(error) => {
            let reason = error.to_string();
            // A failed handshake is an I/O error that contains the error of rustls.
            let tls = error
                .get_ref()
                .is_some_and(|inner| inner.is::<rustls::Error>());
            if tls {
                Error::UntrustedServer { host, reason }
            } else {
                Error::Unreachable { host, reason }
            }
        }
        other => {
            let reason = other.to_string();
            Error::Unreachable { host, reason }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_must_be_https() {
        for good in ["https://127.0.0.1:4433", "https://cloud.example/"] {
            assert!(check_origin(good).is_ok(), "{good}");
        }
        for bad in [
            "http://cloud.example",
            "cloud.example",
            "https://",
            "https://cloud.example/path",
            "https://cloud.example?x",
            "",
        ] {
            assert_eq!(check_origin(bad), Err(Error::InvalidOrigin), "{bad}");
        }
    }

    #[test]
    fn roots_must_be_certificates() {
        for bad in [
            "",
            "not PEM",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        ] {
            let options = Options {
                roots: Some(bad.into()),
                ..Options::default()
            };
            assert!(
                matches!(Client::new(&options), Err(Error::InvalidRoots(_))),
                "{bad}"
            );
        }
    }
}
