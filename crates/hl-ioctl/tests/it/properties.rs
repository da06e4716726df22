//! Properties of all commands: written values parse to the same values, and no input panics.

use std::fmt::Debug;
use std::num::{NonZeroU8, NonZeroU16};

use hl_ioctl::commands::*;
use hl_ioctl::{ChallengeStatus, Command, HlMessage, JsonDocument, Request};
use proptest::prelude::*;

fn round_trip<C: Command + PartialEq + Debug>(command: &C) -> Result<(), TestCaseError> {
    let bytes = Request::from(command).to_hl().unwrap();
    let message = HlMessage::parse(&bytes).unwrap();
    prop_assert_eq!(&C::from_message(&message).unwrap(), command);
    Ok(())
}

fn answer_round_trip<C>(answer: &C::Answer) -> Result<(), TestCaseError>
where
    C: Command,
    C::Answer: PartialEq + Debug,
{
    let bytes = C::answer_to_hl(answer).unwrap();
    let message = HlMessage::parse(&bytes).unwrap();
    prop_assert_eq!(&C::answer_from_message(&message).unwrap(), answer);
    Ok(())
}

/// What can be parsed can be written, and parses to the same value again.
fn parse<C>(payload: &[u8]) -> Result<(), TestCaseError>
where
    C: Command + PartialEq + Debug,
    C::Answer: PartialEq + Debug,
{
    if let Ok(command) = C::decode(payload) {
        round_trip(&command)?;
    }
    if let Ok(answer) = C::decode_answer(payload) {
        answer_round_trip::<C>(&answer)?;
    }
    Ok(())
}

fn parse_all(payload: &[u8]) -> Result<(), TestCaseError> {
    macro_rules! parse_all {
        ($($command:ident)*) => {$(parse::<$command>(payload)?;)*};
    }
    parse_all! {
        ConnectRequest ConnectAuth ConnectDoorbellUserAuth ConnectUserAuth MediaControl
        ReadParameters GetStatusLight SetStatusLight GetNightVision SetNightVision
        GetInfraredLight SetInfraredLight GetVideoParameters SetVideoParameters SetResolution
        TakePhoto GetOnScreenTime SetOnScreenTime GetOnScreenLogo SetOnScreenLogo GetClock
        SetClock StartFileServer GetMotionAlarm SetMotionAlarmLegacy SetMotionAlarm FormatSdCard
        GetMotionTagging SetMotionTagging SetTimeZone SetPower GetConnectionStatus GetBatteryUse
        SetRtspServer GetRtspServer GetNightCheck GetNightSwitchPoint SetNightSwitchPoint
        SetSirenAndLight GetSirenAndLight GetSpotlight SetSpotlight GetAccessories
        GetBuiltInFloodlight GetWhiteLight PanTiltByDegrees PanTiltByStep PanTiltHome GetPosition
        GetPatrolPoints SetPatrolPoints GetPatrol SetPatrol PanTiltTo GetMotionTracking
        SetMotionTracking PlayQuickMessage SetFloodlight
    }
    Ok(())
}

#[test]
fn short_payloads_round_trip() {
    parse_all(&[]).unwrap();
    for first in 0..=255 {
        parse_all(&[first]).unwrap();
        for second in [0, 1, 2, 3, 4, 5, 254, 255] {
            parse_all(&[first, second]).unwrap();
            parse_all(&[first, second, 5]).unwrap();
        }
    }
}

fn connect_auth() -> impl Strategy<Value = ConnectAuth> {
    any::<([u8; 16], [u8; 4], bool, bool)>().prop_map(|(response, id, video, audio)| ConnectAuth {
        response,
        id,
        video,
        audio,
    })
}

fn tilt() -> impl Strategy<Value = TiltAngle> {
    (0..=40u8).prop_map(|degrees| TiltAngle::new(degrees).unwrap())
}

fn pan() -> impl Strategy<Value = PanAngle> {
    (0..=350u16).prop_map(|degrees| PanAngle::new(degrees).unwrap())
}

fn relative_angle() -> impl Strategy<Value = RelativeAngle> {
    (-128..=127i16).prop_map(|degrees| RelativeAngle::new(degrees).unwrap())
}

fn patrol_points() -> impl Strategy<Value = PatrolPoints> {
    let point =
        (tilt(), pan(), 10..=255u8).prop_map(|(vertical, horizontal, seconds)| PatrolPoint {
            vertical,
            horizontal,
            seconds: DwellSeconds::new(seconds).unwrap(),
        });
    prop::collection::vec(point, 0..=MAX_PATROL_POINTS)
        .prop_map(|points| PatrolPoints::new(points).unwrap())
}

