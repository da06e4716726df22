//! `tutk cloud` against HTTPS servers of the tests.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests fail by panicking, and use files and sockets"
)]

mod common;
#[path = "../../tutk-cloud/tests/support/mod.rs"]
mod support;
#[cfg(unix)]
mod terminal;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Run, command, text, with_input};
use serde_json::json;
use support::{CloudServer, Reply};
use tempfile::TempDir;

const EMAIL: &str = "me@example.com";
const PASSWORD: &str = "correct horse";
/// MD5 of the password, applied three times.
const HASH: &str = "e01eac14132f8b2b502fc5086889239e";
const KEY_ID: &str = "0a1b2c3d-key-id";
const KEY: &str = "s3cr3t-developer-key";
const TOKEN: &str = "eyJhbGciOiJub25lIn0.token";
const REFRESH: &str = "eyJhbGciOiJub25lIn0.refresh";
const ENR: &str = "aKzd+ckq/8HUHFe5";

/// Texts that must not appear in the output.
const SECRETS: [&str; 6] = [PASSWORD, HASH, KEY, TOKEN, REFRESH, ENR];

/// A cloud server with scripted replies, and a configuration directory.
struct Scene {
    server: CloudServer,
    home: TempDir,
}

impl Scene {
    fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let scene = Self {
            server: CloudServer::start(replies),
            home: tempfile::tempdir().unwrap(),
        };
        fs::write(scene.path("root.pem"), &scene.server.root).unwrap();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn token(&self) -> PathBuf {
        self.path("config/tutk/token.json")
    }

    fn cameras(&self) -> PathBuf {
        self.path("config/tutk/cameras.toml")
    }

    fn command(&self, args: &[&str]) -> Command {
        let root = self.path("root.pem");
        let server = ["--cloud", &self.server.origin, "--ca", text(&root)];
        self.without_server(&[args, &server].concat())
    }

    /// `tutk cloud` without the user's environment and without the arguments for the server.
    fn without_server(&self, args: &[&str]) -> Command {
        let mut command = command([&["cloud"], args].concat());
        command.env("XDG_CONFIG_HOME", self.path("config"));
        for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY"] {
            command
                .env_remove(name)
                .env_remove(name.to_ascii_lowercase());
        }
        for name in ["EMAIL", "PASSWORD", "KEY_ID", "API_KEY"] {
            command.env_remove(format!("TUTK_CLOUD_{name}"));
        }
        command
            .env_remove("SSL_CERT_FILE")
            .env_remove("SSL_CERT_DIR");
        command
    }

    /// Runs `tutk cloud` and checks that its output contains no secret.
    fn run(&self, args: &[&str], stdin: &str) -> Run {
        let run = with_input(&mut self.command(args), stdin);
        contains_no_secret(&run);
        run
    }

    /// Writes the token of a previous login.
    fn log_in(&self) {
        let account = json!({
            "access_token": TOKEN, "user_id": "u1", "phone_id": "0123456789abcdef"
        });
        fs::create_dir_all(self.token().parent().unwrap()).unwrap();
        fs::write(self.token(), account.to_string()).unwrap();
    }
}

#[track_caller]
fn contains_no_secret(run: &Run) {
    let output = format!("{}{}", String::from_utf8_lossy(&run.stdout), run.stderr);
    for secret in SECRETS {
        assert!(!output.contains(secret), "{output}\ncontains {secret}");
    }
}

/// Standard input with an answer to each prompt.
fn login_input() -> String {
    format!("{EMAIL}\n{PASSWORD}\r\n{KEY_ID}\n{KEY}\n")
}

fn token_reply() -> Reply {
    let body = json!({ "access_token": TOKEN, "refresh_token": REFRESH, "user_id": "u1" });
    Reply::json(200, &body.to_string())
}

