//! Checks docs/recipes.md and contrib/: parses the files, runs the commands and opens the URLs.
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

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Service, Simulator, http, plays, probe, streams, text, write_private};
use saphyr::{LoadableYamlNode as _, Yaml};
use tempfile::TempDir;
use testkit::tools::are_installed;

const PAGE: &str = include_str!("../../../docs/recipes.md");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The address of `tutk serve` and the account in the recipes.
const HOST: &str = "192.168.1.5";
const USER: &str = "recorder";
/// The example of the recipes for a password that must be encoded in a URL.
const PASSWORD: &str = "p@ss/1";
const ENCODED: &str = "p%40ss%2F1";
/// `recorder:p@ss/1`
const BASIC: &str = "Authorization: Basic cmVjb3JkZXI6cEBzcy8x\r\n";

/// The code blocks of the page in this language, without the comments of shell and YAML.
fn blocks(language: &str) -> Vec<String> {
    let parts = PAGE.split("```").skip(1).step_by(2);
    let blocks = parts.filter_map(|part| {
        let (first, block) = part.split_once('\n')?;
        (first == language).then(|| without_comments(block))
    });
    let blocks: Vec<_> = blocks.collect();
    assert!(!blocks.is_empty(), "no {language} on the page");
    blocks
}

fn without_comments(text: &str) -> String {
    let lines = text.lines();
    let lines = lines.filter(|line| !line.trim_start().starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}

/// The code spans of a text.
fn spans(prose: &str) -> impl Iterator<Item = String> {
    prose.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// All code of the page and of contrib/, except the camera files.
fn code() -> Vec<String> {
    let mut code: Vec<_> = ["sh", "yaml"].map(blocks).into_iter().flatten().collect();
    code.extend(PAGE.split("```").step_by(2).flat_map(spans));
    code.push(without_comments(&contrib("tutk.service")));
    code.extend(spans(&contrib("cameras.example.toml")));
    code
}

fn contrib(name: &str) -> String {
    fs::read_to_string(format!("{ROOT}/contrib/{name}")).unwrap()
}

/// The texts that follow each occurrence of a prefix, up to one of these characters.
fn after<'a>(text: &'a str, prefix: &str, ends: &[char]) -> Vec<&'a str> {
    let parts = text.split(prefix).skip(1);
    parts.map(|part| part.split(ends).next().unwrap()).collect()
}

/// A running `tutk serve` with the cameras of the page, on free ports.
struct Server {
    folder: TempDir,
    service: Service,
    page: String,
    rtsp: String,
    _cameras: [Simulator; 2],
}

