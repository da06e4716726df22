//! Properties of every command: what is written is read, and nothing that is read panics.

#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

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

/// What is read can be written, and is then read as the same; what cannot be read is an error.
fn read<C>(payload: &[u8]) -> Result<(), TestCaseError>
where
    C: Command + PartialEq + Debug,
    C::Answer: PartialEq + Debug,
{
    if let Ok(command) = C::decode(payload) {
        let mut written = Vec::new();
        command.encode(&mut written);
        prop_assert_eq!(C::decode(&written).unwrap(), command);
    }
    if let Ok(answer) = C::decode_answer(payload) {
        let mut written = Vec::new();
        C::encode_answer(&answer, &mut written);
        prop_assert_eq!(C::decode_answer(&written).unwrap(), answer);
    }
    Ok(())
}

fn switch() -> impl Strategy<Value = Switch> {
    prop::sample::select(vec![Switch::On, Switch::Off])
}

fn user_auth() -> impl Strategy<Value = UserAuth> {
    let user_id = prop::collection::vec(any::<u8>(), 1..=MAX_USER_ID);
    let rest = any::<([u8; 16], [u8; 4], bool, bool)>();
    (rest, user_id).prop_map(|((response, phone_id, video, audio), user_id)| UserAuth {
        response,
        phone_id,
        video,
        audio,
        user_id: UserId::new(user_id).unwrap(),
    })
}

fn vertical() -> impl Strategy<Value = TiltAngle> {
    (0..=40u8).prop_map(|degrees| TiltAngle::new(degrees).unwrap())
}

fn horizontal() -> impl Strategy<Value = PanAngle> {
    (0..=350u16).prop_map(|degrees| PanAngle::new(degrees).unwrap())
}

fn degrees() -> impl Strategy<Value = RelativeAngle> {
    (-128..=127i16).prop_map(|degrees| RelativeAngle::new(degrees).unwrap())
}

fn patrol_points() -> impl Strategy<Value = PatrolPoints> {
    let point =
        (vertical(), horizontal(), 10..=255u8).prop_map(|(vertical, horizontal, seconds)| {
            PatrolPoint {
                vertical,
                horizontal,
                seconds: DwellSeconds::new(seconds).unwrap(),
            }
        });
    prop::collection::vec(point, 0..=MAX_PATROL_POINTS)
        .prop_map(|points| PatrolPoints::new(points).unwrap())
}

/// One of a few values.
fn small<T: Copy + Debug>(values: &'static [T]) -> impl Strategy<Value = T> {
    (0..values.len()).prop_map(|at| values.get(at).copied().unwrap())
}

fn resolution() -> impl Strategy<Value = Resolution> {
    (0..5u8).prop_map(|code| Resolution::try_from(code).unwrap())
}

fn bitrate() -> impl Strategy<Value = Bitrate> {
    (1..=240u16).prop_map(|rate| Bitrate::new(rate).unwrap())
}

