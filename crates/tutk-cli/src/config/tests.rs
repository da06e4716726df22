//! Valid files, and the error messages for invalid ones.

use std::env::VarError;
use std::fs;

use proptest::prelude::*;
use tutk_runtime::tutk_session::{CameraUrl, DISCOVERY_PORT, Subtype};

use super::*;
use crate::listen::Listen;

const ENR: &str = "aKzdqckqZ8HUHFe5";
const GOOD: &str = r#"
[cameras.front]
url = "wyze://192.0.2.7?uid=HSBJYB5HSETGCDWD111A&enr=aKzdqckqZ8HUHFe5&mac=AABBCCDDEEFF"

[cameras.garden]
host = "garden.example"
port = 4000
uid = "HSBJYB5HSETGCDWD111A"
auth_key = "qZwi9FaB"
model = "HL_CAM4"
subtype = "sd"
"#;
/// Lines 2 to 4 of a camera's table.
const CAMERA: &str = "host = \"h\"\nuid = \"HSBJYB5HSETGCDWD111A\"\nenr = \"aKzdqckqZ8HUHFe5\"\n";

/// Reads a file with the environment variables DOOR_ENR, DOOR_URL and EMPTY.
fn read(text: &str, enr: Option<&str>) -> Contents {
    Contents::read(text, enr, &|name| match name {
        "DOOR_ENR" => Ok(ENR.to_owned()),
        "DOOR_URL" => Ok(format!(
            "wyze://192.0.2.8?uid=HSBJYB5HSETGCDWD111A&enr={ENR}&mac=AABBCCDDEEFF"
        )),
        "EMPTY" => Ok(String::new()),
        _ => Err(VarError::NotPresent),
    })
}

fn errors(text: &str) -> Vec<String> {
    let contents = read(text, None);
    contents.mistakes.iter().map(Mistake::to_string).collect()
}

fn camera(contents: &Contents, name: &str) -> CameraUrl {
    assert_eq!(contents.mistakes, []);
    let found = contents.cameras.iter().find(|camera| camera.name == name);
    found.unwrap().camera.clone()
}

#[test]
fn reads_both_forms_of_a_camera() {
    let contents = read(GOOD, Some(ENR));
    let front = camera(&contents, "front");
    assert_eq!(
        (front.host.as_deref(), front.port),
        (Some("192.0.2.7"), DISCOVERY_PORT)
    );
    let garden = camera(&contents, "garden");
    assert_eq!(
        (garden.host.as_deref(), garden.port),
        (Some("garden.example"), 4000)
    );
    assert_eq!(garden.credentials.enr.reveal(), ENR.as_bytes());
    assert_eq!(&garden.credentials.auth_key.0, b"qZwi9FaB");
    assert_eq!(garden.subtype, Some(Subtype::Sd));
    let names: Vec<_> = contents.cameras.iter().map(|camera| &camera.name).collect();
    assert_eq!(names, ["front", "garden"]);
}

#[test]
fn reads_secrets_from_the_environment() {
    let contents = read(
        "[cameras.a]\nurl = \"${DOOR_URL}\"\n\
         [cameras.b]\nhost = \"h\"\nuid = \"HSBJYB5HSETGCDWD111A\"\nenr = \"${DOOR_ENR}\"\nmac = \"aabbccddeeff\"",
        None,
    );
    assert_eq!(camera(&contents, "a").host.as_deref(), Some("192.0.2.8"));
    assert_eq!(
        camera(&contents, "b").credentials.enr.reveal(),
        ENR.as_bytes()
    );
    assert!(!contents.has_secrets);
    assert!(read(GOOD, None).has_secrets);
    let bare = "[cameras.a]\nurl = \"wyze://h?uid=HSBJYB5HSETGCDWD111A&mac=AABBCCDDEEFF\"";
    assert!(!read(bare, Some(ENR)).has_secrets);
}

