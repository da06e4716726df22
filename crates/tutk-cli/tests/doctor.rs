//! `tutk doctor` against set-ups that are broken in one way each: the verdict names the cause.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and use sockets and processes"
)]

mod common;

use std::fs::File;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tutk_dissect::capture::CaptureReader;
use tutk_dissect::report::Report;
use tutk_dissect::{Dissector, Keys};
use tutk_runtime::tutk_session::Credentials;

use common::{ENR, Run, Service, Simulator, UID, tutk, url};

/// Runs `tutk doctor --json` with a short budget, and checks its time.
fn doctor(url: &str, budget: u64) -> Run {
    let began = Instant::now();
    let run = tutk(["doctor", url, "--json", "--budget", &budget.to_string()]);
    let took = began.elapsed();
    // Closing sessions may take some more seconds.
    assert!(took < Duration::from_secs(budget + 5), "{took:?}");
    run
}

/// Checks the verdict and the exit status. Returns the examination.
#[track_caller]
fn check(run: &Run, verdict: &str, status: i32) -> Value {
    let json = run.json();
    let examination = json["examination"].clone();
    assert_eq!(examination["verdict"], verdict, "{examination:#}");
    run.exits(status);
    examination
}

fn simulate(args: &[&str]) -> Simulator {
    let fixed = ["--fps", "20"];
    Simulator::start(
        &fixed
            .into_iter()
            .chain(args.iter().copied())
            .collect::<Vec<_>>(),
    )
}

#[test]
fn healthy_camera() {
    let camera = simulate(&[]);
    let run = doctor(&camera.url, 12);
    let seen = check(&run, "healthy", 0);
    let stream = &seen["observations"]["stream"];
    assert_eq!(
        (&stream["codec"], &stream["frames_lost"]),
        (&"h264".into(), &0.into())
    );
    assert!(
        stream["frames_per_second"].as_f64().unwrap() > 15.0,
        "{stream}"
    );
    assert_eq!(stream["packets_reordered"], 0, "{stream}");
    // All forms of the handshake and of the login were tried, one session after the other.
    let attempts = seen["observations"]["attempts"].as_array().unwrap();
    let faults: Vec<_> = attempts.iter().map(|attempt| &attempt["fault"]).collect();
    let (none, refused) = (Value::Null, Value::from("suite-refused"));
    let expected = [&none, &none, &none, &refused, &refused, &none];
    assert_eq!(faults, expected, "{seen:#}");
    assert!(!run.stderr.contains(ENR) && !String::from_utf8_lossy(&run.stdout).contains(ENR));
}

#[test]
fn lines_for_people_have_a_tick_and_the_time() {
    let camera = simulate(&[]);
    let run = tutk(["doctor", &camera.url, "--budget", "3"]);
    run.exits(0);
    let text = String::from_utf8(run.stdout).unwrap();
    for step in [
        "address",
        "route",
        "device",
        "discovery",
        "dtls",
        "key frame",
        "stream",
    ] {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("✔ {step}")));
        assert!(
            line.is_some_and(|line| line.contains(" ms")),
            "{step}: {text}"
        );
    }
    assert!(
        text.lines().last().unwrap().starts_with("the camera works"),
        "{text}"
    );
}

#[test]
fn wrong_enr() {
    let camera = simulate(&["--dialect", "transcode"]);
    let url = camera.url.replace("enr=aKzd", "enr=xxxx");
    let run = doctor(&url, 8);
    let seen = check(&run, "wrong-enr", 4);
    run.reports(&["dtls", "ENR", "tutk cloud"]);

    // The sample in the documentation is such a run.
    let page = include_str!("../../../docs/troubleshooting.md");
    let sample = page.split("```").nth(1).unwrap();
    let steps = seen["steps"].as_array().unwrap().iter();
    let steps = steps.map(|step| step["name"].as_str().unwrap());
    let shown = sample
        .lines()
        .filter_map(|line| line.strip_prefix(['✔', '✘', '·']));
    // On the loopback interface, there is no neighbour.
    let shown = shown.filter(|line| !line.contains("with the MAC of this device"));
    let shown = shown.map(|line| line.split_whitespace().next().unwrap());
    assert!(steps.eq(shown), "{seen:#}");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let verdict = run.stderr.lines().last().unwrap();
    assert!(words(sample).ends_with(&words(verdict)), "{verdict}");
}

