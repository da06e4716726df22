//! `tutk serve`: cameras of a file, watched over RTSP and recorded.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test stops where it fails, and uses files and processes"
)]

mod common;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use common::{Service, Simulator, ask, plays, private, signal, streams, text, tutk};

/// A file with these cameras, and these lines behind them.
fn file(path: &Path, cameras: &[(&str, &Simulator, &str)], rest: &str) {
    let mut file = String::from("[serve]\nrtsp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\n");
    for (name, camera, more) in cameras {
        file += &format!("[cameras.{name}]\nurl = \"{}\"\n{more}\n", camera.url);
    }
    private(path, &(file + rest));
}

fn serve(config: &Path) -> Service {
    Service::start(&["serve", "--config", text(config)])
}

/// The same, as text, if it is a success.
fn asked(page: &str, request: &str, body: &str) -> String {
    let answer = String::from_utf8(ask(page, request, "", body)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{request}: {answer}");
    answer
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
fn cameras_of_the_file_are_watched_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let (front, back) = (Simulator::start(&["--audio", "aac"]), Simulator::start(&[]));
    let record = format!(
        "[record]\npath = \"{}/{{camera}}/%Y-%m-%dT%H-%M-%S.mp4\"\nsegment = \"2s\"",
        text(folder.path())
    );
    let more = "record = true\nconnect = \"always\"";
    file(
        &config,
        &[("front", &front, more), ("back", &back, "sound = false")],
        &record,
    );
    let mut service = serve(&config);
    let addresses: Vec<_> = ["back", "front"]
        .map(|name| service.wait_for(&format!("/{name}")))
        .to_vec();
    // What is recorded needs nobody who watches.
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
    signal(service.child(), "-TERM");
    let run = service.end();
    run.exits(0);
    assert!(!folder.path().join("back").exists());
    let all = recordings(&recorded);
    // The last one may have ended with its first picture.
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
fn the_file_is_read_again_without_dropping_what_did_not_change() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let (one, two, three) = (
        Simulator::start(&[]),
        Simulator::start(&[]),
        Simulator::start(&[]),
    );
    let always = "connect = \"always\"";
    file(&config, &[("one", &one, always), ("two", &two, always)], "");
    let mut service = serve(&config);
    let address = service.wait_for("/one");
    service.wait_for("one: connected");
    // Somebody watches, from before to after.
    let watching = std::thread::spawn(move || plays(&address, 200));
    std::thread::sleep(Duration::from_secs(2));
    file(
        &config,
        &[("one", &one, always), ("three", &three, always)],
        "",
    );
    signal(service.child(), "-HUP");
    service.wait_for("added: three");
    service.wait_for("removed: two");
    service.wait_for("three: connected");
    // A mistake changes nothing.
    let before = fs::read_to_string(&config).unwrap();
    private(&config, &before.replace("always", "never"));
    signal(service.child(), "-HUP");
    service.wait_for("line 6, key `connect`: connect must be `on-demand` or `always`");
    service.wait_for("previous configuration stays in effect");
    private(&config, &before);
    signal(service.child(), "-HUP");
    service.wait_for("nothing has changed");
    assert_ne!(watching.join().unwrap(), Some(false));
    signal(service.child(), "-INT");
    let run = service.end();
    run.exits(0);
    let again = run
        .stderr
        .lines()
        .filter(|line| *line == "one: connected")
        .count();
    assert_eq!(again, 1, "{}", run.stderr);
    // Each camera had one client, whoever watched.
    for camera in [one, two, three] {
        signal(camera.child(), "-INT");
        let run = camera.end();
        assert!(run.stderr.contains("served 1 client:"), "{}", run.stderr);
    }
}

#[test]
fn a_camera_that_comes_and_goes_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let mut camera = Simulator::start(&[]);
    let listen = camera.address().to_owned();
    file(&config, &[("yard", &camera, "connect = \"always\"")], "");
    let mut service = serve(&config);
    service.wait_for("yard: connected");
    camera.kill();
    service.wait_for("yard: ");
    let _camera = Simulator::start_at(&listen, &[]);
    service.wait_for("yard: connected");
    signal(service.child(), "-INT");
    service.end().exits(0);
}