#[test]
fn reads_the_base_station_of_a_camera() {
    let text = |parent: &str| format!("[cameras.a]\n{CAMERA}mac = \"aabbccddeeff\"\n{parent}");
    let contents = read(
        &text("parent_enr = \"${DOOR_ENR}\"\nparent_mac = \"aa:bb:cc:dd:ee:00\""),
        None,
    );
    let station = camera(&contents, "a").credentials.base_station.unwrap();
    assert_eq!(station.enr.reveal(), ENR.as_bytes());
    assert_eq!(station.mac.to_string(), "AABBCCDDEE00");
    for (parent, expected) in [
        ("parent_enr = \"S3cr3tS3cr3tS3cr\"", "belong together"),
        ("parent_mac = \"aabbccddee00\"", "belong together"),
        (
            "parent_enr = \"S3cr3t\"\nparent_mac = \"aabbccddee00\"",
            "key `parent_enr`: invalid ENR",
        ),
        (
            "parent_enr = \"S3cr3tS3cr3tS3cr\"\nparent_mac = \"S3cr3t\"",
            "key `parent_mac`: a MAC is 12 hex digits",
        ),
    ] {
        let errors = errors(&text(parent));
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].contains(expected), "{errors:?}");
        assert!(!errors[0].contains("S3cr3t"), "{errors:?}");
    }
}

