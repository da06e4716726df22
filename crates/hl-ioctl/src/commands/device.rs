//! The device: clock, SD card, servers and accessories.

use alloc::string::String;

use bytes::BufMut;
use serde_json::Value;

use super::{SetAnswer, Switch};
use crate::json::object;
use crate::layout::{
    Payload, Reader, Scalar, ToJson, action, command, get, layout, number, setting, value,
};
use crate::{Error, JsonDocument};

action! {
    /// K10058: takes a photo and stores it on the SD card. The payload is 1.
    TakePhoto = 10058, 10059: [1];
}

setting! {
    "the clock": UnixSeconds;
    GetClock = 10090, 10091;
    SetClock = 10092, 10093;
}

number! {
    /// A time in seconds since 1970.
    pub struct UnixSeconds(u32): "clock", 0 to 4294967295, "Unix seconds";
}

action! {
    /// K10148: starts the camera's file server. The meaning of the payload is not known.
    StartFileServer = 10148, 10149: [0, 1, 0, 0, 0];
}

action! {
    /// K10242: formats the SD card and **deletes everything on it**. There is no payload.
    FormatSdCard = 10242, 10243: [];
}

value! {
    /// K10302: sets the time zone.
    #[derive(Copy)]
    SetTimeZone(pub TimeZone) = 10302, 10303: SetAnswer;
}

number! {
    /// A time zone in whole hours from UTC, -11 to 13.
    pub struct TimeZone(i8): "time zone", -11 to 13, "hours";
}

layout! {
    /// K10600: switches the camera's own RTSP server. Only special firmware has one.
    ///
    /// | at | size | field |
    /// |---|---|---|
    /// | 16 | 1 | 1 on, 2 off |
    pub struct SetRtspServer {
        /// On or off.
        pub server: Switch,
    }
}
command!(SetRtspServer = 10600, 10601: SetAnswer);

get! { "the state of the RTSP server": RtspServer; GetRtspServer = 10604, 10605; }

/// K10605: the state and address of the camera's RTSP server.
///
/// | at | size | field |
/// |---|---|---|
/// | 16 | 1 | 1 on, 2 off |
/// | 17 | | `rtsp://` address |
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtspServer {
    /// 1 on, 2 off.
    pub server: u8,
    /// The address, without zeros at its end. It may be empty. Bytes that are not UTF-8 are
    /// replaced.
    pub url: String,
}

impl Payload for RtspServer {
    fn write(&self, out: &mut impl BufMut) {
        out.put_u8(self.server);
        out.put_slice(self.url.as_bytes());
    }

    fn read(what: &'static str, payload: &[u8]) -> Result<Self, Error> {
        let server = Reader::new(what, 1, payload).value("server")?;
        let url = String::from_utf8_lossy(payload.get(1..).unwrap_or_default());
        let url = url.trim_end_matches('\0').into();
        Ok(Self { server, url })
    }
}

impl ToJson for RtspServer {
    fn json(&self) -> Value {
        object([
            ("server", Some(Switch::KIND.json(self.server.into()))),
            ("url", Some(self.url.as_str().into())),
        ])
    }
}

get! { "the accessories": JsonDocument; GetAccessories = 10720, 10721; }
