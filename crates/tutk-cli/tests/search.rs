//! Finding a camera again: its UID, the local port, and the log of an attempt. Packets go to
//! loopback, or to networks of a namespace that the test makes.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and use files and processes"
)]

mod common;

use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use std::thread;
use std::time::Duration;

use common::{ENR, ENR_ENCODED, MAC, Run, Simulator, UID, command, run, text, tutk, url};
use testkit::tools::output_or_skip;

/// The camera that is configured at 127.0.0.9 and answers at 127.0.0.7.
fn moved_camera() -> (Simulator, String) {
    let camera = Simulator::start_at("127.0.0.7:0", &[]);
    let known = camera.url.replace("127.0.0.7", "127.0.0.9");
    assert_ne!(known, camera.url);
    (camera, known)
}

#[test]
fn camera_with_another_address_is_found_by_its_uid() {
    let (camera, known) = moved_camera();
    let run = tutk(["record", &known, "--output", "-", "--frames", "3"]);
    run.exits(0);
    let found = format!("the camera is at {} now", camera.address());
    for line in ["searching the local networks", &found] {
        assert!(run.stderr.contains(line), "{}\nlacks {line}", run.stderr);
    }
    assert_eq!(
        run.stderr.matches(camera.address()).count(),
        1,
        "{}",
        run.stderr
    );
    // The commands without a recording do the same.
    let run = tutk(["info", &known, "--json"]);
    run.exits(0);
    assert!(run.stderr.contains(&found), "{}", run.stderr);
    let run = tutk(["info", &known, "--no-search"]);
    run.exits(3).reports(&["discovery", "within 5 s", "UID"]);
    assert!(!run.stderr.contains("searching"), "{}", run.stderr);
}

#[cfg(feature = "serve")]
#[test]
fn serve_names_the_new_address_once() {
    let (camera, known) = moved_camera();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cameras.toml");
    common::write_private(
        &file,
        &format!("[cameras.door]\nurl = \"{known}\"\nconnect = \"always\"\n"),
    );
    let listen = ["--rtsp", "off", "--http", "127.0.0.1:0"];
    let args = ["serve", "--config", text(&file)].into_iter().chain(listen);
    let mut service = common::Service::start(&args.collect::<Vec<_>>());
    let found = format!("door: the camera is at {} now", camera.address());
    service.wait_for(&found);
    service.wait_for("door: connected");
    // The log is printed every half second.
    thread::sleep(Duration::from_millis(700));
    let run = service.stop("-TERM");
    assert_eq!(
        run.stderr.matches(camera.address()).count(),
        1,
        "{}",
        run.stderr
    );
}

#[test]
fn discover_names_cameras_and_writes_new_addresses() {
    let (camera, known) = moved_camera();
    let port = camera.address().rsplit(':').next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cameras.toml");
    let before = format!(
        "# mine\r\n[cameras.door] # front\r\nurl = \"{known}&model=HL_CAM4\"\r\n\r\n\
         [cameras.pan]\r\nhost = \"127.0.0.8\"\r\nport = {port}\r\nuid = \"{other}\"\r\nenr = \"{ENR}\"\r\n\
         mac = \"{MAC}\"\r\nmodel = \"HL_PAN3\"\r\n",
        other = UID.replace("111A", "111B"),
    );
    common::write_private(&file, &before);
    let discover = |args: &str| {
        let args = format!("discover {args} --timeout 1");
        tutk(args.split_whitespace().chain(["--config", text(&file)]))
    };
    // At their addresses, neither answers.
    let run = discover("door pan");
    run.exits(3);
    for part in [
        "door: no answer; it is off, not at 127.0.0.9",
        "pan: no answer; current firmware",
    ] {
        assert!(run.stderr.contains(part), "{}\nlacks {part}", run.stderr);
    }
    let run = discover("door pan --sweep --json");
    run.exits(0);
    let json = run.json();
    assert_eq!(json["cameras"][0]["address"], camera.address());
    assert_eq!(json["cameras"][0]["name"], "door");
    assert_eq!(json["cameras"][0]["model"], "HL_CAM4");
    assert_eq!(json["silent"][0]["name"], "pan");
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        before,
        "changed without --write"
    );

    let run = discover("door --sweep --write");
    run.exits(0);
    assert!(
        run.stderr
            .contains("door: host is 127.0.0.7 now, was 127.0.0.9"),
        "{}",
        run.stderr
    );
    let table = String::from_utf8(run.stdout).unwrap();
    assert!(
        table.contains("door") && table.contains("HL_CAM4"),
        "{table}"
    );
    let after = before.replace("127.0.0.9", "127.0.0.7");
    assert_eq!(fs::read_to_string(&file).unwrap(), after);
    // Without a search from now on.
    let run = tutk(["info", "door", "--config", text(&file)]);
    run.exits(0);
    assert!(!run.stderr.contains("searching"), "{}", run.stderr);
}

