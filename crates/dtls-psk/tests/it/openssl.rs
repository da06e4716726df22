//! Interoperability with OpenSSL's `s_server` and `s_client` over loopback UDP. Without a suitable
//! `openssl`, the tests fail if CI=true, and print that they are skipped otherwise.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use dtls_psk::{CipherSuite, Config, Connected, Connection, Event, Instant, Output, Psk, Stats};
use testkit::tools::output_or_skip;

const IDENTITY: &str = "test-client";
const KEY: [u8; 32] = *b"0123456789abcdef0123456789ABCDEF";
const LIMIT: Duration = Duration::from_secs(30);

/// A running `openssl` and its temporary directory, both removed on drop.
struct Openssl {
    child: Child,
    directory: PathBuf,
}

impl Openssl {
    fn start(name: &str, command: &str, address: &[String], options: &[&str], ems: bool) -> Self {
        let directory =
            std::env::temp_dir().join(format!("dtls-psk-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let configuration = directory.join("openssl.cnf");
        let switch = if ems {
            ""
        } else {
            "Options = -ExtendedMasterSecret\n"
        };
        let text = format!(
            "openssl_conf = top\n[top]\nssl_conf = ssl\n[ssl]\nsystem_default = all\n[all]\n{switch}"
        );
        std::fs::write(&configuration, text).unwrap();
        let key: String = KEY.iter().map(|byte| format!("{byte:02x}")).collect();
        let child = Command::new("openssl")
            .env("OPENSSL_CONF", &configuration)
            .arg(command)
            .args(address)
            .args(["-dtls1_2", "-psk", &key, "-psk_identity", IDENTITY])
            .args(["-cipher", "ECDHE-PSK-CHACHA20-POLY1305", "-keylogfile"])
            .arg(directory.join("keys"))
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, directory }
    }

    fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    fn command(&mut self, command: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{command}").unwrap();
        stdin.flush().unwrap();
    }

    /// Waits for the process to end and returns its output.
    fn finish(mut self) -> String {
        let start = clock();
        while self.child.try_wait().unwrap().is_none() {
            assert!(clock() - start < LIMIT, "openssl timed out");
            std::thread::sleep(Duration::from_millis(10));
        }
        let (mut out, mut errors) = (String::new(), String::new());
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        stdout.unwrap().read_to_string(&mut out).unwrap();
        stderr.unwrap().read_to_string(&mut errors).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "openssl: {status}\n{out}\n{errors}");
        out
    }

    fn key_log(&self) -> String {
        std::fs::read_to_string(self.directory.join("keys")).unwrap()
    }
}

impl Drop for Openssl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A connection and its socket.
struct Endpoint {
    connection: Connection,
    socket: UdpSocket,
    peer: Option<SocketAddr>,
    received: Vec<u8>,
    connected: Option<Connected>,
    key_log: Option<String>,
    closed: bool,
}

impl Endpoint {
    fn new(connection: Connection, socket: UdpSocket, peer: Option<SocketAddr>) -> Self {
        Self {
            connection,
            socket,
            peer,
            received: Vec::new(),
            connected: None,
            key_log: None,
            closed: false,
        }
    }

    /// Runs the connection until `done`.
    fn run(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        assert!(
            self.run_for(LIMIT, done),
            "timed out waiting until {what}: {:?}",
            self.connection
        );
    }

    /// Sends a command to OpenSSL until a renegotiation was refused. On a busy machine, OpenSSL
    /// sends a command as data.
    fn refuse_renegotiation(&mut self, openssl: &mut Openssl, command: &str) {
        let is_refused = (0..10).any(|_| {
            openssl.command(command);
            self.run_for(Duration::from_secs(2), |endpoint| {
                endpoint.connection.stats().renegotiations_refused > 0
            })
        });
        assert!(is_refused, "{:?}", self.connection);
        assert!(self.connection.is_connected());
    }