#[test]
fn errors_name_line_and_key_but_no_secret() {
    for (body, expected) in [
        (
            "[cameras.x]\nhots = \"h\"",
            "line 2, key `hots`: unknown key; did you mean `host`?",
        ),
        (
            "[cameras.x]\nauthkey = \"h\"",
            "line 2, key `authkey`: unknown key; did you mean `auth_key`?",
        ),
        (
            "[cameras.x]\ncolour = \"h\"",
            "line 2, key `colour`: unknown key; the known keys are url, host,",
        ),
        (
            "[camera.x]",
            "line 1, key `camera`: unknown key; did you mean `cameras`?",
        ),
        (
            "top = 1",
            "line 1, key `top`: unknown key; the known keys are cameras, serve, users, record",
        ),
        (
            "cameras = 1",
            "line 1, key `cameras`: expected a table, got integer",
        ),
        (
            "[cameras]\nx = \"wyze://h\"",
            "line 2, key `x`: expected a table, got string",
        ),
        (
            "[cameras.x]\nhost = 7",
            "line 2, key `host`: expected text in quotes, got integer",
        ),
        (
            "[cameras.x]\nhost = \" \"",
            "line 2, key `host`: expected a name or an IP address",
        ),
        (
            "[cameras.x]\nenr = 1234567890123456",
            "line 2, key `enr`: expected text",
        ),
        (
            "[cameras.x]\nenr = \"1234567890123456",
            "line 2, key `enr`: invalid basic string",
        ),
        ("[cameras.x]\nenr = 123456789o123456", "line 2, key `enr`: "),
        (
            "[cameras.x]\nenr = \"a\"\nenr = \"123456\"",
            "line 3, key `enr`: duplicate key",
        ),
        (
            "[cameras.x]\nport = 70000",
            "line 2, key `port`: expected a number from 1 to 65535",
        ),
        (
            "[cameras.x]\nport = \"80\"",
            "line 2, key `port`: expected a number from 1 to 65535",
        ),
        (
            "[cameras.x]\nlocal_ports = \"9-8\"",
            "line 2, key `local_ports`: expected a port or a range",
        ),
        (
            "[serve]\nsearch = \"no\"",
            "line 2, key `search`: expected true or false, got string",
        ),
        ("[cameras.x]\nport = 4", "line 1: the camera lacks `uid`"),
        (
            "[cameras.x]\nport = 4",
            "line 1: the camera lacks `enr`, and TUTK_ENR is not set",
        ),
        (
            "[cameras.x]\nport = 4",
            "line 1: the camera lacks `mac`, or `auth_key`",
        ),
        ("[cameras.\"\"]", "line 1: a camera's name"),
        ("[cameras.\"a://b\"]", "line 1: a camera's name"),
        (
            "\n[cameras.x]\nurl = \"wyze://h\"",
            "line 3, key `url`: the camera address has no `uid=`",
        ),
        (
            "[cameras.x]\nurl = \"wyze://h:aKzdqckqZ8HUHFe5\"",
            "line 2, key `url`: the port must be",
        ),
        (
            "[cameras.x]\nurl = \"wyze://h\"\nuid = \"u\"",
            "line 3, key `uid`: of the camera's own keys only `enr`",
        ),
        (
            "[cameras.x]\nurl = \"wyze://h?enr=${DOOR_ENR}\"",
            "line 2, key `url`: a variable must be the whole value",
        ),
        (
            "[cameras.x]\nurl = \"${NOWHERE}\"",
            "line 2, key `url`: the environment variable NOWHERE is not set",
        ),
        (
            "[cameras.x]\nenr = \"${EMPTY}\"",
            "line 2, key `enr`: the environment variable EMPTY is empty",
        ),
        (
            "[cameras.x]\nhost = \"${HOST}\"",
            "line 2, key `host`: only `url`, `enr`, `auth_key`, `parent_enr` and passwords can",
        ),
        (
            "[cameras.x]\nurl = \"wyze://h?uid=HSBJYB5HSETGCDWD111A&enr=aKzd&mac=AABBCCDDEEFF\"",
            "line 2, key `url`: invalid ENR: expected 16 or 32",
        ),
        (
            "[cameras.x]\nenr = \"aKzdqckqZ8HUHFe5\"\nurl = \"wyze://h?uid=HSBJYB5HSETGCDWD111A&mac=AABBCCDDEEFF\
             &parent_enr=S3cr3t&parent_mac=AABBCCDDEE00\"",
            "line 3, key `url`: invalid `parent_enr`: expected 16 or 32",
        ),
        (
            "[cameras.x]\nenr = \"aKzdqckqZ8HUHFe5\"\nurl = \"wyze://h?uid=HSBJYB5HSETGCDWD111A&mac=AABBCCDDEEFF\
             &parent_enr=aKzdqckqZ8HUHFe5&parent_mac=S3cr3t\"",
            "line 3, key `url`: `parent_mac` is 12 hex digits",
        ),
        (
            "[cameras.x]\nenr = \"aKzdqckqZ8HUHFe5\"\nurl = \"wyze://h?uid=HSBJYB5HSETGCDWD111A&mac=AABBCCDDEEFF\
             &enr=aKzd\"",
            "line 3, key `url`: invalid ENR: expected 16 or 32",
        ),
        (
            "[cameras.x]\nurl = \"wyze://h?uid=HSBJYB5HSETGCDWD111A&mac=AABBCCDDEEFF\"\nenr = \"aKzd\"",
            "line 3, key `enr`: invalid ENR: expected 16 or 32",
        ),
        (
            "[cameras.x]\nurl = \"wyze://h?uid=HSBJYB5HSETGCDWD111A&enr=aKzdqckqZ8HUHFe5&mac=AABBCCDDEEFF&model=GW_GC1\"",
            "line 2, key `url`: GW_GC1 does not speak TUTK",
        ),
        (
            &format!("[cameras.x]\n{CAMERA}mac = \"aKzdqckqZ8HUHFe5\""),
            "line 5, key `mac`: a MAC is 12",
        ),
        (
            &format!("[cameras.x]\n{CAMERA}"),
            "line 1: the camera lacks `mac`",
        ),
        (
            &format!("[cameras.x]\n{CAMERA}mac = \"aabbccddeeff\"\nsubtype = \"4k\""),
            "line 6, key `subtype`: subtype must be hd, sd, 360p, 720p, 1080p, 2k or 0 to 4",
        ),
        (
            &format!("[cameras.x]\n{CAMERA}mac = \"aabbccddeeff\"\nuser_id = \"\""),
            "line 6, key `user_id`: invalid user ID of 0 bytes",
        ),
        (
            &format!("[cameras.x]\n{CAMERA}mac = \"aabbccddeeff\"\nport = 0"),
            "line 6, key `port`",
        ),
        (
            &format!("[cameras.x]\n{CAMERA}mac = \"aabbccddeeff\"\nmodel = \"GW_GC1\""),
            "line 6, key `model`: GW_GC1 does not speak TUTK",
        ),
    ] {
        let errors = errors(body);
        assert!(
            errors.iter().any(|line| line.starts_with(expected)),
            "{body}\n{errors:#?}\nlacks {expected}"
        );
        for line in errors {
            assert!(
                !line.contains("aKzdq") && !line.contains("123456"),
                "{line}"
            );
        }
    }
}

