//! docs/recipes.md and contrib/ say what is so: files are read, commands run, addresses opened.
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

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::{Service, Simulator, ask, plays, private, probe, signal, streams, text};
use saphyr::{LoadableYamlNode as _, Yaml};
use tempfile::TempDir;

const PAGE: &str = include_str!("../../../docs/recipes.md");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Where `tutk serve` runs in the recipes, and who watches.
const HOST: &str = "192.168.1.5";
const USER: &str = "recorder";
/// The page's own example, as it is and in an address.
const PASSWORD: &str = "p@ss/1";
const ENCODED: &str = "p%40ss%2F1";
/// `recorder:p@ss/1`
const BASIC: &str = "Authorization: Basic cmVjb3JkZXI6cEBzcy8x\r\n";

/// What the page shows in that language, without the comments of shell and YAML.
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

/// What stands between backticks.
fn spans(prose: &str) -> impl Iterator<Item = String> {
    prose.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// Everything that is code on the page and beside it, but the cameras' files.
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

/// What follows these words, up to one of the ends.
fn after<'a>(text: &'a str, words: &str, ends: &[char]) -> Vec<&'a str> {
    let parts = text.split(words).skip(1);
    parts.map(|part| part.split(ends).next().unwrap()).collect()
}

/// `tutk serve` as on the page, with simulated cameras at other ports.
struct Serving {
    folder: TempDir,
    service: Service,
    page: String,
    rtsp: String,
    _cameras: [Simulator; 2],
}

impl Serving {
    /// `door` sounds in PCMU, `garden` in AAC.
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
        private(&config, &file);
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

    /// The page's text with where it is here.
    fn here(&self, text: &str) -> String {
        let there = |port: u16| format!("{HOST}:{port}");
        let bare = |address: &str| address.split("://").nth(1).unwrap().to_owned();
        text.replace(&there(8554), &bare(&self.rtsp))
            .replace(&there(8888), bare(&self.page).trim_end_matches('/'))
            .replace(":PASSWORD@", &format!(":{ENCODED}@"))
            .replace(":{FRIGATE_TUTK_PASSWORD}@", &format!(":{ENCODED}@"))
    }

    /// A line of the page for the shell, with the program at hand, which finds its cameras.
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

    fn end(self) {
        signal(self.service.child(), "-TERM");
        self.service.end().exits(0);
    }
}

#[test]
fn files_with_cameras_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("cameras.toml");
    let files = blocks("toml").into_iter();
    for file in files.chain([contrib("cameras.example.toml")]) {
        // Nothing of the test leaves the machine, nor its folder.
        let file = file.replace("192.168.1.", "127.0.0.");
        private(&config, &file.replace("/var/lib/tutk", text(folder.path())));
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
        // Where others can reach it, as the files have it: that wants accounts.
        assert!(file.contains("rtsp = \"0.0.0.0:8554\"") && file.contains("[users]"));
        let anywhere = ["--rtsp", "0.0.0.0:0", "--http", "0.0.0.0:0"];
        let serve = ["serve", "--config", text(&config)];
        let mut service = Service::spawn(&mut run(&[&serve[..], &anywhere].concat()));
        service.wait_for("/door");
        signal(service.child(), "-TERM");
        service.end().exits(0);
    }
}