impl Server {
    /// `door` sends PCMU, `garden` AAC.
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cameras = [Simulator::start(&[]), Simulator::start(&["--audio", "aac"])];
        let [door, garden] = cameras.each_ref().map(|camera| &camera.url);
        fs::create_dir(folder.path().join("tutk")).unwrap();
        let config = folder.path().join("tutk/cameras.toml");
        let file = format!(
            "[serve]\nrtsp = \"127.0.0.1:0\"\nhttp = \"127.0.0.1:0\"\nconnect = \"always\"\n\
             [users]\n{USER} = \"{PASSWORD}\"\n\
             [cameras.door]\nurl = \"{door}\"\n[cameras.garden]\nurl = \"{garden}\"\n"
        );
        write_private(&config, &file);
        let mut service = Service::start(&["serve", "--config", text(&config)]);
        let page = service.wait_for("http://");
        let door = service.wait_for("rtsp://");
        service.wait_for("door: connected");
        Self {
            folder,
            service,
            page,
            rtsp: door.strip_suffix("/door").unwrap().to_owned(),
            _cameras: cameras,
        }
    }

    /// Replaces the addresses and the password of the page with those of this server.
    fn localize(&self, text: &str) -> String {
        let address = |url: &str| url.split("://").nth(1).unwrap().to_owned();
        let http = address(&self.page);
        text.replace(&format!("{HOST}:8554"), &address(&self.rtsp))
            .replace(&format!("{HOST}:8888"), http.trim_end_matches('/'))
            .replace(":PASSWORD@", &format!(":{ENCODED}@"))
            .replace(":{FRIGATE_TUTK_PASSWORD}@", &format!(":{ENCODED}@"))
    }

    /// A shell command that finds `tutk` and its configuration file.
    fn shell(&self, line: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_tutk")).parent().unwrap();
        let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("sh");
        command
            .args(["-c", line])
            .current_dir(self.folder.path())
            .env("PATH", path)
            .env("XDG_CONFIG_HOME", self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn stop(self) {
        self.service.stop("-TERM");
    }
}

#[test]
fn camera_files_are_valid() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let files = blocks("toml").into_iter();
    for file in files.chain([contrib("cameras.example.toml")]) {
        // The test uses only this machine and its temporary directory.
        let file = file.replace("192.168.1.", "127.0.0.");
        write_private(&config, &file.replace("/var/lib/tutk", text(folder.path())));
        let run = |args: &[&str]| {
            let mut command = common::command(args);
            for name in after(&file, "${", &['}']) {
                command.env(name, "aKzdqckqZ8HUHFe5");
            }
            command
        };
        let checked = common::run(&mut run(&["cameras", "--config", text(&config)]));
        checked.exits(0);
        assert!(!checked.stderr.contains("WARN"), "{}", checked.stderr);
        // The files listen on all interfaces, which requires accounts.
        assert!(file.contains("rtsp = \"0.0.0.0:8554\"") && file.contains("[users]"));
        let anywhere = ["--rtsp", "0.0.0.0:0", "--http", "0.0.0.0:0"];
        let serve = ["serve", "--config", text(&config)];
        let mut service = Service::spawn(&mut run(&[&serve[..], &anywhere].concat()));
        service.wait_for("/door");
        service.stop("-TERM");
    }
}

#[test]
fn commands_are_valid() {
    // The check below can fail.
    common::tutk(["record", "door", "--outptu", "x", "--help"]).exits(2);
    common::tutk(["recrod", "door", "--help"]).exits(2);
    let mut commands = BTreeSet::new();
    let code = code();
    for code in &code {
        for command in after(code, "tutk ", &['\n', '|', '#', '"', '&', '`']) {
            let first = command.split(' ').next().unwrap();
            // In commands of other programs, `tutk` is a user, a volume, an image or a unit.
            if !["", "tutk"].contains(&first) && first.chars().all(|c| c.is_ascii_lowercase()) {
                commands.insert(command.trim());
            }
        }
    }
    let names: BTreeSet<_> = commands
        .iter()
        .map(|c| c.split(' ').next().unwrap())
        .collect();
    let expected = [
        "cameras", "cloud", "discover", "passwd", "record", "serve", "snapshot",
    ];
    assert_eq!(names, BTreeSet::from(expected));
    for command in commands {
        let run = common::tutk(command.split(' ').chain(["--help"]));
        assert!(run.status.success(), "tutk {command}: {}", run.stderr);
    }
}

