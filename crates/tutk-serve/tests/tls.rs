//! HTTPS and RTSPS, with the clients of other projects.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and use files and programs"
)]

mod common;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use common::players::RtspFixture;
use common::{
    FPS, H264, camera_config, clip, hub_with_camera, loopback, nals, settings, start_camera,
};
use tempfile::TempDir;
use testkit::tools::{has_ffmpeg, has_gstreamer, output_or_skip};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tutk_serve::{
    AUTHENTICATION_TIME, HttpConfig, HttpServer, Hub, MAX_UNAUTHENTICATED_PER_ADDRESS, RtspConfig,
    RtspServer, TlsConfig,
};

/// A certificate for 127.0.0.1 and its key, in files.
struct Certificate {
    folder: TempDir,
}

impl Certificate {
    fn new() -> Self {
        let this = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        this.replace();
        this
    }

    fn replace(&self) {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        fs::write(self.certificate(), made.cert.pem()).unwrap();
        fs::write(self.key(), made.signing_key.serialize_pem()).unwrap();
    }

    fn certificate(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    fn config(&self) -> TlsConfig {
        TlsConfig::from_files(&self.certificate(), &self.key()).unwrap()
    }
}

async fn https(hub: &Hub, tls: TlsConfig) -> HttpServer {
    let mut config = HttpConfig::new(loopback());
    config.accounts.add("anna", "secret").unwrap();
    config.tls = Some(tls);
    HttpServer::start(hub.clone(), config).await.unwrap()
}

/// The fingerprint of the certificate that the server sends, by OpenSSL.
async fn fingerprint(address: SocketAddr) -> Option<String> {
    let command = format!(
        "openssl s_client -connect {address} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256"
    );
    let output = run(Command::new("sh").args(["-c", &command]), "openssl").await?;
    Some(output.trim().rsplit('=').next().unwrap().to_owned())
}

async fn run(command: &mut Command, package: &'static str) -> Option<String> {
    let mut moved = Command::new(command.get_program());
    moved.args(command.get_args());
    tokio::task::spawn_blocking(move || output_or_skip(&mut moved, package))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_verifies_the_certificate_and_logs_in() {
    let certificate = Certificate::new();
    let hub = Hub::new();
    let server = https(&hub, certificate.config()).await;
    let url = format!("https://{}/api/user", server.local_addr());
    let ca = certificate.certificate();
    let mut curl = Command::new("curl");
    curl.args(["-sS", "--fail", "-i", "-u", "anna:secret", "--cacert"])
        .arg(&ca)
        .arg(&url);
    if let Some(answer) = run(&mut curl, "curl").await {
        assert!(answer.contains("\"name\":\"anna\""), "{answer}");
        assert!(answer.contains("SameSite=Strict; Secure"), "{answer}");
    }
    assert_eq!(hub.outputs()[0].scheme, "https");
    server.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changed_certificates_are_loaded_again() {
    let certificate = Certificate::new();
    let hub = Hub::new();
    let tls = certificate.config();
    let server = https(&hub, tls.clone()).await;
    let address = server.local_addr();
    let first = tls.fingerprint();
    let Some(seen) = fingerprint(address).await else {
        return;
    };
    assert_eq!(seen, first);
    // An invalid file changes nothing.
    fs::write(certificate.certificate(), "x").unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(fingerprint(address).await.unwrap(), first);
    certificate.replace();
    tokio::time::sleep(Duration::from_secs(6)).await;
    let second = fingerprint(address).await.unwrap();
    assert_ne!(second, first);
    assert_eq!(second, tls.fingerprint());
    server.close().await;
    hub.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_plays_over_rtsps() {
    if !has_ffmpeg() {
        return;
    }
    let certificate = Certificate::new();
    let camera = start_camera(camera_config(H264, FPS));
    let (hub, _front) = hub_with_camera(settings(&camera));
    let mut config = RtspConfig::new(loopback());
    config
        .accounts
        .add("anna", &tutk_serve::hash_password("secret").unwrap())
        .unwrap();
    // It prefers Digest, which must not lock out the account with a hash.
    config.accounts.add("ben", "plain").unwrap();
    config.tls = Some(certificate.config());
    let server = RtspServer::start(hub.clone(), config).await.unwrap();
    let url = format!("rtsps://anna:secret@{}/front", server.local_addr());
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-rtsp_transport", "tcp", "-i", &url]);
    ffmpeg.args(["-frames:v", "30", "-f", "framecrc", "-"]);
    let frames = run(&mut ffmpeg, "ffmpeg").await.unwrap();
    assert!(
        frames.lines().filter(|line| line.starts_with("0,")).count() >= 30,
        "{frames}"
    );
    server.close().await;
    hub.close().await;
}

/// The account has a hash, so that the server offers Basic only.
#[tokio::test(flavor = "multi_thread")]
async fn gstreamer_receives_every_frame_over_rtsps() {
    if !has_gstreamer() {
        return;
    }
    let certificate = Certificate::new();
    let file = certificate.folder.path().join("video.h264");
    // In one of 50 runs, GStreamer 1.22 does not end (tests/rtsp/gstreamer.rs).
    for _ in 0..4 {
        let mut rtsp = RtspConfig::new(loopback());
        let hash = tutk_serve::hash_password("secret").unwrap();
        rtsp.accounts.add("anna", &hash).unwrap();
        rtsp.tls = Some(certificate.config());
        let frames = clip(H264).len().try_into().unwrap();
        let fixture = RtspFixture::start(camera_config(H264, FPS), Some(frames), rtsp).await;
        let pipeline = format!(
            "30 gst-launch-1.0 -q rtspsrc location=URL user-id=anna user-pw=secret \
             protocols=tcp tls-validation-flags=0 ! rtph264depay ! \
             video/x-h264,stream-format=byte-stream,alignment=au ! filesink location={}",
            file.display()
        );
        let args: Vec<_> = pipeline.split_whitespace().collect();
        let (output, _) = fixture.play("timeout", &args).await;
        if output.status.code() == Some(124) {
            continue;
        }
        let received = fs::read(&file).unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        // GStreamer inserts the parameter sets of the description before the first frame.
        assert!(nals(&received).ends_with(&nals(H264)), "{stderr}");
        return;
    }
    panic!("gst-launch-1.0 does not end");
}

/// The limits apply before the handshake and while it lasts.
#[tokio::test(flavor = "multi_thread")]
async fn unfinished_handshakes_are_limited() {
    let certificate = Certificate::new();
    let hub = Hub::new();
    let server = https(&hub, certificate.config()).await;
    let address = server.local_addr();
    let started = Instant::now();
    let mut first = TcpStream::connect(address).await.unwrap();
    let mut others = Vec::new();
    for _ in 0..MAX_UNAUTHENTICATED_PER_ADDRESS {
        others.push(TcpStream::connect(address).await.unwrap());
    }
    let mut bytes = [0; 1];
    // The oldest one is closed at once, and the others after the time to authenticate.
    let closed = first.read(&mut bytes).await;
    assert!(matches!(closed, Ok(0) | Err(_)));
    assert!(started.elapsed() < AUTHENTICATION_TIME);
    let closed = others.pop().unwrap().read(&mut bytes).await;
    assert!(matches!(closed, Ok(0) | Err(_)));
    assert!(started.elapsed() >= AUTHENTICATION_TIME);
    server.close().await;
    hub.close().await;
}

#[test]
fn errors_name_the_file() {
    let certificate = Certificate::new();
    let load = |certificate: &PathBuf, key: &PathBuf| {
        TlsConfig::from_files(certificate, key)
            .unwrap_err()
            .to_string()
    };
    let (cert, key) = (certificate.certificate(), certificate.key());
    let missing = certificate.folder.path().join("missing.pem");
    assert!(load(&missing, &key).contains("missing.pem"));
    assert!(load(&key, &key).contains("no certificate"));
    assert!(load(&cert, &cert).contains("cert.pem"));
    let other = Certificate::new();
    assert!(load(&cert, &other.key()).contains("cert.pem"));
}
