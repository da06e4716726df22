//! `tutk serve` with the cameras of a configuration file: RTSP, HTTP, recordings and reloads.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and use files and processes"
)]

mod common;

use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use common::{
    Service, Simulator, command, http, plays, signal, streams, text, tutk, write_private,
};

/// Writes a configuration file. Each camera has a name, a simulator and additional lines.
fn write_config(path: &Path, cameras: &[(&str, &Simulator, &str)], rest: &str) {
    let mut file = String::from("[serve]\nrtsp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n");
    for (name, camera, more) in cameras {
        file += &format!("[cameras.{name}]\nurl = \"{}\"\n{more}\n", camera.url);
    }
    write_private(path, &(file + rest));
}

fn serve(config: &Path) -> Service {
    Service::start(&["serve", "--config", text(config)])
}

/// Sends an HTTP request that must succeed.
fn http_ok(page: &str, request: &str, body: &str) -> String {
    let response = String::from_utf8(http(page, request, "", body)).unwrap();
    assert!(
        response.starts_with("HTTP/1.1 200 "),
        "{request}: {response}"
    );
    response
}

fn recordings(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut all: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}

#[test]
fn serves_rtsp_and_records_the_configured_cameras() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let (front, back) = (Simulator::start(&["--audio", "aac"]), Simulator::start(&[]));
    let record = format!(
        "[record]\npath = \"{}/{{camera}}/%Y-%m-%dT%H-%M-%S.mp4\"\nsegment = \"2s\"",
        text(folder.path())
    );
    let more = "record = true\nconnect = \"always\"";
    write_config(
        &config,
        &[("front", &front, more), ("back", &back, "sound = false")],
        &record,
    );
    let mut service = serve(&config);
    let addresses: Vec<_> = ["back", "front"]
        .map(|name| service.wait_for(&format!("/{name}")))
        .to_vec();
    // A recorded camera connects without a viewer.
    service.wait_for("front: connected");
    for address in &addresses {
        if plays(address, 30) == Some(false) {
            panic!("{address}");
        }
    }
    let begun = Instant::now();
    let recorded = folder.path().join("front");
    while recordings(&recorded).len() < 3 {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "nothing is recorded"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    service.stop("-TERM");
    assert!(!folder.path().join("back").exists());
    let all = recordings(&recorded);
    // The last recording may contain only one picture.
    for (number, path) in all.iter().enumerate().take(all.len() - 1) {
        let Some(streams) = streams(path) else { return };
        let codecs: Vec<_> = streams.iter().map(|stream| stream.codec.as_str()).collect();
        assert_eq!(codecs, ["h264", "aac"], "{path:?}");
        if number > 0 {
            assert_eq!(streams[0].packets, 40, "{path:?}");
        }
    }
}

#[test]
fn set_clock_sets_a_wrong_clock() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let camera = Simulator::start(&["--personality", "wrong-clock"]);
    let more = "set_clock = true\nconnect = \"always\"";
    write_config(&config, &[("front", &camera, more)], "");
    let mut service = serve(&config);
    service.wait_for("front: connected");
    let begun = Instant::now();
    loop {
        let clock = tutk(["control", &camera.url, "clock"]);
        clock.exits(0);
        let clock = String::from_utf8(clock.stdout).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        if now.as_secs().abs_diff(clock.trim().parse().unwrap()) < 60 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{clock}");
    }
    service.stop("-TERM");
}

