//! `tutk cameras`, and cameras selected by their name in the configuration file.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and use files"
)]

mod common;

use std::fs;
use std::path::PathBuf;

use common::{ENR, MAC, Run, Simulator, UID, command, run, text, tutk};
use tempfile::TempDir;

struct File {
    path: PathBuf,
    _folder: TempDir,
}

impl File {
    fn new(contents: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cameras.toml");
        fs::write(&path, contents).unwrap();
        Self {
            path,
            _folder: folder,
        }
    }

    fn tutk(&self, args: &[&str]) -> Run {
        tutk(args.iter().copied().chain(["--config", text(&self.path)]))
    }

    #[cfg(unix)]
    fn set_mode(&self, mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&self.path, fs::Permissions::from_mode(mode)).unwrap();
    }
}

fn camera(name: &str) -> String {
    format!(
        "[cameras.{name}]\nhost = \"h\"\nuid = \"{UID}\"\nenr = \"{ENR}\"\nmac = \"{MAC}\"\nmodel = \"HL_CAM4\"\n"
    )
}

#[test]
fn lists_cameras_without_secrets() {
    let file = File::new(&camera("front"));
    let run = file.tutk(&["cameras"]);
    run.exits(0);
    let out = String::from_utf8(run.stdout).unwrap();
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(
        lines,
        [
            "NAME   ADDRESS  UID                   MODEL    SOLD AS",
            "front  h:32761  HSBJYB5HSETGCDWD111A  HL_CAM4  Wyze Cam v4",
        ]
    );
    let run = file.tutk(&["cameras", "--json"]);
    run.exits(0);
    let json = run.json();
    assert_eq!(json["cameras"][0]["name"], "front");
    assert_eq!(json["mistakes"], serde_json::json!([]));
    assert!(!json.to_string().contains(ENR));
}

/// SHA-256 of this ENR begins with 0x00.
#[test]
fn weak_keys_are_reported_with_what_to_do() {
    let weak = camera("front").replace(ENR, "3K0efp/HI0qSZjNw");
    let weak = weak.replace("\"h\"", "\"127.0.0.1\"");
    let file = File::new(&format!("{weak}{}", camera("back")));
    let run = file.tutk(&["cameras"]);
    run.exits(0);
    let lines = run.stderr.lines().filter(|line| line.contains("weak key"));
    let lines: Vec<_> = lines.collect();
    assert_eq!(lines.len(), 1, "{}", run.stderr);
    for part in [
        "front: weak key",
        "0 of the 32 bytes",
        "set the camera up again",
    ] {
        assert!(lines[0].contains(part), "{lines:?}");
    }
    let json = file.tutk(&["cameras", "--json"]).json();
    assert!(json["cameras"][0]["warning"].is_string());
    assert!(json["cameras"][1]["warning"].is_null());

    let run = file.tutk(&["record", "front", "--output", "-"]);
    run.exits(3);
    assert!(run.stderr.contains("weak key"), "{}", run.stderr);
}

#[test]
fn reports_all_errors_of_the_file_at_once() {
    let text = format!(
        "{}[cameras.back]\nhots = \"h\"\nport = 0\nenr = \"${{BACK_ENR}}\"\n",
        camera("front")
    );
    let file = File::new(&text);
    let run = file.tutk(&["cameras", "--quiet", "--json"]);
    run.exits(2)
        .reports(&["arguments", "errors", "docs/cameras.md"]);
    for line in [
        "line 8, key `hots`: unknown key; did you mean `host`?",
        "line 9, key `port`: expected a number from 1 to 65535",
        "line 10, key `enr`: the environment variable BACK_ENR is not set",
    ] {
        assert!(run.stderr.contains(line), "{}\nlacks {line}", run.stderr);
    }
    let json = run.json();
    assert_eq!(json["cameras"][0]["name"], "front");
    let last = json["mistakes"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(
        last,
        serde_json::json!({
            "camera": "back", "line": 10, "key": "enr",
            "what": "the environment variable BACK_ENR is not set"
        })
    );

    // The error disappears when the variable is set.
    let mut tutk = command(["cameras", "--config", common::text(&file.path)]);
    let run = common::run(tutk.env("BACK_ENR", ENR));
    run.exits(2);
    assert!(!run.stderr.contains("BACK_ENR"), "{}", run.stderr);
}

#[test]
fn selects_a_camera_by_name_with_its_enr_from_the_environment() {
    let camera = Simulator::start(&["--once"]);
    let (host, port) = camera.address().split_once(':').unwrap();
    let file = File::new(&format!(
        "[cameras.door]\nhost = \"{host}\"\nport = {port}\nuid = \"{UID}\"\nenr = \"${{DOOR_ENR}}\"\nmac = \"{MAC}\"\n\
         [cameras.other]\nhost = 1\n"
    ));
    let args = [
        "record", "door", "--output", "-", "--frames", "5", "--config",
    ];
    let args: Vec<_> = args.iter().copied().chain([text(&file.path)]).collect();
    let unset = tutk(&args);
    unset
        .exits(2)
        .reports(&["line 5", "key `enr`", "DOOR_ENR is not set"]);
    run(command(&args).env("DOOR_ENR", ENR)).exits(0);
    camera.end().exits(0);
}

#[test]
fn missing_file_is_an_error_and_empty_file_is_not() {
    let run = tutk(["cameras"]);
    run.exits(2).reports(&[
        "/nonexistent/tutk/cameras.toml",
        "tutk cloud cameras --write",
    ]);
    let run = File::new("").tutk(&["cameras"]);
    run.exits(0);
    assert!(
        String::from_utf8(run.stdout)
            .unwrap()
            .ends_with("contains no camera\n")
    );
}

#[cfg(unix)]
#[test]
fn warns_if_other_users_can_read_secrets() {
    let warned = |file: &File, mode: u32| {
        file.set_mode(mode);
        file.tutk(&["cameras"]).stderr.contains("chmod 600")
    };
    let file = File::new(&camera("front"));
    assert!(warned(&file, 0o640) && warned(&file, 0o604));
    assert!(!warned(&file, 0o600));
    let file = File::new("[cameras.front]\nurl = \"${FRONT_URL}\"\n");
    assert!(!warned(&file, 0o644));
}
