//! Every command of docs/protocol.md, section 18, byte for byte: request and answer, written and
//! parsed.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::num::{NonZeroU8, NonZeroU16};

use hl_ioctl::commands::*;
use hl_ioctl::{
    CATALOGUE, ChallengeStatus, Command, CommandSet, Error, HlMessage, JsonDocument, Request,
    Scalar, control,
};
use serde_json::json;

/// The codes that were checked.
#[derive(Default)]
struct Checked(RefCell<BTreeSet<u16>>);

impl Checked {
    fn command<C>(&self, code: u16, request: &C, bytes: &[u8], answer: &C::Answer, reply: &[u8])
    where
        C: Command + PartialEq + Debug,
        C::Answer: PartialEq + Debug,
    {
        self.0.borrow_mut().insert(code);
        assert_eq!((C::CODE, C::ANSWER_CODE), (code, code + 1));

        let sent = Request::from(request).to_hl().unwrap();
        assert_eq!(sent, hl(5, code, bytes), "K{code}");
        let parsed = HlMessage::parse(&sent).unwrap();
        assert_eq!(&C::from_message(&parsed).unwrap(), request, "K{code}");

        let sent = C::answer_to_hl(answer).unwrap();
        assert_eq!(sent, hl(0x25, code + 1, reply), "K{}", code + 1);
        let parsed = HlMessage::parse(&sent).unwrap();
        let parsed = C::answer_from_message(&parsed).unwrap();
        assert_eq!(&parsed, answer, "K{}", code + 1);

        // The payload of K10000 may have any length.
        for length in
            (0..bytes.len()).filter(|&length| code != 10000 && (code, length) != (10056, 3))
        {
            let error = C::decode(&bytes[..length]).unwrap_err();
            assert!(
                matches!(error, Error::Truncated { what, offset, expected, got }
                    if what == format!("K{code}") && got == 16 + length
                    && offset <= got && got < expected),
                "K{code}, {length} bytes: {error}"
            );
        }
    }

    fn get<C>(&self, code: u16, answer: &C::Answer, reply: &[u8])
    where
        C: Command + Default + PartialEq + Debug,
        C::Answer: PartialEq + Debug,
    {
        self.command(code, &C::default(), &[], answer, reply);
    }

    fn set<C>(&self, code: u16, request: &C, bytes: &[u8])
    where
        C: Command<Answer = SetAnswer> + PartialEq + Debug,
    {
        self.command(code, request, bytes, &SetAnswer::Done, &[1]);
        assert_eq!(C::decode_answer(&[2]).unwrap(), SetAnswer::Other(2));
        assert_eq!(C::answer_to_hl(&SetAnswer::Other(9)).unwrap()[16..], [9]);
        let error = C::decode_answer(&[]).unwrap_err();
        assert!(matches!(error, Error::Truncated { offset: 16, .. }));
    }
}

/// An HL message, written by hand.
fn hl(version: u16, code: u16, payload: &[u8]) -> Vec<u8> {
    let mut message = b"HL".to_vec();
    message.extend(version.to_le_bytes());
    message.extend(code.to_le_bytes());
    message.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
    message.extend([0; 6]);
    message.extend(payload);
    message
}

#[test]
fn every_command_matches_the_protocol_document() {
    let checked = Checked::default();
    connection(&checked);
    settings(&checked);
    video(&checked);
    actions(&checked);
    pan_tilt(&checked);
    let mut codes = BTreeSet::from([10000, 10002, 10006, 10008]);
    for control in CATALOGUE {
        codes.extend(control.get_code());
        codes.extend(control.set_code(CommandSet::Current));
        codes.extend(control.legacy_set_code());
    }
    assert_eq!(checked.0.into_inner(), codes);
}