#[test]
fn commands_are_understood() {
    // That the check can fail.
    common::tutk(["record", "door", "--outptu", "x", "--help"]).exits(2);
    common::tutk(["recrod", "door", "--help"]).exits(2);
    let mut commands = BTreeSet::new();
    let code = code();
    for code in &code {
        for command in after(code, "tutk ", &['\n', '|', '#', '"', '&', '`']) {
            let first = command.split(' ').next().unwrap();
            // Other programs are told of a user, a volume, an image or a unit `tutk`.
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
        "cameras", "cloud", "discover", "record", "serve", "snapshot",
    ];
    assert_eq!(names, BTreeSet::from(expected));
    for command in commands {
        let run = common::tutk(command.split(' ').chain(["--help"]));
        assert!(run.status.success(), "tutk {command}: {}", run.stderr);
    }
}

#[test]
fn addresses_are_served() {
    let serving = Serving::start();
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
        let here = serving.here(address);
        assert!(
            here.contains("://127.0.0.1:") || here.contains("@127.0.0.1:"),
            "{address}"
        );
        // Products are told name and password beside an address that has none.
        let (scheme, rest) = here.split_once("://").unwrap();
        let signed = match rest.contains('@') {
            true => here.clone(),
            false => format!("{scheme}://{USER}:{ENCODED}@{rest}"),
        };
        if scheme == "rtsp" || here.contains("/stream.") {
            assert_ne!(plays(&signed, 1), Some(false), "{address}");
            continue;
        }
        let path = &rest[rest.find('/').unwrap()..];
        let answer = ask(&serving.page, &format!("GET {path}"), BASIC, "");
        let status = String::from_utf8_lossy(&answer[..12]).into_owned();
        let lacks = path.ends_with(".jpg") && !cfg!(feature = "snapshot");
        let expected = if lacks {
            "HTTP/1.1 501"
        } else {
            "HTTP/1.1 200"
        };
        assert_eq!(status, expected, "{address}");
    }

    // What Home Assistant and Prometheus take out of the answers is in them.
    let get = |path: &str| {
        let answer = ask(&serving.page, &format!("GET {path}"), BASIC, "");
        String::from_utf8(answer).unwrap()
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
    let answer = ask(&serving.page, set, BASIC, body);
    assert!(
        answer.starts_with(b"HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(&answer)
    );
    assert!(get("/api/cameras/door/controls/spotlight").contains("\"value\":\"on\""));
    serving.end();
}

#[test]
fn ffmpegs_lines_run() {
    let serving = Serving::start();
    if plays(
        &serving.here("rtsp://recorder:PASSWORD@192.168.1.5:8554/door"),
        1,
    )
    .is_none()
    {
        return;
    }
    let mut lines: Vec<String> = Vec::new();
    for block in blocks("sh") {
        let tried = |line: &&str| line.contains("ffmpeg ") || line.starts_with("tutk snapshot");
        lines.extend(block.lines().filter(tried).map(str::to_owned));
    }
    // MediaMTX's own line, but for MediaMTX.
    let yaml = blocks("yaml").join("\n");
    let [line] = after(&yaml, "sh -c \"", &['"'])[..] else {
        panic!("MediaMTX has one line");
    };
    let (line, _) = line.split_once("-f rtsp rtsp://localhost:").unwrap();
    lines.push(format!("{line}mediamtx.ts"));
    assert_eq!(lines.len(), 8, "{lines:#?}");
    // None of them ends by itself.
    let limited = "ffmpeg -nostdin -v error -xerror -t 3 ";
    let running: Vec<_> = lines
        .iter()
        .map(|line| serving.here(line).replace("ffmpeg ", limited))
        .map(|line| (serving.shell(&line).spawn().unwrap(), line))
        .collect();
    for (child, line) in running {
        let output = child.wait_with_output().unwrap();
        let expected = !line.starts_with("tutk snapshot") || cfg!(feature = "snapshot");
        assert_eq!(output.status.success(), expected, "{line}: {output:?}");
    }
    let made = |name: &str| {
        let streams = streams(&serving.folder.path().join(name)).unwrap();
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
        assert_eq!(made(name), codecs, "{name}");
    }
    if cfg!(feature = "snapshot") {
        assert_eq!(made("now.jpg"), "mjpeg");
    }
    serving.end();
}

#[test]
fn go2rtc_recognises_what_is_piped() {
    let serving = Serving::start();
    let yaml = blocks("yaml").join("\n");
    let commands = after(&yaml, "exec:", &['#', '\n']);
    assert_eq!(commands.len(), 2, "{commands:?}");
    for command in commands {
        let ts = command.contains("--format ts");
        let name = if ts { "piped.ts" } else { "piped.h264" };
        let line = format!("{command} --frames 45");
        let output = serving.shell(&line).output().unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
        // By its first bytes: a start code of four bytes and a sequence parameter set, or the sync
        // byte of MPEG-TS.
        let begin: &[u8] = if ts { &[0x47] } else { &[0, 0, 0, 1, 0x67] };
        assert!(
            output.stdout.starts_with(begin),
            "{command}: {:x?}",
            &output.stdout[..16]
        );
        let path = serving.folder.path().join(name);
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
    serving.end();
}

#[test]
fn yaml_is_yaml() {
    let blocks = blocks("yaml").into_iter();
    for block in blocks.chain([contrib("compose.yaml")]) {
        let documents = Yaml::load_from_str(&block);
        let documents = documents.unwrap_or_else(|error| panic!("{error}:\n{block}"));
        assert_eq!(documents.len(), 1, "{block}");
        assert!(documents[0].is_mapping(), "{block}");
    }
}

#[test]
fn systemd_takes_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let unit = contrib("tutk.service");
    let installed = "ExecStart=/usr/local/bin/tutk serve ";
    assert!(unit.contains(installed));
    let path = folder.path().join("tutk.service");
    // It has to be there, which it is not at its place.
    let here = format!("ExecStart={} serve ", env!("CARGO_BIN_EXE_tutk"));
    fs::write(&path, unit.replace(installed, &here)).unwrap();
    let verify = |path: &Path| {
        let args = ["verify", "--man=no", text(path)];
        Command::new("systemd-analyze").args(args).output()
    };
    match verify(&path) {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && said.is_empty(), "{said}");
        }
        Err(error) => {
            common::missing("systemd-analyze", &error);
            return;
        }
    }
    // That it would say so.
    fs::write(
        &path,
        unit.replace(installed, &here)
            .replace("ProtectHome", "ProtectHouse"),
    )
    .unwrap();
    let said = String::from_utf8(verify(&path).unwrap().stderr).unwrap();
    assert!(said.contains("ProtectHouse"), "{said}");
}

#[test]
fn the_container_gets_the_whole_workspace() {
    let file = contrib("Containerfile");
    let manifest = fs::read_to_string(format!("{ROOT}/Cargo.toml")).unwrap();
    let members = after(&manifest, "\nmembers = [", &[']'])[0];
    for member in after(members, "\"", &['"']).iter().step_by(2) {
        let folder = member.trim_end_matches("/*");
        let copied = format!("\nCOPY {folder} {folder}\n");
        assert!(file.contains(&copied), "{folder}");
    }
    assert!(file.contains("\nCOPY Cargo.toml Cargo.lock ./\n"));
    // What runs in it, and whose ports it has.
    assert!(file.contains(r#"CMD ["serve", "--config", "/etc/tutk/cameras.toml"]"#));
    assert!(file.contains("\nEXPOSE 8554/tcp 8888/tcp\n"));
}