#[test]
fn urls_are_served() {
    let server = Server::start();
    let mut addresses = BTreeSet::new();
    for code in code() {
        for scheme in ["rtsp://", "http://"] {
            for address in after(&code, scheme, &['\n', ' ', '"']) {
                let (user, rest) = address.rsplit_once('@').unwrap_or(("", address));
                if rest.starts_with(HOST) {
                    assert!(user.is_empty() || user.starts_with(USER), "{address}");
                    addresses.insert(format!("{scheme}{address}"));
                }
            }
        }
    }
    assert!(addresses.len() > 10, "{addresses:?}");
    for address in &addresses {
        let local = server.localize(address);
        assert!(
            local.contains("://127.0.0.1:") || local.contains("@127.0.0.1:"),
            "{address}"
        );
        // Some products have separate settings for the account.
        let (scheme, rest) = local.split_once("://").unwrap();
        let authenticated = match rest.contains('@') {
            true => local.clone(),
            false => format!("{scheme}://{USER}:{ENCODED}@{rest}"),
        };
        if scheme == "rtsp" || local.contains("/stream.") {
            assert_ne!(plays(&authenticated, 1), Some(false), "{address}");
            continue;
        }
        let path = &rest[rest.find('/').unwrap()..];
        let response = http(&server.page, &format!("GET {path}"), BASIC, "");
        let status = String::from_utf8_lossy(&response[..12]).into_owned();
        let unsupported = path.ends_with(".jpg") && !cfg!(feature = "snapshot");
        let expected = if unsupported {
            "HTTP/1.1 501"
        } else {
            "HTTP/1.1 200"
        };
        assert_eq!(status, expected, "{address}");
    }

    // The responses contain the fields that Home Assistant and Prometheus read.
    let get = |path: &str| {
        let response = http(&server.page, &format!("GET {path}"), BASIC, "");
        String::from_utf8(response).unwrap()
    };
    let json = get("/api/cameras/door") + &get("/api/cameras/door/controls/night-vision");
    let metrics = get("/metrics");
    let yaml = blocks("yaml").join("\n");
    let end = |c: char| !(c.is_ascii_lowercase() || c == '_');
    let names = |prefix| -> BTreeSet<&str> {
        let parts = yaml.split(prefix).skip(1);
        parts.map(|part| part.split(end).next().unwrap()).collect()
    };
    let fields = names("value_json.");
    assert_eq!(fields, BTreeSet::from(["state", "value", "viewers"]));
    for field in fields {
        assert!(json.contains(&format!("\"{field}\":")), "{field}: {json}");
    }
    for metric in names("tutk_camera_") {
        let sample = format!("\ntutk_camera_{metric}{{camera=\"door\"}} ");
        assert!(metrics.contains(&sample), "{metric}: {metrics}");
    }
    let body = after(&yaml, "body_on: '", &['\'']);
    let body = body.first().unwrap();
    let set = "POST /api/cameras/door/controls/spotlight";
    let response = http(&server.page, set, BASIC, body);
    assert!(
        response.starts_with(b"HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(&response)
    );
    assert!(get("/api/cameras/door/controls/spotlight").contains("\"value\":\"on\""));
    server.stop();
}

#[test]
fn ffmpeg_commands_run() {
    let server = Server::start();
    let url = server.localize("rtsp://recorder:PASSWORD@192.168.1.5:8554/door");
    if plays(&url, 1).is_none() {
        return;
    }
    let mut lines: Vec<String> = Vec::new();
    for block in blocks("sh") {
        let runs = |line: &&str| line.contains("ffmpeg ") || line.starts_with("tutk snapshot");
        lines.extend(block.lines().filter(runs).map(str::to_owned));
    }
    // The command that MediaMTX runs, with a file as the output.
    let yaml = blocks("yaml").join("\n");
    let [line] = after(&yaml, "sh -c \"", &['"'])[..] else {
        panic!("MediaMTX runs one command");
    };
    let (line, _) = line.split_once("-f rtsp rtsp://localhost:").unwrap();
    lines.push(format!("{line}mediamtx.ts"));
    assert_eq!(lines.len(), 8, "{lines:#?}");
    // The commands run until they are stopped.
    let limited = "ffmpeg -nostdin -v error -xerror -t 3 ";
    let running: Vec<_> = lines
        .iter()
        .map(|line| server.localize(line).replace("ffmpeg ", limited))
        .map(|line| (server.shell(&line).spawn().unwrap(), line))
        .collect();
    for (child, line) in running {
        let output = child.wait_with_output().unwrap();
        let expected = !line.starts_with("tutk snapshot") || cfg!(feature = "snapshot");
        assert_eq!(output.status.success(), expected, "{line}: {output:?}");
    }
    let codecs_of = |name: &str| {
        let streams = streams(&server.folder.path().join(name)).unwrap();
        let codecs: Vec<_> = streams.iter().map(|stream| stream.codec.clone()).collect();
        assert!(streams[0].packets > 0, "{name}");
        codecs.join(" ")
    };
    for (name, codecs) in [
        ("door.mkv", "h264 pcm_mulaw"),
        ("door.mp4", "h264 aac"),
        ("door.m3u8", "h264 aac"),
        ("door.jpg", "mjpeg"),
        ("http.mkv", "h264 pcm_mulaw"),
        ("pipe.mkv", "h264"),
        ("mediamtx.ts", "h264 aac"),
    ] {
        assert_eq!(codecs_of(name), codecs, "{name}");
    }
    if cfg!(feature = "snapshot") {
        assert_eq!(codecs_of("now.jpg"), "mjpeg");
    }
    server.stop();
}

#[test]
fn go2rtc_recognises_piped_streams() {
    let server = Server::start();
    let yaml = blocks("yaml").join("\n");
    let commands = after(&yaml, "exec:", &['#', '\n']);
    assert_eq!(commands.len(), 2, "{commands:?}");
    for command in commands {
        let ts = command.contains("--format ts");
        let name = if ts { "piped.ts" } else { "piped.h264" };
        let line = format!("{command} --frames 45");
        let output = server.shell(&line).output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        // go2rtc looks for a start code of four bytes and a sequence parameter set, or the sync
        // byte of MPEG-TS.
        let prefix: &[u8] = if ts { &[0x47] } else { &[0, 0, 0, 1, 0x67] };
        assert!(
            output.stdout.starts_with(prefix),
            "{command}: {:x?}",
            &output.stdout[..16]
        );
        let path = server.folder.path().join(name);
        fs::write(&path, &output.stdout).unwrap();
        let Some(probed) = probe(&path) else {
            continue;
        };
        match ts {
            true => assert!(
                probed.lines().any(|line| line.starts_with("aac")),
                "{probed}"
            ),
            false => assert_eq!(probed, "h264,640,360,45"),
        }
    }
    server.stop();
}

#[test]
fn yaml_blocks_are_valid() {
    let blocks = blocks("yaml").into_iter();
    for block in blocks.chain([contrib("compose.yaml")]) {
        let documents = Yaml::load_from_str(&block);
        let documents = documents.unwrap_or_else(|error| panic!("{error}:\n{block}"));
        assert_eq!(documents.len(), 1, "{block}");
        assert!(documents[0].is_mapping(), "{block}");
    }
}

#[test]
fn systemd_unit_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let unit = contrib("tutk.service");
    let installed = "ExecStart=/usr/local/bin/tutk serve ";
    assert!(unit.contains(installed));
    let path = folder.path().join("tutk.service");
    // systemd-analyze requires that the program exists.
    let unit = unit.replace(
        installed,
        &format!("ExecStart={} serve ", env!("CARGO_BIN_EXE_tutk")),
    );
    fs::write(&path, &unit).unwrap();
    if !are_installed(&["systemd-analyze"], "--version", "systemd") {
        return;
    }
    let verify = |path: &Path| {
        let args = ["verify", "--man=no", text(path)];
        Command::new("systemd-analyze").args(args).output().unwrap()
    };
    let output = verify(&path);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{stderr}");
    // The check can fail: systemd-analyze reports unknown settings.
    fs::write(&path, unit.replace("ProtectHome", "ProtectUnknown")).unwrap();
    let stderr = String::from_utf8(verify(&path).stderr).unwrap();
    assert!(stderr.contains("ProtectUnknown"), "{stderr}");
}

#[test]
fn containerfile_copies_the_whole_workspace() {
    let file = contrib("Containerfile");
    let manifest = fs::read_to_string(format!("{ROOT}/Cargo.toml")).unwrap();
    let members = after(&manifest, "\nmembers = [", &[']'])[0];
    for member in after(members, "\"", &['"']).iter().step_by(2) {
        let folder = member.split('/').next().unwrap();
        let copied = format!("\nCOPY {folder} {folder}\n");
        assert!(file.contains(&copied), "{folder}");
    }
    assert!(file.contains("\nCOPY Cargo.toml Cargo.lock ./\n"));
    // The command and the ports of `tutk serve`.
    assert!(file.contains(r#"CMD ["serve", "--config", "/etc/tutk/cameras.toml"]"#));
    assert!(file.contains("\nEXPOSE 8554/tcp 8888/tcp\n"));
}
