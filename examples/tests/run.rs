//! Runs each example as a program.
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use av_login::{ClientEvent, ClientLogin, ClientOutput, LoginLayout, Nonce, Password, User};
use testkit::tools::output_or_skip;
use tutk_runtime::simulate;
use tutk_runtime::tutk_session::{Codec, Credentials, Dialect, PasswordRule};
use tutk_runtime::tutk_simulator::{Clip, ClipFrame, SimulatorConfig};
use video_reassembly::bytes::Bytes;
use video_reassembly::tutk_frame::{FrameInfo, LinkClock, MediaKind, MediaLayout};
use video_reassembly::{Slicer, SlicerConfig};

/// A running program, killed on drop.
struct Program(Child);

impl Program {
    fn start(path: &str, args: &[&str]) -> Self {
        let mut command = Command::new(path);
        command.args(args).stdin(Stdio::piped());
        Self(command.stdout(Stdio::piped()).spawn().unwrap())
    }

    fn first_line(&mut self) -> String {
        let mut line = String::new();
        let output = self.0.stdout.as_mut().unwrap();
        BufReader::new(output).read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn run(path: &str, args: &[&str]) -> String {
    let output = Command::new(path).args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Starts a program that binds the given address, and returns a socket that is connected to it.
fn start_server(path: &str) -> (Program, UdpSocket) {
    let free = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let program = Program::start(path, &[&address.to_string()]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(address).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(100)))
        .unwrap();
    // A datagram to a port that is not bound yet comes back as an error of the next operation.
    for _ in 0..200 {
        let is_bound = socket.send(b"?").is_ok()
            && !matches!(socket.recv(&mut [0; 8]), Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused);
        if is_bound {
            return (program, socket);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{path} does not bind {address}");
}

#[test]
fn sniff_names_a_scrambled_keepalive() {
    let (mut program, socket) = start_server(env!("CARGO_BIN_EXE_sniff"));
    let from = socket.local_addr().unwrap();
    assert!(program.first_line().starts_with(&format!("{from} Err(")));
    // docs/protocol.md, section 7.
    let mut keepalive =
        *b"\x04\x02\x12\x0a\x08\0\0\0\x28\x04\x12\0\0\0\0\0\x5b\x0d\x42\x02\x07\x0a\xa8\xc0";
    disco_cipher::transcode::scramble_datagram(&mut keepalive);
    socket.send(&keepalive).unwrap();
    let line = program.first_line();
    assert!(line.starts_with(&format!("{from} Ok(Keepalive(")), "{line}");
}

#[test]
fn dissect_prints_the_decrypted_packets() {
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/../captures/simulated.pcapng");
    let output = run(env!("CARGO_BIN_EXE_dissect"), &[capture]);
    for phase in [
        "discovery",
        "session",
        "ClientHello",
        "login",
        "K10001",
        "key frame",
    ] {
        assert!(output.contains(phase), "no {phase} in {output}");
    }
}

#[test]
fn dtls_client_exchanges_lines_with_openssl() {
    if output_or_skip(Command::new("openssl").arg("version"), "openssl").is_none() {
        return;
    }
    let free = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address: SocketAddr = free.local_addr().unwrap();
    drop(free);
    let address = address.to_string();
    let key = "3031323334353637383961626364656630313233343536373839414243444546";
    let mut server = Program::start(
        "openssl",
        &[
            "s_server",
            "-accept",
            &address,
            "-dtls1_2",
            "-nocert",
            "-quiet",
            "-psk",
            key,
            "-psk_identity",
            "client",
            "-cipher",
            "ECDHE-PSK-CHACHA20-POLY1305",
        ],
    );
    let mut client = Program::start(env!("CARGO_BIN_EXE_dtls-client"), &[&address]);
    assert_eq!(server.first_line(), "hello");
    server
        .0
        .stdin
        .as_mut()
        .unwrap()
        .write_all(b"welcome\n")
        .unwrap();
    assert_eq!(client.first_line(), "welcome");
}

/// Runs the example with a simulated camera that sends three frames.
async fn run_dialect_example(dialect: Dialect) -> std::process::Output {
    let (uid, enr, mac) = ("HSBJYB5HSETGCDWD111A", "aKzdqckqZ8HUHFe5", "AABBCCDDEEFF");
    let data = vec![0, 0, 0, 1, 0x65, 0x88].into();
    let clip = Clip::new([ClipFrame { data, key: true }], Codec::H264, 20).unwrap();
    let mut config = SimulatorConfig::new(Credentials::new(uid, enr, mac).unwrap(), clip);
    config.dialects = vec![dialect.into()];
    config.frames = Some(3);
    let camera = simulate(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!(
        "wyze://{}?uid={uid}&enr={enr}&mac={mac}",
        camera.local_addr()
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_dialect"));
    command.arg(url);
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

#[tokio::test]
async fn dialect_logs_in_with_its_own_password() {
    let mut dialect = Dialect::TRANSCODE;
    dialect.password = PasswordRule::Fixed("open sesame".into());
    let output = run_dialect_example(dialect).await;
    let events = String::from_utf8(output.stdout).unwrap();
    assert_eq!(events.matches("Frame(").count(), 3, "{events}");

    let output = run_dialect_example(Dialect::TRANSCODE).await;
    assert!(output.stdout.is_empty(), "{output:?}");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn honeypot_prints_the_password_and_accepts_the_login() {
    let (mut program, socket) = start_server(env!("CARGO_BIN_EXE_honeypot"));
    let password = Password::new(b"a guess").unwrap();
    let layout = LoginLayout::AuthAt540;
    let mut client = ClientLogin::new(layout, User::admin(), password, false, Nonce([1, 2, 3, 4]));
    client.send();
    while let Some(ClientOutput::Transmit(packet)) = client.poll_output() {
        socket.send(packet).unwrap();
    }
    let from = socket.local_addr().unwrap();
    assert_eq!(program.first_line(), format!("{from} admin a guess"));
    let mut answer = [0; 2048];
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let len = socket.recv(&mut answer).unwrap();
    client.handle_packet(&answer[..len]);
    let event = client.poll_output();
    assert!(
        matches!(event, Some(ClientOutput::Event(ClientEvent::LoggedIn(_)))),
        "{event:?}"
    );
}

#[test]
fn challenge_prints_the_response_of_a_real_client() {
    let challenge = "574552684a786238375746337a675061";
    let response = run(
        env!("CARGO_BIN_EXE_challenge"),
        &["GAgDiwVPg2E4GMke", challenge],
    );
    assert_eq!(response, "c4a62ca1106417a5da02e162a5f06271\n");
}

#[test]
fn slices_become_the_stream_that_was_cut() {
    let info = FrameInfo::parse(&[0x4e, 0, 1, 0, 1, 20, 3, 120, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap();
    let mut slicer = Slicer::new(SlicerConfig::new(MediaLayout::Slice)).unwrap();
    let mut program = Program::start(env!("CARGO_BIN_EXE_slices"), &[]);
    let mut input = program.0.stdin.take().unwrap();
    let frames = [vec![0x65; 5000], vec![0x41; 700]];
    for frame in &frames {
        let mut slices = slicer
            .slice(MediaKind::Key, info, Bytes::from(frame.clone()))
            .unwrap();
        let mut packet = Vec::new();
        while slicer.write_next(&mut slices, LinkClock::default(), &mut packet) {
            let len = u16::try_from(packet.len()).unwrap();
            input.write_all(&len.to_be_bytes()).unwrap();
            input.write_all(&packet).unwrap();
            packet.clear();
        }
    }
    drop(input);
    let mut stream = Vec::new();
    program
        .0
        .stdout
        .as_mut()
        .unwrap()
        .read_to_end(&mut stream)
        .unwrap();
    assert_eq!(stream, frames.concat());
}