fn read_json(path: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn body(request: &str) -> &str {
    request.split_once("\r\n\r\n").unwrap().1
}

#[cfg(unix)]
fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn login_reads_standard_input_and_saves_the_token() {
    let scene = Scene::new([token_reply(), token_reply()]);
    let run = scene.run(&["login", "--json"], &login_input());
    run.exits(0);
    let json = run.json();
    assert_eq!(
        (&json["command"], &json["user_id"]),
        (&"cloud login".into(), &"u1".into())
    );
    assert_eq!(json["output"], text(&scene.token()));
    assert_eq!(json["phases"][0]["phase"], "sign-in");

    let request = scene.server.request();
    assert!(
        request.starts_with("POST /api/user/login HTTP/1.1\r\n"),
        "{request}"
    );
    for header in [
        format!("\r\napikey: {KEY}\r\n"),
        format!("\r\nkeyid: {KEY_ID}\r\n"),
    ] {
        assert!(request.contains(&header), "{request}");
    }
    assert_eq!(
        body(&request),
        format!(r#"{{"email":"{EMAIL}","password":"{HASH}"}}"#)
    );

    let first = read_json(&scene.token());
    assert_eq!(
        (&first["access_token"], &first["user_id"]),
        (&TOKEN.into(), &"u1".into())
    );
    assert_eq!(first.as_object().unwrap().len(), 3, "{first}");
    assert_eq!(first["phone_id"].as_str().unwrap().len(), 16);
    #[cfg(unix)]
    assert_eq!(mode(&scene.token()), 0o600);

    // A second login uses the same phone id.
    scene.run(&["login"], &login_input()).exits(0);
    assert_eq!(read_json(&scene.token())["phone_id"], first["phone_id"]);
}

#[test]
fn login_reads_arguments_and_environment() {
    let scene = Scene::new([token_reply()]);
    let mut command = scene.command(&["login", "--email", EMAIL, "-vv"]);
    command
        .env("TUTK_CLOUD_PASSWORD", format!("md5:{HASH}"))
        .env("TUTK_CLOUD_KEY_ID", KEY_ID)
        .env("TUTK_CLOUD_API_KEY", KEY);
    let run = with_input(&mut command, "");
    contains_no_secret(&run);
    run.exits(0);
    assert!(run.stderr.contains("user id u1"), "{}", run.stderr);
    let request = scene.server.request();
    assert_eq!(
        body(&request),
        format!(r#"{{"email":"{EMAIL}","password":"{HASH}"}}"#)
    );
}

#[test]
fn login_asks_for_the_code_of_an_authenticator_app() {
    let mfa = json!({
        "access_token": null,
        "mfa_options": ["PrimaryPhone", "TotpVerificationCode"],
        "mfa_details": { "totp_apps": [{ "app_id": "app-1" }] },
    });
    let scene = Scene::new([Reply::json(200, &mfa.to_string()), token_reply()]);
    scene
        .run(&["login"], &(login_input() + "123456\n"))
        .exits(0);
    scene.server.request();
    assert_eq!(
        body(&scene.server.request()),
        format!(
            "{{\"email\":\"{EMAIL}\",\"password\":\"{HASH}\",\"mfa_type\":\"TotpVerificationCode\",\
             \"verification_id\":\"app-1\",\"verification_code\":\"123456\"}}"
        )
    );
    assert!(scene.server.is_done() && scene.token().exists());

    // Other methods are not supported.
    let mfa = json!({ "mfa_options": ["PrimaryPhone"] }).to_string();
    let scene = Scene::new([Reply::json(200, &mfa)]);
    let run = scene.run(&["login"], &login_input());
    run.exits(4)
        .reports(&["sign-in", "PrimaryPhone", "authenticator app"]);
    assert!(!scene.token().exists());
}

#[test]
fn refused_login_saves_no_token() {
    let refusal = json!({ "errorCode": 1000, "description": format!("no such user: {EMAIL}") });
    let scene = Scene::new([Reply::json(400, &refusal.to_string())]);
    let run = scene.run(&["login", "--json"], &login_input());
    run.exits(4)
        .reports(&["sign-in", "code 1000: no such user: …", "password"]);
    assert_eq!(run.json()["phase"], "sign-in");
    assert!(!scene.token().exists());
}

#[test]
fn unknown_login_answer_is_printed_without_secrets() {
    let unknown = json!({ "token": TOKEN, "hint": format!("{TOKEN} {KEY}"), "state": "new" });
    let scene = Scene::new([Reply::json(200, &unknown.to_string())]);
    let run = scene.run(&["login", "-vv"], &login_input());
    run.exits(1)
        .reports(&["sign-in", "HTTP 200", r#""state":"new""#, "report this"]);
}

#[test]
fn invalid_login_input_is_reported() {
    let scene = Scene::new([]);
    let run = scene.run(&["login"], &format!("{EMAIL}\n"));
    run.exits(2)
        .reports(&["sign-in", "Password", "TUTK_CLOUD_PASSWORD"]);
    let run = scene.run(&["login"], &format!("{EMAIL}\n{}\n", "x".repeat(5000)));
    run.exits(2).reports(&["too long"]);
    let run = scene.run(
        &["login"],
        &format!("{EMAIL}\nmd5:{PASSWORD}\n{KEY_ID}\n{KEY}\n"),
    );
    run.exits(2).reports(&["32 hex digits"]);
    let run = scene.run(&["login"], &format!("{EMAIL}\n{PASSWORD}\n{KEY_ID}\n \n"));
    run.exits(2).reports(&["the API key must not be empty"]);
    scene.run(&["login", "--password", PASSWORD], "").exits(2);
    scene
        .run(&["login", &format!("--password={PASSWORD}")], "")
        .exits(2);
}

#[test]
fn unreachable_or_untrusted_server_gets_no_request() {
    let scene = Scene::new([token_reply()]);
    let login = |args: &[&str]| {
        let mut command = scene.without_server(&[&["login"], args].concat());
        let run = with_input(&mut command, &login_input());
        contains_no_secret(&run);
        run
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    login(&["--cloud", &format!("https://{address}")])
        .exits(3)
        .reports(&["sign-in", &address, "try again"]);

    // No root certificate of this machine has signed the server's certificate.
    login(&["--cloud", &scene.server.origin])
        .exits(1)
        .reports(&["sign-in", "cannot be trusted", "nothing was sent"]);
    login(&["--cloud", "http://127.0.0.1:1"])
        .exits(2)
        .reports(&["https://"]);
    login(&["--ca", "/nonexistent/root.pem"])
        .exits(2)
        .reports(&["/nonexistent/root.pem"]);
}

#[cfg(target_os = "linux")]
#[test]
fn missing_root_certificates_are_reported() {
    let scene = Scene::new([token_reply()]);
    let none = scene.path("none.pem");
    fs::write(&none, "").unwrap();
    let mut command = scene.without_server(&["login", "--cloud", &scene.server.origin]);
    let run = with_input(command.env("SSL_CERT_FILE", &none), &login_input());
    run.exits(1)
        .reports(&["No CA certificates", "ca-certificates", "SSL_CERT_FILE"]);
}

/// A device list with three cameras and a plug.
fn device_list(enr: &str) -> Reply {
    let camera = |nickname, model, uid, ip| {
        json!({
            "product_type": "Camera", "nickname": nickname, "product_model": model,
            "mac": "AABBCCDDEEFF", "enr": enr, "firmware_ver": "4.52.9.1", "conn_state": 1,
            "device_params": { "p2p_id": uid, "ip": ip, "dtls": 1, "p2p_type": 4 },
        })
    };
    let body = json!({
        "code": "1",
        "msg": "SUCCESS",
        "data": { "device_list": [
            camera("Front Door", "HL_CAM4", "HSBJYB5HSETGCDWD111A", "192.0.2.7"),
            { "product_type": "Plug", "nickname": "Lamp", "enr": enr },
            camera("Yard\u{1b}[2J", "GW_GC1", "", ""),
            camera("Attic", "WYZEC1-JZ", "HSBJYB5HSETGCDWD111B", "192.0.2.8"),
        ] },
    });
    Reply::json(200, &body.to_string())
}

#[test]
fn lists_cameras_without_secrets() {
    let scene = Scene::new([device_list(ENR), device_list(ENR)]);
    scene.log_in();
    let run = scene.run(&["cameras"], "");
    run.exits(0);
    let out = String::from_utf8(run.stdout).unwrap();
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(
        lines,
        [
            "NAME           MODEL      SOLD AS      ADDRESS    ONLINE  TUTK",
            "Front Door     HL_CAM4    Wyze Cam v4  192.0.2.7  yes     yes",
            "Yard\\u{1b}[2J  GW_GC1     -            -          yes     no",
            "Attic          WYZEC1-JZ  Wyze Cam v2  192.0.2.8  yes     yes",
        ]
    );
    let request = scene.server.request();
    assert!(
        request.starts_with("POST /app/v2/home_page/get_object_list HTTP/1.1\r\n"),
        "{request}"
    );
    let sent: serde_json::Value = serde_json::from_str(body(&request)).unwrap();
    assert_eq!(
        (&sent["access_token"], &sent["phone_id"]),
        (&TOKEN.into(), &"0123456789abcdef".into())
    );
    assert!(sent["ts"].as_u64().unwrap() > 1_700_000_000_000, "{sent}");

    let run = scene.run(&["cameras", "--json"], "");
    run.exits(0);
    assert_eq!(
        run.json()["cameras"][0],
        json!({
            "nickname": "Front Door", "model": "HL_CAM4", "product": "Wyze Cam v4", "ip": "192.0.2.7",
            "online": true, "tutk": true, "uid": "HSBJYB5HSETGCDWD111A", "mac": "AABBCCDDEEFF",
            "firmware": "4.52.9.1", "dtls": true, "p2p_type": "4",
        })
    );
    assert!(!scene.cameras().exists());
}

#[test]
fn show_keys_prints_urls_and_enrs() {
    let scene = Scene::new([device_list(ENR), device_list(ENR)]);
    scene.log_in();
    let url = "wyze://192.0.2.7?uid=HSBJYB5HSETGCDWD111A&enr=aKzd%2Bckq%2F8HUHFe5&mac=AABBCCDDEEFF&model=HL%5FCAM4";
    let run = with_input(&mut scene.command(&["cameras", "--show-keys"]), "");
    run.exits(0);
    let out = String::from_utf8(run.stdout).unwrap();
    assert!(out.contains(&format!("\nFront Door  {url}\n")), "{out}");
    let run = with_input(
        &mut scene.command(&["cameras", "--show-keys", "--json"]),
        "",
    );
    let json = run.exits(0).json();
    assert_eq!(
        (&json["cameras"][0]["enr"], &json["cameras"][0]["url"]),
        (&ENR.into(), &url.into())
    );
}

#[test]
fn base_stations_and_cameras_without_dtls_are_found() {
    let camera = |nickname, uid, parameters: serde_json::Value| {
        let mut parameters = parameters;
        parameters["p2p_id"] = json!(uid);
        parameters["ip"] = json!("192.0.2.9");
        json!({
            "product_type": "Camera", "nickname": nickname, "product_model": "WVOD1",
            "mac": "AABBCCDDEEFF", "enr": ENR, "device_params": parameters,
        })
    };
    let mut garden = camera(
        "Garden",
        "HSBJYB5HSETGCDWD111A",
        json!({ "dtls": 0, "main_device_dtls": 1 }),
    );
    garden["parent_device_mac"] = json!("AABBCCDDEE00");
    let old = camera("Old", "HSBJYB5HSETGCDWD111B", json!({ "dtls": 0 }));
    let station =
        json!({ "product_type": "BaseStation", "mac": "AABBCCDDEE00", "enr": "GkB9S7cX38GgzSC6" });
    let body = json!({ "code": "1", "data": { "device_list": [garden, old, station] } });
    let reply = || Reply::json(200, &body.to_string());
    let scene = Scene::new([reply(), reply()]);
    scene.log_in();

    let run = with_input(&mut scene.command(&["cameras", "--show-keys"]), "");
    run.exits(0);
    let out = String::from_utf8(run.stdout).unwrap();
    assert!(
        out.contains("&parent_enr=GkB9S7cX38GgzSC6&parent_mac=AABBCCDDEE00"),
        "{out}"
    );
    assert!(out.contains("no DTLS"), "{out}");

    let run = scene.run(&["cameras", "--write"], "");
    run.exits(0);
    for part in [
        "garden is new",
        "Old skipped: it is reached without DTLS, which is not documented anywhere public",
    ] {
        assert!(run.stderr.contains(part), "{}\nlacks {part}", run.stderr);
    }
    let written = fs::read_to_string(scene.cameras()).unwrap();
    assert!(
        written.contains("parent_enr = \"GkB9S7cX38GgzSC6\"\nparent_mac = \"AABBCCDDEE00\"\n"),
        "{written}"
    );
    assert!(!written.contains("HSBJYB5HSETGCDWD111B"), "{written}");
}

#[test]
fn write_adds_cameras_and_updates_only_changed_keys() {
    let scene = Scene::new([
        device_list("0000000000000000"),
        device_list(ENR),
        device_list(ENR),
    ]);
    scene.log_in();
    let run = scene.run(&["cameras", "--write"], "");
    run.exits(0);
    for part in [
        "front-door is new",
        "attic is new",
        "[2J skipped: GW_GC1 does not speak TUTK",
    ] {
        assert!(run.stderr.contains(part), "{}\nlacks {part}", run.stderr);
    }
    let written = fs::read_to_string(scene.cameras()).unwrap();
    #[cfg(unix)]
    assert_eq!(mode(&scene.cameras()), 0o600);
    let mut check = common::command(["cameras"]);
    check.env("XDG_CONFIG_HOME", scene.path("config"));
    let run = common::run(&mut check);
    run.exits(0);
    assert_eq!(run.stderr, "");

    // The user edits the file. Then the cameras get another ENR.
    let edited = format!(
        "# edited\n{}",
        written
            .replace("front-door]", "door]  # renamed")
            .replace("192.0.2.7", "10.0.0.1")
    );
    fs::write(scene.cameras(), &edited).unwrap();
    let run = scene.run(&["cameras", "--write", "--json"], "");
    run.exits(0);
    assert_eq!(
        fs::read_to_string(scene.cameras()).unwrap(),
        edited.replace("0000000000000000", ENR)
    );
    let json = run.json();
    assert_eq!(
        json["cameras"][0]["entries"],
        json!([{ "name": "door", "change": "updated", "keys": ["enr"], "other_host": "10.0.0.1" }])
    );
    assert_eq!(json["output"], text(&scene.cameras()));

    let run = scene.run(&["cameras", "--write"], "");
    run.exits(0);
    assert!(
        run.stderr.contains("door: unchanged, address 10.0.0.1"),
        "{}",
        run.stderr
    );
    assert_eq!(
        fs::read_to_string(scene.cameras()).unwrap(),
        edited.replace("0000000000000000", ENR)
    );
}

#[test]
fn write_does_not_change_an_invalid_file() {
    let scene = Scene::new([device_list(ENR)]);
    scene.log_in();
    let path = scene.path("mine.toml");
    fs::write(&path, "[cameras.x]\nenr = \"half").unwrap();
    let run = scene.run(
        &["cameras", "--write", "--config", text(&path), "--json"],
        "",
    );
    run.exits(2)
        .reports(&["mine.toml, line 2", "correct it first"]);
    assert_eq!(run.json()["cameras"].as_array().unwrap().len(), 3);
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        "[cameras.x]\nenr = \"half"
    );
}

#[test]
fn missing_rejected_and_incomplete_tokens_are_reported() {
    let expired = json!({ "code": "2001", "msg": "AccessTokenError" });
    let scene = Scene::new([Reply::json(200, &expired.to_string())]);
    let run = scene.run(&["cameras"], "");
    run.exits(2)
        .reports(&["cameras", "not logged in", "tutk cloud login"]);
    scene.log_in();
    let run = scene.run(&["cameras"], "");
    run.exits(4)
        .reports(&["cameras", "token was rejected", "code 2001", "log in again"]);
    fs::write(scene.token(), format!("{{\"access_token\":\"{TOKEN}\"}}")).unwrap();
    let run = scene.run(&["cameras"], "");
    run.exits(2)
        .reports(&["token.json", "phone_id", "tutk cloud login"]);
}
