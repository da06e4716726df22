//! Every row of commands.md, byte by byte: the request's payload, the answer's, and both read again.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics fails"
)]

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::num::{NonZeroU8, NonZeroU16};

use hl_ioctl::commands::*;
use hl_ioctl::{ChallengeStatus, Command, Error, HlMessage, JsonDocument, Request};
use serde_json::json;

/// The codes of commands.md, in its order.
const CODES: [u16; 58] = [
    10000, 10002, 10006, 10008, 10010, 10020, 10030, 10032, 10040, 10042, 10044, 10046, 10050,
    10052, 10056, 10058, 10070, 10072, 10074, 10076, 10090, 10092, 10148, 10200, 10202, 10206,
    10242, 10290, 10292, 10302, 10444, 10446, 10448, 10600, 10604, 10620, 10624, 10626, 10630,
    10632, 10640, 10646, 10720, 10788, 10820, 11000, 11002, 11004, 11006, 11010, 11012, 11014,
    11016, 11018, 11020, 11022, 11635, 12060,
];

/// The rows that were shown.
#[derive(Default)]
struct Rows(RefCell<BTreeSet<u16>>);

impl Rows {
    /// A row: code, request and its bytes, answer and its bytes.
    fn row<C>(&self, code: u16, request: &C, bytes: &[u8], answer: &C::Answer, answer_bytes: &[u8])
    where
        C: Command + PartialEq + Debug,
        C::Answer: PartialEq + Debug,
    {
        self.0.borrow_mut().insert(code);
        assert_eq!((C::CODE, C::ANSWER_CODE), (code, code + 1));

        let mut header = b"HL\x05\x00".to_vec();
        header.extend(code.to_le_bytes());
        header.extend(u32::try_from(bytes.len()).unwrap().to_le_bytes());
        header.extend([0; 6]);
        let sent = Request::from(request).to_hl().unwrap();
        assert_eq!(sent, [&header, bytes].concat(), "K{code}");
        let read = HlMessage::parse(&sent).unwrap();
        assert_eq!(&C::from_message(&read).unwrap(), request, "K{code}");

        let mut header = b"HL\x25\x00".to_vec();
        header.extend((code + 1).to_le_bytes());
        header.extend(u32::try_from(answer_bytes.len()).unwrap().to_le_bytes());
        header.extend([0; 6]);
        let sent = C::answer_to_hl(answer).unwrap();
        assert_eq!(sent, [&header, answer_bytes].concat(), "K{}", code + 1);
        let read = HlMessage::parse(&sent).unwrap();
        let read = C::answer_from_message(&read).unwrap();
        assert_eq!(&read, answer, "K{}", code + 1);

        // Cut off anywhere, it is cut off, and says where.
        if code != 10000 {
            for length in 0..bytes.len() {
                let error = C::decode(&bytes[..length]).unwrap_err();
                assert!(
                    matches!(error, Error::Truncated { what, offset, expected, got }
                        if what == format!("K{code}") && got == 16 + length
                        && offset <= got && got < expected),
                    "K{code}, {length} bytes: {error}"
                );
            }
        }
    }

    fn get<C>(&self, code: u16, answer: &C::Answer, answer_bytes: &[u8])
    where
        C: Command + Default + PartialEq + Debug,
        C::Answer: PartialEq + Debug,
    {
        self.row(code, &C::default(), &[], answer, answer_bytes);
    }

    fn set<C>(&self, code: u16, request: &C, bytes: &[u8])
    where
        C: Command<Answer = SetAnswer> + PartialEq + Debug,
    {
        self.row(code, request, bytes, &SetAnswer::Done, &[1]);
    }
}

#[test]
fn every_row_is_as_the_table_has_it() {
    let rows = Rows::default();
    connection(&rows);
    settings(&rows);
    orders(&rows);
    turning(&rows);
    let wanted = CODES.into_iter().collect();
    assert_eq!(rows.0.into_inner(), wanted);
}

