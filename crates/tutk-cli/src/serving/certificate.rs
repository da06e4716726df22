//! The certificate of HTTPS and RTSPS: from files, or one of the program's own.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rcgen::{CertificateParams, DnType, KeyPair};
use tutk_serve::TlsConfig;

use crate::failure::Failure;
use crate::private_file;

/// The names of the own files.
const CERTIFICATE: &str = "tutk-cert.pem";
const KEY: &str = "tutk-key.pem";

/// Loads the certificate and the key of the configuration, or own ones, which are created at the
/// first start. `folder` is the directory of the configuration file, and `names` are further host
/// names.
pub(super) fn load(
    files: Option<&[PathBuf; 2]>,
    folder: &Path,
    names: &[String],
) -> Result<TlsConfig, Failure> {
    let invalid = |error: tutk_serve::Error| {
        let advice = "correct `cert` and `key` in [serve], or remove both to use a certificate of tutk's own";
        Failure::usage("arguments", error.to_string(), advice)
    };
    if let Some([certificate, key]) = files {
        return TlsConfig::from_files(certificate, key).map_err(invalid);
    }
    let folder = state_folder().unwrap_or_else(|| folder.to_owned());
    let [certificate, key] = [CERTIFICATE, KEY].map(|name| folder.join(name));
    if !certificate.exists() || !key.exists() {
        make(&certificate, &key, names).map_err(|error| {
            let what = format!("cannot make a certificate in {}: {error}", folder.display());
            let advice = "make the directory writable, or set `cert` and `key` in [serve]";
            Failure::other("start", what, advice)
        })?;
    }
    TlsConfig::from_files(&certificate, &key).map_err(invalid)
}

/// Returns the directory that systemd provides with `StateDirectory=`.
fn state_folder() -> Option<PathBuf> {
    let folders = std::env::var_os("STATE_DIRECTORY")?;
    std::env::split_paths(&folders).next()
}

/// Creates a self-signed certificate for this machine. Clients store it or its fingerprint, so it
/// is not replaced and practically does not expire.
fn make(certificate: &Path, key: &Path, names: &[String]) -> io::Result<()> {
    let mut subjects = vec!["localhost".to_owned()];
    subjects.extend(names.iter().cloned());
    let addresses = if_addrs::get_if_addrs().unwrap_or_default();
    subjects.extend(
        addresses
            .iter()
            .map(|interface| interface.ip())
            .filter_map(|ip| {
                let usable = match ip {
                    IpAddr::V4(_) => true,
                    // Link-local addresses need a zone, which certificates do not contain.
                    IpAddr::V6(ip) => !ip.is_unicast_link_local(),
                };
                usable.then(|| ip.to_string())
            }),
    );
    let made = (|| {
        let mut params = CertificateParams::new(subjects)?;
        params.not_after = rcgen::date_time_ymd(4096, 1, 1);
        params.distinguished_name.push(DnType::CommonName, "tutk");
        let pair = KeyPair::generate()?;
        Ok::<_, rcgen::Error>((params.self_signed(&pair)?, pair))
    })();
    let (made, pair) = made.map_err(io::Error::other)?;
    private_file::write(key, &zeroize::Zeroizing::new(pair.serialize_pem()))?;
    private_file::write(certificate, &made.pem())
}