#[test]
fn wrong_uid() {
    let camera = simulate(&[]);
    let url = camera.url.replace(UID, "AAAAAAAAAAAAAAAAAAAA");
    check(&doctor(&url, 8), "wrong-uid", 4);
}

#[test]
fn closed_port() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap().to_string();
    drop(socket);
    check(&doctor(&url(&address), 4), "port-closed", 3);
}

#[test]
fn silent_device() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = url(&socket.local_addr().unwrap().to_string());
    check(&doctor(&url, 4), "no-answer", 3);
    check(
        &doctor(&format!("{url}&model=GW_GC1"), 4),
        "other-protocol",
        3,
    );
}

#[test]
fn unknown_host() {
    check(&doctor(&url("camera.invalid"), 4), "unknown-host", 3);
}

/// The camera answers, and no session can bind its port.
#[test]
fn local_port_in_use() {
    let camera = simulate(&[]);
    let taken = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = tutk([
        "doctor",
        &camera.url,
        "--json",
        "--budget",
        "6",
        "--local-port",
        &port,
    ]);
    let seen = check(&run, "local-error", 1);
    let advice = seen["advice"].as_str().unwrap();
    assert!(advice.contains("--local-port"), "{seen:#}");
}

#[test]
fn old_suite() {
    let camera = simulate(&["--personality", "db3"]);
    check(&doctor(&camera.url, 12), "old-suite", 0);
}

#[test]
fn wrong_mac() {
    // It answers requests without the AuthKey, and the ENR then proves right.
    let camera = simulate(&["--dialect", "transcode"]);
    let url = camera.url.replace(common::MAC, "AABBCCDDEE00");
    check(&doctor(&url, 6), "wrong-mac", 4);
    // In cc51, the MAC determines a part of the key of every packet.
    let camera = simulate(&["--dialect", "cc51"]);
    let url = camera.url.replace(common::MAC, "AABBCCDDEE00");
    let run = doctor(&url, 6);
    check(&run, "no-answer", 3);
    run.reports(&["a device has the address", "MAC is wrong"]);
}

#[test]
fn deaf_model() {
    let camera = simulate(&["--personality", "deaf"]);
    check(
        &doctor(&format!("{}&model=HL_PAN3", camera.url), 4),
        "silent-model",
        3,
    );
    check(&doctor(&camera.url, 4), "no-answer", 3);
}

/// A client that vanished keeps the camera's only session for 5 s.
#[test]
fn busy_slot() {
    let camera = simulate(&["--personality", "slow-slot"]);
    let url = camera.url.clone();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.h264");
    let mut viewer = Service::start(&["record", &url, "--output", common::text(&path)]);
    while std::fs::metadata(&path).map_or(0, |file| file.len()) == 0 {
        std::thread::yield_now();
    }
    // The viewer keeps it.
    let run = doctor(&url, 4);
    check(&run, "slot-busy", 4);
    run.reports(&["session", "other viewers"]);
    viewer.kill();
    let seen = check(&doctor(&url, 14), "healthy", 0);
    let note = seen["notes"][0].as_str().unwrap();
    assert!(note.contains("frees a session slowly"), "{seen:#}");
}

#[test]
fn handshake_without_extended_master_secret() {
    let camera = simulate(&["--personality", "ems-silent"]);
    let seen = check(&doctor(&camera.url, 20), "healthy", 0);
    let tolerated = &seen["observations"]["stream"]["tolerated"];
    assert_eq!(tolerated["handshake_offer"], 1, "{seen:#}");
    let notes = seen["notes"].to_string();
    assert!(notes.contains("extended master secret"), "{seen:#}");
}