fn connection(rows: &Rows) {
    let result = ConnectResult::refuse();
    let refused = br#"{"connectionRes":"0"}"#;
    let challenge = Challenge {
        status: ChallengeStatus::Enr,
        challenge: *b"0123456789abcdef",
    };
    let request = ConnectRequest {
        payload: AUDIO_ENCODER_LIST.to_vec(),
    };
    rows.row(
        10000,
        &request,
        br#"{"cameraInfo":{"audioEncoderList":[137,138,140]}}"#,
        &challenge,
        b"\x030123456789abcdef",
    );
    let auth = ConnectAuth {
        response: *b"fedcba9876543210",
        id: *b"PHON",
        video: true,
        audio: false,
    };
    rows.row(
        10002,
        &auth,
        b"fedcba9876543210PHON\x01\x00",
        &result,
        refused,
    );
    let auth = UserAuth {
        response: *b"fedcba9876543210",
        phone_id: *b"PHON",
        video: false,
        audio: true,
        user_id: UserId::new("a user").unwrap(),
    };
    let bytes = b"fedcba9876543210PHON\x00\x01\x06a user";
    let doorbell = ConnectDoorbellUserAuth(auth.clone());
    rows.row(10006, &doorbell, bytes, &result, refused);
    rows.row(10008, &ConnectUserAuth(auth), bytes, &result, refused);
    let media = MediaControl {
        media: Media::ReturnAudio,
        switch: Switch::Off,
    };
    rows.set(10010, &media, &[3, 2]);
    let parameters = ReadParameters::new([1, 2, 90]).unwrap();
    let document = JsonDocument::from(json!({ "1": "120" }));
    rows.row(
        10020,
        &parameters,
        &[3, 1, 2, 90],
        &document,
        br#"{"1":"120"}"#,
    );
}

