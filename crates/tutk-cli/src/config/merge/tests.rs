//! Merging an account's cameras into files.

use std::env::VarError;

use proptest::prelude::*;

use super::*;
use crate::config::Contents;

const UID: &str = "HSBJYB5HSETGCDWD111A";
const OTHER_UID: &str = "HSBJYB5HSETGCDWD111B";
const ENR: &str = "aKzd+ckq/8HUHFe5";
const OLD_ENR: &str = "0000000000000000";
const MAC: &str = "AABBCCDDEEFF";

fn offer() -> Offer {
    Offer {
        nickname: "Front Door".into(),
        host: "192.0.2.7".into(),
        uid: UID.into(),
        enr: ENR.to_owned().into(),
        mac: MAC.parse().unwrap(),
        model: Some("HL_CAM4".into()),
        parent: None,
    }
}

fn environment(name: &str) -> Result<String, VarError> {
    match name {
        "DOOR_URL" => Ok(format!("wyze://h?uid={UID}&enr={OLD_ENR}&mac={MAC}")),
        "DOOR_ENR" => Ok(OLD_ENR.to_owned()),
        _ => Err(VarError::NotPresent),
    }
}

fn merged(text: &str, offers: &[Offer]) -> (String, Vec<Vec<Outcome>>) {
    let (text, outcomes) = merge(text, offers, &environment).unwrap();
    (text.to_string(), outcomes)
}

fn outcome(name: &str, change: Change) -> Outcome {
    Outcome {
        name: name.to_owned(),
        change,
        other_host: None,
    }
}

const NEW: &str = r#"
# Front Door
[cameras.front-door]
host = "192.0.2.7"
uid = "HSBJYB5HSETGCDWD111A"
enr = "aKzd+ckq/8HUHFe5"
mac = "AABBCCDDEEFF"
model = "HL_CAM4"
"#;

#[test]
fn writes_a_new_file() {
    let (text, outcomes) = merged("", &[offer()]);
    assert_eq!(text, format!("{HEADER}{NEW}"));
    assert_eq!(outcomes, [[outcome("front-door", Change::New)]]);
    // Merging again changes nothing.
    let (again, outcomes) = merged(&text, &[offer()]);
    assert_eq!(again, text);
    assert_eq!(outcomes, [[outcome("front-door", Change::Same)]]);
}

#[test]
fn preserves_existing_text() {
    let before =
        "# mine\n\n[cameras.\"front-door\"]   # taken\nhost = 'h'\r\nuid = \"x\"\n\n# the end";
    let mut twin = offer();
    twin.uid = OTHER_UID.into();
    twin.model = None;
    let (text, outcomes) = merged(before, &[offer(), twin]);
    let first = NEW.replace("cameras.front-door", "cameras.front-door-2");
    let second = first
        .replace("door-2", "door-3")
        .replace(UID, OTHER_UID)
        .replace("model = \"HL_CAM4\"\n", "");
    assert_eq!(text, format!("{before}\n{first}{second}"));
    let names: Vec<_> = outcomes.iter().flatten().map(|o| o.name.as_str()).collect();
    assert_eq!(names, ["front-door-2", "front-door-3"]);
}