#[test]
fn packet_loss() {
    let camera = simulate(&["--loss", "0.2", "--seed", "7"]);
    let seen = check(&doctor(&camera.url, 15), "packet-loss", 5);
    let percent = seen["observations"]["stream"]["loss_percent"]
        .as_f64()
        .unwrap();
    assert!((10.0..40.0).contains(&percent), "{percent}");
}

#[test]
fn reordered_packets_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.zip");
    // Only packets of one burst can overtake each other.
    let camera = simulate(&["--reorder", "0.3", "--seed", "7"]);
    let args = ["--json", "--report", common::text(&path)];
    let run = tutk(["doctor", &camera.url, "--budget", "8"].iter().chain(&args));
    let seen = check(&run, "healthy", 0);
    let stream = &seen["observations"]["stream"];
    let percent = stream["reordered_percent"].as_f64().unwrap();
    assert!((2.0..35.0).contains(&percent), "{stream:#}");
    assert!(
        stream["packets_reordered"].as_u64().unwrap() > 4,
        "{stream:#}"
    );
    assert_eq!(stream["frames_lost"], 0, "{stream:#}");
    let shown = format!("{percent} % reordered");
    let steps = seen["steps"].to_string();
    assert!(steps.contains(&shown), "{shown}: {steps}");
    let report = Report::read(File::open(&path).unwrap()).unwrap();
    assert!(report.text.contains(&shown), "{}", report.text);
    assert!(report.json.contains("packets_reordered"), "{}", report.json);
}

/// The verdict is printed, and the error is that of the file.
#[cfg(target_os = "linux")]
#[test]
fn report_that_cannot_be_written() {
    let camera = simulate(&[]);
    let args = [
        "doctor",
        &camera.url,
        "--budget",
        "3",
        "--report",
        "/dev/full",
    ];
    let run = tutk(args);
    run.exits(1)
        .reports(&["output", "/dev/full", "disk is full"]);
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    let text = String::from_utf8(run.stdout).unwrap();
    assert!(text.contains("the camera works"), "{text}");
    assert!(std::path::Path::new("/dev/full").exists());
}

#[test]
fn switched_off_camera() {
    let camera = simulate(&["--status", "5"]);
    check(&doctor(&camera.url, 6), "switched-off", 4);
}

#[test]
fn interrupt_prints_what_is_known() {
    let camera = simulate(&[]);
    let doctor = Service::start(&["doctor", &camera.url, "--json", "--budget", "30"]);
    // It measures the stream for 10 s.
    std::thread::sleep(Duration::from_secs(4));
    common::signal(doctor.child(), "-INT");
    let began = Instant::now();
    let run = doctor.end();
    assert!(began.elapsed() < Duration::from_secs(5));
    let seen = check(&run, "healthy", 0);
    assert_eq!(seen["observations"]["cut_short"], "interrupted");
    assert_eq!(run.json()["interrupted"], true);
}

/// Runs a shell script in a network namespace with the network 10.9.0.0/24, in which this machine
/// is 10.9.0.1. `$TUTK` is the program. Returns `None` if the system does not allow namespaces.
#[cfg(target_os = "linux")]
fn in_namespace(script: &str) -> Option<Run> {
    const NETWORK: &str = "ip link set lo up && ip link add veth0 type veth peer name veth1 \
        && ip addr add 10.9.0.1/24 brd + dev veth0 && ip link set veth0 up && ip link set veth1 up";
    let unshare = |script: &str| {
        let mut command = std::process::Command::new("unshare");
        command.args(["-rn", "sh", "-c", script]);
        command.env("TUTK", env!("CARGO_BIN_EXE_tutk"));
        command.env_remove("TUTK_ENR");
        command
    };
    testkit::tools::output_or_skip(&mut unshare(NETWORK), "util-linux (unshare), iproute2 (ip)")?;
    let run = unshare(&format!("{NETWORK} && {script}")).output();
    Some(run.unwrap().into())
}