#[test]
fn reload_keeps_the_sessions_of_unchanged_cameras() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let (one, two, three) = (
        Simulator::start(&[]),
        Simulator::start(&[]),
        Simulator::start(&[]),
    );
    let always = "connect = \"always\"";
    write_config(&config, &[("one", &one, always), ("two", &two, always)], "");
    let mut service = serve(&config);
    let address = service.wait_for("/one");
    service.wait_for("one: connected");
    // A viewer watches during the reload.
    let watching = std::thread::spawn(move || plays(&address, 200));
    std::thread::sleep(Duration::from_secs(2));
    write_config(
        &config,
        &[("one", &one, always), ("three", &three, always)],
        "",
    );
    signal(service.child(), "-HUP");
    service.wait_for("added: three");
    service.wait_for("removed: two");
    service.wait_for("three: connected");
    // A file with an error changes nothing.
    let before = fs::read_to_string(&config).unwrap();
    write_private(&config, &before.replace("always", "never"));
    signal(service.child(), "-HUP");
    service.wait_for("line 6, key `connect`: connect must be `on-demand` or `always`");
    service.wait_for("previous configuration stays in effect");
    write_private(&config, &before);
    signal(service.child(), "-HUP");
    service.wait_for("nothing has changed");
    assert_ne!(watching.join().unwrap(), Some(false));
    let stderr = service.stop("-INT").stderr;
    let connected = stderr.lines().filter(|line| *line == "one: connected");
    assert_eq!(connected.count(), 1, "{stderr}");
    // Each camera had one session, regardless of the viewers.
    for camera in [one, two, three] {
        signal(camera.child(), "-INT");
        let stderr = camera.end().stderr;
        assert!(stderr.contains("served 1 client:"), "{stderr}");
    }
}

#[test]
fn reports_when_a_camera_disconnects_and_reconnects() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let mut camera = Simulator::start(&[]);
    let listen = camera.address().to_owned();
    write_config(&config, &[("yard", &camera, "connect = \"always\"")], "");
    let mut service = serve(&config);
    service.wait_for("yard: connected");
    camera.kill();
    service.wait_for("yard: ");
    let _camera = Simulator::start_at(&listen, &[]);
    service.wait_for("yard: connected");
    service.stop("-INT");
}