fn connection(checked: &Checked) {
    let result = ConnectResult::refuse();
    let refused = br#"{"connectionRes":"2"}"#;
    let challenge = Challenge {
        status: ChallengeStatus::Enr,
        challenge: *b"0123456789abcdef",
    };
    for payload in [
        &b""[..],
        br#"{"cameraInfo":{"audioEncoderList":[137,138,140]}}"#,
    ] {
        let request = ConnectRequest {
            payload: payload.to_vec(),
        };
        let reply = b"\x030123456789abcdef";
        checked.command(10000, &request, payload, &challenge, reply);
    }
    assert_eq!(
        AUDIO_ENCODER_LIST,
        br#"{"cameraInfo":{"audioEncoderList":[137,138,140]}}"#
    );
    let auth = ConnectAuth {
        response: *b"fedcba9876543210",
        id: *b"PHON",
        video: true,
        audio: false,
    };
    let bytes = b"fedcba9876543210PHON\x01\x00";
    checked.command(10002, &auth, bytes, &result, refused);
    let auth = UserAuth {
        auth: ConnectAuth {
            video: false,
            audio: true,
            ..auth
        },
        user_id: UserId::new("a user").unwrap(),
    };
    let bytes = b"fedcba9876543210PHON\x00\x01\x06a user";
    let doorbell = ConnectDoorbellUserAuth(auth.clone());
    checked.command(10006, &doorbell, bytes, &result, refused);
    checked.command(10008, &ConnectUserAuth(auth), bytes, &result, refused);
    for (media, switch, bytes) in [
        (Media::Video, Switch::On, [1, 1]),
        (Media::Audio, Switch::Off, [2, 2]),
        (Media::ReturnAudio, Switch::On, [3, 1]),
        (Media::RawData, Switch::Off, [4, 2]),
    ] {
        checked.set(10010, &MediaControl { media, switch }, &bytes);
    }
    let parameters = ReadParameters::new([1, 7, 255]).unwrap();
    assert_eq!(parameters.ids(), [1, 7, 255]);
    let document = JsonDocument::from(json!({ "1": "120" }));
    let reply = br#"{"1":"120"}"#;
    checked.command(10020, &parameters, &[3, 1, 7, 255], &document, reply);
}

