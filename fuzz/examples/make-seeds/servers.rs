//! Inputs of the targets that concern the programs: configuration, cloud, pictures, and structured
//! inputs at random.

use std::process::Command;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng};

use super::save;

/// The targets whose structured input begins with any bytes.
const STRUCTURED: [&str; 9] = [
    "av_login_values",
    "dtls_psk_values",
    "hl_ioctl_values",
    "http_guard",
    "hub",
    "resend",
    "tutk_frame_values",
    "video_reassembly",
    "websocket",
];

pub fn save_all() {
    structured();
    configurations();
    responses();
    pictures();
}

fn structured() {
    for target in STRUCTURED {
        let mut rng = StdRng::seed_from_u64(1);
        for number in 0..12_u32 {
            let mut seed = vec![0; 16 << (number / 2)];
            rng.fill_bytes(&mut seed);
            // Variants and lengths of lists are fractions of 2^32. Small bytes make other choices.
            if number % 2 == 1 {
                seed.iter_mut().for_each(|byte| *byte &= 0x1f);
            }
            save(target, &format!("random-{number}"), &seed);
        }
    }
}

/// Inputs of the target `config`, whose first variant is text.
fn configurations() {
    let example = include_str!("../../../contrib/cameras.example.toml");
    let long = r#"[serve]
http = "127.0.0.1:8080"
trusted_proxies = ["127.0.0.1"]
[users]
anna = "secret"
ben = { password = "${SET}", role = "view", cameras = ["front"] }
[record]
path = "/recordings/{camera}/%Y-%m-%d/%H-%M-%S.mp4"
segment = "10m"
max_size = "20G"
[cameras.front]
host = "192.0.2.7"
uid = "HSBJYB5HSETGCDWD111A"
enr = "aKzdqckqZ8HUHFe5"
mac = "AA:BB:CC:DD:EE:FF"
record = true
capture = "a.pcapng"
"#;
    let short = r#"[cameras.front]
url = "wyze://192.0.2.7?uid=HSBJYB5HSETGCDWD111A&enr=aKzdqckqZ8HUHFe5&mac=AABBCCDDEEFF"
linger = "1h30m"
dialect = "transcode"
"#;
    let wrong = "[cameras]\nfront = 1\n[serv]\n[cameras.back]\nenr = \"${A\"\nport = 0\nx = '''";
    for (name, text) in [
        ("example", example),
        ("long", long),
        ("short", short),
        ("wrong", wrong),
    ] {
        save("config", name, &[&[0; 4], text.as_bytes()].concat());
    }
    random_texts("config");
}

/// Inputs of the target `cloud`: a status, and bytes as the first variant of the body.
fn responses() {
    let list = r#"{"code":"1","data":{"device_list":[{"product_type":"Camera","mac":"AABBCCDDEEFF",
"enr":"aKzdqckqZ8HUHFe5","nickname":"Front","product_model":"HL_CAM4","firmware_ver":"4.52.9.1",
"conn_state":1,"parent_device_mac":"AABBCCDDEE00","device_params":{"p2p_id":"HSBJYB5HSETGCDWD111A",
"ip":"192.0.2.7","dtls":1,"main_device_dtls":1,"p2p_type":4}},{"product_type":"BaseStation",
"mac":"AABBCCDDEE00","enr":"GkB9S7cX38GgzSC6"}]}}"#;
    let factor = r#"{"access_token":null,"mfa_options":["PrimaryPhone","TotpVerificationCode"],
"mfa_details":{"totp_apps":[{"app_id":"app-7"}]}}"#;
    let refusal = r#"{"code":2001,"msg":"access token is error: token-9"}"#;
    for (name, status, text) in [
        ("list", 200, list),
        ("factor", 200, factor),
        ("refusal", 200, refusal),
        ("token", 200, r#"{"access_token":"abc","user_id":"u1"}"#),
        (
            "account",
            200,
            r#"{"access_token":"t","phone_id":"0f000102030405ff"}"#,
        ),
        (
            "html",
            502,
            "<html>\n<title>Bad Gateway me@example.com</title>",
        ),
        ("unauthorized", 401, ""),
    ] {
        let status = u16::to_le_bytes(status);
        let seed = [&status[..], &[0; 4], text.as_bytes()].concat();
        save("cloud", name, &seed);
    }
    random_texts("cloud");
}

/// Structured inputs, whose variant is not the first one.
fn random_texts(target: &str) {
    let mut rng = StdRng::seed_from_u64(2);
    for number in 0..8 {
        let mut seed = vec![0; 64 << (number / 2)];
        rng.fill_bytes(&mut seed);
        seed[2..6].fill(0xff - number);
        save(target, &format!("random-{number}"), &seed);
    }
}

/// Inputs of the target `snapshot`: pictures of all kinds that x264 writes. They stay as they are
/// without ffmpeg.
fn pictures() {
    let kinds = [
        ("baseline", "32x32", "profile=baseline:qp=20"),
        ("baseline-small", "16x16", "profile=baseline:qp=40"),
        ("main", "48x32", "profile=main:qp=24"),
        ("high", "64x64", "profile=high:qp=28:8x8dct=1"),
        ("high-cavlc", "64x48", "profile=high:qp=28:cabac=0:8x8dct=1"),
        ("high-lossy", "64x64", "profile=high:qp=44"),
        ("slices", "64x64", "profile=main:qp=30:slices=4"),
        ("cropped", "50x34", "profile=high:qp=30"),
        ("no-deblocking", "32x32", "profile=main:qp=26:no-deblock=1"),
    ];
    for (name, size, options) in kinds {
        let (profile, options) = options.split_once(':').unwrap_or((options, ""));
        let source = format!("testsrc2=size={size}:rate=1:duration=1,noise=alls=20:all_seed=1");
        let profile = profile.trim_start_matches("profile=");
        let output = Command::new("ffmpeg")
            .args(["-v", "error", "-f", "lavfi", "-i", &source])
            .args(["-frames:v", "1", "-pix_fmt", "yuv420p", "-c:v", "libx264"])
            .args([
                "-threads",
                "1",
                "-profile:v",
                profile,
                "-x264-params",
                options,
            ])
            // Without the SEI, which has the options of x264.
            .args(["-bsf:v", "filter_units=remove_types=6", "-f", "h264", "-"])
            .output();
        match output {
            Ok(output) if output.status.success() => {
                for (suffix, settings) in [("", 100), ("-apart", 101)] {
                    let seed = [&[settings], &output.stdout[..]].concat();
                    save("snapshot", &format!("{name}{suffix}"), &seed);
                }
            }
            _ => eprintln!("{name}: no picture, because ffmpeg with x264 is missing"),
        }
    }
}