fn switch() -> impl Strategy<Value = Switch> {
    prop::sample::select(vec![Switch::On, Switch::Off])
}

fn resolution() -> impl Strategy<Value = Resolution> {
    (0..5u8).prop_map(|code| Resolution::try_from(code).unwrap())
}

fn bitrate() -> impl Strategy<Value = Bitrate> {
    (1..=240u16).prop_map(|rate| Bitrate::new(rate).unwrap())
}

proptest! {
    #[test]
    fn any_payload_is_parsed_or_refused(
        payload in prop::collection::vec(prop_oneof![0..8u8, any::<u8>()], 0..48)
    ) {
        parse_all(&payload)?;
    }

    #[test]
    fn connection_round_trips(
        payload in prop::collection::vec(any::<u8>(), 0..80), auth in connect_auth(),
        user_id in prop::collection::vec(any::<u8>(), 1..=MAX_USER_ID),
        status: u8, challenge: [u8; 16],
    ) {
        round_trip(&ConnectRequest { payload })?;
        round_trip(&auth)?;
        let auth = UserAuth { auth, user_id: UserId::new(user_id).unwrap() };
        round_trip(&ConnectDoorbellUserAuth(auth.clone()))?;
        round_trip(&ConnectUserAuth(auth))?;
        let status = ChallengeStatus::from_byte(status);
        answer_round_trip::<ConnectRequest>(&Challenge { status, challenge })?;
    }

    #[test]
    fn parameters_round_trip(ids in prop::collection::vec(1..=255u8, 1..=255)) {
        round_trip(&ReadParameters::new(ids).unwrap())?;
    }

    #[test]
    fn video_round_trips(
        bitrate in bitrate(), resolution in resolution(), fps: u16,
        optional in (prop::option::of(bitrate()), prop::option::of(resolution()), any::<u8>(),
            prop::option::of(switch()), prop::option::of(switch())),
        raw in any::<(u16, u8, u8, u8, u8)>(),
    ) {
        round_trip(&SetResolution { resolution, bitrate, fps: NonZeroU16::new(fps) })?;
        let (bitrate, resolution, fps, horizontal_flip, vertical_flip) = optional;
        let fps = NonZeroU8::new(fps);
        round_trip(&SetVideoParameters { bitrate, resolution, fps, horizontal_flip, vertical_flip })?;
        let (bitrate, resolution, fps, horizontal_flip, vertical_flip) = raw;
        let video = VideoParameters { bitrate, resolution, fps, horizontal_flip, vertical_flip };
        answer_round_trip::<GetVideoParameters>(&video)?;
        prop_assert_eq!(
            video.picture_size().map(|size| size.code() + 1),
            (1..=5).contains(&resolution).then_some(resolution)
        );
    }

    #[test]
    fn clock_round_trips(time: u32) {
        let time = UnixSeconds::new(time).unwrap();
        round_trip(&SetClock(time))?;
        answer_round_trip::<GetClock>(&time)?;
    }

    #[test]
    fn pan_and_tilt_round_trip(
        by in (relative_angle(), relative_angle()), to in (tilt(), pan(), any::<u64>()),
        points in patrol_points(), position in any::<(u32, u8, u16)>()
    ) {
        round_trip(&PanTiltByDegrees { horizontal: by.0, vertical: by.1 })?;
        let milliseconds = Milliseconds::from_unix_millis(to.2);
        prop_assert_eq!(u64::from(milliseconds.get()), to.2 % 1_000_000_000);
        round_trip(&PanTiltTo { milliseconds, vertical: to.0, horizontal: to.1 })?;
        let (time, vertical, horizontal) = position;
        round_trip(&GetPosition(time))?;
        answer_round_trip::<GetPosition>(&Position { time, vertical, horizontal })?;
        answer_round_trip::<GetPatrolPoints>(&points)?;
        round_trip(&SetPatrolPoints(points))?;
    }

    #[test]
    fn json_answers_round_trip(number: u32) {
        let json = JsonDocument::from(serde_json::json!({ "a": number }));
        answer_round_trip::<GetAccessories>(&json)?;
        answer_round_trip::<GetBatteryUse>(&json)?;
        answer_round_trip::<GetConnectionStatus>(&json)?;
        answer_round_trip::<GetNightCheck>(&UntypedAnswer::Json(json))?;
    }
}