    /// Runs the connection until `done`. Returns `false` if `limit` has passed.
    fn run_for(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let start = clock();
        let mut buffer = [0; 2048];
        loop {
            let deadline = self.poll();
            if done(self) {
                return true;
            }
            let now = clock();
            if now - start > limit {
                return false;
            }
            if deadline <= now {
                self.connection.handle_timeout(now).unwrap();
                continue;
            }
            let wait = (deadline - now).clamp(Duration::from_millis(1), Duration::from_millis(100));
            self.socket.set_read_timeout(Some(wait)).unwrap();
            match self.socket.recv_from(&mut buffer) {
                Ok((len, peer)) => {
                    self.peer.get_or_insert(peer);
                    let received = &mut self.received;
                    self.connection
                        .handle_datagram(clock(), &mut buffer[..len], |data| {
                            received.extend_from_slice(data);
                        })
                        .unwrap();
                }
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(e) => panic!("{e}"),
            }
        }
    }

    fn poll(&mut self) -> Instant {
        loop {
            match self.connection.poll_output() {
                Output::Transmit(datagram) => {
                    self.socket.send_to(datagram, self.peer.unwrap()).unwrap();
                }
                Output::Event(Event::Connected(connected)) => self.connected = Some(connected),
                Output::Event(Event::KeyLog(line)) => self.key_log = Some(line),
                Output::Event(Event::Closed) => self.closed = true,
                Output::Event(_) => {}
                Output::Timeout(deadline) => return deadline,
            }
        }
    }

    fn check(&self, openssl: &Openssl, ems: bool) -> Stats {
        let connected = self.connected.as_ref().unwrap();
        assert_eq!(connected.suite, CipherSuite::EcdhePskChacha20Poly1305Sha256);
        assert_eq!(connected.identity, IDENTITY.as_bytes());
        assert_eq!(connected.extended_master_secret, ems);
        // OpenSSL logs the same master secret.
        let line = self.key_log.as_deref().unwrap();
        let theirs = openssl.key_log();
        assert!(
            theirs.lines().any(|theirs| theirs == line),
            "{line}\n{theirs}"
        );
        self.connection.stats()
    }
}

/// Returns data for several records.
fn lines() -> Vec<String> {
    (0..40)
        .map(|n| format!("line {n} {}\n", "x".repeat(n)))
        .collect()
}

/// Returns `true` if there is an `openssl` with the default suite.
pub(crate) fn has_openssl() -> bool {
    let mut openssl = Command::new("openssl");
    openssl.args(["ciphers", "ECDHE-PSK-CHACHA20-POLY1305"]);
    output_or_skip(&mut openssl, "openssl").is_some()
}

/// Starts `s_server`, and connects to it.
fn connect_to_s_server(
    name: &str,
    options: &[&str],
    ems: bool,
    mtu: usize,
) -> Option<(Openssl, Endpoint)> {
    if !has_openssl() {
        return None;
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    // A port that was free a moment ago. OpenSSL cannot select and report one.
    let free = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let accept = ["-accept".into(), address.to_string()];
    let options = [&["-nocert", "-naccept", "1"], options].concat();
    let openssl = Openssl::start(name, "s_server", &accept, &options, ems);
    let config = Config::client(IDENTITY, Psk::new(KEY))
        .with_mtu(mtu)
        .with_key_log(true);
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).unwrap();
    let connection = Connection::client(Arc::new(config), seed, clock()).unwrap();
    let mut client = Endpoint::new(connection, socket, Some(address));
    client.run("connected", |client| client.connected.is_some());
    Some((openssl, client))
}

fn client_against_s_server(name: &str, options: &[&str], ems: bool, mtu: usize) -> Option<Stats> {
    let options = [&["-quiet"], options].concat();
    let (mut openssl, mut client) = connect_to_s_server(name, &options, ems, mtu)?;
    let stats = client.check(&openssl, ems);
    let mut stdin = openssl.stdin();
    stdin.write_all(b"hello from openssl\n").unwrap();
    stdin.flush().unwrap();
    client.run("data received", |client| client.received.ends_with(b"\n"));
    assert_eq!(client.received, b"hello from openssl\n");
    for line in lines() {
        client.connection.send(line.as_bytes()).unwrap();
    }
    client.connection.close();
    client.poll();
    assert_eq!(openssl.finish(), lines().concat());
    Some(stats)
}

/// Starts `s_client`, and accepts its connection.
fn accept_s_client(
    name: &str,
    config: Config,
    options: &[&str],
    ems: bool,
) -> Option<(Openssl, Endpoint)> {
    if !has_openssl() {
        return None;
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let connect = ["-connect".into(), socket.local_addr().unwrap().to_string()];
    let openssl = Openssl::start(name, "s_client", &connect, options, ems);
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).unwrap();
    let connection = Connection::server(Arc::new(config), b"loopback", seed, clock()).unwrap();
    let mut server = Endpoint::new(connection, socket, None);
    server.run("connected", |server| server.connected.is_some());
    Some((openssl, server))
}