#[test]
fn demo_serves_without_a_configuration_file() {
    let local = "127.0.0.1:0";
    let mut service = Service::start(&["serve", "--demo", "--rtsp", local, "--http", local]);
    let page = service.wait_for("http://127.0.0.1:");
    for name in ["garden", "hall", "yard"] {
        let address = service.wait_for(&format!("/{name}"));
        let streams = ["mp4", "ts"].map(|kind| format!("{page}{name}/stream.{kind}"));
        for address in [&address].into_iter().chain(&streams) {
            if plays(address, 20) == Some(false) {
                panic!("{address}");
            }
        }
    }
    assert!(http_ok(&page, "GET /", "").contains("<!doctype html>"));
    let cameras = http_ok(&page, "GET /api/cameras", "");
    for name in ["garden", "hall", "yard"] {
        assert!(
            cameras.contains(&format!("/{name}/stream.mp4")),
            "{cameras}"
        );
    }
    assert!(!cameras.contains("TUTKDEMOCAMERA"), "{cameras}");
    http_ok(
        &page,
        "POST /api/cameras/garden/controls/night-vision",
        r#"{"value": "on"}"#,
    );
    let value = http_ok(&page, "GET /api/cameras/garden/controls/night-vision", "");
    assert!(value.contains(r#""on""#), "{value}");
    let picture = http(&page, "GET /garden/snapshot.jpg", "", "");
    let status = String::from_utf8_lossy(&picture[..12]).into_owned();
    match cfg!(feature = "snapshot") {
        true => {
            assert_eq!(status, "HTTP/1.1 200");
            assert!(picture.ends_with(&[0xff, 0xd9]), "no JPEG end marker");
        }
        false => assert_eq!(status, "HTTP/1.1 501"),
    }
    service.stop("-INT");
}

#[test]
fn rtsp_or_http_can_be_switched_off() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let camera = Simulator::start(&[]);
    write_config(&config, &[("yard", &camera, "")], "");
    let args = ["serve", "--config", text(&config)];
    let mut service = Service::start(&[&args[..], &["--rtsp", "off"]].concat());
    let page = service.wait_for("http://");
    assert!(http_ok(&page, "GET /api/cameras/yard", "").contains("\"rtsp\":null"));
    let stderr = service.stop("-INT").stderr;
    assert!(!stderr.contains("rtsp://"), "{stderr}");

    // A port in use is an error.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let run = tutk([&args[..], &["--http", &taken]].concat());
    run.exits(1).reports(&["HTTP", &taken, "--http"]);

    let mut service = Service::start(&[&args[..], &["--http", "off"]].concat());
    service.wait_for("rtsp://");
    let stderr = service.stop("-INT").stderr;
    assert!(!stderr.contains("http://"), "{stderr}");
}

#[test]
fn public_addresses_require_users_or_no_auth() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let camera = Simulator::start(&[]);
    let args = ["serve", "--config", text(&config), "--rtsp", "0.0.0.0:0"];
    write_config(&config, &[("yard", &camera, "")], "");
    let run = tutk(args);
    run.exits(2).reports(&["0.0.0.0:0", "[users]", "--no-auth"]);

    let mut service = Service::start(&[&args[..], &["--no-auth"]].concat());
    let warning = service.wait_for("anyone who can reach it may watch");
    assert!(warning.contains("WARN"), "{warning}");
    service.wait_for("rtsp://127.0.0.1:");
    service.stop("-INT");

    let run = tutk(["serve", "--config", text(&config), "--http", "[::]:0"]);
    run.exits(2)
        .reports(&["http at [::]:0", "[users]", "--no-auth"]);

    // With an account, whose password can come from the environment.
    write_config(
        &config,
        &[("yard", &camera, "")],
        "[users]\nalice = \"${ALICE}\"\n",
    );
    let mut command = common::command(args);
    command.env("ALICE", "correct horse");
    let mut service = Service::spawn(&mut command);
    let page = service.wait_for("http://");
    let address = service.wait_for("/yard");
    let refused = http(&page, "GET /api/cameras", "", "");
    assert!(
        refused.starts_with(b"HTTP/1.1 401 "),
        "{}",
        String::from_utf8_lossy(&refused)
    );
    // alice:correct horse
    let basic = "Authorization: Basic YWxpY2U6Y29ycmVjdCBob3JzZQ==\r\n";
    let response = http(&page, "GET /api/cameras", basic, "");
    assert!(
        response.starts_with(b"HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(&response)
    );
    if let Some(open) = plays(&address, 1) {
        assert!(!open, "RTSP without a password was accepted");
        let authenticated = address.replace("rtsp://", "rtsp://alice:correct%20horse@");
        assert_eq!(plays(&authenticated, 1), Some(true));
    }
    let stderr = service.stop("-INT").stderr;
    assert!(!stderr.contains("horse"), "{stderr}");
}

#[test]
fn reports_all_errors_of_the_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let url = common::url("127.0.0.1:9");
    let config_text = format!(
        "[serve]\nrtsp = \"8554\"\nlinger = \"soon\"\nport = 1\n\
         [users]\nalice = \"\"\n\"a:b\" = \"x\"\n\
         [record]\npath = \"fixed.mp4\"\nmax_size = \"much\"\n\
         [cameras.a]\nurl = \"{url}\"\nrecord = 1\nsound = \"no\"\nresend = \"often\"\ndialect = \"klingon\"\n"
    );
    write_private(&config, &config_text);
    let run = tutk(["serve", "--config", text(&config)]);
    run.exits(2).reports(&["11 errors", "docs/cameras.md"]);
    for line in [
        "line 2, key `rtsp`: expected ADDRESS:PORT",
        "line 3, key `linger`: expected a duration, for example 90s",
        "line 4, key `port`: unknown key",
        "line 6, key `alice`: the password must not be empty",
        "line 7: ",
        "line 9, key `path`: ",
        "line 10, key `max_size`: expected a number of bytes",
        "line 13, key `record`: expected true or false, got integer",
        "line 14, key `sound`: expected true or false, got string",
        "line 15, key `resend`: resend must be `auto`, `on` or `off`",
        "line 16, key `dialect`: unknown dialect; use auto",
    ] {
        assert!(run.stderr.contains(line), "{line}: {}", run.stderr);
    }
    // Two cameras that record to the same path, and no table [record].
    let cameras = format!(
        "[cameras.a]\nurl = \"{url}\"\nrecord = true\n[cameras.b]\nurl = \"{url}\"\nrecord = true\n"
    );
    write_private(
        &config,
        &format!("[record]\npath = \"x/%F.mp4\"\n{cameras}"),
    );
    let run = tutk(["serve", "--config", text(&config)]);
    run.exits(2);
    assert!(
        run.stderr
            .contains("line 8, key `record`: more than one camera"),
        "{}",
        run.stderr
    );
    write_private(&config, &cameras);
    let run = tutk(["serve", "--config", text(&config)]);
    run.exits(2);
    assert!(
        run.stderr
            .contains("line 3, key `record`: the file has no table [record]"),
        "{}",
        run.stderr
    );
    write_private(&config, "");
    tutk(["serve", "--config", text(&config)])
        .exits(2)
        .reports(&["no camera", "--demo"]);
}

