//! The commands.

use alloc::vec::Vec;
use core::num::NonZeroU16;

use serde_json::Value;

use super::state::{DeviceState, HOME, VideoSettings};
use hl_ioctl::commands::*;
use hl_ioctl::{CAMERA_VERSION, Command, CommandSet, Error, HlMessage, JsonDocument};
use tutk_session::models::command_profile;

use crate::recorded::RecordedAnswer;

/// The degrees of one [`PanTiltByStep`]. The number of real cameras is not known.
const STEP: i64 = 10;

/// What to do after a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Send this HL message.
    Answer(Vec<u8>),
    /// Send this HL message and apply the effect.
    Effect(Vec<u8>, Effect),
    /// Send nothing.
    Unanswered(UnansweredReason),
}

/// An effect of a command beyond the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// K10010: switch media for the client that sent the command.
    Media(MediaControl),
    /// K10052, K10056: apply these video settings.
    Video(VideoSettings),
    /// K10092: the camera's clock is now this number of seconds ahead of the caller's.
    Clock(i64),
    /// K10058: take a photo.
    Photo,
    /// K10148: start the file server.
    FileServer,
    /// K10242: format the SD card.
    FormatSdCard,
    /// K10444: wake or go to sleep.
    Power(Power),
    /// K11635: play a message.
    QuickMessage(QuickMessage),
}

/// Why a message is not answered (docs/protocol.md, section 18).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnansweredReason {
    /// The camera does not support the code.
    UnknownCode,
    /// The payload cannot be parsed, or the answer is longer than
    /// [`MAX_PAYLOAD`](hl_ioctl::MAX_PAYLOAD). What real cameras do then is not known.
    Malformed(Error),
}

impl Outcome {
    /// Replaces the answer by that of a captured camera, if it has one.
    pub(crate) fn with_answer(self, code: u16, recorded: Option<&RecordedAnswer>) -> Self {
        let payload = recorded.and_then(|recorded| recorded.payload.as_deref());
        let answer = payload.and_then(|payload| {
            let message = HlMessage {
                version: CAMERA_VERSION,
                code: code.wrapping_add(1),
                payload,
            };
            message.to_vec().ok()
        });
        match (answer, self) {
            (None, outcome) => outcome,
            (Some(answer), Self::Effect(_, effect)) => Self::Effect(answer, effect),
            (Some(answer), _) => Self::Answer(answer),
        }
    }
}

impl DeviceState {
    /// Handles a message. `now_unix` is the time of the caller's clock in seconds since 1970.
    ///
    /// K10000 to K10008 are not supported. [`CameraExchange`](hl_ioctl::CameraExchange) handles
    /// them.
    pub fn handle(&mut self, message: &HlMessage<'_>, now_unix: u32) -> Outcome {
        if !self.supports(message.code) {
            return Outcome::Unanswered(UnansweredReason::UnknownCode);
        }
        let outcome = match self.handle_setting(message, now_unix) {
            Ok(None) => self.handle_action(message),
            other => other,
        };
        match outcome {
            Ok(Some(outcome)) => outcome,
            Ok(None) => Outcome::Unanswered(UnansweredReason::UnknownCode),
            Err(error) => Outcome::Unanswered(UnansweredReason::Malformed(error)),
        }
    }

    /// Returns `false` for the codes of the other command set.
    fn supports(&self, code: u16) -> bool {
        let Some(model) = self.model() else {
            return true;
        };
        let expected = match code {
            SetVideoParameters::CODE | SetMotionAlarmLegacy::CODE => CommandSet::Legacy,
            SetResolution::CODE | SetMotionAlarm::CODE => CommandSet::Current,
            _ => return true,
        };
        command_profile(Some(model)).command_set == expected
    }

