//! The controls whose requests depend on the context.

use core::num::NonZeroU8;

use alloc::format;
use serde_json::Value;

use super::control::Context;
use crate::commands::*;
use crate::json::object;
use crate::layout::{Arguments, FromText, Scalar, ToJson, argument, scalar};
use crate::schema::{Field, Values};
use crate::{Error, Request};

/// A request, and its values as JSON.
type Made = Result<(Request, Value), Error>;

pub(crate) const RESOLUTION: &[Field] = &[
    Field::new("resolution", Resolution::KIND),
    Field::new("bitrate", Bitrate::KIND).optional(true),
    Field::new("fps", NonZeroU8::KIND).optional(true),
];

pub(crate) fn set_resolution(control: &'static str, texts: &[&str], context: &Context) -> Made {
    let mut arguments = Arguments::new(control, Values::Fields(RESOLUTION), texts)?;
    let resolution: Resolution = arguments.value("resolution")?;
    let bitrate: Option<Bitrate> = arguments.value("bitrate")?;
    let bitrate = bitrate.unwrap_or(match resolution {
        Resolution::P360 => Bitrate::P360,
        _ => Bitrate::HD,
    });
    let fps: Option<NonZeroU8> = arguments.value("fps")?;
    let json = object([
        ("resolution", resolution.to_json()),
        ("bitrate", bitrate.to_json()),
        ("fps", fps.to_json()),
    ]);
    Ok((context.profile.set_video(resolution, bitrate, fps), json))
}

pub(crate) fn set_motion_alarm(control: &'static str, texts: &[&str], context: &Context) -> Made {
    let set = SetMotionAlarm::from_texts(control, texts)?;
    Ok((context.profile.set_motion_alarm(set.alarm), set.json()))
}

pub(crate) fn set_clock(control: &'static str, texts: &[&str], context: &Context) -> Made {
    let now = context
        .now_unix_millis
        .and_then(|millis| u32::try_from(millis / 1000).ok());
    let set = match (texts, now) {
        (["now"], Some(now)) => SetClock(UnixSeconds::new(now)?),
        ([text], Some(_)) => SetClock(scalar(control, "value", text).map_err(|_| {
            let allowed = format!("now or {}", UnixSeconds::KIND);
            argument(control, "value", allowed, text)
        })?),
        _ => SetClock::from_texts(control, texts)?,
    };
    Ok((Request::from(&set), set.json()))
}

pub(crate) fn pan_tilt_to(control: &'static str, texts: &[&str], context: &Context) -> Made {
    let target = PanTiltTarget::from_texts(control, texts)?;
    let command = PanTiltTo {
        milliseconds: timestamp(context),
        vertical: target.vertical,
        horizontal: target.horizontal,
    };
    Ok((Request::from(&command), target.json()))
}

pub(crate) fn timestamp(context: &Context) -> Milliseconds {
    Milliseconds::from_unix_millis(context.now_unix_millis.unwrap_or_default())
}