#[test]
fn tells_the_service_manager_that_it_is_ready_and_alive() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let next = || {
        let mut notice = [0; 1_024];
        let length = socket.recv(&mut notice).unwrap();
        String::from_utf8_lossy(&notice[..length]).trim().to_owned()
    };
    let args = "serve --demo --rtsp 127.0.0.1:0 --http 127.0.0.1:0";
    let mut command = command(args.split(' '));
    command
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "1500000");
    let service = Service::spawn(&mut command);
    assert_eq!(next(), "READY=1");
    for _ in 0..3 {
        assert_eq!(next(), "WATCHDOG=1");
    }
    service.stop("-TERM");
    let last = loop {
        let notice = next();
        if notice != "WATCHDOG=1" {
            break notice;
        }
    };
    assert_eq!(last, "STOPPING=1");
}

#[test]
fn recording_resumes_when_the_folder_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let camera = Simulator::start(&[]);
    let recorded = folder.path().join("recorded");
    let record = format!("[record]\npath = \"{}/%Y-%m-%d.mp4\"", text(&recorded));
    // A file where the folder should be.
    fs::write(&recorded, "").unwrap();
    write_config(&config, &[("front", &camera, "record = true")], &record);
    let mut service = serve(&config);
    let page = service.wait_for("http://");
    let state = || http_ok(&page, "GET /api/cameras/front", "");
    let begun = Instant::now();
    while !state().contains("\"recording\":\"failed\"") {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", state());
        std::thread::sleep(Duration::from_millis(50));
    }
    let metrics = http_ok(&page, "GET /metrics", "");
    assert!(metrics.contains("tutk_camera_recording{camera=\"front\"} 0"));
    std::thread::sleep(Duration::from_millis(2_500));
    fs::remove_file(&recorded).unwrap();
    service.wait_for("front is recorded again");
    assert!(state().contains("\"recording\":\"on\""), "{}", state());
    let run = service.stop("-TERM");
    assert_eq!(run.stderr.matches("is not recorded").count(), 1);
    assert_eq!(recordings(&recorded).len(), 1);
}

#[test]
fn connections_leave_descriptors_to_recordings() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let camera = Simulator::start(&[]);
    let recorded = folder.path().join("recorded");
    let record = format!(
        "[record]\npath = \"{}/%Y-%m-%d-%H-%M-%S.mp4\"\nsegment = \"1s\"",
        text(&recorded)
    );
    write_config(&config, &[("front", &camera, "record = true")], &record);
    let mut shell = Command::new("sh");
    let script = "ulimit -n 120; exec \"$0\" serve --config \"$1\"";
    shell.args(["-c", script, env!("CARGO_BIN_EXE_tutk"), text(&config)]);
    let mut service = Service::spawn(&mut shell);
    let addresses = ["http://", "rtsp://"].map(|scheme| {
        let line = service.wait_for(scheme);
        let (_, rest) = line.split_once("://").unwrap();
        rest.split('/').next().unwrap().to_owned()
    });
    let mut strangers = Vec::new();
    let mut connect = |count: usize| {
        for address in addresses.iter().cycle().take(count) {
            let mut stranger = TcpStream::connect(address).unwrap();
            let request = "OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n";
            // The server may have closed it already.
            let _ = stranger.write_all(request.as_bytes());
            strangers.push(stranger);
        }
    };
    connect(300);
    let files = recordings(&recorded).len();
    let begun = Instant::now();
    while recordings(&recorded).len() < files + 3 {
        assert!(begun.elapsed() < Duration::from_secs(60), "no new segments");
        connect(10);
        std::thread::sleep(Duration::from_millis(100));
    }
    let stderr = service.stop("-TERM").stderr;
    assert!(
        stderr.contains("the limit of open files is 120"),
        "{stderr}"
    );
    assert!(!stderr.contains("is not recorded"), "{stderr}");
    assert!(!stderr.contains("cannot accept"), "{stderr}");
}