/// Merges into a file with the camera `x`, and compares the updated keys and the result.
fn updated(before: &str, keys: &[&'static str], after: &str) {
    let (text, outcomes) = merged(before, &[offer()]);
    assert_eq!(text, after);
    let change = match keys {
        [] => Change::Same,
        keys => Change::Updated(keys.to_vec()),
    };
    assert_eq!(outcomes, [[outcome("x", change)]], "{before}");
}

#[test]
fn replaces_keys_in_place() {
    updated(
        "[serve]\n[cameras.x]  # mine\n  uid= 'hsbjyb5hsetgcdwd111a'\nenr   =  '0000000000000000' # old\nmac = \"00:00:00:00:00:01\"\nhost = \"h\"\n[z]\n",
        &["enr", "mac"],
        "[serve]\n[cameras.x]  # mine\n  uid= 'hsbjyb5hsetgcdwd111a'\nenr   =  \"aKzd+ckq/8HUHFe5\" # old\nmac = \"AABBCCDDEEFF\"\nhost = \"h\"\n[z]\n",
    );
    updated(
        "cameras = { x = { uid = \"HSBJYB5HSETGCDWD111A\", enr = \"0000000000000000\", auth_key = \"old\" } }",
        &["enr", "auth_key"],
        &format!(
            "cameras = {{ x = {{ uid = \"HSBJYB5HSETGCDWD111A\", enr = \"{ENR}\", auth_key = \"{}\" }} }}",
            String::from_utf8_lossy(&derive_auth_key(ENR, &MAC.parse().unwrap()).0)
        ),
    );
    updated(
        "[cameras.x]\nurl = \"wyze://h?enr=0000000000000000&uid=HSBJYB5HSETGCDWD111A&mac=000000000001&model=M#end\"",
        &["enr", "mac"],
        "[cameras.x]\nurl = \"wyze://h?enr=aKzd%2Bckq%2F8HUHFe5&uid=HSBJYB5HSETGCDWD111A&mac=AABBCCDDEEFF&model=M#end\"",
    );
    updated(
        "[cameras.x]\nurl = \"wyze://h?uid=HSBJYB5HSETGCDWD111A&mac=aabbccddeeff\"\nenr = \"0000000000000000\"",
        &["enr"],
        "[cameras.x]\nurl = \"wyze://h?uid=HSBJYB5HSETGCDWD111A&mac=aabbccddeeff\"\nenr = \"aKzd+ckq/8HUHFe5\"",
    );
}

#[test]
fn preserves_missing_keys_and_environment_variables() {
    for before in [
        "[cameras.x]\nuid = \"HSBJYB5HSETGCDWD111A\"\n",
        "[cameras.x]\nuid = \"HSBJYB5HSETGCDWD111A\"\nenr = \"${DOOR_ENR}\"\n",
        "[cameras.x]\nuid = \"HSBJYB5HSETGCDWD111A\"\nenr = \"${UNSET}\"\n",
        "[cameras.x]\nurl = \"${DOOR_URL}\"\n",
        "[cameras.x]\nurl = \"wyze://h?uid=HSBJYB5HSETGCDWD111A&mac=AABBCCDDEEFF\"\n",
        // The same values in another notation.
        "[cameras.x]\nurl = \"wyze://h?uid=HSBJYB5HSETGCDWD111A&enr=aKzd+ckq/8HUHFe5&mac=aa:bb:cc:dd:ee:ff\"\n",
        // Another AuthKey, with the current ENR.
        "[cameras.x]\nuid = \"HSBJYB5HSETGCDWD111A\"\nenr = \"aKzd+ckq/8HUHFe5\"\nauth_key = \"mine\"\n",
    ] {
        updated(before, &[], before);
    }
}

#[test]
fn writes_and_updates_the_base_station() {
    let mac = "AABBCCDDEE00".parse().unwrap();
    let with = |enr: &str| Offer {
        parent: Some((enr.to_owned().into(), mac)),
        ..offer()
    };
    let (text, _) = merged("", &[with(OLD_ENR)]);
    let parent =
        format!("mac = \"{MAC}\"\nparent_enr = \"{OLD_ENR}\"\nparent_mac = \"AABBCCDDEE00\"\n");
    assert!(text.contains(&parent), "{text}");
    let (again, outcomes) = merged(&text, &[with(ENR)]);
    assert_eq!(
        again,
        text.replace(
            &format!("parent_enr = \"{OLD_ENR}\""),
            &format!("parent_enr = \"{ENR}\"")
        )
    );
    let updated = Change::Updated(vec!["parent_enr"]);
    assert_eq!(outcomes, [[outcome("front-door", updated)]]);

    // The AuthKey is that of the base station.
    let before =
        format!("[cameras.x]\nuid = \"{UID}\"\nparent_enr = \"{OLD_ENR}\"\nauth_key = \"old\"\n");
    let (text, _) = merged(&before, &[with(ENR)]);
    let auth_key = derive_auth_key(ENR, &mac);
    let auth_key = String::from_utf8_lossy(&auth_key.0);
    assert!(
        text.contains(&format!("auth_key = \"{auth_key}\"")),
        "{text}"
    );
}

#[test]
fn updates_all_entries_of_a_camera() {
    let table =
        |name: &str, enr: &str| format!("[cameras.{name}]\nuid = \"{UID}\"\nenr = \"{enr}\"\n");
    let before = table("hd", OLD_ENR) + &table("sd", ENR);
    let (text, outcomes) = merged(&before, &[offer()]);
    assert_eq!(text, table("hd", ENR) + &table("sd", ENR));
    let changes = [
        outcome("hd", Change::Updated(vec!["enr"])),
        outcome("sd", Change::Same),
    ];
    assert_eq!(outcomes, [changes]);
}

#[test]
fn reports_and_preserves_another_address() {
    for (before, other) in [
        (
            "host = \"192.0.2.99\"\nuid = \"HSBJYB5HSETGCDWD111A\"",
            Some("192.0.2.99"),
        ),
        ("host = \"192.0.2.7\"\nuid = \"HSBJYB5HSETGCDWD111A\"", None),
        (
            "host = \"door.example\"\nuid = \"HSBJYB5HSETGCDWD111A\"",
            None,
        ),
        (
            "url = \"wyze://192.0.2.99:4000?uid=HSBJYB5HSETGCDWD111A&mac=AABBCCDDEEFF\"",
            Some("192.0.2.99"),
        ),
    ] {
        let before = format!("[cameras.x]\n{before}\n");
        let (text, outcomes) = merged(&before, &[offer()]);
        assert_eq!(text, before);
        let outcome = outcomes.first().and_then(|known| known.first());
        assert_eq!(
            outcome.and_then(|outcome| outcome.other_host.as_deref()),
            other
        );
    }
}

#[test]
fn rejects_files_that_cannot_be_extended() {
    for (text, expected) in [
        ("[cameras.x\n", "line 1: "),
        ("\ncameras = 1", "line 2, key `cameras`: expected a table"),
        ("cameras = {}", "[cameras.NAME]"),
    ] {
        let error = merge(text, &[offer()], &environment).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

proptest! {
    #[test]
    fn written_secrets_are_read_back(
        nickname in "\\PC{0,20}|[\\x00-\\x7f]{0,10}",
        enr in "[!-~]{16}",
        old in "[!-~]{16}",
        in_url in any::<bool>(),
    ) {
        prop_assume!(!enr.contains("${") && !old.contains("${"));
        let with = |enr: &str| Offer { nickname: nickname.clone(), enr: enr.to_owned().into(), ..offer() };
        let (mut text, _) = merged("", &[with(&old)]);
        if in_url {
            text = format!(
                "[cameras.x]\nurl = {}\n",
                *quoted(&format!("wyze://h?uid={UID}&enr={}&mac={MAC}", encode(&old)))
            );
        }
        for expected in [&old, &enr] {
            (text, _) = merged(&text, &[with(expected)]);
            let contents = Contents::read(&text, None, &environment);
            prop_assert_eq!(&contents.mistakes, &[]);
            let camera = &contents.cameras[0].camera;
            prop_assert_eq!(camera.credentials.enr.reveal(), expected.as_bytes());
            prop_assert_eq!(contents.cameras.len(), 1);
        }
    }
}