#[test]
fn the_demo_needs_no_file() {
    let args = [
        "serve",
        "--demo",
        "--rtsp",
        "127.0.0.1:0",
        "--http",
        "127.0.0.1:0",
    ];
    let mut service = Service::start(&args);
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
    assert!(asked(&page, "GET /", "").contains("<!doctype html>"));
    let cameras = asked(&page, "GET /api/cameras", "");
    for name in ["garden", "hall", "yard"] {
        assert!(
            cameras.contains(&format!("/{name}/stream.mp4")),
            "{cameras}"
        );
    }
    assert!(!cameras.contains("TUTKDEMOCAMERA"), "{cameras}");
    asked(
        &page,
        "POST /api/cameras/garden/controls/night-vision",
        r#"{"value": "on"}"#,
    );
    let value = asked(&page, "GET /api/cameras/garden/controls/night-vision", "");
    assert!(value.contains(r#""on""#), "{value}");
    let picture = ask(&page, "GET /garden/snapshot.jpg", "", "");
    let status = String::from_utf8_lossy(&picture[..12]).into_owned();
    match cfg!(feature = "snapshot") {
        true => {
            assert_eq!(status, "HTTP/1.1 200");
            assert!(picture.ends_with(&[0xff, 0xd9]), "the end of a JPEG");
        }
        false => assert_eq!(status, "HTTP/1.1 501"),
    }
    signal(service.child(), "-INT");
    service.end().exits(0);
}

#[test]
fn one_of_the_servers_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let camera = Simulator::start(&[]);
    file(&config, &[("yard", &camera, "")], "");
    let args = ["serve", "--config", text(&config)];
    let mut service = Service::start(&[&args[..], &["--rtsp", "off"]].concat());
    let page = service.wait_for("http://");
    assert!(asked(&page, "GET /api/cameras/yard", "").contains("\"rtsp\":null"));
    signal(service.child(), "-INT");
    let run = service.end();
    run.exits(0);
    assert!(!run.stderr.contains("rtsp://"), "{}", run.stderr);

    // A port that somebody else has is an error at once.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let run = tutk([&args[..], &["--http", &taken]].concat());
    run.exits(1).says(&["HTTP", &taken, "--http"]);

    let mut service = Service::start(&[&args[..], &["--http", "off"]].concat());
    service.wait_for("rtsp://");
    signal(service.child(), "-INT");
    let run = service.end();
    run.exits(0);
    assert!(!run.stderr.contains("http://"), "{}", run.stderr);
}

#[test]
fn who_may_watch_is_settled_before_anything_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let camera = Simulator::start(&[]);
    let args = ["serve", "--config", text(&config), "--rtsp", "0.0.0.0:0"];
    file(&config, &[("yard", &camera, "")], "");
    let run = tutk(args);
    run.exits(2).says(&["0.0.0.0:0", "[users]", "--no-auth"]);

    let mut service = Service::start(&[&args[..], &["--no-auth"]].concat());
    let warning = service.wait_for("anyone who can reach it may watch");
    assert!(warning.contains("WARN"), "{warning}");
    service.wait_for("rtsp://127.0.0.1:");
    signal(service.child(), "-INT");
    service.end().exits(0);

    let run = tutk(["serve", "--config", text(&config), "--http", "[::]:0"]);
    run.exits(2)
        .says(&["http at [::]:0", "[users]", "--no-auth"]);

    // With a name and a password, which may stand in the environment.
    file(
        &config,
        &[("yard", &camera, "")],
        "[users]\nanna = \"${ANNA}\"\n",
    );
    let mut command = common::command(args);
    command.env("ANNA", "geheim wie nie");
    let mut service = Service::spawn(&mut command);
    let page = service.wait_for("http://");
    let address = service.wait_for("/yard");
    let refused = ask(&page, "GET /api/cameras", "", "");
    assert!(
        refused.starts_with(b"HTTP/1.1 401 "),
        "{}",
        String::from_utf8_lossy(&refused)
    );
    // anna:geheim wie nie
    let basic = "Authorization: Basic YW5uYTpnZWhlaW0gd2llIG5pZQ==\r\n";
    let answer = ask(&page, "GET /api/cameras", basic, "");
    assert!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    if let Some(open) = plays(&address, 1) {
        assert!(!open, "nobody was asked who he is");
        let signed = address.replace("rtsp://", "rtsp://anna:geheim%20wie%20nie@");
        assert_eq!(plays(&signed, 1), Some(true));
    }
    signal(service.child(), "-INT");
    let run = service.end();
    run.exits(0);
    assert!(!run.stderr.contains("geheim"), "{}", run.stderr);
}

#[test]
fn every_mistake_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let url = common::url("127.0.0.1:9");
    let text_of = format!(
        "[serve]\nrtsp = \"8554\"\nlinger = \"soon\"\nport = 1\n\
         [users]\nanna = \"\"\n\"a:b\" = \"x\"\n\
         [record]\npath = \"fixed.mp4\"\nmax_size = \"much\"\n\
         [cameras.a]\nurl = \"{url}\"\nrecord = 1\nsound = \"no\"\nresend = \"often\"\ndialect = \"klingon\"\n"
    );
    private(&config, &text_of);
    let run = tutk(["serve", "--config", text(&config)]);
    run.exits(2).says(&["11 errors", "docs/cameras.md"]);
    for line in [
        "line 2, key `rtsp`: expected ADDRESS:PORT",
        "line 3, key `linger`: expected a duration, for example 90s",
        "line 4, key `port`: unknown key",
        "line 6, key `anna`: the password must not be empty",
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
    // Two cameras, one path; and none at all.
    let cameras = format!(
        "[cameras.a]\nurl = \"{url}\"\nrecord = true\n[cameras.b]\nurl = \"{url}\"\nrecord = true\n"
    );
    private(
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
    private(&config, &cameras);
    let run = tutk(["serve", "--config", text(&config)]);
    run.exits(2);
    assert!(
        run.stderr
            .contains("line 3, key `record`: the file has no table [record]"),
        "{}",
        run.stderr
    );
    private(&config, "");
    tutk(["serve", "--config", text(&config)])
        .exits(2)
        .says(&["no camera", "--demo"]);
}