#[test]
fn reports_all_errors_at_once() {
    let text = "[cameras.a]\nhost = 1\nuid = \"short\"\nenr = \"short\"\nmac = \"zz\"\nauth_key = \"much too long\"\n\
                port = 0\nsubtype = \"4k\"\nuser_id = \"\"\nmodel = \"AN_X\"\nnaem = \"a\"\n\
                [cameras.b]\nurl = \"rtsp://h\"\n[sevre]\n";
    let lines: Vec<_> = read(text, None).mistakes.iter().map(|m| m.line).collect();
    assert_eq!(lines, [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14]);
    // A key with an invalid value is not reported as missing.
    assert!(!errors(text).iter().any(|line| line.contains("lacks")));
    // All syntax errors are reported, and then no other errors.
    let lines: Vec<_> = read("[cameras.a]\nhost = \nuid = u\n\n[x\n", None).mistakes;
    let lines: Vec<_> = lines.iter().map(|mistake| mistake.line).collect();
    assert_eq!(lines, [2, 3, 5]);
}

/// Writes a file and calls `find`. Returns the error as text.
fn found(text: &str, name: &str) -> Result<CameraUrl, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cameras.toml");
    fs::write(&path, text).unwrap();
    let found = find(Some(&path), name, None).map(|found| found.camera);
    found.map_err(|failure| {
        let failure = failure.to_string();
        assert!(failure.contains(&path.display().to_string()), "{failure}");
        failure
    })
}

#[test]
fn finds_a_camera_despite_errors_in_others() {
    let text = format!("{GOOD}\n[cameras.back]\nhost = 1\n");
    assert!(found(&text, "front").is_ok());
    let failure = found(&text, "back").unwrap_err();
    assert!(
        failure.contains("line 13: the camera lacks `uid`"),
        "{failure}"
    );
    assert!(
        failure.contains("(and 3 more)") && failure.contains("`tutk cameras`"),
        "{failure}"
    );
    // Errors outside all cameras are reported.
    let failure = found(&format!("{GOOD}\n[sevre]\n"), "front").unwrap_err();
    assert!(failure.contains("key `sevre`"), "{failure}");
}

#[test]
fn error_for_an_unknown_camera_lists_all_cameras() {
    let failure = found("[cameras.front]\n[cameras.yard]", "frint").unwrap_err();
    assert!(
        failure.contains("unknown camera \"frint\"; the file has front, yard"),
        "{failure}"
    );
    assert!(failure.contains("did you mean front?"), "{failure}");
    let failure = found("", "x").unwrap_err();
    assert!(failure.contains("the file has no cameras"), "{failure}");
}

#[test]
fn error_for_a_missing_file_names_it() {
    let failure = find(Some(Path::new("/nowhere/c.toml")), "x", None).unwrap_err();
    assert!(failure.to_string().contains("/nowhere/c.toml"), "{failure}");
}

