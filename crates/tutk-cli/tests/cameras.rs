//! `tutk cameras`, and names from the file.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test stops where it fails, and uses files"
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
    fn mode(&self, mode: u32) {
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
fn cameras_are_listed_without_their_secrets() {
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

#[test]
fn all_mistakes_are_told_at_once() {
    let text = format!(
        "{}[cameras.back]\nhots = \"h\"\nport = 0\nenr = \"${{BACK_ENR}}\"\n",
        camera("front")
    );
    let file = File::new(&text);
    let run = file.tutk(&["cameras", "--quiet", "--json"]);
    run.exits(2)
        .says(&["arguments", "errors", "docs/cameras.md"]);
    for said in [
        "line 8, key `hots`: unknown key; did you mean `host`?",
        "line 9, key `port`: expected a number from 1 to 65535",
        "line 10, key `enr`: the environment variable BACK_ENR is not set",
    ] {
        assert!(run.stderr.contains(said), "{}\nlacks {said}", run.stderr);
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

    // With the variable set it is not among them.
    let mut tutk = command(["cameras", "--config", common::text(&file.path)]);
    let run = run_with(&mut tutk, "BACK_ENR", ENR);
    run.exits(2);
    assert!(!run.stderr.contains("BACK_ENR"), "{}", run.stderr);
}

fn run_with(tutk: &mut std::process::Command, name: &str, value: &str) -> Run {
    run(tutk.env(name, value))
}

#[test]
fn a_camera_is_taken_from_the_file_with_its_secret_from_the_environment() {
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
        .says(&["line 5", "key `enr`", "DOOR_ENR is not set"]);
    run_with(&mut command(&args), "DOOR_ENR", ENR).exits(0);
    camera.end().exits(0);
}

#[test]
fn no_file_and_an_empty_file() {
    let run = tutk(["cameras"]);
    run.exits(2).says(&[
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
fn a_file_with_secrets_that_others_may_read_is_warned_of() {
    let warned = |file: &File, mode: u32| {
        file.mode(mode);
        file.tutk(&["cameras"]).stderr.contains("chmod 600")
    };
    let file = File::new(&camera("front"));
    assert!(warned(&file, 0o640) && warned(&file, 0o604));
    assert!(!warned(&file, 0o600));
    let file = File::new("[cameras.front]\nurl = \"${FRONT_URL}\"\n");
    assert!(!warned(&file, 0o644));
}