#[cfg(target_os = "linux")]
#[test]
fn dead_host() {
    let script = format!("$TUTK doctor '{}' --json --budget 8", url("10.9.0.9"));
    if let Some(run) = in_namespace(&script) {
        let seen = check(&run, "no-device", 3);
        assert_eq!(seen["observations"]["elsewhere"], serde_json::json!([]));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn moved_host() {
    let script = format!(
        "$TUTK simulate --listen 0.0.0.0:32761 --uid {UID} --enr '{ENR}' --mac {} & \
         until grep -q ':7FF9 ' /proc/self/net/udp; do sleep 0.05; done; \
         $TUTK doctor '{}' --json --budget 8; status=$?; kill $!; exit $status",
        common::MAC,
        url("10.9.0.9"),
    );
    if let Some(run) = in_namespace(&script) {
        let seen = check(&run, "moved", 3);
        let found = seen["observations"]["elsewhere"][0].as_str().unwrap();
        assert!(found.starts_with("10.9.0.1:"), "{found}");
        assert!(
            seen["advice"].as_str().unwrap().contains("10.9.0.1"),
            "{seen}"
        );
    }
}

/// The address at which a camera without a host is found is its own, not another one.
#[cfg(target_os = "linux")]
#[test]
fn camera_without_a_host() {
    let script = format!(
        "$TUTK simulate --listen 0.0.0.0:32761 --uid {UID} --enr '{ENR}' --mac {} & \
         until grep -q ':7FF9 ' /proc/self/net/udp; do sleep 0.05; done; \
         $TUTK doctor '{}' --json --budget 8; status=$?; kill $!; exit $status",
        common::MAC,
        url(""),
    );
    if let Some(run) = in_namespace(&script) {
        let seen = check(&run, "healthy", 0);
        let seen = &seen["observations"];
        let address = seen["address"].as_str().unwrap();
        assert!(address.starts_with("10.9.0.1:"), "{address}");
        assert_eq!(seen["elsewhere"], Value::Null);
    }
}

/// Answers come from another address than the one that was asked.
#[test]
fn nat() {
    let camera = simulate(&[]);
    let relay = UdpSocket::bind("127.0.0.1:0").unwrap();
    let other = UdpSocket::bind("127.0.0.77:0").unwrap();
    let url = camera
        .url
        .replace(camera.address(), &relay.local_addr().unwrap().to_string());
    let camera_address = camera.address().to_owned();
    std::thread::spawn(move || {
        let mut buffer = [0; 2048];
        while let Ok((len, from)) = relay.recv_from(&mut buffer) {
            let upstream = UdpSocket::bind("127.0.0.1:0").unwrap();
            upstream
                .set_read_timeout(Some(Duration::from_millis(200)))
                .unwrap();
            upstream.send_to(&buffer[..len], &camera_address).unwrap();
            let mut answer = [0; 2048];
            if let Ok(len) = upstream.recv(&mut answer) {
                other.send_to(&answer[..len], from).unwrap();
            }
        }
    });
    let run = doctor(&url, 6);
    check(&run, "nat", 3);
    run.reports(&["127.0.0.77", "NAT"]);
}

/// Runs `tutk doctor` with a report.
fn report(url: &str, path: &std::path::Path, options: &[&str]) -> Run {
    let args = [
        "doctor",
        url,
        "--budget",
        "6",
        "--report",
        common::text(path),
    ];
    tutk(args.iter().chain(options))
}

#[test]
fn report_explains_the_session_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.zip");
    let camera = Simulator::start_at("127.83.142.57:0", &["--dialect", "transcode"]);
    report(&camera.url, &path, &[]).exits(0);
    let report = Report::read(File::open(&path).unwrap()).unwrap();
    let json: Value = serde_json::from_str(&report.json).unwrap();
    assert_eq!(json["examination"]["verdict"], "healthy");
    assert!(report.text.contains("the camera works"), "{}", report.text);
    assert!(report.text.contains("✔ dtls"), "{}", report.text);

    let mut keys = Keys::new();
    let mut reader = CaptureReader::new(&report.capture[..]).unwrap();
    assert!(keys.add_capture(&mut reader).unwrap() > 0);
    let mut dissector = Dissector::new(keys);
    let mut visible = vec![
        report.text.into_bytes(),
        report.json.into_bytes(),
        report.capture.clone(),
    ];
    let mut reader = CaptureReader::new(&report.capture[..]).unwrap();
    let mut messages = Vec::new();
    while let Some(packet) = reader.next_packet().unwrap() {
        if let Some(packet) = dissector.handle(&packet) {
            messages.extend(dissector.messages().iter().map(|message| message.code));
            visible.push(packet.opened.datagram);
            visible.extend(
                packet
                    .opened
                    .records
                    .into_iter()
                    .filter_map(|record| record.content),
            );
        }
    }
    // Every session of the examination was decrypted up to its end.
    assert!(messages.contains(&10003), "{messages:?}");
    let sessions = dissector.sessions();
    assert!(sessions.len() > 4, "{sessions:?}");
    assert!(
        sessions.iter().any(|session| session.decrypted > 50),
        "{sessions:?}"
    );

    let credentials = Credentials::new(UID, ENR, common::MAC).unwrap();
    let key = String::from_utf8(credentials.auth_key.0.to_vec()).unwrap();
    for secret in [
        UID,
        ENR,
        common::MAC,
        "AA:BB:CC:DD:EE:FF",
        &key,
        "127.83.142.57",
    ] {
        for (encoding, bytes) in encodings(secret.as_bytes()) {
            let found = visible
                .iter()
                .any(|text| text.windows(bytes.len()).any(|part| part == bytes));
            assert!(!found, "{secret} in {encoding}");
        }
    }
    let binary: [&[u8]; 3] = [
        &[0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff],
        &[0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa],
        &[127, 83, 142, 57],
    ];
    for secret in binary {
        let found = visible
            .iter()
            .any(|text| text.windows(secret.len()).any(|part| part == secret));
        assert!(!found, "{secret:?}");
    }

    // The report can be read with `tutk dissect`, and is not replaced by accident.
    let dissected = tutk(["dissect", common::text(&path)]);
    dissected.exits(0);
    let text = String::from_utf8(dissected.stdout).unwrap();
    for part in ["ClientHello", "K10001 challenge", "key frame"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let before = std::fs::read(&path).unwrap();
    let again = self::report(&camera.url, &path, &["--quiet"]);
    again.exits(2).reports(&["output", "exists", "--overwrite"]);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    self::report(&camera.url, &path, &["--overwrite"]).exits(0);
    assert_ne!(std::fs::read(&path).unwrap(), before);
}

/// A text in hex, percent-encoded and in Base64 after 0 to 2 other bytes.
fn encodings(secret: &[u8]) -> Vec<(String, Vec<u8>)> {
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let percent: String =
        percent_encoding::percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
    let base64 = [0, 1, 2].map(|offset| {
        let padded = [&b"\0\0"[..offset], secret].concat();
        let text = STANDARD.encode(&padded);
        // The characters that depend on the secret alone.
        let inside = &text[(offset * 8).div_ceil(6)..padded.len() * 8 / 6];
        (format!("Base64 after {offset} bytes"), inside.into())
    });
    let mut all = vec![
        ("plain text".to_owned(), secret.to_vec()),
        ("lower case".to_owned(), secret.to_ascii_lowercase()),
        ("hex".to_owned(), hex.clone().into_bytes()),
        ("upper-case hex".to_owned(), hex.to_uppercase().into_bytes()),
        ("percent-encoding".to_owned(), percent.into_bytes()),
    ];
    all.extend(base64);
    all
}

/// The records of a failed handshake cannot be decrypted, so nothing of them remains.
#[test]
fn report_of_a_failed_session() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.zip");
    let camera = simulate(&["--dialect", "transcode"]);
    let url = camera.url.replace("enr=aKzd", "enr=xxxx");
    report(&url, &path, &["--json"]).exits(4);
    let report = Report::read(File::open(&path).unwrap()).unwrap();
    let json: Value = serde_json::from_str(&report.json).unwrap();
    assert_eq!(json["examination"]["verdict"], "wrong-enr");
    assert!(
        json["error"].is_string() && json["phase"] == "dtls",
        "{json}"
    );
    assert!(!report.text.contains(UID) && !report.capture.is_empty());
}