proptest! {
    /// Errors have a line of the file and do not contain a secret in quotes.
    #[test]
    fn reads_arbitrary_files(
        lines in proptest::collection::vec(
            prop_oneof![
                "[ -~]{0,20}",
                "\\[[a-z.]{0,9}\\]{0,2}",
                "(url|host|port|uid|enr|mac|auth_key|parent_enr|parent_mac|model|subtype|user_id) = (7|\"S3cr3tS3cr3tS3cr\"|\"\\$\\{A\\}\"|\\[1\\]|)",
                Just("[cameras.a]".to_owned()),
                Just("[cameras.b]".to_owned()),
            ],
            0..12,
        )
    ) {
        let text = lines.join("\n");
        let contents = read(&text, None);
        for mistake in &contents.mistakes {
            prop_assert!((1..=lines.len().max(1)).contains(&mistake.line), "{mistake}");
            prop_assert!(!mistake.to_string().contains("S3cr3t"), "{mistake}");
        }
    }
}

#[test]
fn documentation_lists_all_keys_and_its_example_is_valid() {
    let page = include_str!("../../../../docs/cameras.md");
    let all: [&[&str]; 4] = [
        &camera::KEYS,
        &serving::CAMERA_KEYS,
        &serving::SERVE_KEYS,
        &serving::RECORD_KEYS,
    ];
    for key in all.concat() {
        assert!(page.contains(&format!("\n| `{key}` |")), "{key}");
    }
    for table in TABLES {
        let heading = match table {
            "cameras" => "\n## [cameras.NAME]\n".to_owned(),
            table => format!("\n## [{table}]\n"),
        };
        assert!(page.contains(&heading), "{heading}");
    }
    let example = page.split("```").nth(1).unwrap();
    let contents = Contents::read(
        example.trim_start_matches("toml"),
        None,
        &|name| match name {
            "GARDEN_ENR" => Ok(ENR.to_owned()),
            "ANNA_PASSWORD" => Ok("geheim".to_owned()),
            "BACK_DOOR_URL" => Ok(format!(
                "wyze://h?uid=HSBJYB5HSETGCDWD111A&enr={ENR}&mac=AABBCCDDEEFF"
            )),
            _ => Err(VarError::NotPresent),
        },
    );
    assert_eq!(contents.mistakes, []);
    assert_eq!(contents.names, ["door", "garden", "back door"]);
}

#[test]
fn reads_settings_of_serve() {
    let url = format!("wyze://h?uid=HSBJYB5HSETGCDWD111A&enr={ENR}&mac=AABBCCDDEEFF");
    let text = format!(
        "[serve]\nrtsp = \"off\"\nhttp = \"[::1]:80\"\nhttp_names = [\"a\", \"b\"]\ntrusted_proxies = [\"::1\", \"10.0.0.0/8\"]\nlinger = \"1m\"\n\
         max_rtsp_viewers = 1000\nmax_http_viewers = 100\n\
         [users]\nanna = \"${{DOOR_ENR}}\"\n\
         [record]\npath = \"/r/{{camera}}/%F/%T.ts\"\nkeep = \"7d\"\nmax_size = \"1GiB\"\n\
         [cameras.\"a/b%\"]\nurl = \"{url}\"\nrecord = true\nconnect = \"always\"\n\
         [cameras.c]\nurl = \"{url}\"\nsound = false\nset_clock = true\n"
    );
    let contents = read(&text, None);
    assert_eq!(contents.mistakes, []);
    let serve = &contents.serve;
    assert_eq!(serve.rtsp, Some(Listen::Off));
    assert_eq!(serve.http, Some(Listen::At("[::1]:80".parse().unwrap())));
    let viewers = (serve.max_rtsp_viewers, serve.max_http_viewers);
    assert_eq!(viewers, (Some(1000), Some(100)));
    assert_eq!(serve.http_names, ["a", "b"]);
    let proxies = serve.trusted_proxies.iter().map(ToString::to_string);
    assert!(proxies.eq(["::1/128", "10.0.0.0/8"]));
    assert!(!contents.users.accounts().unwrap().allows_anonymous());
    let shown = format!("{:?}", contents.users);
    assert!(shown.contains("anna") && !shown.contains(ENR), "{shown}");
    let [first, second] = &contents.cameras[..] else {
        panic!("{contents:?}");
    };
    assert_eq!(first.serving.keep.or(serve.keep), tutk_serve::Keep::Always);
    let minute = std::time::Duration::from_secs(60);
    let on_demand = tutk_serve::Keep::OnDemand { linger: minute };
    assert_eq!(second.serving.keep.or(serve.keep), on_demand);
    assert_eq!(
        (second.serving.sound, second.serving.record),
        (Some(false), false)
    );
    assert!(!first.serving.set_clock && second.serving.set_clock);
    // Characters of a name do not become directives or folders.
    let target = contents.record.unwrap().target(&first.name).unwrap();
    assert!(format!("{target:?}").contains("a_b%%"), "{target:?}");
}

