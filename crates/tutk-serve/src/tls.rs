//! TLS for the servers, with a certificate from files that is loaded again when they change.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::clock::now;
use crate::error::Error;
use crate::log_limit::log_limited;

pub(crate) type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

/// The minimum time between two checks of the files.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// The certificate and the private key of servers that use TLS 1.2 or 1.3. Clones share them.
///
/// The files are loaded again when they have changed, for connections that begin at least five
/// seconds later. If they are invalid then, the loaded certificate stays in use.
#[derive(Debug, Clone)]
pub struct TlsConfig(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    certificate: PathBuf,
    key: PathBuf,
    loaded: Mutex<Loaded>,
}

#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    fingerprint: [u8; 32],
    version: Version,
    checked: Instant,
}

/// The times and sizes of both files.
type Version = [Option<(SystemTime, u64)>; 2];

impl TlsConfig {
    /// Loads a certificate, with the certificates of its issuers after it, and its key, both in
    /// PEM.
    ///
    /// # Errors
    /// [`Error::Tls`] if a file cannot be read, or if they do not belong together.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, Error> {
        Ok(Self(Arc::new(Shared {
            loaded: Mutex::new(load(certificate, key)?),
            certificate: certificate.to_owned(),
            key: key.to_owned(),
        })))
    }

    /// Returns the SHA-256 fingerprint of the certificate, as browsers show it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let fingerprint = self.lock().fingerprint;
        let bytes: Vec<_> = fingerprint
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        bytes.join(":")
    }

    /// Performs the handshake of a connection.
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream> {
        TlsAcceptor::from(self.current()).accept(stream).await
    }

    /// Returns the configuration, after loading changed files.
    fn current(&self) -> Arc<ServerConfig> {
        let Shared {
            certificate, key, ..
        } = &*self.0;
        let now = now();
        let mut loaded = self.lock();
        if now.duration_since(loaded.checked) >= CHECK_INTERVAL {
            loaded.checked = now;
            if loaded.version != version(certificate, key) {
                match load(certificate, key) {
                    Ok(new) => {
                        *loaded = new;
                        tracing::info!(file = %certificate.display(), "certificate loaded");
                    }
                    Err(error) => {
                        log_limited!(warn, %error, "the earlier certificate stays in use");
                    }
                }
            }
        }
        Arc::clone(&loaded.config)
    }

    fn lock(&self) -> MutexGuard<'_, Loaded> {
        self.0.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn version(certificate: &Path, key: &Path) -> Version {
    let of = |file: Metadata| Some((file.modified().ok()?, file.len()));
    [certificate, key].map(|path| fs::metadata(path).ok().and_then(of))
}

fn load(certificate: &Path, key: &Path) -> Result<Loaded, Error> {
    let version = version(certificate, key);
    let error = |path: &Path, problem: String| Error::Tls {
        file: path.display().to_string(),
        problem,
    };
    let read = |path: &Path| fs::read(path).map_err(|source| error(path, source.to_string()));
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<_, _>>()
        .map_err(|source| error(certificate, source.to_string()))?;
    let first = chain
        .first()
        .ok_or_else(|| error(certificate, "the file contains no certificate".to_owned()))?;
    let fingerprint = Sha256::digest(first).into();
    let private = zeroize::Zeroizing::new(read(key)?);
    let private =
        PrivateKeyDer::from_pem_slice(&private).map_err(|source| error(key, source.to_string()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder
                .with_no_client_auth()
                .with_single_cert(chain, private)
        })
        .map_err(|source| error(certificate, source.to_string()))?;
    Ok(Loaded {
        config: Arc::new(config),
        fingerprint,
        version,
        checked: now(),
    })
}