proptest! {
    #[test]
    fn connect(payload in prop::collection::vec(any::<u8>(), 0..80), response: [u8; 16], id: [u8; 4], video: bool, audio: bool) {
        round_trip(&ConnectRequest { payload })?;
        round_trip(&ConnectAuth { response, id, video, audio })?;
    }

    #[test]
    fn challenge(status: u8, challenge: [u8; 16]) {
        let answer = Challenge { status: ChallengeStatus::from_byte(status), challenge };
        let bytes = ConnectRequest::answer_to_hl(&answer).unwrap();
        let message = HlMessage::parse(&bytes).unwrap();
        prop_assert_eq!(ConnectRequest::answer_from_message(&message).unwrap(), answer);
    }

    #[test]
    fn media_control(media in 1..5u8, switch in switch()) {
        round_trip(&MediaControl { media: Media::try_from(media).unwrap(), switch })?;
    }

    #[test]
    fn read_parameters(ids in prop::collection::vec(1..=255u8, 1..=255)) {
        round_trip(&ReadParameters::new(ids).unwrap())?;
    }

    #[test]
    fn video(
        bitrate in bitrate(), resolution in resolution(), fps: u16,
        optional in (prop::option::of(bitrate()), prop::option::of(resolution()), any::<u8>(),
            prop::option::of(switch()), prop::option::of(switch()))
    ) {
        round_trip(&SetResolution { resolution, bitrate, fps: NonZeroU16::new(fps) })?;
        let (bitrate, resolution, fps, horizontal_flip, vertical_flip) = optional;
        let fps = NonZeroU8::new(fps);
        round_trip(&SetVideoParameters { bitrate, resolution, fps, horizontal_flip, vertical_flip })?;
    }

    #[test]
    fn user(auth in user_auth()) {
        round_trip(&ConnectDoorbellUserAuth(auth.clone()))?;
        round_trip(&ConnectUserAuth(auth))?;
    }

    #[test]
    fn switches(on in switch(), light in switch(), sensitivity: u8) {
        round_trip(&SetStatusLight(on))?;
        round_trip(&SetOnScreenTime(on))?;
        round_trip(&SetOnScreenLogo(on))?;
        round_trip(&SetMotionAlarm { alarm: on })?;
        round_trip(&SetMotionAlarmLegacy { alarm: on })?;
        round_trip(&SetMotionTagging(on))?;
        round_trip(&SetMotionTracking(on))?;
        round_trip(&SetRtspServer(on))?;
        round_trip(&SetSirenAndLight(SirenAndLight { siren: on, light }))?;
        round_trip(&SetSpotlight(on))?;
        round_trip(&SetFloodlight(on))?;
        round_trip(&SetPatrol(on))?;
        answer_round_trip::<GetStatusLight>(&on)?;
        answer_round_trip::<GetOnScreenTime>(&on)?;
        answer_round_trip::<GetOnScreenLogo>(&on)?;
        answer_round_trip::<GetMotionAlarm>(&MotionAlarm { alarm: on, sensitivity })?;
        answer_round_trip::<GetMotionTagging>(&on)?;
        answer_round_trip::<GetMotionTracking>(&on)?;
        answer_round_trip::<GetSirenAndLight>(&SirenAndLight { siren: on, light })?;
        answer_round_trip::<GetSpotlight>(&on)?;
        answer_round_trip::<GetPatrol>(&on)?;
    }

    #[test]
    fn named_values(
        night in small(&[NightVision::On, NightVision::Off, NightVision::Auto]),
        light in small(&[InfraredLight::LongRange, InfraredLight::ShortRange]),
        point in small(&[NightSwitchPoint::Dusk, NightSwitchPoint::Dark]),
        power in small(&[Power::Wake, Power::Sleep]),
        message in 1..=3u8,
        zone in -11..=13i8,
        time: u32,
    ) {
        round_trip(&SetNightVision(night))?;
        answer_round_trip::<GetNightVision>(&night)?;
        round_trip(&SetInfraredLight(light))?;
        answer_round_trip::<GetInfraredLight>(&light)?;
        round_trip(&SetNightSwitchPoint(point))?;
        answer_round_trip::<GetNightSwitchPoint>(&point)?;
        round_trip(&SetPower(power))?;
        round_trip(&PlayQuickMessage(QuickMessage::new(message).unwrap()))?;
        round_trip(&SetTimeZone(TimeZone::new(zone).unwrap()))?;
        let time = UnixSeconds::new(time).unwrap();
        round_trip(&SetClock(time))?;
        answer_round_trip::<GetClock>(&time)?;
    }

    #[test]
    fn turning(
        by in (degrees(), degrees()), to in (vertical(), horizontal(), any::<u64>()), points in patrol_points(),
        step in (small(&[PanDirection::None, PanDirection::Left, PanDirection::Right]), small(&[TiltDirection::None, TiltDirection::Up, TiltDirection::Down])),
        position in any::<(u32, u8, u16)>()
    ) {
        round_trip(&PanTiltByDegrees { horizontal: by.0, vertical: by.1 })?;
        round_trip(&PanTiltByStep { horizontal: step.0, vertical: step.1 })?;
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
    fn answers(bytes in any::<(u16, u8, u8, u8, u8)>(), number: u32, done: u8) {
        let (bitrate, resolution, fps, horizontal_flip, vertical_flip) = bytes;
        let video = VideoParameters { bitrate, resolution, fps, horizontal_flip, vertical_flip };
        answer_round_trip::<GetVideoParameters>(&video)?;
        prop_assert_eq!(
            video.picture_size().map(|size| size.code() + 1),
            (1..=5).contains(&resolution).then_some(resolution)
        );
        let json = JsonDocument::from(serde_json::json!({ "a": number }));
        answer_round_trip::<GetAccessories>(&json)?;
        answer_round_trip::<GetBatteryUse>(&json)?;
        answer_round_trip::<GetConnectionStatus>(&json)?;
        answer_round_trip::<GetNightCheck>(&UntypedAnswer::Json(json))?;
        answer_round_trip::<GetNightCheck>(&UntypedAnswer::Byte(done))?;
        answer_round_trip::<TakePhoto>(&SetAnswer::from_byte(done))?;
    }

    #[test]
    fn nothing_panics(payload in prop::collection::vec(prop_oneof![0..8u8, any::<u8>()], 0..48)) {
        macro_rules! read_all {
            ($($command:ident)*) => {$(read::<$command>(&payload)?;)*};
        }
        read_all! {
            ConnectRequest ConnectAuth ConnectDoorbellUserAuth ConnectUserAuth MediaControl ReadParameters
            GetStatusLight SetStatusLight GetNightVision SetNightVision GetInfraredLight SetInfraredLight
            GetVideoParameters SetVideoParameters SetResolution TakePhoto GetOnScreenTime SetOnScreenTime
            GetOnScreenLogo SetOnScreenLogo GetClock SetClock StartFileServer GetMotionAlarm
            SetMotionAlarmLegacy SetMotionAlarm FormatSdCard GetMotionTagging SetMotionTagging SetTimeZone
            SetPower GetConnectionStatus GetBatteryUse SetRtspServer GetRtspServer GetNightCheck
            GetNightSwitchPoint SetNightSwitchPoint SetSirenAndLight GetSirenAndLight GetSpotlight
            SetSpotlight GetAccessories GetBuiltInFloodlight GetWhiteLight PanTiltByDegrees PanTiltByStep PanTiltHome
            GetPosition GetPatrolPoints SetPatrolPoints GetPatrol SetPatrol PanTiltTo GetMotionTracking
            SetMotionTracking PlayQuickMessage SetFloodlight
        }
    }
}
