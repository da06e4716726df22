//! `tutk passwd`, and users, HTTPS and RTSPS of `tutk serve`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and use files and processes"
)]

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use common::{Run, Service, Simulator, command, text, with_input};
use testkit::tools::output_or_skip;

/// Runs `tutk passwd` with the password as its input.
fn passwd(config: &Path, user: &[&str], password: &str) -> Run {
    let args = [&["passwd", "--config", text(config)], user].concat();
    with_input(&mut command(args), &format!("{password}\n"))
}

#[test]
fn passwd_writes_a_hash_into_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("new/cameras.toml");
    let printed = passwd(&config, &[], "secret");
    printed.exits(0);
    assert!(
        printed
            .stdout
            .starts_with(b"$argon2id$v=19$m=19456,t=2,p=1$")
    );
    assert!(!config.exists());

    passwd(&config, &["anna"], "secret").exits(0);
    let first = fs::read_to_string(&config).unwrap();
    assert!(
        first.starts_with("[users]\n\"anna\" = \"$argon2id$"),
        "{first}"
    );
    assert!(!first.contains("secret"));
    passwd(&config, &["anna"], "secret").exits(0);
    let second = fs::read_to_string(&config).unwrap();
    assert_ne!(first, second, "another salt");
    assert_eq!(second.lines().count(), 2);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&config).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    passwd(&config, &["a:b"], "secret").exits(2);
    passwd(&config, &["anna"], "").exits(2);
    assert_eq!(fs::read_to_string(&config).unwrap(), second);
}

#[test]
fn https_has_a_certificate_of_its_own_with_a_printed_fingerprint() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let camera = Simulator::start(&[]);
    let file = format!(
        "[serve]\nrtsp = \"off\"\nhttp = \"off\"\nhttps = \"127.0.0.1:0\"\nrtsps = \"127.0.0.1:0\"\n\
         [users]\nben = {{ password = \"x\", role = \"view\", cameras = [\"front\"] }}\n\
         [cameras.front]\nurl = \"{}\"\n",
        camera.url
    );
    common::write_private(&config, &file);
    passwd(&config, &["ben"], "secret").exits(0);
    let mut fingerprints = Vec::new();
    for _ in 0..2 {
        let mut service = Service::start(&["serve", "--config", text(&config)]);
        let page = service.wait_for("https://");
        service.wait_for("rtsps://");
        let line = service.wait_for("certificate SHA-256 ");
        fingerprints.push(line.rsplit(' ').next().unwrap().to_owned());
        let certificate = folder.path().join("tutk-cert.pem");
        let mut curl = Command::new("curl");
        curl.args(["-sS", "-u", "ben:secret", "--cacert", text(&certificate)]);
        if let Some(user) = output_or_skip(curl.arg(format!("{page}api/user")), "curl") {
            assert!(user.contains("\"role\":\"view\""), "{user}");
        }
        service.stop("-TERM");
    }
    let certificate = folder.path().join("tutk-cert.pem");
    let mut openssl = Command::new("openssl");
    openssl.args(["x509", "-noout", "-enddate", "-in", text(&certificate)]);
    if let Some(end) = output_or_skip(&mut openssl, "openssl") {
        assert!(end.trim_end().ends_with(" 4096 GMT"), "{end}");
    }
    // The second start uses the certificate of the first one.
    assert_eq!(fingerprints[0], fingerprints[1]);
    assert_eq!(fingerprints[0].len(), 32 * 3 - 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let key = fs::metadata(folder.path().join("tutk-key.pem")).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
    }
}