fn server_against_s_client(
    name: &str,
    config: Config,
    options: &[&str],
    ems: bool,
) -> Option<Stats> {
    let options = [&["-quiet", "-no_ign_eof"], options].concat();
    let (mut openssl, mut server) = accept_s_client(name, config, &options, ems)?;
    let stats = server.check(&openssl, ems);
    for line in lines() {
        server.connection.send(line.as_bytes()).unwrap();
    }
    let mut stdin = openssl.stdin();
    stdin.write_all(b"hello from openssl\n").unwrap();
    stdin.flush().unwrap();
    server.run("data received", |server| server.received.ends_with(b"\n"));
    assert_eq!(server.received, b"hello from openssl\n");
    // At the end of its input, s_client sends close_notify.
    drop(stdin);
    server.run("closed", |server| server.closed);
    assert_eq!(openssl.finish(), lines().concat());
    Some(stats)
}

fn server_config() -> Config {
    Config::server(|identity: &[u8]| (identity == IDENTITY.as_bytes()).then(|| Psk::new(KEY)))
        .with_key_log(true)
}

// `s_server` always uses cookies. With `-listen` it does so without state.
#[test]
fn connects_to_s_server_with_stateful_cookies() {
    if let Some(stats) = client_against_s_server("cookie", &[], true, 1200) {
        assert_eq!(stats.verify_requests, 1);
    }
}

#[test]
fn connects_to_s_server_with_stateless_cookies() {
    if let Some(stats) = client_against_s_server("listen", &["-listen"], true, 1200) {
        assert_eq!(stats.verify_requests, 1);
    }
}

#[test]
fn connects_to_s_server_without_extended_master_secret() {
    client_against_s_server("no-ems", &[], false, 1200);
}

#[test]
fn connects_to_s_server_that_fragments_its_flight() {
    // The hint makes the ServerKeyExchange longer than the MTU.
    let hint = "h".repeat(120);
    let options = ["-psk_hint", &hint, "-mtu", "256", "-timeout"];
    client_against_s_server("cut", &options, true, 256);
}

#[test]
fn serves_s_client_with_a_cookie() {
    if let Some(stats) = server_against_s_client("client-cookie", server_config(), &[], true) {
        assert!(stats.verify_requests >= 1);
    }
}

#[test]
fn serves_s_client_without_a_cookie() {
    let config = server_config().with_cookie_exchange(false);
    if let Some(stats) = server_against_s_client("client-at-once", config, &[], true) {
        assert_eq!(stats.verify_requests, 0);
    }
}

#[test]
fn serves_s_client_without_extended_master_secret() {
    server_against_s_client("client-no-ems", server_config(), &[], false);
}

#[test]
fn serves_s_client_with_fragmented_flights() {
    let config = server_config()
        .with_cookie_exchange(false)
        .with_mtu(256)
        .with_identity_hint("h".repeat(120));
    let options = ["-mtu", "256"];
    server_against_s_client("client-cut", config, &options, true);
}

/// From the smallest that OpenSSL accepts. Each is another place of the cuts.
#[test]
fn serves_s_client_with_any_mtu() {
    for mtu in (256..=1_500).step_by(83) {
        let config = server_config()
            .with_mtu(mtu)
            .with_identity_hint("h".repeat(120));
        let options = ["-mtu", &mtu.to_string()];
        server_against_s_client(&format!("client-mtu-{mtu}"), config, &options, true);
    }
}

/// OpenSSL starts a second handshake inside the connection, on the command `R`.
#[test]
fn s_client_cannot_renegotiate() {
    if let Some((mut openssl, mut server)) =
        accept_s_client("client-again", server_config(), &[], true)
    {
        server.refuse_renegotiation(&mut openssl, "R");
    }
}

/// OpenSSL sends a HelloRequest, on the command `r`.
#[test]
fn s_server_cannot_renegotiate() {
    if let Some((mut openssl, mut client)) = connect_to_s_server("again", &[], true, 1_200) {
        client.refuse_renegotiation(&mut openssl, "r");
    }
}

/// The current time of the system's monotonic clock.
fn clock() -> Instant {
    std::time::Instant::now().into()
}
