//! The examples as programs: against each other with every suite, and against OpenSSL.
//!
//! Cargo builds them when it tests the whole package.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dtls_psk::CipherSuite;

use crate::openssl::has_openssl;

const IDENTITY: &str = "me";
const PSK: &str = "000102030405060708090a0b0c0d0e0f";
const LIMIT: Duration = Duration::from_secs(30);

fn example(name: &str) -> Command {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    // target/PROFILE/deps/this-test
    path.pop();
    path.pop();
    path.extend(["examples", name]);
    assert!(path.exists(), "{} is not built", path.display());
    piped(Command::new(path))
}

fn piped(mut command: Command) -> Command {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A process that is killed on drop.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(mut command: Command) -> Self {
        Self(command.spawn().unwrap())
    }

    /// Writes `input` to the process and waits for it to end. Returns its output and error output.
    fn finish(mut self, input: &[u8]) -> (Vec<u8>, String) {
        let mut stdin = self.0.stdin.take().unwrap();
        let input = input.to_vec();
        std::thread::spawn(move || _ = stdin.write_all(&input));
        let mut out = Vec::new();
        let mut errors = String::new();
        self.0.stdout.take().unwrap().read_to_end(&mut out).unwrap();
        self.0
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut errors)
            .unwrap();
        let start = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < LIMIT, "timed out");
            std::thread::sleep(Duration::from_millis(10));
        }
        let status = self.0.wait().unwrap();
        assert!(status.success(), "{status}: {errors}");
        (out, errors)
    }
}

/// Starts the echo server and returns it with its address.
fn server(options: &[&str]) -> (Running, String) {
    let mut command = example("dtls-echo-server");
    command.args(["127.0.0.1:0", IDENTITY, PSK]).args(options);
    let mut server = Running::start(command);
    let mut line = String::new();
    let mut lines = BufReader::new(server.0.stdout.take().unwrap());
    lines.read_line(&mut line).unwrap();
    // Read its output, so that the server does not block on a full pipe.
    std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    let address = line
        .trim()
        .strip_prefix("listening on ")
        .expect("a listening server");
    (server, address.to_owned())
}

/// Returns data for several records.
fn text() -> Vec<u8> {
    (0..400)
        .flat_map(|n| format!("line {n}\n").into_bytes())
        .collect()
}

#[test]
fn own_provider_connects() {
    let (out, errors) = Running::start(example("own-provider")).finish(b"");
    let out = String::from_utf8(out).unwrap();
    assert!(
        out.contains("known answers") && out.contains("\"hello\""),
        "{out}{errors}"
    );
}

#[test]
fn examples_connect_with_every_suite() {
    let (_server, address) = server(&[]);
    for suite in CipherSuite::ALL {
        let number = format!("{:04x}", suite.id());
        let log = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("keys-{number}"));
        let mut client = example("dtls-echo-client");
        client.args([&address, IDENTITY, PSK, "--suites", &number, "--key-log"]);
        client.arg(&log);
        let (out, errors) = Running::start(client).finish(&text());
        assert_eq!(out, text());
        assert!(errors.contains(suite.name()), "{errors}");
        let keys = std::fs::read_to_string(&log).unwrap();
        assert!(keys.starts_with("CLIENT_RANDOM "), "{keys}");
        let _ = std::fs::remove_file(&log);
    }
}

#[test]
fn wrong_arguments_print_the_usage() {
    let mut command = example("dtls-echo-client");
    command.args(["127.0.0.1:1", IDENTITY, "0g"]);
    let output = command.output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(
        errors.contains("PSK_HEX") && errors.contains("usage: "),
        "{errors}"
    );
}

#[test]
fn echo_server_serves_openssl_s_client() {
    if !has_openssl() {
        return;
    }
    let (_server, address) = server(&["--suites", "ccac"]);
    let mut client = Command::new("openssl");
    client.args(["s_client", "-connect", &address, "-dtls1_2", "-quiet"]);
    client.args(["-psk", PSK, "-psk_identity", IDENTITY]);
    client.args(["-cipher", "ECDHE-PSK-CHACHA20-POLY1305"]);
    let mut client = Running::start(piped(client));
    let mut stdin = client.0.stdin.take().unwrap();
    stdin.write_all(b"echo me\n").unwrap();
    stdin.flush().unwrap();
    let mut line = String::new();
    let mut lines = BufReader::new(client.0.stdout.take().unwrap());
    lines.read_line(&mut line).unwrap();
    assert_eq!(line, "echo me\n");
}

#[test]
fn echo_client_connects_to_openssl_s_server() {
    if !has_openssl() {
        return;
    }
    // A port that was free a moment ago. OpenSSL cannot select and report one.
    let free = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let mut server = Command::new("openssl");
    server.args([
        "s_server", "-accept", &address, "-dtls1_2", "-quiet", "-nocert",
    ]);
    server.args(["-psk", PSK, "-psk_identity", IDENTITY, "-naccept", "1"]);
    server.args(["-cipher", "ECDHE-PSK-CHACHA20-POLY1305"]);
    let mut server = Running::start(piped(server));
    let mut client = example("dtls-echo-client");
    client.args([&address, IDENTITY, PSK]);
    let (_, errors) = Running::start(client).finish(&text());
    assert!(errors.contains("ECDHE_PSK_WITH_CHACHA20"), "{errors}");
    let mut got = Vec::new();
    server
        .0
        .stdout
        .take()
        .unwrap()
        .read_to_end(&mut got)
        .unwrap();
    assert_eq!(got, text());
}