fn settings(rows: &Rows) {
    let (on, off) = (Switch::On, Switch::Off);
    rows.get::<GetStatusLight>(10030, &on, &[1]);
    rows.set(10032, &SetStatusLight(off), &[2]);
    rows.get::<GetNightVision>(10040, &NightVision::Off, &[2]);
    rows.set(10042, &SetNightVision(NightVision::Auto), &[3]);
    rows.get::<GetInfraredLight>(10044, &InfraredLight::LongRange, &[1]);
    rows.set(10046, &SetInfraredLight(InfraredLight::ShortRange), &[2]);
    let video = VideoParameters {
        bitrate: 0x0102,
        resolution: 3,
        fps: 20,
        horizontal_flip: 1,
        vertical_flip: 2,
    };
    rows.get::<GetVideoParameters>(10050, &video, &[2, 1, 3, 20, 1, 2]);
    let video = SetVideoParameters {
        bitrate: Some(Bitrate::HD_150),
        resolution: Some(Resolution::P720),
        fps: NonZeroU8::new(15),
        horizontal_flip: Some(on),
        vertical_flip: None,
    };
    rows.set(10052, &video, &[150, 0, 3, 15, 1, 0]);
    let resolution = SetResolution {
        resolution: Resolution::P360,
        bitrate: Bitrate::P360,
        fps: NonZeroU16::new(0x0114),
    };
    rows.set(10056, &resolution, &[2, 30, 0, 0x14, 1]);
    rows.get::<GetOnScreenTime>(10070, &off, &[2]);
    rows.set(10072, &SetOnScreenTime(on), &[1]);
    rows.get::<GetOnScreenLogo>(10074, &on, &[1]);
    rows.set(10076, &SetOnScreenLogo(off), &[2]);
    let time = UnixSeconds::new(0x6955_ba00).unwrap();
    rows.get::<GetClock>(10090, &time, &[0x00, 0xba, 0x55, 0x69]);
    rows.set(10092, &SetClock(time), &[0x00, 0xba, 0x55, 0x69]);
    let alarm = MotionAlarm {
        alarm: on,
        sensitivity: 77,
    };
    rows.get::<GetMotionAlarm>(10200, &alarm, &[1, 77]);
    rows.set(10202, &SetMotionAlarmLegacy { alarm: off }, &[2, 0]);
    rows.set(10206, &SetMotionAlarm { alarm: on }, &[1, 0]);
    rows.get::<GetMotionTagging>(10290, &on, &[1]);
    rows.set(10292, &SetMotionTagging(off), &[2]);
    rows.set(10302, &SetTimeZone(TimeZone::new(-11).unwrap()), &[0xf5]);
    rows.get::<GetRtspServer>(10604, &UntypedAnswer::switch(off), &[2]);
    rows.set(10600, &SetRtspServer(on), &[1]);
    rows.get::<GetNightCheck>(10620, &UntypedAnswer::Byte(1), &[1]);
    rows.get::<GetNightSwitchPoint>(10624, &NightSwitchPoint::Dusk, &[1]);
    rows.set(10626, &SetNightSwitchPoint(NightSwitchPoint::Dark), &[2]);
    let siren = SirenAndLight {
        siren: on,
        light: off,
    };
    rows.set(10630, &SetSirenAndLight(siren), &[1, 2]);
    rows.get::<GetSirenAndLight>(10632, &siren, &[1, 2]);
    rows.get::<GetSpotlight>(10640, &off, &[2]);
    rows.set(10646, &SetSpotlight(on), &[1]);
    let json = JsonDocument::from(json!({ "a": [1] }));
    let accessories = UntypedAnswer::Json(json.clone());
    rows.get::<GetConnectionStatus>(10446, &json, br#"{"a":[1]}"#);
    rows.get::<GetBatteryUse>(10448, &json, br#"{"a":[1]}"#);
    rows.get::<GetAccessories>(10720, &json, br#"{"a":[1]}"#);
    rows.get::<GetBuiltInFloodlight>(10788, &accessories, br#"{"a":[1]}"#);
    rows.get::<GetWhiteLight>(10820, &UntypedAnswer::Bytes(vec![1, 2]), &[1, 2]);
    rows.set(12060, &SetFloodlight(off), &[2]);
}

fn orders(rows: &Rows) {
    rows.set(10058, &TakePhoto, &[1]);
    rows.set(10148, &StartFileServer, &[0, 1, 0, 0, 0]);
    rows.set(10242, &FormatSdCard, &[]);
    rows.set(10444, &SetPower(Power::Sleep), &[2]);
    let message = QuickMessage::new(3).unwrap();
    rows.set(11635, &PlayQuickMessage(message), &[3]);
}

fn turning(rows: &Rows) {
    let by = PanTiltByDegrees {
        horizontal: RelativeAngle::new(-128).unwrap(),
        vertical: RelativeAngle::new(127).unwrap(),
    };
    rows.set(11000, &by, &[0x80, 0xff, 127, 0, 5]);
    let by = PanTiltByStep {
        horizontal: PanDirection::Right,
        vertical: TiltDirection::None,
    };
    rows.set(11002, &by, &[2, 0, 5]);
    let by = PanTiltByStep {
        horizontal: PanDirection::Left,
        vertical: TiltDirection::Down,
    };
    rows.set(11002, &by, &[1, 2, 5]);
    rows.set(11004, &PanTiltHome, &[3]);
    let position = Position {
        time: 0x0102_0304,
        vertical: 40,
        horizontal: 350,
    };
    rows.row(
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
    rows.get::<GetPatrolPoints>(11010, &points, &bytes);
    rows.set(11012, &SetPatrolPoints(points), &bytes);
    rows.set(11012, &SetPatrolPoints(PatrolPoints::default()), &[0]);
    rows.get::<GetPatrol>(11014, &Switch::On, &[1]);
    rows.set(11016, &SetPatrol(Switch::Off), &[2]);
    let to = PanTiltTo {
        milliseconds: Milliseconds::from_unix_millis(1_767_225_600_123),
        vertical: TiltAngle::new(40).unwrap(),
        horizontal: PanAngle::new(350).unwrap(),
    };
    // 225600123 is 0x0d72627b.
    rows.set(11018, &to, &[0x7b, 0x62, 0x72, 0x0d, 40, 0x5e, 1]);
    rows.get::<GetMotionTracking>(11020, &Switch::Off, &[2]);
    rows.set(11022, &SetMotionTracking(Switch::On), &[1]);
}

#[test]
fn values_out_of_range_cannot_be_built() {
    let range = |result: Result<(), Error>| result.unwrap_err().to_string();
    for (got, error) in [
        (
            range(TimeZone::new(14).map(drop)),
            "time zone: expected -11 to 13 hours, got 14",
        ),
        (
            range(TimeZone::new(-12).map(drop)),
            "time zone: expected -11 to 13 hours, got -12",
        ),
        (
            range(RelativeAngle::new(128).map(drop)),
            "degrees: expected -128 to 127 degrees, got 128",
        ),
        (
            range(RelativeAngle::new(-129).map(drop)),
            "degrees: expected -128 to 127 degrees, got -129",
        ),
        (
            range(TiltAngle::new(41).map(drop)),
            "vertical: expected 0 to 40 degrees, got 41",
        ),
        (
            range(PanAngle::new(351).map(drop)),
            "horizontal: expected 0 to 350 degrees, got 351",
        ),
        (
            range(DwellSeconds::new(9).map(drop)),
            "seconds: expected 10 to 255 seconds, got 9",
        ),
        (
            range(Milliseconds::new(1_000_000_000).map(drop)),
            "milliseconds: expected 0 to 999999999 milliseconds, got 1000000000",
        ),
        (
            range(QuickMessage::new(4).map(drop)),
            "K11635 message: expected 1 to 3 (number of the message), got 4",
        ),
        (
            range(UserId::new("").map(drop)),
            "length of the user id: expected 1 to 255 bytes, got 0",
        ),
        (
            range(UserId::new([0; 256]).map(drop)),
            "length of the user id: expected 1 to 255 bytes, got 256",
        ),
    ] {
        assert_eq!(got, error);
    }
    let point = PatrolPoint {
        vertical: TiltAngle::new(1).unwrap(),
        horizontal: PanAngle::new(1).unwrap(),
        seconds: DwellSeconds::new(10).unwrap(),
    };
    PatrolPoints::new(vec![point; 255]).unwrap();
    let error = PatrolPoints::new(vec![point; 256]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "patrol points: expected 0 to 255 of them, got 256"
    );
}

#[test]
fn values_out_of_range_are_not_read() {
    for (error, text) in [
        (
            SetStatusLight::decode(&[0]).map(drop),
            "K10032 at offset 16: expected 1 (on) or 2 (off), got 0",
        ),
        (
            SetNightVision::decode(&[4]).map(drop),
            "K10042 at offset 16: expected 1 (on), 2 (off), 3 (auto), got 4",
        ),
        (
            GetStatusLight::decode_answer(&[3]).map(drop),
            "K10031 at offset 16: expected 1 (on) or 2 (off), got 3",
        ),
        (
            SetTimeZone::decode(&[0xf4]).map(drop),
            "K10302 at offset 16: expected -11 to 13 hours, got -12",
        ),
        (
            PanTiltByDegrees::decode(&[0, 0, 0x7f, 0xff, 5]).map(drop),
            "vertical at offset 18: expected -128 to 127 degrees, got -129",
        ),
        (
            PanTiltTo::decode(&[0, 0, 0, 0, 40, 0x5f, 1]).map(drop),
            "horizontal at offset 21: expected 0 to 350 degrees, got 351",
        ),
        (
            SetPatrolPoints::decode(&[2, 0, 0, 0, 10, 0, 0, 0, 9]).map(drop),
            "seconds at offset 24: expected 10 to 255 seconds, got 9",
        ),
        (
            ConnectUserAuth::decode(&[0; 23]).map(drop),
            "length of the user id: expected 1 to 255 bytes, got 0",
        ),
    ] {
        assert_eq!(error.unwrap_err().to_string(), text);
    }
}

#[test]
fn a_user_id_is_not_printed() {
    let user = UserId::new("c0ffee").unwrap();
    assert_eq!(format!("{user:?}"), "UserId(6 bytes, redacted)");
}