fn settings(checked: &Checked) {
    let (on, off) = (Switch::On, Switch::Off);
    checked.get::<GetStatusLight>(10030, &on, &[1]);
    checked.set(10032, &SetStatusLight(off), &[2]);
    checked.get::<GetNightVision>(10040, &NightVision::Off, &[2]);
    checked.set(10042, &SetNightVision(NightVision::Auto), &[3]);
    checked.get::<GetInfraredLight>(10044, &InfraredLight::LongRange, &[1]);
    checked.set(10046, &SetInfraredLight(InfraredLight::ShortRange), &[2]);
    checked.get::<GetOnScreenTime>(10070, &off, &[2]);
    checked.set(10072, &SetOnScreenTime(on), &[1]);
    checked.get::<GetOnScreenLogo>(10074, &on, &[1]);
    checked.set(10076, &SetOnScreenLogo(off), &[2]);
    let time = UnixSeconds::new(0x6955_ba00).unwrap();
    checked.get::<GetClock>(10090, &time, &[0x00, 0xba, 0x55, 0x69]);
    checked.set(10092, &SetClock(time), &[0x00, 0xba, 0x55, 0x69]);
    let alarm = MotionAlarm {
        alarm: on,
        sensitivity: 77,
    };
    checked.get::<GetMotionAlarm>(10200, &alarm, &[1, 77]);
    checked.set(10202, &SetMotionAlarmLegacy { alarm: off }, &[2, 0]);
    checked.set(10206, &SetMotionAlarm { alarm: on }, &[1, 0]);
    checked.get::<GetMotionTagging>(10290, &on, &[1]);
    checked.set(10292, &SetMotionTagging(off), &[2]);
    checked.set(10302, &SetTimeZone(TimeZone::new(-11).unwrap()), &[0xf5]);
    let url = "rtsp://192.0.2.1/live".to_owned();
    let rtsp = RtspServer { server: 1, url };
    checked.get::<GetRtspServer>(10604, &rtsp, b"\x01rtsp://192.0.2.1/live");
    checked.set(10600, &SetRtspServer { server: on }, &[1]);
    checked.get::<GetNightCheck>(10620, &UntypedAnswer::Byte(1), &[1]);
    checked.get::<GetNightSwitchPoint>(10624, &NightSwitchPoint::Dusk, &[1]);
    checked.set(10626, &SetNightSwitchPoint(NightSwitchPoint::Dark), &[2]);
    let siren = SirenAndLight {
        siren: on,
        light: off,
    };
    checked.set(10630, &SetSirenAndLight(siren), &[1, 2]);
    checked.get::<GetSirenAndLight>(10632, &siren, &[1, 2]);
    checked.get::<GetSpotlight>(10640, &off, &[2]);
    checked.set(10646, &SetSpotlight(on), &[1]);
    let json = JsonDocument::from(json!({ "a": [1] }));
    let floodlight = UntypedAnswer::Json(json.clone());
    checked.get::<GetConnectionStatus>(10446, &json, br#"{"a":[1]}"#);
    checked.get::<GetBatteryUse>(10448, &json, br#"{"a":[1]}"#);
    checked.get::<GetAccessories>(10720, &json, br#"{"a":[1]}"#);
    checked.get::<GetBuiltInFloodlight>(10788, &floodlight, br#"{"a":[1]}"#);
    checked.get::<GetWhiteLight>(10820, &UntypedAnswer::Bytes(vec![1, 2]), &[1, 2]);
    checked.set(12060, &SetFloodlight(off), &[2]);
}

fn video(checked: &Checked) {
    let video = VideoParameters {
        bitrate: 0x0102,
        resolution: 3,
        fps: 20,
        horizontal_flip: 1,
        vertical_flip: 2,
    };
    checked.get::<GetVideoParameters>(10050, &video, &[2, 1, 3, 20, 1, 2]);
    let video = SetVideoParameters {
        bitrate: Some(Bitrate::MAX),
        resolution: Some(Resolution::P1080),
        fps: NonZeroU8::new(15),
        horizontal_flip: Some(Switch::On),
        vertical_flip: Some(Switch::Off),
    };
    checked.set(10052, &video, &[240, 0, 1, 15, 1, 2]);
    checked.set(10052, &SetVideoParameters::default(), &[0; 6]);
    for (resolution, bitrate, fps, bytes) in [
        (Resolution::P1080, Bitrate::HD, 20, [1, 120, 0, 20, 0]),
        (Resolution::P360, Bitrate::P360, 0, [2, 30, 0, 0, 0]),
        (Resolution::P720, Bitrate::SD, 0x0102, [3, 60, 0, 2, 1]),
        (Resolution::TwoK, Bitrate::HD_150, 0, [4, 150, 0, 0, 0]),
        (
            Resolution::TwoKAlternate,
            Bitrate::MAX,
            0,
            [5, 240, 0, 0, 0],
        ),
    ] {
        let command = SetResolution {
            resolution,
            bitrate,
            fps: NonZeroU16::new(fps),
        };
        checked.set(10056, &command, &bytes);
    }
}

fn actions(checked: &Checked) {
    checked.set(10058, &TakePhoto, &[1]);
    checked.set(10148, &StartFileServer, &[0, 1, 0, 0, 0]);
    checked.set(10242, &FormatSdCard, &[]);
    checked.set(10444, &SetPower(Power::Sleep), &[2]);
    let message = QuickMessage::new(3).unwrap();
    checked.set(11635, &PlayQuickMessage(message), &[3]);
}

fn pan_tilt(checked: &Checked) {
    let by = PanTiltByDegrees {
        horizontal: RelativeAngle::new(-128).unwrap(),
        vertical: RelativeAngle::new(127).unwrap(),
    };
    checked.set(11000, &by, &[0x80, 0xff, 127, 0, 5]);
    for (horizontal, vertical, bytes) in [
        (PanDirection::Right, TiltDirection::None, [2, 0, 5]),
        (PanDirection::Left, TiltDirection::Down, [1, 2, 5]),
    ] {
        let by = PanTiltByStep {
            horizontal,
            vertical,
        };
        checked.set(11002, &by, &bytes);
    }
    checked.set(11004, &PanTiltHome, &[3]);
    let position = Position {
        time: 0x0102_0304,
        vertical: 40,
        horizontal: 350,
    };
    checked.command(
        11006,
        &GetPosition(0x0a0b_0c0d),
        &[0x0d, 0x0c, 0x0b, 0x0a],
        &position,
        &[4, 3, 2, 1, 40, 0x5e, 1],
    );
    let point = |vertical, horizontal, seconds| PatrolPoint {
        vertical: TiltAngle::new(vertical).unwrap(),
        horizontal: PanAngle::new(horizontal).unwrap(),
        seconds: DwellSeconds::new(seconds).unwrap(),
    };
    let points = PatrolPoints::new(vec![point(0, 350, 10), point(40, 1, 255)]).unwrap();
    let bytes = [2, 0, 0x5e, 1, 10, 40, 1, 0, 255];
    checked.get::<GetPatrolPoints>(11010, &points, &bytes);
    checked.set(11012, &SetPatrolPoints(points), &bytes);
    checked.set(11012, &SetPatrolPoints(PatrolPoints::default()), &[0]);
    checked.get::<GetPatrol>(11014, &Switch::On, &[1]);
    checked.set(11016, &SetPatrol(Switch::Off), &[2]);
    let to = PanTiltTo {
        milliseconds: Milliseconds::from_unix_millis(1_767_225_600_123),
        vertical: TiltAngle::new(40).unwrap(),
        horizontal: PanAngle::new(350).unwrap(),
    };
    // 225600123 is 0x0d72627b.
    checked.set(11018, &to, &[0x7b, 0x62, 0x72, 0x0d, 40, 0x5e, 1]);
    checked.get::<GetMotionTracking>(11020, &Switch::Off, &[2]);
    checked.set(11022, &SetMotionTracking(Switch::On), &[1]);
}

#[test]
fn challenge_may_be_missing_if_the_status_allows_no_response() {
    for byte in [2, 4, 5, 77] {
        let challenge = ConnectRequest::decode_answer(&[byte]).unwrap();
        assert_eq!(challenge.status.byte(), byte);
        assert_eq!(challenge.challenge, [0; 16]);
    }
    for byte in [1, 3, 6] {
        ConnectRequest::decode_answer(&[byte]).unwrap_err();
    }
    ConnectRequest::decode_answer(&[]).unwrap_err();
    assert_eq!(
        ConnectRequest::decode_answer(&[3; 16]).unwrap_err(),
        Error::Truncated {
            what: "K10001",
            offset: 17,
            expected: 33,
            got: 32
        }
    );
}

#[test]
fn parameters_are_limited() {
    let all = ReadParameters::new(1..=255).unwrap();
    assert_eq!(Request::from(&all).payload.len(), 256);
    for ids in [vec![], vec![1; 256], vec![1, 0]] {
        let error = ReadParameters::new(ids).unwrap_err();
        assert!(error.to_string().contains("expected 1 to 255"), "{error}");
    }
    ReadParameters::decode(&[0]).unwrap_err();
    assert_eq!(
        ReadParameters::decode(&[3, 1, 7]).unwrap_err(),
        Error::Truncated {
            what: "K10020",
            offset: 17,
            expected: 20,
            got: 19
        }
    );
}

#[test]
fn frame_rate_of_k10056_may_be_missing() {
    let command = SetResolution {
        resolution: Resolution::P360,
        bitrate: Bitrate::SD,
        fps: None,
    };
    assert_eq!(SetResolution::decode(&[2, 60, 0]).unwrap(), command);
    let error = SetResolution::decode(&[2, 60, 0, 9]).unwrap_err();
    assert!(matches!(error, Error::Truncated { got: 20, .. }), "{error}");
}

#[test]
fn rtsp_server_may_have_no_address() {
    let read = |payload: &[u8]| GetRtspServer::decode_answer(payload).unwrap();
    let json = |payload: &[u8]| control("rtsp-server").unwrap().describe_answer(payload);
    assert_eq!(read(b"\x02").url, "");
    assert_eq!(read(b"\x01rtsp://h\0\0").url, "rtsp://h");
    assert_eq!(
        json(b"\x01rtsp://h").unwrap(),
        json!({ "server": "on", "url": "rtsp://h" })
    );
    // Unknown values are numbers.
    assert_eq!(json(&[7]).unwrap(), json!({ "server": 7, "url": "" }));
    GetRtspServer::decode_answer(&[]).unwrap_err();
}

#[test]
fn parameters_have_names() {
    for (id, name) in [
        (1, "status-light"),
        (2, "night-vision"),
        (3, "bitrate"),
        (4, "resolution"),
        (5, "fps"),
        (6, "horizontal-flip"),
        (7, "vertical-flip"),
        (13, "motion-alarm"),
        (21, "motion-tagging"),
        (22, "time-zone"),
        (27, "motion-tracking"),
        (50, "infrared-light"),
    ] {
        let parameter = Parameter::from_number(id).unwrap();
        assert_eq!(parameter.number(), id);
        assert_eq!(Parameter::KIND.json(id), name);
    }
    assert_eq!(Parameter::from_number(8), None);
}

/// An answer of a real HL_BC.
#[test]
fn video_parameters_of_a_camera_are_parsed() {
    let bytes = [0xf0, 0x00, 0x05, 0x14, 0x01, 0x01];
    let video = GetVideoParameters::decode_answer(&bytes).unwrap();
    assert_eq!((video.bitrate, video.fps), (240, 20));
    assert_eq!(video.picture_size(), Some(Resolution::TwoKAlternate));
}

#[test]
fn firmware_selects_the_source_of_the_bitrate() {
    for (firmware, source) in [
        ("4.36.12", BitrateSource::None),
        ("4.36.12.3497", BitrateSource::None),
        ("4.50.4.9222", BitrateSource::None),
        ("4.50.4.1", BitrateSource::VideoParameters),
        ("4.51.3.6791", BitrateSource::VideoParameters),
        ("4.52.9.4188", BitrateSource::VideoParameters),
        ("4.53", BitrateSource::VideoParameters),
        ("4.36.14.3497", BitrateSource::Parameters),
        ("4.36.120.1", BitrateSource::Parameters),
        ("4.50.40.1", BitrateSource::Parameters),
        ("", BitrateSource::Parameters),
    ] {
        assert_eq!(BitrateSource::of_firmware(firmware), source, "{firmware}");
    }
}

#[test]
fn resolutions_have_codes() {
    for code in 0..5 {
        let resolution = Resolution::try_from(code).unwrap();
        assert_eq!(resolution.code(), code);
        assert_eq!(resolution.number(), i64::from(code) + 1);
    }
    let error = Resolution::try_from(5).unwrap_err().to_string();
    assert_eq!(
        error,
        "resolution code: expected 0 (1080p), 1 (360p), 2 (720p), 3 (2k), 4 (2k-alternate), got 5"
    );
}

#[test]
#[rustfmt::skip] // A table: a line for each value.
fn values_out_of_range_cannot_be_created() {
    fn check<T: Debug>(value: Result<T, Error>, text: &str) {
        assert_eq!(value.unwrap_err().to_string(), text);
    }
    check(TimeZone::new(14), "time zone: expected -11 to 13 hours, got 14");
    check(TimeZone::new(-12), "time zone: expected -11 to 13 hours, got -12");
    check(RelativeAngle::new(128), "degrees: expected -128 to 127 degrees, got 128");
    check(RelativeAngle::new(-129), "degrees: expected -128 to 127 degrees, got -129");
    check(TiltAngle::new(41), "vertical: expected 0 to 40 degrees, got 41");
    check(PanAngle::new(351), "horizontal: expected 0 to 350 degrees, got 351");
    check(DwellSeconds::new(9), "seconds: expected 10 to 255 seconds, got 9");
    check(Bitrate::new(0), "bitrate: expected 1 to 240 kB/s, got 0");
    check(Bitrate::new(241), "bitrate: expected 1 to 240 kB/s, got 241");
    check(Milliseconds::new(1_000_000_000), "milliseconds: expected 0 to 999999999 milliseconds, got 1000000000");
    check(QuickMessage::new(4), "K11635 message: expected 1 to 3 (number of the message), got 4");
    check(UserId::new(""), "length of the user id: expected 1 to 255 bytes, got 0");
    check(UserId::new([0; 256]), "length of the user id: expected 1 to 255 bytes, got 256");
    assert_eq!(Bitrate::new(240).unwrap(), Bitrate::MAX);
    assert_eq!(Bitrate::new(1).unwrap().get(), 1);
    let point = PatrolPoint {
        vertical: TiltAngle::new(1).unwrap(),
        horizontal: PanAngle::new(1).unwrap(),
        seconds: DwellSeconds::new(10).unwrap(),
    };
    PatrolPoints::new(vec![point; 255]).unwrap();
    check(PatrolPoints::new(vec![point; 256]), "patrol points: expected 0 to 255 of them, got 256");
}

#[test]
#[rustfmt::skip] // A table: a line for each payload.
fn values_out_of_range_are_not_parsed() {
    fn check<C: Command + Debug>(payload: &[u8], text: &str) {
        assert_eq!(C::decode(payload).unwrap_err().to_string(), text);
    }
    check::<SetStatusLight>(&[0], "K10032 at offset 16: expected 1 (on) or 2 (off), got 0");
    check::<SetNightVision>(&[4], "K10042 at offset 16: expected 1 (on), 2 (off), 3 (auto), got 4");
    check::<SetTimeZone>(&[0xf4], "K10302 at offset 16: expected -11 to 13 hours, got -12");
    check::<PanTiltByDegrees>(&[0, 0, 0x7f, 0xff, 5], "vertical at offset 18: expected -128 to 127 degrees, got -129");
    check::<PanTiltTo>(&[0, 0, 0, 0, 40, 0x5f, 1], "horizontal at offset 21: expected 0 to 350 degrees, got 351");
    check::<SetPatrolPoints>(&[2, 0, 0, 0, 10, 0, 0, 0, 9], "seconds at offset 24: expected 10 to 255 seconds, got 9");
    check::<ConnectUserAuth>(&[0; 23], "length of the user id: expected 1 to 255 bytes, got 0");
    check::<MediaControl>(&[0, 1], "media at offset 16: expected 1 (video), 2 (audio), 3 (return-audio), 4 (raw-data), got 0");
    check::<MediaControl>(&[1, 3], "switch at offset 17: expected 1 (on) or 2 (off), got 3");
    check::<SetVideoParameters>(&[0, 1, 0, 0, 0, 0], "bitrate at offset 16: expected 1 to 240 kB/s, got 256");
    check::<SetVideoParameters>(&[0, 0, 0, 0, 3, 0], "horizontal_flip at offset 20: expected 1 (on) or 2 (off), got 3");
    check::<SetVideoParameters>(&[0, 0, 0, 0, 0, 3], "vertical_flip at offset 21: expected 1 (on) or 2 (off), got 3");
    check::<SetResolution>(&[1, 0, 0, 0, 0], "bitrate at offset 17: expected 1 to 240 kB/s, got 0");
    for code in [0, 6] {
        let error = SetResolution::decode(&[code, 120, 0, 0, 0]).unwrap_err();
        assert!(matches!(error, Error::Value { field: "resolution", offset: 16, .. }), "{error}");
    }
    let error = GetStatusLight::decode_answer(&[3]).unwrap_err();
    assert_eq!(error.to_string(), "K10031 at offset 16: expected 1 (on) or 2 (off), got 3");
}

#[test]
fn requests_match_their_answers_by_code() {
    let request = Request::from(&ReadParameters::new([1]).unwrap());
    assert_eq!((request.code, request.answer_code()), (10020, 10021));
    let with_code = |code| HlMessage {
        version: 0x25,
        code,
        payload: &[],
    };
    assert!(request.is_answered_by(&with_code(10021)));
    assert!(!request.is_answered_by(&with_code(10020)));
    assert_eq!(
        MediaControl::answer_from_message(&with_code(10021)),
        Err(Error::Code {
            expected: 10011,
            got: 10021
        })
    );
    assert_eq!(
        MediaControl::from_message(&with_code(10012)),
        Err(Error::Code {
            expected: 10010,
            got: 10012
        })
    );
}

#[test]
fn two_commands_are_never_answered() {
    let turn = control("turn").unwrap();
    let home = control("home-position").unwrap();
    for (control, values) in [(turn, &["1", "2"][..]), (home, &[])] {
        assert!(!control.set(values).unwrap().expects_answer());
        assert!(!control.set_is_answered());
        assert_eq!(control.describe_set_answer(&[]).unwrap(), "done");
        // Some firmware may answer.
        assert_eq!(control.describe_set_answer(&[2]).unwrap(), 2);
    }
    for control in CATALOGUE {
        let answered = ![turn.name, home.name].contains(&control.name);
        assert_eq!(control.set_is_answered(), answered, "{}", control.name);
        assert!(control.get().is_none_or(|get| get.expects_answer()));
    }
}

#[test]
fn user_ids_are_redacted() {
    let user = UserId::new("c0ffee").unwrap();
    assert_eq!(format!("{user:?}"), "UserId(6 bytes, redacted)");
}