    /// Reads and changes settings.
    #[rustfmt::skip] // A table: a line for each code.
    fn handle_setting(&mut self, message: &HlMessage<'_>, now_unix: u32) -> Result<Option<Outcome>, Error> {
        let m = message;
        let outcome = match m.code {
            ReadParameters::CODE => {
                let wanted = ReadParameters::from_message(m)?;
                answer::<ReadParameters>(&self.parameters(wanted.ids()).into())
            }
            GetStatusLight::CODE => get::<GetStatusLight>(m, &self.status_light),
            SetStatusLight::CODE => set(m, |SetStatusLight(to)| self.status_light = to),
            GetNightVision::CODE => get::<GetNightVision>(m, &self.night_vision),
            SetNightVision::CODE => set(m, |SetNightVision(to)| self.night_vision = to),
            GetInfraredLight::CODE => get::<GetInfraredLight>(m, &self.infrared_light),
            SetInfraredLight::CODE => set(m, |SetInfraredLight(to)| self.infrared_light = to),
            GetVideoParameters::CODE => get::<GetVideoParameters>(m, &self.video_parameters()),
            GetOnScreenTime::CODE => get::<GetOnScreenTime>(m, &self.on_screen_time),
            SetOnScreenTime::CODE => set(m, |SetOnScreenTime(to)| self.on_screen_time = to),
            GetOnScreenLogo::CODE => get::<GetOnScreenLogo>(m, &self.on_screen_logo),
            SetOnScreenLogo::CODE => set(m, |SetOnScreenLogo(to)| self.on_screen_logo = to),
            GetClock::CODE => get::<GetClock>(m, &UnixSeconds::new(self.clock(now_unix))?),
            SetClock::CODE => {
                let SetClock(to) = SetClock::from_message(m)?;
                self.clock_offset = i64::from(to.get()) - i64::from(now_unix);
                effect::<SetClock>(Effect::Clock(self.clock_offset))
            }
            GetMotionAlarm::CODE => get::<GetMotionAlarm>(m, &self.motion_alarm),
            SetMotionAlarmLegacy::CODE => set(m, |to: SetMotionAlarmLegacy| self.motion_alarm.alarm = to.alarm),
            SetMotionAlarm::CODE => set(m, |to: SetMotionAlarm| self.motion_alarm.alarm = to.alarm),
            GetMotionTagging::CODE => get::<GetMotionTagging>(m, &self.motion_tagging),
            SetMotionTagging::CODE => set(m, |SetMotionTagging(to)| self.motion_tagging = to),
            SetTimeZone::CODE => set(m, |SetTimeZone(to)| self.time_zone = to.get()),
            GetConnectionStatus::CODE => get::<GetConnectionStatus>(m, &json(&self.config.connection_status)),
            GetBatteryUse::CODE => get::<GetBatteryUse>(m, &json(&self.config.battery_use)),
            GetRtspServer::CODE => get::<GetRtspServer>(m, &self.rtsp_server()),
            SetRtspServer::CODE => set(m, |to: SetRtspServer| self.rtsp_server = to.server),
            GetNightCheck::CODE => get::<GetNightCheck>(m, &UntypedAnswer::switch(self.night())),
            GetNightSwitchPoint::CODE => get::<GetNightSwitchPoint>(m, &self.night_switch_point),
            SetNightSwitchPoint::CODE => set(m, |SetNightSwitchPoint(to)| self.night_switch_point = to),
            GetSirenAndLight::CODE => get::<GetSirenAndLight>(m, &self.siren),
            SetSirenAndLight::CODE => set(m, |SetSirenAndLight(to)| self.siren = to),
            GetSpotlight::CODE => get::<GetSpotlight>(m, &self.spotlight),
            SetSpotlight::CODE => set(m, |SetSpotlight(to)| self.spotlight = to),
            GetAccessories::CODE => get::<GetAccessories>(m, &json(&self.config.accessories)),
            GetBuiltInFloodlight::CODE => get::<GetBuiltInFloodlight>(m, &UntypedAnswer::switch(self.floodlight)),
            GetWhiteLight::CODE => get::<GetWhiteLight>(m, &UntypedAnswer::switch(self.spotlight)),
            SetFloodlight::CODE => set(m, |SetFloodlight(to)| self.floodlight = to),
            GetPosition::CODE => {
                let GetPosition(time) = GetPosition::from_message(m)?;
                answer::<GetPosition>(&Position { time, vertical: self.vertical, horizontal: self.horizontal })
            }
            GetPatrolPoints::CODE => get::<GetPatrolPoints>(m, &self.patrol_points),
            SetPatrolPoints::CODE => set(m, |SetPatrolPoints(to)| self.patrol_points = to),
            GetPatrol::CODE => get::<GetPatrol>(m, &self.patrol),
            SetPatrol::CODE => set(m, |SetPatrol(to)| self.patrol = to),
            GetMotionTracking::CODE => get::<GetMotionTracking>(m, &self.motion_tracking),
            SetMotionTracking::CODE => set(m, |SetMotionTracking(to)| self.motion_tracking = to),
            _ => return Ok(None),
        };
        outcome.map(Some)
    }