#[test]
fn host_is_optional_and_ports_of_serve_are_the_default() {
    let keys = format!("uid = \"HSBJYB5HSETGCDWD111A\"\nenr = \"{ENR}\"\nmac = \"AABBCCDDEEFF\"\n");
    let text = format!(
        "[cameras.a]\n{keys}[cameras.b]\n{keys}local_ports = \"41000\"\nsearch = true\nfast_connect = true\n\
         [serve]\nlocal_ports = \"40000-40019\"\nsearch = false\nfast_connect = false\n"
    );
    let contents = read(&text, None);
    assert_eq!(contents.mistakes, []);
    let network = |index: usize| {
        let camera: &NamedCamera = &contents.cameras[index];
        assert_eq!(camera.camera.host, None);
        camera.network.clone().or(&contents.serve.network)
    };
    let settings = |network: Network| {
        let ports = network.local_ports();
        (ports, network.searches(), network.connects_fast())
    };
    assert_eq!(settings(network(0)), (40_000..=40_019, false, false));
    assert_eq!(settings(network(1)), (41_000..=41_000, true, true));
    // Without the defaults of [serve].
    let network = contents.cameras[0].network.clone();
    assert_eq!(settings(network), (0..=0, true, true));
}

#[test]
fn reads_users_with_roles_and_tls() {
    let url = format!("wyze://h?uid=HSBJYB5HSETGCDWD111A&enr={ENR}&mac=AABBCCDDEEFF");
    let hash = tutk_serve::hash_password("x").unwrap();
    let text = format!(
        "[serve]\nhttps = \"[::]:8443\"\nrtsps = \"off\"\ncert = \"c\"\nkey = \"k\"\nallow_plain_auth = true\n\
         [users]\nanna = \"plain\"\nben = {{ password = \"{hash}\", role = \"view\", cameras = [\"a\"] }}\n\
         [record]\npath = \"/r/%F/%T.ts\"\naccess = \"group\"\n\
         [cameras.a]\nurl = \"{url}\"\n"
    );
    let contents = read(&text, None);
    assert_eq!(contents.mistakes, []);
    assert_eq!(
        contents.serve.https,
        Some(Listen::At("[::]:8443".parse().unwrap()))
    );
    assert_eq!(contents.serve.rtsps, Some(Listen::Off));
    assert!(contents.serve.allow_plain_auth && contents.serve.certificate.is_some());
    assert_eq!(contents.users.with_plain_passwords(), ["anna"]);

    for (users, what) in [
        ("b = {}", "lacks `password`"),
        ("b = { password = \"x\", role = \"root\" }", "role must be"),
        (
            "b = { password = \"x\", cameras = [\"z\"] }",
            "there is no camera \"z\"",
        ),
        ("b = { password = \"x\", more = 1 }", "unknown key"),
        ("b = \"$argon2id$x\"", "invalid account"),
    ] {
        let contents = read(&format!("[users]\n{users}\n"), None);
        let [mistake] = &contents.mistakes[..] else {
            panic!("{:?}", contents.mistakes);
        };
        assert!(mistake.what.contains(what), "{mistake}");
    }
    let contents = read("[serve]\ncert = \"c\"\n", None);
    assert_eq!(contents.mistakes.len(), 1);
}