/// In network namespaces, because a camera without an address is searched for by broadcast on
/// every interface.
#[test]
fn camera_without_an_address_is_found_in_the_local_network() {
    let script = r#"
        set -e
        unshare --net sh -c '
            until ip address add 10.9.0.77/24 dev net1 2> /dev/null; do sleep 0.05; done
            ip link set net1 up
            exec "$0" simulate --listen 0.0.0.0:32761 --uid $1 --enr "$2" --mac $3 --once --quiet
        ' "$1" $2 "$3" $4 > /dev/null 2>&1 &
        camera=$!
        trap 'kill $camera 2> /dev/null || true' EXIT
        here=$(readlink /proc/self/ns/net)
        while [ "$(readlink /proc/$camera/ns/net)" = "$here" ]; do sleep 0.05; done
        ip link add net0 type veth peer name net1
        ip link set net1 netns $camera
        ip address add 10.9.0.1/24 dev net0
        ip link set net0 up
        until ip link show net0 | grep -q "state UP"; do sleep 0.05; done
        "$1" record "$5" --output - --frames 3 > /dev/null
        wait $camera
    "#;
    let known = format!("wyze://?uid={UID}&enr={ENR_ENCODED}&mac={MAC}");
    let namespaces = ["--user", "--map-root-user", "--net"];
    // Some systems do not allow namespaces.
    let mut probe = Command::new("unshare");
    probe.args(namespaces).args(["ip", "link", "add", "net0"]);
    probe.args(["type", "veth", "peer", "name", "net1"]);
    if output_or_skip(&mut probe, "util-linux and iproute2").is_none() {
        return;
    }
    let output = Command::new("unshare")
        .args(namespaces)
        .args(["sh", "-c", script, "sh"])
        .args([env!("CARGO_BIN_EXE_tutk"), UID, ENR, MAC, &known])
        .env_remove("TUTK_ENR")
        .output();
    let run = Run::from(output.unwrap());
    run.exits(0);
    assert!(
        run.stderr.contains("the camera is at 10.9.0.77:32761 now"),
        "{}",
        run.stderr
    );
}

/// A socket that receives and never answers, and its URL.
fn silent_camera() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let url = url(&socket.local_addr().unwrap().to_string());
    (socket, url)
}

#[test]
fn requests_come_from_the_local_port() {
    let used = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = used.local_addr().unwrap().port();
    let (socket, silent) = silent_camera();
    let run = tutk(["info", &silent, "--local-port", &port.to_string()]);
    run.exits(1)
        .reports(&["in use", &port.to_string(), "--local-port", "local_ports"]);

    let range = format!("{port}-{}", port.saturating_add(20));
    for args in [
        &["info", &silent, "--no-search"][..],
        &["record", &silent, "--no-search", "--output", "-"],
        &["discover", &silent],
    ] {
        let mut child = command(args.iter().copied().chain(["--local-port", &range]))
            .stderr(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let (_, from) = socket.recv_from(&mut [0; 2048]).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(
            (port + 1..=port.saturating_add(20)).contains(&from.port()),
            "{args:?}: {from}"
        );
        // Requests that are already on their way.
        socket.set_nonblocking(true).unwrap();
        while socket.recv_from(&mut [0; 2048]).is_ok() {}
        socket.set_nonblocking(false).unwrap();
    }
    let run = tutk(["info", &silent, "--local-port", "9-8"]);
    run.exits(2);
}

#[test]
fn verbose_log_says_what_was_asked_and_what_came_back() {
    let (socket, silent) = silent_camera();
    let address = socket.local_addr().unwrap().to_string();
    let answers = thread::spawn(move || {
        let (_, from) = socket.recv_from(&mut [0; 2048]).unwrap();
        socket.send_to(b"not a packet", from).unwrap();
    });
    let run = run(&mut command(["info", &silent, "-v", "--no-search"]));
    answers.join().unwrap();
    run.exits(3);
    let hex = "6e6f742061207061636b6574";
    let lines: Vec<_> = run.stderr.lines().collect();
    let has = |parts: &[&str]| {
        lines
            .iter()
            .any(|line| parts.iter().all(|part| line.contains(part)))
    };
    for parts in [
        &["looking for the camera", &address, "transcode", "cc51"][..],
        &["socket opened", "0.0.0.0:"],
        &[
            "received",
            "from=127.0.0.1:",
            "len=12",
            hex,
            "ignored: not a packet",
        ],
        &["cannot connect", "received=1", "malformed=1"],
    ] {
        assert!(has(parts), "{}\nlacks {parts:?}", run.stderr);
    }
    assert!(
        !run.stderr.contains(ENR) && !run.stderr.contains(ENR_ENCODED),
        "{}",
        run.stderr
    );
}
