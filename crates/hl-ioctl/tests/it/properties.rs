//! Properties of all commands: written values parse to the same values, and no input panics.

use std::fmt::Debug;

use hl_ioctl::commands::*;
use hl_ioctl::{ChallengeStatus, Command, HlMessage, Request};
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

proptest! {
    #[test]
    fn any_payload_is_parsed_or_refused(
        payload in prop::collection::vec(prop_oneof![0..8u8, any::<u8>()], 0..48)
    ) {
        parse_all(&payload)?;
    }

    #[test]
    fn user_ids_and_challenges_round_trip(
        payload in prop::collection::vec(any::<u8>(), 22), status: u8, challenge: [u8; 16],
        user_id in prop::collection::vec(any::<u8>(), 1..=MAX_USER_ID),
    ) {
        let auth = ConnectAuth::decode(&payload).unwrap();
        let auth = UserAuth { auth, user_id: UserId::new(user_id).unwrap() };
        round_trip(&ConnectDoorbellUserAuth(auth.clone()))?;
        round_trip(&ConnectUserAuth(auth))?;
        let status = ChallengeStatus::from_byte(status);
        answer_round_trip::<ConnectRequest>(&Challenge { status, challenge })?;
    }

    #[test]
    fn long_lists_round_trip(
        ids in prop::collection::vec(1..=255u8, 1..=255),
        points in prop::collection::vec((0..=40u8, 0..=350u16, 10..=255u8), 0..=MAX_PATROL_POINTS)
    ) {
        round_trip(&ReadParameters::new(ids).unwrap())?;
        let points = points.into_iter().map(|(vertical, horizontal, seconds)| PatrolPoint {
            vertical: TiltAngle::new(vertical).unwrap(),
            horizontal: PanAngle::new(horizontal).unwrap(),
            seconds: DwellSeconds::new(seconds).unwrap(),
        });
        round_trip(&SetPatrolPoints(PatrolPoints::new(points.collect()).unwrap()))?;
    }

    #[test]
    fn reported_resolutions_have_names(resolution: u8) {
        let video = GetVideoParameters::decode_answer(&[0, 0, resolution, 0, 0, 0]).unwrap();
        prop_assert_eq!(
            video.picture_size().map(|size| size.code() + 1),
            (1..=5).contains(&resolution).then_some(resolution)
        );
    }

    #[test]
    fn milliseconds_are_modulo_a_billion(millis: u64) {
        let milliseconds = Milliseconds::from_unix_millis(millis);
        prop_assert_eq!(u64::from(milliseconds.get()), millis % 1_000_000_000);
    }
}