    /// Handles commands with effects and those that move the camera.
    fn handle_action(&mut self, message: &HlMessage<'_>) -> Result<Option<Outcome>, Error> {
        let outcome = match message.code {
            MediaControl::CODE => {
                let control = MediaControl::from_message(message)?;
                effect::<MediaControl>(Effect::Media(control))
            }
            SetVideoParameters::CODE => {
                let to = SetVideoParameters::from_message(message)?;
                let video = &mut self.video;
                video.bitrate = to.bitrate.unwrap_or(video.bitrate);
                video.resolution = to.resolution.unwrap_or(video.resolution);
                video.fps = to.fps.map_or(video.fps, |fps| fps.get().into());
                video.horizontal_flip = to.horizontal_flip.unwrap_or(video.horizontal_flip);
                video.vertical_flip = to.vertical_flip.unwrap_or(video.vertical_flip);
                effect::<SetVideoParameters>(Effect::Video(self.video))
            }
            SetResolution::CODE => {
                let to = SetResolution::from_message(message)?;
                self.video.resolution = to.resolution;
                self.video.bitrate = to.bitrate;
                self.video.fps = to.fps.map_or(self.video.fps, NonZeroU16::get);
                effect::<SetResolution>(Effect::Video(self.video))
            }
            TakePhoto::CODE => {
                TakePhoto::from_message(message)?;
                effect::<TakePhoto>(Effect::Photo)
            }
            StartFileServer::CODE => {
                StartFileServer::from_message(message)?;
                effect::<StartFileServer>(Effect::FileServer)
            }
            FormatSdCard::CODE => {
                FormatSdCard::from_message(message)?;
                effect::<FormatSdCard>(Effect::FormatSdCard)
            }
            SetPower::CODE => {
                let SetPower(to) = SetPower::from_message(message)?;
                effect::<SetPower>(Effect::Power(to))
            }
            PlayQuickMessage::CODE => {
                let PlayQuickMessage(which) = PlayQuickMessage::from_message(message)?;
                effect::<PlayQuickMessage>(Effect::QuickMessage(which))
            }
            PanTiltByDegrees::CODE => set(message, |by: PanTiltByDegrees| {
                self.turn(by.horizontal.get().into(), by.vertical.get().into());
            }),
            PanTiltByStep::CODE => set(message, |by: PanTiltByStep| {
                let horizontal = match by.horizontal {
                    PanDirection::Left => -STEP,
                    PanDirection::Right => STEP,
                    _ => 0,
                };
                let vertical = match by.vertical {
                    TiltDirection::Up => STEP,
                    TiltDirection::Down => -STEP,
                    _ => 0,
                };
                self.turn(horizontal, vertical);
            }),
            PanTiltHome::CODE => set(message, |_: PanTiltHome| {
                self.turn_to(HOME.0.into(), HOME.1.into())
            }),
            PanTiltTo::CODE => set(message, |to: PanTiltTo| {
                self.turn_to(to.horizontal.get().into(), to.vertical.get().into());
            }),
            _ => return Ok(None),
        };
        outcome.map(Some)
    }

    /// Night vision, if it was switched. With [`NightVision::Auto`] it is day.
    fn night(&self) -> Switch {
        match self.night_vision {
            NightVision::On => Switch::On,
            _ => Switch::Off,
        }
    }

    fn rtsp_server(&self) -> RtspServer {
        RtspServer {
            server: self.rtsp_server.byte(),
            url: self.config.rtsp_url.clone(),
        }
    }

    fn video_parameters(&self) -> VideoParameters {
        VideoParameters {
            bitrate: self.video.bitrate.get(),
            resolution: self.video.resolution.code() + 1,
            fps: self.video.fps.try_into().unwrap_or(u8::MAX),
            horizontal_flip: self.video.horizontal_flip.byte(),
            vertical_flip: self.video.vertical_flip.byte(),
        }
    }
}

fn json(value: &Value) -> JsonDocument {
    value.clone().into()
}

fn answer<C: Command>(to: &C::Answer) -> Result<Outcome, Error> {
    C::answer_to_hl(to).map(Outcome::Answer)
}

fn effect<C: Command<Answer = SetAnswer>>(effect: Effect) -> Result<Outcome, Error> {
    Ok(Outcome::Effect(C::answer_to_hl(&SetAnswer::Done)?, effect))
}

/// Answers a command without a payload.
fn get<C: Command>(message: &HlMessage<'_>, value: &C::Answer) -> Result<Outcome, Error> {
    C::from_message(message)?;
    answer::<C>(value)
}

fn set<C: Command<Answer = SetAnswer>>(
    message: &HlMessage<'_>,
    apply: impl FnOnce(C),
) -> Result<Outcome, Error> {
    apply(C::from_message(message)?);
    answer::<C>(&SetAnswer::Done)
}
