//! Properties of every command: what is written is read, and nothing that is read panics.

#![allow(clippy::unwrap_used, reason = "a test that panics fails")]

use std::fmt::Debug;
use std::num::{NonZeroU8, NonZeroU16};

use hl_ioctl::commands::{
    Bitrate, Challenge, ConnectAuth, ConnectRequest, Media, MediaControl, ReadParameters,
    Resolution, SetResolution, SetVideoParameters, Switch,
};
use hl_ioctl::{ChallengeStatus, Command, HlMessage, Request};
use proptest::prelude::*;

fn round_trip<C: Command + PartialEq + Debug>(command: &C) -> Result<(), TestCaseError> {
    let bytes = Request::from(command).to_hl().unwrap();
    let message = HlMessage::parse(&bytes).unwrap();
    prop_assert_eq!(&C::from_message(&message).unwrap(), command);
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
    fn nothing_panics(payload in prop::collection::vec(prop_oneof![0..8u8, any::<u8>()], 0..48)) {
        read::<ConnectRequest>(&payload)?;
        read::<ConnectAuth>(&payload)?;
        read::<MediaControl>(&payload)?;
        read::<ReadParameters>(&payload)?;
        read::<SetVideoParameters>(&payload)?;
        read::<SetResolution>(&payload)?;
    }
}
